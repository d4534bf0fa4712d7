/* sock_diag.c: see the header. Start with sock_diag_look. SPDX-License-Identifier: Apache-2.0 */
#include "os/sock_diag.h"

#include "os/linux_internal.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32768, PATIENCE_SECONDS = 1 };

struct asking {
    int fd;
    const struct sock_diag_wish *wish;
    void (*see)(void *arg, enum tcp_state state, const struct addr *ours, const struct addr *peer);
    void *arg;
    uint8_t answer[ANSWER_BYTES];
};

/* One test is two operations, of which the second holds the port. `yes` and `no` are how many bytes further it goes on:
 * a connection is told of when that leads to the end, and not when it leads behind it (net/ipv4/inet_diag.c). Two tests
 * of the peer's port, a jump to the end, two tests of ours. */
enum {
    OP_BYTES = sizeof(struct inet_diag_bc_op),
    TEST_BYTES = 2 * OP_BYTES,
    TESTS_BYTES = 2 * TEST_BYTES,
    OPS = 2 * TESTS_BYTES / OP_BYTES + 1,
};

static bool ask(const struct asking *asking, uint8_t family, struct error *err)
{
    const struct port_range *peers = &asking->wish->peers, *ours = &asking->wish->ours;
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
        struct nlattr filter;
        struct inet_diag_bc_op ops[OPS];
    } message = {
        .filter = {.nla_len = sizeof(message.filter) + sizeof(message.ops), .nla_type = INET_DIAG_REQ_BYTECODE},
        .ops = {{.code = INET_DIAG_BC_D_GE, .yes = TEST_BYTES, .no = TESTS_BYTES + OP_BYTES},
                {.no = peers->min},
                {.code = INET_DIAG_BC_D_LE, .yes = TEST_BYTES, .no = TEST_BYTES + OP_BYTES},
                {.no = peers->max},
                {.code = INET_DIAG_BC_JMP, .yes = OP_BYTES, .no = OP_BYTES + TESTS_BYTES},
                {.code = INET_DIAG_BC_S_GE, .yes = TEST_BYTES, .no = TESTS_BYTES + OP_BYTES},
                {.no = ours->min},
                {.code = INET_DIAG_BC_S_LE, .yes = TEST_BYTES, .no = TEST_BYTES + OP_BYTES},
                {.no = ours->max}},
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = asking->wish->states},
    };

    return send(asking->fd, &message, sizeof(message), 0) == (ssize_t)sizeof(message) ||
           error_set_system(err, errno, "sock_diag");
}

/* Ports and addresses are in network order. */
static struct addr addr_of(uint8_t family, const uint32_t ip[4], uint16_t port)
{
    union sockaddr_any name;

    memset(&name, 0, sizeof(name));
    name.any.sa_family = family;
    if (family == AF_INET) {
        memcpy(&name.ipv4.sin_addr, ip, sizeof(name.ipv4.sin_addr));
        name.ipv4.sin_port = port;
        return sockaddr_to_addr(&name, sizeof(name.ipv4));
    }
    memcpy(&name.ipv6.sin6_addr, ip, sizeof(name.ipv6.sin6_addr));
    name.ipv6.sin6_port = port;
    return sockaddr_to_addr(&name, sizeof(name.ipv6));
}

static void show(const struct asking *asking, const uint8_t *body, size_t size)
{
    struct inet_diag_msg told;
    struct addr ours, peer;

    if (size < sizeof(told))
        return;
    memcpy(&told, body, sizeof(told));
    if (told.idiag_state >= 32 || !(asking->wish->states >> told.idiag_state & 1))
        return;
    ours = addr_of(told.idiag_family, told.id.idiag_src, told.id.idiag_sport);
    peer = addr_of(told.idiag_family, told.id.idiag_dst, told.id.idiag_dport);
    asking->see(asking->arg, (enum tcp_state)told.idiag_state, &ours, &peer);
}

enum answer { ANSWER_GOES_ON, ANSWER_ENDS, ANSWER_FAILED };

static enum answer read_error(const uint8_t *body, size_t size, struct error *err)
{
    struct nlmsgerr told = {.error = -EPROTO};

    if (size >= sizeof(told))
        memcpy(&told, body, sizeof(told));
    error_set_system(err, -told.error, "sock_diag");
    return ANSWER_FAILED;
}

/* One datagram, of several messages. */
static enum answer read_messages(const struct asking *asking, size_t size, struct error *err)
{
    size_t at = 0;

    while (at + sizeof(struct nlmsghdr) <= size) {
        const uint8_t *body = asking->answer + at + sizeof(struct nlmsghdr);
        struct nlmsghdr header;

        memcpy(&header, asking->answer + at, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at)
            break;
        if (header.nlmsg_type == NLMSG_DONE)
            return ANSWER_ENDS;
        if (header.nlmsg_type == NLMSG_ERROR)
            return read_error(body, header.nlmsg_len - sizeof(header), err);
        show(asking, body, header.nlmsg_len - sizeof(header));
        at += NLMSG_ALIGN(header.nlmsg_len);
    }
    return ANSWER_GOES_ON;
}

static bool read_answer(struct asking *asking, struct error *err)
{
    enum answer answer = ANSWER_GOES_ON;

    while (answer == ANSWER_GOES_ON) {
        ssize_t size = recv(asking->fd, asking->answer, sizeof(asking->answer), 0);

        if (size == -1 && errno == EINTR)
            continue;
        if (size <= 0)
            return error_set_system(err, size == 0 ? EPROTO : errno, "sock_diag");
        answer = read_messages(asking, (size_t)size, err);
    }
    return answer == ANSWER_ENDS;
}

bool sock_diag_look(const struct sock_diag_wish *wish,
                    void (*see)(void *arg, enum tcp_state state, const struct addr *ours, const struct addr *peer),
                    void *arg, struct error *err)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    struct asking asking = {.wish = wish, .see = see, .arg = arg};
    bool ok = true;

    asking.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (asking.fd == -1)
        return error_set_system(err, errno, "sock_diag");
    /* Without it a kernel that says nothing would be waited for; none is known. */
    (void)setsockopt(asking.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    for (size_t i = 0; ok && i < COUNT_OF(families); i++)
        ok = ask(&asking, families[i], err) && read_answer(&asking, err);
    close(asking.fd);
    return ok;
}
