/* keep.c: how long a worker's client connections are kept: their age, and their idle time by how short places,
 * descriptors and memory are. Looks once a second while something happens. Start with run_keeper.
 *
 * Under half of what there is everybody may be idle for idle_timeout_max, at nine tenths for idle_timeout_min, and in
 * between for something in between. That goes into promises that are made from now on; those that were made are kept.
 * Only beyond nine tenths connections end before their time: those that have been idle for longest, and nobody before
 * idle_timeout_min. Memory is calm up to eight tenths of it and tight from nineteen twentieths on: it is there to
 * be used, and more of it comes back than was asked for.
 *
 * When people wait for places for as long as idle_timeout_min nevertheless, all who are inside are in use. Then some
 * are told by their next answer that it is the last, those who came first before the others, so many a second that all
 * would be over a drain's window, or ten seconds. Who is still in the same request at a drain's limit from there on,
 * and keeps others waiting, is cut; as many a second. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/frontend_internal.h"
#include "gateway/spread.h"
#include "upstream/budget.h"

#define LOOK_EVERY_NS  UINT64_C(1000000000)
#define EVICT_EVERY_NS UINT64_C(50000000)

enum {
    CALM_PERMILLE = 500,
    TIGHT_PERMILLE = 900,
    MEMORY_CALM_PERMILLE = 800, /* what is as calm, and as tight, where memory is concerned: it is there to be used */
    MEMORY_TIGHT_PERMILLE = 950,
    VICTIMS_MAX = 32,      /* at a time */
    TELL_SECONDS_MIN = 10, /* whatever drain_window is: those who are told come back */
};

/* What people count in whole seconds is promised in whole seconds. */
uint64_t keep_idle_ns(uint64_t min_ns, uint64_t max_ns, unsigned permille)
{
    uint64_t idle_ns;

    if (permille <= CALM_PERMILLE)
        return max_ns;
    if (permille >= TIGHT_PERMILLE)
        return min_ns;
    idle_ns = max_ns - (max_ns - min_ns) / (TIGHT_PERMILLE - CALM_PERMILLE) * (permille - CALM_PERMILLE);
    return idle_ns > 2000000000u ? idle_ns / 1000000000u * 1000000000u : idle_ns;
}

static unsigned share(uint64_t used, uint64_t max)
{
    if (max == 0)
        return 0;
    return used >= max ? 1000 : (unsigned)((double)used / (double)max * 1000.0);
}

unsigned keep_memory_permille(unsigned used_permille)
{
    unsigned above;

    if (used_permille <= MEMORY_CALM_PERMILLE)
        return used_permille * CALM_PERMILLE / MEMORY_CALM_PERMILLE;
    above = used_permille - MEMORY_CALM_PERMILLE;
    if (used_permille < MEMORY_TIGHT_PERMILLE)
        return CALM_PERMILLE +
               above * (TIGHT_PERMILLE - CALM_PERMILLE) / (MEMORY_TIGHT_PERMILLE - MEMORY_CALM_PERMILLE);
    return unsigned_max(used_permille, TIGHT_PERMILLE);
}

static unsigned budget_permille(const struct budget *budget)
{
    return unsigned_max(share(budget_files_used(budget), budget->files_max),
                        keep_memory_permille(atomic_load_explicit(&budget->memory_permille, memory_order_relaxed)));
}

bool keep_budget_is_tight(const struct budget *budget)
{
    return budget_permille(budget) >= TIGHT_PERMILLE;
}

/* How much is used of what is shortest. */
static unsigned pressure_permille(const struct frontend *frontend)
{
    unsigned places =
        share(frontend->clients.count, atomic_load_explicit(&frontend->clients_max, memory_order_relaxed));

    return frontend->budget ? unsigned_max(places, budget_permille(frontend->budget)) : places;
}

/* Those idle for longest so far, the longest first; before them those who have never asked for anything. */
struct victims {
    struct client *clients[VICTIMS_MAX];
    uint64_t used_ns[VICTIMS_MAX];
    size_t count;
};

static void consider(struct victims *victims, struct client *client, uint64_t used_ns)
{
    size_t at = victims->count;

    if (at == VICTIMS_MAX && used_ns >= victims->used_ns[at - 1])
        return;
    if (at < VICTIMS_MAX)
        victims->count++;
    else
        at--;
    for (; at > 0 && victims->used_ns[at - 1] > used_ns; at--) {
        victims->clients[at] = victims->clients[at - 1];
        victims->used_ns[at] = victims->used_ns[at - 1];
    }
    victims->clients[at] = client;
    victims->used_ns[at] = used_ns;
}

