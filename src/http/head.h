/* head.h: a request's or a response's head, the same for every HTTP version and both roles.
 *
 * A conn hands up heads whose framing it has understood: hop-by-hop fields are gone (RFC 9110 7.6.1), the body's length
 * stands in body_bytes. Framing fields are written by the conn that sends, never copied.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_HEAD_H
#define HOLDFAST_HTTP_HEAD_H

#include "base/arena.h"
#include "base/error.h"

/* Known field names by number; HEADER_OTHER for the rest. The list is names.def. */
enum header_id {
    HEADER_OTHER,
#define HEADER(id, name) HEADER_##id,
#include "http/names.def"
#undef HEADER
    HEADER_ID_COUNT
};

struct http_field {
    struct str name;  /* bytes as received (or Go-canonical when made here) */
    struct str value; /* without surrounding white space */
    uint16_t id;      /* enum header_id */
};

struct http_headers {
    struct http_field *fields; /* in order */
    uint32_t count, room;
};

struct http_head {
    struct str method;     /* request */
    struct str scheme;     /* request: of an absolute-form target, else empty; the client role writes "http" */
    struct str authority;  /* request: Host, or that of an absolute-form target (which wins, RFC 9112 3.2.2) */
    struct str path;       /* request: path and query as sent, begins with '/', or "*" (OPTIONS) or empty (CONNECT) */
    struct str protocol;   /* request: what it asks to switch to ("websocket"); answer 101: what was switched to. Fields
                              Upgrade and Connection (HTTP/1.1), :protocol (RFC 8441) */
    uint16_t status;       /* response; 0 in a request and in trailers */
    uint8_t version_minor; /* HTTP/1.x as received; 1 for later versions */
    bool expect_continue;  /* request: has Expect: 100-continue (ignored in HTTP/1.0) */
    bool known_host;       /* request: whoever made it has seen to it that the authority is a host and a port */
    bool trailers;         /* request: its sender keeps what comes behind an answer's body (TE: trailers, RFC 9110
                              10.1.4). The client role says so for each hop */
    struct http_headers headers; /* without Host, and without hop-by-hop and framing fields but Content-Length */
    int64_t body_bytes;          /* bytes of body that follow: 0: none; -1: not known before its end */
    int64_t announced_bytes; /* the Content-Length field's number when there was one (also for HEAD and 304), else -1 */
};

/* Names. */
enum header_id header_id_of(struct str name);    /* without regard to case */
struct str header_name(enum header_id id);       /* Go-canonical: "Content-Length"; empty for HEADER_OTHER */
struct str header_name_lower(enum header_id id); /* as HTTP/2 has it: "content-length"; empty for HEADER_OTHER */
bool header_name_is_valid(struct str name);      /* token of RFC 9110 5.6.2 */
bool header_value_is_valid(struct str value);    /* no CTL but tab: RFC 9110 5.5 */
/* Go's textproto canonical form ("x-a-b" to "X-A-B"); returned as it is when it has bytes that are no token. data NULL:
 * no room. */
struct str header_canonical(struct arena *arena, struct str name);

/* Fields. Adding grows the array in the arena; false: no room. Name and value are borrowed. */
bool headers_add(struct http_headers *headers, struct arena *arena, struct str name, struct str value) MUST_USE;
bool headers_add_id(struct http_headers *headers, struct arena *arena, enum header_id id, struct str value) MUST_USE;
/* Replaces all fields of that name by one. */
bool headers_set_id(struct http_headers *headers, struct arena *arena, enum header_id id, struct str value) MUST_USE;
void headers_remove_id(struct http_headers *headers, enum header_id id);
void headers_remove(struct http_headers *headers, struct str name);
/* The first field's value of that name; data NULL: there is none. */
struct str headers_get_id(const struct http_headers *headers, enum header_id id);
struct str headers_get(const struct http_headers *headers, struct str name);

/* Walks the elements of comma-separated lists (RFC 9110 5.6.1) in all fields of that id: empty elements are passed
 * over, quoted commas respected. Start with a zeroed cursor; false at the end. */
struct header_list {
    uint32_t field;
    struct str rest;
    bool inside;
};
bool headers_list_next(const struct http_headers *headers, enum header_id id, struct header_list *cursor,
                       struct str *element);

/* Statuses and methods. */
struct str status_reason(uint16_t status);    /* "Not Found"; empty when not registered */
bool status_has_body(uint16_t status);        /* false for 1xx, 204, 304 */
bool method_is_idempotent(struct str method); /* GET HEAD OPTIONS TRACE PUT DELETE (RFC 9110 9.2.2) */

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7); out has 30 bytes. */
enum { HTTP_DATE_BYTES = 30 };
struct str http_date(uint64_t wall_ns, char out[HTTP_DATE_BYTES]);

/* The same, made once for each second; a zeroed one has none yet. The text holds until the next call. */
struct http_dates {
    uint64_t second;
    char text[HTTP_DATE_BYTES];
};
struct str http_date_of(struct http_dates *dates, uint64_t wall_ns);

#endif
