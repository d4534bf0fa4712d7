/* lasting.h: exchanges that last, of the classes stream and tunnel: how many there may be, and how the answer of a
 * stream is watched: the host's silence has a limit, a comment of ours may stand between events (WHATWG HTML 9.2), and
 * a client that is gone ends it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_LASTING_H
#define HOLDFAST_GATEWAY_LASTING_H

#include "gateway/exchange_internal.h"

/* The client has sent an extended CONNECT (RFC 8441) to what makes no tunnel, where any success would be one: 501, as
 * RFC 9220 3 says. True: the exchange's error is filled. */
bool lasting_is_impossible(struct exchange *exchange) MUST_USE;

/* A request to an endpoint of such a class. False: the exchange's error is filled, and lasting_refuse answers. */
bool lasting_admit(struct exchange *exchange) MUST_USE;
enum progress lasting_refuse(struct exchange *exchange);
/* The same of one that lasts without a class: a built-in endpoint's. */
bool lasting_enter(struct exchange *exchange) MUST_USE;
/* For each that was admitted as one that lasts (exchange->lasting). */
void lasting_leave(struct frontend *frontend, const struct endpoint *endpoint, const struct addr *peer);

/* The head of a stream's answer went to the client: from here its own clocks run. */
void stream_begin(struct exchange *exchange);
void stream_heard(struct exchange *exchange);           /* bytes of the host are in response_body, all of them new */
enum progress stream_expire(struct exchange *exchange); /* the exchange's timer has fired */
/* When we go away, and between two events: ends the answer in order, so that the client comes again. False: not now. */
bool stream_leave(struct exchange *exchange);
void streams_leave(struct client *client);  /* asks all of them to */
void stream_end(struct exchange *exchange); /* with the exchange */

/* The last bytes of a text of events: does an event end there? A text that has not begun counts as one. */
bool stream_is_between_events(struct str last);

#endif
