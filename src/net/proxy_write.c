/* proxy_write.c: PROXY headers out, and their checksum. SPDX-License-Identifier: Apache-2.0 */
#include "net/proxy_protocol_internal.h"

#include <stdio.h>

/* Bytes that are put together; `failed` once they find no room. */
struct proxy_writer {
    uint8_t *out;
    size_t room, size;
    bool failed;
};

uint32_t proxy_crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
    const uint32_t polynomial = UINT32_C(0x82f63b78); /* Castagnoli's, reflected */

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

static void put(struct proxy_writer *writer, const void *bytes, size_t size)
{
    writer->failed |= size > writer->room - writer->size;
    if (writer->failed || size == 0)
        return;
    memcpy(writer->out + writer->size, bytes, size);
    writer->size += size;
}

static void put_u8(struct proxy_writer *writer, uint8_t number)
{
    put(writer, &number, 1);
}

static void put_u16(struct proxy_writer *writer, uint16_t number)
{
    put_u8(writer, (uint8_t)(number >> 8));
    put_u8(writer, (uint8_t)number);
}

static void put_u32(struct proxy_writer *writer, uint32_t number)
{
    put_u16(writer, (uint16_t)(number >> 16));
    put_u16(writer, (uint16_t)number);
}

static void put_tlv(struct proxy_writer *writer, uint8_t type, struct str value, size_t len_max)
{
    if (!value.data || value.len > len_max)
        return;
    put_u8(writer, type);
    put_u16(writer, (uint16_t)value.len);
    put(writer, value.data, value.len);
}

static void patch_u16(struct proxy_writer *writer, size_t at, uint16_t number)
{
    if (writer->failed)
        return;
    writer->out[at] = (uint8_t)(number >> 8);
    writer->out[at + 1] = (uint8_t)number;
}

static void put_tls(struct proxy_writer *writer, const struct proxy_tls *tls)
{
    size_t start = writer->size;

    if (!tls->given)
        return;
    put_u8(writer, PROXY_TYPE_SSL);
    put_u16(writer, 0); /* the length, when it is known */
    put_u8(writer, tls->client);
    put_u32(writer, tls->has_cert && tls->verified ? 0 : 1);
    put_tlv(writer, PROXY_TLS_VERSION, tls->version, UINT8_MAX);
    put_tlv(writer, PROXY_TLS_CN, tls->common_name, UINT8_MAX);
    put_tlv(writer, PROXY_TLS_CIPHER, tls->cipher, UINT8_MAX);
    put_tlv(writer, PROXY_TLS_SIG_ALG, tls->signature, UINT8_MAX);
    put_tlv(writer, PROXY_TLS_KEY_ALG, tls->key, UINT8_MAX);
    patch_u16(writer, start + 1, (uint16_t)(writer->size - start - PROXY_TLV_HEAD_BYTES));
}

/* Behind everything else, when the length is known. */
static void put_sum(struct proxy_writer *writer)
{
    uint32_t crc;
    size_t at;

    put_u8(writer, PROXY_TYPE_CRC32C);
    put_u16(writer, 4);
    at = writer->size;
    put_u32(writer, 0);
    patch_u16(writer, 14, (uint16_t)(writer->size - PROXY_V2_HEAD_BYTES));
    if (writer->failed)
        return;
    crc = proxy_crc32c(0, writer->out, writer->size);
    writer->size = at;
    put_u32(writer, crc);
}

/* ::ffff:10.0.0.1 is 10.0.0.1. */
static struct addr plain(const struct addr *addr)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct addr out = *addr;

    if (addr->family == ADDR_IPV6 && memcmp(addr->ip, prefix, sizeof(prefix)) == 0) {
        out.family = ADDR_IPV4;
        memcpy(out.ip, addr->ip + sizeof(prefix), 4);
    }
    return out;
}

static void put_path(struct proxy_writer *writer, struct str path)
{
    static const uint8_t zeros[PROXY_PATH_BYTES] = {0};
    size_t len = path.len < PROXY_PATH_BYTES ? path.len : PROXY_PATH_BYTES;

    put(writer, path.data, len);
    put(writer, zeros, PROXY_PATH_BYTES - len);
}

