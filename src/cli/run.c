/* run.c: `holdfast run`: what to serve comes from a file, from --to URL or from the demo; serving is serve.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/demo.h"
#include "cli/serve.h"
#include "os/file.h"
#include "upstream/host.h"

#include "json/write.h"

struct run_values {
    const char *config, *to;
    int64_t port, debug;
    bool demo, print_config;
};

enum { PORT_PRESET = 8080, PORT_MAX = 65535 };

/* A plain reverse proxy of everything to one host, which is written as it is: KrakenD's cleaning of hosts knows neither
 * Unix sockets nor IPv6. */
static struct str config_of_target(struct arena *arena, const struct run_values *values, struct str target)
{
    struct json_writer quoted = {.arena = arena};
    bool as_written = str_starts(target, STR("unix:")) || str_find_char(target, '[') < target.len;

    json_write_string(&quoted, target);
    return arena_format(arena,
                        "{\n"
                        "  \"version\": 3,\n"
                        "  \"port\": %d,\n"
                        "  \"timeout\": \"60s\",\n"
                        "  \"extra_config\": {\n"
                        "    \"router\": {\"disable_access_log\": true},\n"
                        "    \"holdfast/server\": {\"error_status\": \"precise\", \"drain_window\": \"1s\"}\n"
                        "  },\n"
                        "  \"endpoints\": [{\n"
                        "    \"endpoint\": \"/*\",\n"
                        "    \"method\": \"*\",\n"
                        "    \"output_encoding\": \"no-op\",\n"
                        "    \"input_headers\": [\"*\"],\n"
                        "    \"input_query_strings\": [\"*\"],\n"
                        "    \"backend\": [{\"host\": [%.*s]%s, \"url_pattern\": \"/*\", \"encoding\": \"no-op\"}]\n"
                        "  }]\n"
                        "}\n",
                        values->port ? (int)values->port : PORT_PRESET, STR_ARG(json_written(&quoted)),
                        as_written ? ", \"disable_host_sanitize\": true" : "");
}

static int without_config(void)
{
    print(2, "Please, provide the path to the configuration file with --config or see all the options with --help\n"
             "Nothing to configure yet? Try: holdfast run --demo\n");
    return EXIT_OK;
}

/* "127.0.0.1:9001" and "http://127.0.0.1:9001/" are what people type for "http://127.0.0.1:9001". */
static struct str tidy_target(struct arena *arena, const char *text)
{
    struct str target = str_from(text);

    if (str_starts(target, STR("unix:")))
        return target;
    if (str_ends(target, STR("/")))
        target.len--;
    return str_find(target, STR("://")) < target.len ? target : arena_format(arena, "http://%.*s", STR_ARG(target));
}

/* The target must be a host that the gateway can have. */
static bool target_is_good(struct str target)
{
    struct error err = {.text = "out of memory"};
    bool good = target.data && host_url_check(target, &err);

    if (!good)
        print(2, "ERROR --to: %s\n", err.text);
    return good;
}

static int run_text(struct arena *arena, const struct run_values *values, const char *name, struct str text)
{
    if (!text.data)
        print(2, "ERROR out of memory\n");
    if (!text.data || values->print_config) {
        file_print(1, text);
        arena_free(arena);
        return text.data ? EXIT_OK : EXIT_ERROR;
    }
    return serve(arena, &(struct service_sources){
                            .path = name, .text = text.data, .port = values->port, .debug = values->debug > 0});
}

static int run_demo(struct arena *arena, const struct run_values *values)
{
    struct error err = {0};
    struct demo *demo = demo_start(&err);
    int code;

    if (!demo) {
        print(2, "ERROR the demo's origins do not start: %s\n", err.text);
        arena_free(arena);
        return EXIT_ERROR;
    }
    code = run_text(arena, values, "demo", demo_config(demo, arena));
    demo_stop(demo);
    return code;
}

static int run_target(struct arena *arena, const struct run_values *values)
{
    struct str target = tidy_target(arena, values->to);

    if (!target_is_good(target)) {
        arena_free(arena);
        return EXIT_ERROR;
    }
    return run_text(arena, values, "--to", config_of_target(arena, values, target));
}

static int run_file(struct arena *arena, const struct run_values *values)
{
    return serve(arena,
                 &(struct service_sources){
                     .path = values->config, .environment = true, .port = values->port, .debug = values->debug > 0});
}

/* What the flags mean together. */
static int run_values(const struct run_values *values)
{
    bool has_config = values->config && values->config[0];
    struct arena *arena;

    if (values->port < 0 || values->port > PORT_MAX) {
        print(2, "ERROR --port: %lld is not a port\n", (long long)values->port);
        return EXIT_ERROR;
    }
    if (has_config + values->demo + (values->to != NULL) > 1) {
        print(2, "ERROR --config, --demo and --to each say what to run: give one of them\n");
        return EXIT_ERROR;
    }
    if (values->print_config && has_config) {
        print(2, "ERROR --print-config shows what --demo or --to stand for; a file can be looked at\n");
        return EXIT_ERROR;
    }
    if (!has_config && !values->to && !values->demo)
        return without_config();
    arena = arena_new(NULL, SIZE_MAX);
    if (!arena) {
        print(2, "ERROR out of memory\n");
        return EXIT_ERROR;
    }
    if (values->demo)
        return run_demo(arena, values);
    return values->to ? run_target(arena, values) : run_file(arena, values);
}

static int run(int argc, char **argv)
{
    struct run_values values = {0};
    bool help;
    int words;

    if (!flags_parse(&run_command, argc, argv, &values, &words, &help))
        return EXIT_USAGE;
    return help ? EXIT_OK : run_values(&values);
}

static const struct flag run_flags[] = {
    {"config", 'c', FLAG_STRING, offsetof(struct run_values, config), "FILE",
     "the configuration (krakend.json, version 3)"},
    {"port", 'p', FLAG_NUMBER, offsetof(struct run_values, port), "PORT",
     "listen here instead of the port in the file"},
    {"debug", 'd', FLAG_COUNT, offsetof(struct run_values, debug), NULL, "adds the endpoint /__debug/"},
    {"demo", 0, FLAG_BOOL, offsetof(struct run_values, demo), NULL,
     "runs the embedded example with origins of its own"},
    {"to", 0, FLAG_STRING, offsetof(struct run_values, to), "URL", "a plain reverse proxy to URL, without a file"},
    {"print-config", 0, FLAG_BOOL, offsetof(struct run_values, print_config), NULL,
     "prints the configuration that --demo or --to stand for"},
};

const struct command run_command = {
    .name = "run",
    .summary = "Runs the gateway",
    .usage = "run -c FILE [-p PORT] [-d] | run --demo | run --to URL [-p PORT]",
    .text = "Serves until SIGINT or SIGTERM, then lets requests in flight finish. A line that begins with \"ready:\" "
            "on stderr\n"
            "says when all listeners accept.\n\n"
            "Examples:\n"
            "  holdfast run -c krakend.json\n"
            "  KRAKEND_MAX_IDLE_CONNECTIONS_PER_HOST=200 holdfast run -c krakend.json\n"
            "  holdfast run --to http://127.0.0.1:9001 -p 8000",
    .flags = run_flags,
    .flag_count = COUNT_OF(run_flags),
    .run = run,
};