/* Closes the idlest, as long as they have been idle for so long. */
static void evict(struct frontend *frontend, uint64_t idle_min_ns)
{
    uint64_t now_ns = loop_now_ns(frontend->loop);
    struct victims victims = {.count = 0};

    for (struct list_node *node = list_first(&frontend->clients); node; node = list_next(&frontend->clients, node)) {
        struct client *client = container_of(node, struct client, node);
        struct http_conn_facts facts;

        if (client_is_busy(client) || client->evicted)
            continue;
        http_facts(client->conn, &facts);
        if (facts.end == HTTP_END_NONE && now_ns - facts.last_used_ns >= idle_min_ns)
            consider(&victims, client, facts.messages > 0 ? facts.last_used_ns : 0);
    }
    for (size_t i = 0; i < victims.count; i++) {
        victims.clients[i]->evicted = true;
        (void)http_close_idle(victims.clients[i]->conn, HTTP_END_PRESSURE);
    }
}

void keep_notice_pressure(struct frontend *frontend)
{
    struct keeper *keeper = &frontend->keeper;
    uint64_t now_ns = loop_now_ns(frontend->loop);
    unsigned permille = pressure_permille(frontend);

    if (keeper->adapts)
        frontend->conn_options.idle_timeout_ns = keep_idle_ns(keeper->idle_min_ns, keeper->idle_max_ns, permille);
    if (permille < TIGHT_PERMILLE || now_ns < keeper->next_evict_ns)
        return;
    keeper->next_evict_ns = now_ns + EVICT_EVERY_NS;
    evict(frontend, keeper->idle_min_ns);
}

/* Give or take 10 %, the same for the whole life of a connection, so that those that came together do not go together.
 */
