/* proxy_protocol.c: reading PROXY headers; writing is proxy_write.c. A reader never asks for more bytes than the
 * shortest header that begins like what it has: so nothing of what follows is taken, and it can be handed to TLS as it
 * is. Start with proxy_reader_wants and proxy_header_read. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "net/proxy_protocol_internal.h"

static const uint8_t signature[PROXY_SIGNATURE_BYTES] = PROXY_SIGNATURE;

static struct str read_bytes(const struct proxy_reader *reader)
{
    return str_of((const char *)reader->bytes, reader->size);
}

/* Of the rest of a line: every word is at least so long, with a space before it, or CR LF behind the last one. */
static size_t line_rest_min(struct str line)
{
    static const struct str tcp4 = STR_INIT("PROXY TCP4 "), tcp6 = STR_INIT("PROXY TCP6 ");
    size_t address_min = str_starts(line, tcp4) ? 7 : 2, rest = 2, words = 4; /* "1.1.1.1", "::" */
    struct str text = str_from_offset(line, tcp4.len);

    if (str_ends(line, STR("\r")))
        return 1;
    if (!str_starts(line, tcp4) && !str_starts(line, tcp6))
        return 2;
    for (size_t i = 0; i < text.len; i++)
        words -= words > 0 && text.data[i] == ' ';
    /* The word under way may be whole; those behind it have not begun. */
    for (size_t word = 1; word < words; word++)
        rest += 1 + (word > 2 ? address_min : 1);
    if (words > 0 && (text.len == 0 || str_ends(text, STR(" "))))
        rest += words > 2 ? address_min : 1;
    return rest;
}

/* Version 1: a line. */
static size_t line_wants(struct str bytes)
{
    static const struct str shortest = STR_INIT("PROXY UNKNOWN\r\n");
    static const struct str prefix = STR_INIT("PROXY ");
    size_t rest;

    if (!str_starts(bytes, str_first(prefix, bytes.len)))
        return 0;
    if (bytes.len < shortest.len - 2)
        return shortest.len - 2 - bytes.len;
    if (str_ends(bytes, STR("\r\n")) || str_find_char(bytes, '\n') < bytes.len)
        return 0;
    rest = line_rest_min(bytes);
    return bytes.len + rest <= PROXY_V1_BYTES_MAX ? rest : 0;
}

static size_t block_wants(const struct proxy_reader *reader)
{
    size_t size;

    if (reader->size < PROXY_V2_HEAD_BYTES)
        return PROXY_V2_HEAD_BYTES - reader->size;
    size = PROXY_V2_HEAD_BYTES + proxy_u16(reader->bytes + 14);
    return size <= PROXY_BYTES_MAX && size > reader->size ? size - reader->size : 0;
}

void proxy_reader_init(struct proxy_reader *reader)
{
    reader->size = 0;
}

size_t proxy_reader_wants(const struct proxy_reader *reader)
{
    struct str bytes = read_bytes(reader), mark = str_of((const char *)signature, sizeof(signature));

    if (bytes.len == 0)
        return sizeof(signature);
    return str_starts(bytes, str_first(mark, bytes.len)) ? block_wants(reader) : line_wants(bytes);
}

void proxy_reader_got(struct proxy_reader *reader, size_t size)
{
    ASSERT(size <= sizeof(reader->bytes) - reader->size);
    reader->size += (uint32_t)size;
}

static bool bad(struct error *err, const char *text)
{
    return error_set(err, FAULT_CLIENT, ERROR_BAD_PROXY_HEADER, "%s", text);
}

/* A number without signs and without zeros in front. */
static bool read_port(struct str text, uint16_t *port)
{
    uint64_t number;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.data[0] == '0') || !text_to_u64(text, &number) ||
        number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool has_leading_zero(struct str address)
{
    struct str part;

    while (str_split(&address, '.', &part))
        if (part.len > 1 && part.data[0] == '0')
            return true;
    return false;
}

static bool read_address(struct str text, enum addr_family family, struct addr *addr)
{
    if (str_find_char(text, '[') < text.len || str_find_char(text, '%') < text.len)
        return false;
    if (family == ADDR_IPV4 && has_leading_zero(text))
        return false;
    return addr_parse_ip(text, addr) && addr->family == family;
}

static bool read_words(struct str line, enum addr_family family, struct proxy_header *header)
{
    struct str words[4] = {{0}};
    size_t count = 0;

    for (struct str word; str_split(&line, ' ', &word); count++) {
        if (count == COUNT_OF(words))
            return false;
        words[count] = word;
    }
    return count == COUNT_OF(words) && read_address(words[0], family, &header->source) &&
           read_address(words[1], family, &header->destination) && read_port(words[2], &header->source.port) &&
           read_port(words[3], &header->destination.port);
}

