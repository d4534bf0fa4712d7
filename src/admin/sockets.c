/* sockets.c: see the header. The kernel tells of the whole network namespace, so a connection is a client's when our
 * end is a listener's address, and a host's when its other end is where connections to a host went lately
 * (time_wait.h); another program's connections to the same place are counted with them. Start with
 * sockets_write_metrics. SPDX-License-Identifier: Apache-2.0 */
#include "admin/sockets.h"

#include "admin/metrics_text.h"
#include "base/log.h"
#include "os/kernel.h"
#include "os/sock_diag.h"
#include "upstream/time_wait.h"

#include <assert.h>

enum { OF_CLIENTS, OF_HOSTS, SIDES };
static const char *const sides[SIDES] = {"client", "host"};

static const enum tcp_state states[] = {TCP_STATE_ESTABLISHED, TCP_STATE_FIN_WAIT2, TCP_STATE_TIME_WAIT,
                                        TCP_STATE_CLOSE_WAIT};
static const char *const state_names[] = {"established", "fin_wait2", "time_wait", "close_wait"};
enum { STATES = COUNT_OF(states) };
static_assert(COUNT_OF(state_names) == STATES, "a name for each");

struct census {
    const struct admin_view *view;
    struct time_wait_count *hosts; /* NULL: no memory; clients alone */
    uint64_t counts[SIDES][STATES];
};

static size_t listener_count(const struct admin_view *view)
{
    return generation_service(view->generation)->server.listener_count;
}

static bool is_tcp(const struct addr *addr)
{
    return addr->family == ADDR_IPV4 || addr->family == ADDR_IPV6;
}

/* All addresses of the machine: "::" takes IPv4 too. */
static bool is_any(const struct addr *addr)
{
    static const uint8_t zeros[sizeof(addr->ip)];

    return memcmp(addr->ip, zeros, addr->family == ADDR_IPV4 ? 4 : sizeof(zeros)) == 0;
}

static bool is_of_listener(const struct admin_view *view, const struct addr *ours)
{
    for (size_t i = 0; i < listener_count(view); i++) {
        const struct addr *addr = &view->listeners[i].addr;

        if (is_tcp(addr) && addr->port == ours->port && (is_any(addr) || addr_eq_ip(addr, ours)))
            return true;
    }
    return false;
}

static void see(void *arg, enum tcp_state state, const struct addr *ours, const struct addr *peer)
{
    struct census *census = arg;
    uint64_t *counts = NULL;

    if (is_of_listener(census->view, ours))
        counts = census->counts[OF_CLIENTS];
    else if (census->hosts && time_wait_leads(census->hosts, ours, peer))
        counts = census->counts[OF_HOSTS];
    for (size_t i = 0; counts && i < STATES; i++)
        counts[i] += states[i] == state;
}

static void set_ports(const struct admin_view *view, struct port_range *ports)
{
    *ports = (struct port_range){.min = UINT16_MAX};
    for (size_t i = 0; i < listener_count(view); i++) {
        const struct addr *addr = &view->listeners[i].addr;

        if (!is_tcp(addr))
            continue;
        ports->min = addr->port < ports->min ? addr->port : ports->min;
        ports->max = addr->port > ports->max ? addr->port : ports->max;
    }
}

static bool count(struct census *census)
{
    struct sock_diag_wish wish = {.peers = {.min = 1}};
    struct error err;

    set_ports(census->view, &wish.ours);
    if (census->hosts && !time_wait_ports(census->hosts, &wish.peers.min, &wish.peers.max))
        wish.peers = (struct port_range){.min = 1};
    for (size_t i = 0; i < STATES; i++)
        wish.states |= 1u << states[i];
    if (sock_diag_look(&wish, see, census, &err))
        return true;
    LOG(LOG_DEBUG, "SERVICE: Admin", "TCP connections cannot be counted by state: %s", err.text);
    return false;
}

static void write_memory(struct json_writer *writer)
{
    uint64_t bytes;

    metrics_family(writer, "holdfast_tcp_memory_bytes", "gauge",
                   "What the kernel holds for all TCP connections of the machine.");
    if (kernel_tcp_memory_read(&bytes))
        metrics_sample(writer, "holdfast_tcp_memory_bytes", NULL, 0, bytes);
}

/* No sample when the kernel does not tell. */
void sockets_write_metrics(struct json_writer *writer, const struct admin_view *view)
{
    struct census census = {.view = view, .hosts = time_wait_begin(view->hosts, TIME_WAIT_YIELDS)};
    bool known = count(&census);

    metrics_family(writer, "holdfast_tcp_sockets", "gauge", "TCP connections as the kernel has them, by state.");
    for (size_t side = 0; known && side < SIDES; side++)
        for (size_t i = 0; i < STATES; i++) {
            struct label labels[] = {{"state", str_from(state_names[i])}, {"side", str_from(sides[side])}};

            metrics_sample(writer, "holdfast_tcp_sockets", labels, COUNT_OF(labels), census.counts[side][i]);
        }
    time_wait_drop(census.hosts);
    write_memory(writer);
}
