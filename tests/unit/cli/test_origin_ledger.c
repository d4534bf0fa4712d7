/* test_origin_ledger.c: executions are counted once each, and doubles found. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_ledger.h"
#include "origin_talk.h"

static struct str shown(struct origin_ledger *ledger)
{
    return origin_ledger_json(ledger, test_arena());
}

TEST(doubles_are_what_came_again)
{
    struct origin_ledger *ledger = origin_ledger_new();

    CHECK(ledger != NULL);
    CHECK_STR(shown(ledger), STR("{\"requests\":0,\"distinct\":0,\"doubled\":0,\"unnumbered\":0,\"connections\":0,"
                                 "\"by_method\":{}}\n"));
    origin_ledger_add_connection(ledger);
    origin_ledger_add_request(ledger, STR("GET"), STR("0"));
    origin_ledger_add_request(ledger, STR("GET"), STR("16777215"));
    origin_ledger_add_request(ledger, STR("POST"), STR("7"));
    origin_ledger_add_request(ledger, STR("POST"), STR("7"));
    origin_ledger_add_request(ledger, STR("POST"), STR("7"));
    origin_ledger_add_request(ledger, STR("BREW"), STR("0"));
    origin_ledger_add_request(ledger, STR("GET"), STR("16777216"));
    origin_ledger_add_request(ledger, STR("GET"), STR("x"));
    origin_ledger_add_request(ledger, STR("GET"), STR_EMPTY);
    CHECK_STR(shown(ledger),
              STR("{\"requests\":6,\"distinct\":3,\"doubled\":3,\"unnumbered\":3,\"connections\":1,\"by_method\":{"
                  "\"GET\":{\"requests\":2,\"doubled\":0},\"POST\":{\"requests\":3,\"doubled\":2},"
                  "\"other\":{\"requests\":1,\"doubled\":1}}}\n"));
    origin_ledger_reset(ledger);
    origin_ledger_drop_connection(ledger);
    origin_ledger_add_request(ledger, STR("GET"), STR("16777215"));
    CHECK_STR(shown(ledger), STR("{\"requests\":1,\"distinct\":1,\"doubled\":0,\"unnumbered\":0,\"connections\":0,"
                                 "\"by_method\":{\"GET\":{\"requests\":1,\"doubled\":0}}}\n"));
    origin_ledger_free(ledger);
}

TEST(the_origin_shows_its_ledger)
{
    struct origin_ledger *ledger = origin_ledger_new();
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.ledger = ledger});
    talker_say(&talk.end, "GET /ledger HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "\"connections\":0,\"by_method\":{}}\n");
    talker_say(&talk.end, "GET /bytes/1 HTTP/1.1\r\nHost: x\r\nX-Request-Number: 5\r\n\r\n"
                          "POST /echo HTTP/1.1\r\nHost: x\r\nX-Request-Number: 6\r\nContent-Length: 2\r\n\r\nab"
                          "POST /sink HTTP/1.1\r\nHost: x\r\nx-request-number: 6\r\nContent-Length: 2\r\n\r\nab");
    talker_await(&talk.end, "{\"bytes\":2}");
    CHECK(talker_has_heard(&talk.end, "X-Request-Number: 5\r\n"));
    talker_forget(&talk.end);
    talker_say(&talk.end, "GET /ledger HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "}}\n");
    CHECK(talker_has_heard(&talk.end, "{\"requests\":3,\"distinct\":2,\"doubled\":1,\"unnumbered\":0,"
                                      "\"connections\":1,"));
    talker_forget(&talk.end);
    talker_say(&talk.end, "DELETE /ledger HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talk.end, "{\"requests\":0,\"distinct\":0,");
    talk_close(&talk);
    origin_ledger_free(ledger);
}

/* Half of a body is no execution. */
TEST(a_request_counts_when_its_last_byte_is_here)
{
    struct origin_ledger *ledger = origin_ledger_new();
    struct talk talk;

    talk_open(&talk, &(struct origin_options){.ledger = ledger});
    talker_say(&talk.end, "POST /sink HTTP/1.1\r\nHost: x\r\nX-Request-Number: 1\r\nContent-Length: 4\r\n\r\nab");
    net_stage_for(&talk.net, 5000000);
    CHECK(str_starts(shown(ledger), STR("{\"requests\":0,")));
    talker_say(&talk.end, "cd");
    talker_await(&talk.end, "{\"bytes\":4}");
    CHECK(str_starts(shown(ledger), STR("{\"requests\":1,")));
    talk_close(&talk);
    origin_ledger_free(ledger);
}
