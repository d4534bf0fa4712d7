/* private.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/private.h"

#include "http/head.h"
#include "upstream/pool_internal.h"

static struct pooled *first_of(const struct private_conns *conns)
{
    struct list_node *node = ring_first(&conns->list);

    return node ? container_of(node, struct pooled, by_host) : NULL;
}

static void forget(struct pooled *pooled)
{
    ring_remove(&pooled->owner->list, &pooled->by_host);
    pooled->owner = NULL;
    http_set_idle(pooled->conn, NULL);
    pooled->task.run = pool_run_idle_news;
    task_forget(pool_loop(pooled->pool), &pooled->task);
}

void private_end(struct private_conns *conns)
{
    struct pooled *pooled;

    while ((pooled = first_of(conns)) != NULL) {
        forget(pooled);
        pool_discard(pooled, REASON_PRIVATE, SIDE_OURS);
    }
}

/* "NTLM", "Negotiate", and both with something behind. */
static bool is_binding_scheme(struct str text)
{
    static const struct str schemes[] = {STR_INIT("NTLM"), STR_INIT("Negotiate")};

    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (str_starts_fold(text, schemes[i]) && (text.len == schemes[i].len || text.data[schemes[i].len] == ' '))
            return true;
    return false;
}

/* A field of challenges is a list, in which parameters stand beside schemes; one of credentials has one. */
static bool names_binding_scheme(struct str value)
{
    struct str part;

    while (str_split(&value, ',', &part))
        if (is_binding_scheme(str_trim(part)))
            return true;
    return false;
}

NOINLINE bool private_names_scheme(const struct http_head *head)
{
    bool request = head->status == 0;
    enum header_id ours = request ? HEADER_AUTHORIZATION : HEADER_WWW_AUTHENTICATE;
    enum header_id proxys = request ? HEADER_PROXY_AUTHORIZATION : HEADER_PROXY_AUTHENTICATE;

    if (!request && head->status != 401 && head->status != 407)
        return false;
    for (size_t i = 0; i < head->headers.count; i++) {
        const struct http_field *field = &head->headers.fields[i];

        if (UNLIKELY(field->id == ours || field->id == proxys) && names_binding_scheme(field->value))
            return true;
    }
    return false;
}

static void close_dead(struct pooled *pooled, enum io news, enum reason reason)
{
    pool_discard(pooled, news == IO_OK ? pool_reason_of_stray(pooled) : reason, SIDE_PEER);
}

static void run_news(struct task *task)
{
    struct pooled *pooled = container_of(task, struct pooled, task);
    enum io news = http_check_idle(pooled->conn, false);

    if (news == IO_WAIT)
        return;
    forget(pooled);
    close_dead(pooled, news, REASON_PEER_CLOSE_IDLE);
}

static struct pooled *find(const struct private_conns *conns, const struct host *host)
{
    for (struct list_node *node = ring_first(&conns->list); node; node = ring_next(&conns->list, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);

        if (pooled->host == host)
            return pooled;
    }
    return NULL;
}

/* With whom it makes no difference but time, a connection is kept as the pool would keep it. */
static bool may_be_replaced(const struct pooled *pooled)
{
    return pooled->host->proxy_header > 0;
}

static bool is_expired(const struct pooled *pooled)
{
    return may_be_replaced(pooled) &&
           (pool_is_old(pooled) || pool_expires_ns(pooled) <= loop_now_ns(pool_loop(pooled->pool)));
}

static void retire(struct pooled *pooled)
{
    enum reason reason = pool_is_old(pooled) ? REASON_AGE
                         : pooled->learned   ? REASON_LEARNED_EXPIRED
                                             : REASON_IDLE_EXPIRED;

    pool_discard(pooled, reason, SIDE_OURS);
}

struct pooled *private_take(struct private_conns *conns, const struct host *host)
{
    struct pooled *pooled;

    while (conns && (pooled = find(conns, host)) != NULL) {
        enum io news = http_check_idle(pooled->conn, true);

        forget(pooled);
        if (news == IO_WAIT && is_expired(pooled)) {
            retire(pooled);
            continue;
        }
        if (news == IO_WAIT) {
            pooled->used_at_idle_ns = loop_now_ns(pool_loop(pooled->pool)) - pooled->idle_since_ns;
            pooled->uses++;
            return pooled;
        }
        close_dead(pooled, news, REASON_STALE_AT_CHECK);
    }
    return NULL;
}

/* Others wait at the host's cap, and nothing that is kept here could be theirs. */
static bool is_scarce(const struct host *host)
{
    return atomic_load_explicit(&host->waiting, memory_order_relaxed) > 0;
}

void private_keep(struct private_conns *conns, struct pooled *pooled, const struct transport *transport)
{
    if (http_room(pooled->conn) == 0 || transport->disable_keep_alives ||
        (may_be_replaced(pooled) && !pool_is_worth_keeping(pooled, transport))) {
        pool_return(pooled, transport); /* which closes it, and knows why */
        return;
    }
    if (!conns || (may_be_replaced(pooled) && is_scarce(pooled->host))) {
        pool_discard(pooled, REASON_PRIVATE, SIDE_OURS);
        return;
    }
    if (ring_count(&conns->list) >= transport_private_max(transport)) {
        struct pooled *oldest = first_of(conns);

        forget(oldest);
        pool_discard(oldest, REASON_PRIVATE, SIDE_OURS);
    }
    pooled->owner = conns;
    pool_begin_idle(pooled, transport);
    pooled->task.run = run_news;
    ring_push_back(&conns->list, &pooled->by_host);
    http_set_idle(pooled->conn, &pooled->task);
}
