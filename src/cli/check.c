/* check.c: `holdfast check`: everything that is wrong with a configuration, at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/dump.h"
#include "cli/serve.h"
#include "config/lint.h"
#include "gateway/generation.h"
#include "os/file.h"

struct check_values {
    const char *config, *format, *indent, *lint_schema;
    int64_t debug;
    bool test_routes, strict, lint, lint_no_network;
};

static bool wants_json(const struct check_values *values)
{
    return values->format && str_eq(str_from(values->format), STR("json"));
}

/* The service and, as the routes are part of what can be wrong, the generation built of it. */
static struct generation *load(const struct check_values *values, struct arena *arena, struct hosts *hosts,
                               struct report *report)
{
    struct service *service =
        service_load(arena, &(struct service_sources){.path = values->config, .environment = true}, report);

    return service ? generation_build(arena, service, hosts, report) : NULL;
}

static bool format_is_known(const struct check_values *values)
{
    if (!values->format || wants_json(values) || str_eq(str_from(values->format), STR("text")))
        return true;
    print(2, "ERROR --format: \"%s\" is neither text nor json\n", values->format);
    return false;
}

static void print_json(const struct report *report, struct arena *arena)
{
    file_print(1, report_json(report, arena));
    file_print(1, STR("\n"));
}

/* The file as it stands, without overrides, against the schema that was given. What is wrong is in the report. */
static bool lint(const struct check_values *values, struct arena *arena, struct report *report)
{
    const struct node *schema, *document;

    if (!values->lint_schema)
        return true;
    schema = document_load(arena, values->lint_schema, report);
    document = schema ? document_load(arena, values->config, report) : NULL;
    return document && lint_document(schema, document, report);
}

/* The last line, as KrakenD writes it. */
static void print_verdict(bool parsed, bool linted, unsigned problems)
{
    if (parsed && linted)
        print(2, "Syntax OK!\n");
    else
        print(2, "ERROR %s the configuration file:\t%u problem%s\n", parsed ? "linting" : "parsing", problems,
              problems == 1 ? "" : "s");
}

static int check(const struct check_values *values)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct hosts *hosts = hosts_new(1);
    struct generation *generation;
    struct report report;
    bool parsed, ok;

    if (!arena || !hosts) {
        print(2, "ERROR out of memory\n");
        arena_free(arena);
        hosts_free(hosts);
        return EXIT_ERROR;
    }
    report_init(&report, arena);
    report.strict = values->strict || values->lint || values->lint_no_network;
    print(2, "Parsing configuration file: %s\n", values->config);
    generation = load(values, arena, hosts, &report);
    parsed = generation && report.errors == 0;
    ok = parsed && lint(values, arena, &report);
    if (wants_json(values))
        print_json(&report, arena);
    else
        print_report(&report, arena);
    if (ok && values->debug > 0)
        dump_generation(generation, arena, values->debug, values->indent);
    print_verdict(parsed, ok, report.errors);
    if (generation)
        generation_release(generation); /* with the arena */
    else
        arena_free(arena);
    hosts_free(hosts);
    return ok ? EXIT_OK : EXIT_ERROR;
}

static int run(int argc, char **argv)
{
    struct check_values values = {0};
    int words;
    bool help;

    if (!flags_parse(&check_command, argc, argv, &values, &words, &help))
        return EXIT_USAGE;
    if (help)
        return EXIT_OK;
    if (!values.config || !values.config[0]) {
        print(2,
              "Please, provide the path to the configuration file with --config or see all the options with --help\n");
        return EXIT_ERROR;
    }
    if (values.lint + values.lint_no_network + (values.lint_schema != NULL) > 1) {
        (void)flags_refuse(&check_command,
                           "if any flags in the group [lint lint-schema lint-no-network] are set none of the others "
                           "can be; [%s%s%s] were all set",
                           values.lint ? "lint " : "", values.lint_no_network ? "lint-no-network" : "",
                           values.lint_schema ? values.lint_no_network ? " lint-schema" : "lint-schema" : "");
        return EXIT_USAGE;
    }
    if (values.lint_schema && strstr(values.lint_schema, "://")) {
        print(2, "ERROR linting the configuration file:\tnothing is fetched here: save %s, and give its path\n",
              values.lint_schema);
        return EXIT_ERROR;
    }
    return format_is_known(&values) ? check(&values) : EXIT_ERROR;
}

static const struct flag check_flags[] = {
    {"config", 'c', FLAG_STRING, offsetof(struct check_values, config), "FILE", "the configuration to check"},
    {"debug", 'd', FLAG_COUNT, offsetof(struct check_values, debug), NULL, "shows what it means; -dd more, -ddd all"},
    {"test-gin-routes", 't', FLAG_BOOL, offsetof(struct check_values, test_routes), NULL,
     "builds the router too (always done here)"},
    {"strict", 0, FLAG_BOOL, offsetof(struct check_values, strict), NULL, "unknown keys are errors"},
    {"format", 0, FLAG_STRING, offsetof(struct check_values, format), "text|json",
     "json: the problems as an array on stdout"},
    {"indent", 'i', FLAG_STRING, offsetof(struct check_values, indent), "TEXT",
     "indents the dump by this; a tab when absent"},
    {"lint", 'l', FLAG_BOOL, offsetof(struct check_values, lint), NULL,
     "keys that the schema of Holdfast does not have are errors; nothing is fetched"},
    {"lint-schema", 's', FLAG_STRING, offsetof(struct check_values, lint_schema), "SCHEMA",
     "lints against this JSON Schema, too: the path of a file"},
    {"lint-no-network", 'n', FLAG_BOOL, offsetof(struct check_values, lint_no_network), NULL, "the same as --lint"},
};

const struct command check_command = {
    .name = "check",
    .alias = "validate",
    .summary = "Checks a configuration and shows every problem",
    .usage = "check -c FILE [-d[d[d]]] [-l | -n | -s SCHEMA] [-t] [--strict] [--format text|json]",
    .text = "Prints each problem as FILE:LINE:COLUMN with the line, a caret and, where there is one, a suggestion.\n"
            "Exit code 0 when the gateway would start with it, else 1.",
    .flags = check_flags,
    .flag_count = COUNT_OF(check_flags),
    .run = run,
};
