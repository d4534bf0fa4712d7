/* resolve_cares.c: c-ares driven by the loop.
 *
 * c-ares opens its own sockets (the one place outside os/ where a library talks to the kernel for us; the simulator has
 * its own resolver). It tells which ones through a callback; each becomes a watch, and a task lets c-ares read and
 * write. Its other callback, the answer, only fills the query and wakes. Start with run_cares.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/cares_srv.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/time.h>

enum {
    NAME_BYTES_MAX = 256, /* more is no host name */
    ROUNDS_MAX = 64,      /* calls for one socket in one run; what is left waits for the next run */
    TRY_MS = 1000,        /* until a server is asked again, doubled each time */
    TRIES = 3,            /* of each server */
};

struct cares {
    struct resolver resolver;
    ares_channel_t *channel;
    struct task task;
    struct timer timer; /* c-ares' own next time-out */
    struct list sockets;
    struct list questions;
    uint64_t limit_ns;
};

/* A socket that c-ares has open. */
struct cares_socket {
    struct list_node node;
    struct watch watch;
    bool wants_write;
};

/* A query on its way through c-ares, which cannot be told to forget it. */
struct question {
    struct list_node node;
    struct cares *cares;
    struct resolve_query *query; /* NULL: cancelled, or for SRV records */
    struct srv_query *srv;       /* NULL: cancelled, or for addresses */
    struct task task;            /* of its limit */
    struct timer limit;
    char name[NAME_BYTES_MAX];
};

static struct cares *cares_of(struct resolver *resolver)
{
    return container_of(resolver, struct cares, resolver);
}

static struct world *world_of(const struct cares *cares)
{
    return loop_world(cares->resolver.loop);
}

static struct cares_socket *find_socket(const struct cares *cares, int fd)
{
    for (struct list_node *node = list_first(&cares->sockets); node; node = list_next(&cares->sockets, node)) {
        struct cares_socket *socket = container_of(node, struct cares_socket, node);

        if (socket->watch.fd == fd)
            return socket;
    }
    return NULL;
}

/* Lets c-ares read until the socket is quiet: the watch is edge-triggered, and c-ares does not say whether it has read
 * all. Looking with peek costs a system call for each answer, which is nothing beside a DNS round trip. */
static void read_socket(struct cares *cares, int fd)
{
    struct cares_socket *socket;

    for (int round = 0; round < ROUNDS_MAX; round++) {
        ares_process_fd(cares->channel, fd, ARES_SOCKET_BAD);
        socket = find_socket(cares, fd); /* c-ares may have closed it */
        if (!socket)
            return;
        if (world_of(cares)->ops->peek(world_of(cares), fd) == IO_WAIT) {
            socket->watch.ready &= (uint8_t)~READY_READ;
            return;
        }
    }
    task_wake(cares->resolver.loop, &cares->task);
}

/* If c-ares still wants to write after it was let, the socket is full: the next edge tells when to go on. */
static void write_socket(struct cares *cares, int fd)
{
    struct cares_socket *socket;

    ares_process_fd(cares->channel, ARES_SOCKET_BAD, fd);
    socket = find_socket(cares, fd);
    if (socket && socket->wants_write)
        socket->watch.ready &= (uint8_t)~READY_WRITE;
}

/* A socket that c-ares should be called for, or NULL. The list changes under our hands, so each search begins anew. */
static struct cares_socket *next_ready(const struct cares *cares)
{
    for (struct list_node *node = list_first(&cares->sockets); node; node = list_next(&cares->sockets, node)) {
        struct cares_socket *socket = container_of(node, struct cares_socket, node);

        if (socket->watch.ready & READY_READ)
            return socket;
        if (socket->wants_write && (socket->watch.ready & READY_WRITE))
            return socket;
    }
    return NULL;
}

static void set_timer(struct cares *cares)
{
    struct timeval room, *next = ares_timeout(cares->channel, NULL, &room);
    uint64_t wait_ns;

    if (!next || list_is_empty(&cares->questions)) {
        timer_clear(cares->resolver.loop, &cares->timer);
        return;
    }
    wait_ns = (uint64_t)next->tv_sec * 1000000000 + (uint64_t)next->tv_usec * 1000;
    /* c-ares counts in milliseconds and may call a time-out due "now" a moment before it is. */
    timer_set(cares->resolver.loop, &cares->timer, loop_now_ns(cares->resolver.loop) + wait_ns + 1000000);
}

