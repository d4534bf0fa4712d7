/* end.c: names of the reasons for which client connections end. SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"

static const struct {
    bool by_client;
    const char *name;
} ends[HTTP_ENDS] = {
    [HTTP_END_NONE] = {false, "none"},
#define HTTP_END(code, side, name, text) [HTTP_END_##code] = {side, name},
#include "http/end.def"
#undef HTTP_END
};

const char *http_end_name(enum http_end end)
{
    return ends[end].name;
}

bool http_end_is_by_client(enum http_end end)
{
    return ends[end].by_client;
}