static bool read_line(struct str line, struct proxy_header *header, struct error *err)
{
    static const struct str unknown = STR_INIT("PROXY UNKNOWN"), tcp4 = STR_INIT("PROXY TCP4 "),
                            tcp6 = STR_INIT("PROXY TCP6 ");

    header->version = 1;
    if (!str_ends(line, STR("\r\n")) || line.len > PROXY_V1_BYTES_MAX)
        return bad(err, "a PROXY line without CR LF within 107 bytes");
    line.len -= 2;
    if (str_find_char(line, '\r') < line.len || str_find_char(line, '\n') < line.len)
        return bad(err, "a PROXY line with a line end inside");
    if (str_eq(line, unknown) || (str_starts(line, unknown) && line.data[unknown.len] == ' ')) {
        header->local = true;
        return true;
    }
    if (str_starts(line, tcp4) && read_words(str_from_offset(line, tcp4.len), ADDR_IPV4, header))
        return true;
    if (str_starts(line, tcp6) && read_words(str_from_offset(line, tcp6.len), ADDR_IPV6, header))
        return true;
    return bad(err, "a PROXY line that says no two addresses and ports");
}

static void take_ip(struct addr *addr, enum addr_family family, const uint8_t *ip, const uint8_t *port)
{
    *addr = (struct addr){.family = (uint8_t)family, .port = proxy_u16(port)};
    memcpy(addr->ip, ip, family == ADDR_IPV4 ? 4 : 16);
}

static struct str take_path(struct addr *addr, const uint8_t *bytes)
{
    size_t len = 0;

    *addr = (struct addr){.family = ADDR_UNIX};
    while (len < PROXY_PATH_BYTES && bytes[len])
        len++;
    return str_of((const char *)bytes, len);
}

static void take_addresses(const uint8_t *at, uint8_t family, struct proxy_header *header)
{
    if (family == PROXY_FAMILY_IPV4) {
        take_ip(&header->source, ADDR_IPV4, at, at + 8);
        take_ip(&header->destination, ADDR_IPV4, at + 4, at + 10);
    } else if (family == PROXY_FAMILY_IPV6) {
        take_ip(&header->source, ADDR_IPV6, at, at + 32);
        take_ip(&header->destination, ADDR_IPV6, at + 16, at + 34);
    } else {
        header->source_path = take_path(&header->source, at);
        header->destination_path = take_path(&header->destination, at + PROXY_PATH_BYTES);
    }
}

/* The next TLV of *rest. False: none, or (*cut) one that is not whole. */
static bool next_tlv(struct str *rest, uint8_t *type, struct str *value, bool *cut)
{
    const uint8_t *at = (const uint8_t *)rest->data;

    *cut = rest->len > 0;
    if (rest->len < PROXY_TLV_HEAD_BYTES || rest->len - PROXY_TLV_HEAD_BYTES < proxy_u16(at + 1))
        return false;
    *type = at[0];
    *value = str_of(rest->data + PROXY_TLV_HEAD_BYTES, proxy_u16(at + 1));
    *rest = str_from_offset(*rest, PROXY_TLV_HEAD_BYTES + value->len);
    return true;
}

static bool take_tls(struct str value, struct proxy_tls *tls, struct error *err)
{
    const uint8_t *at = (const uint8_t *)value.data;
    struct str text;
    uint8_t type;
    bool cut;

    if (value.len < PROXY_TLS_HEAD_BYTES)
        return bad(err, "a PROXY header with a cut SSL part");
    tls->given = true;
    tls->client = at[0];
    tls->over_tls = at[0] & PROXY_CLIENT_TLS;
    tls->has_cert = at[0] & (PROXY_CLIENT_CERT_CONN | PROXY_CLIENT_CERT_SESS);
    tls->verified = tls->has_cert && at[1] == 0 && at[2] == 0 && at[3] == 0 && at[4] == 0;
    value = str_from_offset(value, PROXY_TLS_HEAD_BYTES);
    while (next_tlv(&value, &type, &text, &cut)) {
        if (type == PROXY_TLS_VERSION)
            tls->version = text;
        else if (type == PROXY_TLS_CN)
            tls->common_name = text;
        else if (type == PROXY_TLS_CIPHER)
            tls->cipher = text;
        else if (type == PROXY_TLS_SIG_ALG)
            tls->signature = text;
        else if (type == PROXY_TLS_KEY_ALG)
            tls->key = text;
    }
    return !cut || bad(err, "a PROXY header with a cut SSL part");
}

