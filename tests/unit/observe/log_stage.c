/* log_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "log_stage.h"

#include <fcntl.h>
#include <unistd.h>

enum { OUTPUT_BYTES_MAX = 1 << 20 }; /* also what the pipe is asked to hold */

void log_stage_open(struct log_stage *stage)
{
    int ends[2];

    *stage = (struct log_stage){0};
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK(fcntl(ends[1], F_SETPIPE_SZ, OUTPUT_BYTES_MAX) >= 262144);
    stage->read_fd = ends[0];
    stage->write_fd = ends[1];
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    stage->log = access_log_new(stage->loop, stage->write_fd);
    CHECK(stage->log != NULL);
}

void log_stage_close(struct log_stage *stage)
{
    access_log_free(stage->log);
    loop_free(stage->loop);
    close(stage->read_fd);
    close(stage->write_fd);
}

struct str log_stage_output(struct log_stage *stage)
{
    char *out = arena_alloc(test_arena(), OUTPUT_BYTES_MAX, 1);
    size_t len = 0;
    ssize_t got;

    CHECK(out != NULL);
    while ((got = read(stage->read_fd, out + len, OUTPUT_BYTES_MAX - len)) > 0)
        len += (size_t)got;
    return str_of(out, len);
}
