/* conservation.c: sums of one worker's numbers, looked at until they stand still. SPDX-License-Identifier: Apache-2.0
 */
#include "admin/conservation.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_NS 500000000u

enum { LAWS = 4, LOOKS_MAX = 8, LOOKS_TO_TELL = 3 };
static const char *const law_names[LAWS] = {"connections opened and closed", "new requests by reason",
                                            "closes by reason", "requests sent again by evidence"};

/* What was missing of one host at one worker at the last look, and at how many in a row. */
struct account {
    int64_t missing[LAWS];
    uint32_t looks[LAWS];
    bool told;
};

/* The sums of one worker; `all` changes with any number in them. */
struct sums {
    int64_t missing[LAWS], all;
};

struct conservation {
    struct account *accounts; /* by host and worker */
    size_t room;
    uint64_t looked_ns, mismatches;
};

struct conservation *conservation_new(void)
{
    return calloc(1, sizeof(struct conservation));
}

void conservation_free(struct conservation *conservation)
{
    if (!conservation)
        return;
    free(conservation->accounts);
    free(conservation);
}

static bool make_room(struct conservation *conservation, size_t room)
{
    struct account *accounts;

    if (room <= conservation->room)
        return true;
    accounts = realloc(conservation->accounts, room * sizeof(*accounts));
    if (!accounts)
        return false;
    memset(&accounts[conservation->room], 0, (room - conservation->room) * sizeof(*accounts));
    conservation->accounts = accounts;
    conservation->room = room;
    return true;
}

static int64_t number(const _Atomic uint64_t *count)
{
    return (int64_t)atomic_load_explicit(count, memory_order_relaxed);
}

static int64_t sum(const _Atomic uint64_t *counts, size_t count)
{
    int64_t all = 0;

    for (size_t i = 0; i < count; i++)
        all += number(&counts[i]);
    return all;
}

static void weigh(const struct host_counts *counts, struct sums *sums)
{
    int64_t opened = number(&counts->connections_opened), closed = number(&counts->connections_closed);
    int64_t idle = number(&counts->idle), active = number(&counts->active), in = number(&counts->moved_in),
            out = number(&counts->moved_out), new = number(&counts->requests_new), again = number(&counts->resends);
    int64_t new_by = sum(counts->ledger.new_by, REASONS);
    int64_t closes = sum(counts->ledger.closes_by[0], (size_t)REASONS * SIDE_COUNT);
    int64_t again_by = sum(counts->resends_by, COUNT_OF(counts->resends_by));

    sums->missing[0] = opened + in - closed - idle - active - out;
    sums->missing[1] = new - new_by;
    sums->missing[2] = closed - closes;
    sums->missing[3] = again - again_by;
    sums->all = opened + closed + in + out + new + again + new_by + closes + again_by +
                number(&counts->requests_reused) + number(&counts->requests_shared);
}

/* False: the worker counts faster than we read. */
static bool read_sums(const struct host_counts *counts, struct sums *sums)
{
    struct sums before;

    weigh(counts, sums);
    for (int look = 1; look < LOOKS_MAX; look++) {
        before = *sums;
        weigh(counts, sums);
        if (memcmp(&before, sums, sizeof(before)) == 0)
            return true;
    }
    return false;
}

static void tell(struct account *account, const struct host *host, unsigned worker, int law, int64_t missing)
{
    if (account->told)
        return;
    account->told = true;
    LOG(LOG_ERROR, "SERVICE: Admin", "%.*s, worker %u: %s do not add up by %" PRId64, STR_ARG(host->label), worker,
        law_names[law], missing);
}

static void check(struct conservation *conservation, struct account *account, const struct host *host, unsigned worker)
{
    struct sums sums;

    if (!read_sums(&host->counts[worker], &sums))
        return;
    for (int law = 0; law < LAWS; law++) {
        bool again = sums.missing[law] != 0 && sums.missing[law] == account->missing[law];

        account->looks[law] = again ? account->looks[law] + 1 : sums.missing[law] != 0;
        account->missing[law] = sums.missing[law];
        if (account->looks[law] >= LOOKS_TO_TELL) {
            conservation->mismatches++;
            tell(account, host, worker, law, sums.missing[law]);
        }
    }
}

void conservation_check(struct conservation *conservation, struct hosts *hosts, unsigned workers, uint64_t now_ns)
{
    uint32_t count = hosts_count(hosts);

    if (!conservation || now_ns - conservation->looked_ns < LOOK_EVERY_NS ||
        !make_room(conservation, (size_t)count * workers))
        return;
    conservation->looked_ns = now_ns;
    for (uint32_t i = 0; i < count; i++) {
        struct account *accounts = &conservation->accounts[(size_t)i * workers];
        const struct host *host = hosts_at(hosts, i);

        if (!host)
            memset(accounts, 0, workers * sizeof(*accounts));
        for (unsigned worker = 0; host && worker < workers; worker++)
            check(conservation, &accounts[worker], host, worker);
    }
}

uint64_t conservation_mismatches(const struct conservation *conservation)
{
    return conservation ? conservation->mismatches : 0;
}
