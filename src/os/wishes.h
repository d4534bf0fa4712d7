/* wishes.h: what the system may refuse us without our end: small things that are asked of it again and again while the
 * gateway runs, tried once at the start, so that somebody is told. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_WISHES_H
#define HOLDFAST_OS_WISHES_H

enum {
    WISH_PIPE_SIZE = 1,     /* F_SETPIPE_SZ (linux_pipe.c) */
    WISH_FINE_WAIT = 2,     /* epoll_pwait2 (linux_world.c) */
    WISH_AFFINITY = 4,      /* sched_setaffinity (thread.c) */
    WISH_KEEP_ALIVE = 8,    /* SO_KEEPALIVE and its times (linux_socket.c) */
    WISH_USER_TIMEOUT = 16, /* TCP_USER_TIMEOUT */
    WISH_SHARED_PORT = 32,  /* IP_BIND_ADDRESS_NO_PORT */
    WISH_TCP_INFO = 64,     /* TCP_INFO, as far as we read it */
    WISH_SOCK_DIAG = 128,   /* NETLINK_SOCK_DIAG (sock_diag.c) */
};

/* Those that are refused, WISH_... A few system calls; nothing stays open. */
unsigned wishes_refused(void);

#endif
