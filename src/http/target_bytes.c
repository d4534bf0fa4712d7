/* target_bytes.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "http/target_bytes.h"

bool target_has_bad_bytes(struct str target)
{
    for (size_t i = 0; i < target.len; i++) {
        uint8_t byte = (uint8_t)target.data[i];

        if (byte <= ' ' || byte == 0x7f || byte == '#')
            return true;
    }
    return false;
}

bool target_escape(struct arena *arena, struct str *path)
{
    static const char hex[] = "0123456789ABCDEF";
    char *text = arena_alloc(arena, 3 * path->len + 1, 1), *end = text;

    if (!text)
        return false;
    for (size_t i = 0; i < path->len; i++) {
        uint8_t byte = (uint8_t)path->data[i];

        if (byte < 0x80) {
            *end++ = (char)byte;
            continue;
        }
        *end++ = '%';
        *end++ = hex[byte >> 4];
        *end++ = hex[byte & 15];
    }
    *path = str_of(text, (size_t)(end - text));
    return true;
}
