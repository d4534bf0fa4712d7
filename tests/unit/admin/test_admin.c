/* test_admin.c: the admin listener over loopback: kept connections, what is no request, slow readers, the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../net/net_stage.h"
#include "base/text.h"
#include "net/tcp_internal.h"
#include "view_stage.h"

enum { SMALL_BYTES = 16 << 10, LARGE_BYTES = 16 << 20 };

struct talk {
    struct net_stage net;
    struct view_stage view;
    struct admin *admin;
};

/* A client of the admin listener. */
struct client_end {
    struct talk *talk;
    struct stream *stream;
    struct probe probe;
    char *received;
    size_t len, room;
    enum io last;        /* of the last read */
    const char *awaited; /* by has_received */
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

static void start_end(struct talk *talk, struct client_end *end, size_t room)
{
    static const struct socket_options options = {.no_delay = true};
    struct addr addr = admin_addr(talk->admin);
    struct error err;

    *end = (struct client_end){.talk = talk, .last = IO_WAIT, .room = room};
    probe_init(&end->probe);
    end->received = arena_alloc(test_arena(), room, 1);
    CHECK(end->received != NULL);
    end->stream = tcp_stream_connect(talk->net.loop, &addr, &options, &end->probe.task, &err);
    CHECK(end->stream != NULL);
}

static enum io finish_end(struct client_end *end)
{
    struct error err;
    enum io io;

