/* grpc_health.c: the health service of gRPC (grpc.health.v1, doc/health-checking.md) for the gateway itself. Its two
 * messages are small enough to be read and written here: HealthCheckRequest has a string in field 1,
 * HealthCheckResponse an enum. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer_internal.h"
#include "gateway/grpc.h"

enum {
    PREFIX_BYTES = 5, /* compressed or not, and the length of the message in four bytes */
    FIELD_SERVICE = 1 << 3 | 2,
    SERVING = 1,
    NOT_SERVING = 2,
    SERVICE_UNKNOWN = 3, /* Watch only */
    RESPONSE_BYTES = PREFIX_BYTES + 2,
};

static bool take_byte(struct str *text, unsigned *byte)
{
    if (text->len == 0)
        return false;
    *byte = (unsigned char)text->data[0];
    *text = str_from_offset(*text, 1);
    return true;
}

/* The message behind its prefix. False: it is not one, not whole, or compressed. */
static bool unwrap(struct str body, struct str *message)
{
    size_t len = 0;
    unsigned byte;

    if (!take_byte(&body, &byte) || byte != 0)
        return false;
    for (int i = 1; i < PREFIX_BYTES; i++) {
        if (!take_byte(&body, &byte))
            return false;
        len = len << 8 | byte;
    }
    *message = body;
    return body.len == len;
}

/* A name of up to 127 bytes, whose length is one byte; other fields are not known. */
static bool read_service(struct str message, struct str *service)
{
    unsigned tag, len;

    *service = STR("");
    while (message.len > 0) {
        if (!take_byte(&message, &tag) || tag != FIELD_SERVICE || !take_byte(&message, &len) || len > 127 ||
            len > message.len)
            return false;
        *service = str_first(message, len);
        message = str_from_offset(message, len);
    }
    return true;
}

static bool is_known(const struct service *service, struct str name)
{
    if (name.len == 0)
        return true;
    for (size_t i = 0; i < service->endpoint_count; i++) {
        struct str path = service->endpoints[i].endpoint, rest = str_from_offset(path, 1);

        if (str_starts(rest, name) && rest.len > name.len && rest.data[name.len] == '/')
            return true;
    }
    return false;
}

/* False: `out` is the answer to what is no such request. */
static bool read_request(const struct answer_input *input, struct str body, struct str *service, struct answer *out)
{
    struct str message;

    if (!input->request || !grpc_is_asked(input->request)) {
        answer_begin(out, 415);
        return false;
    }
    if (unwrap(body, &message) && read_service(message, service))
        return true;
    grpc_answer(input->arena, GRPC_INTERNAL, STR("this is no HealthCheckRequest"), out);
    return false;
}

static void say(const struct answer_input *input, int state, struct answer *out)
{
    char message[RESPONSE_BYTES] = {0, 0, 0, 0, 2, 1 << 3, (char)state};

    answer_begin(out, 200);
    answer_add(input, out, HEADER_CONTENT_TYPE, STR("application/grpc"));
    answer_set_body(out, arena_copy(input->arena, str_of(message, sizeof(message))));
}

void grpc_health_answer(const struct answer_input *input, struct str request_body, struct answer *out)
{
    struct str service;

    if (!read_request(input, request_body, &service, out))
        return;
    if (!is_known(input->service, service)) {
        grpc_answer(input->arena, GRPC_NOT_FOUND, STR("unknown service"), out);
        return;
    }
    say(input, input->draining ? NOT_SERVING : SERVING, out);
    out->trailers = grpc_trailers(input->arena, GRPC_OK, STR_EMPTY);
}

bool grpc_health_watch(const struct answer_input *input, struct str request_body, struct answer *out)
{
    struct str service;

    if (!read_request(input, request_body, &service, out))
        return false;
    if (!is_known(input->service, service))
        say(input, SERVICE_UNKNOWN, out);
    else
        say(input, input->draining ? NOT_SERVING : SERVING, out);
    return true;
}

struct str grpc_health_not_serving(void)
{
    static const char message[RESPONSE_BYTES] = {0, 0, 0, 0, 2, 1 << 3, NOT_SERVING};

    return str_of(message, sizeof(message));
}
