/* test_frontend.c: what a worker counts, logs and takes on. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "front_stage.h"
#include "harness/test.h"

TEST(every_status_is_counted)
{
    static const uint16_t statuses[] = {100, 200, 499, 599, 600, 799, 999};
    uint64_t sums[STATUS_SLOTS] = {0};
    struct front_stage stage;
    const struct endpoint *endpoint;

    front_open(&stage, &(struct front_settings){0});
    endpoint = generation_unrouted(stage.generation);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        test_case_is("%u", statuses[i]);
        frontend_count_request(stage.frontend, endpoint, statuses[i]);
        CHECK_EQ(stage.frontend->counts.requests, i + 1);
    }
    frontend_add_answers(stage.frontend, endpoint->slot, sums);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        test_case_is("%u", statuses[i]);
        CHECK_EQ(sums[statuses[i]], 1);
        sums[statuses[i]] = 0;
    }
    for (unsigned status = 0; status < STATUS_SLOTS; status++)
        CHECK_EQ(sums[status], 0);
    front_close(&stage);
}

static unsigned count_lines(struct str text, const char *part)
{
    struct str line;
    unsigned count = 0;

    while (str_split(&text, '\n', &line))
        count += str_find(line, str_from(part)) < line.len;
    return count;
}

/* Each exchange ends with one line and one count, whatever ends it. */
TEST(what_is_cut_off_is_logged_and_counted_once)
{
    struct front_stage stage;
    struct caller answered, waiting, half;
    struct addr addr;
    struct str lines;

    front_open(&stage, &(struct front_settings){0});
    addr = front_listen(&stage, 80);
    caller_open(&answered, &stage, addr);
    caller_open(&waiting, &stage, addr);
    caller_open(&half, &stage, addr);
    caller_say(&answered, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
    caller_say(&waiting, "POST /__echo/cut HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    caller_say(&half, "GET /half HTTP/1.1\r\nHo");
    front_run(&stage, SIM_MS);
    CHECK_EQ(stage.frontend->counts.requests, 1);
    frontend_cut(stage.frontend);
    CHECK_EQ(stage.frontend->counts.exchanges, 0);
    CHECK(frontend_is_empty(stage.frontend));
    lines = front_access_lines(&stage);
    CHECK_EQ(count_lines(lines, "\"/__health\""), 1);
    CHECK_EQ(count_lines(lines, "| 499 |"), 1);
    CHECK_EQ(count_lines(lines, "\"/__echo/cut\""), 1);
    CHECK_EQ(count_lines(lines, "Error #01: cut off by the end of the gateway"), 1);
    CHECK_EQ(count_lines(lines, "/half"), 0); /* it was no request yet */
    CHECK_EQ(stage.frontend->counts.requests, 2);
    caller_close(&answered);
    caller_close(&waiting);
    caller_close(&half);
    front_close(&stage);
}

TEST(paths_may_be_left_out_of_the_access_log)
{
    static const struct {
        const char *target;
        bool logged;
    } cases[] = {
        {"/__health", false},  {"/__health?x=1", false}, {"/%5F_health", false},    {"/a%20b", false},
        {"/caf%C3%A9", false}, {"/__health/", true},     {"/__HEALTH", true},       {"/__healthy", true},
        {"/a%2520b", true},    {"/a+b", true},           {"/else?/__health", true}, {"/a%2", true},
        {"/__echo/x/y", true},
    };
    struct front_stage stage;
    struct caller caller;
    struct str lines;
    struct addr addr;

    front_open(&stage,
               &(struct front_settings){
                   .router = "\"logger_skip_paths\": [\"/__health\", \"/a b\", \"/caf\xc3\xa9\", \"/__echo/x\"]"});
    addr = front_listen(&stage, 80);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        caller_open(&caller, &stage, addr);
        caller_say(&caller, arena_format(test_arena(), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].target).data);
        front_run(&stage, SIM_MS);
        CHECK(caller_has_heard(&caller, "HTTP/1.1 "));
        caller_close(&caller);
    }
    CHECK_EQ(stage.frontend->counts.requests, COUNT_OF(cases));
    lines = front_access_lines(&stage);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].target);
        CHECK_EQ(count_lines(lines, arena_format(test_arena(), "\"%s\"", cases[i].target).data), cases[i].logged);
    }
    front_close(&stage);
}

TEST(numbers_too_large_to_count_are_the_largest_not_none)
{
    static const struct {
        const char *root, *server;
        uint32_t head_bytes_max, requests_max;
    } cases[] = {
        {NULL, NULL, 0, 0},
        {"\"max_header_bytes\": 1, ", "\"max_requests_per_connection\": 1", 4097, 1},
        {"\"max_header_bytes\": 4294963198, ", "\"max_requests_per_connection\": 4294967295", UINT32_MAX - 1,
         UINT32_MAX},
        {"\"max_header_bytes\": 4294963200, ", "\"max_requests_per_connection\": 4294967296", UINT32_MAX, UINT32_MAX},
        {"\"max_header_bytes\": 4294967296, ", "\"max_requests_per_connection\": 4294967297", UINT32_MAX, UINT32_MAX},
        {"\"max_header_bytes\": 9223372036854775807, ", "\"max_requests_per_connection\": 9223372036854775807",
         UINT32_MAX, UINT32_MAX},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct front_stage stage;

        test_case_is("%s %s", cases[i].root ? cases[i].root : "", cases[i].server ? cases[i].server : "");
        front_open(&stage, &(struct front_settings){.root = cases[i].root, .server = cases[i].server});
        CHECK_EQ(stage.frontend->conn_options.head_bytes_max, cases[i].head_bytes_max);
        CHECK_EQ(stage.frontend->conn_options.requests_max, cases[i].requests_max);
        front_close(&stage);
    }
}

