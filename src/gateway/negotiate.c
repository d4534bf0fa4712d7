/* negotiate.c: the format that a client asks for, by gin's rules: its types in its order without weights, each held
 * against what there is, where an offer matches what begins it and a star matches the rest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/encode.h"

static const struct {
    const char *type;
    enum encoding encoding;
} offers[] = {
    {"application/json", ENCODING_JSON},
    {"text/plain", ENCODING_YAML},
    {"application/xml", ENCODING_XML},
    {"application/x-yaml", ENCODING_YAML},
};

static bool matches(struct str accepted, struct str offer)
{
    size_t i = 0;

    for (; i < accepted.len && i < offer.len; i++) {
        if (accepted.data[i] == '*' || offer.data[i] == '*')
            return true;
        if (accepted.data[i] != offer.data[i])
            return false;
    }
    return i == accepted.len;
}

enum encoding encode_negotiate(struct str accept)
{
    struct str item;

    while (str_split(&accept, ',', &item)) {
        item = str_trim(str_first(item, str_find_char(item, ';')));
        for (size_t i = 0; item.len > 0 && i < COUNT_OF(offers); i++)
            if (matches(item, str_from(offers[i].type)))
                return offers[i].encoding;
    }
    return ENCODING_JSON;
}
