/* test_frontend.c: what a worker counts, logs and takes on. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "harness/test.h"

TEST(every_status_is_counted)
{
    static const uint16_t statuses[] = {100, 200, 499, 599, 600, 799, 999};
    struct front_stage stage;
    const struct endpoint *endpoint;

    front_open(&stage, &(struct front_settings){0});
    endpoint = generation_unrouted(stage.generation);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        test_case_is("%u", statuses[i]);
        frontend_count_request(stage.frontend, endpoint, statuses[i]);
        CHECK_EQ(stage.frontend->requests_by_status[endpoint->index][statuses[i]], 1);
        CHECK_EQ(stage.frontend->counts.requests, i + 1);
    }
    front_close(&stage);
}
