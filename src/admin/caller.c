/* caller.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "admin/caller.h"

#include "gateway/admin_token.h"

static const struct str_list *own_names(const struct generation *generation)
{
    return &generation_service(generation)->server.admin_hosts;
}

bool caller_must_name_us(const struct addr *addr, const struct generation *generation)
{
    return addr->family != ADDR_UNIX && (addr_is_loopback(addr) || own_names(generation)->count > 0);
}

/* "[::1]:80" and "localhost:80" without the port. */
static struct str name_of(struct str authority)
{
    size_t bracket = str_find_char(authority, ']');

    return str_first(authority, bracket < authority.len ? bracket + 1 : str_find_char(authority, ':'));
}

static bool is_listed(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq_fold(names->items[i], name))
            return true;
    return str_list_has(names, STR("*"));
}

bool caller_names_us(const struct admin_view *view, const struct http_head *request)
{
    struct str name = name_of(request->authority);
    struct addr addr;

    return !view->own_names || name.len == 0 || addr_parse_ip(name, &addr) || str_eq_fold(name, STR("localhost")) ||
           is_listed(own_names(view->generation), name);
}

bool caller_is_a_page(const struct http_head *request)
{
    return headers_get(&request->headers, STR("Origin")).len > 0;
}

bool caller_has_token(const struct admin_view *view, const struct http_head *request)
{
    struct str token = generation_admin_token(view->generation);

    return token.len == 0 || admin_token_fits(token, headers_get(&request->headers, STR("Authorization")));
}
