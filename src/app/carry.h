/* carry.h: what a gateway that runs cannot change goes over from the configuration that it runs to the next one, with a
 * warning that names the key. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_CARRY_H
#define HOLDFAST_APP_CARRY_H

#include "gateway/service.h"

/* A listener of the running gateway: its number is its place. */
struct carry_door {
    struct str listen; /* as it was written when it came */
    bool gone;         /* a configuration has left it out */
};

struct carry_options {
    const struct service *now;
    const struct carry_door *doors;
    size_t door_count, door_room; /* how many there are, and can be */
};

/* Makes `next` one that the gateway can change to: settings that need a restart are as in `now`, and its listeners
 * stand by their numbers, those that are new behind the others, those that it leaves out as plain ones, with the hard
 * age of those who are still inside. left[number]: it leaves that one out. What stays is told in next->kept too. False:
 * no memory; problems are in the report, whose arena is that of `next`. */
bool carry(const struct carry_options *options, struct service *next, bool *left, struct report *report) MUST_USE;

#endif
