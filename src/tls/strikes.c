/* strikes.c: see the header. Two open hash tables: one is filled, the one before is only asked; when a window is over
 * they change places. SPDX-License-Identifier: Apache-2.0 */
#include "tls/strikes.h"

#include <pthread.h>
#include <stdlib.h>

struct mark {
    uint64_t low, high; /* of the digest; both 0: free */
};

struct table {
    struct mark *marks;
    size_t count;
};

struct tls_strikes {
    pthread_mutex_t lock;
    struct table filling, before;
    size_t size, marks_max; /* size: a power of two, at least twice as many */
    uint64_t since_ns;
    bool started;
};

struct tls_strikes *tls_strikes_new(size_t marks_max)
{
    struct tls_strikes *strikes = calloc(1, sizeof(*strikes));

    if (!strikes || pthread_mutex_init(&strikes->lock, NULL) != 0) {
        free(strikes);
        return NULL;
    }
    strikes->marks_max = marks_max;
    for (strikes->size = 2; strikes->size < 2 * marks_max; strikes->size *= 2)
        ;
    strikes->filling.marks = calloc(strikes->size, sizeof(struct mark));
    strikes->before.marks = calloc(strikes->size, sizeof(struct mark));
    if (strikes->filling.marks && strikes->before.marks)
        return strikes;
    tls_strikes_free(strikes);
    return NULL;
}

void tls_strikes_free(struct tls_strikes *strikes)
{
    if (!strikes)
        return;
    pthread_mutex_destroy(&strikes->lock);
    free(strikes->filling.marks);
    free(strikes->before.marks);
    free(strikes);
}

static struct mark mark_of(const struct tls_digest *ticket)
{
    struct mark mark;

    memcpy(&mark, ticket->bytes, sizeof(mark));
    mark.high |= 1; /* never free */
    return mark;
}

/* Where it stands, or would. */
static struct mark *find(const struct tls_strikes *strikes, const struct table *table, const struct mark *mark)
{
    size_t at = mark->low & (strikes->size - 1);

    while (table->marks[at].high != 0 && (table->marks[at].low != mark->low || table->marks[at].high != mark->high))
        at = (at + 1) & (strikes->size - 1);
    return &table->marks[at];
}

static void empty(const struct tls_strikes *strikes, struct table *table)
{
    if (table->count > 0)
        memset(table->marks, 0, strikes->size * sizeof(struct mark));
    table->count = 0;
}

static void change_places(struct tls_strikes *strikes, uint64_t now_ns)
{
    struct table filled = strikes->filling;

    /* Clocks of workers differ a little: what is before the start of the window is in it. */
    if (strikes->started && now_ns < strikes->since_ns + TLS_STRIKES_WINDOW_NS)
        return;
    strikes->started = true;
    strikes->since_ns = now_ns;
    strikes->filling = strikes->before;
    strikes->before = filled;
    empty(strikes, &strikes->filling);
}

bool tls_strikes_mark(struct tls_strikes *strikes, const struct tls_digest *ticket, uint64_t now_ns)
{
    struct mark mark = mark_of(ticket), *place;
    bool fresh;

    pthread_mutex_lock(&strikes->lock);
    change_places(strikes, now_ns);
    place = find(strikes, &strikes->filling, &mark);
    fresh = place->high == 0 && find(strikes, &strikes->before, &mark)->high == 0 &&
            strikes->filling.count < strikes->marks_max;
    if (fresh) {
        *place = mark;
        strikes->filling.count++;
    }
    pthread_mutex_unlock(&strikes->lock);
    return fresh;
}