static uint64_t own_age_ns(const struct client *client, uint64_t age_ns)
{
    uint64_t spread = ((uint64_t)(uintptr_t)client >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54;

    return age_ns - age_ns / 10 + age_ns / 5 / 1024 * spread;
}

/* NULL: another worker has given it to us, and we have not taken the generation that brings its listener yet. */
static const struct listener_options *listener_of(const struct client *client)
{
    const struct server_options *server = frontend_server(client->frontend);

    return client->door < server->listener_count ? &server->listeners[client->door] : NULL;
}

static void audit(const struct client *client, const struct http_conn_facts *facts, uint64_t age_ns)
{
    char text[ADDR_TEXT_BYTES];

    LOG(LOG_INFO, "AUDIT",
        "client connection cut at max_connection_age_hard: listener %.*s, peer %.*s, age %llu s, requests %u, in use: "
        "%s",
        STR_ARG(listener_of(client)->listen), STR_ARG(addr_format(client->peer, text)),
        (unsigned long long)(age_ns / 1000000000u), facts->messages, client_is_busy(client) ? "yes" : "no");
}

/* Who is to be cut is told before. */
static uint64_t age_to_tell_ns(uint64_t age_ns, uint64_t age_hard_ns)
{
    uint64_t told_ns = age_hard_ns / 10 * 8;

    return age_hard_ns > 0 && (age_ns == 0 || age_ns > told_ns) ? told_ns : age_ns;
}

/* False: it is so young that nothing happens yet at any listener, and those who came later are younger. */
static bool check_age(struct frontend *frontend, struct client *client)
{
    const struct keeper *keeper = &frontend->keeper;
    const struct listener_options *listener = listener_of(client);
    uint64_t age_hard_ns = listener ? service_positive(listener->max_age_hard_ns) : 0;
    uint64_t told_ns = age_to_tell_ns(keeper->age_ns, age_hard_ns);
    struct http_conn_facts facts;
    uint64_t age_ns;

    http_facts(client->conn, &facts);
    age_ns = loop_now_ns(frontend->loop) - facts.opened_ns;
    if (age_ns < keeper->age_first_ns)
        return false;
    if (age_hard_ns > 0 && age_ns >= age_hard_ns) {
        audit(client, &facts, age_ns);
        client_cut(client, HTTP_END_AGE_HARD);
    } else if (told_ns > 0 && age_ns >= own_age_ns(client, told_ns)) {
        client_tell(client, HTTP_END_AGE);
    }
    return true;
}

static void check_ages(struct frontend *frontend)
{
    struct list_node *next;

    if (frontend->keeper.age_first_ns == 0)
        return;
    for (struct list_node *node = list_first(&frontend->clients); node; node = next) {
        next = list_next(&frontend->clients, node);
        if (!check_age(frontend, container_of(node, struct client, node)))
            return;
    }
}

/* The age before which nothing happens at any listener; 0: nothing ever does. Jitter takes a tenth at most. */
static uint64_t first_age_ns(const struct server_options *server, uint64_t age_ns)
{
    uint64_t first_ns = 0;

    for (size_t i = 0; i < server->listener_count; i++) {
        uint64_t told_ns = age_to_tell_ns(age_ns, service_positive(server->listeners[i].max_age_hard_ns));

        if (told_ns > 0 && (first_ns == 0 || told_ns - told_ns / 10 < first_ns))
            first_ns = told_ns - told_ns / 10;
    }
    return first_ns;
}

static size_t told_each_second(const struct frontend *frontend)
{
    uint64_t window_ns = service_positive(frontend_server(frontend)->drain_window_ns);
    uint64_t seconds = window_ns / LOOK_EVERY_NS;

    return frontend->clients.count / (size_t)(seconds > TELL_SECONDS_MIN ? seconds : TELL_SECONDS_MIN) + 1;
}

/* A tunnel has no next answer. What lasts is asked to end between two events. */
static void tell_first_comers(struct frontend *frontend, size_t count)
{
    for (struct list_node *node = list_first(&frontend->clients); node && count > 0;
         node = list_next(&frontend->clients, node)) {
        struct client *client = container_of(node, struct client, node);

        if (client->told != HTTP_END_NONE || client->evicted || !ring_is_empty(&client->tunnels))
            continue;
        client_tell(client, HTTP_END_PRESSURE);
        client_leave(client);
        count--;
    }
}

/* Idle ones end by other rules. */
static bool is_past_limit(const struct client *client, uint64_t limit_ns)
{
    return client->told == HTTP_END_PRESSURE && client_is_busy(client) &&
           loop_now_ns(client->frontend->loop) - client->told_ns >= limit_ns;
}

/* Somebody waits whom there would be room for without them. */
static void cut_late(struct frontend *frontend, size_t count)
{
    uint64_t limit_ns = service_positive(frontend_server(frontend)->drain_limit_ns);
    struct list_node *next;

    if (limit_ns == 0)
        return;
    for (struct list_node *node = list_first(&frontend->clients); node && count > 0; node = next) {
        struct client *client = container_of(node, struct client, node);

        next = list_next(&frontend->clients, node);
        if (!is_past_limit(client, limit_ns))
            continue;
        drain_tell_left(client);
        client_cut(client, HTTP_END_CUT);
        count--;
    }
}

static void make_room(struct frontend *frontend)
{
    struct keeper *keeper = &frontend->keeper;
    uint64_t now_ns = loop_now_ns(frontend->loop);

    if (!frontend_is_crowded(frontend))
        keeper->crowded_since_ns = 0;
    else if (keeper->crowded_since_ns == 0)
        keeper->crowded_since_ns = now_ns;
    if (keeper->crowded_since_ns == 0 || now_ns - keeper->crowded_since_ns < keeper->idle_min_ns)
        return;
    tell_first_comers(frontend, told_each_second(frontend));
    cut_late(frontend, told_each_second(frontend));
}

/* Has nothing but this task run since the last look, and does nothing else wait to run? */
static bool was_quiet(struct keeper *keeper, const struct loop *loop)
{
    uint64_t run = loop_stats(loop)->tasks_run;
    bool quiet = run == keeper->looked_run + 1 && !loop_has_tasks(loop);

    keeper->looked_run = run;
    return quiet;
}

static bool may_sleep(struct frontend *frontend)
{
    return was_quiet(&frontend->keeper, frontend->loop) && frontend->keeper.crowded_since_ns == 0 &&
           !frontend_is_full(frontend) && pressure_permille(frontend) < TIGHT_PERMILLE;
}

/* Will it be told or cut one day, by its age? A tunnel goes on behind that it was told. */
static bool has_ages_ahead(const struct frontend *frontend, struct client *client)
{
    const struct listener_options *listener = listener_of(client);

    return (client->told == HTTP_END_NONE && frontend->keeper.age_ns > 0) ||
           (listener && service_positive(listener->max_age_hard_ns) > 0);
}

/* The first ones here are the oldest; all of them may have been cut just now. */
static uint64_t first_old_ns(const struct frontend *frontend)
{
    struct http_conn_facts facts;

    for (struct list_node *node = list_first(&frontend->clients); node; node = list_next(&frontend->clients, node)) {
        struct client *client = container_of(node, struct client, node);

        if (!has_ages_ahead(frontend, client))
            continue;
        http_facts(client->conn, &facts);
        return timer_end_ns(facts.opened_ns, frontend->keeper.age_first_ns);
    }
    return TIMER_OFF;
}

/* When all is quiet and nothing is short, the next thing that comes up by itself is somebody's age. Whatever else
 * changes turns the loop, and that turn begins a second, which wakes the keeper again. Of what the process grows short
 * of meanwhile the main thread stirs the loop (app/rest.h). */
static void look_later(struct frontend *frontend)
{
    struct keeper *keeper = &frontend->keeper;
    uint64_t at_ns = loop_now_ns(frontend->loop) + LOOK_EVERY_NS;

    keeper->sleeps = may_sleep(frontend);
    if (keeper->sleeps) {
        loop_end_second(frontend->loop);
        at_ns = u64_max(at_ns, first_old_ns(frontend));
    }
    timer_set(frontend->loop, &keeper->timer, at_ns);
}

/* While it does not sleep it has its own clock. */
static void run_keeper(struct task *task)
{
    struct frontend *frontend = container_of(task, struct frontend, keeper.task);

    if (!frontend->keeper.sleeps && frontend->keeper.timer.at_ns != TIMER_OFF)
        return;
    if (list_is_empty(&frontend->clients)) {
        frontend->keeper.crowded_since_ns = 0;
        timer_clear(frontend->loop, &frontend->keeper.timer);
        return; /* the next client starts it again */
    }
    if (frontend_is_full(frontend) && spread_can_pass(frontend))
        frontend_resume_doors(frontend, true); /* nobody tells that another worker has room */
    keep_notice_pressure(frontend);
    make_room(frontend);
    check_ages(frontend);
    look_later(frontend);
}

void keep_notice_client(struct frontend *frontend)
{
    if (frontend->clients.count == 1)
        task_wake(frontend->loop, &frontend->keeper.task);
}

static void set_grace(struct frontend *frontend)
{
    uint64_t wait_ns = grace_ns(&frontend->grace);

    frontend->conn_options.idle_grace_ns = wait_ns;
    atomic_store_explicit(&frontend->counts.idle_grace_ns, wait_ns, memory_order_relaxed);
}

void keep_notice_idle_close(struct frontend *frontend, uint64_t late_ns)
{
    if (!frontend->conn_options.keep_alive_header)
        return;
    grace_note(&frontend->grace, late_ns);
    set_grace(frontend);
}

void keep_init(struct frontend *frontend)
{
    struct keeper *keeper = &frontend->keeper;

    keeper->task.run = run_keeper;
    keeper->timer = (struct timer){.at_ns = TIMER_OFF, .task = &keeper->task};
    keeper->chore.task = &keeper->task;
    loop_add_chore(frontend->loop, &keeper->chore);
}

void keep_take(struct frontend *frontend, const struct server_options *server)
{
    const struct client_rules *rules = &server->clients;
    struct keeper *keeper = &frontend->keeper;

    keeper->adapts = rules->idle_adapts;
    keeper->idle_min_ns = service_positive(rules->idle_min_ns);
    keeper->idle_max_ns = service_positive(rules->idle_max_ns);
    keeper->age_ns = service_positive(rules->max_age_ns);
    keeper->age_first_ns = first_age_ns(server, keeper->age_ns);
    if (frontend->conn_options.keep_alive_header)
        set_grace(frontend);
}

void keep_free(struct frontend *frontend)
{
    loop_remove_chore(frontend->loop, &frontend->keeper.chore);
    timer_clear(frontend->loop, &frontend->keeper.timer);
    task_forget(frontend->loop, &frontend->keeper.task);
}
