/* test_tls_stream.c: bytes both ways over a secured stream, its ends, and what it does while it is idle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls_stage.h"

#include <openssl/err.h>

static char pattern(size_t at)
{
    return (char)('a' + (at * 7 + at / 251) % 26);
}

static struct str make_bytes(size_t size)
{
    char *bytes = arena_alloc(test_arena(), size, 1);

    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(i);
    return str_of(bytes, size);
}

static struct iovec part_of(struct str text)
{
    return (struct iovec){(char *)(uintptr_t)text.data, text.len};
}

static enum io read_some(struct tls_stage *stage, struct str *text)
{
    static char out[200000];
    size_t got;
    enum io io = stage_read(stage, out, sizeof(out), &got);

    *text = str_of(out, got);
    return io;
}

TEST(stream_carries_bytes_both_ways)
{
    struct tls_stage stage;
    struct str text;
    char out[64];
    size_t sent;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    CHECK_EQ(read_some(&stage, &text), IO_WAIT);
    CHECK_EQ(stage_write(&stage, STR("request"), &sent), IO_OK);
    CHECK_EQ(sent, 7);
    CHECK_STR(str_of(out, stage_serve(&stage, out, sizeof(out))), STR("request"));
    stage.owner.runs = 0;
    stage_answer(&stage, STR("answer"));
    CHECK(stage.owner.runs > 0);
    CHECK_EQ(read_some(&stage, &text), IO_OK);
    CHECK_STR(text, STR("answer"));
    CHECK_EQ(read_some(&stage, &text), IO_WAIT);
    stage_close(&stage);
}

TEST(stream_gathers_parts_and_fills_parts)
{
    struct tls_stage stage;
    struct iovec out[] = {part_of(STR("GET ")), part_of(STR("")), part_of(STR("/ HTTP/1.1\r\n")), part_of(STR("\r\n"))};
    char a[3], b[100], text[64];
    struct iovec in[] = {{a, sizeof(a)}, {b, sizeof(b)}};
    size_t n;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    CHECK_EQ(stream_writev(stage.client, out, 4, &n, &stage.err), IO_OK);
    CHECK_EQ(n, 18);
    CHECK_STR(str_of(text, stage_serve(&stage, text, sizeof(text))), STR("GET / HTTP/1.1\r\n\r\n"));
    stage_answer(&stage, STR("ab"));
    stage_answer(&stage, STR("cdef"));
    CHECK_EQ(stream_readv(stage.client, in, 2, &n, &stage.err), IO_OK);
    CHECK_EQ(n, 6);
    CHECK_STR(str_of(a, 3), STR("abc"));
    CHECK_STR(str_of(b, 3), STR("def"));
    stage_close(&stage);
}

/* What is left in the stream is news to whoever becomes its owner. */
TEST(stream_wakes_a_new_owner_for_what_lies_in_it)
{
    struct tls_stage stage;
    char out[4];
    size_t got;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    stage_answer(&stage, STR("0123456789"));
    CHECK_EQ(stage_read(&stage, out, sizeof(out), &got), IO_OK);
    stage_turn(&stage);
    stage.owner.runs = 0;
    stream_set_owner(stage.client, &stage.owner.task, true);
    stage_turn(&stage);
    CHECK_EQ(stage.owner.runs, 1);
    CHECK_EQ(stream_peek(stage.client), IO_OK);
    stage_close(&stage);
}

static void transfer_up(struct tls_stage *stage, struct str bytes)
{
    static char out[30000];
    size_t at = 0, seen = 0, sent, got;

    for (unsigned idle = 0; seen < bytes.len && idle < 1000; idle++) {
        enum io io = at < bytes.len ? stage_write(stage, str_from_offset(bytes, at), &sent) : IO_WAIT;

        at += io == IO_OK ? sent : 0;
        CHECK(io != IO_FAIL);
        stage_turn(stage);
        got = stage_serve(stage, out, sizeof(out));
        CHECK_STR(str_of(out, got), str_first(str_from_offset(bytes, seen), got));
        seen += got;
        idle = got > 0 ? 0 : idle;
    }
    CHECK_EQ(seen, bytes.len);
}

