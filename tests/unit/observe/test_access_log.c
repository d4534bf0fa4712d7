/* test_access_log.c: the lines, byte for byte; what a hostile client cannot do to them; when they leave the buffer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "log_stage.h"

#define SECOND_NS UINT64_C(1000000000)
#define FLUSH_NS  UINT64_C(100000000)

enum { MOMENT_S = 1795256430 }; /* 2026/11/21 10:20:30 */

static struct access_entry entry_of(struct str target)
{
    return (struct access_entry){
        .wall_ns = MOMENT_S * SECOND_NS,
        .took_ns = 1234500,
        .status = 200,
        .client_ip = STR("127.0.0.1"),
        .method = STR("GET"),
        .target = target,
    };
}

/* Ends the log and gives what it wrote of this entry. */
static struct str line_of(const struct access_entry *entry)
{
    struct log_stage stage;
    struct str output;

    log_stage_open(&stage);
    access_log_write(stage.log, entry);
    access_log_free(stage.log);
    stage.log = NULL;
    output = log_stage_output(&stage);
    log_stage_close(&stage);
    return output;
}

TEST(a_line_has_the_form_that_gin_writes)
{
    static const struct {
        uint16_t status;
        uint64_t took_ns;
        struct str ip, method, target;
        const char *line;
    } cases[] = {
        {200, 1234500, STR_INIT("127.0.0.1"), STR_INIT("GET"), STR_INIT("/users/1?x=y"),
         "[GIN] 2026/11/21 - 10:20:30 | 200 | 1.2345ms |       127.0.0.1 | GET      \"/users/1?x=y\"\n"},
        {404, 0, STR_INIT("10.0.0.255"), STR_INIT("DELETE"), STR_INIT("/"),
         "[GIN] 2026/11/21 - 10:20:30 | 404 |       0s |      10.0.0.255 | DELETE   \"/\"\n"},
        {204, 999, STR_INIT("::1"), STR_INIT("OPTIONS"), STR_INIT("*"),
         "[GIN] 2026/11/21 - 10:20:30 | 204 |    999ns |             ::1 | OPTIONS  \"*\"\n"},
        {200, 87500, STR_INIT("::1"), STR_INIT("GET"), STR_INIT("/m"),
         "[GIN] 2026/11/21 - 10:20:30 | 200 |   87.5\xc2\xb5s |             ::1 | GET      \"/m\"\n"},
        {500, 2000000000, STR_INIT("2001:db8:1234:5678:9abc:def0:1234:5678"), STR_INIT("PROPPATCH"), STR_INIT("/x"),
         "[GIN] 2026/11/21 - 10:20:30 | 500 |       2s | 2001:db8:1234:5678:9abc:def0:1234:5678 | PROPPATCH  \"/x\"\n"},
        {499, 60000000000, STR_INIT(""), STR_INIT("GET"), STR_INIT("/y"),
         "[GIN] 2026/11/21 - 10:20:30 | 499 |     1m0s |                 | GET      \"/y\"\n"},
        {200, 61234567890, STR_INIT("1.2.3.4"), STR_INIT("GET"), STR_INIT("/z"),
         "[GIN] 2026/11/21 - 10:20:30 | 200 |     1m1s |         1.2.3.4 | GET      \"/z\"\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct access_entry entry = {.wall_ns = MOMENT_S * SECOND_NS + 999999999,
                                     .took_ns = cases[i].took_ns,
                                     .status = cases[i].status,
                                     .client_ip = cases[i].ip,
                                     .method = cases[i].method,
                                     .target = cases[i].target};

        test_case_is("%.*s", STR_ARG(cases[i].target));
        CHECK_STR(line_of(&entry), str_from(cases[i].line));
    }
}

