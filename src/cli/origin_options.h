/* origin_options.h: what a test origin does wrong, and when. Filled from a command line by origin_options.c, or by
 * hand. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_OPTIONS_H
#define HOLDFAST_CLI_ORIGIN_OPTIONS_H

#include "base/rng.h"
#include "base/str.h"

struct origin_ledger;

/* How a connection ends when a limit is up. */
enum origin_end {
    ORIGIN_END_CLOSE, /* at once and for both directions: a request that comes now is answered by a reset */
    ORIGIN_END_HALF,  /* FIN only: a request that comes now is read and counted, then everything is closed */
    ORIGIN_END_RESET, /* RST */
};

/* Which requests a fault hits; zero: none. */
struct origin_when {
    uint32_t per_million; /* by chance */
    uint64_t first;       /* by schedule, counted from 1 over all connections of one thread: this one, ... */
    uint64_t every;       /* ... and each so many behind it; 0: no schedule */
};

/* A time, or an even share between two. */
struct origin_span {
    uint64_t min_ns, max_ns; /* max 0: none */
};

struct origin_options {
    struct origin_span close_idle_after; /* closes kept connections that are idle for so long */
    struct origin_span close_age;        /* closes at this age, behind the answer under way */
    uint32_t close_after_requests;       /* closes after so many; 0: never */
    bool unannounced;                    /* the last of so many answers does not say so */
    enum origin_end close_by;            /* how the three above, and `cut`, end a connection */
    bool keep_alive_header;              /* announces its limits: Keep-Alive: timeout=, max= */
    uint64_t delay_ns, jitter_ns;        /* before each answer: delay and an even share of jitter */

    struct origin_when reset;   /* RST instead of an answer, when the request is read */
    struct origin_when hang_up; /* FIN instead of an answer, when the request is read */
    struct origin_when silence; /* neither answer nor end */
    struct origin_when cut;     /* ends inside the answer, behind cut_after bytes of it, its head included */
    struct origin_when slow;    /* the answer comes with bytes_per_second */
    struct origin_when late;    /* the answer comes late_ns later, whether or not somebody still waits */
    struct origin_when stray;   /* bytes nobody asked for, 1 ms behind the answer */
    uint64_t cut_after, bytes_per_second, late_ns;

    bool shared;                  /* more origins of this process will listen on the same address */
    struct origin_ledger *ledger; /* counts executions and is shown at /ledger; borrowed, NULL: none */
};

/* What befalls one request. */
struct origin_plan {
    bool reset, hang_up, silence, cut, slow, late, stray;
};

/* "0.02" (a share of requests, 0 to 1), "every:100", "from:50", "at:7". False: none of these. */
bool origin_when_parse(struct str text, struct origin_when *when) MUST_USE;
bool origin_when_hits(const struct origin_when *when, uint64_t request, struct rng *rng);

/* "3ms" or "5ms-30ms". False: neither. */
bool origin_span_parse(struct str text, struct origin_span *span) MUST_USE;
uint64_t origin_span_pick(const struct origin_span *span, struct rng *rng);

/* Throws the dice for the request of that number. */
struct origin_plan origin_plan_for(const struct origin_options *options, uint64_t request, struct rng *rng);

/* The flags of the command, as typed; NULL: not given. */
struct origin_values {
    const char *listen, *close_idle_after, *close_age, *close_by, *delay, *jitter, *late_by;
    const char *reset, *hang_up, *silence, *cut, *slow, *late, *stray;
    int64_t close_after_requests, threads, cut_after, bytes_per_second;
    bool unannounced, keep_alive_header, stray_bytes;
};

/* False: what is wrong was printed on standard error. */
bool origin_options_read(const struct origin_values *values, struct origin_options *options) MUST_USE;

#endif
