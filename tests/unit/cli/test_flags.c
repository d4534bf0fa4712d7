/* test_flags.c: command lines as KrakenD's users type them. SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"
#include "cli/flags.h"

enum { WORDS_MAX = 10 };

struct values {
    const char *config, *to;
    int64_t port, debug;
    bool demo, strict;
};

static const struct flag flags[] = {
    {"config", 'c', FLAG_STRING, offsetof(struct values, config), "FILE", "the configuration"},
    {"port", 'p', FLAG_NUMBER, offsetof(struct values, port), "PORT", "the port"},
    {"debug", 'd', FLAG_COUNT, offsetof(struct values, debug), NULL, "more"},
    {"demo", 't', FLAG_BOOL, offsetof(struct values, demo), NULL, "the demo"},
    {"to", 0, FLAG_STRING, offsetof(struct values, to), "URL", "the target"},
    {"strict", 0, FLAG_BOOL, offsetof(struct values, strict), NULL, "strictly"},
};

static const struct command command = {
    .name = "test",
    .alias = "probe",
    .summary = "Tests flags",
    .usage = "test [flags]",
    .text = "A paragraph.",
    .flags = flags,
    .flag_count = COUNT_OF(flags),
};

/* A command line read, with all that came of it. */
struct outcome {
    struct values values;
    char *words[WORDS_MAX];
    int word_count;
    bool ok, help;
    struct str out, err;
};

static void read_line(const char *const *line, struct outcome *outcome)
{
    struct capture capture;
    int argc = 0;

    *outcome = (struct outcome){.values = {.to = "before"}};
    for (; argc < WORDS_MAX && line[argc]; argc++)
        outcome->words[argc] = (char *)(uintptr_t)line[argc];
    capture_begin(&capture);
    outcome->ok = flags_parse(&command, argc, outcome->words, &outcome->values, &outcome->word_count, &outcome->help);
    capture_end(&capture, &outcome->out, &outcome->err);
}

TEST(flags_are_read_in_all_their_forms)
{
    static const struct {
        const char *line[WORDS_MAX];
        struct values expected; /* `to` NULL: not given */
        const char *words[4];
    } cases[] = {
        {{NULL}, {0}, {NULL}},
        {{"-c", "f.json"}, {.config = "f.json"}, {NULL}},
        {{"-cf.json"}, {.config = "f.json"}, {NULL}},
        {{"-c=f.json"}, {.config = "f.json"}, {NULL}},
        {{"--config", "f.json"}, {.config = "f.json"}, {NULL}},
        {{"--config=f.json"}, {.config = "f.json"}, {NULL}},
        {{"--config="}, {.config = ""}, {NULL}},
        {{"-c", ""}, {.config = ""}, {NULL}},
        {{"--config=a=b"}, {.config = "a=b"}, {NULL}},
        {{"-c="}, {.config = "="}, {NULL}}, /* as pflag has it */
        {{"-c", "-d"}, {.config = "-d"}, {NULL}},
        {{"--config", "--debug"}, {.config = "--debug"}, {NULL}},
        {{"-c", "first", "-c", "last"}, {.config = "last"}, {NULL}},
        {{"-dc", "f.json"}, {.config = "f.json", .debug = 1}, {NULL}},
        {{"-dcf.json"}, {.config = "f.json", .debug = 1}, {NULL}},
        {{"-tdc=f.json"}, {.config = "f.json", .debug = 1, .demo = true}, {NULL}},
        {{"-cd"}, {.config = "d"}, {NULL}},
        {{"-ddd"}, {.debug = 3}, {NULL}},
        {{"-d", "-dd", "--debug"}, {.debug = 4}, {NULL}},
        {{"--debug=2"}, {.debug = 2}, {NULL}},
        {{"-d=2"}, {.debug = 2}, {NULL}},
        {{"-p", "8081"}, {.port = 8081}, {NULL}},
        {{"-p8081"}, {.port = 8081}, {NULL}},
        {{"--port=-1"}, {.port = -1}, {NULL}},
        {{"--to", "http://x"}, {.to = "http://x"}, {NULL}},
        {{"--demo"}, {.demo = true}, {NULL}},
        {{"--demo=true", "--strict=1"}, {.demo = true, .strict = true}, {NULL}},
        {{"--demo", "--demo=false"}, {0}, {NULL}},
        {{"-t=F", "--strict=T"}, {.strict = true}, {NULL}},
        {{"word"}, {0}, {"word"}},
        {{"one", "-d", "two", "-p", "1", "three"}, {.debug = 1, .port = 1}, {"one", "two", "three"}},
        {{"-"}, {0}, {"-"}},
        {{""}, {0}, {""}},
        {{"-d", "--", "-c", "--nope"}, {.debug = 1}, {"-c", "--nope"}},
        {{"--", "--"}, {0}, {"--"}},
        {{"--demo", "false"}, {.demo = true}, {"false"}}, /* a bool takes no word */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct values *expected = &cases[i].expected;
        struct outcome outcome;
        int words = 0;

        test_case_is("%zu: %s %s", i, cases[i].line[0] ? cases[i].line[0] : "",
                     cases[i].line[1] ? cases[i].line[1] : "");
        read_line(cases[i].line, &outcome);
        CHECK(outcome.ok);
        CHECK(!outcome.help);
        CHECK_CSTR(outcome.values.config, expected->config);
        CHECK_INT(outcome.values.config == NULL, expected->config == NULL);
        CHECK_CSTR(outcome.values.to, expected->to ? expected->to : "before");
        CHECK_INT(outcome.values.port, expected->port);
        CHECK_INT(outcome.values.debug, expected->debug);
        CHECK_INT(outcome.values.demo, expected->demo);
        CHECK_INT(outcome.values.strict, expected->strict);
        for (; words < 4 && cases[i].words[words]; words++)
            CHECK_CSTR(outcome.words[words], cases[i].words[words]);
        CHECK_INT(outcome.word_count, words);
        CHECK_EQ(outcome.out.len + outcome.err.len, 0);
    }
}

