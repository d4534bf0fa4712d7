/* whatif.c: the model stack and its table. Start with whatif_take. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/whatif.h"

#include "base/assert.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const uint32_t caps[] = {
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 100, 128, 150, 192, 200, 250, 256, 384,
    512, 768, WHATIF_STACK_MAX};
static const uint32_t times_ms[] = {
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 400, 500, 700, 1000, 1500, 2000, 2500, 3000, 4000, 5000,
    6000, 7000, 8000, 10000, 12000, 15000, 18000, 20000, 22000, 25000, 30000, 35000, 40000, 45000, 50000, 55000, 60000,
    65000, 70000, 75000, 90000, 120000, 150000, 180000, 240000, 300000, 350000, 400000, 500000, 600000, 900000, 1200000,
    1800000, 2700000, 3600000, 4500000, 5400000, 7200000};
/* clang-format on */
static_assert(COUNT_OF(caps) == WHATIF_CAPS, "one cap for each row");
static_assert(COUNT_OF(times_ms) == WHATIF_TIMES - 1, "one time for each column but the last");

uint32_t whatif_cap(unsigned i)
{
    ASSERT(i < WHATIF_CAPS);
    return caps[i];
}

uint64_t whatif_time_ns(unsigned i)
{
    ASSERT(i < WHATIF_TIMES);
    return i == WHATIF_TIMES - 1 ? UINT64_MAX : times_ms[i] * UINT64_C(1000000);
}

void whatif_free(struct whatif *model)
{
    if (!model)
        return;
    free(atomic_load_explicit(&model->rows, memory_order_relaxed));
    free(model->stack);
}

/* The first of `count` steps that is not below the value; count: none. Most often it is the very first: a busy
 * connection is taken from the top of the stack, a moment after it came there. */
