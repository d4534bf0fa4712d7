/* talker.h: a client that says bytes over loopback and keeps all that it hears. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_ADMIN_TALKER_H
#define HOLDFAST_TESTS_UNIT_ADMIN_TALKER_H

#include "../net/net_stage.h"

struct talker {
    struct net_stage *net;
    struct stream *stream;
    struct probe probe;
    char *heard; /* in the test's arena */
    size_t len, room;
    enum io last;        /* of the last read */
    const char *awaited; /* by talker_await */
};

/* Connects, with room for so many bytes. */
void talker_open(struct talker *talker, struct net_stage *net, struct addr addr, size_t room);
void talker_close(struct talker *talker);

/* The two halves of talker_open, for connections that may be refused: finish answers IO_OK or IO_FAIL. */
void talker_start(struct talker *talker, struct net_stage *net, struct addr addr, size_t room);
enum io talker_finish(struct talker *talker);

void talker_say(struct talker *talker, const char *text);

/* Turns the loop until the text was heard; NULL: until the connection ends. */
void talker_await(struct talker *talker, const char *text);

struct str talker_heard(const struct talker *talker);
bool talker_has_heard(const struct talker *talker, const char *text);
void talker_forget(struct talker *talker); /* what was heard so far */

/* The number behind "Content-Length: ", and what stands behind the first head. */
uint64_t talker_content_length(const struct talker *talker);
struct str talker_body(const struct talker *talker);

#endif
