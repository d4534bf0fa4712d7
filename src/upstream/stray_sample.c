/* stray_sample.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/stray_sample.h"

#include "base/compiler.h"

static char made_unreadable(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return 'x';
    return c >= '1' && c <= '9' ? '9' : c;
}

static char as_text(char c)
{
    return (c >= ' ' && c <= '~') || c == '\r' || c == '\n' || c == '\t' ? c : '.';
}

/* Does a field of an answer begin here? One whose name is cut is not told from a body. */
static bool is_field(struct str rest)
{
    size_t i = 0;

    while (i < rest.len && rest.data[i] > ' ' && rest.data[i] != ':')
        i++;
    return i > 0 && i < rest.len && rest.data[i] == ':';
}

static size_t skip_line_ends(struct str bytes)
{
    size_t i = 0;

    while (i < bytes.len && (bytes.data[i] == '\r' || bytes.data[i] == '\n'))
        i++;
    return i;
}

void stray_sample_take(struct stray_sample *sample, struct str bytes)
{
    struct str kept = str_first(bytes, STRAY_SAMPLE_BYTES);
    size_t begin = skip_line_ends(kept);
    bool in_head = str_starts(str_from_offset(kept, begin), STR("HTTP/")), readable = in_head;

    sample->len = (uint8_t)kept.len;
    for (size_t i = 0; i < kept.len; i++) {
        if (i > begin && kept.data[i - 1] == '\n')
            readable = in_head = in_head && is_field(str_from_offset(kept, i));
        if (kept.data[i] == ':')
            readable = false;
        sample->bytes[i] = as_text(readable ? kept.data[i] : made_unreadable(kept.data[i]));
    }
}

static char letter_of(char c)
{
    switch (c) {
    case '\r':
        return 'r';
    case '\n':
        return 'n';
    case '\t':
        return 't';
    case '"':
    case '\\':
        return c;
    default:
        return '\0';
    }
}

const char *stray_sample_text(const struct stray_sample *sample, char *text)
{
    char *end = text;

    for (size_t i = 0; i < sample->len; i++) {
        char letter = letter_of(sample->bytes[i]);

        if (letter != '\0')
            *end++ = '\\';
        *end++ = letter != '\0' ? letter : sample->bytes[i];
    }
    *end = '\0';
    return text;
}
