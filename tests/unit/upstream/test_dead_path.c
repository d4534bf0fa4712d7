/* test_dead_path.c: which silences are a dead path, and which are a lost segment, a slow answer, a slow network.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "harness/test.h"
#include "upstream/dead_path.h"

#define MS  UINT64_C(1000000)
#define SEC (1000 * MS)

/* A connection under way over a network of the test's: when each of its transmissions leaves, and when the first that
 * gets through is acknowledged. Time-outs as Linux has them: a tail loss probe after rtt + 200 ms, of which only the
 * total and the time of what was last sent tell, then the first time-out, then twice as long each time. */
struct flight_model {
    uint64_t sent_at_ns, rtt_ns, idle_ns;
    unsigned lost; /* so many transmissions in a row get lost */
    uint64_t look_at_ns;
    uint64_t answered_ns;
    struct path_doubt doubt;
    enum path_verdict verdict;
};

static uint64_t rto_of(const struct flight_model *model)
{
    return model->rtt_ns + 200 * MS;
}

/* When transmission number `number` leaves: 0 at once, 1 is the tail loss probe. */
static uint64_t leaves_at(const struct flight_model *model, unsigned number)
{
    uint64_t at_ns = model->sent_at_ns;

    for (unsigned i = 0; i < number; i++)
        at_ns += i == 0 ? rto_of(model) : rto_of(model) << (i - 1);
    return at_ns;
}

static struct tcp_facts facts_at(const struct flight_model *model, uint64_t now_ns)
{
    struct tcp_facts facts = {.rtt_ns = model->rtt_ns, .rto_ns = rto_of(model), .unacked = 1};
    unsigned sent = 1;

    while (leaves_at(model, sent) <= now_ns)
        sent++;
    facts.resent_ever = sent - 1;
    facts.resent = sent > 2;
    facts.retransmits = sent > 2 ? sent - 2 : 0;
    facts.sent_ago_ns = now_ns - leaves_at(model, sent - 1);
    facts.acked_ago_ns = now_ns - model->sent_at_ns;
    if (model->lost < sent && leaves_at(model, model->lost) + model->rtt_ns <= now_ns)
        facts = (struct tcp_facts){.rtt_ns = model->rtt_ns,
                                   .rto_ns = rto_of(model),
                                   .acked_ago_ns = now_ns - leaves_at(model, model->lost) - model->rtt_ns};
    return facts;
}

static void begin(struct flight_model *model, uint64_t at_ns)
{
    model->sent_at_ns = at_ns;
    model->look_at_ns = at_ns + PATH_FIRST_LOOK_NS;
    model->verdict = PATH_WAIT;
    model->doubt = (struct path_doubt){0};
}

/* Looks as flight.c does, until there is a verdict or the time is over. Returns when. */
static uint64_t look_until(struct path *path, struct flight_model *models, unsigned count, uint64_t end_ns)
{
    uint64_t last_ns = 0;

    for (;;) {
        struct flight_model *next = NULL;

        for (unsigned i = 0; i < count; i++)
            if (models[i].verdict == PATH_WAIT && (!next || models[i].look_at_ns < next->look_at_ns))
                next = &models[i];
        if (!next || next->look_at_ns > end_ns)
            return last_ns;
        last_ns = next->look_at_ns;
        next->verdict = path_look(path, &next->doubt,
                                  &(struct path_flight){.now_ns = last_ns,
                                                        .sent_at_ns = next->sent_at_ns,
                                                        .idle_ns = next->idle_ns,
                                                        .answered_ns = next->answered_ns,
                                                        .facts = facts_at(next, last_ns)},
                                  &next->look_at_ns);
        CHECK(next->verdict != PATH_WAIT || next->look_at_ns > last_ns);
    }
}

enum { FOR_EVER = 100 };

