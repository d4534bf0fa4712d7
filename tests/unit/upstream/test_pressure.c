/* test_pressure.c: what requests meet while descriptors or local ports grow short: a warning, reuse that is stretched,
 * and at the end a refusal by name. Where the grades lie: test_budget.c. SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "harness/test.h"

enum { FILES = 100, PORTS = 100 };

static struct budget *budget_of(const struct fetch_stage *stage)
{
    return hosts_budget(stage->hosts);
}

static void open_stage(struct fetch_stage *stage)
{
    fetch_stage_open(stage);
    budget_of(stage)->files_max = FILES;
    budget_of(stage)->files_limit = FILES + BUDGET_RESERVE_MIN;
    budget_of(stage)->ports_max = PORTS;
    stage->transport.queue_timeout_ns = 60000000;
}

static void use_files(struct fetch_stage *stage, int64_t count)
{
    atomic_store(&budget_of(stage)->sockets, count);
}

/* As the last sample of TIME_WAIT said; connections come on top. */
static void use_ports(struct fetch_stage *stage, uint32_t count)
{
    atomic_store(&stage->host->ports.blocked, count);
}

/* One connection is idle, and the next requests dial all the same. The origin's end of it, to be closed at the end. */
static struct stream *keep_one_aside(struct fetch_stage *stage)
{
    struct stream *far;

    keep_one(stage);
    far = stage->far;
    stage->far = NULL;
    stage->transport.disable_keep_alives = true;
    return far;
}

/* Another worker's connection may have died: what must not be sent twice rather dials. With reuse stretched it does
 * not. */
TEST(what_would_rather_dial_uses_what_is_idle_when_it_grows_short)
{
    static const struct {
        int64_t files;
        uint32_t ports;
        bool told_files, told_ports, reuses;
    } rows[] = {
        {79, 0, false, false, false}, {80, 0, true, false, false}, {89, 0, true, false, false},
        {90, 0, true, false, true},   {99, 0, true, false, true},  {0, 68, false, false, false},
        {0, 69, false, true, false},  {0, 82, false, true, false}, {0, 84, false, true, true},
        {0, 94, false, true, true}, /* one connection is open, and the dial counts as soon as it is begun */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fetch_stage stage;
        enum io io;

        test_case_is("%lld descriptors, %u ports", (long long)rows[i].files, rows[i].ports);
        open_stage(&stage);
        keep_one(&stage);
        idle_limit_suspect(stage.host->idle_limit);
        use_files(&stage, rows[i].files);
        use_ports(&stage, rows[i].ports);
        ask(&stage, "POST", 0);
        if (!rows[i].reuses)
            origin_accepts(&stage);
        origin_hears(&stage, "\r\n\r\n");
        origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        CHECK_EQ(await_head(&stage), IO_OK);
        CHECK_TEXT(await_body(&stage, &io), "ok");
        CHECK_EQ(fetch_stats(stage.fetch)->reused, rows[i].reuses);
        CHECK_EQ(atomic_load(&budget_of(&stage)->files_told), rows[i].told_files && !rows[i].reuses);
        CHECK_EQ(atomic_load(&stage.host->ports.told), rows[i].told_ports && !rows[i].reuses);
        CHECK_EQ(totals_of(&stage).closes_by[REASON_PRESSURE_FD][SIDE_OURS], 0);
        fetch_stage_close(&stage);
    }
}

TEST(a_dial_takes_the_place_of_the_oldest_idle_connection_when_descriptors_grow_short)
{
    struct fetch_stage stage;
    struct stream *far;

    open_stage(&stage);
    far = keep_one_aside(&stage);
    use_files(&stage, 89);
    ask(&stage, "GET", 0);
    origin_answers(&stage);
    end(&stage);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PRESSURE_FD][SIDE_OURS], 0);
    use_files(&stage, 90);
    ask(&stage, "GET", 0);
    origin_answers(&stage);
    end(&stage);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PRESSURE_FD][SIDE_OURS], 1);
    CHECK_EQ(atomic_load(&budget_of(&stage)->evictions), 1);
    ask(&stage, "GET", 0); /* nothing is idle any more, but there are descriptors yet */
    origin_answers(&stage);
    end(&stage);
    CHECK_EQ(totals_of(&stage).shed_by_fd, 0);
    stream_close(far, false);
    fetch_stage_close(&stage);
}

