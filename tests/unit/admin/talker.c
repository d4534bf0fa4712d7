/* talker.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "talker.h"

#include "base/text.h"
#include "net/tcp_internal.h"

void talker_start(struct talker *talker, struct net_stage *net, struct addr addr, size_t room)
{
    static const struct socket_options options = {.no_delay = true};
    struct error err;

    *talker = (struct talker){.net = net, .last = IO_WAIT, .room = room};
    probe_init(&talker->probe);
    talker->heard = arena_alloc(test_arena(), room, 1);
    CHECK(talker->heard != NULL);
    talker->stream = tcp_stream_connect(net->loop, &addr, &options, &talker->probe.task, &err);
    CHECK(talker->stream != NULL);
}

enum io talker_finish(struct talker *talker)
{
    struct error err;
    enum io io;

    while ((io = tcp_stream_connected(talker->stream, &err)) == IO_WAIT)
        net_stage_until_run(talker->net, &talker->probe);
    return io;
}

void talker_open(struct talker *talker, struct net_stage *net, struct addr addr, size_t room)
{
    talker_start(talker, net, addr, room);
    CHECK_EQ(talker_finish(talker), IO_OK);
}

void talker_close(struct talker *talker)
{
    stream_close(talker->stream, false);
    task_forget(talker->net->loop, &talker->probe.task);
}

void talker_say(struct talker *talker, const char *text)
{
    size_t sent;

    CHECK_EQ(write_text(talker->stream, str_from(text), &sent), IO_OK);
    CHECK_EQ(sent, strlen(text));
}

struct str talker_heard(const struct talker *talker)
{
    return str_of(talker->heard, talker->len);
}

bool talker_has_heard(const struct talker *talker, const char *text)
{
    return str_find(talker_heard(talker), str_from(text)) < talker->len;
}

void talker_forget(struct talker *talker)
{
    talker->len = 0;
}

/* Reads what is here; true when the awaited text is among it, or nothing more will come. */
static bool has_come(void *arg)
{
    struct talker *talker = arg;
    size_t got;

    while ((talker->last = read_into(talker->stream, talker->heard + talker->len, talker->room - talker->len, &got)) ==
           IO_OK)
        talker->len += got;
    return talker->last != IO_WAIT || (talker->awaited && talker_has_heard(talker, talker->awaited));
}

void talker_await(struct talker *talker, const char *text)
{
    talker->awaited = text;
    net_stage_until(talker->net, has_come, talker);
    if (text && !talker_has_heard(talker, text))
        test_fail(__FILE__, __LINE__, "the connection ended before \"%s\"; it said \"%.*s\"", text,
                  (int)size_min(talker->len, 2000), talker->heard);
}

uint64_t talker_content_length(const struct talker *talker)
{
    struct str heard = talker_heard(talker), name = STR("Content-Length: ");
    struct str rest = str_from_offset(heard, str_find(heard, name) + name.len);
    uint64_t number;

    CHECK(text_to_u64(str_first(rest, str_find_char(rest, '\r')), &number));
    return number;
}

struct str talker_body(const struct talker *talker)
{
    struct str heard = talker_heard(talker);

    return str_from_offset(heard, str_find(heard, STR("\r\n\r\n")) + 4);
}
