/* port_watch.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "app/port_watch.h"

#include "upstream/time_wait.h"

void port_watch_look(struct port_watch *watch, uint64_t now_ns, bool dials)
{
    if (dials)
        time_wait_look(watch->hosts);
    hosts_sweep(watch->hosts, &watch->rule, now_ns);
}
