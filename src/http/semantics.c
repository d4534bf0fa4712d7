/* semantics.c: the meaning of fields for the connection: framing and hop-by-hop rules. Start with semantics_request.
 * Host and port are in authority.c, trailers in trailers.c. SPDX-License-Identifier: Apache-2.0 */
#include "http/semantics.h"

#include "base/text.h"

#include <assert.h>

enum {
    OPTIONS_MAX = 32,      /* fields that Connection may name; each costs a look at every field */
    HINT_MAX = 1000000000, /* larger numbers of a Keep-Alive field mean as much */
};

/* What the first look at all fields found. */
struct reading {
    struct str host, length, coding, upgrade;
    uint32_t hosts, lengths, length_fields, codings, upgrades;
    uint64_t ids; /* of all fields, as a set */
    bool switches;
    int64_t length_number;
    struct str *options; /* names of Connection that are no known field; room for OPTIONS_MAX */
    uint32_t option_count;
};

struct message {
    struct http_head *head;
    struct http_framing *framing;
    struct reading reading;
    enum fault fault; /* whose it is when something is wrong */
    struct error *err;
};

static bool refuse(struct message *message, enum error_code code, const char *text)
{
    return error_set(message->err, message->fault, code, "%s", text);
}

/* Sets of known fields, for tests that each field of each message goes through. */
static_assert(HEADER_ID_COUNT <= 64, "a set of fields is one word");
#define FIELD(id) (UINT64_C(1) << HEADER_##id)

static bool is_in(uint64_t set, enum header_id id)
{
    return set >> id & 1;
}

static const uint64_t hop_by_hop = FIELD(CONNECTION) | FIELD(KEEP_ALIVE) | FIELD(PROXY_CONNECTION) | FIELD(TE) |
                                   FIELD(TRANSFER_ENCODING) | FIELD(UPGRADE) | FIELD(HTTP2_SETTINGS);

bool header_is_hop_by_hop(enum header_id id)
{
    return is_in(hop_by_hop, id);
}

/* Digits only, and no more than a file can have. */
static bool parse_length(struct str text, int64_t *number)
{
    uint64_t value;

    if (!text_to_u64(text, &value) || value > INT64_MAX)
        return false;
    *number = (int64_t)value;
    return true;
}

/* A field that Connection may not name: who obeyed would change where the request goes, who sends it or where it ends.
 */
static bool guards_the_message(enum header_id id)
{
    return is_in(FIELD(HOST) | FIELD(CONTENT_LENGTH) | FIELD(CONTENT_TYPE) | FIELD(CONTENT_ENCODING) |
                     FIELD(AUTHORIZATION) | FIELD(COOKIE),
                 id);
}

/* One element of Connection (RFC 9110 7.6.1). Fields that are known to be end-to-end stay whatever it says. */
static bool take_option(struct message *message, struct str option)
{
    struct reading *reading = &message->reading;
    enum header_id id = header_id_of(option);

    if (str_eq_fold(option, STR("close")))
        message->framing->close = true;
    else if (id == HEADER_KEEP_ALIVE)
        message->framing->keep_alive = true;
    else if (id == HEADER_UPGRADE)
        reading->switches = true;
    else if (message->fault == FAULT_CLIENT && guards_the_message(id))
        return refuse(message, ERROR_BAD_FRAMING, "Connection names a field that guards the message");
    else if (id == HEADER_OTHER && header_name_is_valid(option)) {
        if (reading->option_count == OPTIONS_MAX)
            return refuse(message, ERROR_BAD_FRAMING, "Connection names too many fields");
        reading->options[reading->option_count++] = option;
    }
    return true;
}

static bool take_options(struct message *message, struct str value)
{
    struct str option;

    while (str_split(&value, ',', &option)) {
        option = str_trim(option);
        if (option.len > 0 && !take_option(message, option))
            return false;
    }
    return true;
}

/* "timeout=5, max=100" (RFC 2068 19.7.1, never a standard): whatever can be understood of it. */
static void take_hints(struct http_framing *framing, struct str value)
{
    struct str part, name;
    uint64_t number;

    while (str_split(&value, ',', &part)) {
        part = str_trim(part);
        name = str_trim(str_first(part, str_find_char(part, '=')));
        part = str_trim(str_from_offset(part, str_find_char(part, '=') + 1));
        if (part.len > 2 && part.data[0] == '"' && part.data[part.len - 1] == '"')
            part = str_of(part.data + 1, part.len - 2);
        if (!text_to_u64(part, &number))
            continue;
        if (number > HINT_MAX)
            number = HINT_MAX;
        if (str_eq_fold(name, STR("timeout")))
            framing->hint_timeout_s = (int32_t)number;
        else if (str_eq_fold(name, STR("max")))
            framing->hint_max = (int32_t)number;
    }
}

