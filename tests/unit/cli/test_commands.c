/* test_commands.c: from words to a command: exit codes and which stream says what. SPDX-License-Identifier: Apache-2.0
 */
#include "capture.h"

#include "json/json.h"

/* Each line: the exit code, and what each stream begins with ("" for nothing at all). */
static const struct {
    const char *line;
    int code;
    const char *out, *err;
} cases[] = {
    {"", 0, "Holdfast: ", ""},
    {"help", 0, "Holdfast: ", ""},
    {"-h", 0, "Holdfast: ", ""},
    {"--help", 0, "Holdfast: ", ""},
    {"--", 0, "Holdfast: ", ""},
    {"-- check -c x", 0, "Holdfast: ", ""},
    {"-d -- check", 1, "", "Please, provide the path"},
    {"help run", 0, "Runs the gateway\n", ""},
    {"help validate", 0, "Checks a configuration", ""},
    {"help nothing", 0, "Holdfast: ", ""},
    {"run --help", 0, "Runs the gateway\n", ""},
    {"version", 0, "", "KrakenD Version: " HOLDFAST_VERSION "\nGo Version: "},
    {"version -x", 255, "unknown shorthand flag: 'x' in -x\n", "Error: "},
    {"rnu", 255, "unknown command \"rnu\" for \"holdfast\"\n",
     "Error: unknown command \"rnu\" for \"holdfast\"\n\nDid you mean this?\n\trun\n"},
    {"something-else", 255, "unknown command \"something-else\"",
     "Error: unknown command \"something-else\" for \"holdfast\"\n\nRun "},
    {"run", 0, "", "Please, provide the path to the configuration file with --config"},
    {"run -d", 0, "", "Please, provide the path to the configuration file with --config"},
    {"run -c", 255, "flag needs an argument: 'c' in -c\n",
     "Error: flag needs an argument: 'c' in -c\nRuns the gateway\n"},
    {"run --config=", 0, "", "Please, provide"},
    {"run -c x --demo", 1, "", "ERROR --config, --demo and --to"},
    {"run --to http://x --demo", 1, "", "ERROR --config, --demo and --to"},
    {"run -c x --print-config", 1, "", "ERROR --print-config"},
    {"run --to http://x -p 65536", 1, "", "ERROR --port: 65536 is not a port\n"},
    {"run --to http://x -p -1", 1, "", "ERROR --port: -1 is not a port\n"},
    {"run --to http://x/base", 1, "", "ERROR --to: \"http://x/base\" "},
    {"run --to http://x:99999", 1, "", "ERROR --to: \"http://x:99999\" "},
    {"run --to=", 1, "", "ERROR --to: \"http://\" "},
    {"run -c /nowhere/krakend.json", 1, "", "/nowhere/krakend.json"},
    {"check", 1, "", "Please, provide the path"},
    {"check --config=", 1, "", "Please, provide the path"},
    {"check -c /nowhere/krakend.json", 1, "",
     "Parsing configuration file: /nowhere/krakend.json\n/nowhere/krakend.json"},
    {"validate -c /nowhere/krakend.json --format json", 1, "[{\"file\":", "Parsing configuration file: "},
    {"check -c x --format xml", 1, "", "ERROR --format: \"xml\" is neither text nor json\n"},
    {"check -tlc x", 1, "", "Parsing configuration file: x\nx:1:1: error: cannot be read"},
    {"check -lnc x", 255, "if any flags in the group",
     "Error: if any flags in the group [lint lint-schema lint-no-network] are set none of the others can be; "
     "[lint lint-no-network] were all set\nChecks a configuration"},
    {"check -n -s x -c x", 255, "if any",
     "Error: if any flags in the group [lint lint-schema lint-no-network] are set "
     "none of the others can be; [lint-no-network lint-schema] were all set\n"},
    {"check -l -s x -c x", 255, "if any",
     "Error: if any flags in the group [lint lint-schema lint-no-network] are set "
     "none of the others can be; [lint lint-schema] were all set\n"},
    {"-c krakend.json", 255, "unknown shorthand flag: 'c' in -c\n",
     "Error: unknown shorthand flag: 'c' in -c\nHoldfast: "},
    {"-dc krakend.json run", 255, "unknown command \"krakend.json\"", "Error: unknown command \"krakend.json\""},
    {"--debug=1 run", 0, "", "Please, provide the path"},
    {"-c /nowhere/krakend.json check", 1, "", "Parsing configuration file: /nowhere/krakend.json\n"},
    {"-c/nowhere/krakend.json check extra", 1, "", "Parsing configuration file: /nowhere/krakend.json\n"},
    {"--config /nowhere/krakend.json check", 1, "", "Parsing configuration file: /nowhere/krakend.json\n"},
    {"-c check check", 1, "", "Parsing configuration file: check\n"},
    {"-d check -c x", 255, "unknown shorthand flag: 'd' in -d\n", "Error: "},
    {"-c x help", 255, "unknown shorthand flag: 'c' in -c\n", "Error: "},
    {"-c x -- check", 255, "unknown shorthand flag: 'c' in -c\n", "Error: "},
    {"completion", 255, "unknown command \"completion\"", "Error: unknown command \"completion\""},
    {"check -s schema.json -c x", 1, "", "Parsing configuration file: x\nx:1:1: error: cannot be read"},
    {"check -s https://x/schema.json -c x", 1, "", "ERROR linting the configuration file:\tnothing is fetched here"},
    {"audit -c x -s CRITICAL", 1, "", "ERROR audit:\tthe audit comes in a later version"},
    {"check-plugin -g 1.25.3 -s go.sum -f", 1, "", "ERROR check-plugin:\tHoldfast is written in C"},
    {"test-plugin -s -c x.so", 1, "", "ERROR test-plugin:\tHoldfast is written in C"},
    {"schema", 0, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",", ""},
    {"schema extra -x", 255, "unknown shorthand flag", "Error: unknown shorthand flag"},
    {"verify", 2, "", "ERROR please, provide one URL"},
    {"verify http://a http://b", 2, "", "ERROR please, provide one URL"},
    {"verify ftp://x/", 2, "", "ERROR \"ftp://x/\" is not an http:// or https:// URL\n"},
    {"verify https://x:0/", 2, "", "ERROR \"https://x:0/\" has no host, or a port that is none\n"},
    {"verify http://", 2, "", "ERROR \"http://\" has no host, or a port that is none\n"},
    {"verify http://[::1", 2, "", "ERROR \"http://[::1\" has no host"},
    {"verify http://[::1]8/", 2, "", "ERROR \"http://[::1]8/\" has no host"},
    {"verify http://x:0/", 2, "", "ERROR \"http://x:0/\" has no host"},
    {"verify http://x:65536/", 2, "", "ERROR \"http://x:65536/\" has no host"},
    {"verify http://x?q", 2, "", "ERROR \"http://x?q\" has a query without a path\n"},
    {"verify http://x --idle soon", 2, "", "ERROR --idle: \"soon\" is not a duration"},
    {"verify http://x --requests 1", 2, "", "ERROR --requests: 1 is not from 2 to 100\n"},
    {"origin --listen nowhere", 1, "", "ERROR --listen: \"nowhere\" is not an address"},
    {"origin --threads 65", 1, "", "ERROR --threads: 65 is not from 0 to 64\n"},
    {"origin --threads -1", 1, "", "ERROR --threads: -1 "},
    {"origin --close-after-requests 4294967296", 1, "", "ERROR --close-after-requests: 4294967296 "},
    {"origin --delay 3", 1, "", "ERROR --delay: \"3\" is not a duration"},
    {"origin --jitter -1s", 1, "", "ERROR --jitter: \"-1s\" is not a duration"},
    {"origin --reset-rate 1.01", 1, "",
     "ERROR --reset-rate: \"1.01\" is not a number from 0 to 1, every:N, from:N or at:N\n"},
    {"origin --cut-rate every:0", 1, "", "ERROR --cut-rate: \"every:0\" "},
    {"origin --stray-rate x", 1, "", "ERROR --stray-rate: \"x\" "},
    {"origin --close-by fire", 1, "", "ERROR --close-by: \"fire\" is not close, half or reset\n"},
    {"origin --close-idle-after 5ms-3ms", 1, "", "ERROR --close-idle-after: \"5ms-3ms\" is not a duration, or two"},
    {"origin --cut-after -1", 1, "", "ERROR --cut-after: -1 is not from 0 to "},
};

