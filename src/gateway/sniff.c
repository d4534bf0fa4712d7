/* sniff.c: the type of a body that comes without one, by its first 512 bytes: the table of WHATWG's MIME Sniffing
 * standard as far as Go's net/http follows it. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer.h"

enum { SNIFF_BYTES = 512 };

static bool is_space(char c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' ';
}

/* Tags, in capitals; a space or '>' must follow. */
static const char *const tags[] = {
    "<!DOCTYPE HTML", "<HTML",  "<HEAD", "<SCRIPT", "<IFRAME", "<H1", "<DIV", "<FONT", "<TABLE", "<A",
    "<STYLE",         "<TITLE", "<B",    "<BODY",   "<BR",     "<P",  "<!--",
};

static bool is_tag(struct str text, struct str tag)
{
    return text.len > tag.len && str_starts_fold(text, tag) && (text.data[tag.len] == ' ' || text.data[tag.len] == '>');
}

static bool is_html(struct str text)
{
    for (size_t i = 0; i < COUNT_OF(tags); i++)
        if (is_tag(text, str_from(tags[i])))
            return true;
    return false;
}

/* First bytes of formats. Where `mask` has a '?', any byte does. */
static const struct {
    struct str bytes;
    const char *mask; /* NULL: all bytes count */
    const char *type;
} signatures[] = {
    {STR_INIT("%PDF-"), NULL, "application/pdf"},
    {STR_INIT("%!PS-Adobe-"), NULL, "application/postscript"},
    {STR_INIT("\xFE\xFF??"), "  ??", "text/plain; charset=utf-16be"},
    {STR_INIT("\xFF\xFE??"), "  ??", "text/plain; charset=utf-16le"},
    {STR_INIT("\xEF\xBB\xBF?"), "   ?", "text/plain; charset=utf-8"},
    {STR_INIT("\0\0\x01\0"), NULL, "image/x-icon"},
    {STR_INIT("\0\0\x02\0"), NULL, "image/x-icon"},
    {STR_INIT("BM"), NULL, "image/bmp"},
    {STR_INIT("GIF87a"), NULL, "image/gif"},
    {STR_INIT("GIF89a"), NULL, "image/gif"},
    {STR_INIT("RIFF????WEBPVP"), "    ????      ", "image/webp"},
    {STR_INIT("\x89PNG\r\n\x1A\n"), NULL, "image/png"},
    {STR_INIT("\xFF\xD8\xFF"), NULL, "image/jpeg"},
    {STR_INIT("FORM????AIFF"), "    ????    ", "audio/aiff"},
    {STR_INIT("ID3"), NULL, "audio/mpeg"},
    {STR_INIT("OggS\0"), NULL, "application/ogg"},
    {STR_INIT("MThd\0\0\0\x06"), NULL, "audio/midi"},
    {STR_INIT("RIFF????AVI "), "    ????    ", "video/avi"},
    {STR_INIT("RIFF????WAVE"), "    ????    ", "audio/wave"},
    {STR_INIT("\x1A\x45\xDF\xA3"), NULL, "video/webm"},
    {STR_INIT("??????????????????????????????????LP"), "??????????????????????????????????  ",
     "application/vnd.ms-fontobject"},
    {STR_INIT("\0\x01\0\0"), NULL, "font/ttf"},
    {STR_INIT("OTTO"), NULL, "font/otf"},
    {STR_INIT("ttcf"), NULL, "font/collection"},
    {STR_INIT("wOFF"), NULL, "font/woff"},
    {STR_INIT("wOF2"), NULL, "font/woff2"},
    {STR_INIT("\x1F\x8B\x08"), NULL, "application/x-gzip"},
    {STR_INIT("PK\x03\x04"), NULL, "application/zip"},
    {STR_INIT("Rar!\x1A\x07\0"), NULL, "application/x-rar-compressed"},
    {STR_INIT("Rar!\x1A\x07\x01\0"), NULL, "application/x-rar-compressed"},
    {STR_INIT("\0asm"), NULL, "application/wasm"},
};

static bool matches(struct str body, struct str bytes, const char *mask)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (i >= body.len || (body.data[i] != bytes.data[i] && (!mask || mask[i] != '?')))
            return false;
    return true;
}

/* A box of type "ftyp" that names a brand beginning with "mp4". */
static bool is_mp4(struct str body)
{
    const uint8_t *bytes = (const uint8_t *)body.data;
    uint32_t size;

    if (body.len < 12)
        return false;
    size = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    if (size > body.len || size % 4 != 0 || !str_starts(str_from_offset(body, 4), STR("ftyp")))
        return false;
    for (uint32_t at = 8; at < size; at += 4)
        if (at != 12 && str_starts(str_from_offset(body, at), STR("mp4")))
            return true;
    return false;
}

/* No control characters that text does not have. */
static bool is_text(struct str body)
{
    for (size_t i = 0; i < body.len; i++) {
        uint8_t c = (uint8_t)body.data[i];

        if (c <= 8 || c == 0x0b || (c >= 0x0e && c <= 0x1a) || (c >= 0x1c && c <= 0x1f))
            return false;
    }
    return true;
}

struct str answer_sniff(struct str body)
{
    struct str text;

    body = str_first(body, SNIFF_BYTES);
    text = body;
    while (text.len > 0 && is_space(text.data[0]))
        text = str_of(text.data + 1, text.len - 1);
    if (is_html(text))
        return STR("text/html; charset=utf-8");
    if (str_starts(text, STR("<?xml")))
        return STR("text/xml; charset=utf-8");
    for (size_t i = 0; i < COUNT_OF(signatures); i++)
        if (matches(body, signatures[i].bytes, signatures[i].mask))
            return str_from(signatures[i].type);
    if (is_mp4(body))
        return STR("video/mp4");
    return is_text(text) ? STR("text/plain; charset=utf-8") : STR("application/octet-stream");
}