static void transfer_down(struct tls_stage *stage, struct str bytes)
{
    size_t at = 0, seen = 0;

    while (at < bytes.len) {
        struct str piece = str_first(str_from_offset(bytes, at), 50000), text;

        stage_answer(stage, piece);
        at += piece.len;
        for (unsigned i = 0; seen < at && i < 200000; i++) {
            if (read_some(stage, &text) == IO_OK) {
                CHECK_STR(text, str_first(str_from_offset(bytes, seen), text.len));
                seen += text.len;
            }
            stage_move(stage);
        }
        CHECK_EQ(seen, at);
    }
}

TEST(stream_carries_much_through_a_narrow_place)
{
    static const struct {
        size_t room, limit, bytes;
    } cases[] = {{300000, 0, 3000000}, {65536, 0, 1000000}, {1000, 0, 200000},
                 {65536, 1, 3000},     {7, 0, 3000},        {65536, 1021, 300000}};
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t j = 0; j < COUNT_OF(versions); j++) {
            struct tls_stage stage;

            test_case_is("room %zu, limit %zu, version %zu", cases[i].room, cases[i].limit, j);
            stage_shaken(&stage, &(struct tls_stage_options){
                                     .room = cases[i].room, .limit = cases[i].limit, .server_max = versions[j]});
            transfer_up(&stage, make_bytes(cases[i].bytes));
            transfer_down(&stage, make_bytes(cases[i].bytes));
            CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
            stage_close(&stage);
        }
}

/* Records that the stream below has no room for go by themselves, though the owner believes they are gone. */
TEST(stream_sends_what_is_left_without_being_asked)
{
    struct tls_stage stage;
    struct str bytes = make_bytes(30000);
    static char out[40000];
    size_t sent, seen = 0;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 5000});
    CHECK_EQ(stage_write(&stage, bytes, &sent), IO_OK);
    CHECK_EQ(sent, bytes.len);
    CHECK_EQ(stage_write(&stage, STR("more"), &sent), IO_WAIT);
    stage.owner.runs = 0;
    for (unsigned i = 0; i < 100; i++)
        seen += stage_serve(&stage, out + seen, sizeof(out) - seen);
    CHECK_STR(str_of(out, seen), bytes);
    CHECK(stage.owner.runs > 0);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    CHECK_EQ(stage_write(&stage, STR("more"), &sent), IO_OK);
    stage_close(&stage);
}

/* What the stream below was given, send by send. */
static size_t sends[8], sends_count;
static const struct stream_ops *under_ops;

static enum io count_send(struct stream *stream, const struct iovec *parts, int count, size_t *sent, struct error *err)
{
    enum io io = under_ops->writev(stream, parts, count, sent, err);

    CHECK(sends_count < COUNT_OF(sends));
    sends[sends_count++] = *sent;
    return io;
}

TEST(stream_sends_whole_buffers_with_their_head)
{
    enum { WHOLE = BLOCK_LARGE_BYTES, ADDED = 22 /* to a record, by TLS 1.3 */, PARTS = 9, SENDS = 3 };
    static const struct {
        size_t parts[PARTS], plain[SENDS], records[SENDS];
    } cases[] = {
        {{0, 200, 0}, {200}, {1}},
        {{16384}, {16384}, {1}},
        {{100, 16384}, {16484}, {2}},
        {{WHOLE, WHOLE, WHOLE}, {WHOLE, WHOLE, WHOLE}, {4, 4, 4}},
        {{300, WHOLE - 150, WHOLE}, {WHOLE + 150, WHOLE}, {4, 4}}, /* behind a longer head than came */
        {{100, WHOLE - 300, WHOLE}, {WHOLE - 200, WHOLE}, {4, 4}}, /* ... and a shorter one */
        {{65000, 1}, {65000, 1}, {4, 1}},
        {{65001, 20000}, {WHOLE, 20489}, {4, 2}}, /* what is left goes with what follows */
        {{49151, 20000}, {WHOLE, 4639}, {4, 1}},
        {{49152, 20000}, {49152, 20000}, {3, 2}},
        {{9, 16384, 9, 16384, 9, 16384, 9, 16384, 9}, {WHOLE, 1069}, {4, 1}}, /* frames of HTTP/2 */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str bytes = make_bytes((size_t)PARTS * WHOLE);
        struct stream_ops counted;
        struct iovec parts[PARTS];
        size_t sent = 0, at = 0;
        struct tls_stage stage;

        test_case_is("case %zu", i);
        stage_shaken(&stage, &(struct tls_stage_options){.room = 300000, .server_min = TLS1_3_VERSION});
        under_ops = stage.near->ops;
        counted = *under_ops;
        counted.writev = count_send;
        stage.near->ops = &counted;
        for (int j = 0; j < PARTS; j++) {
            parts[j] = (struct iovec){(void *)(uintptr_t)(bytes.data + at), cases[i].parts[j]};
            at += cases[i].parts[j];
        }
        sends_count = 0;
        CHECK_EQ(stream_writev(stage.client, parts, PARTS, &sent, &stage.err), IO_OK);
        CHECK_EQ(sent, at);
        for (size_t j = 0; j < SENDS; j++)
            CHECK_EQ(j < sends_count ? sends[j] : 0, cases[i].plain[j] + ADDED * cases[i].records[j]);
        CHECK(sends_count <= SENDS);
        stage.near->ops = under_ops;
        stage_close(&stage);
    }
}