/* Equal numbers, in one field or in several, count as one in a response (RFC 9112 6.3). */
static bool take_lengths(struct message *message, struct str value)
{
    struct reading *reading = &message->reading;
    struct str part;
    int64_t number;

    /* Most often it is one number and no list. */
    if (LIKELY(reading->lengths == 0 && parse_length(value, &reading->length_number))) {
        reading->lengths = 1;
        return true;
    }
    while (str_split(&value, ',', &part)) {
        if (!parse_length(str_trim(part), &number))
            return refuse(message, ERROR_BAD_FRAMING, "Content-Length is not a number");
        if (reading->lengths++ > 0 && number != reading->length_number)
            return refuse(message, ERROR_BAD_FRAMING, "Content-Length has different numbers");
        reading->length_number = number;
    }
    return true;
}

static bool take_length(struct message *message, struct str value)
{
    struct reading *reading = &message->reading;

    reading->length_fields++;
    if (message->fault == FAULT_UPSTREAM)
        return take_lengths(message, value);
    if (reading->lengths++ > 0)
        return refuse(message, ERROR_BAD_FRAMING, "Content-Length is there more than once");
    if (!parse_length(value, &reading->length_number))
        return refuse(message, ERROR_BAD_FRAMING, "Content-Length is not a number");
    return true;
}

/* RFC 9110 10.1.4. That Connection should name TE is not insisted on: whoever parses chunks can pass over trailers. */
static bool keeps_trailers(struct str value)
{
    struct str element;

    while (str_split(&value, ',', &element))
        if (str_eq_fold(str_trim(element), STR("trailers")))
            return true;
    return false;
}

static bool take_field(struct message *message, const struct http_field *field)
{
    struct reading *reading = &message->reading;

    if (field->id == HEADER_CONTENT_LENGTH)
        return take_length(message, field->value);
    if (field->id == HEADER_CONNECTION)
        return take_options(message, field->value);
    if (field->id == HEADER_TRANSFER_ENCODING) {
        reading->codings++;
        reading->coding = field->value;
    } else if (field->id == HEADER_HOST) {
        reading->hosts++;
        reading->host = field->value;
    } else if (field->id == HEADER_UPGRADE) {
        reading->upgrades++;
        reading->upgrade = field->value;
    } else if (field->id == HEADER_KEEP_ALIVE) {
        take_hints(message->framing, field->value);
    } else if (field->id == HEADER_TE && message->head->version_minor > 0) {
        message->head->trailers |= keeps_trailers(field->value);
    }
    return true;
}

static bool take_fields(struct message *message)
{
    const struct http_headers *headers = &message->head->headers;
    const uint64_t read = FIELD(CONTENT_LENGTH) | FIELD(CONNECTION) | FIELD(TRANSFER_ENCODING) | FIELD(HOST) |
                          FIELD(UPGRADE) | FIELD(KEEP_ALIVE) | FIELD(TE);
    uint64_t ids = 0;

    message->framing->hint_timeout_s = message->framing->hint_max = -1;
    for (uint32_t i = 0; i < headers->count; i++) {
        uint64_t id = UINT64_C(1) << headers->fields[i].id;

        ids |= id;
        if ((id & read) != 0 && !take_field(message, &headers->fields[i]))
            return false;
    }
    message->reading.ids = ids;
    return true;
}

/* Of all that RFC 9112 7 allows, exactly `chunked`, once, is spoken here. */
static bool check_coding(struct message *message)
{
    const struct reading *reading = &message->reading;

    if (reading->codings == 0)
        return true;
    if (message->head->version_minor == 0)
        return refuse(message, ERROR_BAD_FRAMING, "Transfer-Encoding in an HTTP/1.0 message");
    if (reading->lengths > 0)
        return refuse(message, ERROR_BAD_FRAMING, "both Content-Length and Transfer-Encoding");
    if (reading->codings > 1)
        return refuse(message, ERROR_BAD_FRAMING, "Transfer-Encoding is there more than once");
    if (str_eq_fold(reading->coding, STR("chunked")))
        return true;
    return refuse(message, header_name_is_valid(reading->coding) ? ERROR_BAD_CODING : ERROR_BAD_FRAMING,
                  "Transfer-Encoding is not chunked alone");
}

static bool is_named(const struct reading *reading, const struct http_field *field)
{
    if (field->id != HEADER_OTHER)
        return false;
    for (uint32_t i = 0; i < reading->option_count; i++)
        if (str_eq_fold(reading->options[i], field->name))
            return true;
    return false;
}

/* Request: fields that the next hop must not see (Proxy-Authorization was for us: RFC 9110 11.7.2). Of equal
 * Content-Length fields of a response one stays. */
static bool is_dropped(const struct message *message, const struct http_field *field, bool length_seen)
{
    enum header_id id = (enum header_id)field->id;

    if (header_is_hop_by_hop(id) || id == HEADER_HOST || is_named(&message->reading, field))
        return true;
    if (id == HEADER_CONTENT_LENGTH)
        return length_seen;
    if (message->fault == FAULT_UPSTREAM)
        return false;
    return id == HEADER_PROXY_AUTHORIZATION || (id == HEADER_EXPECT && message->head->version_minor == 0);
}