TEST(a_json_line_tells_of_the_connection)
{
    struct access_entry entry = entry_of(STR("/a\"\\\n\xc3\xa9\x7f"));

    entry.as_json = true;
    CHECK_TEXT(line_of(&entry), "{\"time\":\"2026-11-21T10:20:30.000Z\",\"status\":200,\"seconds\":0.001234500,"
                                "\"client\":\"127.0.0.1\",\"method\":\"GET\","
                                "\"target\":\"/a\\\"\\\\\\u000a\\u00c3\\u00a9\\u007f\"}\n");
    entry.wall_ns += 987654321;
    entry.took_ns = 12 * SECOND_NS + 5;
    entry.target = STR("/");
    entry.conn = "new";
    entry.reason = "cold";
    entry.host = STR("http://a:80");
    entry.tries = 2;
    entry.error = "no \"answer\"";
    entry.peer = STR("[2001:db8::9]:1000");
    entry.header = "v2";
    CHECK_TEXT(
        line_of(&entry),
        "{\"time\":\"2026-11-21T10:20:30.987Z\",\"status\":200,\"seconds\":12.000000005,\"client\":\"127.0.0.1\","
        "\"peer\":\"[2001:db8::9]:1000\",\"method\":\"GET\",\"target\":\"/\",\"host\":\"http://a:80\",\"conn\":\"new\","
        "\"reason\":\"cold\",\"tries\":2,\"send_proxy_protocol\":\"v2\",\"error\":\"no \\\"answer\\\"\"}\n");
}

/* What a PROXY header says is bytes of somebody else, and stands behind the peer that it names. */
TEST(what_a_proxy_header_says_is_told_and_escaped)
{
    struct access_entry entry = entry_of(STR("/"));

    entry.as_json = true;
    entry.peer = STR("203.0.113.9:1000");
    entry.proxy_authority = STR("a.example");
    entry.proxy_id = str_of("\"\0\xff", 3);
    CHECK(str_find(line_of(&entry), STR("\"peer\":\"203.0.113.9:1000\",\"proxy_authority\":\"a.example\","
                                        "\"proxy_id\":\"\\\"\\u0000\\u00ff\",\"method\":\"GET\"")) <
          line_of(&entry).len);
    entry.proxy_alpn = STR("h2");
    entry.proxy_tls = STR("TLSv1.3");
    CHECK(str_find(line_of(&entry), STR("\"proxy_alpn\":\"h2\",\"proxy_tls\":\"TLSv1.3\",\"proxy_id\"")) <
          line_of(&entry).len);
}

static struct str repeated(char c, size_t len)
{
    char *text = arena_alloc(test_arena(), len + 1, 1);

    CHECK(text != NULL);
    memset(text, c, len);
    text[len] = '\0';
    return str_of(text, len);
}

TEST(the_longest_json_line_has_room)
{
    struct log_stage stage;
    struct access_entry entry = entry_of(STR(""));
    struct str longest = repeated('\x01', 9000);

    entry.target = entry.host = entry.peer = entry.client_ip = entry.method = longest;
    entry.proxy_authority = entry.proxy_alpn = entry.proxy_tls = entry.proxy_id = longest;
    entry.error = repeated('\x01', 2000).data;
    entry.header = "v2";
    entry.conn = entry.reason = "new";
    entry.as_json = true;
    log_stage_open(&stage);
    for (unsigned i = 0; i < 3; i++)
        access_log_write(stage.log, &entry);
    access_log_free(stage.log);
    stage.log = NULL;
    CHECK(log_stage_output(&stage).len > 3 * 6 * (8192 + 512));
    log_stage_close(&stage);
}

TEST(an_error_stands_in_a_line_of_its_own)
{
    struct access_entry entry = entry_of(STR("/users/1?x=y"));

    entry.status = 500;
    entry.error = "dialing 10.0.0.7:80: connection refused";
    CHECK_TEXT(line_of(&entry),
               "[GIN] 2026/11/21 - 10:20:30 | 500 | 1.2345ms |       127.0.0.1 | GET      \"/users/1?x=y\"\n"
               "Error #01: dialing 10.0.0.7:80: connection refused\n");
}

/* What stands between the outer quotes of a line. */
static struct str quoted_part(struct str line)
{
    size_t from = str_find_char(line, '"') + 1, to = str_find_last_char(line, '"');

    CHECK(from <= to);
    CHECK(to < line.len);
    return str_first(str_from_offset(line, from), to - from);
}