TEST(the_cap_of_connections_is_shared_by_workers)
{
    static const struct {
        const char *server;
        unsigned workers;
        uint64_t share;
    } cases[] = {
        {"", 3, 0},
        {"\"max_connections\": 0", 2, 0},
        {"\"max_connections\": 7", 1, 7},
        {"\"max_connections\": 6", 3, 2},
        {"\"max_connections\": 7", 3, 3},
        {"\"max_connections\": 1", 256, 1}, /* a worker with none would never answer */
        {"\"max_connections\": 9223372036854775807", 2, UINT64_C(4611686018427387904)},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct front_stage stage;

        test_case_is("%s, %u workers", cases[i].server, cases[i].workers);
        front_open(&stage, &(struct front_settings){.server = cases[i].server, .workers = cases[i].workers});
        CHECK_EQ(stage.frontend->clients_max, cases[i].share);
        front_close(&stage);
    }
}

static void ask_health(struct caller *caller, struct front_stage *stage, struct addr addr)
{
    caller_open(caller, stage, addr);
    caller_say(caller, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(at_the_cap_accepting_waits_until_a_client_leaves)
{
    enum { CALLERS = 5, CAP = 2 };
    struct front_stage stage;
    struct caller callers[CALLERS];
    struct addr addr;

    front_open(&stage, &(struct front_settings){.server = "\"max_connections\": 2"});
    addr = front_listen(&stage, 80);
    for (int i = 0; i < CALLERS; i++)
        ask_health(&callers[i], &stage, addr);
    for (int left = 0; left < CALLERS; left++) {
        test_case_is("%d have left", left);
        front_run(&stage, SIM_SECOND);
        for (int i = left; i < CALLERS; i++)
            CHECK_INT(caller_has_heard(&callers[i], "\"status\":\"ok\""), i < left + CAP);
        CHECK(stage.frontend->clients.count <= CAP);
        caller_close(&callers[left]);
    }
    front_run(&stage, SIM_SECOND);
    CHECK(frontend_is_empty(stage.frontend));
    front_close(&stage);
}

/* A listener with a crowd before it does not take every place that another one waits for. */
TEST(at_the_cap_listeners_take_turns)
{
    enum { CROWD = 8 };
    struct front_stage stage;
    struct caller crowd[CROWD], other;
    struct addr busy, quiet;
    int left = 0;

    front_open(&stage, &(struct front_settings){.server = "\"max_connections\": 1"});
    busy = front_listen(&stage, 80);
    quiet = front_listen(&stage, 81);
    for (int i = 0; i < CROWD; i++)
        ask_health(&crowd[i], &stage, busy);
    ask_health(&other, &stage, quiet);
    while (left < 3) {
        front_run(&stage, SIM_MS);
        if (caller_has_heard(&other, "\"status\":\"ok\""))
            break;
        CHECK(caller_has_heard(&crowd[left], "\"status\":\"ok\""));
        caller_close(&crowd[left++]);
    }
    CHECK(left < 3);
    for (int i = left; i < CROWD; i++)
        caller_close(&crowd[i]);
    caller_close(&other);
    front_close(&stage);
}

static unsigned pauses_told;

static void count_pauses(enum log_level level, const char *area, const char *line)
{
    (void)area;
    pauses_told += level == LOG_WARNING && strncmp(line, "accepting pauses: ", 18) == 0;
}

TEST(that_accepting_pauses_is_told_at_once_and_then_every_ten_seconds)
{
    static const struct {
        uint64_t until_ns;
        unsigned told;
    } looks[] = {{SIM_SECOND, 1}, {9 * SIM_SECOND, 1}, {11 * SIM_SECOND, 2}, {35 * SIM_SECOND, 4}};
    struct front_stage stage;
    struct caller first, other;
    struct addr addr;
    uint64_t start_ns;

    front_open(&stage, &(struct front_settings){.root = "\"idle_timeout\": \"600s\", "});
    addr = front_listen(&stage, 80);
    ask_health(&first, &stage, addr); /* then idle for as long as the test takes */
    front_run(&stage, SIM_SECOND);
    sim_file_limit(stage.sim, "gateway", sim_files_open(stage.sim, "gateway"));
    pauses_told = 0;
    log_set(LOG_WARNING, count_pauses);
    start_ns = sim_now_ns(stage.sim);
    caller_open(&other, &stage, addr);
    for (size_t i = 0; i < COUNT_OF(looks); i++) {
        test_case_is("after %u s", (unsigned)(looks[i].until_ns / SIM_SECOND));
        front_run(&stage, start_ns + looks[i].until_ns - sim_now_ns(stage.sim));
        CHECK_EQ(pauses_told, looks[i].told);
    }
    log_set(LOG_OFF, NULL);
    CHECK_EQ(stage.frontend->clients.count, 1);
    caller_close(&first); /* makes room */
    caller_say(&other, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
    front_run(&stage, SIM_SECOND);
    CHECK(caller_has_heard(&other, "\"status\":\"ok\""));
    caller_close(&other);
    front_close(&stage);
}
