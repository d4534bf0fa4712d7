/* other_role.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "http/other_role_internal.h"

uint32_t other_role_room(const struct http_conn *conn)
{
    ASSERT(conn->role == HTTP_SERVER);
    return 0;
}

enum io other_role_open(struct http_conn *conn, struct http_stream **stream, struct error *err)
{
    (void)stream;
    ASSERT(conn->role == HTTP_CLIENT);
    error_set(err, FAULT_BUG, ERROR_BUG, "http_open on the server's side");
    return IO_FAIL;
}

enum io other_role_check_idle(struct http_conn *conn, bool look)
{
    (void)look;
    ASSERT(conn->role == HTTP_CLIENT);
    return IO_FAIL;
}

enum io other_role_accept(struct http_conn *conn, struct http_stream **stream, struct error *err)
{
    (void)stream;
    ASSERT(conn->role == HTTP_SERVER);
    error_set(err, FAULT_BUG, ERROR_BUG, "http_accept on the client's side");
    return IO_FAIL;
}
