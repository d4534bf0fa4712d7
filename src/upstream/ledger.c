/* ledger.c: reasons counted. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/ledger.h"

#include "base/assert.h"

static const struct {
    const char *name, *text;
} reasons[] = {
#define REASON(id, name_, text_) {name_, text_},
#include "upstream/reasons.def"
#undef REASON
};

const char *reason_name(enum reason reason)
{
    ASSERT(reason < REASONS);
    return reasons[reason].name;
}

const char *reason_text(enum reason reason)
{
    ASSERT(reason < REASONS);
    return reasons[reason].text;
}

const char *side_name(enum side side)
{
    ASSERT(side < SIDE_COUNT);
    return side == SIDE_OURS ? "ours" : "peer";
}

void ledger_note(struct ledger *ledger, enum reason reason)
{
    ledger->note_at = (uint8_t)((ledger->note_at + 1) % LEDGER_NOTES);
    ledger->notes[ledger->note_at] = (uint8_t)reason;
    if (ledger->note_count < LEDGER_NOTES)
        ledger->note_count++;
}

enum reason ledger_explain(struct ledger *ledger, bool ever)
{
    enum reason reason = ever ? REASON_POOL_EMPTY_BURST : REASON_COLD;

    if (ledger->note_count > 0) {
        reason = (enum reason)ledger->notes[ledger->note_at];
        ledger->note_at = (uint8_t)((ledger->note_at + LEDGER_NOTES - 1) % LEDGER_NOTES);
        ledger->note_count--;
    }
    return reason;
}

static void add_one(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

void ledger_new(struct ledger *ledger, enum reason reason)
{
    add_one(&ledger->new_by[reason]);
}

void ledger_closed(struct ledger *ledger, enum reason reason, enum side side)
{
    add_one(&ledger->closes_by[reason][side]);
}
