/* worker.h: a worker: a thread with its loop, resolver, pool and client side. Built on the main thread, then started.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_WORKER_H
#define HOLDFAST_APP_WORKER_H

#include "gateway/frontend.h"

struct worker;

enum { WORKER_BACKLOG = 65535 }; /* of listeners */

struct worker_options {
    unsigned index, workers;       /* which of how many */
    bool pin;                      /* to a processor of its own */
    struct generation *generation; /* held by the worker */
    struct hosts *hosts;           /* borrowed */
    bool access_log;
    struct crowd *crowd;         /* borrowed; NULL: no limit by address */
    struct crowd *lasting_crowd; /* the same, of what lasts */
    void (*ended)(void *arg);    /* called on the worker's thread when its loop has ended; must only post */
    void *arg;
};

/* A worker, not running yet. NULL with *err. */
struct worker *worker_new(const struct worker_options *options, struct error *err);

/* Before the start: adds a listener; `door`: what is due on it before HTTP. *addr gets the address taken. False: *err.
 */
bool worker_listen(struct worker *worker, struct addr *addr, const struct listen_options *options,
                   const struct door_options *door, struct error *err) MUST_USE;

bool worker_start(struct worker *worker, struct error *err) MUST_USE;

/* Any thread, after the start: ends gently over `window_ns` (frontend_drain), at the latest `limit_ns` from now (0: no
 * limit). */
void worker_drain(struct worker *worker, uint64_t window_ns, uint64_t limit_ns);
/* The next generation, made by the main thread; comes back to `home` when it is taken, with what the main thread is to
 * free. */
struct worker_change {
    struct letter letter;
    int kind_home; /* what kind of letter it is when it comes home */
    struct mailbox *home;
    void *owner; /* the sender's */
    struct succession succession;
    bool taken;
};
void worker_succeed(struct worker *worker, struct worker_change *change);
/* A listener more, of the newest generation. `addr` is borrowed for the process's life. False: no memory. What else
 * fails is logged. */
bool worker_open(struct worker *worker, const struct addr *addr, uint16_t number, uint64_t defer_accept_ns) MUST_USE;
/* The same for what came by one listener (frontend_drain_door); once each. */
void worker_drain_door(struct worker *worker, uint16_t number, uint64_t window_ns, uint64_t limit_ns);
void worker_cut(struct worker *worker); /* ends at once */

/* Waits for the end of the thread, if it was started. Workers write to each other: all must have been joined before any
 * is freed. NULL is fine. */
void worker_join(struct worker *worker);

/* Joins the thread (if started) and frees all. NULL is fine. */
void worker_free(struct worker *worker);

/* For frontend_meet before the start; then its numbers, readable while it runs. */
struct frontend *worker_frontend(const struct worker *worker);

#endif
