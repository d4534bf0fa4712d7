/* xml_charset.c: windows-1252 and ISO-8859-15, by what they have of their own over ISO-8859-1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/xml_charset.h"

/* 0x80 to 0x9f of windows-1252; 0: nothing stands there. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static const struct {
    uint8_t byte;
    uint16_t character;
} latin_9[] = {
    {0xa4, 0x20ac}, {0xa6, 0x0160}, {0xa8, 0x0161}, {0xb4, 0x017d},
    {0xb8, 0x017e}, {0xbc, 0x0152}, {0xbd, 0x0153}, {0xbe, 0x0178},
};

int xml_charset(struct str name, uint8_t byte)
{
    bool is_windows = str_eq_fold(name, STR("windows-1252")) || str_eq_fold(name, STR("cp1252"));
    bool is_latin_9 = str_eq_fold(name, STR("ISO-8859-15")) || str_eq_fold(name, STR("latin-9"));

    if (!is_windows && !is_latin_9)
        return -1;
    if (is_windows && byte >= 0x80 && byte < 0xa0)
        return windows_1252[byte - 0x80] ? windows_1252[byte - 0x80] : -1;
    for (size_t i = 0; is_latin_9 && i < COUNT_OF(latin_9); i++)
        if (latin_9[i].byte == byte)
            return latin_9[i].character;
    return byte;
}