TEST(one_connection_alone_is_dead_after_two_time_outs)
{
    static const struct {
        const char *name;
        uint64_t rtt_ns;
        unsigned lost;
        enum path_verdict verdict;
        uint64_t at_most_ns; /* after the request */
    } rows[] = {
        {"nothing is lost", 20 * MS, 0, PATH_FINE, 220 * MS},
        {"the request is lost", 20 * MS, 1, PATH_FINE, 350 * MS},
        {"and its probe too", 20 * MS, 2, PATH_FINE, 600 * MS},
        {"all is lost at 20 ms", 20 * MS, FOR_EVER, PATH_DEAD, 1200 * MS},
        {"all is lost at 0.1 ms", MS / 10, FOR_EVER, PATH_DEAD, 1100 * MS},
        {"all is lost at 300 ms", 300 * MS, FOR_EVER, PATH_DEAD, 3000 * MS},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct flight_model model = {.rtt_ns = rows[i].rtt_ns, .lost = rows[i].lost, .idle_ns = 40 * SEC};
        struct path path = {0};
        uint64_t at_ns;

        begin(&model, 100 * SEC);
        at_ns = look_until(&path, &model, 1, 110 * SEC);
        CHECK_EQ(model.verdict, rows[i].verdict);
        CHECK(at_ns - model.sent_at_ns <= rows[i].at_most_ns);
        path_over(&path, &model.doubt, false, at_ns);
        CHECK_EQ(path.doubtful, 0);
        CHECK_EQ(path.suspect_ns, 0);
        CHECK_EQ(path.dead, rows[i].verdict == PATH_DEAD);
        CHECK_EQ(path.wall_ns, rows[i].verdict == PATH_DEAD ? 40 * SEC : 0);
    }
}

TEST(two_that_are_silent_together_condemn_the_path_after_one_retransmission)
{
    struct flight_model models[2] = {{.rtt_ns = MS / 10, .lost = FOR_EVER}, {.rtt_ns = MS / 10, .lost = FOR_EVER}};
    struct path path = {0};
    uint64_t at_ns;

    begin(&models[0], 100 * SEC);
    begin(&models[1], 100 * SEC + 7 * MS);
    at_ns = look_until(&path, models, 2, 110 * SEC);
    CHECK_EQ(models[0].verdict, PATH_DEAD);
    CHECK_EQ(models[1].verdict, PATH_DEAD);
    CHECK(at_ns <= 100 * SEC + 270 * MS);
    CHECK(path_is_suspect(&path, at_ns));
    CHECK_EQ(path.suspected, 1);
    CHECK_EQ(path.dead, 2);
    CHECK_EQ(path.wall_ns, 0); /* that was no middlebox's idle limit */
    /* What was idle by then is not used again; what became idle later is. */
    CHECK(path_forbids(&path, 99 * SEC, at_ns));
    CHECK(!path_forbids(&path, at_ns + 1, at_ns + 2));
    for (int i = 0; i < 2; i++)
        path_over(&path, &models[i].doubt, false, at_ns);
    CHECK_EQ(path.doubtful, 0);
    /* A connection that succeeds lifts the suspicion, and so does time. */
    CHECK(!path_is_suspect(&path, at_ns + PATH_SUSPECT_KEEP_NS));
    path_connected(&path, at_ns + MS);
    CHECK(!path_is_suspect(&path, at_ns + MS));
    CHECK(path_forbids(&path, 99 * SEC, at_ns + MS));
}

/* A third that was under way when the path was condemned needs no partner any more. */
TEST(whoever_was_under_way_then_is_found_dead_too)
{
    struct flight_model models[3] = {
        {.rtt_ns = MS, .lost = FOR_EVER}, {.rtt_ns = MS, .lost = FOR_EVER}, {.rtt_ns = MS, .lost = FOR_EVER}};
    struct path path = {0};

    begin(&models[0], 100 * SEC);
    begin(&models[1], 100 * SEC);
    begin(&models[2], 100 * SEC + 150 * MS);
    CHECK(look_until(&path, models, 3, 110 * SEC) <= 100 * SEC + 450 * MS);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(models[i].verdict, PATH_DEAD);
    CHECK_EQ(path.suspected, 1);
}

