/* websocket_close.c: how a tunnel ends, and when. A Close that comes from one side goes to the other as it is; where
 * one side just disappears, the other is told what a WebSocket can be told: a host that ended between two frames 1012
 * (it restarts, come again), one that broke off 1011, and in the middle of a frame nothing at all (1006 is what a peer
 * concludes itself). A client that is gone is passed on to the host as the end of its bytes. A client that breaks the
 * protocol still gets what the host has to say to what came before, as it would without us, and then the code.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/websocket_internal.h"

static void note_reason(struct websocket *websocket, enum tunnel_by by, uint16_t code)
{
    if (websocket->code != 0)
        return;
    websocket->by = (uint8_t)by;
    websocket->code = code;
}

void websocket_ends(struct websocket *websocket, enum tunnel_by by, uint16_t code)
{
    if (websocket->close_by_ns == 0)
        websocket->close_by_ns =
            loop_now_ns(websocket_loop(websocket)) + (uint64_t)websocket_options(websocket)->close_ns;
    note_reason(websocket, by, code);
}

/* A Close for this side, unless it has one; where none can stand, its connection will be cut. */
static void tell(struct websocket *websocket, struct websocket_side *side, uint16_t code, struct str reason)
{
    char payload[WS_CONTROL_MAX];
    size_t len = size_min(reason.len, WS_CONTROL_MAX - 2);

    if (side->told || side->finish || side->broken)
        return;
    if (!websocket_is_between(websocket, side)) {
        side->broken = true; /* http_cancel follows at the end */
        return;
    }
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    memcpy(payload + 2, reason.data, len);
    websocket_say(websocket, side, WS_CLOSE, str_of(payload, len + 2));
    side->told = true;
}

static struct str text_of_code(uint16_t code)
{
    if (code == WS_CODE_TOO_BIG)
        return STR("message too big");
    return code == WS_CODE_PROTOCOL ? STR("protocol error") : STR("");
}

void websocket_violated(struct websocket *websocket, struct websocket_side *side, uint16_t code)
{
    websocket_ends(websocket, TUNNEL_BY_US, code);
    side->heard_out = true;
    if (websocket_is_host(websocket, side)) {
        tell(websocket, side, code, text_of_code(code));
        tell(websocket, websocket_other(websocket, side), WS_CODE_INTERNAL, STR("the server broke the protocol"));
    } else {
        tell(websocket, websocket_other(websocket, side), WS_CODE_GOING_AWAY, STR(""));
        websocket->owed = code;
        websocket->owed_ns = loop_now_ns(websocket_loop(websocket)) + WEBSOCKET_OWED_NS;
    }
}

/* The host has said all that it had to say, or had its time for it. */
static void pay(struct websocket *websocket)
{
    struct websocket_side *host = &websocket->sides[WEBSOCKET_HOST];
    bool over = host->heard_out || host->ended || host->broken;

    if (websocket->owed == 0 || (!over && loop_now_ns(websocket_loop(websocket)) < websocket->owed_ns))
        return;
    tell(websocket, &websocket->sides[WEBSOCKET_CLIENT], websocket->owed, text_of_code(websocket->owed));
    websocket->owed = 0;
}

/* Its connection has ended. */
static void lose_client(struct websocket *websocket)
{
    struct websocket_side *client = &websocket->sides[WEBSOCKET_CLIENT], *host = &websocket->sides[WEBSOCKET_HOST];

    if (!client->ended)
        return;
    chain_clear(&client->in);
    if (client->broken)
        websocket_ends(websocket, TUNNEL_BY_CLIENT, WS_CODE_ABNORMAL);
    else
        note_reason(websocket, TUNNEL_BY_CLIENT, WS_CODE_ABNORMAL); /* the other direction may go on */
    host->finish = true;
}

static void lose_host(struct websocket *websocket)
{
    struct websocket_side *client = &websocket->sides[WEBSOCKET_CLIENT], *host = &websocket->sides[WEBSOCKET_HOST];
    bool inside = host->reader.in_message || !ws_is_between(&host->reader) || host->in.size > 0;

    if (!host->ended)
        return;
    if (!host->heard_out) {
        websocket_ends(websocket, TUNNEL_BY_HOST, WS_CODE_ABNORMAL);
        tell(websocket, client, host->broken || inside ? WS_CODE_INTERNAL : WS_CODE_RESTART, STR(""));
        host->heard_out = true;
    }
    chain_clear(&host->in);
    client->finish = true;
    host->finish = true;
}

static void leave(struct websocket *websocket)
{
    struct websocket_side *client = &websocket->sides[WEBSOCKET_CLIENT], *host = &websocket->sides[WEBSOCKET_HOST];

    if (!websocket->leaving || !websocket_is_between(websocket, client) || !websocket_is_between(websocket, host))
        return;
    websocket->leaving = false;
    websocket_ends(websocket, TUNNEL_BY_US, WS_CODE_GOING_AWAY);
    tell(websocket, client, WS_CODE_GOING_AWAY, STR(""));
    tell(websocket, host, WS_CODE_GOING_AWAY, STR(""));
}

/* The client has got all that there was for it, and the host has no more. In HTTP/2 the client's own end is waited for
 * (for as long as a closing handshake may take): a RST_STREAM right behind the end could take what it has not read. */