static uint8_t family_of(const struct proxy_header *header, const struct addr *source, const struct addr *destination)
{
    if (header->local || source->family != destination->family)
        return PROXY_FAMILY_UNSPEC;
    switch ((enum addr_family)source->family) {
    case ADDR_IPV4:
        return PROXY_FAMILY_IPV4;
    case ADDR_IPV6:
        return PROXY_FAMILY_IPV6;
    case ADDR_UNIX:
        return PROXY_FAMILY_UNIX;
    case ADDR_NONE:
        break;
    }
    return PROXY_FAMILY_UNSPEC;
}

static void put_addresses(struct proxy_writer *writer, uint8_t family, const struct proxy_header *header,
                          const struct addr *source, const struct addr *destination)
{
    size_t ip_bytes = family == PROXY_FAMILY_IPV4 ? 4 : 16;

    if (family == PROXY_FAMILY_UNIX) {
        put_path(writer, header->source_path);
        put_path(writer, header->destination_path);
    } else if (family != PROXY_FAMILY_UNSPEC) {
        put(writer, source->ip, ip_bytes);
        put(writer, destination->ip, ip_bytes);
        put_u16(writer, source->port);
        put_u16(writer, destination->port);
    }
}

static void write_block(struct proxy_writer *writer, const struct proxy_header *header)
{
    static const uint8_t signature[PROXY_SIGNATURE_BYTES] = PROXY_SIGNATURE;
    struct addr source = plain(&header->source), destination = plain(&header->destination);
    uint8_t family = family_of(header, &source, &destination);
    uint8_t transport = header->datagram ? PROXY_TRANSPORT_DATAGRAM : PROXY_TRANSPORT_STREAM;

    put(writer, signature, sizeof(signature));
    put_u8(writer, (uint8_t)(0x20 | (header->local ? PROXY_COMMAND_LOCAL : PROXY_COMMAND_PROXY)));
    put_u8(writer, (uint8_t)(family == PROXY_FAMILY_UNSPEC ? 0 : family << 4 | transport));
    put_u16(writer, 0);
    put_addresses(writer, family, header, &source, &destination);
    if (family != PROXY_FAMILY_UNSPEC) {
        put_tlv(writer, PROXY_TYPE_ALPN, header->alpn, UINT8_MAX);
        put_tlv(writer, PROXY_TYPE_AUTHORITY, header->authority, PROXY_AUTHORITY_MAX);
        put_tlv(writer, PROXY_TYPE_UNIQUE_ID, header->unique_id, PROXY_UNIQUE_ID_MAX);
        put_tlv(writer, PROXY_TYPE_NETNS, header->netns, UINT8_MAX);
        put_tls(writer, &header->tls);
        if (header->checked)
            put_sum(writer);
    }
    patch_u16(writer, 14, (uint16_t)(writer->size - PROXY_V2_HEAD_BYTES));
}

static void write_line(struct proxy_writer *writer, const struct proxy_header *header)
{
    struct addr source = plain(&header->source), destination = plain(&header->destination);
    uint8_t family = family_of(header, &source, &destination);
    char from[ADDR_TEXT_BYTES], to[ADDR_TEXT_BYTES], line[PROXY_V1_BYTES_MAX + 1];
    int len;

    if (family != PROXY_FAMILY_IPV4 && family != PROXY_FAMILY_IPV6) {
        put(writer, "PROXY UNKNOWN\r\n", 15);
        return;
    }
    source.scope = destination.scope = 0;
    len = snprintf(line, sizeof(line), "PROXY TCP%c %.*s %.*s %u %u\r\n", family == PROXY_FAMILY_IPV4 ? '4' : '6',
                   STR_ARG(addr_format_ip(&source, from)), STR_ARG(addr_format_ip(&destination, to)), source.port,
                   destination.port);
    ASSERT(len > 0 && len <= PROXY_V1_BYTES_MAX);
    put(writer, line, (size_t)len);
}

size_t proxy_header_write(const struct proxy_header *header, uint8_t *out, size_t room)
{
    struct proxy_writer writer = {.out = out, .room = room};

    if (header->version == 1)
        write_line(&writer, header);
    else
        write_block(&writer, header);
    return writer.failed ? 0 : writer.size;
}
