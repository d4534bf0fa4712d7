/* budget.h: descriptors of the process and local ports towards a host are finite. Near the end the answer is graded:
 *
 *   warn      one line in the log
 *   stretch   what is idle is used by requests that would rather not, oldest idle connections make room, and a request
 *             waits a moment for a connection before it dials
 *   shed      no new connection: the request waits in the queue, and fails as pressure_fd or pressure_port (503)
 *
 * Descriptors: 80, 90 and 100 % of the soft limit less a reserve. Ports: 70, 85 and 95 % of ip_local_port_range for
 * each host, with all its pools, taken by open connections and by those in TIME_WAIT that do not yield theirs
 * (time_wait.h); what we close in a quiet state leaves none (http/h1/client.c). When the system refuses a port all the
 * same (others use them too), the host is shed for a moment. Any thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_BUDGET_H
#define HOLDFAST_UPSTREAM_BUDGET_H

#include "base/compiler.h"

#include <stdatomic.h>

#define BUDGET_REFUSED_NS UINT64_C(200000000) /* how long a refusal of the system is believed */
enum { BUDGET_RESERVE_MIN = 8, BUDGET_RESERVE_MAX = 256 };

enum pressure { PRESSURE_NONE, PRESSURE_WARN, PRESSURE_STRETCH, PRESSURE_SHED };

/* Of the process; zeroed: nothing is limited. */
struct budget {
    _Atomic int64_t sockets; /* open in all worlds of the workers (struct world) */
    uint64_t files_base;     /* open besides */
    uint64_t files_max;      /* the limit less the reserve; 0: not watched */
    uint64_t files_limit;
    uint64_t ports_max; /* 0: not watched */
    _Atomic uint64_t files_refused_until_ns;
    _Atomic bool files_told;
    _Atomic uint64_t evictions;       /* idle connections closed to make room */
    _Atomic unsigned memory_permille; /* in use of the memory that there is; 0: not known (app/memory_watch.h) */
};

enum { PORT_PEERS = 8 };

/* Of one host. */
struct port_budget {
    _Atomic uint64_t peers[PORT_PEERS]; /* where its last connections went, as time_wait.h has it; 0: none */
    _Atomic uint32_t next_peer;
    _Atomic uint32_t time_waits; /* to these, by the last sample */
    _Atomic uint32_t blocked;    /* of them, those whose port nobody else can have */
    _Atomic uint64_t refused_until_ns;
    _Atomic bool told;
    _Atomic uint64_t sheds_by_fd, sheds_by_port; /* requests */
};

/* Before the workers start. `open`: descriptors that are open now. 0: not known. */
void budget_limit(struct budget *budget, uint64_t files_limit, uint64_t open, uint64_t ports);

uint64_t budget_files_used(const struct budget *budget);
enum pressure budget_files(const struct budget *budget, uint64_t now_ns);
/* `open`: connections to the host. */
enum pressure budget_ports(const struct budget *budget, const struct port_budget *ports, uint32_t open,
                           uint64_t now_ns);

/* Is it news that there is pressure? True once, until it has gone down to NONE. */
bool budget_is_news(_Atomic bool *told, enum pressure pressure);

void budget_files_refused(struct budget *budget, uint64_t now_ns);
void budget_port_refused(struct port_budget *ports, uint64_t now_ns);

#endif