static bool is_through(const struct websocket *websocket)
{
    const struct websocket_side *client = &websocket->sides[WEBSOCKET_CLIENT],
                                *host = &websocket->sides[WEBSOCKET_HOST];

    if (!host->ended && !host->broken)
        return false;
    return client->broken || (client->finished && (client->ended || !websocket->client->conn->multiplexed));
}

/* RFC 6455 7.1.1: the server closes the connection first; to the client that is us, and from the host it is awaited. */
bool websocket_settle(struct websocket *websocket)
{
    struct websocket_side *client = &websocket->sides[WEBSOCKET_CLIENT], *host = &websocket->sides[WEBSOCKET_HOST];

    pay(websocket);
    leave(websocket);
    lose_host(websocket);
    lose_client(websocket);
    client->finish |= client->told && client->heard_out;
    websocket_flush(websocket, client);
    websocket_flush(websocket, host);
    if (is_through(websocket))
        return true;
    if (websocket->close_by_ns == 0 || loop_now_ns(websocket_loop(websocket)) < websocket->close_by_ns)
        return false;
    /* Who has got all that there was for it, but does not answer, need not be cut off. */
    client->finish |= client->told;
    websocket_flush(websocket, client);
    return true;
}

static void ask(struct websocket *websocket, struct websocket_side *side)
{
    char payload[4] = {'h', 'f', 0, 0};

    side->pings++;
    payload[2] = (char)(side->pings >> 8);
    payload[3] = (char)(side->pings & 0xff);
    websocket_say(websocket, side, WS_PING, str_of(payload, sizeof(payload)));
    side->asked_ns = loop_now_ns(websocket_loop(websocket));
}

static uint64_t after(uint64_t since_ns, int64_t limit_ns)
{
    return since_ns > 0 && limit_ns > 0 ? timer_end_ns(since_ns, (uint64_t)limit_ns) : TIMER_OFF;
}

/* When this side gets a Ping. */
static uint64_t ping_due_ns(struct websocket *websocket, const struct websocket_side *side)
{
    if (side->ended || side->told || side->finish || side->asked_ns > 0 || side->out.size > 0 ||
        !websocket_is_between(websocket, side))
        return TIMER_OFF;
    return after(side->heard_ns, websocket_options(websocket)->heartbeat_ns);
}

/* It does not answer, or takes nothing: as good as gone. */
static uint64_t dead_ns(struct websocket *websocket, const struct websocket_side *side)
{
    uint64_t pong_ns = after(side->asked_ns, websocket_options(websocket)->pong_ns);
    uint64_t stuck_ns = after(side->stuck_ns, websocket_options(websocket)->write_ns);

    if (side->broken)
        return TIMER_OFF;
    return u64_min(side->ended ? TIMER_OFF : pong_ns, stuck_ns);
}

static void look_at_side(struct websocket *websocket, struct websocket_side *side)
{
    uint64_t now_ns = loop_now_ns(websocket_loop(websocket));

    if (now_ns >= dead_ns(websocket, side)) {
        websocket_ends(websocket, websocket_is_host(websocket, side) ? TUNNEL_BY_HOST : TUNNEL_BY_CLIENT,
                       WS_CODE_ABNORMAL);
        if (!websocket_is_host(websocket, side)) /* the end of bytes alone would say that it has ended in order */
            tell(websocket, websocket_other(websocket, side), WS_CODE_GOING_AWAY, STR(""));
        websocket_break(side);
        task_wake(websocket_loop(websocket), &websocket->task); /* what held the other side back is gone */
    } else if (now_ns >= ping_due_ns(websocket, side)) {
        ask(websocket, side);
    }
}

static uint64_t idle_ns(const struct websocket *websocket)
{
    return websocket->close_by_ns > 0 ? TIMER_OFF : after(websocket->moved_ns, websocket_options(websocket)->idle_ns);
}

void websocket_look_at_clocks(struct websocket *websocket)
{
    uint64_t now_ns = loop_now_ns(websocket_loop(websocket));

    for (int i = 0; i < WEBSOCKET_SIDES; i++)
        look_at_side(websocket, &websocket->sides[i]);
    if (now_ns < idle_ns(websocket))
        return;
    /* In the middle of a frame that does not go on there is nothing to be told. */
    websocket_ends(websocket, TUNNEL_BY_US, WS_CODE_GOING_AWAY);
    for (int i = 0; i < WEBSOCKET_SIDES; i++)
        tell(websocket, &websocket->sides[i], WS_CODE_GOING_AWAY, STR("idle"));
}

uint64_t websocket_deadline_ns(struct websocket *websocket)
{
    uint64_t at_ns = websocket->close_by_ns > 0 ? websocket->close_by_ns : idle_ns(websocket);

    if (websocket->owed > 0)
        at_ns = u64_min(at_ns, websocket->owed_ns);
    for (int i = 0; i < WEBSOCKET_SIDES; i++) {
        at_ns = u64_min(at_ns, dead_ns(websocket, &websocket->sides[i]));
        at_ns = u64_min(at_ns, ping_due_ns(websocket, &websocket->sides[i]));
    }
    return at_ns;
}
