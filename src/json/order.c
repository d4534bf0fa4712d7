/* order.c: sorts the members of an object by name, as Go's encoder does with a map. A merge sort over runs that
 * insertion made: stable (the last of equal names wins), never quadratic, no memory but the caller's. Start with
 * order_sort. SPDX-License-Identifier: Apache-2.0 */
#include "json/order_internal.h"

enum { RUN = 12 }; /* members that insertion sorts faster than merging does */

/* The first bytes of a name that must be decoded, zeros behind them. */
static uint64_t decoded_prefix(struct str content)
{
    char bytes[12] = {0};
    size_t len = 0;
    uint64_t prefix;

    for (const char *at = content.data, *end = at + content.len; at < end && len < sizeof(prefix);)
        len += json_put_rune(json_take_rune(&at, end), bytes + len);
    memcpy(&prefix, bytes, sizeof(prefix));
    return __builtin_bswap64(prefix);
}

static inline uint64_t prefix_of(struct str text, const struct json_entry *name)
{
    struct str content = json_content(text, name);
    uint64_t prefix = 0;

    if (UNLIKELY(!json_is_literal(name)))
        return decoded_prefix(content);
    if (content.len >= sizeof(prefix)) {
        memcpy(&prefix, content.data, sizeof(prefix));
        return __builtin_bswap64(prefix);
    }
    if (content.len == 0)
        return 0;
    /* Reads past the name where the text goes on, and shifts out what does not belong to it. */
    if (LIKELY((size_t)(text.data + text.len - content.data) >= sizeof(prefix)))
        memcpy(&prefix, content.data, sizeof(prefix));
    else
        memcpy(&prefix, content.data, content.len);
    prefix = __builtin_bswap64(prefix);
    return prefix & ~(UINT64_MAX >> content.len * 8);
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

bool order_list(const struct json_doc *doc, uint32_t object, struct order_member *members)
{
    const struct json_entry *tape = doc->tape;
    uint32_t end = tape[object].next, count = 0;
    bool unsorted = false;

    for (uint32_t at = object + 1; at < end; at = tape[at + 1].next, count++) {
        members[count] = (struct order_member){prefix_of(doc->text, &tape[at]), at};
        if (!unsorted && count > 0)
            unsorted = compare(doc, &members[count - 1], &members[count]) >= 0;
    }
    return unsorted;
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

uint32_t order_sort(const struct json_doc *doc, struct order_member *members, struct order_member *room, uint32_t count)
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
