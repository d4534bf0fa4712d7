/* fuzz_yaml.c: a text as YAML: read or refused with one problem at least, and what was read is the tree that its JSON
 * text gives again. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "config/document_internal.h"
#include "fuzz/fuzz.h"

enum { ARENA_BYTES = 256 << 20, AGAIN_BYTES_MAX = 1 << 20 };

static void check_place(const struct node *node, size_t size)
{
    ASSERT(node->place.at <= size && node->place.len <= size + 1);
}

static void check_again(struct arena *arena, const struct node *root)
{
    struct source source = {.name = "again", .text = node_to_json(root, arena)};
    struct report report;
    const struct node *node;

    report_init(&report, arena);
    if (!source.text.data || source.text.len > AGAIN_BYTES_MAX)
        return;
    node = document_parse(arena, &source, &report);
    ASSERT(node);
    ASSERT(str_eq(node_to_json(node, arena), source.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(NULL, ARENA_BYTES);
    struct source source = {.name = "fuzz.yaml", .text = str_of((const char *)data, size)};
    struct report report;
    const struct node *root;

    if (!arena)
        return 0;
    report_init(&report, arena);
    root = yaml_parse(arena, &source, &report);
    ASSERT((root != NULL) == (report.errors == 0));
    if (root) {
        check_place(root, size);
        check_again(arena, root);
    }
    arena_free(arena);
    return 0;
}