/* One look is enough then, as soon as an answer has had the time of a round trip. */
TEST(on_a_condemned_path_one_look_is_enough)
{
    static const struct {
        const char *name;
        uint64_t sent_before_ns; /* before the path was condemned */
        unsigned lost;
        enum path_verdict verdict;
        uint64_t at_ns; /* after that */
    } rows[] = {
        {"just sent", 0, FOR_EVER, PATH_DEAD, 30 * MS},
        {"a while ago", 100 * MS, FOR_EVER, PATH_DEAD, 0},
        {"acknowledged long ago", 100 * MS, 0, PATH_FINE, 0},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct flight_model model = {.rtt_ns = 20 * MS, .lost = rows[i].lost};
        struct path path = {.condemned_ns = 100 * SEC, .suspect_ns = 100 * SEC};

        test_case_is("%s", rows[i].name);
        begin(&model, 100 * SEC - rows[i].sent_before_ns);
        model.look_at_ns = 100 * SEC; /* as flights_hurry sets it */
        CHECK_EQ(look_until(&path, &model, 1, 101 * SEC), 100 * SEC + rows[i].at_ns);
        CHECK_EQ(model.verdict, rows[i].verdict);
        /* What was acknowledged before the silence is no sign of life. */
        CHECK(path_is_suspect(&path, 100 * SEC));
        CHECK(path_fell_silent(&path, model.sent_at_ns, 100 * SEC));
        CHECK(!path_fell_silent(&path, 100 * SEC + 1, 100 * SEC));
    }
}

TEST(the_news_of_a_silent_path_is_for_one_teller)
{
    struct flight_model models[2] = {{.rtt_ns = MS, .lost = FOR_EVER}, {.rtt_ns = MS, .lost = FOR_EVER}};
    struct path path = {0};

    begin(&models[0], 100 * SEC);
    begin(&models[1], 100 * SEC);
    CHECK(!path_take_news(&path));
    (void)look_until(&path, models, 2, 110 * SEC);
    CHECK(path_take_news(&path));
    CHECK(!path_take_news(&path));
    CHECK(path_connected(&path, 111 * SEC));
    CHECK(!path_connected(&path, 111 * SEC));
}

/* Bytes that were sent again in the connection's earlier life, and slow networks, are no retransmission. */
TEST(what_was_sent_again_earlier_is_no_doubt)
{
    struct path path = {0};
    struct path_doubt doubt = {0};
    struct path_flight flight = {
        .now_ns = 100 * SEC + 215 * MS,
        .sent_at_ns = 100 * SEC,
        .facts = {.unacked = 1,
                  .resent_ever = 7,
                  .sent_ago_ns = 215 * MS,
                  .acked_ago_ns = SEC,
                  .rtt_ns = 300 * MS,
                  .rto_ns = 500 * MS},
    };
    uint64_t next_ns;

    CHECK_EQ(path_look(&path, &doubt, &flight, &next_ns), PATH_WAIT);
    CHECK_EQ(doubt.since_ns, 0);
    flight.facts.sent_ago_ns = 5 * MS;
    CHECK_EQ(path_look(&path, &doubt, &flight, &next_ns), PATH_WAIT);
    CHECK_EQ(doubt.since_ns, flight.now_ns);
}

/* A body on a lossy way: something is always unacknowledged and sent again, but the host goes on acknowledging. */
TEST(progress_is_no_silence)
{
    struct path path = {0};
    struct path_doubt doubts[2] = {{0}, {0}};
    struct path_flight flight = {.sent_at_ns = 100 * SEC, .now_ns = 100 * SEC + PATH_FIRST_LOOK_NS};

    for (int i = 0; i < 200; i++) {
        uint64_t next_ns;

        flight.facts = (struct tcp_facts){.unacked = 9,
                                          .resent = 2,
                                          .retransmits = 3,
                                          .bytes_acked = 1000u * (unsigned)i,
                                          .rtt_ns = 20 * MS,
                                          .rto_ns = 220 * MS};
        for (int j = 0; j < 2; j++)
            CHECK_EQ(path_look(&path, &doubts[j], &flight, &next_ns), PATH_WAIT);
        flight.now_ns = next_ns;
    }
    CHECK_EQ(path.doubtful, 0);
    CHECK_EQ(path.suspected, 0);
}