static NOINLINE void drop_those(struct message *message)
{
    struct http_headers *headers = &message->head->headers;
    bool length_seen = false;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < headers->count; i++) {
        if (is_dropped(message, &headers->fields[i], length_seen))
            continue;
        length_seen |= headers->fields[i].id == HEADER_CONTENT_LENGTH;
        if (kept != i)
            headers->fields[kept] = headers->fields[i];
        kept++;
    }
    headers->count = kept;
}

/* Most answers have nothing that is_dropped would drop. */
static void drop_fields(struct message *message)
{
    const struct reading *reading = &message->reading;

    if ((reading->ids & (hop_by_hop | FIELD(HOST) | FIELD(PROXY_AUTHORIZATION) | FIELD(EXPECT))) != 0 ||
        reading->option_count > 0 || reading->length_fields > 1)
        drop_those(message);
}

/* "example.test:" is the same place as "example.test", but not every server knows (RFC 3986 3.2.3). */
static struct str without_empty_port(struct str authority)
{
    return str_ends(authority, STR(":")) ? str_first(authority, authority.len - 1) : authority;
}

/* Over HTTP/2 they often are one piece of text. */
static bool is_same(struct str a, struct str b)
{
    return a.data == b.data && a.len == b.len;
}

static bool check_host(struct message *message)
{
    const struct reading *reading = &message->reading;
    struct http_head *head = message->head;

    if (reading->hosts > 1)
        return refuse(message, ERROR_BAD_HOST, "Host is there more than once");
    if (reading->hosts == 0 && head->version_minor > 0)
        return refuse(message, ERROR_BAD_HOST, "no Host");
    if (!authority_is_valid(reading->host) ||
        !(is_same(head->authority, reading->host) || authority_is_valid(head->authority)))
        return refuse(message, ERROR_BAD_HOST, "Host is not a host and a port");
    head->authority = without_empty_port(head->authority.len > 0 ? head->authority : reading->host);
    return true;
}

/* RFC 9110 10.1.1: what is expected instead of 100-continue cannot be fulfilled, which is said as Go's server does.
 * HTTP/1.0 expects nothing. */
static bool check_expectations(struct message *message)
{
    struct http_head *head = message->head;
    struct header_list cursor = {0};
    struct str element;
    bool others = false;

    if (!is_in(message->reading.ids, HEADER_EXPECT))
        return true;
    while (head->version_minor > 0 && headers_list_next(&head->headers, HEADER_EXPECT, &cursor, &element)) {
        bool known = str_eq_fold(element, STR("100-continue"));

        head->expect_continue |= known;
        others |= !known;
    }
    if (others && !head->expect_continue)
        return refuse(message, ERROR_BAD_EXPECTATION, "something other than 100-continue is expected");
    return true;
}

/* RFC 9110 7.8: only with Connection: upgrade, and not in HTTP/1.0. Who offers several protocols is not switched. */
static void take_upgrade(struct message *message)
{
    const struct reading *reading = &message->reading;
    bool one = reading->upgrades == 1 && str_find_char(reading->upgrade, ',') == reading->upgrade.len;

    if (reading->switches && one && message->head->version_minor > 0)
        message->head->protocol = reading->upgrade;
}

bool semantics_request(struct http_head *head, struct http_framing *framing, struct error *err)
{
    struct str options[OPTIONS_MAX];
    struct message message = {
        .head = head, .framing = framing, .fault = FAULT_CLIENT, .err = err, .reading = {.options = options}};
    const struct reading *reading = &message.reading;

    *framing = (struct http_framing){0};
    if (!take_fields(&message) || !check_coding(&message) || !check_host(&message))
        return false;
    framing->chunked = reading->codings > 0;
    head->announced_bytes = reading->lengths > 0 ? reading->length_number : -1;
    if (framing->chunked)
        head->body_bytes = -1;
    else
        head->body_bytes = reading->lengths > 0 ? reading->length_number : 0;
    take_upgrade(&message);
    drop_fields(&message);
    return check_expectations(&message);
}

bool semantics_response(struct http_head *head, bool no_body, struct http_framing *framing, struct error *err)
{
    struct str options[OPTIONS_MAX];
    struct message message = {
        .head = head, .framing = framing, .fault = FAULT_UPSTREAM, .err = err, .reading = {.options = options}};
    const struct reading *reading = &message.reading;
    bool bodyless = !status_has_body(head->status);

    *framing = (struct http_framing){0};
    if (!take_fields(&message) || !check_coding(&message))
        return false;
    head->announced_bytes = reading->lengths > 0 ? reading->length_number : -1;
    /* RFC 9112 6.1, RFC 9110 8.6: 1xx and 204 carry neither field. A server that sends one may send a body as well. */
    framing->suspect = bodyless && head->status != 304 && (reading->codings > 0 || head->announced_bytes > 0);
    framing->chunked = reading->codings > 0 && !bodyless && !no_body;
    framing->until_close = !bodyless && !no_body && reading->codings == 0 && reading->lengths == 0;
    if (bodyless || no_body)
        head->body_bytes = 0;
    else
        head->body_bytes = reading->lengths > 0 ? reading->length_number : -1;
    if (head->status == 101)
        take_upgrade(&message);
    drop_fields(&message);
    return true;
}
