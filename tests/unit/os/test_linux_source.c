/* test_linux_source.c: connections with a source address of our choice. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"

#include <netinet/in.h>
#include <sys/socket.h>

TEST(a_source_address_is_what_the_peer_sees)
{
    static const struct addr source = {.family = ADDR_IPV4, .ip = {127, 0, 0, 2}};
    struct loopback loopback;
    struct watch watch;
    struct addr local, seen;
    struct error err;
    int server, late = 0;
    socklen_t size = sizeof(late);

    loopback_open(&loopback);
    watch = (struct watch){.fd = loopback.world->ops->socket(
                               loopback.world, &(struct socket_options){.family = ADDR_IPV4, .source = source}, &err)};
    CHECK(watch.fd != -1);
    CHECK_INT(getsockopt(watch.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, &size), 0);
    CHECK_INT(late, 1);
    CHECK(loopback.world->ops->local_addr(loopback.world, watch.fd, &local));
    CHECK_EQ(local.port, 0); /* the port is taken for one peer only, when it connects */
    CHECK(loopback.world->ops->connect(loopback.world, watch.fd, &loopback.addr, &err) != IO_FAIL);
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    await_bits(loopback.world, &watch, READY_WRITE);
    CHECK_EQ(loopback.world->ops->accept(loopback.world, loopback.listen_fd, &server, &seen, &err), IO_OK);
    CHECK(memcmp(seen.ip, source.ip, 4) == 0);
    CHECK(seen.port != 0);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, watch.fd);
    loopback.world->ops->close(loopback.world, server);
    loopback_close(&loopback);
}

TEST(a_source_address_of_another_machine_is_refused)
{
    static const struct addr other = {.family = ADDR_IPV4, .ip = {192, 0, 2, 1}}; /* RFC 5737 */
    static const struct addr ours = {.family = ADDR_IPV4, .ip = {127, 0, 0, 2}};
    struct loopback loopback;
    struct error err;

    loopback_open(&loopback);
    CHECK(source_is_ours(&ours, &err));
    CHECK(!source_is_ours(&other, &err));
    CHECK_EQ(loopback.world->ops->socket(loopback.world, &(struct socket_options){.family = ADDR_IPV4, .source = other},
                                         &err),
             -1);
    CHECK_EQ(err.code, ERROR_OUT_OF_PORTS);
    CHECK_EQ(err.fault, FAULT_SYSTEM);
    loopback_close(&loopback);
}
