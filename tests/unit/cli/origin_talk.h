/* origin_talk.h: a test origin on loopback and a client that talks to it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_CLI_ORIGIN_TALK_H
#define HOLDFAST_TESTS_UNIT_CLI_ORIGIN_TALK_H

#include "../admin/talker.h"
#include "cli/origin_server.h"

enum { TALK_ROOM_BYTES = 4 << 20 };

struct talk {
    struct net_stage net;
    struct addr addr;
    struct origin *origin;
    struct talker end;
};

static inline void talk_open(struct talk *talk, const struct origin_options *options)
{
    struct error err;

    talk->addr = (struct addr){.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
    net_stage_open(&talk->net);
    talk->origin = origin_new(talk->net.loop, &talk->addr, options, &err);
    CHECK(talk->origin != NULL);
    talker_open(&talk->end, &talk->net, talk->addr, TALK_ROOM_BYTES);
}

static inline void talk_close(struct talk *talk)
{
    talker_close(&talk->end);
    origin_free(talk->origin);
    net_stage_close(&talk->net);
}

#endif