/* A body goes its way on connections that had lost something long ago: what left just now is not sent again. */
TEST(a_body_that_flows_tells_of_no_loss)
{
    struct path path = {0};
    struct path_doubt doubt = {0};
    struct path_flight flight = {.sent_at_ns = 100 * SEC, .now_ns = 100 * SEC + PATH_FIRST_LOOK_NS};

    for (unsigned i = 0; i < 50; i++) {
        uint64_t next_ns;

        flight.facts = (struct tcp_facts){.unacked = 9,
                                          .resent_ever = 7,
                                          .bytes_acked = 1000 * i,
                                          .acked_ago_ns = MS,
                                          .rtt_ns = 20 * MS,
                                          .rto_ns = 220 * MS};
        CHECK_EQ(path_look(&path, &doubt, &flight, &next_ns), PATH_WAIT);
        CHECK_EQ(doubt.since_ns, 0);
        flight.now_ns = next_ns;
    }
    CHECK_EQ(path.losses, 0);
}

/* It is heard of on this connection, which nobody had looked at when others condemned the path. */
TEST(what_goes_on_being_acknowledged_is_not_given_up_with_the_others)
{
    struct path path = {.condemned_ns = 100 * SEC, .suspect_ns = 100 * SEC};
    struct path_doubt doubt = {0};
    struct path_flight flight = {
        .sent_at_ns = 95 * SEC,
        .now_ns = 100 * SEC,
        .facts = {.unacked = 2, .acked_ago_ns = 5 * MS, .rtt_ns = 20 * MS, .rto_ns = 220 * MS},
    };
    uint64_t next_ns;

    CHECK_EQ(path_look(&path, &doubt, &flight, &next_ns), PATH_WAIT);
    CHECK_EQ(next_ns, 100 * SEC + 25 * MS);
    CHECK(path_is_suspect(&path, flight.now_ns)); /* that was before */
    flight.now_ns = next_ns;
    CHECK_EQ(path_look(&path, &doubt, &flight, &next_ns), PATH_WAIT);
    CHECK(!path_is_suspect(&path, flight.now_ns));
    path = (struct path){.condemned_ns = 100 * SEC, .suspect_ns = 100 * SEC};
    flight.facts.acked_ago_ns = 30 * MS;
    CHECK_EQ(path_look(&path, &doubt, &flight, &next_ns), PATH_DEAD);
}

/* While others are answered, two silent connections are two silent connections. */
TEST(signs_of_life_keep_the_path_from_being_condemned)
{
    struct flight_model models[2] = {{.rtt_ns = MS, .lost = FOR_EVER, .idle_ns = 50 * SEC},
                                     {.rtt_ns = MS, .lost = FOR_EVER, .idle_ns = 60 * SEC}};
    struct path path = {0};
    uint64_t at_ns = 100 * SEC;

    begin(&models[0], at_ns);
    begin(&models[1], at_ns + MS);
    for (int i = 0; i < 400 && (models[0].verdict == PATH_WAIT || models[1].verdict == PATH_WAIT); i++) {
        at_ns += 5 * MS;
        models[0].answered_ns = models[1].answered_ns = at_ns; /* on another connection */
        (void)look_until(&path, models, 2, at_ns);
    }
    CHECK_EQ(models[0].verdict, PATH_DEAD);
    CHECK_EQ(models[1].verdict, PATH_DEAD);
    CHECK(at_ns - 100 * SEC > 600 * MS);
    CHECK_EQ(path.suspected, 0);
    CHECK_EQ(path.wall_ns, 50 * SEC); /* the younger victim's */
}

