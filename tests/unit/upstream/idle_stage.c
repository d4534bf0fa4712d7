/* idle_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "idle_stage.h"

#include "harness/test.h"

struct idle_limit_view view_of(struct idle_limit *limit)
{
    struct idle_limit_view view;

    idle_limit_view(limit, &view);
    return view;
}

struct idle_limit *limit_new(unsigned workers)
{
    struct idle_limit *limit = idle_limit_new(workers);

    CHECK(limit != NULL);
    return limit;
}

void survive(struct idle_limit *limit, uint64_t idle_ns, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        idle_limit_survived(limit, &(struct idle_end){.idle_ns = idle_ns, .requests = 1});
}

enum close_class doubtful_close(struct idle_limit *limit, uint64_t now_ns, uint64_t idle_ns, uint64_t doubt_ns)
{
    return idle_limit_closed(limit, &(struct idle_end){.now_ns = now_ns,
                                                       .idle_ns = idle_ns,
                                                       .doubt_ns = doubt_ns,
                                                       .age_ns = now_ns,
                                                       .requests = 1,
                                                       .idle_conns = 100});
}

enum close_class peer_close(struct idle_limit *limit, uint64_t now_ns, uint64_t idle_ns)
{
    return doubtful_close(limit, now_ns, idle_ns, 0);
}

void closes(struct idle_limit *limit, uint64_t idle_ns, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        CHECK_EQ(peer_close(limit, (i + 1) * SEC, idle_ns), CLOSE_IDLE);
}

enum idle_use use(struct idle_limit *limit, uint64_t idle_ns, bool idempotent)
{
    return idle_limit_may_use(
        limit,
        &(struct idle_pick){.idle_ns = idle_ns, .generation = idle_limit_generation(limit), .idempotent = idempotent});
}