    while ((io = tcp_stream_connected(end->stream, &err)) == IO_WAIT)
        net_stage_until_run(&end->talk->net, &end->probe);
    return io;
}

static void connect_end(struct talk *talk, struct client_end *end, size_t room)
{
    start_end(talk, end, room);
    CHECK_EQ(finish_end(end), IO_OK);
}

static void close_end(struct client_end *end)
{
    stream_close(end->stream, false);
    task_forget(end->talk->net.loop, &end->probe.task);
}

static void say(struct client_end *end, const char *text)
{
    size_t sent;

    CHECK_EQ(write_text(end->stream, str_from(text), &sent), IO_OK);
    CHECK_EQ(sent, strlen(text));
}

static struct str received(const struct client_end *end)
{
    return str_of(end->received, end->len);
}

/* Reads what is here; true when the awaited text is among it, or nothing more will come. */
static bool has_received(void *arg)
{
    struct client_end *end = arg;
    size_t got;

    while ((end->last = read_into(end->stream, end->received + end->len, end->room - end->len, &got)) == IO_OK)
        end->len += got;
    return end->last != IO_WAIT || (end->awaited && str_find(received(end), str_from(end->awaited)) < end->len);
}

/* Waits until the text has come; NULL: until the connection ends. */
static void await(struct client_end *end, const char *text)
{
    end->awaited = text;
    net_stage_until(&end->talk->net, has_received, end);
    if (text)
        CHECK(str_find(received(end), str_from(text)) < end->len);
}

/* The number behind "Content-Length: " in what was received. */
static uint64_t content_length(const struct client_end *end)
{
    struct str name = STR("Content-Length: ");
    struct str rest = str_from_offset(received(end), str_find(received(end), name) + name.len);
    uint64_t number;

    CHECK(text_to_u64(str_first(rest, str_find_char(rest, '\r')), &number));
    return number;
}

static struct str body(const struct client_end *end)
{
    return str_from_offset(received(end), str_find(received(end), STR("\r\n\r\n")) + 4);
}

TEST(pages_come_one_after_the_other_over_one_connection)
{
    struct client_end end;
    struct talk talk;

    talk_open(&talk);
    connect_end(&talk, &end, SMALL_BYTES);
    say(&end, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&end, "\r\n\r\nok\n");
    CHECK(str_starts(received(&end), STR("HTTP/1.1 200 OK\r\n")));
    CHECK(str_find(received(&end), STR("Cache-Control: no-store\r\n")) < end.len);
    CHECK_EQ(content_length(&end), 3);
    end.len = 0;
    say(&end, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\n"
              "Host: x\r\n\r\n");
    await(&end, "\r\n\r\nok\n");
    CHECK(str_find(received(&end), STR("HTTP/1.1 200 OK\r\n")) <
          str_find(received(&end), STR("HTTP/1.1 404 Not Found\r\n")));
    CHECK(str_find(received(&end), STR("\"draining\":false}")) < end.len);
    CHECK_EQ(end.last, IO_WAIT); /* still open */
    close_end(&end);
    talk_close(&talk);
}

TEST(head_gives_the_length_and_no_body)
{
    struct client_end end;
    struct talk talk;

    talk_open(&talk);
    connect_end(&talk, &end, SMALL_BYTES);
    say(&end, "HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await(&end, NULL);
    CHECK_EQ(end.last, IO_END);
    CHECK_EQ(content_length(&end), 3);
    CHECK_EQ(body(&end).len, 0);
    close_end(&end);
    talk_close(&talk);
}

TEST(what_is_not_answered_with_a_page)
{
    static const struct {
        const char *request, *status, *field;
    } cases[] = {
        {"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
         "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n"},
        {"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
         "Content-Type: text/plain; charset=utf-8\r\n"},
        {"GET /livez HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
        {"GET /li vez HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
        {"\x16\x03\x01\x02 TLS\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"},
    };
    struct talk talk;

    talk_open(&talk);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client_end end;

        test_case_is("%s", cases[i].request);
        connect_end(&talk, &end, SMALL_BYTES);
        say(&end, cases[i].request);
        await(&end, NULL);
        CHECK(str_starts(received(&end), str_from(cases[i].status)));
        CHECK(str_find(received(&end), str_from(cases[i].field)) < end.len);
        CHECK_EQ(content_length(&end), body(&end).len);
        close_end(&end);
    }
    talk_close(&talk);
}

TEST(a_page_larger_than_the_socket_holds_comes_whole)
{
    enum { HOSTS = 8000 };
    struct client_end end;
    struct talk talk;

    talk_open(&talk);
    for (unsigned i = 0; i < HOSTS; i++)
        view_stage_host(&talk.view, 0, arena_format(test_arena(), "http://host-%u.example.test:8080", i).data)->idle =
            i;
    connect_end(&talk, &end, LARGE_BYTES);
    say(&end, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    net_stage_for(&talk.net, 50000000); /* nobody reads */
    await(&end, "\n# EOF\n");
    CHECK(end.len > 6000000);
    CHECK_EQ(content_length(&end), body(&end).len);
    end.len = 0;
    say(&end, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&end, "\r\n\r\nok\n");
    close_end(&end);
    talk_close(&talk);
}

TEST(connections_are_bounded_and_places_come_free)
{
    enum { PLACES = 64 };
    struct client_end *ends = arena_array(test_arena(), struct client_end, PLACES);
    struct client_end surplus;
    struct talk talk;

    CHECK(ends != NULL);
    talk_open(&talk);
    for (unsigned i = 0; i < PLACES; i++)
        connect_end(&talk, &ends[i], SMALL_BYTES);
    start_end(&talk, &surplus, SMALL_BYTES);
    if (finish_end(&surplus) == IO_OK) /* the reset may come before we look */
        await(&surplus, NULL);
    CHECK_EQ(surplus.len, 0);
    close_end(&surplus);
    close_end(&ends[7]);
    net_stage_for(&talk.net, 20000000);
    connect_end(&talk, &ends[7], SMALL_BYTES);
    say(&ends[7], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    await(&ends[7], "\r\n\r\nok\n");
    for (unsigned i = 0; i < PLACES; i++)
        close_end(&ends[i]);
    talk_close(&talk);
}

TEST(the_listener_may_end_with_requests_half_done)
{
    struct client_end idle, half, slow;
    struct talk talk;

    talk_open(&talk);
    for (unsigned i = 0; i < 8000; i++)
        view_stage_host(&talk.view, 0, arena_format(test_arena(), "http://host-%u.example.test:8080", i).data);
    connect_end(&talk, &idle, SMALL_BYTES);
    connect_end(&talk, &half, SMALL_BYTES);
    connect_end(&talk, &slow, LARGE_BYTES);
    say(&half, "GET /livez HTTP/1.1\r\nHo");
    say(&slow, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    net_stage_for(&talk.net, 30000000);
    admin_free(talk.admin);
    talk.admin = NULL;
    await(&idle, NULL);
    await(&half, NULL);
    await(&slow, NULL);
    close_end(&idle);
    close_end(&half);
    close_end(&slow);
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
