/* voucher.c: see the header. One block of memory, with the text behind the struct. SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/voucher.h"

#include <stdlib.h>
#include <string.h>

static struct str copy(char **room, struct str text)
{
    struct str out = str_of(*room, text.len);

    if (text.len > 0)
        memcpy(*room, text.data, text.len);
    *room += text.len;
    return out;
}

static struct str tls_of(const struct proxy_tls *tls)
{
    if (!tls->given || !tls->over_tls)
        return STR("");
    return tls->version.len > 0 ? tls->version : STR("yes");
}

struct voucher *voucher_new(const struct proxy_header *header)
{
    struct str tls = tls_of(&header->tls);
    size_t size = header->alpn.len + header->authority.len + header->unique_id.len + tls.len;
    struct voucher *voucher = size > 0 ? malloc(sizeof(*voucher) + size) : NULL;
    char *room;

    if (!voucher)
        return NULL;
    room = (char *)(voucher + 1);
    voucher->alpn = copy(&room, header->alpn);
    voucher->authority = copy(&room, header->authority);
    voucher->id = copy(&room, header->unique_id);
    voucher->tls = copy(&room, tls);
    return voucher;
}
