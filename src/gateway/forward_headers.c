/* forward_headers.c: which of a client's headers reach the backend, and those that the gateway adds (spec 3.4, 4.1).
 * The client's order is kept; names go out in Go's canonical form. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/forward_internal.h"
#include "gateway/grpc.h"
#include "http/ws/upgrade.h"

static const struct str agent = STR_INIT("KrakenD Version " HOLDFAST_VERSION);

/* What Go's client says when a backend's filter leaves no User-Agent. */
static const struct str go_agent = STR_INIT("Go-http-client/1.1");

static NOINLINE bool lists(const struct str_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq_fold(list->items[i], name))
            return true;
    return false;
}

/* The endpoint's list; without one only Content-Type passes. */
static bool endpoint_passes(const struct forward_input *input, struct str name, enum header_id id)
{
    const struct str_list *list = input->endpoint->input_headers;

    if (input->endpoint->all_headers)
        return true;
    return list->count == 0 ? id == HEADER_CONTENT_TYPE : lists(list, name);
}

/* The backend's list, which also holds back what the gateway adds. */
static bool backend_passes(const struct forward_input *input, struct str name)
{
    const struct str_list *list = input->backend->input_headers;

    return list->count == 0 || lists(list, name);
}

/* True when the name is already as Go writes it: capitals at the start and behind each '-'. */
static bool is_canonical(struct str name)
{
    bool start = true;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (start ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z')
            return false;
        start = c == '-';
    }
    return true;
}

static struct str canonical(struct arena *arena, const struct http_field *field)
{
    if (field->id != HEADER_OTHER)
        return header_name((enum header_id)field->id);
    return is_canonical(field->name) ? field->name : header_canonical(arena, field->name);
}

/* Early-Data, X-Forwarded-For, -Host, User-Agent or -Via and Go's own; the last is for Accept-Encoding (forward.c). */
enum { OWN_FIELDS_MAX = 6 };

struct copying {
    struct arena *arena;
    const struct forward_input *input;
    struct http_field *next; /* room for all of the client's fields and those of ours */
    bool has_agent;          /* the client's User-Agent is among what the endpoint passes */
    bool passes_length, passes_expect;
};

static ALWAYS_INLINE void add(struct copying *copying, enum header_id id, struct str value)
{
    if (backend_passes(copying->input, header_name(id)))
        *copying->next++ = (struct http_field){header_name(id), value, (uint16_t)id};
}

/* Fields that are written anew below, whatever the client said. */
static bool is_replaced(const struct copying *copying, enum header_id id)
{
    return id == HEADER_X_FORWARDED_FOR || id == HEADER_X_FORWARDED_HOST ||
           (id == HEADER_X_FORWARDED_VIA && copying->has_agent);
}

/* What belongs to the kind of exchange passes whatever the lists say: the handshake of a WebSocket, where a stream of
 * events is to be taken up again, and what gRPC is made of. */
static bool always_passes(const struct forward_input *input, struct str name, enum header_id id)
{
    if (input->grpc && grpc_is_field(name, id))
        return true;
    if (id != HEADER_OTHER)
        return false;
    if (input->upgrade)
        return ws_is_field(name);
    return input->endpoint->traffic == CLASS_STREAM && str_eq_fold(name, STR("Last-Event-ID"));
}

/* Trailer announces what only a no-op endpoint passes on, behind a body that has no length. */
static bool announces_nothing(const struct forward_input *input, enum header_id id)
{
    return id == HEADER_TRAILER && (!input->endpoint->no_op || input->request->body_bytes >= 0 || input->empty);
}

