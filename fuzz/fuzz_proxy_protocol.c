/* fuzz_proxy_protocol.c: PROXY headers. What is read byte by byte is what is read in the pieces that the reader asks
 * for; what was understood is written and understood again as the same. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "fuzz/fuzz.h"
#include "net/proxy_protocol.h"

#include <string.h>

static void collect(struct proxy_reader *reader, const uint8_t *data, size_t size, size_t piece_max)
{
    size_t wants;

    proxy_reader_init(reader);
    while ((wants = proxy_reader_wants(reader)) > 0 && reader->size < size) {
        size_t piece = size - reader->size;

        piece = piece < wants ? piece : wants;
        piece = piece < piece_max ? piece : piece_max;
        memcpy(reader->bytes + reader->size, data + reader->size, piece);
        proxy_reader_got(reader, piece);
    }
}

static bool same(struct str a, struct str b)
{
    return !a.data == !b.data && str_eq(a, b);
}

static void check_written(const struct proxy_header *header)
{
    uint8_t out[PROXY_BYTES_MAX];
    size_t size = proxy_header_write(header, out, sizeof(out));
    struct proxy_header again;
    struct error err;
    bool good;

    ASSERT(size > 0);
    good = proxy_header_read(str_of((const char *)out, size), &again, &err);
    ASSERT(good);
    /* IPv4 in IPv6 is written as IPv4, or as unknown when only one side is. */
    ASSERT(again.local || header->source.family == ADDR_IPV6 || addr_eq(&again.source, &header->source));
    if (again.local || header->version == 1)
        return;
    ASSERT(same(again.unique_id, header->unique_id));
    ASSERT(header->authority.len > PROXY_AUTHORITY_MAX || same(again.authority, header->authority));
    ASSERT(again.checked == header->checked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct proxy_reader whole, bytewise;
    struct proxy_header header;
    struct error err = {0};
    bool good;

    collect(&whole, data, size, SIZE_MAX);
    collect(&bytewise, data, size, 1); /* of a wrong one it takes less */
    good = proxy_header_read(str_of((const char *)bytewise.bytes, bytewise.size), &header, &err);
    if (!proxy_header_read(str_of((const char *)whole.bytes, whole.size), &header, &err)) {
        ASSERT(!good);
        ASSERT(err.code == ERROR_BAD_PROXY_HEADER);
        return 0;
    }
    ASSERT(good && whole.size == bytewise.size);
    ASSERT(proxy_reader_wants(&whole) == 0);
    check_written(&header);
    return 0;
}
