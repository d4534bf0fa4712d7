/* wire.c: sockets of the rig's own programs, see wire.h. SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void need(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
    int groups[] = {NID_X25519};
    SSL_CTX *context = SSL_CTX_new(method);

    need(context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "TLS");
    need(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1, "suite");
    need(SSL_CTX_set1_groups(context, groups, 1) == 1, "group");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

SSL_CTX *wire_server_context(const char *certificate, const char *key)
{
    SSL_CTX *context = make_context(TLS_server_method());

    need(SSL_CTX_use_certificate_chain_file(context, certificate) == 1, certificate);
    need(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, key);
    return context;
}

SSL_CTX *wire_client_context(void)
{
    SSL_CTX *context = make_context(TLS_client_method());

    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    return context;
}

static struct sockaddr_in loopback(uint32_t host, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};

    addr.sin_addr.s_addr = htonl(UINT32_C(0x7f000000) | host);
    return addr;
}

static void make_nonblocking(int fd)
{
    static const int on = 1;

    need(fcntl(fd, F_SETFL, O_NONBLOCK) != -1, "fcntl");
    need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != -1, "TCP_NODELAY");
}

int wire_listen(uint32_t host, uint16_t port)
{
    static const int on = 1;
    struct sockaddr_in addr = loopback(host, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    need(fd != -1 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != -1, "socket");
    make_nonblocking(fd);
    if (host == 0)
        addr.sin_addr.s_addr = htonl(INADDR_ANY);
    need(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != -1, "bind");
    need(listen(fd, 4096) != -1, "listen");
    return fd;
}

int wire_epoll(void)
{
    struct rlimit files;
    int fd = epoll_create1(EPOLL_CLOEXEC);

    need(fd != -1, "epoll_create1");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return fd;
}

void wire_watch(int epoll, int fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = owner};

    need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != -1, "epoll_ctl");
}

static void start_tls(struct wire *wire, SSL_CTX *context)
{
    wire->ssl = SSL_new(context);
    wire->in = BIO_new(BIO_s_mem());
    wire->out = BIO_new(BIO_s_mem());
    need(wire->ssl && wire->in && wire->out, "SSL_new");
    BIO_set_mem_eof_return(wire->in, -1);
    SSL_set_bio(wire->ssl, wire->in, wire->out);
}

bool wire_accept(struct wire *wire, int listener, SSL_CTX *context)
{
    *wire = (struct wire){.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (wire->fd == -1)
        return false;
    if (context) {
        start_tls(wire, context);
        SSL_set_accept_state(wire->ssl);
    }
    return true;
}

bool wire_connect(struct wire *wire, uint32_t host, uint16_t port, uint32_t source, SSL_CTX *context)
{
    static const int on = 1;
    struct sockaddr_in to = loopback(host, port), from = loopback(source, 0);

    *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    need(wire->fd != -1, "socket");
    (void)setsockopt(wire->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(wire->fd, (struct sockaddr *)&from, sizeof(from)) == -1 ||
        connect(wire->fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
        close(wire->fd);
        return false;
    }
    make_nonblocking(wire->fd);
    if (context) {
        start_tls(wire, context);
        SSL_set_connect_state(wire->ssl);
    }
    return true;
}

static ssize_t result_of(ssize_t count)
{
    if (count >= 0)
        return count;
    return errno == EAGAIN || errno == EINTR ? WIRE_AGAIN : WIRE_FAIL;
}

/* What SSL_read or SSL_write that gave nothing means. */
static ssize_t tls_result(struct wire *wire, int count)
{
    int why = SSL_get_error(wire->ssl, count);

    ERR_clear_error();
    if (wire_flush(wire) == WIRE_FAIL)
        return WIRE_FAIL;
    if (why == SSL_ERROR_ZERO_RETURN)
        return WIRE_END;
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? WIRE_AGAIN : WIRE_FAIL;
}

static ssize_t tls_recv(struct wire *wire, char *bytes, size_t size)
{
    static char sealed[WIRE_PIECE];
    int count = SSL_read(wire->ssl, bytes, (int)size);
    ssize_t got;

    if (count > 0)
        return count;
    if (wire->drained)
        return WIRE_AGAIN;
    got = result_of(recv(wire->fd, sealed, sizeof(sealed), 0));
    if (got <= 0)
        return got;
    wire->drained = got < (ssize_t)sizeof(sealed);
    BIO_write(wire->in, sealed, (int)got);
    count = SSL_read(wire->ssl, bytes, (int)size);
    return count > 0 ? count : tls_result(wire, count);
}

ssize_t wire_recv(struct wire *wire, char *bytes, size_t size)
{
    if (wire->ssl)
        return tls_recv(wire, bytes, size);
    return result_of(recv(wire->fd, bytes, size, 0));
}

int wire_flush(struct wire *wire)
{
    char *sealed;
    long size;

    while (wire->ssl && (size = BIO_get_mem_data(wire->out, &sealed)) > 0) {
        static char sink[WIRE_PIECE];
        ssize_t sent = result_of(send(wire->fd, sealed, (size_t)size, MSG_NOSIGNAL));

        if (sent <= 0)
            return sent == WIRE_AGAIN ? WIRE_AGAIN : WIRE_FAIL;
        if (sent == size) {
            (void)BIO_reset(wire->out);
            break;
        }
        while (sent > 0)
            sent -= BIO_read(wire->out, sink, sent < WIRE_PIECE ? (int)sent : WIRE_PIECE);
    }
    return 1;
}

ssize_t wire_send(struct wire *wire, const char *bytes, size_t size)
{
    int count, flushed;

    if (!wire->ssl)
        return result_of(send(wire->fd, bytes, size, MSG_NOSIGNAL));
    flushed = wire_flush(wire);
    if (flushed != 1)
        return flushed;
    count = SSL_write(wire->ssl, bytes, (int)size);
    if (count <= 0)
        return tls_result(wire, count);
    return wire_flush(wire) == WIRE_FAIL ? WIRE_FAIL : count;
}

void wire_close(struct wire *wire)
{
    if (wire->fd == -1)
        return;
    if (wire->ssl) {
        SSL_set_shutdown(wire->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* or the session counts as broken */
        SSL_free(wire->ssl);
    }
    close(wire->fd);
    *wire = (struct wire){.fd = -1};
}

uint64_t wire_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t wire_number(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);

    errno = EINVAL;
    need(*text && !*end, text);
    return number;
}