TEST(each_command_line_has_its_exit_code_and_stream)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str out, err;
        int code;

        test_case_is("holdfast %s", cases[i].line);
        code = run_words(cases[i].line, &out, &err);
        CHECK_INT(code, cases[i].code);
        CHECK_STR(str_first(out, strlen(cases[i].out)), str_from(cases[i].out));
        CHECK_STR(str_first(err, strlen(cases[i].err)), str_from(cases[i].err));
        CHECK_INT(out.len == 0, cases[i].out[0] == '\0');
        CHECK_INT(err.len == 0, cases[i].err[0] == '\0');
    }
}

TEST(the_list_of_commands_names_them_all)
{
    static const char *const names[] = {"\n  run  ", "\n  check  ", "\n  origin  ", "\n  verify  ", "\n  version  "};
    struct str out, err;

    CHECK_INT(run_words("help", &out, &err), 0);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        CHECK(str_find(out, str_from(names[i])) < out.len);
}

/* The member `name` of the first backend's object in a printed configuration. */
static struct json backend_member(struct str config, const char *name)
{
    struct json_doc *doc = arena_make(test_arena(), struct json_doc);
    struct json_error err;

    CHECK(doc != NULL);
    CHECK(json_parse(test_arena(), config, &(struct json_options){0}, doc, &err));
    return json_member(
        json_element(json_member(json_element(json_member(json_root(doc), STR("endpoints")), 0), STR("backend")), 0),
        str_from(name));
}

