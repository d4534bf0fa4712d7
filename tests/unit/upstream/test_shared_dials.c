/* test_shared_dials.c: requests that join the dials of others, as many as the connection will carry, and what becomes
 * of them when a dial fails, or when the host chose HTTP/1. SPDX-License-Identifier: Apache-2.0 */
#include "shared_stage.h"

static void run_nothing(struct task *task)
{
    (void)task;
}

TEST(as_many_join_a_dial_as_its_connection_will_carry)
{
    struct pool_joining first = {0}, second = {0}, third = {0};
    struct host_counts *counts;
    struct error err;
    struct shared_stage stage;

    stage_open(&stage);
    counts = pool_counts(stage.pool, stage.host);
    CHECK(!pool_dials_suffice(stage.pool, stage.host));
    host_count_add(&counts->dialing, 1);
    CHECK(pool_dials_suffice(stage.pool, stage.host)); /* nothing is known: one first */
    CHECK(pool_join(stage.pool, stage.host, &first));
    atomic_store(&stage.host->streams_max, 3);
    CHECK(pool_dials_suffice(stage.pool, stage.host));
    CHECK(pool_join(stage.pool, stage.host, &second));
    CHECK(!pool_dials_suffice(stage.pool, stage.host));
    CHECK(pool_join(stage.pool, stage.host, &third));
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &first, &err), JOIN_DIAL);
    pool_leave_dials(stage.pool, stage.host, &first);
    pool_leave_dials(stage.pool, stage.host, &first);
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &second, &err), JOIN_WAIT);
    host_count_add(&counts->dialing, -1);
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &second, &err), JOIN_DIAL);
    pool_leave_dials(stage.pool, stage.host, &second);
    pool_leave_dials(stage.pool, stage.host, &third);
    stage_close(&stage);
}

TEST(a_second_dial_that_fails_is_the_end_for_those_who_joined)
{
    struct gate_waiter waiter = {0};
    struct task task = {.run = run_nothing};
    struct pool_joining joining = {0};
    struct host_counts *counts;
    struct error err, failure;
    struct shared_stage stage;

    stage_open(&stage);
    counts = pool_counts(stage.pool, stage.host);
    waiter.task = &task;
    CHECK(gate_wait(pool_racers(stage.pool), stage.host, &waiter));
    host_count_add(&counts->dialing, 2);
    CHECK(pool_join(stage.pool, stage.host, &joining));
    error_set(&failure, FAULT_UPSTREAM, ERROR_CONNECT_REFUSED, "refused");
    pool_note_failed_dial(stage.pool, stage.host, &failure);
    CHECK(gate_enter(stage.host, 0));
    pool_dial_ended(stage.pool, stage.host, DIAL_FAILED);
    CHECK(list_holds(&task.node)); /* it is woken */
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &joining, &err), JOIN_WAIT);
    pool_note_failed_dial(stage.pool, stage.host, &failure);
    CHECK_EQ(pool_join_news(stage.pool, stage.host, &joining, &err), JOIN_FAIL);
    CHECK_EQ(err.code, ERROR_CONNECT_REFUSED);
    pool_leave_dials(stage.pool, stage.host, &joining);
    gate_quit(pool_racers(stage.pool), stage.host, &waiter);
    host_count_add(&counts->dialing, -1);
    task_forget(stage.loop, &task);
    stage_close(&stage);
}

TEST(alpn_that_chose_http_1_lets_each_dial_for_itself)
{
    struct tls_profile *profile;
    struct host *host;
    struct error err;
    struct shared_stage stage;

    stage_open(&stage);
    profile = tls_profile_new(&(struct tls_client_options){0}, &err);
    CHECK(profile != NULL);
    host = hosts_intern(stage.hosts,
                        &(struct host_key){.url = STR("https://b"), .protocol = PROTOCOL_AUTO, .tls = profile}, &err);
    CHECK(host != NULL);
    host_count_add(&pool_counts(stage.pool, host)->dialing, 1);
    CHECK(pool_dials_suffice(stage.pool, host));
    atomic_store(&host->choice, CHOICE_HTTP1);
    CHECK(!pool_dials_suffice(stage.pool, host));
    atomic_store(&host->choice, CHOICE_HTTP2);
    CHECK(pool_dials_suffice(stage.pool, host));
    host_count_add(&pool_counts(stage.pool, host)->dialing, -1);
    tls_profile_unref(profile);
    stage_close(&stage);
}