/* Over the whole header, with the checksum's own bytes as zero (2.2.3). */
static bool check_sum(struct str header, struct str value)
{
    static const uint8_t zeros[4] = {0};
    size_t before = (size_t)(value.data - header.data);
    uint32_t crc = proxy_crc32c(0, (const uint8_t *)header.data, before);

    crc = proxy_crc32c(crc, zeros, sizeof(zeros));
    crc = proxy_crc32c(crc, (const uint8_t *)value.data + 4, header.len - before - 4);
    return crc == proxy_u32((const uint8_t *)value.data);
}

static bool take_tlv(struct str whole, uint8_t type, struct str value, struct proxy_header *header, struct error *err)
{
    if (type == PROXY_TYPE_ALPN)
        header->alpn = value;
    else if (type == PROXY_TYPE_AUTHORITY)
        header->authority = value;
    else if (type == PROXY_TYPE_NETNS)
        header->netns = value;
    else if (type == PROXY_TYPE_SSL)
        return take_tls(value, &header->tls, err);
    else if (type == PROXY_TYPE_UNIQUE_ID) {
        header->unique_id = value;
        return value.len <= PROXY_UNIQUE_ID_MAX || bad(err, "a PROXY header with an identifier over 128 bytes");
    } else if (type == PROXY_TYPE_CRC32C) {
        if (value.len != 4 || header->checked || !check_sum(whole, value))
            return bad(err, "a PROXY header whose checksum is wrong");
        header->checked = true;
    }
    return true;
}

static bool take_tlvs(struct str whole, struct str rest, struct proxy_header *header, struct error *err)
{
    struct str value;
    uint8_t type;
    bool cut;

    while (next_tlv(&rest, &type, &value, &cut))
        if (!take_tlv(whole, type, value, header, err))
            return false;
    return !cut || bad(err, "a PROXY header whose last part is cut");
}

static size_t address_bytes(uint8_t family)
{
    return family == PROXY_FAMILY_IPV4 ? 12 : family == PROXY_FAMILY_IPV6 ? 36 : 2 * PROXY_PATH_BYTES;
}

static bool read_block(struct str bytes, struct proxy_header *header, struct error *err)
{
    const uint8_t *at = (const uint8_t *)bytes.data;
    uint8_t command, family, transport;

    if (bytes.len < PROXY_V2_HEAD_BYTES)
        return bad(err, "a PROXY header that is cut");
    if (PROXY_V2_HEAD_BYTES + proxy_u16(at + 14) > PROXY_BYTES_MAX)
        return bad(err, "a PROXY header of more than 4096 bytes");
    if (bytes.len != PROXY_V2_HEAD_BYTES + (size_t)proxy_u16(at + 14))
        return bad(err, "a PROXY header that is cut");
    header->version = 2;
    command = at[12] & 0x0f;
    family = (uint8_t)(at[13] >> 4);
    transport = at[13] & 0x0f;
    if (at[12] >> 4 != 2 || command > PROXY_COMMAND_PROXY)
        return bad(err, "a PROXY header of another version or command");
    /* Of LOCAL nothing else counts, not even the family (2.2). */
    header->local = command == PROXY_COMMAND_LOCAL || family == PROXY_FAMILY_UNSPEC;
    if (command == PROXY_COMMAND_LOCAL)
        return true;
    if (family > PROXY_FAMILY_UNIX || transport > PROXY_TRANSPORT_DATAGRAM)
        return bad(err, "a PROXY header of another family or transport");
    header->datagram = transport == PROXY_TRANSPORT_DATAGRAM;
    if (header->local)
        return true;
    if (bytes.len - PROXY_V2_HEAD_BYTES < address_bytes(family))
        return bad(err, "a PROXY header that is too short for its addresses");
    take_addresses(at + PROXY_V2_HEAD_BYTES, family, header);
    return take_tlvs(bytes, str_from_offset(bytes, PROXY_V2_HEAD_BYTES + address_bytes(family)), header, err);
}

bool proxy_header_read(struct str bytes, struct proxy_header *header, struct error *err)
{
    struct str mark = str_of((const char *)signature, sizeof(signature));

    *header = (struct proxy_header){0};
    if (str_starts(bytes, mark))
        return read_block(bytes, header, err);
    if (str_starts(bytes, STR("PROXY ")))
        return read_line(bytes, header, err);
    return bad(err, "no PROXY header where one is due");
}
