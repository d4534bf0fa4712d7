/* frontend_internal.h: what the files of the client side share: frontend.c (listeners and settings), arrival.c
 * (handshakes), client.c (connections), drain.c (the end). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FRONTEND_INTERNAL_H
#define HOLDFAST_GATEWAY_FRONTEND_INTERNAL_H

#include "gateway/frontend.h"

/* The configuration's part on clients. */
static inline const struct server_options *frontend_server(const struct frontend *frontend)
{
    return &generation_service(frontend->generation)->server;
}

/* frontend.c: a descriptor, or a place under the cap, is free again. */
void frontend_resume_doors(struct frontend *frontend, bool was_full);
bool frontend_is_full(const struct frontend *frontend);
bool frontend_is_crowded(const struct frontend *frontend); /* somebody waits for whom there is no room */
/* frontend.c: takes all who wait in the kernel's queues, as far as there is room. */
void frontend_accept_all(struct frontend *frontend);
void frontend_close_doors(struct frontend *frontend);
/* One of them, when nobody waits in its queue for whom there is no room; `at_once`: whoever waits. False: not yet. */
bool frontend_close_door(struct frontend *frontend, int number, bool at_once) MUST_USE;

/* client.c */
/* Takes the stream, behind the handshake if its listener has TLS, and the voucher. */
void client_new(struct frontend *frontend, struct stream *stream, const struct door_options *door,
                struct voucher *voucher);
void client_leave(struct client *client);                  /* what lasts on it ends in order: we go away */
void client_cut(struct client *client, enum http_end why); /* with its exchanges, at once */
/* Its next answer, or the one in hand, says Connection: close; once. */
void client_tell(struct client *client, enum http_end why);

/* keep.c */
void keep_init(struct frontend *frontend);
void keep_take(struct frontend *frontend, const struct server_options *server); /* what is set, from now on */
void keep_free(struct frontend *frontend);
void keep_notice_client(struct frontend *frontend);   /* one more is in the list */
void keep_notice_pressure(struct frontend *frontend); /* descriptors may have become short: now, and not in a second */
void keep_notice_idle_close(struct frontend *frontend, uint64_t late_ns); /* grace.h: what follows for the others */
unsigned keep_memory_permille(unsigned used_permille); /* memory in use, on the scale of the other things */
/* The adaptive idle timeout with so much of what there is in use. */
uint64_t keep_idle_ns(uint64_t min_ns, uint64_t max_ns, unsigned permille);

/* drain.c */
bool drain_init(struct frontend *frontend, size_t doors) MUST_USE; /* false: no memory */
void drain_free(struct frontend *frontend, size_t doors);
void drain_welcome(struct frontend *frontend, struct client *client); /* one that comes during the drain */
void drain_notice_end(struct frontend *frontend);                     /* a client has gone */
void drain_tell_left(const struct client *client);                    /* a log line: it is about to be cut */
/* Its window is over for who came by that listener: what lasts has no more time. */
bool drain_is_past_window(const struct frontend *frontend, uint16_t door);

#endif
