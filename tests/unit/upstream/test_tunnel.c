/* test_tunnel.c: CONNECT through a proxy: what is asked, what every kind of answer means however it is cut, and that no
 * byte behind it is lost. SPDX-License-Identifier: Apache-2.0 */
#include "../net/net_stage.h"
#include "net/pair.h"
#include "upstream/tunnel.h"

/* A tunnel over one end of a pair; the test is the proxy at the other. */
struct stage {
    struct net_stage net;
    struct stream *near, *far;
    struct tunnel *tunnel;
    struct str authorization;
    enum io io;
    struct error err;
    /* What the answer must lead to. */
    enum error_code code; /* NONE: the tunnel stands */
    const char *words;    /* in the error's text */
    struct str behind;    /* bytes of the target that come with it */
};

static void open_stage(struct stage *stage)
{
    struct tunnel_options options = {
        .target = STR("a.example:443"), .authorization = stage->authorization, .proxy = STR("http://p:1")};

    net_stage_open(&stage->net);
    CHECK(pair_new(stage->net.loop, 65536, &stage->near, &stage->far));
    stage->tunnel = tunnel_new(&options);
    CHECK(stage->tunnel != NULL);
}

static void close_stage(struct stage *stage)
{
    tunnel_free(stage->tunnel);
    stream_close(stage->near, true);
    stream_close(stage->far, true);
    net_stage_close(&stage->net);
}

static struct str read_far(struct stage *stage)
{
    size_t got = 0;
    char *bytes = arena_alloc(test_arena(), 4096, 1);

    CHECK(bytes != NULL);
    (void)!read_into(stage->far, bytes, 4096, &got);
    return str_of(bytes, got);
}

