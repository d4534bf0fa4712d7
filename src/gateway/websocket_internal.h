/* websocket_internal.h: a tunnel from the inside: websocket.c (birth and death), websocket_pump.c (what passes),
 * websocket_close.c (how it comes to an end, and its clocks). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_WEBSOCKET_INTERNAL_H
#define HOLDFAST_GATEWAY_WEBSOCKET_INTERNAL_H

#include "gateway/websocket.h"
#include "http/ws/frame.h"
#include "upstream/takeover.h"

/* Read at a time, and only when the other side has taken the last. */
enum { WEBSOCKET_PIECE_BYTES = BLOCK_LARGE_BYTES };
/* How long a client that broke the protocol waits for its code. It is a courtesy inside close_timeout: no setting. */
#define WEBSOCKET_OWED_NS UINT64_C(1000000000)

enum { WEBSOCKET_CLIENT, WEBSOCKET_HOST, WEBSOCKET_SIDES };

struct websocket_side {
    struct http_stream *stream;
    struct ws_reader reader; /* of what comes from it */
    struct chain in;         /* came from it, not looked at */
    struct chain out;        /* for it, not taken by its stream */
    uint64_t heard_ns;       /* when bytes came from it last */
    uint64_t stuck_ns;       /* since when it takes nothing of `out`; 0: it does */
    uint64_t asked_ns;       /* when it got a Ping of ours that it has not answered; 0: none */
    uint16_t pings;
    bool ended;     /* its last byte was read */
    bool broken;    /* nothing goes either way any more */
    bool heard_out; /* its Close was read, or it is not listened to any more: what comes is thrown away */
    bool told;      /* a Close is on its way to it: nothing may follow */
    bool finish;    /* its direction ends behind `out` */
    bool finished;  /* and has */
};

struct websocket {
    struct task task;
    struct timer timer;
    struct list_node node; /* in the client's list */
    struct client *client;
    struct generation *generation; /* held */
    const struct endpoint *endpoint;
    struct pooled *pooled; /* the connection to the host */
    struct websocket_side sides[WEBSOCKET_SIDES];
    uint64_t began_ns;
    uint64_t moved_ns;    /* when something passed last, in either direction */
    uint64_t close_by_ns; /* it ends by then at the latest; 0: it does not end */
    uint64_t owed_ns;     /* when the client gets `owed` at the latest */
    uint16_t owed;        /* the code for the client's Close, behind what the host still sends; 0: none */
    uint16_t code;        /* what it ended with first, see websocket_ends; 0: it has not */
    uint8_t by;           /* enum tunnel_by */
    bool leaving;         /* both sides are to be told that we go away */
};

static inline struct websocket_side *websocket_other(struct websocket *websocket, const struct websocket_side *side)
{
    return &websocket->sides[side == &websocket->sides[WEBSOCKET_CLIENT] ? WEBSOCKET_HOST : WEBSOCKET_CLIENT];
}

static inline bool websocket_is_host(const struct websocket *websocket, const struct websocket_side *side)
{
    return side == &websocket->sides[WEBSOCKET_HOST];
}

static inline struct loop *websocket_loop(const struct websocket *websocket)
{
    return websocket->client->frontend->loop;
}

static inline const struct stream_options *websocket_options(const struct websocket *websocket)
{
    return &websocket->endpoint->options->stream;
}

/* websocket_pump.c: moves what can be moved from one side to the other. True: something was. */
bool websocket_pump(struct websocket *websocket, struct websocket_side *from);
/* What waits for a side, to its stream; true when some of it went. */
bool websocket_flush(struct websocket *websocket, struct websocket_side *side);
/* Can a frame of ours be put into what this side gets? */
bool websocket_is_between(struct websocket *websocket, const struct websocket_side *side);
/* Nothing goes to or from this side any more. */
void websocket_break(struct websocket_side *side);
/* A control frame of ours for this side. Without memory the side counts as broken. */
void websocket_say(struct websocket *websocket, struct websocket_side *side, enum ws_opcode opcode, struct str payload);

/* websocket_close.c */
void websocket_ends(struct websocket *websocket, enum tunnel_by by, uint16_t code); /* the first reason is kept */
/* The side sent what is against the protocol, or too much. */
void websocket_violated(struct websocket *websocket, struct websocket_side *side, uint16_t code);
/* What follows from the state of both sides. True: it is over. */
bool websocket_settle(struct websocket *websocket);
/* Does what is due by now. */
void websocket_look_at_clocks(struct websocket *websocket);
uint64_t websocket_deadline_ns(struct websocket *websocket); /* TIMER_OFF: none */

#endif