TEST(what_is_wrong_is_told_as_cobra_tells_it)
{
    static const struct {
        const char *line[WORDS_MAX];
        const char *text;
    } cases[] = {
        {{"--nope"}, "unknown flag: --nope"},
        {{"--nope=1"}, "unknown flag: --nope"},
        {{"--conf"}, "unknown flag: --conf"},
        {{"--confi", "x"}, "unknown flag: --confi"},
        {{"--Config", "x"}, "unknown flag: --Config"},
        {{"---"}, "unknown flag: ---"},
        {{"--=x"}, "unknown flag: --"},
        {{"-x"}, "unknown shorthand flag: 'x' in -x"},
        {{"-dx", "f"}, "unknown shorthand flag: 'x' in -x"},
        {{"-dxc", "f"}, "unknown shorthand flag: 'x' in -xc"},
        {{"-\xc3\xa9"}, "unknown shorthand flag: '\xc3' in -\xc3\xa9"},
        {{"-c"}, "flag needs an argument: 'c' in -c"},
        {{"-dc"}, "flag needs an argument: 'c' in -c"},
        {{"--config"}, "flag needs an argument: --config"},
        {{"--to"}, "flag needs an argument: --to"},
        {{"-p", "http"}, "invalid argument \"http\" for \"--port\" flag: not a number"},
        {{"-p", "80x"}, "invalid argument \"80x\" for \"--port\" flag: not a number"},
        {{"--port="}, "invalid argument \"\" for \"--port\" flag: not a number"},
        {{"--port=9223372036854775808"}, "invalid argument \"9223372036854775808\" for \"--port\" flag: not a number"},
        {{"--strict=maybe"}, "invalid argument \"maybe\" for \"--strict\" flag: neither true nor false"},
        {{"--strict="}, "invalid argument \"\" for \"--strict\" flag: neither true nor false"},
        {{"--debug=many"}, "invalid argument \"many\" for \"--debug\" flag: not a number"},
        {{"-d=many"}, "invalid argument \"many\" for \"--debug\" flag: not a number"},
        {{"ok", "-d", "--nope", "--help"}, "unknown flag: --nope"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str line = arena_format(test_arena(), "%s\n", cases[i].text);
        struct str error = arena_format(test_arena(), "Error: %s\n", cases[i].text);
        struct outcome outcome;

        test_case_is("%s", cases[i].text);
        read_line(cases[i].line, &outcome);
        CHECK(!outcome.ok);
        CHECK(!outcome.help);
        CHECK_STR(outcome.out, line);
        CHECK(str_starts(outcome.err, error));
        CHECK(str_find(outcome.err, STR("Usage:\n  holdfast test [flags]\n")) < outcome.err.len);
    }
}

TEST(help_is_printed_wherever_it_stands)
{
    static const char *const lines[][WORDS_MAX] = {
        {"-h"}, {"--help"}, {"-d", "--help"}, {"word", "-h"}, {"-dh"}, {"-hd"}, {"--help", "--nope"}, {"-c", "f", "-h"},
    };

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct outcome outcome;

        test_case_is("%s", lines[i][0]);
        read_line(lines[i], &outcome);
        CHECK(outcome.ok);
        CHECK(outcome.help);
        CHECK_EQ(outcome.err.len, 0);
        CHECK_TEXT(outcome.out, "Tests flags\n\nUsage:\n  holdfast test [flags]\n\nAliases:\n  test, probe\n\n"
                                "A paragraph.\n\nFlags:\n"
                                "  -c, --config FILE              the configuration\n"
                                "  -p, --port PORT                the port\n"
                                "  -d, --debug                    more\n"
                                "  -t, --demo                     the demo\n"
                                "      --to URL                   the target\n"
                                "      --strict                   strictly\n"
                                "  -h, --help                     shows this help\n");
    }
}

TEST(a_word_behind_two_dashes_or_a_flag_is_no_help)
{
    static const char *const lines[][WORDS_MAX] = {{"--", "-h"}, {"-c", "-h"}, {"--to", "--help"}};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct outcome outcome;

        test_case_is("%s %s", lines[i][0], lines[i][1]);
        read_line(lines[i], &outcome);
        CHECK(outcome.ok);
        CHECK(!outcome.help);
    }
}

TEST(a_command_without_flags_refuses_all_of_them)
{
    static const struct command bare = {.name = "bare", .summary = "Bare", .usage = "bare"};
    char *line[] = {(char *)(uintptr_t) "-c"};
    struct capture capture;
    struct str out, err;
    bool ok, help;
    int words;

    capture_begin(&capture);
    ok = flags_parse(&bare, 1, line, NULL, &words, &help);
    capture_end(&capture, &out, &err);
    CHECK(!ok);
    CHECK_TEXT(out, "unknown shorthand flag: 'c' in -c\n");
}

TEST(print_cuts_what_is_too_long)
{
    char *text = arena_alloc(test_arena(), 40001, 1);
    struct capture capture;
    struct str out, err;

    CHECK(text != NULL);
    memset(text, 'x', 40000);
    text[40000] = '\0';
    capture_begin(&capture);
    print(2, "%s", text);
    print(1, "%d%%\n", 7);
    capture_end(&capture, &out, &err);
    CHECK_EQ(err.len, 16383);
    CHECK_TEXT(out, "7%\n");
}