static unsigned step_for(const uint32_t *steps, unsigned count, uint64_t value)
{
    unsigned low = 0, high = count;

    if (value <= steps[0])
        return 0;
    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (steps[middle] >= value)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The least cap that has room for such a depth; WHATIF_CAPS: none. */
static unsigned cap_for(uint64_t depth)
{
    return step_for(caps, WHATIF_CAPS, depth);
}

/* The least timeout that lets it be idle for so long. */
static unsigned time_for(uint64_t idle_ns)
{
    return step_for(times_ms, WHATIF_TIMES - 1, idle_ns / 1000000 + (idle_ns % 1000000 > 0));
}

static void set(_Atomic uint32_t *number, uint32_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static uint32_t get(const _Atomic uint32_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* The row of a cap; NULL: no request was of it, or of another but the least. */
static const _Atomic uint32_t *row_of(const struct whatif *model, unsigned cap)
{
    const _Atomic uint32_t *rows = atomic_load_explicit(&model->rows, memory_order_acquire);

    if (cap == 0)
        return model->top;
    return rows ? &rows[(cap - 1) * WHATIF_TIMES] : NULL;
}

/* To be written. NULL: no memory. */
static _Atomic uint32_t *make_row(struct whatif *model, unsigned cap)
{
    _Atomic uint32_t *rows;

    if (LIKELY(cap == 0))
        return model->top;
    rows = atomic_load_explicit(&model->rows, memory_order_relaxed);
    if (UNLIKELY(!rows)) {
        rows = calloc((WHATIF_CAPS - 1) * WHATIF_TIMES, sizeof(*rows));
        atomic_store_explicit(&model->rows, rows, memory_order_release);
    }
    return rows ? &rows[(cap - 1) * WHATIF_TIMES] : NULL;
}

static void halve(struct whatif *model)
{
    unsigned caps_in_use = row_of(model, 1) ? WHATIF_CAPS : 1;

    set(&model->requests, get(&model->requests) / 2);
    for (unsigned cap = 0; cap < caps_in_use; cap++)
        for (unsigned time = 0; time < WHATIF_TIMES; time++) {
            _Atomic uint32_t *cell = &make_row(model, cap)[time];

            set(cell, get(cell) / 2);
        }
}

void whatif_miss(struct whatif *model)
{
    set(&model->requests, get(&model->requests) + 1);
    if (UNLIKELY(get(&model->requests) >= WHATIF_HALVE))
        halve(model);
}

static struct whatif_entry *stack_of(struct whatif *model)
{
    return model->room > 1 ? model->stack : &model->first;
}

/* The first entry has its place already. */
static bool grow(struct whatif *model)
{
    uint32_t room = model->room == 0 ? 1 : model->room == 1 ? 16 : model->room * 2u;
    struct whatif_entry *stack = NULL;

    if (model->room >= WHATIF_STACK_MAX)
        return false;
    if (room > 1 && !(stack = realloc(model->stack, room * sizeof(*stack))))
        return false;
    if (model->room == 1)
        stack[0] = model->first;
    model->stack = stack;
    model->room = (uint16_t)room;
    return true;
}

/* Takes entry i out. Those above come down by one, with the heights they know of; who stands below must know of them
 * before that. */
static void take_out(struct whatif *model, uint32_t i)
{
    struct whatif_entry *stack = stack_of(model);
    uint32_t peak = 0;

    for (uint32_t above = i; above < model->count; above++) {
        peak = stack[above].peak > peak ? stack[above].peak : peak;
        stack[above].peak--;
    }
    if (i > 0 && stack[i - 1].peak < peak)
        stack[i - 1].peak = peak;
    model->count--;
    memmove(&stack[i], &stack[i + 1], (model->count - i) * sizeof(*stack));
}

/* Where one that is idle since then belongs: most often on top. */
static uint32_t place_of(struct whatif *model, uint64_t since_ns)
{
    const struct whatif_entry *stack = stack_of(model);
    uint32_t i = model->count;

    while (i > 0 && stack[i - 1].since_ns > since_ns)
        i--;
    return i;
}

void whatif_push(struct whatif *model, uint64_t since_ns)
{
    struct whatif_entry *stack, *top;
    uint32_t i;

    if (model->count == model->room && !grow(model))
        take_out(model, 0); /* there is room for one in any case */
    stack = stack_of(model);
    i = place_of(model, since_ns);
    memmove(&stack[i + 1], &stack[i], (model->count - i) * sizeof(*stack));
    stack[i] = (struct whatif_entry){.since_ns = since_ns};
    model->count++;
    for (uint32_t above = i + 1; above < model->count; above++)
        stack[above].peak++;
    top = &stack[model->count - 1];
    if (top->peak < model->count)
        top->peak = model->count;
}

/* The largest number of connections that stood from the top one upwards. Takes it off; who stands below must know how
 * high it was. */
static uint64_t pop(struct whatif *model, uint64_t *since_ns)
{
    struct whatif_entry *top = &stack_of(model)[--model->count];

    ASSERT(top->peak > model->count);
    if (model->count > 0 && top[-1].peak < top->peak)
        top[-1].peak = top->peak;
    *since_ns = top->since_ns;
    return top->peak - model->count;
}

/* A request that a cap with room for such a depth would have served. Without memory it counts as a miss. */
static void count_hit(struct whatif *model, uint64_t depth, uint64_t idle_ns)
{
    unsigned cap = cap_for(depth);
    _Atomic uint32_t *row = cap < WHATIF_CAPS ? make_row(model, cap) : NULL;
    _Atomic uint32_t *cell = row ? &row[time_for(idle_ns)] : NULL;

    if (cell)
        set(cell, get(cell) + 1);
}

void whatif_take(struct whatif *model, uint64_t now_ns, uint64_t idle_all, uint64_t idle_here)
{
    uint64_t since_ns, depth;

    if (model->count > 0) {
        depth = pop(model, &since_ns);
        if (idle_here > 0 && idle_all > idle_here)
            depth = 1 + ((depth - 1) * idle_all + idle_here - 1) / idle_here;
        count_hit(model, depth, now_ns > since_ns ? now_ns - since_ns : 0);
    }
    whatif_miss(model); /* a request more, whatever it found */
}

void whatif_remove(struct whatif *model, uint64_t since_ns)
{
    const struct whatif_entry *stack = stack_of(model);

    for (uint32_t i = model->count; i-- > 0 && stack[i].since_ns >= since_ns;)
        if (stack[i].since_ns == since_ns) {
            take_out(model, i);
            return;
        }
}

void whatif_add(const struct whatif *model, struct whatif_view *view)
{
    if (!model)
        return;
    view->requests += get(&model->requests);
    for (unsigned cap = 0; cap < WHATIF_CAPS; cap++) {
        const _Atomic uint32_t *row = row_of(model, cap);

        for (unsigned time = 0; row && time < WHATIF_TIMES; time++)
            view->table[cap][time] += get(&row[time]);
    }
}

void whatif_settle(struct whatif_view *view, uint64_t host_limit_ns)
{
    for (unsigned cap = 0; cap < WHATIF_CAPS; cap++)
        for (unsigned time = 0; time < WHATIF_TIMES; time++) {
            uint64_t shorter = time > 0 ? view->table[cap][time - 1] : 0;

            /* Beyond what the host keeps, a longer timeout gains nothing. */
            if (host_limit_ns > 0 && time > 0 && whatif_time_ns(time - 1) >= host_limit_ns)
                view->table[cap][time] = 0;
            view->table[cap][time] += shorter;
        }
    for (unsigned cap = 1; cap < WHATIF_CAPS; cap++)
        for (unsigned time = 0; time < WHATIF_TIMES; time++)
            view->table[cap][time] += view->table[cap - 1][time];
}
