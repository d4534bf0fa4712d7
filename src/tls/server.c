/* server.c: a secured listener over its life: the reading that counts, and the next one when files have changed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "config/problems.h"
#include "os/condition.h"
#include "os/file.h"
#include "tls/files_check.h"
#include "tls/server_audit.h"
#include "tls/server_internal.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

#define SLACK_NS UINT64_C(1000000000) /* who looks by a timer may come so late */
#define WAIT_NS  UINT64_C(100000000)  /* who looks has been woken a moment ago */

static const char area[] = "SERVICE: TLS";

struct watched {
    struct str path;
    struct file_stamp stamp;
};

struct tls_server {
    _Atomic uint32_t holders;
    struct tls_server_start start;
    uint64_t late_ns;  /* since the last look, by the tuning, which may have gone; UINT64_MAX: there are none */
    atomic_bool rests; /* who refreshes it */
    _Atomic uint64_t looked_ns;
    atomic_bool in_vain;  /* somebody has waited for the next look for too long */
    pthread_mutex_t lock; /* guards profile: the pointer and the first reference */
    struct condition looked;
    struct tls_server_profile *profile;
    struct watched *files;
    size_t file_count;
    bool *staple_told; /* of each certificate: that its staple is over was logged */
    uint64_t reloads_ok, reloads_failed;
};

static void add_file(struct tls_server *server, struct str path)
{
    server->files[server->file_count++].path = path;
}

static bool list_files(struct tls_server *server)
{
    const struct tls_server_options *options = server->start.options;
    const struct tls_server_tuning *tuning = server->start.tuning;
    const struct tls_staple_file *staples = tuning->ocsp_staples.items;
    const struct tls_server_key *keys = options->keys.items;
    size_t count = 2 * options->keys.count + options->ca_certs.count + tuning->ocsp_staples.count;

    server->files = calloc(count + 1, sizeof(*server->files));
    server->staple_told = calloc(options->keys.count + 1, sizeof(*server->staple_told));
    if (!server->files || !server->staple_told)
        return false;
    for (size_t i = 0; i < options->keys.count; i++) {
        add_file(server, keys[i].public_key);
        add_file(server, keys[i].private_key);
    }
    for (size_t i = 0; i < options->ca_certs.count; i++)
        add_file(server, options->ca_certs.items[i]);
    for (size_t i = 0; i < tuning->ocsp_staples.count; i++)
        add_file(server, staples[i].response);
    return true;
}

/* Whether any file is not what it was. */
static bool look(struct tls_server *server)
{
    char name[TLS_PATH_BYTES_MAX];
    bool changed = false;

    for (size_t i = 0; i < server->file_count; i++) {
        struct file_stamp now = {0};

        if (str_to_cstr(server->files[i].path, name, sizeof(name)))
            now = file_look(name);
        changed |= !file_stamp_eq(&now, &server->files[i].stamp);
        server->files[i].stamp = now;
    }
    return changed;
}

static void report_trouble(const struct tls_server_start *start, const struct tls_trouble *trouble,
                           struct report *report)
{
    report_add(report, SEVERITY_ERROR, PROBLEM_TLS_FILE, trouble->place, NULL, "%s: %s", start->path,
               trouble->err.text);
}

static void warn_of_versions(const struct tls_server *server, struct report *report)
{
    const struct tls_server_key *keys = server->start.options->keys.items;

    if (server->profile->base.impossible)
        report_add(report, SEVERITY_WARNING, PROBLEM_TLS_VERSIONS, keys->public_place,
                   "min_version is TLS13 unless it is given",
                   "%s: min_version is above max_version: every handshake will fail", server->start.path);
}

static void warn_of_certificates(const struct tls_server *server, struct report *report)
{
    const struct tls_server_key *keys = server->start.options->keys.items;
    struct tls_finding findings[TLS_FINDINGS_MAX];

    for (size_t i = 0; i < server->profile->count; i++) {
        size_t count = tls_audit(&server->profile->identities[i], findings);

        for (size_t j = 0; j < count; j++)
            report_add(report, SEVERITY_WARNING, PROBLEM_TLS_CHAIN, keys[i].public_place, NULL, "%s: %.*s: %s",
                       server->start.path, STR_ARG(keys[i].public_key), findings[j].text);
    }
}

