/* test_other_role.c: operations of the role that a conn does not have. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/h1/h1_internal.h"
#include "http/h2/h2_internal.h"

static struct http_conn make(const struct http_conn_ops *ops, enum http_role role)
{
    return (struct http_conn){.ops = ops, .role = role};
}

TEST(a_servers_conn_has_no_room_for_streams_of_ours)
{
    struct http_conn h1 = make(&h1_server_ops, HTTP_SERVER), h2 = make(&h2_server_ops, HTTP_SERVER);

    CHECK_EQ(http_room(&h1), 0);
    CHECK_EQ(http_room(&h2), 0);
}

static void open_stream(void *arg)
{
    struct http_stream *stream;
    struct error err;

    (void)http_open(arg, &stream, &err);
}

static void check_idle(void *arg)
{
    (void)http_check_idle(arg, false);
}

static void accept_stream(void *arg)
{
    struct http_stream *stream;
    struct error err;

    (void)http_accept(arg, &stream, &err);
}

TEST(what_only_the_other_role_can_do_is_a_mistake_of_ours)
{
    struct http_conn servers[] = {make(&h1_server_ops, HTTP_SERVER), make(&h2_server_ops, HTTP_SERVER)};
    struct http_conn clients[] = {make(&h1_client_ops, HTTP_CLIENT), make(&h2_client_ops, HTTP_CLIENT)};

    for (size_t i = 0; i < 2; i++) {
        CHECK(test_aborts(open_stream, &servers[i]));
        CHECK(test_aborts(check_idle, &servers[i]));
        CHECK(test_aborts(accept_stream, &clients[i]));
    }
}