TEST(at_the_last_descriptor_only_what_makes_room_may_dial)
{
    struct fetch_stage stage;
    struct stream *far;

    open_stage(&stage);
    far = keep_one_aside(&stage);
    use_files(&stage, FILES);
    ask(&stage, "GET", 0);
    origin_answers(&stage);
    end(&stage);
    CHECK_EQ(totals_of(&stage).closes_by[REASON_PRESSURE_FD][SIDE_OURS], 1);
    ask(&stage, "GET", 0);
    CHECK_EQ(await_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_PRESSURE_FD);
    CHECK(stage.err.retry_safe);
    CHECK_EQ(totals_of(&stage).shed_by_fd, 1);
    CHECK_EQ(totals_of(&stage).connections_opened, 2);
    stream_close(far, false);
    fetch_stage_close(&stage);
}

/* Something may become idle in a moment. */
TEST(a_request_waits_before_it_dials_when_ports_grow_short)
{
    struct fetch_stage stage;

    open_stage(&stage);
    use_ports(&stage, 85);
    ask(&stage, "GET", 0);
    CHECK_EQ(totals_of(&stage).dialing, 0);
    CHECK_EQ(totals_of(&stage).waiting, 1);
    origin_answers(&stage);
    CHECK_EQ(totals_of(&stage).waiting, 0);
    CHECK_EQ(totals_of(&stage).shed_by_port, 0);
    fetch_stage_close(&stage);
}

/* Only the end of the ports is a reason to refuse it. */
TEST(a_request_that_may_not_wait_dials_at_once_when_ports_grow_short)
{
    struct fetch_stage stage;

    open_stage(&stage);
    stage.transport.queue_timeout_ns = 0;
    use_ports(&stage, 94);
    ask(&stage, "GET", 0);
    CHECK_EQ(totals_of(&stage).dialing, 1);
    origin_answers(&stage);
    CHECK_EQ(totals_of(&stage).shed_by_port, 0);
    fetch_stage_close(&stage);
}

TEST(without_ports_a_request_is_refused_by_name_at_the_end_of_its_wait)
{
    struct fetch_stage stage;

    open_stage(&stage);
    use_ports(&stage, 95);
    ask(&stage, "GET", 0);
    CHECK_EQ(await_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_PRESSURE_PORT);
    CHECK(stage.err.retry_safe);
    CHECK_EQ(totals_of(&stage).shed_by_port, 1);
    CHECK_EQ(totals_of(&stage).connections_opened, 0);
    fetch_stage_close(&stage);
}

/* It never asked for a connection itself, and descriptors come free as those before it give up. */
TEST(who_stood_behind_others_is_refused_for_what_they_lacked)
{
    struct gate_waiter other = {0};
    struct fetch_stage stage;

    open_stage(&stage);
    use_files(&stage, FILES);
    CHECK(gate_wait(pool_gate(stage.pool), stage.host, &other));
    ask(&stage, "GET", 0);
    use_files(&stage, 0);
    CHECK_EQ(await_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_PRESSURE_FD);
    CHECK_EQ(totals_of(&stage).shed_by_fd, 1);
    CHECK_EQ(totals_of(&stage).shed_by_port, 0);
    gate_quit(pool_gate(stage.pool), stage.host, &other);
    fetch_stage_close(&stage);
}

TEST(a_request_that_waits_for_a_port_has_the_first_that_is_free)
{
    struct fetch_stage stage;

    open_stage(&stage);
    stage.transport.queue_timeout_ns = 5000000000;
    use_ports(&stage, PORTS);
    ask(&stage, "GET", 0);
    net_stage_for(&stage.net, 30000000);
    drive(&stage);
    CHECK_EQ(stage.head_io, IO_WAIT);
    CHECK_EQ(totals_of(&stage).dialing, 0);
    use_ports(&stage, 10);
    origin_answers(&stage);
    CHECK_EQ(totals_of(&stage).shed_by_port, 0);
    fetch_stage_close(&stage);
}