TEST(a_target_cannot_forge_a_line)
{
    static const struct {
        struct str target;
        const char *shown;
    } cases[] = {
        {STR_INIT(""), ""},
        {STR_INIT("/a\" | 200\n[GIN] 2026"), "/a\\\" | 200\\n[GIN] 2026"},
        {STR_INIT("/a\\\"b"), "/a\\\\\\\"b"},
        {STR_INIT("/\a\b\t\n\v\f\r"), "/\\a\\b\\t\\n\\v\\f\\r"},
        {STR_INIT("/\x1b[31mred\x1b[0m"), "/\\x1b[31mred\\x1b[0m"},
        {STR_INIT("/\x01\x06\x0e\x1f\x7f"), "/\\x01\\x06\\x0e\\x1f\\x7f"},
        {STR_INIT("/\x00z"), "/\\x00z"},
        {STR_INIT("/caf\xc3\xa9/\xff"), "/caf\\xc3\\xa9/\\xff"},
        {STR_INIT("/%n%s%%/{}|<>"), "/%n%s%%/{}|<>"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct access_entry entry = entry_of(guard_copy(cases[i].target));
        struct str line = line_of(&entry);

        test_case_is("case %zu", i);
        CHECK_STR(quoted_part(line), str_from(cases[i].shown));
        CHECK_EQ(str_find_char(line, '\n'), line.len - 1);
    }
}

TEST(an_error_cannot_forge_a_line)
{
    struct access_entry entry = entry_of(STR("/"));
    struct str line;

    entry.error = "host said \"no\"\r\n[GIN] forged \x1b[2J";
    line = line_of(&entry);
    CHECK_TEXT(str_from_offset(line, str_find_char(line, '\n') + 1),
               "Error #01: host said \"no\"\\r\\n[GIN] forged \\x1b[2J\n");
}

TEST(a_long_target_is_whole_up_to_8_kib)
{
    static const struct {
        size_t len, shown;
        bool cut;
    } cases[] = {{8191, 8191, false}, {8192, 8192, false}, {8193, 8192, true}, {100000, 8192, true}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct access_entry entry = entry_of(guard_copy(repeated('x', cases[i].len)));
        struct str shown = quoted_part(line_of(&entry));

        test_case_is("%zu bytes", cases[i].len);
        CHECK_EQ(shown.len, cases[i].shown + (cases[i].cut ? 3 : 0));
        CHECK_INT(str_ends(shown, STR("...")), cases[i].cut);
        CHECK_STR(str_first(shown, cases[i].shown), repeated('x', cases[i].shown));
    }
}

/* The longest line there can be, at every fill of the buffer. */
TEST(no_line_is_too_long_for_the_buffer)
{
    struct log_stage stage;
    struct access_entry longest = entry_of(repeated('\x1b', 20000)), filler = entry_of(STR("/"));
    size_t lines = 0;

    longest.error = repeated('\x01', 2000).data;
    longest.client_ip = longest.method = repeated('m', 5000);
    log_stage_open(&stage);
    for (unsigned fill = 0; fill < 900; fill += 13) {
        struct str output;

        for (unsigned i = 0; i < fill; i++)
            access_log_write(stage.log, &filler);
        access_log_write(stage.log, &longest);
        access_log_free(stage.log);
        stage.log = access_log_new(stage.loop, stage.write_fd);
        CHECK(stage.log != NULL);
        output = log_stage_output(&stage);
        lines = 0;
        for (size_t i = 0; i < output.len; i++)
            lines += output.data[i] == '\n';
        test_case_is("behind %u lines", fill);
        CHECK_EQ(lines, fill + 2);
    }
    log_stage_close(&stage);
}

TEST(lines_wait_a_tenth_of_a_second)
{
    struct access_entry entry = entry_of(STR("/first"));
    struct log_stage stage;
    struct str output;

    log_stage_open(&stage);
    access_log_write(stage.log, &entry);
    CHECK_EQ(log_stage_output(&stage).len, 0);
    loop_turn(stage.loop, stage.fake.now_ns + FLUSH_NS - 1000);
    entry.target = STR("/second");
    access_log_write(stage.log, &entry);
    CHECK_EQ(log_stage_output(&stage).len, 0);

    /* The first line's age counts, not the last one's. */
    loop_turn(stage.loop, stage.fake.now_ns + 1000);
    output = log_stage_output(&stage);
    CHECK(str_find(output, STR("/first")) < output.len);
    CHECK(str_find(output, STR("/second")) < output.len);

    entry.target = STR("/third");
    access_log_write(stage.log, &entry);
    loop_turn(stage.loop, stage.fake.now_ns + FLUSH_NS);
    output = log_stage_output(&stage);
    CHECK(str_find(output, STR("/third")) < output.len);
    CHECK(str_find(output, STR("/first")) == output.len);
    log_stage_close(&stage);
}

TEST(an_idle_log_sets_no_timer)
{
    struct access_entry entry = entry_of(STR("/"));
    struct log_stage stage;

    log_stage_open(&stage);
    loop_turn(stage.loop, stage.fake.now_ns + 10 * SECOND_NS);
    CHECK_EQ(loop_stats(stage.loop)->timers_fired, 0);
    access_log_write(stage.log, &entry);
    loop_turn(stage.loop, stage.fake.now_ns + FLUSH_NS);
    CHECK_EQ(loop_stats(stage.loop)->timers_fired, 1);
    loop_turn(stage.loop, stage.fake.now_ns + 10 * SECOND_NS);
    CHECK_EQ(loop_stats(stage.loop)->timers_fired, 1);
    log_stage_close(&stage);
}

TEST(a_full_buffer_is_written_at_once_and_in_order)
{
    struct log_stage stage;
    struct str output, rest, line;
    unsigned expected = 0;

    log_stage_open(&stage);
    for (unsigned i = 0; i < 2000; i++) {
        struct access_entry entry = entry_of(arena_format(test_arena(), "/%u", i));

        access_log_write(stage.log, &entry);
    }
    output = log_stage_output(&stage);
    CHECK(output.len > 60000);
    CHECK_INT(output.data[output.len - 1], '\n');
    access_log_free(stage.log);
    stage.log = NULL;
    rest = log_stage_output(&stage);
    CHECK(rest.len > 0);
    output = arena_format(test_arena(), "%.*s%.*s", STR_ARG(output), STR_ARG(rest));
    output = str_first(output, output.len - 1);
    while (str_split(&output, '\n', &line)) {
        struct str target = arena_format(test_arena(), "/%u", expected++);

        CHECK_STR(quoted_part(line), target);
    }
    CHECK_EQ(expected, 2000);
    log_stage_close(&stage);
}

TEST(the_date_follows_the_clock)
{
    struct log_stage stage;
    struct str output;

    log_stage_open(&stage);
    for (unsigned i = 0; i < 3; i++) {
        struct access_entry entry = entry_of(STR("/"));

        entry.wall_ns += i * SECOND_NS;
        access_log_write(stage.log, &entry);
        access_log_write(stage.log, &entry);
    }
    loop_turn(stage.loop, stage.fake.now_ns + FLUSH_NS);
    output = log_stage_output(&stage);
    for (unsigned i = 0; i < 3; i++) {
        struct str date = arena_format(test_arena(), "[GIN] 2026/11/21 - 10:20:3%u |", i);

        CHECK(str_find(output, date) < output.len);
    }
    log_stage_close(&stage);
}

TEST(log_time_is_utc)
{
    static const struct {
        uint64_t wall_s;
        bool dash;
        const char *text;
    } cases[] = {
        {0, true, "1970/01/01 - 00:00:00"},        {0, false, "1970/01/01 00:00:00"},
        {951782399, false, "2000/02/28 23:59:59"}, {951782400, false, "2000/02/29 00:00:00"},
        {MOMENT_S, true, "2026/11/21 - 10:20:30"}, {UINT64_MAX / SECOND_NS, true, "2554/07/21 - 23:34:33"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[LOG_TIME_BYTES];

        CHECK_STR(log_time(cases[i].wall_s * SECOND_NS, cases[i].dash, out), str_from(cases[i].text));
    }
}

TEST(without_memory_there_is_no_log)
{
    struct fake_world fake;
    struct loop *loop;

    fake_world_init(&fake);
    loop = loop_new(&fake.world);
    CHECK(loop != NULL);
    test_fail_allocation(1);
    CHECK(access_log_new(loop, 1) == NULL);
    test_fail_allocation(0);
    access_log_free(NULL);
    loop_free(loop);
}
