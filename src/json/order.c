/* order.c: sorts the members of an object by name, as Go's encoder does with a map. A merge sort over runs that
 * insertion made: stable (the last of equal names wins), never quadratic, no memory but the caller's. Start with
 * order_members. SPDX-License-Identifier: Apache-2.0 */
#include "json/order_internal.h"

enum { RUN = 12 }; /* members that insertion sorts faster than merging does */

/* The first bytes of a name that must be decoded, or that stands so near the end that less than eight can be read. */
NOINLINE static uint64_t odd_prefix(struct str content)
{
    char bytes[12] = {0};
    size_t len = 0;
    uint64_t prefix;

    for (const char *at = content.data, *end = at + content.len; at < end && len < sizeof(prefix);)
        len += json_put_rune(json_take_rune(&at, end), bytes + len);
    memcpy(&prefix, bytes, sizeof(prefix));
    return __builtin_bswap64(prefix);
}

/* Zeros behind a short name. Reads past it, and leaves out what does not belong to it. */
static inline uint64_t prefix_of(struct str text, const struct json_entry *name)
{
    size_t start = (size_t)name->at + 1, len = name->len - 2;
    uint64_t prefix;

    if (UNLIKELY(!json_is_literal(name) || text.len - start < sizeof(prefix)))
        return odd_prefix(json_content(text, name));
    memcpy(&prefix, text.data + start, sizeof(prefix));
    prefix = __builtin_bswap64(prefix);
    return len < sizeof(prefix) ? prefix & ~(UINT64_MAX >> len * 8) : prefix;
}

/* Names with equal prefixes. Up to eight bytes without escapes hold no NUL, so the prefix was the whole name. */
static int compare_rest(const struct json_doc *doc, const struct order_member *a, const struct order_member *b)
{
    const struct json_entry *x = &doc->tape[a->name], *y = &doc->tape[b->name];

    if (json_is_literal(x) && json_is_literal(y) && x->len <= 10 && y->len <= 10)
        return 0;
    return json_compare_entries(doc->text, x, y);
}

static inline int compare(const struct json_doc *doc, const struct order_member *a, const struct order_member *b)
{
    if (LIKELY(a->prefix != b->prefix))
        return a->prefix < b->prefix ? -1 : 1;
    return compare_rest(doc, a, b);
}

static void list(const struct json_doc *doc, uint32_t object, uint32_t count, struct order_member *members)
{
    const struct json_entry *tape = doc->tape;
    uint32_t at = object + 1;

    for (uint32_t i = 0; i < count; i++, at = tape[at + 1].next)
        members[i] = (struct order_member){prefix_of(doc->text, &tape[at]), at, i};
}

static bool is_sorted(const struct json_doc *doc, const struct order_member *members, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (compare(doc, &members[i - 1], &members[i]) >= 0)
            return false;
    }
    return true;
}

static void insertion_sort(const struct json_doc *doc, struct order_member *members, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct order_member member = members[i];
        uint32_t at = i;

        for (; at > 0 && compare(doc, &members[at - 1], &member) > 0; at--)
            members[at] = members[at - 1];
        members[at] = member;
    }
}

/* Merges the runs [0, middle) and [middle, count) of `from` into `to`; of equals the left ones come first. */
static void merge(const struct json_doc *doc, const struct order_member *from, uint32_t middle, uint32_t count,
                  struct order_member *to)
{
    uint32_t left = 0, right = middle;

    while (left < middle && right < count)
        *to++ = compare(doc, &from[left], &from[right]) <= 0 ? from[left++] : from[right++];
    memcpy(to, from + left, (middle - left) * sizeof(*to));
    memcpy(to + (middle - left), from + right, (count - right) * sizeof(*to));
}

