/* open.c: the nghttp2 session: how it is set up for either role, what we say first, and its end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum {
    OUTBOUND_ACKS_MAX = 1 << 14, /* the budget is smaller */
    PRIORITY_UPDATE = 0x10,
    FRAMES_MAX = 1 << 20, /* resets are judged by guard.c */
};

static bool set_callbacks(nghttp2_session_callbacks **out)
{
    if (nghttp2_session_callbacks_new(out) != 0)
        return false;
    h2_set_callbacks(*out);
    return true;
}

static bool set_options(nghttp2_option **out, bool server)
{
    nghttp2_option *option;

    if (nghttp2_option_new(&option) != 0)
        return false;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    if (server)
        nghttp2_option_set_builtin_recv_extension_type(option, PRIORITY_UPDATE);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_continuations(option, FRAMES_MAX); /* it counts pieces, as they happen to arrive */
    nghttp2_option_set_stream_reset_rate_limit(option, FRAMES_MAX, FRAMES_MAX);
    *out = option;
    return true;
}

static bool make(struct h2_conn *conn, const nghttp2_session_callbacks *callbacks, const nghttp2_option *option)
{
    nghttp2_mem memory = h2_memory(conn);

    return (h2_is_client(conn) ? nghttp2_session_client_new3(&conn->session, callbacks, conn, option, &memory)
                               : nghttp2_session_server_new3(&conn->session, callbacks, conn, option, &memory)) == 0;
}

static bool greet(struct h2_conn *conn)
{
    const struct h2_rules *rules = conn->rules;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, rules->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, rules->head_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        /* The last ones are each of one role. */
        {h2_is_client(conn) ? NGHTTP2_SETTINGS_ENABLE_PUSH : NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
         h2_is_client(conn) ? 0 : rules->streams_max},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    size_t count = COUNT_OF(settings) - (rules->tunnels && !h2_is_client(conn) ? 0 : 1);

    return nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, count) == 0 &&
           nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)rules->connection_window) == 0;
}

bool h2_session_open(struct h2_conn *conn, struct error *err)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    bool opened = set_callbacks(&callbacks) && set_options(&option, !h2_is_client(conn)) &&
                  make(conn, callbacks, option) && greet(conn);

    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (opened)
        return true;
    h2_session_close(conn);
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a connection");
}

void h2_session_close(struct h2_conn *conn)
{
    nghttp2_session_del(conn->session);
    conn->session = NULL;
}
