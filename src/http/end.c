/* end.c: names of the reasons for which client connections end. SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"

static const struct {
    bool by_client;
    const char *name, *text;
} ends[HTTP_ENDS] = {
    [HTTP_END_NONE] = {false, "none", "it has not ended"},
#define HTTP_END(code, side, name, text) [HTTP_END_##code] = {side, name, text},
#include "http/end.def"
#undef HTTP_END
};

const char *http_end_name(enum http_end end)
{
    return ends[end].name;
}

const char *http_end_text(enum http_end end)
{
    return ends[end].text;
}

bool http_end_is_by_client(enum http_end end)
{
    return ends[end].by_client;
}