TEST(stream_ends_with_close_notify)
{
    struct tls_stage stage;
    struct str text;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    stage_answer(&stage, STR("last"));
    SSL_shutdown(stage.server);
    stage_move(&stage);
    stage.owner.runs = 0;
    CHECK_EQ(stream_peek(stage.client), IO_OK);
    CHECK_EQ(read_some(&stage, &text), IO_OK);
    CHECK_STR(text, STR("last"));
    stage_turn(&stage);
    CHECK(stage.owner.runs > 0); /* nothing more will come from below to tell of the end */
    CHECK_EQ(stream_peek(stage.client), IO_END);
    CHECK_EQ(read_some(&stage, &text), IO_END);
    CHECK_EQ(read_some(&stage, &text), IO_END);
    stream_close(stage.client, false);
    stage.client = NULL;
    stage_move(&stage);
    CHECK_INT(SSL_shutdown(stage.server), 1); /* ours came in answer */
    CHECK_EQ(stream_peek(stage.far), IO_END);
    stage_close(&stage);
}

TEST(stream_ends_its_half_with_close_notify_and_reads_on)
{
    struct tls_stage stage;
    struct str bytes = make_bytes(20000), text;
    static char out[30000];
    size_t sent, seen = 0;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 1000});
    CHECK_EQ(stage_write(&stage, bytes, &sent), IO_OK);
    stream_shutdown_write(stage.client);
    CHECK(stream_peek(stage.far) != IO_END);
    for (unsigned i = 0; i < 100; i++)
        seen += stage_serve(&stage, out + seen, sizeof(out) - seen);
    CHECK_EQ(seen, bytes.len);
    CHECK_EQ(SSL_get_shutdown(stage.server), SSL_RECEIVED_SHUTDOWN);
    CHECK_EQ(stream_peek(stage.far), IO_END);
    CHECK_EQ(stage_write(&stage, STR("x"), &sent), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_CLOSED);
    stage_answer(&stage, STR("still"));
    CHECK_EQ(read_some(&stage, &text), IO_OK);
    CHECK_STR(text, STR("still"));
    stage_close(&stage);
}

TEST(stream_tells_of_a_cut)
{
    static const bool inside_a_record[] = {false, true};

    for (size_t i = 0; i < COUNT_OF(inside_a_record); i++) {
        struct tls_stage stage;
        struct str text;

        stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
        stage_answer(&stage, STR("half"));
        if (inside_a_record[i]) {
            struct iovec part = part_of(STR("\x17\x03\x03"));
            size_t sent;

            CHECK_EQ(stream_writev(stage.far, &part, 1, &sent, &stage.err), IO_OK);
        }
        stage_end_far(&stage);
        CHECK_EQ(read_some(&stage, &text), IO_OK);
        CHECK_STR(text, STR("half"));
        CHECK_EQ(stream_peek(stage.client), IO_END);
        CHECK_EQ(read_some(&stage, &text), IO_FAIL);
        CHECK_EQ(stage.err.code, ERROR_TLS_TRUNCATED);
        CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
        stage_close(&stage);
    }
}

TEST(stream_peek_sees_a_cut_and_a_reset)
{
    static const bool resets[] = {false, true};

    for (size_t i = 0; i < COUNT_OF(resets); i++) {
        struct tls_stage stage;
        struct str text;

        stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
        CHECK_EQ(stream_peek(stage.client), IO_WAIT); /* tickets */
        if (resets[i]) {
            stream_close(stage.far, true);
            stage.far = NULL;
        } else {
            stage_end_far(&stage);
        }
        CHECK_EQ(stream_peek(stage.client), resets[i] ? IO_FAIL : IO_END);
        CHECK_EQ(read_some(&stage, &text), IO_FAIL);
        CHECK_EQ(stage.err.code, resets[i] ? ERROR_RESET : ERROR_TLS_TRUNCATED);
        stage_close(&stage);
    }
}

