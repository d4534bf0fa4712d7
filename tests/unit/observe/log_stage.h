/* log_stage.h: an access log that writes into a pipe, on a loop whose clock jumps. SPDX-License-Identifier: Apache-2.0
 */
#ifndef HOLDFAST_TESTS_UNIT_OBSERVE_LOG_STAGE_H
#define HOLDFAST_TESTS_UNIT_OBSERVE_LOG_STAGE_H

#include "../os/fake_world.h"
#include "harness/test.h"
#include "observe/access_log.h"

struct log_stage {
    struct fake_world fake;
    struct loop *loop;
    struct access_log *log;
    int read_fd, write_fd;
};

void log_stage_open(struct log_stage *stage);
void log_stage_close(struct log_stage *stage); /* frees the log too, if the test has not */

/* What was written since the last call; borrowed until the test's end. */
struct str log_stage_output(struct log_stage *stage);

#endif
