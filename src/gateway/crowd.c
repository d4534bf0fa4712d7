/* crowd.c: a hash table in parts, each with a lock of its own, so that workers which accept at once seldom meet. An
 * address without connections is not in it. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/crowd.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

enum { PARTS = 64, SLOTS = 256 };

struct member {
    struct member *next;
    struct addr addr;
    uint32_t count;
};

struct part {
    _Alignas(64) pthread_mutex_t lock;
    struct member *slots[SLOTS];
};

struct crowd {
    uint64_t seed;
    struct part parts[PARTS];
};

struct crowd *crowd_new(void)
{
    struct crowd *crowd = aligned_alloc(_Alignof(struct crowd), sizeof(*crowd));

    if (!crowd)
        return NULL;
    *crowd = (struct crowd){.seed = (uint64_t)(uintptr_t)crowd * UINT64_C(0x9e3779b97f4a7c15)};
    for (int i = 0; i < PARTS; i++)
        if (pthread_mutex_init(&crowd->parts[i].lock, NULL) != 0)
            abort(); /* a plain mutex cannot fail on Linux */
    return crowd;
}

void crowd_free(struct crowd *crowd)
{
    if (!crowd)
        return;
    for (int i = 0; i < PARTS; i++) {
        for (int slot = 0; slot < SLOTS; slot++)
            ASSERT(!crowd->parts[i].slots[slot]);
        pthread_mutex_destroy(&crowd->parts[i].lock);
    }
    free(crowd);
}

static struct part *lock_part(struct crowd *crowd, const struct addr *addr, struct member ***at)
{
    uint64_t hash = addr_hash(addr, crowd->seed);
    struct part *part = &crowd->parts[hash % PARTS];

    pthread_mutex_lock(&part->lock);
    *at = &part->slots[hash / PARTS % SLOTS];
    while (**at && !addr_eq(&(**at)->addr, addr))
        *at = &(**at)->next;
    return part;
}

static bool add(struct member **at, const struct addr *addr)
{
    struct member *member = malloc(sizeof(*member));

    if (!member)
        return false;
    *member = (struct member){.addr = *addr};
    *at = member;
    return true;
}

bool crowd_enter(struct crowd *crowd, const struct addr *addr, uint32_t max)
{
    struct member **at;
    struct part *part = lock_part(crowd, addr, &at);
    bool entered = *at ? (*at)->count < max : max > 0 && add(at, addr);

    if (entered)
        (*at)->count++;
    pthread_mutex_unlock(&part->lock);
    return entered;
}

void crowd_leave(struct crowd *crowd, const struct addr *addr)
{
    struct member **at;
    struct part *part = lock_part(crowd, addr, &at);
    struct member *gone = NULL;

    ASSERT(*at);
    if (--(*at)->count == 0) {
        gone = *at;
        *at = gone->next;
    }
    pthread_mutex_unlock(&part->lock);
    free(gone);
}
