/* file.h: reading and writing whole files, the environment, standard streams. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_FILE_H
#define HOLDFAST_OS_FILE_H

#include "base/arena.h"
#include "base/error.h"

/* The file's bytes in the arena ("-" reads standard input). False with *err: not_found, permission, too_large (over
 * size_max bytes), out_of_memory, system. */
bool file_read(struct arena *arena, const char *path, size_t size_max, struct str *out, struct error *err) MUST_USE;

/* The first `room` bytes of a file of the system's, as those of /proc, in `out`, without a newline at their end. Empty
 * when it cannot be read. */
struct str file_read_small(const char *path, char *out, size_t room);

/* What changes when a file is written or replaced; all zero when it cannot be looked at. */
struct file_stamp {
    uint64_t device, inode, size;
    int64_t written_ns; /* modification time, since 1970 */
};
struct file_stamp file_look(const char *path);

static inline bool file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->written_ns == b->written_ns;
}

/* Writes all bytes to descriptor 1 or 2 in one call when possible; lost output (closed pipe, a reader that stands
 * still) is not an error. A closed pipe still raises SIGPIPE unless it is ignored, as signals_new sees to. */
void file_print(int fd, struct str bytes);

bool file_is_terminal(int fd);

/* Calls visit(name, value) for each environment entry, in order. */
void environment_visit(void (*visit)(void *arg, struct str name, struct str value), void *arg);
const char *environment_get(const char *name); /* NULL: not set */

#endif
