/* test_linux_marks.c: DSCP and mark of connections: what their sockets have, what arrives at the peer, and who may not
 * set them. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/thread.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    CHECK(getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

TEST(a_dscp_is_in_the_upper_six_bits_of_both_families)
{
    static const struct {
        enum addr_family family;
        uint8_t dscp;
        int tos, traffic_class;
    } cases[] = {{ADDR_IPV4, 0, 0, -1},    {ADDR_IPV4, 1, 4, -1},     {ADDR_IPV4, 46, 184, -1},
                 {ADDR_IPV4, 63, 252, -1}, {ADDR_IPV6, 46, 184, 184}, {ADDR_IPV6, 63, 252, 252},
                 {ADDR_UNIX, 46, -1, -1}};
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct socket_options options = {.family = cases[i].family, .marks = {.dscp = cases[i].dscp}};
        int fd = world->ops->socket(world, &options, &err);

        test_case_is("row %zu", i);
        if (fd == -1 && options.family == ADDR_IPV6 && err.code == ERROR_ADDRESS_INVALID)
            continue; /* a kernel without IPv6 */
        CHECK(fd != -1);
        if (cases[i].tos >= 0) /* of IPv6 too: the peer may be an IPv4 address in it */
            CHECK_INT(option_of(fd, IPPROTO_IP, IP_TOS), cases[i].tos);
        if (cases[i].traffic_class >= 0)
            CHECK_INT(option_of(fd, IPPROTO_IPV6, IPV6_TCLASS), cases[i].traffic_class);
        world->ops->close(world, fd);
    }
    linux_world_free(world);
}

/* What the kernel tells of the packets that have arrived at a connection. */
static int arrived_tos(int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int)) * 4];
        struct cmsghdr aligned;
    } room;
    struct msghdr message = {.msg_control = room.bytes};
    socklen_t size = sizeof(room);
    int on = 1, tos = -1;

    CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) == 0);
    CHECK(getsockopt(fd, IPPROTO_IP, IP_PKTOPTIONS, room.bytes, &size) == 0);
    message.msg_controllen = size;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each))
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TOS)
            memcpy(&tos, CMSG_DATA(each), sizeof(tos));
    return tos;
}

TEST(a_dscp_arrives_at_the_peer)
{
    struct loopback loopback;
    struct watch watch;
    struct addr seen;
    struct error err;
    int server;

    loopback_open(&loopback);
    watch =
        (struct watch){.fd = loopback.world->ops->socket(
                           loopback.world, &(struct socket_options){.family = ADDR_IPV4, .marks = {.dscp = 34}}, &err)};
    CHECK(watch.fd != -1);
    CHECK(loopback.world->ops->connect(loopback.world, watch.fd, &loopback.addr, &err) != IO_FAIL);
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    await_bits(loopback.world, &watch, READY_WRITE);
    CHECK_EQ(loopback.world->ops->accept(loopback.world, loopback.listen_fd, &server, &seen, &err), IO_OK);
    CHECK_INT(arrived_tos(server), 34 << 2);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, watch.fd);
    loopback.world->ops->close(loopback.world, server);
    loopback_close(&loopback);
}

TEST(a_mark_is_set_whole_or_refused)
{
    static const uint32_t marks[] = {1, 0x7fffffff, 0x80000000, UINT32_MAX};
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        struct socket_options options = {.family = ADDR_IPV4, .marks = {.mark = marks[i]}};
        bool allowed = marks_are_allowed(&options.marks, &err);
        int fd = world->ops->socket(world, &options, &err);

        test_case_is("mark %u", marks[i]);
        CHECK_INT(fd != -1, allowed);
        if (fd == -1)
            continue; /* without the capability: below */
        CHECK_EQ((uint32_t)option_of(fd, SOL_SOCKET, SO_MARK), marks[i]);
        world->ops->close(world, fd);
    }
    linux_world_free(world);
}

struct powerless {
    struct world *world;
    bool dropped, dscp_allowed, mark_allowed;
    int marked, plain;
    struct error refused, at_socket;
};

/* The capabilities of Linux are each thread's. */
static void run_powerless(void *arg)
{
    struct powerless *powerless = arg;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    struct socket_options options = {.family = ADDR_IPV4, .marks = {.mark = 7}};
    struct error err;

    powerless->dropped = syscall(SYS_capset, &header, none) == 0;
    powerless->dscp_allowed = marks_are_allowed(&(struct packet_marks){.dscp = 63}, &err);
    powerless->mark_allowed = marks_are_allowed(&options.marks, &powerless->refused);
    powerless->marked = powerless->world->ops->socket(powerless->world, &options, &powerless->at_socket);
    options.marks = (struct packet_marks){0};
    powerless->plain = powerless->world->ops->socket(powerless->world, &options, &err);
}

TEST(a_mark_needs_a_capability_and_is_never_left_out)
{
    struct error err;
    struct powerless powerless = {.world = linux_world_new(&err)};
    struct thread *thread;

    CHECK(powerless.world != NULL);
    thread = thread_start("powerless", -1, run_powerless, &powerless, &err);
    CHECK(thread != NULL);
    thread_join(thread);
    CHECK(powerless.dropped);
    CHECK(powerless.dscp_allowed);
    CHECK(!powerless.mark_allowed);
    CHECK_EQ(powerless.refused.code, ERROR_PERMISSION);
    CHECK_CSTR(powerless.refused.text, "mark 7: this process lacks CAP_NET_ADMIN");
    CHECK_INT(powerless.marked, -1);
    CHECK_EQ(powerless.at_socket.code, ERROR_PERMISSION);
    CHECK_EQ(powerless.at_socket.fault, FAULT_SYSTEM);
    CHECK(powerless.plain != -1);
    powerless.world->ops->close(powerless.world, powerless.plain);
    linux_world_free(powerless.world);
}