static void run_cares(struct task *task)
{
    struct cares *cares = container_of(task, struct cares, task);
    struct cares_socket *socket;

    for (int round = 0; round < ROUNDS_MAX && (socket = next_ready(cares)); round++) {
        int fd = socket->watch.fd;

        if (socket->watch.ready & READY_READ)
            read_socket(cares, fd);
        else
            write_socket(cares, fd);
    }
    if (cares->timer.fired)
        ares_process_fd(cares->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(cares);
}

static void remove_socket(struct cares *cares, struct cares_socket *socket)
{
    loop_unwatch(cares->resolver.loop, &socket->watch);
    list_remove(&cares->sockets, &socket->node);
    free(socket);
}

/* Without a watch the query ends by c-ares' own time-outs; nothing better is possible without memory. */
static struct cares_socket *add_socket(struct cares *cares, int fd)
{
    struct cares_socket *socket = calloc(1, sizeof(*socket));

    if (!socket)
        return NULL;
    socket->watch.fd = fd;
    socket->watch.task = &cares->task;
    if (!loop_watch(cares->resolver.loop, &socket->watch, NULL)) {
        free(socket);
        return NULL;
    }
    list_push_back(&cares->sockets, &socket->node);
    return socket;
}

/* c-ares: "of this socket I want to know ..."; nothing at all means that it is about to close it. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct cares *cares = arg;
    struct cares_socket *socket = find_socket(cares, fd);

    if (!readable && !writable) {
        if (socket)
            remove_socket(cares, socket);
        return;
    }
    if (!socket)
        socket = add_socket(cares, fd);
    if (!socket)
        return;
    socket->wants_write = writable;
    /* The edge may have come before c-ares wanted it. */
    if (writable && (socket->watch.ready & READY_WRITE))
        task_wake(cares->resolver.loop, &cares->task);
}

static bool to_addr(const struct sockaddr *from, struct addr *addr)
{
    memset(addr, 0, sizeof(*addr));
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, from, sizeof(in));
        addr->family = ADDR_IPV4;
        memcpy(addr->ip, &in.sin_addr, 4);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, from, sizeof(in6));
        addr->family = ADDR_IPV6;
        addr->scope = in6.sin6_scope_id;
        memcpy(addr->ip, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

/* The TTL of the whole is that of its shortest-lived address. */
static void copy_answer(struct resolved *answer, const struct ares_addrinfo *info)
{
    int ttl_s = INT32_MAX;

    memset(answer, 0, sizeof(*answer));
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        if (answer->count == RESOLVE_ADDRS_MAX)
            break;
        if (!to_addr(node->ai_addr, &answer->addrs[answer->count]))
            continue;
        answer->count++;
        if (node->ai_ttl < ttl_s)
            ttl_s = node->ai_ttl > 0 ? node->ai_ttl : 0;
    }
    answer->ttl_ns = (uint64_t)ttl_s * 1000000000;
}

static void fail_query(struct resolve_query *query, const char *name, int status)
{
    enum error_code code = status == ARES_ETIMEOUT ? ERROR_RESOLVE_TIMEOUT : ERROR_RESOLVE_FAILED;

    error_set(&query->err, FAULT_UPSTREAM, code, "resolving %s: %s", name, ares_strerror(status));
    query->err.retry_safe = true;
}

static void question_free(struct question *question)
{
    if (!question)
        return;
    if (list_holds(&question->node))
        list_remove(&question->cares->questions, &question->node);
    timer_clear(question->cares->resolver.loop, &question->limit);
    task_forget(question->cares->resolver.loop, &question->task);
    free(question);
}

/* c-ares: the answer, or why there is none. It is called from inside ares_process_fd, ares_getaddrinfo or ares_destroy.
 */
static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *question = arg;
    struct resolve_query *query = question->query;
    struct cares *cares = question->cares;

    (void)timeouts;
    if (query) {
        query->err.fault = FAULT_NONE;
        if (status == ARES_SUCCESS)
            copy_answer(&query->answer, info);
        if (status != ARES_SUCCESS || query->answer.count == 0)
            fail_query(query, question->name, status == ARES_SUCCESS ? ARES_ENODATA : status);
        query->done = true;
        task_wake(cares->resolver.loop, query->task);
    }
    if (info)
        ares_freeaddrinfo(info);
    question_free(question);
}

static void refuse(struct cares *cares, struct resolve_query *query, enum fault fault, enum error_code code,
                   const char *why)
{
    error_set(&query->err, fault, code, "resolving %.*s: %s", STR_ARG(str_first(query->name, NAME_BYTES_MAX)), why);
    query->err.retry_safe = true;
    query->done = true;
    task_wake(cares->resolver.loop, query->task);
}

static void finish_srv(struct cares *cares, struct srv_query *query, int status)
{
    if (status != ARES_SUCCESS)
        error_set(&query->err, FAULT_UPSTREAM, status == ARES_ETIMEOUT ? ERROR_RESOLVE_TIMEOUT : ERROR_RESOLVE_FAILED,
                  "resolving SRV records of %.*s: %s", STR_ARG(str_first(query->name, NAME_BYTES_MAX)),
                  ares_strerror(status));
    query->done = true;
    query->backend = NULL;
    task_wake(cares->resolver.loop, query->task);
}

static void on_srv(void *arg, int status, struct srv_answer *answer)
{
    struct question *question = arg;

    if (question->srv) {
        question->srv->answer = answer;
        finish_srv(question->cares, question->srv, status);
    } else {
        free(answer);
    }
    question_free(question);
}