TEST(tunnel_asks_as_go_does)
{
    static const struct {
        struct str authorization;
        const char *request;
    } rows[] = {
        {STR_INIT(""),
         "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nUser-Agent: Go-http-client/1.1\r\n\r\n"},
        {STR_INIT("Basic YTpi"), "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n"
                                 "User-Agent: Go-http-client/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stage stage = {.authorization = rows[i].authorization};

        open_stage(&stage);
        CHECK_EQ(tunnel_step(stage.tunnel, &stage.near, &stage.err), IO_WAIT);
        CHECK_STR(read_far(&stage), str_from(rows[i].request));
        CHECK_EQ(tunnel_step(stage.tunnel, &stage.near, &stage.err), IO_WAIT);
        CHECK_EQ(read_far(&stage).len, 0);
        close_stage(&stage);
    }
}

static void begin(void *arg)
{
    struct stage *stage = arg;

    open_stage(stage);
    stage->io = tunnel_step(stage->tunnel, &stage->near, &stage->err);
    CHECK_EQ(stage->io, IO_WAIT);
}

static bool answer(void *arg, struct str piece)
{
    struct stage *stage = arg;
    size_t sent = 0;

    while (piece.len > 0) {
        CHECK_EQ(write_text(stage->far, piece, &sent), IO_OK);
        piece = str_from_offset(piece, sent);
    }
    if (stage->io == IO_WAIT)
        stage->io = tunnel_step(stage->tunnel, &stage->near, &stage->err);
    return stage->io != IO_FAIL;
}

static void check_behind(struct stage *stage)
{
    char bytes[64];
    size_t len = 0, got;

    while (len < stage->behind.len) {
        CHECK_EQ(stream_peek(stage->near), IO_OK);
        CHECK_EQ(read_into(stage->near, bytes + len, sizeof(bytes) - len, &got), IO_OK);
        len += got;
    }
    CHECK_STR(str_of(bytes, len), stage->behind);
    CHECK_EQ(read_into(stage->near, bytes, sizeof(bytes), &got), IO_WAIT);
    /* And both ways go on. */
    CHECK_EQ(write_text(stage->near, STR("up"), &got), IO_OK);
    CHECK(str_ends(read_far(stage), STR("up")));
    CHECK_EQ(write_text(stage->far, STR("down"), &got), IO_OK);
    CHECK_EQ(read_into(stage->near, bytes, sizeof(bytes), &got), IO_OK);
    CHECK_STR(str_of(bytes, got), STR("down"));
}

static void judge(void *arg)
{
    struct stage *stage = arg;

    if (stage->code == ERROR_NONE) {
        CHECK_EQ(stage->io, IO_OK);
        check_behind(stage);
    } else {
        struct str text = str_from(stage->err.text);

        CHECK_EQ(stage->io, IO_FAIL);
        CHECK_EQ(stage->err.code, stage->code);
        CHECK_EQ(stage->err.fault, FAULT_UPSTREAM);
        CHECK(stage->err.retry_safe);
        CHECK(str_starts(text, STR("proxy http://p:1: ")));
        CHECK(str_find(text, str_from(stage->words)) < text.len);
    }
    close_stage(stage);
}

static void check(struct str bytes, enum error_code code, const char *words, struct str behind)
{
    struct stage stage = {.code = code, .words = words, .behind = behind};

    test_feed(&(struct feeding){.start = begin, .feed = answer, .end = judge, .arg = &stage, .rounds = 10}, bytes);
}

TEST(tunnel_takes_every_kind_of_answer)
{
    static const struct {
        const char *answer;
        enum error_code code;
        const char *words, *behind;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", ERROR_NONE, "", ""},
        {"HTTP/1.0 200 Connection established\r\n\r\n", ERROR_NONE, "", ""},
        {"HTTP/1.1 200\r\n\r\n", ERROR_NONE, "", ""},
        {"HTTP/1.1 204 None\r\nVia: 1.1 p\r\n\r\n", ERROR_NONE, "", ""},
        /* Lengths mean nothing: what follows is the target's. */
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nHELLO", ERROR_NONE, "", "HELLO"},
        {"HTTP/1.1 200 OK\r\n\r\n\r\n\r\n", ERROR_NONE, "", "\r\n\r\n"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", ERROR_NONE, "",
         "x"},
        {"HTTP/1.1 407 Go away\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno!", ERROR_PROXY_REFUSED,
         "CONNECT a.example:443: 407 Proxy Authentication Required", ""},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", ERROR_PROXY_REFUSED, "403 Forbidden", ""},
        {"HTTP/1.1 502 Bad Gateway\r\n\r\n", ERROR_PROXY_REFUSED, "502 Bad Gateway", ""},
        {"HTTP/1.1 302 Found\r\nLocation: http://b/\r\n\r\n", ERROR_PROXY_REFUSED, "302 Found", ""},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", ERROR_PROXY_BROKEN, "upgrade", ""},
        {"HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 "
         "a\r\n\r\n"
         "HTTP/1.1 100 a\r\n\r\n",
         ERROR_PROXY_BROKEN, "too many interim", ""},
        {"HTTP/2.0 200 OK\r\n\r\n", ERROR_PROXY_BROKEN, "", ""},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", ERROR_PROXY_BROKEN, "", ""},
        {"HTTP/1.1 200 OK\n\n", ERROR_PROXY_BROKEN, "CR LF", ""},
        {"HTTP/1.1 200 OK\r\nbad field\r\n\r\n", ERROR_PROXY_BROKEN, "", ""},
        {"HTTP/1.1 2000 OK\r\n\r\n", ERROR_PROXY_BROKEN, "", ""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].answer);
        check(str_from(rows[i].answer), rows[i].code, rows[i].words, str_from(rows[i].behind));
    }
}

/* A head of `fields` fields, of `bytes` in all when that is more. */
static struct str long_head(size_t fields, size_t bytes)
{
    struct str head = STR("HTTP/1.1 200 OK\r\n");
    size_t padding;
    char *out;

