/* parse.c: start lines and field lines. Strict: what a lenient peer might read in another way is refused, never
 * repaired. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/parse.h"

#include "http/h1/parse_internal.h"

struct parser {
    struct h1_walk walk;
    const struct h1_parse *parse;
    struct str text;
    struct http_head *head;
    enum fault fault;
    struct error *err;
};

/* The maps of the walk, which are large, are not even zeroed. */
static void start(struct parser *parser, const struct h1_parse *parse, struct str text, struct http_head *head)
{
    h1_walk_init(&parser->walk, parse->scanner, text);
    parser->parse = parse;
    parser->text = text;
    parser->head = head;
    *head = (struct http_head){.announced_bytes = -1};
}

static bool refuse(const struct parser *parser, enum error_code code, const char *text)
{
    return error_set(parser->err, parser->fault, code, "%s", text);
}

static bool no_memory(const struct parser *parser)
{
    return error_set(parser->err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
}

/* Is there a CR LF at `at`? */
static inline bool ends_line(const struct parser *parser, size_t at)
{
    return at + 1 < parser->text.len && parser->text.data[at] == '\r' && parser->text.data[at + 1] == '\n';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Tells what is wrong with a name that does not end at a colon. */
static bool refuse_name(const struct parser *parser, size_t from, size_t end)
{
    char c = end < parser->text.len ? parser->text.data[end] : '\0';

    if (is_blank(c))
        return refuse(parser, ERROR_BAD_FIELD,
                      end == from ? "a field line is folded" : "white space in a field name or before its colon");
    if (c == ':')
        return refuse(parser, ERROR_BAD_FIELD, "a field without a name");
    if (c == '\r')
        return refuse(parser, ERROR_BAD_FIELD, "a field line without a colon");
    return refuse(parser, ERROR_BAD_FIELD, "a byte in a field name that cannot be there");
}

static bool keep_field(struct parser *parser, struct str name, struct str value)
{
    struct http_headers *headers = &parser->head->headers;

    if (headers->count >= parser->parse->fields_max)
        return refuse(parser, ERROR_HEAD_TOO_LARGE, "too many fields");
    if (!parser->parse->arena) {
        headers->count++;
        return true;
    }
    return headers_add(headers, parser->parse->arena, name, value) || no_memory(parser);
}

/* One field line at *at, which is moved behind it (RFC 9112 5). */
static bool parse_field(struct parser *parser, size_t *at)
{
    const char *data = parser->text.data;
    size_t name = *at, name_end = h1_walk_odd(&parser->walk, name), value, end, next;

    if (name_end == name || name_end == parser->text.len || data[name_end] != ':')
        return refuse_name(parser, name, name_end);
    if (name_end - name > H1_NAME_BYTES_MAX)
        return refuse(parser, ERROR_HEAD_TOO_LARGE, "a field name is too long");
    value = name_end + 1;
    end = h1_walk_control(&parser->walk, value);
    if (!ends_line(parser, end))
        return refuse(parser, ERROR_BAD_FIELD, "a control byte in a field value");
    next = end + 2;
    while (value < end && is_blank(data[value]))
        value++;
    while (end > value && is_blank(data[end - 1]))
        end--;
    *at = next;
    return keep_field(parser, str_of(data + name, name_end - name), str_of(data + value, end - value));
}

/* All field lines and the empty one behind them. */
static bool parse_fields(struct parser *parser, size_t at)
{
    while (!ends_line(parser, at))
        if (!parse_field(parser, &at))
            return false;
    if (at + 2 != parser->text.len)
        return refuse(parser, ERROR_BAD_FIELD, "bytes behind the end of the head");
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/" DIGIT "." DIGIT */
static bool is_version(const char *text)
{
    return memcmp(text, "HTTP/", 5) == 0 && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

/* Higher minor versions mean what 1.1 means (RFC 9110 2.5). */
static bool take_version(struct parser *parser, const char *text)
{
    if (text[5] != '1')
        return refuse(parser, ERROR_BAD_VERSION, "a version of HTTP that is not spoken here");
    parser->head->version_minor = text[7] != '0';
    return true;
}

enum { VERSION_BYTES = 8 };

/* method SP target SP version; *end is where its CR LF stands. */
static bool parse_request_line(struct parser *parser, size_t *end, struct str *target)
{
    const char *data = parser->text.data;
    size_t method_end = h1_walk_odd(&parser->walk, 0), version;

    if (method_end == 0 || method_end == parser->text.len || data[method_end] != ' ')
        return refuse(parser, ERROR_BAD_REQUEST_LINE, "the request line does not begin with a method");
    *end = h1_walk_control(&parser->walk, method_end);
    if (*end > H1_LINE_BYTES_MAX)
        return refuse(parser, ERROR_TARGET_TOO_LONG, "the request line is too long");
    if (!ends_line(parser, *end))
        return refuse(parser, ERROR_BAD_REQUEST_LINE, "a control byte in the request line");
    version = *end - VERSION_BYTES;
    if (*end < method_end + VERSION_BYTES + 3 || !is_version(data + version) || data[version - 1] != ' ')
        return refuse(parser, ERROR_BAD_REQUEST_LINE, "the request line does not end with a version");
    parser->head->method = str_of(data, method_end);
    *target = str_of(data + method_end + 1, version - method_end - 2);
    return take_version(parser, data + version);
}

bool h1_parse_request(const struct h1_parse *parse, struct str text, struct http_head *head, struct error *err)
{
    struct parser parser;
    struct str target;
    size_t end = 0;

    start(&parser, parse, text, head);
    parser.fault = FAULT_CLIENT;
    parser.err = err;
    return parse_request_line(&parser, &end, &target) && h1_parse_target(parse->arena, target, head, err) &&
           parse_fields(&parser, end + 2);
}

/* version SP status [SP reason]. The space in front of an empty reason is often left out. */
static bool parse_status_line(struct parser *parser, size_t *end)
{
    const char *data = parser->text.data, *status = data + VERSION_BYTES + 1;

    *end = h1_walk_control(&parser->walk, 0);
    if (*end > H1_LINE_BYTES_MAX)
        return refuse(parser, ERROR_HEAD_TOO_LARGE, "the status line is too long");
    if (!ends_line(parser, *end))
        return refuse(parser, ERROR_BAD_STATUS_LINE, "a control byte in the status line");
    if (*end < VERSION_BYTES + 4 || !is_version(data))
        return refuse(parser, ERROR_BAD_STATUS_LINE, "the answer does not begin with a version and a status");
    if (!take_version(parser, data))
        return false;
    if (data[VERSION_BYTES] != ' ' || !is_digit(status[0]) || !is_digit(status[1]) || !is_digit(status[2]) ||
        status[0] == '0' || (*end > VERSION_BYTES + 4 && status[3] != ' '))
        return refuse(parser, ERROR_BAD_STATUS_LINE, "the status is not a number of three digits");
    parser->head->status = (uint16_t)((status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'));
    return true;
}

bool h1_parse_response(const struct h1_parse *parse, struct str text, struct http_head *head, struct error *err)
{
    struct parser parser;
    size_t end;

    start(&parser, parse, text, head);
    parser.fault = FAULT_UPSTREAM;
    parser.err = err;
    return parse_status_line(&parser, &end) && parse_fields(&parser, end + 2);
}

bool h1_parse_trailers(const struct h1_parse *parse, struct str text, enum fault fault, struct http_head *head,
                       struct error *err)
{
    struct parser parser;

    start(&parser, parse, text, head);
    parser.fault = fault;
    parser.err = err;
    return parse_fields(&parser, 0);
}
