/* test_admin.c: the admin listener over loopback: kept connections, what is no request, slow readers, the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "talker.h"
#include "view_stage.h"

enum { SMALL_BYTES = 16 << 10, LARGE_BYTES = 32 << 20 };

struct talk {
    struct net_stage net;
    struct view_stage view;
    struct admin *admin;
};

static void talk_open(struct talk *talk)
{
    struct addr addr;
    struct error err;

    net_stage_open(&talk->net);
    view_stage_open(&talk->view);
    CHECK(addr_parse(STR("127.0.0.1:0"), &addr, &err));
    talk->admin = admin_new(talk->net.loop, &addr, &talk->view.view, &err);
    CHECK(talk->admin != NULL);
    CHECK(admin_addr(talk->admin).port != 0);
}

static void talk_close(struct talk *talk)
{
    admin_free(talk->admin);
    view_stage_close(&talk->view);
    net_stage_close(&talk->net);
}

static void connect_end(struct talk *talk, struct talker *end, size_t room)
{
    talker_open(end, &talk->net, admin_addr(talk->admin), room);
}

TEST(pages_come_one_after_the_other_over_one_connection)
{
    struct talker end;
    struct talk talk;

    talk_open(&talk);
    connect_end(&talk, &end, SMALL_BYTES);
    talker_say(&end, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    talker_await(&end, "\r\n\r\nok\n");
    CHECK(str_starts(talker_heard(&end), STR("HTTP/1.1 200 OK\r\n")));
    CHECK(talker_has_heard(&end, "Cache-Control: no-store\r\n"));
    CHECK_EQ(talker_content_length(&end), 3);
    talker_forget(&end);
    talker_say(&end, "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\nGET /none HTTP/1.1\r\nHost: "
                     "localhost\r\n\r\nGET /readyz HTTP/1.1\r\n"
                     "Host: localhost\r\n\r\n");
    talker_await(&end, "\r\n\r\nok\n");
    CHECK(str_find(talker_heard(&end), STR("HTTP/1.1 200 OK\r\n")) <
          str_find(talker_heard(&end), STR("HTTP/1.1 404 Not Found\r\n")));
    CHECK(talker_has_heard(&end, "\"draining\":false}"));
    CHECK_EQ(end.last, IO_WAIT); /* still open */
    talker_close(&end);
    talk_close(&talk);
}

