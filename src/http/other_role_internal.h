/* other_role_internal.h: what a conn of any version says to operations of the role that it does not have. To call one
 * is a mistake of ours, except to ask a server's conn for room: it has none. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_OTHER_ROLE_INTERNAL_H
#define HOLDFAST_HTTP_OTHER_ROLE_INTERNAL_H

#include "http/conn.h"

/* Of server conns. A server's peer opens streams; we do not. */
uint32_t other_role_room(const struct http_conn *conn);                                          /* 0 */
enum io other_role_open(struct http_conn *conn, struct http_stream **stream, struct error *err); /* IO_FAIL: bug */
enum io other_role_check_idle(struct http_conn *conn, bool look);                                /* IO_FAIL */

/* Of client conns. IO_FAIL: bug. */
enum io other_role_accept(struct http_conn *conn, struct http_stream **stream, struct error *err);

#endif
