/* pool_list.c: the connections of a worker, told one by one, those that have closed too.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2.h"
#include "tls/stream.h"
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
    struct stream *stream = pooled->conn->stream;
    struct http_conn_facts facts;
    struct tls_info tls = {0};
    struct tcp_facts tcp;

    http_facts(pooled->conn, &facts);
    if (pooled->host->tls)
        tls_info(stream, &tls);
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
        .resumed = tls.resumed,
        .tls_version = tls.version,
        .peer = stream->peer,
        .uses = pooled->uses,
        .guests = pooled->guests,
        .age_ns = pool_age_ns(pooled),
        .idle_ns = active ? pooled->used_at_idle_ns : loop_now_ns(pool->loop) - pooled->idle_since_ns,
        .bytes_in = facts.bytes_in,
        .bytes_out = facts.bytes_out,
        .protocol = pooled->conn->multiplexed ? "h2" : "http/1.1",
        .streams = pooled->conn->multiplexed ? pooled->streams : active,
        .streams_max = streams_max(pooled),
        .acked_ago_ns = UINT64_MAX,
    };
    if (stream_facts(stream, &tcp)) {
        row->rtt_ns = tcp.rtt_ns;
        row->acked_ago_ns = tcp.acked_ago_ns;
        row->window = tcp.window;
    }
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

/* One that came from another worker has times of that worker's turns. */
static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Before its conn is closed: that knows its age. */
void pool_note_close(struct pool *pool, const struct pooled *pooled, enum reason reason, enum side side)
{
    struct host_counts *counts = pool_counts(pool, pooled->host);
    uint64_t now_ns = loop_now_ns(pool->loop);
    struct closed_row row = {
        .host = pooled->host,
        .closed_ns = now_ns,
        .age_ns = since(now_ns, pooled->conn->opened_ns),
        .idle_ns = pooled->idle_since_ns > pooled->lent_ns ? since(now_ns, pooled->idle_since_ns) : 0,
        .id = pooled->id,
        .uses = pooled->uses,
        .reason = (uint8_t)reason,
        .side = (uint8_t)side,
    };

    if (UNLIKELY(reason == REASON_STRAY_BYTES || reason == REASON_STRAY_CRLF))
        pool_sample_stray(pooled, &row.stray);
    host_count_add(&counts->connections_closed, 1);
    ledger_closed(&counts->ledger, reason, side);
    closed_log_note(&pool->closed, &row);
}

size_t pool_list_closed(const struct pool *pool, struct closed_row *rows, size_t count)
{
    return closed_log_read(&pool->closed, rows, count);
}