TEST(print_config_shows_what_a_target_stands_for)
{
    static const struct {
        const char *target, *host;
        bool as_written;
    } targets[] = {
        {"http://127.0.0.1:9001", "http://127.0.0.1:9001", false},
        {"127.0.0.1:9001", "http://127.0.0.1:9001", false},
        {"http://api.example.com/", "http://api.example.com", false},
        {"http://[::1]:9001", "http://[::1]:9001", true},
        {"unix:/run/x\"y\\z.sock", "unix:/run/x\"y\\z.sock", true},
        {"unix:/run/folder/", "unix:/run/folder/", true},
    };

    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct str out, err, line = arena_format(test_arena(), "run --to %s --print-config", targets[i].target);
        struct json hosts;

        test_case_is("%s", targets[i].target);
        CHECK_INT(run_words(line.data, &out, &err), 0);
        CHECK_EQ(err.len, 0);
        hosts = backend_member(out, "host");
        CHECK_EQ(json_count(hosts), 1);
        CHECK_STR(json_string(test_arena(), json_element(hosts, 0)), str_from(targets[i].host));
        CHECK_INT(json_bool(backend_member(out, "disable_host_sanitize")), targets[i].as_written);
    }
}

TEST(print_config_takes_the_port)
{
    struct str out, err;

    CHECK_INT(run_words("run --to http://x --print-config", &out, &err), 0);
    CHECK(str_find(out, STR("\"port\": 8080,")) < out.len);
    CHECK_INT(run_words("run --to http://x --print-config -p 65535", &out, &err), 0);
    CHECK(str_find(out, STR("\"port\": 65535,")) < out.len);
}

TEST(the_demo_s_configuration_is_json_with_hosts_that_listen)
{
    struct str out, err;

    CHECK_INT(run_words("run --demo --print-config", &out, &err), 0);
    CHECK_EQ(err.len, 0);
    CHECK(
        str_starts(json_string(test_arena(), json_element(backend_member(out, "host"), 0)), STR("http://127.0.0.1:")));
}
