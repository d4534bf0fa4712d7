/* priority.c: what an answer says of its own urgency (RFC 9218 8). What requests and PRIORITY_UPDATE frames say is read
 * by nghttp2 itself, which also takes the turns. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

/* "u=0" to "u=7" and "i" of a structured dictionary; all else is passed over (RFC 9218 4). */
void h2_priority_apply(struct h2_stream *stream, struct str value)
{
    nghttp2_extpri priority = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 0};
    bool found = false;
    struct str part;

    while (value.len > 0 && str_split(&value, ',', &part)) {
        part = str_trim(part);
        if (part.len == 3 && str_starts(part, STR("u=")) && part.data[2] >= '0' && part.data[2] <= '7')
            priority.urgency = (uint32_t)(part.data[2] - '0');
        else if (str_eq(part, STR("i")) || str_eq(part, STR("i=?1")))
            priority.inc = 1;
        else
            continue;
        found = true;
    }
    /* Without memory the order stays as it is. */
    if (found)
        (void)nghttp2_session_change_extpri_stream_priority(h2_conn_of(stream)->session, stream->id, &priority, 1);
}
