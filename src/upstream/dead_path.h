/* dead_path.h: does the path to a host still carry bytes? A firewall or a NAT that has forgotten a connection, and a
 * host that has vanished, are silent: no FIN, no RST. The kernel knows sooner than any time-out of HTTP, since what was
 * sent stays unacknowledged and is sent again.
 *
 * An engine: it is told what looks at connections under way have found (flight.h), and says what to believe.
 *   - One connection alone is dead after two time-outs of TCP in a row, the second of which has had time to be
 *     answered. Other connections to the host may be well: a middlebox has forgotten this one. The idle age that it had
 *     is the wall: none that is idle for 60 % of it is used again.
 *   - Two at once need one retransmission each, while nothing was heard from the host: then the whole path is suspect,
 *     and no connection that was idle at that moment is used again. A dial without an answer counts as one of them.
 *     What else is under way there needs no doubt of its own any more: a round trip without an answer is enough.
 *   - Where retransmissions are ordinary, because the path loses segments, both take one time-out more.
 * The first retransmission of a request is the kernel's tail loss probe (RFC 8985 7), which no count of time-outs
 * shows: that data was sent after the request, and some of it again, does. Missing acknowledgements may have been lost
 * on their way back: a dead path proves nothing about what the host has done (keepalive F-9). Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_DEAD_PATH_H
#define HOLDFAST_UPSTREAM_DEAD_PATH_H

#include "base/compiler.h"
#include "os/world.h"

#include <stdatomic.h>

/* No settings: they follow from the kernel's clocks, and what five per cent of loss at 300 ms bears. How long what was
 * sent may stay unacknowledged in the end is tcp_user_timeout. */
#define PATH_FIRST_LOOK_NS   UINT64_C(215000000)    /* the kernel's shortest time-out is 200 ms */
#define PATH_DIAL_LOOK_NS    UINT64_C(200000000)    /* a dial tells nothing before */
#define PATH_WALL_MIN_NS     UINT64_C(1000000000)   /* a younger victim tells of no wall */
#define PATH_WALL_KEEP_NS    UINT64_C(600000000000) /* doubles each time the wall is met again */
#define PATH_SUSPECT_KEEP_NS UINT64_C(10000000000)
#define PATH_LOSS_WINDOW_NS  UINT64_C(60000000000)

/* Of one host; zeroed: nothing is known. What each request reads stands first. */
struct path {
    _Atomic uint64_t condemned_ns;  /* what was idle then is not used again; 0: never happened */
    _Atomic uint64_t suspect_ns;    /* since when the whole path is; 0: it is not */
    _Atomic uint64_t wall_ns;       /* idle age of the youngest victim; 0: none is known */
    _Atomic uint64_t heard_ns;      /* the last sign of life that a look or a dial found */
    _Atomic bool untold;            /* the path is suspect, and nobody has told the others who wait for the host */
    _Atomic uint64_t wall_until_ns; /* when it is forgotten */
    _Atomic uint32_t wall_hits;
    _Atomic uint32_t doubtful; /* connections now whose retransmission was not answered either, and dials */
    _Atomic uint64_t rtt_ns;   /* of the last look; 0: never connected */
    _Atomic uint32_t losses;   /* retransmissions that were acknowledged, in the window */
    _Atomic uint64_t losses_since_ns;
    _Atomic uint64_t dead, suspected; /* connections given up, times the whole path was */
};

/* Of one connection under way; zeroed at the start. */
struct path_doubt {
    uint64_t since_ns;       /* when a retransmission was first seen; 0: none */
    uint64_t bytes_acked;    /* then */
    uint32_t retransmits;    /* time-outs at the last look */
    bool counted;            /* among path->doubtful */
    uint64_t probe_until_ns; /* of a dial that began on a suspect path; else 0 */
};

struct path_flight {
    uint64_t now_ns, sent_at_ns;
    uint64_t idle_ns;     /* how long the connection had been idle before; 0: it is fresh */
    uint64_t answered_ns; /* when the host last answered any request; 0: never */
    struct tcp_facts facts;
};

enum path_verdict {
    PATH_FINE, /* all was acknowledged: no more looks are needed */
    PATH_WAIT, /* look again at *next_ns */
    PATH_DEAD,
};

enum path_verdict path_look(struct path *path, struct path_doubt *doubt, const struct path_flight *flight,
                            uint64_t *next_ns);

/* A dial to the host begins, which takes about dial_ns when all is well. Gives when it is looked at first. On a suspect
 * path soon: it asks whether that is still silent. */
uint64_t path_dial_begin(const struct path *path, struct path_doubt *doubt, uint64_t dial_ns, uint64_t now_ns);

/* Is the path silent, and has a dial that asks whether it still is had its time? For those who wait for one of others,
 * too, and are no witnesses. */
bool path_gives_dial_up(const struct path *path, const struct path_doubt *doubt, uint64_t now_ns);

/* A dial that has had no answer yet: the second witness, where the host had been reached before. PATH_DEAD: the whole
 * path is silent; where it was suspect already when the dial began, that has had its time. */
enum path_verdict path_look_at_dial(struct path *path, struct path_doubt *doubt, uint64_t began_ns,
                                    uint64_t answered_ns, uint64_t now_ns);

/* The path has become suspect: true for one of all who ask, who then tells everybody that waits for the host. */
bool path_take_news(struct path *path);

/* Once for each flight or dial, when it is over. `heard`: the host has answered, or the dial
 * has come through. */
void path_over(struct path *path, struct path_doubt *doubt, bool heard, uint64_t now_ns);

/* A connection to the host was made. True: until now the path was suspect. */
bool path_connected(struct path *path, uint64_t now_ns);

/* How long a round trip takes, as the kernel has measured it. */
void path_note_rtt(struct path *path, uint64_t rtt_ns);

bool path_is_suspect(const struct path *path, uint64_t now_ns);
/* ... and has been found so since that moment. */
bool path_fell_silent(const struct path *path, uint64_t since_ns, uint64_t now_ns);

/* Is a connection, idle since then, of a path that was found dead? */
bool path_forbids(const struct path *path, uint64_t idle_since_ns, uint64_t now_ns);

/* How long connections may be idle, as far as middleboxes go; UINT64_MAX: any time. */
uint64_t path_idle_max_ns(const struct path *path, uint64_t now_ns);

#endif
