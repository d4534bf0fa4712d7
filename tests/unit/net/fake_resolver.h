/* fake_resolver.h: a resolver that answers when and what the test says. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_NET_FAKE_RESOLVER_H
#define HOLDFAST_TESTS_UNIT_NET_FAKE_RESOLVER_H

#include "net/resolve.h"

enum { FAKE_QUERIES_MAX = 64 };

struct fake_resolver {
    struct resolver resolver;
    struct resolve_query *open[FAKE_QUERIES_MAX]; /* asked and not answered; NULL: cancelled */
    unsigned asked, cancelled;
    bool freed;
    bool at_once; /* answers `prepared` inside start */
    struct resolved prepared;
};

void fake_resolver_init(struct fake_resolver *fake, struct loop *loop);

/* Addresses in `text` with one space between. */
struct resolved resolved_of(const char *text, uint64_t ttl_ns);

/* Answers the query `i` (0: the first that was asked). */
void fake_resolver_answer(struct fake_resolver *fake, unsigned i, const struct resolved *answer);
void fake_resolver_fail(struct fake_resolver *fake, unsigned i);

#endif
