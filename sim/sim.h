/* sim.h: a simulated world: machines, a network, names and a clock, all decided by one seed.
 *
 * Everything above os/ runs in it unchanged, as it gets its time, randomness and sockets through struct world. Many
 * loops run in one thread; the seed decides which goes next, how long packets take and what goes wrong. The same seed
 * gives the same run, packet for packet (sim_trace_hash). Linked by tests only.
 *
 *   struct sim *sim = sim_new(seed);
 *   struct loop *origin = sim_loop_new(sim, "origin"), *gateway = sim_loop_new(sim, "gateway");
 *   ... listeners, dials, peers (sim/peers.h) on these loops ...
 *   sim_fault(sim, "origin", SIM_FAULT_RESET, 1000);
 *   if (!sim_run(sim, all_answered, &scenario, 60 * SIM_SECOND))
 *       sim_fail(sim, "not all were answered: %s", sim_verdict(sim));
 *
 * TCP is modelled as programs can see it: handshake, delay and order of each direction, bounded buffers on both sides,
 * acknowledgements, half-close, FIN, RST and what it destroys, and edge-triggered readiness as epoll reports it. Lost
 * packets come later, as TCP sends them again. There is no bandwidth. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_SIM_SIM_H
#define HOLDFAST_SIM_SIM_H

#include "os/loop.h"

#define SIM_MS     UINT64_C(1000000)
#define SIM_SECOND UINT64_C(1000000000)

struct sim;
struct resolver;

/* When the seed is odd its machines have booted within the last second, else 500 days ago. Never fails: without memory
 * the test ends. */
struct sim *sim_new(uint64_t seed);

/* All loops and other users of its worlds must be gone. NULL is fine. */
void sim_free(struct sim *sim);

uint64_t sim_seed(const struct sim *sim);
uint64_t sim_now_ns(const struct sim *sim);
struct rng *sim_rng(struct sim *sim); /* for choices of scenarios; part of what the seed decides */

/* Machines. The first use of a name makes one; further calls give it another worker (a world of its own, on the same
 * addresses and descriptors). Machine n has the addresses 10.0.0.n and fd00::n, and its name resolves to both. */
struct world *sim_host(struct sim *sim, const char *name);
struct addr sim_addr(struct sim *sim, const char *host, uint16_t port); /* IPv4 */
struct addr sim_addr_ipv6(struct sim *sim, const char *host, uint16_t port);

/* Loops that sim_run turns. sim_loop_new makes a world and a loop on it; sim_add_loop takes one that was made elsewhere
 * on a world of sim_host. Freeing: sim_loop_free for the first, sim_remove_loop before loop_free for the second. */
struct loop *sim_loop_new(struct sim *sim, const char *host);
void sim_loop_free(struct sim *sim, struct loop *loop);
void sim_add_loop(struct sim *sim, struct loop *loop);
void sim_remove_loop(struct sim *sim, struct loop *loop);

/* Turns the loops until done(arg) is true. False: stuck (nobody waits for anything that will come) or out of time,
 * which is limit_ns of simulated time from now; sim_verdict tells which. done may be NULL: runs until stuck or out of
 * time.
 *
 * Without sim_run, a single loop may be turned by hand: its wait moves the clock by itself. */
bool sim_run(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t limit_ns);
const char *sim_verdict(const struct sim *sim); /* "done", "stuck" or "out of time" */

/* Lets time pass and packets arrive without turning any loop. */
void sim_pass(struct sim *sim, uint64_t duration_ns);

/* check(arg) runs after each turn of a loop inside sim_run, and calls sim_fail when something is not as it must be. */
void sim_add_check(struct sim *sim, void (*check)(void *arg), void *arg);

/* Links. Each packet takes delay_ns and up to jitter_ns more; order within a connection and direction stays. A lost one
 * comes 200 ms later. Unset: 100 us and 50 us between machines, 5 us within one. */
struct sim_link {
    uint64_t delay_ns, jitter_ns;
    uint32_t loss_per_million;
};
void sim_link(struct sim *sim, const char *a, const char *b, struct sim_link link);

enum sim_fault {
    SIM_FAULT_SHORT_READ,       /* a segment goes out as a small one, so that data comes in pieces */
    SIM_FAULT_SHORT_WRITE,      /* a write takes a part of what there is room for */
    SIM_FAULT_RESET,            /* instead of a segment, both sides get an RST */
    SIM_FAULT_OUT_OF_FILES,     /* socket and accept find no free descriptor */
    SIM_FAULT_REFUSE,           /* a connection to this machine is refused */
    SIM_FAULT_BLACK_HOLE,       /* a connection to this machine is never answered */
    SIM_FAULT_SPURIOUS_WAKE,    /* a wait also reports a watch that has no news */
    SIM_FAULT_RESET_KEEPS_DATA, /* an RST leaves received bytes readable, as Linux does; else it destroys them */
    SIM_FAULT_DNS_FAILS,        /* a query is answered: no such name */
    SIM_FAULT_DNS_SILENT,       /* a query is never answered */
    SIM_FAULT_STALL,            /* a worker gets no processor for up to 5 ms after a turn, whatever it has to do */
    SIM_FAULT_COUNT,
};

/* Sets how often a fault happens on a machine (NULL: on all there are and all to come), for each occasion. */
void sim_fault(struct sim *sim, const char *host, enum sim_fault fault, uint32_t per_million);

/* Exact faults. */
void sim_file_limit(struct sim *sim, const char *host, unsigned files_max); /* default 4096 */
void sim_buffers(struct sim *sim, size_t send_bytes,
                 size_t receive_bytes); /* of sockets made from now on; default 64 KiB */
unsigned sim_files_open(struct sim *sim, const char *host);
struct packet_marks sim_marks(struct world *world, int fd); /* of what arrives at a connection; none once it is dead */
unsigned sim_connects(struct sim *sim, const char *host);   /* connections begun by this machine so far */

/* Names. `addrs` has one space between; NULL: the name is gone. A machine's own name can be set anew too. */
void sim_name(struct sim *sim, const char *name, const char *addrs, uint64_t ttl_ns);
void sim_dns_delay(struct sim *sim, uint64_t delay_max_ns); /* each answer takes up to that; default 5 ms */

/* A resolver (net/resolve.h) for a loop of this sim. The caller's, to be given to resolver_free or resolver_cache_new.
 */
struct resolver *sim_resolver_new(struct sim *sim, struct loop *loop);

/* Trace: lines on stderr when on; the hash covers every packet, wait and transfer in any case. */
void sim_trace(struct sim *sim, bool on);
uint64_t sim_trace_hash(const struct sim *sim);
void sim_say(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3); /* a line of a peer or scenario */

/* Ends the test with a message: by the function that was set (it does not return), else by abort. */
NORETURN void sim_fail(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
void sim_on_fail(struct sim *sim, void (*fail)(void *arg, const char *message), void *arg);

#endif