TEST(the_wall_is_kept_from_its_victims_and_forgotten)
{
    struct flight_model model = {.rtt_ns = 20 * MS, .lost = FOR_EVER, .idle_ns = 50 * SEC};
    struct path path = {0};
    uint64_t at_ns;

    CHECK_EQ(path_idle_max_ns(&path, 100 * SEC), UINT64_MAX);
    begin(&model, 100 * SEC);
    at_ns = look_until(&path, &model, 1, 110 * SEC);
    path_over(&path, &model.doubt, false, at_ns);
    CHECK_EQ(path_idle_max_ns(&path, at_ns), 30 * SEC);
    CHECK(path_forbids(&path, at_ns - 30 * SEC, at_ns));
    CHECK(!path_forbids(&path, at_ns - 29 * SEC, at_ns));
    CHECK_EQ(path_idle_max_ns(&path, at_ns + PATH_WALL_KEEP_NS), UINT64_MAX);
    /* Met again, it is believed for longer. */
    begin(&model, at_ns + PATH_WALL_KEEP_NS);
    at_ns = look_until(&path, &model, 1, at_ns + PATH_WALL_KEEP_NS + 10 * SEC);
    CHECK_EQ(path_idle_max_ns(&path, at_ns + PATH_WALL_KEEP_NS), 30 * SEC);
    CHECK_EQ(path_idle_max_ns(&path, at_ns + 2 * PATH_WALL_KEEP_NS), UINT64_MAX);
    path_over(&path, &model.doubt, false, at_ns);
    /* A connection that had hardly been idle tells of no wall. */
    model.idle_ns = SEC / 2;
    path.wall_ns = 0;
    begin(&model, at_ns);
    (void)look_until(&path, &model, 1, at_ns + 10 * SEC);
    CHECK_EQ(model.verdict, PATH_DEAD);
    CHECK_EQ(path.wall_ns, 0);
}

/* A host that takes the request at once and answers late is no silence; a reset is told elsewhere. */
TEST(what_was_acknowledged_needs_no_more_looks)
{
    struct path_doubt doubt = {0};
    struct path path = {0};
    uint64_t next_ns;

    CHECK_EQ(path_look(&path, &doubt, &(struct path_flight){.now_ns = SEC, .facts = {.rtt_ns = MS}}, &next_ns),
             PATH_FINE);
    CHECK_EQ(path_look(&path, &doubt, &(struct path_flight){.now_ns = SEC, .facts = {.unacked = 3, .closed = true}},
                       &next_ns),
             PATH_FINE);
}

/* A dial without an answer is the second witness, if the host was ever reached. */
TEST(a_dial_without_an_answer_is_a_witness)
{
    for (int reached = 0; reached < 2; reached++) {
        struct flight_model model = {.rtt_ns = MS, .lost = FOR_EVER};
        struct path_doubt dial = {0};
        struct path path = {.rtt_ns = reached ? MS : 0};
        uint64_t at_ns = 100 * SEC;
        enum path_verdict verdict = PATH_WAIT;

        if (reached)
            begin(&model, at_ns);
        for (; at_ns < 105 * SEC && verdict == PATH_WAIT; at_ns += 30 * MS) {
            if (reached)
                (void)look_until(&path, &model, 1, at_ns);
            verdict = path_look_at_dial(&path, &dial, 100 * SEC + MS, 99 * SEC, at_ns);
        }
        CHECK_EQ(verdict, reached ? PATH_DEAD : PATH_WAIT);
        CHECK(!reached || at_ns <= 100 * SEC + 400 * MS);
        CHECK_EQ(path_is_suspect(&path, at_ns), reached);
        path_over(&path, &dial, false, at_ns);
        path_over(&path, &model.doubt, false, at_ns);
        CHECK_EQ(path.doubtful, 0);
    }
}