    for (size_t i = 0; i < fields; i++)
        head = arena_format(test_arena(), "%.*sA: b\r\n", STR_ARG(head));
    if (bytes <= head.len + 5)
        return arena_format(test_arena(), "%.*s\r\n", STR_ARG(head));
    padding = bytes - head.len - 7;
    out = arena_alloc(test_arena(), bytes, 1);
    CHECK(out != NULL);
    memcpy(out, head.data, head.len);
    memcpy(out + head.len, "B: ", 3);
    memset(out + head.len + 3, 'x', padding);
    memcpy(out + bytes - 4, "\r\n\r\n", 4);
    return str_of(out, bytes);
}

TEST(tunnel_bounds_the_answer)
{
    test_case_is("as many fields as may be");
    check(long_head(TUNNEL_FIELDS_MAX, 0), ERROR_NONE, "", STR(""));
    test_case_is("one more");
    check(long_head(TUNNEL_FIELDS_MAX + 1, 0), ERROR_PROXY_BROKEN, "", STR(""));
    test_case_is("as many bytes as may be");
    check(long_head(0, TUNNEL_HEAD_BYTES_MAX), ERROR_NONE, "", STR(""));
    test_case_is("one more");
    check(long_head(0, TUNNEL_HEAD_BYTES_MAX + 1), ERROR_PROXY_BROKEN, "too large", STR(""));
}

TEST(tunnel_sees_the_proxy_leave)
{
    static const char *const before[] = {"", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r"};

    for (size_t i = 0; i < COUNT_OF(before) * 2; i++) {
        bool reset = i % 2;
        struct stage stage = {0};

        test_case_is("\"%s\", %s", before[i / 2], reset ? "reset" : "closed");
        begin(&stage);
        CHECK(answer(&stage, str_from(before[i / 2])));
        if (!reset)
            (void)read_far(&stage); /* or closing would reset */
        stream_close(stage.far, reset);
        stage.far = NULL;
        CHECK_EQ(tunnel_step(stage.tunnel, &stage.near, &stage.err), IO_FAIL);
        CHECK_EQ(stage.err.code, reset ? ERROR_RESET : ERROR_PROXY_BROKEN);
        CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
        CHECK(stage.err.retry_safe);
        close_stage(&stage);
    }
}

TEST(tunnel_waits_until_all_is_asked)
{
    struct stage stage = {.code = ERROR_PROXY_BROKEN, .words = "before it was asked"};
    size_t sent;

    open_stage(&stage);
    stream_close(stage.near, false);
    stream_close(stage.far, false);
    CHECK(pair_new(stage.net.loop, 20, &stage.near, &stage.far));
    CHECK_EQ(tunnel_step(stage.tunnel, &stage.near, &stage.err), IO_WAIT);
    CHECK_EQ(write_text(stage.far, STR("HTTP/1.1 200 OK\r\n\r\n"), &sent), IO_OK);
    stage.io = tunnel_step(stage.tunnel, &stage.near, &stage.err);
    judge(&stage);
}

static void with_failing_memory(void *arg)
{
    struct stage stage = {0};
    struct tunnel_options options = {.target = STR("a:1"), .proxy = STR("p")};
    struct tunnel *tunnel = tunnel_new(&options);

    (void)arg;
    tunnel_free(tunnel);
    tunnel_free(NULL);
    (void)stage;
}

TEST(tunnel_bears_failing_memory)
{
    test_every_allocation_fails(with_failing_memory, NULL);
}

/* The bytes put back have no room: the stream is closed, and said to be. */
TEST(tunnel_without_memory_for_what_comes_behind)
{
    struct stage stage = {0};
    size_t sent;

    begin(&stage);
    CHECK_EQ(write_text(stage.far, STR("HTTP/1.1 200 OK\r\n\r\nmore"), &sent), IO_OK);
    test_fail_allocation(1);
    CHECK_EQ(tunnel_step(stage.tunnel, &stage.near, &stage.err), IO_FAIL);
    test_fail_allocation(0);
    CHECK(!stage.near || stage.err.code != ERROR_OUT_OF_MEMORY);
    close_stage(&stage);
}
