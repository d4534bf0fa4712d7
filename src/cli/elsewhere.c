/* elsewhere.c: commands that KrakenD has and Holdfast does not: each says what there is in its place, and ends with 1
 * so that no script takes it for done. SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

/* Flags are KrakenD's; they are read so that a known command line gets the explanation and not a word about flags. */
struct elsewhere_values {
    const char *config, *ignore, *severity, *ignore_file, *sum, *go, *libc, *format;
    bool format_on, server, client, modifier;
};

static int explain(const struct command *command, const char *text, int argc, char **argv)
{
    struct elsewhere_values values;
    int words;
    bool help;

    if (!flags_parse(command, argc, argv, &values, &words, &help))
        return EXIT_USAGE;
    if (!help)
        print(2, "ERROR %s:\t%s\n", command->name, text);
    return help ? EXIT_OK : EXIT_ERROR;
}

static const char plugins[] =
    "Holdfast is written in C and cannot load Go plugins (.so files of KrakenD).\n"
    "What plugins are mostly written for:\n"
    "  headers and paths      input_headers, url_pattern with {placeholders}, disable_path_decoding\n"
    "  bodies                 target, allow, deny, mapping, group, proxy.flatmap_filter, proxy.static\n"
    "  answers of the gateway holdfast/answer, router.error_body\n"
    "  several upstreams      a \"/*\" endpoint for each path; holdfast/upstream balance and failover\n"
    "Tokens, rate limits, Lua and CEL come with their components in later versions. A configuration that names a "
    "plugin\n"
    "is refused by check and run, because nobody knows what it guards.\n";

static int run_audit(int argc, char **argv)
{
    return explain(&audit_command,
                   "the audit comes in a later version. \"holdfast check --strict -c FILE\" names unknown keys and "
                   "settings without effect; holdfast/server \"profile\": \"safe\" (the default) has finite deadlines.",
                   argc, argv);
}

static int run_check_plugin(int argc, char **argv)
{
    return explain(&check_plugin_command, plugins, argc, argv);
}

static int run_test_plugin(int argc, char **argv)
{
    return explain(&test_plugin_command, plugins, argc, argv);
}

static const struct flag audit_flags[] = {
    {"config", 'c', FLAG_STRING, offsetof(struct elsewhere_values, config), "FILE", "the configuration"},
    {"ignore", 'i', FLAG_STRING, offsetof(struct elsewhere_values, ignore), "RULES", "rules to pass over"},
    {"severity", 's', FLAG_STRING, offsetof(struct elsewhere_values, severity), "LEVELS", "severities to show"},
    {"ignore-file", 'I', FLAG_STRING, offsetof(struct elsewhere_values, ignore_file), "FILE", "rules to pass over"},
    {"format", 'f', FLAG_STRING, offsetof(struct elsewhere_values, format), "TEMPLATE", "form of the report"},
};

static const struct flag check_plugin_flags[] = {
    {"sum", 's', FLAG_STRING, offsetof(struct elsewhere_values, sum), "FILE", "the plugin's go.sum"},
    {"go", 'g', FLAG_STRING, offsetof(struct elsewhere_values, go), "VERSION", "its Go"},
    {"libc", 'l', FLAG_STRING, offsetof(struct elsewhere_values, libc), "VERSION", "its C library"},
    {"format", 'f', FLAG_BOOL, offsetof(struct elsewhere_values, format_on), NULL, "shows commands"},
};

static const struct flag test_plugin_flags[] = {
    {"server", 's', FLAG_BOOL, offsetof(struct elsewhere_values, server), NULL, "an http-server plugin"},
    {"client", 'c', FLAG_BOOL, offsetof(struct elsewhere_values, client), NULL, "an http-client plugin"},
    {"modifier", 'm', FLAG_BOOL, offsetof(struct elsewhere_values, modifier), NULL, "a req-resp-modifier plugin"},
};

const struct command audit_command = {
    .name = "audit",
    .summary = "Comes in a later version; says what there is now",
    .usage = "audit -c FILE",
    .flags = audit_flags,
    .flag_count = COUNT_OF(audit_flags),
    .run = run_audit,
};

const struct command check_plugin_command = {
    .name = "check-plugin",
    .summary = "Says what there is in place of Go plugins",
    .usage = "check-plugin",
    .flags = check_plugin_flags,
    .flag_count = COUNT_OF(check_plugin_flags),
    .run = run_check_plugin,
};

const struct command test_plugin_command = {
    .name = "test-plugin",
    .summary = "Says what there is in place of Go plugins",
    .usage = "test-plugin [FILE...]",
    .flags = test_plugin_flags,
    .flag_count = COUNT_OF(test_plugin_flags),
    .run = run_test_plugin,
};
