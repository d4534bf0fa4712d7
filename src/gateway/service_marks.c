/* service_marks.c: dscp and mark of holdfast/upstream: what packets to hosts are marked with. May we? sources.c asks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/service_internal.h"

enum { DSCP_MAX = 63 };

/* RFC 2474, 8622, 5865, 3246. */
static bool read_name(struct str text, uint8_t *dscp)
{
    static const struct {
        struct str name;
        uint8_t dscp;
    } names[] = {{STR_INIT("df"), 0}, {STR_INIT("le"), 1}, {STR_INIT("va"), 44}, {STR_INIT("ef"), 46}};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_fold(text, names[i].name)) {
            *dscp = names[i].dscp;
            return true;
        }
    }
    return false;
}

/* The digit at a place of the text, if it is one of these. */
static bool read_digit(struct str text, size_t at, unsigned min, unsigned max, unsigned *digit)
{
    *digit = (unsigned)(unsigned char)text.data[at] - '0';
    return *digit >= min && *digit <= max;
}

/* "cs0" to "cs7" (RFC 2474), "af11" to "af43" (RFC 2597): a class, and how soon its packets are dropped. */
static bool read_class(struct str text, uint8_t *dscp)
{
    unsigned class, drop = 0;

    if (text.len == 3 && str_starts_fold(text, STR("cs")) && read_digit(text, 2, 0, 7, &class))
        *dscp = (uint8_t)(class << 3);
    else if (text.len == 4 && str_starts_fold(text, STR("af")) && read_digit(text, 2, 1, 4, &class) &&
             read_digit(text, 3, 1, 3, &drop))
        *dscp = (uint8_t)(class << 3 | drop << 1);
    else
        return false;
    return true;
}

bool dscp_read(struct str text, uint8_t *dscp)
{
    uint64_t number = 0;

    if (text.len == 0 || (text_to_u64(text, &number) && number <= DSCP_MAX)) {
        *dscp = (uint8_t)number;
        return true;
    }
    return read_name(text, dscp) || read_class(text, dscp);
}

static bool are_unix(const struct str_list *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (!str_starts(hosts->items[i], STR("unix:")))
            return false;
    return hosts->count > 0;
}

/* What the root says is for others, too. */
void marks_check(const struct spot *spot, const struct backend_options *backend)
{
    static const char *const keys[] = {"dscp", "mark"};
    const struct node *block = component_find(backend->extra_config, "holdfast/upstream");

    for (size_t i = 0; block && are_unix(&backend->host) && i < COUNT_OF(keys); i++) {
        const struct node *node = node_member(block, str_from(keys[i]));

        if (node && node_is_given(node))
            report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node->place, "remove it",
                       "%sextra_config.holdfast/upstream.%s: has no effect: Unix sockets have no packets", spot->prefix,
                       keys[i]);
    }
}
