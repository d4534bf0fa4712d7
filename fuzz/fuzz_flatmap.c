/* fuzz_flatmap.c: operations and the answer they run over: "ma.b x;da.c" (move, append, delete; paths apart by spaces,
 * operations by semicolons), a line's end, JSON. Whatever comes of it is JSON again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "fuzz/fuzz.h"
#include "gateway/flatmap.h"

enum { ARENA_BYTES = 64 << 20, OPS_MAX = 8, ARGS_MAX = 4, SIZE_MAX_TAKEN = 65536 };

static bool read_op(struct arena *arena, struct str text, struct flatmap_op *op)
{
    struct str rest = str_from_offset(text, 1), path;
    char kind = text.len > 0 ? text.data[0] : 'd';

    op->kind = kind == 'm' ? FLATMAP_MOVE : kind == 'a' ? FLATMAP_APPEND : FLATMAP_DEL;
    op->args = arena_array(arena, struct flatmap_path, ARGS_MAX);
    op->arg_count = 0;
    while (op->args && op->arg_count < ARGS_MAX && str_split(&rest, ' ', &path))
        if (!flatmap_path(arena, path, &op->args[op->arg_count]) || op->args[op->arg_count++].count > FLATMAP_PARTS_MAX)
            return false;
    return op->args && op->arg_count >= (op->kind == FLATMAP_DEL ? 1u : 2u);
}

static void check(struct arena *arena, struct str ops, struct str body)
{
    static const struct json_options options = {.trailing_ignored = true, .utf8_repaired = true};
    struct flatmap flatmap = {.ops = arena_array(arena, struct flatmap_op, OPS_MAX)};
    struct json_writer out = {.arena = arena};
    struct json_doc doc, again;
    struct json_error err;
    struct data data;
    struct str op;

    while (flatmap.ops && flatmap.count < OPS_MAX && str_split(&ops, ';', &op))
        if (read_op(arena, op, &flatmap.ops[flatmap.count]))
            flatmap.count++;
    if (!flatmap.ops || !json_parse(arena, body, &options, &doc, &err))
        return;
    data = data_of(json_root(&doc));
    if (!flatmap_apply(arena, &flatmap, &data))
        return;
    data_write(&out, &data);
    if (json_written(&out).data)
        ASSERT(json_parse(arena, json_written(&out), &options, &again, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = {(const char *)bytes, size};
    size_t line = str_find_char(text, '\n');
    struct arena *arena = arena_new(NULL, ARENA_BYTES);

    if (arena && size < SIZE_MAX_TAKEN)
        check(arena, str_first(text, line), str_from_offset(text, line + 1));
    arena_free(arena);
    return 0;
}
