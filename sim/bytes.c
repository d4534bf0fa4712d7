/* bytes.c: a queue of bytes that grows; and memory that does not fail. SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_internal.h"

#include <stdlib.h>

void *sim_alloc(size_t size)
{
    void *memory = calloc(1, size);

    ASSERT(memory);
    return memory;
}

void sim_bytes_add(struct sim_bytes *bytes, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (bytes->at + bytes->len + len > bytes->room) {
        uint8_t *grown;

        bytes->room = 2 * (bytes->len + len) + 256;
        grown = sim_alloc(bytes->room);
        if (bytes->len > 0)
            memcpy(grown, bytes->data + bytes->at, bytes->len);
        free(bytes->data);
        bytes->data = grown;
        bytes->at = 0;
    }
    memcpy(bytes->data + bytes->at + bytes->len, data, len);
    bytes->len += len;
}

void sim_bytes_take(struct sim_bytes *bytes, void *out, size_t len)
{
    ASSERT(len <= bytes->len);
    if (out && len > 0)
        memcpy(out, bytes->data + bytes->at, len);
    bytes->len -= len;
    bytes->at = bytes->len == 0 ? 0 : bytes->at + len;
}

void sim_bytes_free(struct sim_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct sim_bytes){0};
}
