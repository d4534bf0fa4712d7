/* fuzz_ws_frame.c: WebSocket frames. What passes, and where it stops, is the same whether the bytes come at once or one
 * by one. The first byte of the input says what the direction is like. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "fuzz/fuzz.h"
#include "http/ws/frame.h"

struct sum {
    uint64_t passed, controls, codes;
    bool wrong;
};

static struct ws_reader reader_of(uint8_t kind)
{
    return (struct ws_reader){.masked = kind & 1,
                              .compressed = kind >> 1 & 1,
                              .other_bits = kind >> 2 & 1,
                              .bytes_max = (kind >> 3 & 1) ? 1000 : 0};
}

/* Offers what lies between `from` and `to`; moves `from`. */
static void offer(struct ws_reader *reader, const char *data, size_t *from, size_t to, struct sum *sum)
{
    struct ws_piece piece;

    while (!sum->wrong) {
        switch (ws_read(reader, str_of(data + *from, to - *from), &piece)) {
        case WS_CONTROL:
            ASSERT(piece.len <= WS_CONTROL_MAX && piece.size >= piece.len + 2u);
            ASSERT(piece.opcode == WS_CLOSE || piece.opcode == WS_PING || piece.opcode == WS_PONG);
            sum->controls++;
            sum->codes = sum->codes * 31 + piece.opcode + piece.code;
            /* fall through */
        case WS_DATA:
            ASSERT(piece.size > 0 && piece.size <= to - *from);
            *from += piece.size;
            sum->passed += piece.size;
            break;
        case WS_MORE:
            ASSERT(piece.size > to - *from);
            ASSERT(piece.size <= WS_HEADER_MAX + WS_CONTROL_MAX);
            return;
        case WS_WRONG:
            ASSERT(ws_code_is_valid(piece.code));
            sum->wrong = true;
            sum->codes = sum->codes * 31 + piece.code;
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data + 1;
    struct ws_reader whole, bytewise;
    struct sum at_once = {0}, one_by_one = {0};
    size_t from = 0;

    if (size == 0)
        return 0;
    whole = bytewise = reader_of(data[0]);
    offer(&whole, bytes, &from, size - 1, &at_once);
    from = 0;
    for (size_t to = 1; to < size && !one_by_one.wrong; to++)
        offer(&bytewise, bytes, &from, to, &one_by_one);
    ASSERT(at_once.passed == one_by_one.passed && at_once.controls == one_by_one.controls);
    ASSERT(at_once.codes == one_by_one.codes && at_once.wrong == one_by_one.wrong);
    ASSERT(whole.messages == bytewise.messages && whole.left == bytewise.left);
    return 0;
}
