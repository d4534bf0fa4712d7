/* grpc.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/grpc.h"

#include "base/text.h"
#include "gateway/answer_internal.h"

enum { TIMEOUT_DIGITS_MAX = 8, MESSAGE_MAX = 1024 };

static const struct str type = STR_INIT("application/grpc");

bool grpc_is_asked(const struct http_head *request)
{
    struct str value = headers_get_id(&request->headers, HEADER_CONTENT_TYPE);
    struct str rest = str_from_offset(value, type.len);

    return str_starts_fold(value, type) && (rest.len == 0 || rest.data[0] == '+' || rest.data[0] == ';');
}

bool grpc_is_field(struct str name, enum header_id id)
{
    return id == HEADER_CONTENT_TYPE || (id == HEADER_OTHER && str_starts_fold(name, STR("grpc-")));
}

static uint64_t unit_ns(char unit)
{
    switch (unit) {
    case 'H':
        return UINT64_C(3600000000000);
    case 'M':
        return UINT64_C(60000000000);
    case 'S':
        return UINT64_C(1000000000);
    case 'm':
        return 1000000;
    case 'u':
        return 1000;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

bool grpc_timeout(const struct http_head *request, uint64_t *timeout_ns)
{
    struct str value = headers_get(&request->headers, STR("grpc-timeout"));
    uint64_t number, unit;

    if (value.len < 2 || value.len > TIMEOUT_DIGITS_MAX + 1)
        return false;
    unit = unit_ns(value.data[value.len - 1]);
    if (unit == 0 || !text_to_u64(str_first(value, value.len - 1), &number))
        return false;
    if (number > (uint64_t)INT64_MAX / unit)
        number = (uint64_t)INT64_MAX / unit;
    *timeout_ns = number > 0 ? number * unit : 1;
    return true;
}

enum grpc_status grpc_status_of_http(uint16_t status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
    case 405: /* ours: no such method */
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

enum grpc_status grpc_status_of_error(const struct error *err)
{
    static const struct {
        enum error_code code;
        enum grpc_status status;
    } rows[] = {
        {ERROR_DEADLINE, GRPC_DEADLINE_EXCEEDED},
        {ERROR_TOO_MANY_STREAMS, GRPC_RESOURCE_EXHAUSTED},
        {ERROR_BODY_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED},
        {ERROR_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED},
        {ERROR_HEAD_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED},
        {ERROR_OUT_OF_MEMORY, GRPC_RESOURCE_EXHAUSTED},
        {ERROR_OUT_OF_FILES, GRPC_UNAVAILABLE},
        {ERROR_OUT_OF_PORTS, GRPC_UNAVAILABLE},
        {ERROR_PRESSURE_FD, GRPC_UNAVAILABLE},
        {ERROR_PRESSURE_PORT, GRPC_UNAVAILABLE},
        {ERROR_QUEUE_TIMEOUT, GRPC_UNAVAILABLE},
        {ERROR_NO_STREAMS, GRPC_UNAVAILABLE},
        {ERROR_DRAINING, GRPC_UNAVAILABLE},
        {ERROR_NO_HOSTS, GRPC_UNAVAILABLE},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].code == err->code)
            return rows[i].status;
    return err->fault == FAULT_UPSTREAM ? GRPC_UNAVAILABLE : GRPC_INTERNAL;
}

bool grpc_is_foreign(const struct http_head *answer)
{
    return answer->status != 200 && !headers_get(&answer->headers, STR("grpc-status")).data;
}

static bool passes_as_it_is(unsigned char c)
{
    return c >= ' ' && c <= '~' && c != '%';
}

/* Percent-encoded. data NULL: no room. */
static struct str encode(struct arena *arena, struct str message)
{
    static const char digits[] = "0123456789ABCDEF";
    struct str shown = str_first(message, MESSAGE_MAX);
    char *out = arena_alloc(arena, 3 * shown.len + 1, 1);
    size_t len = 0;

    for (size_t i = 0; out && i < shown.len; i++) {
        unsigned char c = (unsigned char)shown.data[i];

        if (passes_as_it_is(c)) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[c >> 4];
        out[len++] = digits[c & 15];
    }
    return str_of(out, len);
}

static bool add_status(struct arena *arena, struct http_headers *headers, enum grpc_status status, struct str message)
{
    struct str number = arena_format(arena, "%u", (unsigned)status), text = encode(arena, message);

    if (!number.data || !headers_add(headers, arena, STR("grpc-status"), number))
        return false;
    return text.len == 0 || headers_add(headers, arena, STR("grpc-message"), text);
}

void grpc_answer(struct arena *arena, enum grpc_status status, struct str message, struct answer *out)
{
    answer_begin(out, 200);
    (void)!headers_add_id(&out->head.headers, arena, HEADER_CONTENT_TYPE, type);
    (void)!add_status(arena, &out->head.headers, status, message);
}

struct http_head *grpc_trailers(struct arena *arena, enum grpc_status status, struct str message)
{
    struct http_head *trailers = arena_make(arena, struct http_head);

    if (!trailers || !add_status(arena, &trailers->headers, status, message))
        return NULL;
    trailers->announced_bytes = -1;
    return trailers;
}
