/* test_file.c: whole files in, lines out, the environment. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/file.h"
#include "temporary.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(a_file_is_read_whole)
{
    static const size_t sizes[] = {0, 1, 5, 65535, 65536, 65537, 300000};
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];

    temporary_open(&temporary);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *text = calloc(1, sizes[i] + 1);
        struct error err;
        struct str got;

        test_case_is("%zu bytes", sizes[i]);
        CHECK(text != NULL);
        for (size_t at = 0; at < sizes[i]; at++)
            text[at] = (char)('a' + at % 23);
        temporary_write(&temporary, "file", text);
        CHECK(file_read(test_arena(), temporary_path(&temporary, "file", path), sizes[i], &got, &err));
        CHECK_STR(got, str_of(text, sizes[i]));
        CHECK(got.data != NULL);
        CHECK_INT(got.data[got.len], 0);
        free(text);
    }
    temporary_close(&temporary);
}

TEST(what_is_wrong_with_a_file_is_told)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct error err;
    struct str got;

    temporary_open(&temporary);
    temporary_path(&temporary, "file", path);
    CHECK(!file_read(test_arena(), path, 100, &got, &err));
    CHECK_EQ(err.code, ERROR_NOT_FOUND);
    CHECK(str_starts(str_from(err.text), str_from(path)));

    temporary_write(&temporary, "file", "12345");
    CHECK(!file_read(test_arena(), path, 4, &got, &err));
    CHECK_EQ(err.code, ERROR_TOO_LARGE);
    CHECK(file_read(test_arena(), path, 5, &got, &err));

    CHECK(!file_read(test_arena(), temporary.folder, 100, &got, &err)); /* a folder */
    CHECK_EQ(err.code, ERROR_SYSTEM);

    if (geteuid() != 0) { /* root may read everything */
        CHECK(chmod(path, 0) == 0);
        CHECK(!file_read(test_arena(), path, 100, &got, &err));
        CHECK_EQ(err.code, ERROR_PERMISSION);
    }
    temporary_close(&temporary);
}

TEST(the_front_of_a_small_file_comes_without_its_newline)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {{"", ""},
                 {"\n", ""},
                 {"1\n", "1"},
                 {"1\n2\n\n", "1\n2\n"},
                 {"12345678", "12345678"},
                 {"123456789", "12345678"}};
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES], out[8];

    temporary_open(&temporary);
    temporary_path(&temporary, "file", path);
    CHECK_EQ(file_read_small(path, out, sizeof(out)).len, 0); /* it is not there */
    CHECK_EQ(file_read_small(temporary.folder, out, sizeof(out)).len, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].text);
        temporary_write(&temporary, "file", cases[i].text);
        CHECK_STR(file_read_small(path, out, sizeof(out)), str_from(cases[i].expected));
    }
    temporary_close(&temporary);
}

TEST(a_file_that_does_not_fit_the_arena_is_an_error)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    struct arena *arena = arena_new(NULL, 4096);
    static char text[9000];
    struct error err;
    struct str got;

    CHECK(arena != NULL);
    memset(text, 'x', sizeof(text) - 1);
    temporary_open(&temporary);
    temporary_write(&temporary, "file", text);
    CHECK(!file_read(arena, temporary_path(&temporary, "file", path), sizeof(text), &got, &err));
    CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
    temporary_close(&temporary);
    arena_free(arena);
}

static void read_back(void *arg)
{
    struct arena *arena = arena_new(NULL, 1 << 20);
    struct error err = {0};
    struct str got;

    if (arena && !file_read(arena, arg, 1 << 20, &got, &err))
        CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
    arena_free(arena);
}

TEST(reading_bears_having_no_memory)
{
    struct temporary temporary;
    char path[TEMPORARY_PATH_BYTES];
    static char text[200000];

    memset(text, 'x', sizeof(text) - 1);
    temporary_open(&temporary);
    temporary_write(&temporary, "file", text);
    temporary_path(&temporary, "file", path);
    test_every_allocation_fails(read_back, path);
    temporary_close(&temporary);
}