TEST(stream_fails_on_records_that_are_forged)
{
    struct tls_stage stage;
    struct str text;
    struct iovec part = part_of(STR("\x17\x03\x03\x00\x20 0123456789012345678901234567890"));
    size_t sent;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    CHECK_EQ(stream_writev(stage.far, &part, 1, &sent, &stage.err), IO_OK);
    CHECK_EQ(stream_peek(stage.client), IO_FAIL);
    CHECK_EQ(read_some(&stage, &text), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_PROTOCOL);
    CHECK_EQ(stage.err.fault, FAULT_UPSTREAM);
    stage_close(&stage);
}

/* Case 94 of the keep-alive matrix. */
TEST(g4_94_stream_that_is_idle_survives_tickets_and_key_updates)
{
    static const int updates[] = {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED};

    for (size_t i = 0; i < COUNT_OF(updates); i++) {
        struct tls_sessions *sessions = tls_sessions_new(8, 1);
        struct tls_stage stage;
        struct str text;
        char out[32];
        size_t sent;

        stage_shaken(&stage, &(struct tls_stage_options){.sessions = sessions});
        CHECK_EQ(stream_peek(stage.client), IO_WAIT);
        CHECK_EQ(tls_sessions_count(sessions), 2);
        CHECK(SSL_new_session_ticket(stage.server) == 1);
        CHECK_INT(SSL_do_handshake(stage.server), 1);
        stage_move(&stage);
        CHECK_EQ(stream_peek(stage.client), IO_WAIT);
        CHECK_EQ(tls_sessions_count(sessions), 3);
        CHECK(SSL_key_update(stage.server, updates[i]) == 1);
        CHECK_INT(SSL_do_handshake(stage.server), 1);
        stage_move(&stage);
        CHECK_EQ(read_some(&stage, &text), IO_WAIT);
        CHECK_EQ(stream_peek(stage.client), IO_WAIT);
        CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
        CHECK_EQ(stage_write(&stage, STR("request"), &sent), IO_OK);
        CHECK_STR(str_of(out, stage_serve(&stage, out, sizeof(out))), STR("request"));
        stage_answer(&stage, STR("answer"));
        CHECK_EQ(read_some(&stage, &text), IO_OK);
        CHECK_STR(text, STR("answer"));
        stage_close(&stage);
        tls_sessions_free(sessions);
    }
}

/* A ticket, and the end behind it, in one look. */
TEST(stream_peek_looks_behind_tickets)
{
    struct tls_stage stage;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    SSL_shutdown(stage.server);
    stage_move(&stage);
    CHECK_EQ(stream_peek(stage.client), IO_END);
    stage_close(&stage);
}

TEST(stream_with_nothing_but_housekeeping_is_ended)
{
    struct tls_stage stage;
    struct str text;
    enum io io = IO_WAIT;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    for (unsigned i = 0; i < 100000 && io == IO_WAIT; i++) {
        CHECK(SSL_key_update(stage.server, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
        CHECK_INT(SSL_do_handshake(stage.server), 1);
        stage_move(&stage);
        io = read_some(&stage, &text);
    }
    CHECK_EQ(io, IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_TLS_PROTOCOL);
    stage_close(&stage);
}

/* OpenSSL's objects, which grew with 3.2; the buffer of a record would add 16 KiB more. */
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
enum { OBJECTS_MAX = 28 << 10 };
#else
enum { OBJECTS_MAX = 18 << 10 };
#endif

TEST(stream_holds_no_buffers_while_idle)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct tls_stage stage;
        size_t held;

        stage_shaken(&stage, &(struct tls_stage_options){.server_max = versions[i]});
        transfer_up(&stage, make_bytes(100000));
        transfer_down(&stage, make_bytes(100000));
        CHECK_EQ(stream_peek(stage.client), IO_WAIT);
        CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
        held = openssl_bytes();
        stream_close(stage.client, true);
        stage.client = NULL;
        held -= openssl_bytes();
        test_case_is("version %zu: %zu bytes", i, held);
        CHECK(held <= OBJECTS_MAX);
        stage_close(&stage);
    }
}

/* What a ticket or a key update makes OpenSSL allocate goes with the read that takes the data behind it, and so does
 * what it holds of a record that just fills what it is read into. */