static uint64_t late_after(const struct tls_server_tuning *tuning)
{
    return tuning->reload_interval_ns > 0 ? (uint64_t)tuning->reload_interval_ns + SLACK_NS : UINT64_MAX;
}

/* NULL: no memory. */
static struct tls_server *make_server(const struct tls_server_start *start)
{
    struct tls_server *server = calloc(1, sizeof(*server));

    if (!server)
        return NULL;
    server->start = *start;
    server->late_ns = late_after(start->tuning);
    atomic_init(&server->holders, 1);
    if (pthread_mutex_init(&server->lock, NULL) == 0) {
        if (condition_init(&server->looked))
            return server;
        pthread_mutex_destroy(&server->lock);
    }
    free(server);
    return NULL;
}

struct tls_server *tls_server_new(const struct tls_server_start *start, struct report *report)
{
    struct tls_server *server = make_server(start);
    struct tls_trouble trouble;

    if (!server || !list_files(server)) {
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory for TLS");
        tls_server_release(server);
        return NULL;
    }
    tls_check_authorities(&start->options->ca_certs, start->path, report);
    (void)look(server); /* before they are read: what is written meanwhile is read again */
    server->profile = tls_server_profile_new(start, &trouble);
    if (server->profile) {
        warn_of_versions(server, report);
        warn_of_certificates(server, report);
        return server;
    }
    report_trouble(start, &trouble, report);
    tls_server_release(server);
    return NULL;
}

struct tls_server *tls_server_hold(struct tls_server *server)
{
    if (server)
        atomic_fetch_add_explicit(&server->holders, 1, memory_order_relaxed);
    return server;
}

void tls_server_release(struct tls_server *server)
{
    if (!server || atomic_fetch_sub_explicit(&server->holders, 1, memory_order_acq_rel) > 1)
        return;
    if (server->profile)
        tls_profile_unref(&server->profile->base);
    condition_end(&server->looked);
    pthread_mutex_destroy(&server->lock);
    free(server->files);
    free(server->staple_told);
    free(server);
}

struct tls_server_profile *tls_server_latest(struct tls_server *server)
{
    struct tls_server_profile *profile;

    pthread_mutex_lock(&server->lock);
    profile = server->profile;
    tls_profile_ref(&profile->base);
    pthread_mutex_unlock(&server->lock);
    return profile;
}

static void take_over(struct tls_server *server, struct tls_server_profile *profile)
{
    struct tls_server_profile *old;

    pthread_mutex_lock(&server->lock);
    old = server->profile;
    server->profile = profile;
    pthread_mutex_unlock(&server->lock);
    tls_profile_unref(&old->base);
    memset(server->staple_told, 0, profile->count * sizeof(*server->staple_told));
}

static void tell_of_certificates(const struct tls_server *server)
{
    const struct tls_server_key *keys = server->start.options->keys.items;
    struct tls_finding findings[TLS_FINDINGS_MAX];

    for (size_t i = 0; i < server->profile->count; i++) {
        size_t count = tls_audit(&server->profile->identities[i], findings);

        for (size_t j = 0; j < count; j++)
            LOG(LOG_WARNING, area, "%.*s: %s", STR_ARG(keys[i].public_key), findings[j].text);
    }
}

/* At the start a CA file that cannot be used is passed over, as KrakenD does. One that was good until now is not: its
 * clients would all be sent away. */
static struct tls_server_profile *make_again(struct tls_server *server, struct tls_trouble *trouble)
{
    struct tls_server_profile *profile = tls_server_profile_new(&server->start, trouble);

    if (!profile || profile->passed_over <= server->profile->passed_over)
        return profile;
    error_set(&trouble->err, FAULT_CONFIG, ERROR_BAD_CONFIG, "%.*s: cannot be used any more",
              STR_ARG(profile->passed_over_latest));
    tls_profile_unref(&profile->base);
    return NULL;
}