TEST(head_gives_the_length_and_no_body)
{
    struct talker end;
    struct talk talk;

    talk_open(&talk);
    connect_end(&talk, &end, SMALL_BYTES);
    talker_say(&end, "HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    talker_await(&end, NULL);
    CHECK_EQ(end.last, IO_END);
    CHECK_EQ(talker_content_length(&end), 3);
    CHECK_EQ(talker_body(&end).len, 0);
    talker_close(&end);
    talk_close(&talk);
}

TEST(what_is_not_answered_with_a_page)
{
    static const struct {
        const char *request, *status, *field;
    } cases[] = {
        {"POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
         "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n"},
        {"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
         "Content-Type: text/plain; charset=utf-8\r\n"},
        {"GET /livez HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
        {"GET /li vez HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
        {"\x16\x03\x01\x02 TLS\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
    };
    struct talk talk;

    talk_open(&talk);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct talker end;

        test_case_is("%s", cases[i].request);
        connect_end(&talk, &end, SMALL_BYTES);
        talker_say(&end, cases[i].request);
        talker_await(&end, NULL);
        CHECK(str_starts(talker_heard(&end), str_from(cases[i].status)));
        CHECK(talker_has_heard(&end, cases[i].field));
        CHECK_EQ(talker_content_length(&end), talker_body(&end).len);
        talker_close(&end);
    }
    talk_close(&talk);
}

/* Neither a page, nor what workers are asked for, nor a command. */
TEST(a_name_that_is_not_ours_gets_nothing)
{
    static const char *const requests[] = {"GET /v1/config",       "GET /",         "GET /v1/conns", "GET /none",
                                           "POST /v1/pools:flush", "POST /v1/drain"};
    struct talk talk;

    talk_open(&talk);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct talker end;

        test_case_is("%s", requests[i]);
        connect_end(&talk, &end, SMALL_BYTES);
        talker_say(&end,
                   arena_format(test_arena(), "%s HTTP/1.1\r\nHost: rebound.test:9901\r\nConnection: close\r\n\r\n",
                                requests[i])
                       .data);
        talker_await(&end, NULL);
        CHECK(str_starts(talker_heard(&end), STR("HTTP/1.1 421 Misdirected Request\r\n")));
        CHECK(talker_has_heard(&end, "extra_config.holdfast/admin.hosts"));
        CHECK(!talker_has_heard(&end, "rebound.test"));
        talker_close(&end);
    }
    talk_close(&talk);
}

TEST(a_page_larger_than_the_socket_holds_comes_whole)
{
    enum { HOSTS = 8000 };
    struct talker end;
    struct talk talk;

    talk_open(&talk);
    for (unsigned i = 0; i < HOSTS; i++)
        view_stage_host(&talk.view, 0, arena_format(test_arena(), "http://host-%u.example.test:8080", i).data)->idle =
            i;
    connect_end(&talk, &end, LARGE_BYTES);
    talker_say(&end, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    net_stage_for(&talk.net, 50000000); /* nobody reads */
    talker_await(&end, "\n# EOF\n");
    CHECK(end.len > 6000000);
    CHECK_EQ(talker_content_length(&end), talker_body(&end).len);
    talker_forget(&end);
    talker_say(&end, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    talker_await(&end, "\r\n\r\nok\n");
    talker_close(&end);
    talk_close(&talk);
}

TEST(connections_are_bounded_and_places_come_free)
{
    enum { PLACES = 64 };
    struct talker *ends = arena_array(test_arena(), struct talker, PLACES);
    struct talker surplus;
    struct talk talk;

    CHECK(ends != NULL);
    talk_open(&talk);
    for (unsigned i = 0; i < PLACES; i++)
        connect_end(&talk, &ends[i], SMALL_BYTES);
    talker_start(&surplus, &talk.net, admin_addr(talk.admin), SMALL_BYTES);
    if (talker_finish(&surplus) == IO_OK) /* the reset may come before we look */
        talker_await(&surplus, NULL);
    CHECK_EQ(surplus.len, 0);
    talker_close(&surplus);
    talker_close(&ends[7]);
    net_stage_for(&talk.net, 20000000);
    connect_end(&talk, &ends[7], SMALL_BYTES);
    talker_say(&ends[7], "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    talker_await(&ends[7], "\r\n\r\nok\n");
    for (unsigned i = 0; i < PLACES; i++)
        talker_close(&ends[i]);
    talk_close(&talk);
}

TEST(the_listener_may_end_with_requests_half_done)
{
    struct talker idle, half, slow;
    struct talk talk;

    talk_open(&talk);
    for (unsigned i = 0; i < 8000; i++)
        view_stage_host(&talk.view, 0, arena_format(test_arena(), "http://host-%u.example.test:8080", i).data);
    connect_end(&talk, &idle, SMALL_BYTES);
    connect_end(&talk, &half, SMALL_BYTES);
    connect_end(&talk, &slow, LARGE_BYTES);
    talker_say(&half, "GET /livez HTTP/1.1\r\nHo");
    talker_say(&slow, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    net_stage_for(&talk.net, 30000000);
    admin_free(talk.admin);
    talk.admin = NULL;
    talker_await(&idle, NULL);
    talker_await(&half, NULL);
    talker_await(&slow, NULL);
    talker_close(&idle);
    talker_close(&half);
    talker_close(&slow);
    talk_close(&talk);
}

TEST(an_address_that_is_taken_is_an_error)
{
    struct talk talk;
    struct addr addr;
    struct error err = {0};

    talk_open(&talk);
    addr = admin_addr(talk.admin);
    CHECK(admin_new(talk.net.loop, &addr, &talk.view.view, &err) == NULL);
    CHECK_EQ(err.code, ERROR_ADDRESS_IN_USE);
    admin_free(NULL);
    talk_close(&talk);
}

static void start_and_end(void *arg)
{
    struct talk *talk = arg;
    struct addr addr = {.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
    struct error err = {0};

    struct admin *admin = admin_new(talk->net.loop, &addr, &talk->view.view, &err);

    CHECK_INT(admin == NULL, err.fault != FAULT_NONE);
    admin_free(admin);
}

TEST(starting_bears_having_no_memory)
{
    struct talk talk;

    talk_open(&talk);
    test_every_allocation_fails(start_and_end, &talk);
    talk_close(&talk);
}
