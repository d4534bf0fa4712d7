/* caller.h: who asks the admin listener. It knows no users, but browsers: a page of anybody can make them ask, and see
 * the answer when its own name leads here (DNS rebinding). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_CALLER_H
#define HOLDFAST_ADMIN_CALLER_H

#include "admin/admin.h"

/* Does a listener at addr answer to its own names only? One on a loopback address does, any of TCP when holdfast/admin
 * "hosts" names some: elsewhere names are what people and scrapers know it by. */
bool caller_must_name_us(const struct addr *addr, const struct generation *generation);

/* Where that holds (view->own_names): the request's Host is an address, "localhost" or one of "hosts"; its port does
 * not count. Nobody can make these names lead elsewhere first. One without a Host is no browser's. */
bool caller_names_us(const struct admin_view *view, const struct http_head *request);

/* A browser names the page that made it ask: no page but ours may, and ours does not. */
bool caller_is_a_page(const struct http_head *request);

/* Holds the token of "token_file", or there is none. */
bool caller_has_token(const struct admin_view *view, const struct http_head *request);

#endif
