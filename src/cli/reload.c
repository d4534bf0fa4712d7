/* reload.c: see the header. Start with reload_now. SPDX-License-Identifier: Apache-2.0 */
#include "cli/reload.h"

#include "base/log.h"
#include "cli/serve.h"
#include "gateway/sources.h"

#include "json/write.h"

#define TITLE "SERVICE: Reload"

/* More are not begun while requests are still served by as many: a client that takes for ever must not keep the memory
 * of each configuration since. */
enum { GENERATIONS_MAX = 32 };

/* A configuration on its way. */
struct candidate {
    struct arena *arena; /* goes to the generation */
    struct report report;
    struct generation *generation; /* NULL: it came to nothing */
};

static void load(const struct reloading *reloading, struct candidate *candidate)
{
    struct server *server = reloading->server;
    struct service *service = service_load(candidate->arena, reloading->sources, &candidate->report);

    if (service && sources_check(service, &candidate->report) && server_prepare(server, service, &candidate->report))
        candidate->generation = generation_build_next(candidate->arena, service, server_hosts(server),
                                                      server_generation(server), &candidate->report);
}

static struct str refusal(struct arena *arena, const char *text)
{
    struct json_writer writer = {.arena = arena};

    json_write_raw(&writer, STR("{\"result\":\"failed\",\"error\":"));
    json_write_string(&writer, str_from(text));
    json_write_raw(&writer, STR(",\"problems\":[]}\n"));
    return json_written(&writer);
}

static struct reload_result refuse(struct arena *arena, uint16_t status, const char *text)
{
    LOG(LOG_ERROR, TITLE, "the configuration stays as it is: %s", text);
    return (struct reload_result){status, arena ? refusal(arena, text) : STR_EMPTY};
}

static struct str answer(struct arena *arena, const struct candidate *candidate, const struct reload_facts *facts)
{
    struct str problems = report_json(&candidate->report, arena);
    const char *result = candidate->generation ? "ok" : "failed";

    if (!problems.data)
        return STR_EMPTY;
    return arena_format(arena, "{\"result\":\"%s\",\"generation\":%llu,\"problems\":%.*s}\n", result,
                        (unsigned long long)facts->generation, STR_ARG(problems));
}

static void tell(const struct candidate *candidate, const struct reload_facts *facts)
{
    unsigned errors = candidate->report.errors, warnings = candidate->report.warnings;

    print_report(&candidate->report, candidate->arena);
    if (candidate->generation)
        LOG(LOG_INFO, TITLE, "generation %llu serves from now on (%u warning%s)", (unsigned long long)facts->generation,
            warnings, warnings == 1 ? "" : "s");
    else if (errors > 0)
        LOG(LOG_ERROR, TITLE, "generation %llu stays: %u problem%s", (unsigned long long)facts->generation, errors,
            errors == 1 ? "" : "s");
    else
        LOG(LOG_ERROR, TITLE, "generation %llu stays: out of memory", (unsigned long long)facts->generation);
}

static struct reload_result settle(const struct reloading *reloading, struct candidate *candidate, struct arena *arena)
{
    struct reload_facts *facts = server_reload_facts(reloading->server);
    struct reload_result result = {.status = 422};

    if (candidate->generation && !server_succeed(reloading->server, candidate->generation)) {
        generation_release(candidate->generation);
        candidate->generation = NULL;
        candidate->arena = NULL;
        server_abandon(reloading->server);
        return refuse(arena, 503, "out of memory");
    }
    if (candidate->generation) {
        result.status = 200;
        facts->ok++;
        facts->last_failed = false;
        if (reloading->admin)
            admin_succeed(reloading->admin, candidate->generation);
    } else {
        server_abandon(reloading->server);
    }
    tell(candidate, facts);
    if (arena)
        result.body = answer(arena, candidate, facts);
    return result;
}

bool reload_must_wait(const struct reloading *reloading)
{
    return server_is_changing(reloading->server) || server_reload_facts(reloading->server)->alive >= GENERATIONS_MAX;
}

void reload_tell_wait(const struct reloading *reloading)
{
    unsigned alive = server_reload_facts(reloading->server)->alive;

    if (alive >= GENERATIONS_MAX)
        LOG(LOG_WARNING, TITLE, "waits: requests are served by %u configurations already", alive);
}

struct reload_result reload_now(const struct reloading *reloading, struct arena *arena)
{
    struct candidate candidate = {.generation = NULL};
    struct reload_result result;

    if (server_is_draining(reloading->server))
        return refuse(arena, 409, "the gateway ends");
    if (reloading->sources->text || str_eq(str_from(reloading->sources->path), STR("-")))
        return refuse(arena, 409, "it did not come from a file that can be read again");
    if (server_reload_facts(reloading->server)->alive >= GENERATIONS_MAX)
        return refuse(arena, 503, "too many generations before it still serve requests");
    candidate.arena = arena_new(NULL, SIZE_MAX);
    if (!candidate.arena) {
        server_abandon(reloading->server);
        return refuse(arena, 503, "out of memory");
    }
    report_init(&candidate.report, candidate.arena);
    load(reloading, &candidate);
    result = settle(reloading, &candidate, arena);
    if (!candidate.generation)
        arena_free(candidate.arena);
    return result;
}
