/* fuzz_xml.c: XML and feeds as Data, and Data as XML, YAML and JSON. What was decoded from XML and written as JSON
 * parses and is canonical. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "fuzz/fuzz.h"
#include "gateway/decode_xml.h"
#include "gateway/encode.h"

enum { ARENA_BYTES = 64 << 20 };

static void check_json(struct arena *arena, const struct data *data)
{
    static const struct json_options options = {.utf8_repaired = true};
    struct json_writer out = {.arena = arena};
    struct json_doc doc;
    struct json_error err;

    data_write(&out, data);
    if (json_written(&out).data)
        ASSERT(json_parse(arena, json_written(&out), &options, &doc, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = {(const char *)bytes, size};
    struct arena *arena = arena_new(NULL, ARENA_BYTES);
    struct error err;
    struct data data;
    size_t at;

    if (arena && decode_xml(arena, text, &data, &at, &err)) {
        check_json(arena, &data);
        (void)encode_xml(arena, &data);
        (void)encode_yaml(arena, &data);
        check_json(arena, &data);
    }
    if (arena && decode_feed(arena, text, &data, &at, &err)) {
        check_json(arena, &data);
        (void)encode_yaml(arena, &data);
        (void)encode_xml(arena, &data);
    }
    arena_free(arena);
    return 0;
}