static void read_again(struct tls_server *server)
{
    struct tls_trouble trouble;
    struct tls_server_profile *profile = make_again(server, &trouble);

    if (profile) {
        take_over(server, profile);
        server->reloads_ok++;
        LOG(LOG_INFO, area, "%s: files were read again, %zu certificate%s", server->start.path, profile->count,
            profile->count == 1 ? "" : "s");
        tell_of_certificates(server);
    } else {
        server->reloads_failed++;
        LOG(LOG_ERROR, area, "%s: the old certificates stay: %s", server->start.path, trouble.err.text);
    }
}

/* A staple whose time is over is not given any more; that is told once. */
static void tell_of_staples(struct tls_server *server)
{
    const struct tls_server_key *keys = server->start.options->keys.items;
    const struct tls_server_profile *profile = server->profile;

    for (size_t i = 0; i < profile->count; i++) {
        const struct tls_staple *staple = &profile->identities[i].staple;

        if (server->staple_told[i] || staple->size == 0 || tls_staple_is_fresh(staple))
            continue;
        server->staple_told[i] = true;
        LOG(LOG_WARNING, area, "%.*s goes without a staple: its OCSP response has expired",
            STR_ARG(keys[i].public_key));
    }
}

void tls_server_refresh(struct tls_server *server, uint64_t now_ns)
{
    if (server->late_ns < UINT64_MAX && look(server))
        read_again(server);
    tell_of_staples(server);
    pthread_mutex_lock(&server->lock);
    atomic_store_explicit(&server->looked_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&server->in_vain, false, memory_order_relaxed);
    condition_tell(&server->looked);
    pthread_mutex_unlock(&server->lock);
}

void tls_server_rest(struct tls_server *server, bool rests)
{
    atomic_store_explicit(&server->rests, rests, memory_order_relaxed);
}

bool tls_server_is_late(const struct tls_server *server, uint64_t now_ns)
{
    uint64_t looked_ns = atomic_load_explicit(&server->looked_ns, memory_order_relaxed);

    return atomic_load_explicit(&server->rests, memory_order_relaxed) && now_ns > looked_ns &&
           now_ns - looked_ns > server->late_ns;
}

void tls_server_await_look(struct tls_server *server, uint64_t now_ns)
{
    uint64_t deadline_ns;
    bool in_time = true;

    if (!tls_server_is_late(server, now_ns) || atomic_load_explicit(&server->in_vain, memory_order_relaxed))
        return;
    deadline_ns = condition_deadline(WAIT_NS);
    pthread_mutex_lock(&server->lock);
    while (in_time && tls_server_is_late(server, now_ns) &&
           !atomic_load_explicit(&server->in_vain, memory_order_relaxed))
        in_time = condition_wait(&server->looked, &server->lock, deadline_ns);
    if (!in_time)
        atomic_store_explicit(&server->in_vain, true, memory_order_relaxed);
    pthread_mutex_unlock(&server->lock);
}

void tls_server_facts(struct tls_server *server, struct tls_server_facts *facts)
{
    *facts = (struct tls_server_facts){
        .reloads_ok = server->reloads_ok,
        .reloads_failed = server->reloads_failed,
        .certificates = server->profile->count,
    };
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;

    if (!epoch || ASN1_TIME_diff(&days, &seconds, epoch, time) != 1)
        ERR_clear_error();
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

void tls_server_certificate(struct tls_server *server, size_t index, struct tls_certificate_facts *facts)
{
    const struct tls_server_key *keys = server->start.options->keys.items;
    const struct tls_identity *identity = &server->profile->identities[index];

    ASSERT(index < server->profile->count);
    *facts = (struct tls_certificate_facts){
        .path = keys[index].public_key,
        .expires_s = seconds_of(X509_get0_notAfter(identity->certificate)),
        .stapled = tls_staple_is_fresh(&identity->staple),
    };
}

const struct tls_server_tuning *tls_server_tuning(const struct tls_server *server)
{
    return server->start.tuning;
}
