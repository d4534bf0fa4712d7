/* budget.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/budget.h"

/* How soon before the end something is done about it: the end itself is the operator's, as ulimit and
 * ip_local_port_range say it. No settings. */
struct grades {
    uint64_t warn, stretch, shed; /* per cent */
};

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static enum pressure grade(uint64_t used, uint64_t max, const struct grades *grades)
{
    if (used * 100 >= max * grades->shed)
        return PRESSURE_SHED;
    if (used * 100 >= max * grades->stretch)
        return PRESSURE_STRETCH;
    return used * 100 >= max * grades->warn ? PRESSURE_WARN : PRESSURE_NONE;
}

void budget_limit(struct budget *budget, uint64_t files_limit, uint64_t open, uint64_t ports)
{
    int64_t sockets = atomic_load_explicit(&budget->sockets, memory_order_relaxed);
    uint64_t reserve = files_limit / 64;

    if (reserve < BUDGET_RESERVE_MIN)
        reserve = BUDGET_RESERVE_MIN;
    if (reserve > BUDGET_RESERVE_MAX)
        reserve = BUDGET_RESERVE_MAX;
    budget->files_limit = files_limit;
    budget->files_max = files_limit > reserve ? files_limit - reserve : 0;
    budget->files_base = (int64_t)open > sockets ? open - (uint64_t)sockets : 0;
    budget->ports_max = ports;
}

uint64_t budget_files_used(const struct budget *budget)
{
    int64_t sockets = atomic_load_explicit(&budget->sockets, memory_order_relaxed);

    return budget->files_base + (sockets > 0 ? (uint64_t)sockets : 0);
}

enum pressure budget_files(const struct budget *budget, uint64_t now_ns)
{
    static const struct grades grades = {.warn = 80, .stretch = 90, .shed = 100};

    if (get(&budget->files_refused_until_ns) > now_ns)
        return PRESSURE_SHED;
    return budget->files_max > 0 ? grade(budget_files_used(budget), budget->files_max, &grades) : PRESSURE_NONE;
}

enum pressure budget_ports(const struct budget *budget, const struct port_budget *ports, uint32_t open, uint64_t now_ns)
{
    static const struct grades grades = {.warn = 70, .stretch = 85, .shed = 95};

    if (get(&ports->refused_until_ns) > now_ns)
        return PRESSURE_SHED;
    if (budget->ports_max == 0)
        return PRESSURE_NONE;
    return grade((uint64_t)open + atomic_load_explicit(&ports->blocked, memory_order_relaxed), budget->ports_max,
                 &grades);
}

bool budget_is_news(_Atomic bool *told, enum pressure pressure)
{
    bool now = pressure != PRESSURE_NONE;

    return atomic_load_explicit(told, memory_order_relaxed) != now &&
           atomic_exchange_explicit(told, now, memory_order_relaxed) != now && now;
}

void budget_files_refused(struct budget *budget, uint64_t now_ns)
{
    atomic_store_explicit(&budget->files_refused_until_ns, now_ns + BUDGET_REFUSED_NS, memory_order_relaxed);
}

void budget_port_refused(struct port_budget *ports, uint64_t now_ns)
{
    atomic_store_explicit(&ports->refused_until_ns, now_ns + BUDGET_REFUSED_NS, memory_order_relaxed);
}