/* Servers are silent. c-ares goes on for itself: what it still hears is for nobody. */
static void run_limit(struct task *task)
{
    struct question *question = container_of(task, struct question, task);

    if (!question->limit.fired)
        return;
    if (question->query) {
        fail_query(question->query, question->name, ARES_ETIMEOUT);
        question->query->done = true;
        task_wake(question->cares->resolver.loop, question->query->task);
    }
    if (question->srv)
        finish_srv(question->cares, question->srv, ARES_ETIMEOUT);
    question->query = NULL;
    question->srv = NULL;
}

static struct question *question_new(struct cares *cares)
{
    struct question *question = calloc(1, sizeof(*question));

    if (!question)
        return NULL;
    question->cares = cares;
    question->task.run = run_limit;
    question->limit = (struct timer){.at_ns = TIMER_OFF, .task = &question->task};
    return question;
}

static void begin(struct question *question)
{
    struct loop *loop = question->cares->resolver.loop;

    list_push_back(&question->cares->questions, &question->node);
    timer_set(loop, &question->limit, loop_now_ns(loop) + question->cares->limit_ns);
}

static void cares_start_srv(struct resolver *resolver, struct srv_query *query)
{
    struct cares *cares = cares_of(resolver);
    struct question *question = question_new(cares);

    if (!question || query->name.len == 0 || !str_to_cstr(query->name, question->name, sizeof(question->name))) {
        finish_srv(cares, query, question ? ARES_EBADNAME : ARES_ENOMEM);
        question_free(question);
        return;
    }
    query->backend = question;
    question->srv = query;
    begin(question);
    if (!cares_srv_ask(cares->channel, question->name, on_srv, question))
        on_srv(question, ARES_ENOMEM, NULL);
    set_timer(cares);
}

static void cares_cancel_srv(struct resolver *resolver, struct srv_query *query)
{
    struct question *question = query->backend;

    (void)resolver;
    if (!query->done && question)
        question->srv = NULL;
}

static void cares_start(struct resolver *resolver, struct resolve_query *query)
{
    static const struct ares_addrinfo_hints both = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
    struct cares *cares = cares_of(resolver);
    struct question *question = question_new(cares);

    query->done = false;
    query->backend = question;
    if (!question) {
        refuse(cares, query, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory");
        return;
    }
    if (query->name.len == 0 || !str_to_cstr(query->name, question->name, sizeof(question->name))) {
        question_free(question);
        refuse(cares, query, FAULT_UPSTREAM, ERROR_RESOLVE_FAILED, "not a host name");
        return;
    }
    question->query = query;
    begin(question);
    ares_getaddrinfo(cares->channel, question->name, NULL, &both, on_answer, question);
    set_timer(cares);
}

static void cares_cancel(struct resolver *resolver, struct resolve_query *query)
{
    struct question *question = query->backend;

    (void)resolver;
    if (!query->done && question)
        question->query = NULL;
}

static void cares_free(struct resolver *resolver)
{
    struct cares *cares = cares_of(resolver);

    ares_destroy(cares->channel); /* ends all questions and closes all sockets through the callbacks */
    ASSERT(list_is_empty(&cares->questions));
    ASSERT(list_is_empty(&cares->sockets));
    timer_clear(cares->resolver.loop, &cares->timer);
    task_forget(cares->resolver.loop, &cares->task);
    free(cares);
}

static const struct resolver_ops cares_ops = {
    .start = cares_start,
    .cancel = cares_cancel,
    .start_srv = cares_start_srv,
    .cancel_srv = cares_cancel_srv,
    .free = cares_free,
};

struct resolver *resolver_cares_new(struct loop *loop, struct error *err)
{
    struct cares *cares = calloc(1, sizeof(*cares));
    struct ares_options options = {0};
    int status = ARES_ENOMEM;

    if (!cares)
        goto fail;
    cares->resolver = (struct resolver){.ops = &cares_ops, .loop = loop};
    cares->limit_ns = RESOLVE_LIMIT_NS;
    cares->task.run = run_cares;
    cares->timer.task = &cares->task;
    list_init(&cares->sockets);
    list_init(&cares->questions);
    options.sock_state_cb = on_socket;
    options.sock_state_cb_data = cares;
    options.timeout = TRY_MS;
    options.tries = TRIES;
    status = ares_init_options(&cares->channel, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS)
        goto fail;
    return &cares->resolver;
fail:
    free(cares);
    error_set(err, FAULT_SYSTEM, status == ARES_ENOMEM ? ERROR_OUT_OF_MEMORY : ERROR_SYSTEM,
              "starting the resolver: %s", ares_strerror(status));
    return NULL;
}

void resolver_cares_set_limit(struct resolver *resolver, uint64_t limit_ns)
{
    cares_of(resolver)->limit_ns = limit_ns;
}

bool resolver_cares_use_servers(struct resolver *resolver, const char *servers)
{
    return ares_set_servers_ports_csv(cares_of(resolver)->channel, servers) == ARES_SUCCESS;
}
