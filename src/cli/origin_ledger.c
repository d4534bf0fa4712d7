/* origin_ledger.c: see the header. Counters are atomic and independent: whoever reads while requests run sees some of
 * them a moment late. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_ledger.h"

#include "base/text.h"

#include "json/write.h"
#include <stdatomic.h>
#include <stdlib.h>

static const struct str methods[] = {
    STR_INIT("GET"),   STR_INIT("HEAD"),   STR_INIT("POST"),    STR_INIT("PUT"),
    STR_INIT("PATCH"), STR_INIT("DELETE"), STR_INIT("OPTIONS"), STR_INIT("other"),
};
enum { METHODS = COUNT_OF(methods) };

struct origin_ledger {
    atomic_uint_fast64_t connections, unnumbered, distinct;
    atomic_uint_fast64_t requests[METHODS], doubled[METHODS];
    atomic_uint_fast32_t number_max;
    atomic_bool seen[ORIGIN_LEDGER_NUMBERS]; /* pages that nobody touches cost nothing */
};

struct origin_ledger *origin_ledger_new(void)
{
    return calloc(1, sizeof(struct origin_ledger));
}

void origin_ledger_free(struct origin_ledger *ledger)
{
    free(ledger);
}

void origin_ledger_reset(struct origin_ledger *ledger)
{
    size_t seen = atomic_load(&ledger->number_max) + 1;

    for (size_t i = 0; i < seen; i++)
        atomic_store_explicit(&ledger->seen[i], false, memory_order_relaxed);
    for (size_t i = 0; i < METHODS; i++) {
        atomic_store(&ledger->requests[i], 0);
        atomic_store(&ledger->doubled[i], 0);
    }
    atomic_store(&ledger->connections, 0);
    atomic_store(&ledger->unnumbered, 0);
    atomic_store(&ledger->distinct, 0);
    atomic_store(&ledger->number_max, 0);
}

static void add(atomic_uint_fast64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

void origin_ledger_add_connection(struct origin_ledger *ledger)
{
    add(&ledger->connections, 1);
}

/* Not below zero: the connection may be older than the last reset. */
void origin_ledger_drop_connection(struct origin_ledger *ledger)
{
    uint_fast64_t count = atomic_load(&ledger->connections);

    while (count > 0 && !atomic_compare_exchange_weak(&ledger->connections, &count, count - 1))
        continue;
}

static size_t find_method(struct str method)
{
    size_t at = 0;

    while (at < METHODS - 1 && !str_eq(method, methods[at]))
        at++;
    return at;
}

static void raise_max(struct origin_ledger *ledger, uint_fast32_t number)
{
    uint_fast32_t max = atomic_load_explicit(&ledger->number_max, memory_order_relaxed);

    while (max < number && !atomic_compare_exchange_weak(&ledger->number_max, &max, number))
        continue;
}

void origin_ledger_add_request(struct origin_ledger *ledger, struct str method, struct str number_text)
{
    size_t at = find_method(method);
    uint64_t number;

    if (!text_to_u64(number_text, &number) || number >= ORIGIN_LEDGER_NUMBERS) {
        add(&ledger->unnumbered, 1);
        return;
    }
    raise_max(ledger, (uint_fast32_t)number);
    add(&ledger->requests[at], 1);
    if (atomic_exchange(&ledger->seen[number], true))
        add(&ledger->doubled[at], 1);
    else
        add(&ledger->distinct, 1);
}

static void write_member(struct json_writer *writer, const char *before, atomic_uint_fast64_t *counter)
{
    json_write_raw(writer, str_from(before));
    json_write_u64(writer, atomic_load(counter));
}

static void write_number(struct json_writer *writer, const char *before, uint64_t number)
{
    json_write_raw(writer, str_from(before));
    json_write_u64(writer, number);
}

static void write_methods(struct json_writer *writer, struct origin_ledger *ledger)
{
    const char *before = "";

    json_write_raw(writer, STR(",\"by_method\":{"));
    for (size_t i = 0; i < METHODS; i++) {
        if (atomic_load(&ledger->requests[i]) == 0)
            continue;
        json_write_raw(writer, str_from(before));
        json_write_string(writer, methods[i]);
        write_member(writer, ":{\"requests\":", &ledger->requests[i]);
        write_member(writer, ",\"doubled\":", &ledger->doubled[i]);
        json_write_raw(writer, STR("}"));
        before = ",";
    }
    json_write_raw(writer, STR("}}\n"));
}

struct str origin_ledger_json(struct origin_ledger *ledger, struct arena *arena)
{
    struct json_writer writer = {.arena = arena};
    uint64_t requests = 0, doubled = 0;

    for (size_t i = 0; i < METHODS; i++) {
        requests += atomic_load(&ledger->requests[i]);
        doubled += atomic_load(&ledger->doubled[i]);
    }
    write_number(&writer, "{\"requests\":", requests);
    write_member(&writer, ",\"distinct\":", &ledger->distinct);
    write_number(&writer, ",\"doubled\":", doubled);
    write_member(&writer, ",\"unnumbered\":", &ledger->unnumbered);
    write_member(&writer, ",\"connections\":", &ledger->connections);
    write_methods(&writer, ledger);
    return json_written(&writer);
}