static bool copy(struct copying *copying, const struct http_field *field)
{
    enum header_id id = (enum header_id)field->id;
    struct str name;

    if (UNLIKELY((copying->input->grpc || copying->input->endpoint->traffic != CLASS_SHORT) &&
                 always_passes(copying->input, field->name, id))) {
        *copying->next++ = *field;
        return true;
    }

    /* Whoever hides that a request may be a replay would answer for it (RFC 8470 5.1). */
    if (id != HEADER_EARLY_DATA &&
        (!endpoint_passes(copying->input, field->name, id) || !backend_passes(copying->input, field->name) ||
         is_replaced(copying, id) || announces_nothing(copying->input, id)))
        return true;
    if (id == HEADER_CONTENT_LENGTH) {
        copying->passes_length = true; /* The connection writes it, from body_bytes. */
        return true;
    }
    if (id == HEADER_USER_AGENT && field->value.len == 0)
        return true; /* Go's client sends no empty one, and none of its own. */
    copying->passes_expect |= id == HEADER_EXPECT;
    name = canonical(copying->arena, field);
    *copying->next++ = (struct http_field){name, field->value, field->id};
    return name.data != NULL;
}

static void add_own(struct copying *copying)
{
    const struct forward_input *input = copying->input;

    if (input->early && headers_get_id(&input->request->headers, HEADER_EARLY_DATA).data == NULL)
        *copying->next++ = (struct http_field){header_name(HEADER_EARLY_DATA), STR("1"), (uint16_t)HEADER_EARLY_DATA};
    if (input->client_ip.len > 0)
        add(copying, HEADER_X_FORWARDED_FOR, input->client_ip);
    add(copying, HEADER_X_FORWARDED_HOST, input->request->authority.len > 0 ? input->request->authority : STR(""));
    if (copying->has_agent)
        add(copying, HEADER_X_FORWARDED_VIA, agent);
    else
        add(copying, HEADER_USER_AGENT, agent);
    if (!backend_passes(input, header_name(HEADER_USER_AGENT)))
        *copying->next++ = (struct http_field){header_name(HEADER_USER_AGENT), go_agent, (uint16_t)HEADER_USER_AGENT};
}

/* Methods whose requests usually have no body, as Go's client sees it. */
static bool lacks_body(struct str method)
{
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")) || str_eq(method, STR("DELETE")) ||
           str_eq(method, STR("OPTIONS"));
}

/* KrakenD tells the backend a length only when Content-Length is among the copied headers; else a body goes out in
 * chunks, an empty one only with methods that have bodies: some hosts refuse a GET with Transfer-Encoding. */
static int64_t body_bytes(const struct copying *copying, struct str method)
{
    int64_t bytes = copying->input->request->body_bytes;

    if (bytes < 0 && copying->input->empty && lacks_body(method))
        return 0;
    return bytes <= 0 || copying->passes_length ? bytes : -1;
}

bool forward_headers(struct arena *arena, const struct forward_input *input, struct http_head *out)
{
    const struct http_headers *from = &input->request->headers;
    uint32_t room = from->count + OWN_FIELDS_MAX;
    struct http_field *fields = arena_alloc(arena, room * sizeof *fields, _Alignof(struct http_field));
    struct copying copying = {.arena = arena, .input = input, .next = fields};

    if (!fields)
        return false;
    copying.has_agent = endpoint_passes(input, header_name(HEADER_USER_AGENT), HEADER_USER_AGENT) &&
                        headers_get_id(from, HEADER_USER_AGENT).data != NULL;
    for (uint32_t i = 0; i < from->count; i++)
        if (!copy(&copying, &from->fields[i]))
            return false;
    add_own(&copying);
    out->headers = (struct http_headers){fields, (uint32_t)(copying.next - fields), room};
    out->expect_continue = input->request->expect_continue && copying.passes_expect;
    out->body_bytes = body_bytes(&copying, out->method);
    out->announced_bytes = out->body_bytes > 0 ? out->body_bytes : -1;
    return true;
}

void forward_trailers(const struct forward_input *input, struct http_head *trailers)
{
    struct http_headers *headers = &trailers->headers;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < headers->count; i++) {
        const struct http_field *field = &headers->fields[i];

        if (endpoint_passes(input, field->name, (enum header_id)field->id) && backend_passes(input, field->name))
            headers->fields[kept++] = *field;
    }
    headers->count = kept;
}