/* One pass: runs of `run` become runs of twice that. */
static void merge_runs(const struct json_doc *doc, const struct order_member *from, struct order_member *to,
                       uint32_t count, uint32_t run)
{
    for (uint32_t at = 0; at < count;) {
        uint32_t both = count - at < 2 * run ? count - at : 2 * run;

        merge(doc, from + at, both < run ? both : run, both, to + at);
        at += both;
    }
}

static uint32_t drop_equals(const struct json_doc *doc, struct order_member *members, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 == count || compare(doc, &members[i], &members[i + 1]) != 0)
            members[kept++] = members[i];
    }
    return kept;
}

static uint32_t sort(const struct json_doc *doc, struct order_member *members, struct order_member *room,
                     uint32_t count)
{
    struct order_member *from = members, *to = room;

    for (uint32_t at = 0; at < count; at += RUN)
        insertion_sort(doc, members + at, count - at < RUN ? count - at : RUN);
    for (uint32_t run = RUN; run < count; run *= 2) {
        merge_runs(doc, from, to, count, run);
        struct order_member *swapped = from;

        from = to;
        to = swapped;
    }
    if (from != members)
        memcpy(members, from, count * sizeof(*members));
    return drop_equals(doc, members, count);
}

/* Can the eight bytes behind the name's quote be read, and taken as they are? */
static inline bool has_start(struct str text, const struct json_entry *name)
{
    return LIKELY(json_is_literal(name) && name->at + sizeof(uint64_t) < text.len);
}

static inline uint64_t read_start(struct str text, const struct json_entry *name)
{
    uint64_t bytes;

    memcpy(&bytes, text.data + name->at + 1, sizeof(bytes));
    return bytes;
}

/* As the object before it, if it has the same names in the same order. */
static bool follow_shape(const struct json_doc *doc, uint32_t object, uint32_t count, struct order_member *members,
                         const struct order_shape *shape)
{
    const struct json_entry *tape = doc->tape;
    const struct order_start *start = shape->starts;
    const struct str text = doc->text;
    uint32_t at = object + 1;

    if (count != shape->count)
        return false;
    for (const struct order_start *end = start + count; start < end; start++, at = tape[at + 1].next) {
        if (!has_start(text, &tape[at]) || ((read_start(text, &tape[at]) ^ start->bytes) & start->mask) != 0)
            return false;
        members[start->rank].name = at;
    }
    return true;
}

/* Prefixes alone must tell the order: two that are equal leave it to the rest of the names. */
static void learn_shape(const struct json_doc *doc, struct order_shape *shape, const struct order_member *sorted,
                        uint32_t count)
{
    shape->count = 0;
    if (count > ORDER_SHAPE_MAX)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct json_entry *name = &doc->tape[sorted[i].name];
        struct order_start *start = &shape->starts[sorted[i].place];
        uint32_t len = name->len - 2;

        if ((i > 0 && sorted[i].prefix == sorted[i - 1].prefix) || !has_start(doc->text, name))
            return;
        start->bytes = read_start(doc->text, name);
        start->mask = len < sizeof(start->bytes) ? UINT64_MAX >> (56 - len * 8) : UINT64_MAX;
        start->rank = i;
    }
    shape->count = count;
}

/* Apart, so that the way of those that follow a shape saves no registers for it. */
NOINLINE static uint32_t sort_and_learn(const struct json_doc *doc, uint32_t object, uint32_t count,
                                        struct order_member *members, struct order_member *room,
                                        struct order_shape *shape)
{
    uint32_t kept = count;

    list(doc, object, count, members);
    if (!is_sorted(doc, members, count))
        kept = sort(doc, members, room, count);
    if (shape && kept == count)
        learn_shape(doc, shape, members, count);
    return kept;
}

uint32_t order_members(const struct json_doc *doc, uint32_t object, uint32_t count, struct order_member *members,
                       struct order_member *room, struct order_shape *shape)
{
    if (LIKELY(shape && follow_shape(doc, object, count, members, shape)))
        return count;
    return sort_and_learn(doc, object, count, members, room, shape);
}