/* A pipe whose ends are [0] to read and [1] to write. */
static void make_pipe(int ends[2], int flags)
{
    CHECK_INT(pipe2(ends, O_CLOEXEC | flags), 0);
}

TEST(standard_input_is_read_to_its_end)
{
    int ends[2], saved = dup(STDIN_FILENO);
    struct error err;
    struct str got;

    make_pipe(ends, 0);
    CHECK_INT(write(ends[1], "from a pipe", 11), 11);
    close(ends[1]);
    CHECK(dup2(ends[0], STDIN_FILENO) != -1);
    close(ends[0]);
    CHECK(file_read(test_arena(), "-", 100, &got, &err));
    if (saved != -1)
        dup2(saved, STDIN_FILENO);
    close(saved);
    CHECK_TEXT(got, "from a pipe");
}

TEST(printing_writes_all_bytes)
{
    char got[16] = {0};
    int ends[2];

    make_pipe(ends, 0);
    file_print(ends[1], STR("two words"));
    file_print(ends[1], STR_EMPTY);
    close(ends[1]);
    CHECK_INT(read(ends[0], got, sizeof(got)), 9);
    CHECK_CSTR(got, "two words");
    close(ends[0]);
}

TEST(printing_loses_what_nobody_reads)
{
    static char much[200000];
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    int ends[2];

    CHECK(sigaction(SIGPIPE, &ignore, &before) == 0);
    make_pipe(ends, O_NONBLOCK); /* fills up: gives up after a moment */
    file_print(ends[1], str_of(much, sizeof(much)));
    close(ends[0]); /* closed: not an error */
    file_print(ends[1], STR("nobody"));
    close(ends[1]);
    file_print(ends[1], STR("no such descriptor"));
    CHECK(sigaction(SIGPIPE, &before, NULL) == 0);
}

TEST(a_pipe_is_no_terminal)
{
    int ends[2];

    make_pipe(ends, 0);
    CHECK(!file_is_terminal(ends[0]));
    CHECK(!file_is_terminal(-1));
    close(ends[0]);
    close(ends[1]);
}

struct seen {
    unsigned count, entries;
};

static void look(void *arg, struct str name, struct str value)
{
    struct seen *seen = arg;

    seen->entries++;
    if (str_eq(name, STR("HOLDFAST_TEST_ENTRY")) && str_eq(value, STR("a=b")))
        seen->count++;
    if (str_eq(name, STR("HOLDFAST_TEST_EMPTY")) && value.len == 0)
        seen->count++;
}

TEST(the_environment_is_visited_entry_by_entry)
{
    struct seen seen = {0};

    CHECK(setenv("HOLDFAST_TEST_ENTRY", "a=b", 1) == 0);
    CHECK(setenv("HOLDFAST_TEST_EMPTY", "", 1) == 0);
    environment_visit(look, &seen);
    CHECK_EQ(seen.count, 2);
    CHECK(seen.entries >= 2);
    CHECK_CSTR(environment_get("HOLDFAST_TEST_ENTRY"), "a=b");
    unsetenv("HOLDFAST_TEST_ENTRY");
    unsetenv("HOLDFAST_TEST_EMPTY");
    CHECK(environment_get("HOLDFAST_TEST_ENTRY") == NULL);
}

TEST(file_look_tells_when_a_file_was_written_or_replaced)
{
    char path[TEMPORARY_PATH_BYTES], other[TEMPORARY_PATH_BYTES];
    struct temporary folder;
    struct file_stamp first, second, third;

    temporary_open(&folder);
    temporary_path(&folder, "a", path);
    temporary_path(&folder, "b", other);
    first = file_look(path);
    CHECK_EQ(first.inode, 0);
    CHECK_EQ(first.size, 0);
    temporary_write(&folder, "a", "one");
    first = file_look(path);
    CHECK_EQ(first.size, 3);
    temporary_write(&folder, "a", "two more");
    second = file_look(path);
    CHECK_EQ(second.inode, first.inode);
    CHECK(second.size != first.size && second.written_ns >= first.written_ns);
    temporary_write(&folder, "b", "two more");
    CHECK_INT(rename(other, path), 0);
    third = file_look(path);
    CHECK(third.inode != second.inode);
    temporary_close(&folder);
}
