/* loopback.h: real sockets over loopback for the tests of the real world. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_OS_LOOPBACK_H
#define HOLDFAST_TESTS_UNIT_OS_LOOPBACK_H

#include "os/world.h"

#include <sys/resource.h>

struct loopback {
    struct world *world;
    int listen_fd;
    struct addr addr; /* where it listens */
};

struct conn_pair {
    int client, server; /* descriptors; server was accepted */
    struct addr peer;   /* as accept told it */
};

struct addr loopback_addr(void); /* 127.0.0.1, port 0 */

void loopback_open(struct loopback *loopback);
void loopback_close(struct loopback *loopback);

/* A socket of the listener's family, without options. */
int loopback_socket(struct loopback *loopback);

/* A connected pair; its descriptors are the test's to close. */
struct conn_pair loopback_connect(struct loopback *loopback);
void loopback_hang_up(struct loopback *loopback, const struct conn_pair *pair); /* closes both */

/* Waits until the watch has all of these bits; fails the test after two seconds. */
void await_bits(struct world *world, struct watch *watch, uint8_t bits);

/* Lowers the limit of descriptors so that `spare` more can be opened; returns what to restore with setrlimit. */
struct rlimit leave_descriptors(unsigned spare);

/* readv and writev of one part; sizes in *size. */
enum io read_one(struct world *world, int fd, void *into, size_t room, size_t *size, struct error *err);
enum io write_one(struct world *world, int fd, struct str bytes, size_t *size, struct error *err);

#endif
