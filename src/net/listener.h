/* listener.h: a listening socket of one worker (SO_REUSEPORT: one for each). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_LISTENER_H
#define HOLDFAST_NET_LISTENER_H

#include "net/stream.h"

struct listener;

/* Listens on addr; `owner` is woken when connections wait. NULL with *err: address_in_use, permission, address_invalid,
 * out_of_files. The port actually taken (addr->port 0) is told by listener_addr. */
struct listener *listener_new(struct loop *loop, const struct addr *addr, const struct listen_options *options,
                              struct task *owner, struct error *err);

/* The next connection as a stream. IO_WAIT: none now. IO_FAIL: *err; with out_of_files accepting pauses: the listener
 * answers IO_WAIT and wakes its owner again after 100 ms, or earlier by listener_resume. */
enum io listener_accept(struct listener *listener, struct stream **stream, struct error *err);
void listener_pause(struct listener *listener);  /* the same, as the owner wishes */
void listener_look(struct listener *listener);   /* the next accept asks the system, whatever it told last */
void listener_resume(struct listener *listener); /* a descriptor was freed */
bool listener_is_waited_at(const struct listener *listener); /* a connection is there that was not accepted yet */

const struct addr *listener_addr(const struct listener *listener);
void listener_free(struct listener *listener); /* closes the socket; NULL is fine */

#endif
