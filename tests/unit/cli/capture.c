/* capture.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include "cli/commands.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS_MAX = 16, TEXT_BYTES_MAX = 1 << 20 };

void capture_begin(struct capture *capture)
{
    fflush(NULL);
    for (int fd = 1; fd <= 2; fd++) {
        capture->saved[fd] = dup(fd);
        capture->files[fd] = memfd_create("capture", MFD_CLOEXEC);
        CHECK(capture->saved[fd] != -1);
        CHECK(capture->files[fd] != -1);
    }
    for (int fd = 1; fd <= 2; fd++)
        dup2(capture->files[fd], fd);
}

static struct str take(int file)
{
    char *text = arena_alloc(test_arena(), TEXT_BYTES_MAX, 1);
    ssize_t len;

    CHECK(text != NULL);
    len = pread(file, text, TEXT_BYTES_MAX - 1, 0);
    close(file);
    CHECK(len >= 0);
    text[len] = '\0';
    return str_of(text, (size_t)len);
}

void capture_end(struct capture *capture, struct str *out, struct str *err)
{
    for (int fd = 1; fd <= 2; fd++) {
        dup2(capture->saved[fd], fd);
        close(capture->saved[fd]);
    }
    *out = take(capture->files[1]);
    *err = take(capture->files[2]);
}

int run_words(const char *line, struct str *out, struct str *err)
{
    struct str rest = str_from(line), word;
    char *words[WORDS_MAX] = {0};
    struct capture capture;
    int count = 0, code;

    while (rest.len > 0 && str_split(&rest, ' ', &word)) {
        CHECK(count < WORDS_MAX);
        words[count++] = (char *)(uintptr_t)arena_copy(test_arena(), word).data;
    }
    capture_begin(&capture);
    code = commands_run(count, words);
    capture_end(&capture, out, err);
    return code;
}