/* Dials alone tell of it too; whoever dials later finds out soon whether it still is so. */
TEST(a_dial_on_a_suspect_path_is_a_short_probe)
{
    struct path path = {.rtt_ns = MS};
    struct path_doubt dials[3];
    uint64_t at_ns = 100 * SEC, look_ns = 0;

    for (int i = 0; i < 2; i++)
        look_ns = path_dial_begin(&path, &dials[i], MS, at_ns);
    CHECK_EQ(look_ns, at_ns + PATH_DIAL_LOOK_NS);
    CHECK_EQ(path_look_at_dial(&path, &dials[0], at_ns, 99 * SEC, look_ns), PATH_WAIT);
    CHECK_EQ(path_look_at_dial(&path, &dials[1], at_ns, 99 * SEC, look_ns), PATH_DEAD);
    CHECK_EQ(path_look_at_dial(&path, &dials[0], at_ns, 99 * SEC, look_ns), PATH_DEAD);
    for (int i = 0; i < 2; i++)
        path_over(&path, &dials[i], false, look_ns);
    CHECK_EQ(path.doubtful, 0);
    at_ns += SEC;
    look_ns = path_dial_begin(&path, &dials[2], MS, at_ns);
    CHECK(look_ns < at_ns + 50 * MS);
    CHECK_EQ(path_look_at_dial(&path, &dials[2], at_ns, 99 * SEC, look_ns - 1), PATH_WAIT);
    CHECK_EQ(path_look_at_dial(&path, &dials[2], at_ns, 99 * SEC, look_ns), PATH_DEAD);
    path_over(&path, &dials[2], true, look_ns);
    CHECK(!path_is_suspect(&path, look_ns));
}

/* Behind the time for which a path is suspect nothing had been heard yet: one dial is witness enough, and whoever comes
 * next need not wait for as long. It is one silence. */
TEST(a_silence_that_lasts_is_found_again_and_counted_once)
{
    struct path path = {.rtt_ns = MS, .condemned_ns = 100 * SEC, .suspect_ns = 100 * SEC, .suspected = 1};
    uint64_t at_ns = 100 * SEC + PATH_SUSPECT_KEEP_NS, look_ns;
    struct path_doubt dial;

    look_ns = path_dial_begin(&path, &dial, MS, at_ns);
    CHECK_EQ(look_ns, at_ns + PATH_DIAL_LOOK_NS);
    CHECK_EQ(path_look_at_dial(&path, &dial, at_ns, 99 * SEC, look_ns), PATH_DEAD);
    CHECK(path_take_news(&path));
    CHECK(path_fell_silent(&path, at_ns, look_ns));
    path_over(&path, &dial, false, look_ns);
    CHECK(path_dial_begin(&path, &dial, MS, look_ns) < look_ns + 50 * MS);
    path_over(&path, &dial, false, look_ns);
    CHECK_EQ(path.suspected, 1);
    CHECK_EQ(path.doubtful, 0);
}

/* Segments get lost, each with the same chance, on the way there; 300 ms; two requests at any time, which is the worst
 * case for the rule of two. Nothing may be taken for dead. */
TEST(five_per_cent_of_loss_at_300_ms_is_no_dead_path)
{
    enum { REQUESTS = 100000 };
    struct rng rng;
    struct path path = {0};
    uint64_t now_ns = 100 * SEC;
    unsigned dead = 0;

    rng_init(&rng, 20260101);
    for (int i = 0; i < REQUESTS / 2; i++) {
        struct flight_model models[2] = {{.rtt_ns = 300 * MS, .idle_ns = SEC / 10},
                                         {.rtt_ns = 300 * MS, .idle_ns = SEC / 10}};

        for (int j = 0; j < 2; j++) {
            while (rng_below(&rng, 100) < 5)
                models[j].lost++;
            begin(&models[j], now_ns + rng_below(&rng, 300 * MS));
        }
        (void)look_until(&path, models, 2, now_ns + 60 * SEC);
        for (int j = 0; j < 2; j++) {
            dead += models[j].verdict != PATH_FINE;
            path_over(&path, &models[j].doubt, true, now_ns);
        }
        now_ns += 600 * MS;
    }
    CHECK_EQ(dead, 0);
    CHECK_EQ(path.suspected, 0);
}
