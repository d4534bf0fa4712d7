/* file.c: whole files in, lines out, the environment. For start, reload and the command line: reading a file may block,
 * unless it is one of the system's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_FIRST = 65536, PRINT_WAIT_MS = 100 };

struct buffer {
    char *data;
    size_t size, room;
};

static bool grow(struct buffer *buffer)
{
    size_t room = buffer->room == 0 ? BUFFER_FIRST : buffer->room * 2;
    char *data = realloc(buffer->data, room);

    if (!data)
        return false;
    buffer->data = data;
    buffer->room = room;
    return true;
}

/* Reads to the end, or to one byte past size_max. What stat says of the size is no help with pipes and /proc. */
static bool read_all(int fd, const char *name, size_t size_max, struct buffer *buffer, struct error *err)
{
    ssize_t got;

    do {
        if (buffer->size == buffer->room && !grow(buffer))
            return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "%s: no memory to read it", name);
        got = read(fd, buffer->data + buffer->size, buffer->room - buffer->size);
        if (got == -1 && errno != EINTR)
            return error_set_system(err, errno, "%s", name);
        if (got > 0)
            buffer->size += (size_t)got;
        if (buffer->size > size_max)
            return error_set(err, FAULT_SYSTEM, ERROR_TOO_LARGE, "%s: larger than %zu bytes", name, size_max);
    } while (got != 0);
    return true;
}

bool file_read(struct arena *arena, const char *path, size_t size_max, struct str *out, struct error *err)
{
    bool is_input = strcmp(path, "-") == 0;
    const char *name = is_input ? "standard input" : path;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct buffer buffer = {0};
    bool done;

    if (fd == -1)
        return error_set_system(err, errno, "%s", name);
    done = read_all(fd, name, size_max, &buffer, err);
    if (done) {
        *out = arena_copy(arena, str_of(buffer.data, buffer.size));
        if (!out->data)
            done = error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "%s: no room for %zu bytes", name, buffer.size);
    }
    free(buffer.data);
    if (!is_input)
        close(fd);
    return done;
}

struct str file_read_small(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got;

    if (fd == -1)
        return STR_EMPTY;
    do {
        got = read(fd, out + size, room - size);
        size += got > 0 ? (size_t)got : 0;
    } while (got > 0 && size < room);
    close(fd);
    return str_of(out, size > 0 && out[size - 1] == '\n' ? size - 1 : size);
}

struct file_stamp file_look(const char *path)
{
    struct stat seen;

    if (stat(path, &seen) == -1)
        return (struct file_stamp){0};
    return (struct file_stamp){
        .device = seen.st_dev,
        .inode = seen.st_ino,
        .size = (uint64_t)seen.st_size,
        .written_ns = (int64_t)seen.st_mtim.tv_sec * 1000000000 + seen.st_mtim.tv_nsec,
    };
}

/* A terminal or pipe that others made non-blocking: give its reader a moment, but never stand still for it. */
static bool wait_for_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    return poll(&room, 1, PRINT_WAIT_MS) == 1;
}

void file_print(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.data, bytes.len);

        if (written > 0)
            bytes = str_from_offset(bytes, (size_t)written);
        else if (written == -1 && errno == EINTR)
            continue;
        else if (written != -1 || errno != EAGAIN || !wait_for_room(fd))
            return;
    }
}

bool file_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

void environment_visit(void (*visit)(void *arg, struct str name, struct str value), void *arg)
{
    for (char **entry = environ; entry && *entry; entry++) {
        struct str text = str_from(*entry);
        size_t equals = str_find_char(text, '=');

        if (equals < text.len)
            visit(arg, str_first(text, equals), str_from_offset(text, equals + 1));
    }
}

const char *environment_get(const char *name)
{
    return getenv(name);
}
