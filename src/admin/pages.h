/* pages.h: what the admin listener answers, as pure functions of the numbers. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_PAGES_H
#define HOLDFAST_ADMIN_PAGES_H

#include "admin/admin.h"

struct page {
    uint16_t status;
    struct str type, body; /* in the arena, or static */
    struct str allow;      /* of a 405; else empty */
    bool drains;           /* with this answer the drain begins */
    bool drains_listener;  /* ... that of this one of view->listeners */
    size_t listener;
    bool challenges; /* a 401: it needs the token */
};

/* Its path without the query. */
struct str page_path(const struct http_head *request);

/* The page for a request, or what a command answers: by its path. 404 for others, 405 for other methods, 403 for a
 * command that a page of somebody else sends, 401 for one without the token. */
void page_make(struct arena *arena, const struct admin_view *view, const struct http_head *request, uint64_t uptime_ns,
               struct page *page);

/* Pages that workers must be asked for: /v1/conns, and POST /v1/pools:flush. */
bool page_is_conns(const struct http_head *request);
bool page_is_flush(const struct admin_view *view, const struct http_head *request);
void page_take(struct page *page, struct str body);              /* JSON that was made elsewhere; no data: 500 */
void page_refuse_asking(struct page *page, const char *problem); /* 400; NULL: there is no memory, 500 */

void page_refuse_name(struct page *page); /* 421: the Host is no name of this listener (caller.h) */

/* 400: what came is no request. */
void page_refuse(struct page *page);

#endif
