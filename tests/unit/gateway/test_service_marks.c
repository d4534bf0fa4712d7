/* test_service_marks.c: dscp and mark of holdfast/upstream: names and numbers, whose wins, and where they do nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"
#include "gateway_test.h"

#define UPSTREAM "\"extra_config\": {\"holdfast/upstream\": {%s}}"

static const struct transport *transport_of(const char *block)
{
    return &gateway_service(arena_format(test_arena(), "{\"version\": 3, " UPSTREAM "}", block).data)->transport;
}

TEST(a_dscp_is_a_number_or_a_name)
{
    static const struct {
        const char *text;
        unsigned dscp;
    } cases[] = {
        {"0", 0},         {"1", 1},         {"63", 63},       {"\"46\"", 46},   {"\"\"", 0},      {"null", 0},
        {"\"df\"", 0},    {"\"le\"", 1},    {"\"va\"", 44},   {"\"ef\"", 46},   {"\"EF\"", 46},   {"\"Cs0\"", 0},
        {"\"cs1\"", 8},   {"\"cs5\"", 40},  {"\"cs7\"", 56},  {"\"af11\"", 10}, {"\"af12\"", 12}, {"\"af13\"", 14},
        {"\"af21\"", 18}, {"\"af33\"", 30}, {"\"AF41\"", 34}, {"\"af42\"", 36}, {"\"af43\"", 38},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].text);
        CHECK_EQ(transport_of(arena_format(test_arena(), "\"dscp\": %s", cases[i].text).data)->marks.dscp,
                 cases[i].dscp);
    }
}

TEST(what_is_no_dscp_is_refused)
{
    static const char *const wrong[] = {"64",
                                        "256",
                                        "-1",
                                        "cs8",
                                        "cs",
                                        "cs10",
                                        "af",
                                        "af1",
                                        "af10",
                                        "af14",
                                        "af01",
                                        "af51",
                                        "af111",
                                        "efs",
                                        "e",
                                        "0x2",
                                        "+1",
                                        " 1",
                                        "18446744073709551662",
                                        "besteffort"};
    uint8_t dscp;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        test_case_is("%s", wrong[i]);
        CHECK(!dscp_read(guard_copy(str_from(wrong[i])), &dscp));
    }
}

TEST(a_mark_is_any_number_of_32_bits)
{
    CHECK_EQ(transport_of("\"mark\": 1")->marks.mark, 1);
    CHECK_EQ(transport_of("\"mark\": 4294967295")->marks.mark, UINT32_MAX);
    CHECK_EQ(transport_of("\"mark\": \"0x2a\"")->marks.mark, 42);
    CHECK_EQ(transport_of("\"mark\": 0")->marks.mark, 0);
    CHECK_EQ(transport_of("\"mark\": null")->marks.mark, 0);
}

/* One backend's hosts and settings below a root with a DSCP of 46 and a mark of 7. */
static const char *configuration(const char *hosts, const char *block)
{
    return arena_format(test_arena(),
                        "{\"version\": 3, \"extra_config\": {\"holdfast/upstream\": {\"dscp\": 46, \"mark\": 7}},"
                        " \"endpoints\": [{\"endpoint\": \"/a\", \"backend\": [{\"disable_host_sanitize\": true,"
                        " \"host\": [%s], " UPSTREAM "}]}]}",
                        hosts, block)
        .data;
}

TEST(the_nearer_mark_wins_and_0_is_none)
{
    static const struct {
        const char *block;
        struct packet_marks marks;
    } cases[] = {{"", {7, 46}},
                 {"\"dscp\": \"le\"", {7, 1}},
                 {"\"dscp\": 0", {7, 0}},
                 {"\"mark\": 9", {9, 46}},
                 {"\"mark\": 0, \"dscp\": \"\"", {0, 0}}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct service *service = gateway_service(configuration("\"http://h\"", cases[i].block));

        test_case_is("%s", cases[i].block);
        CHECK(packet_marks_eq(&service->endpoints[0].backends[0].transport.marks, &cases[i].marks));
    }
}

TEST(marks_of_unix_sockets_are_told_where_they_stand)
{
    static const struct {
        const char *hosts, *block, *marked, *key;
    } cases[] = {
        {"\"unix:/run/a\"", "\"dscp\": 34", "34", "dscp"},
        {"\"unix:/run/a\"", "\"mark\": 99", "99", "mark"},
        {"\"unix:/run/a\", \"unix:/run/b\"", "\"dscp\": \"af41\"", "\"af41\"", "dscp"},
        {"\"unix:/run/a\"", "\"dscp\": 0, \"mark\": 0", NULL, NULL}, /* what the root says is not for them */
        {"\"unix:/run/a\"", "", NULL, NULL},
        {"\"unix:/run/a\", \"http://h\"", "\"dscp\": 34", NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = configuration(cases[i].hosts, cases[i].block);
        struct report *report = gateway_report();

        test_case_is("row %zu", i);
        (void)gateway_load(text, report);
        CHECK_EQ(report->errors + report->warnings, cases[i].marked ? 1 : 0);
        if (!cases[i].marked)
            continue;
        CHECK_EQ(report->first->code, PROBLEM_NO_EFFECT);
        CHECK_CSTR(report->first->text, arena_format(test_arena(),
                                                     "endpoints[0].backend[0].extra_config.holdfast/upstream.%s: has "
                                                     "no effect: Unix sockets have no packets",
                                                     cases[i].key)
                                            .data);
        CHECK_STR(str_of(text + report->first->place.at, report->first->place.len), str_from(cases[i].marked));
    }
}