TEST(stream_read_leaves_no_buffer_behind)
{
    enum { NOTHING, TICKET, UPDATE, CASES };
    static const size_t sizes[] = {1, 500, 1000};
    static char out[500];

    for (size_t i = 0; i < CASES * COUNT_OF(sizes); i++) {
        struct tls_stage stage;
        struct str bytes = make_bytes(sizes[i / CASES]);
        size_t held, got;

        stage_shaken(&stage, &(struct tls_stage_options){.server_min = TLS1_3_VERSION});
        CHECK_EQ(stage_read(&stage, out, sizeof(out), &got), IO_WAIT); /* the tickets of the handshake */
        CHECK(i % CASES != TICKET || SSL_new_session_ticket(stage.server) == 1);
        CHECK(i % CASES != UPDATE || SSL_key_update(stage.server, SSL_KEY_UPDATE_REQUESTED) == 1);
        CHECK_INT(SSL_do_handshake(stage.server), 1);
        stage_answer(&stage, bytes);
        for (size_t seen = 0; seen < bytes.len; seen += got) {
            CHECK_EQ(stage_read(&stage, out, sizeof(out), &got), IO_OK);
            CHECK_STR(str_of(out, got), str_first(str_from_offset(bytes, seen), got));
        }
        held = openssl_bytes();
        stream_close(stage.client, true);
        stage.client = NULL;
        held -= openssl_bytes();
        test_case_is("case %zu: %zu bytes", i, held);
        CHECK(held <= OBJECTS_MAX);
        stage_close(&stage);
    }
}

/* What is sent while it is encrypted fails as what was collected does. */
TEST(stream_tells_of_a_peer_that_is_gone_at_the_first_write)
{
    struct tls_stage stage;
    size_t sent;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 5000});
    stream_close(stage.far, true);
    stage.far = NULL;
    CHECK_EQ(stage_write(&stage, STR("request"), &sent), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    CHECK_EQ(stage.err.fault, FAULT_SYSTEM);
    CHECK_EQ(stage_write(&stage, STR("request"), &sent), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    stage_close(&stage);
}

TEST(stream_bears_a_peer_that_is_gone)
{
    struct tls_stage stage;
    struct str bytes = make_bytes(100000), text;
    size_t sent;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 5000});
    CHECK_EQ(stage_write(&stage, bytes, &sent), IO_OK);
    stream_close(stage.far, true);
    stage.far = NULL;
    stage_turn(&stage);
    CHECK_EQ(stage_write(&stage, bytes, &sent), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    CHECK_EQ(read_some(&stage, &text), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_RESET);
    stage_close(&stage);
}

/* What the kernel would tell; the pair has none. */
static uint32_t unsent_bytes;

static bool tell_unsent(struct stream *stream, struct tcp_facts *facts)
{
    (void)stream;
    *facts = (struct tcp_facts){.unsent_bytes = unsent_bytes};
    return true;
}

/* keepalive D.4, note 6: a request counts as unacknowledged if and only if nothing of its records was acknowledged. */
TEST(stream_facts_count_the_application_bytes_of_this_turn)
{
    static const struct {
        uint32_t records, told;
    } cases[] = {
        {58, 14}, /* two records of 7 bytes, 22 more each */
        {90, 14}, /* and a key update before them */
        {57, 13}, {45, 1}, {44, 0}, {0, 0},
    };
    struct tls_stage stage;
    struct stream_ops ops;
    struct tcp_facts facts;
    struct str text;
    char out[16];
    size_t sent;

    stage_shaken(&stage, &(struct tls_stage_options){.room = 0});
    ops = *stage.near->ops;
    ops.facts = tell_unsent;
    stage.near->ops = &ops;
    CHECK_EQ(stage_write(&stage, STR("earlier"), &sent), IO_OK);
    CHECK_EQ(stage_serve(&stage, out, sizeof(out)), 7);
    stage_answer(&stage, STR("answer"));
    CHECK_EQ(read_some(&stage, &text), IO_OK);
    CHECK_EQ(stage_write(&stage, STR("request"), &sent), IO_OK);
    CHECK_EQ(stage_write(&stage, STR("request"), &sent), IO_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%u", cases[i].records);
        unsent_bytes = cases[i].records;
        CHECK(stream_facts(stage.client, &facts));
        CHECK_EQ(facts.unsent_bytes, cases[i].told);
    }
    stage_close(&stage);
}
