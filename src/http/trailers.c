/* trailers.c: which fields may not come behind a body. SPDX-License-Identifier: Apache-2.0 */
#include "http/semantics.h"

/* RFC 9110 6.5.1 and the definitions of the fields. Known hop-by-hop fields are not repeated here. */
static const struct str forbidden[] = {
    STR_INIT("Age"),
    STR_INIT("Authorization"),
    STR_INIT("Cache-Control"),
    STR_INIT("Content-Disposition"),
    STR_INIT("Content-Encoding"),
    STR_INIT("Content-Language"),
    STR_INIT("Content-Length"),
    STR_INIT("Content-Location"),
    STR_INIT("Content-Range"),
    STR_INIT("Content-Type"),
    STR_INIT("Cookie"),
    STR_INIT("Date"),
    STR_INIT("Expect"),
    STR_INIT("Expires"),
    STR_INIT("Forwarded"),
    STR_INIT("Host"),
    STR_INIT("If-Match"),
    STR_INIT("If-Modified-Since"),
    STR_INIT("If-None-Match"),
    STR_INIT("If-Range"),
    STR_INIT("If-Unmodified-Since"),
    STR_INIT("Location"),
    STR_INIT("Max-Forwards"),
    STR_INIT("Pragma"),
    STR_INIT("Proxy-Authenticate"),
    STR_INIT("Proxy-Authorization"),
    STR_INIT("Range"),
    STR_INIT("Retry-After"),
    STR_INIT("Set-Cookie"),
    STR_INIT("Trailer"),
    STR_INIT("Vary"),
    STR_INIT("Via"),
    STR_INIT("Warning"),
    STR_INIT("Www-Authenticate"),
};

static bool is_forbidden(const struct http_field *field)
{
    if (header_is_hop_by_hop((enum header_id)field->id) || str_starts_fold(field->name, STR("X-Forwarded-")))
        return true;
    for (size_t i = 0; i < COUNT_OF(forbidden); i++)
        if (str_eq_fold(field->name, forbidden[i]))
            return true;
    return false;
}

void semantics_trailers(struct http_head *head)
{
    struct http_headers *headers = &head->headers;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < headers->count; i++)
        if (!is_forbidden(&headers->fields[i]))
            headers->fields[kept++] = headers->fields[i];
    headers->count = kept;
}
