/* pool_list.c: the connections of a worker, told one by one. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2.h"
#include "upstream/pool_internal.h"

#include <string.h>

/* The rows found so far, by id. */
struct page {
    const struct pooled **conns;
    size_t count, room;
    uint32_t after;
};

static void keep(struct page *page, const struct pooled *pooled)
{
    size_t i = page->count;

    if (pooled->id <= page->after)
        return;
    while (i > 0 && page->conns[i - 1]->id > pooled->id)
        i--;
    if (i == page->room)
        return;
    if (page->count < page->room)
        page->count++;
    memmove(&page->conns[i + 1], &page->conns[i], (page->count - 1 - i) * sizeof(*page->conns));
    page->conns[i] = pooled;
}

static void keep_all(struct page *page, const struct list *list)
{
    for (struct list_node *node = list_first(list); node; node = list_next(list, node))
        keep(page, container_of(node, struct pooled, by_age));
}

static uint32_t streams_max(const struct pooled *pooled)
{
    struct h2_client_facts facts;

    if (!pooled->conn->multiplexed)
        return 1;
    h2_client_facts(pooled->conn, &facts);
    return facts.streams_max;
}

static void tell(const struct pool *pool, const struct pooled *pooled, struct pool_row *row)
{
    bool active = pooled->streams > 0 || !list_holds(&pooled->by_host);
    struct http_conn_facts facts;
    struct tcp_facts tcp;

    http_facts(pooled->conn, &facts);
    *row = (struct pool_row){
        .id = pooled->id,
        .host = pooled->host,
        .state = active             ? POOL_ROW_ACTIVE
                 : pooled->sentinel ? POOL_ROW_SENTINEL
                                    : POOL_ROW_IDLE,
        .warm = pooled->warm,
        .bound = pooled->bound,
        .made_for = pooled->warm || pooled->uses == 0 ? REASONS : (enum reason)pooled->made_for,
        .tls = pooled->host->tls != NULL,
        .uses = pooled->uses,
        .guests = pooled->guests,
        .age_ns = pool_age_ns(pooled),
        .idle_ns = active ? pooled->used_at_idle_ns : loop_now_ns(pool->loop) - pooled->idle_since_ns,
        .bytes_in = facts.bytes_in,
        .bytes_out = facts.bytes_out,
        .protocol = pooled->conn->multiplexed ? "h2" : "http/1.1",
        .streams = pooled->conn->multiplexed ? pooled->streams : active,
        .streams_max = streams_max(pooled),
    };
    if (stream_facts(pooled->conn->stream, &tcp))
        row->rtt_ns = tcp.rtt_ns;
}

size_t pool_list(struct pool *pool, uint32_t after, struct pool_row *rows, size_t count)
{
    const struct pooled *conns[POOL_LIST_MAX];
    struct page page = {.conns = conns, .room = size_min(count, POOL_LIST_MAX), .after = after};

    keep_all(&page, &pool->by_age);
    keep_all(&page, &pool->lent_conns);
    for (size_t i = 0; i < page.count; i++)
        tell(pool, conns[i], &rows[i]);
    return page.count;
}
