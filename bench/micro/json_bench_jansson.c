/* json_bench_jansson.c: jansson's half of json_bench.c. SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/json_bench_jansson.h"

#include <jansson.h>
#include <stdlib.h>

size_t jansson_once(struct str text)
{
    json_error_t err;
    json_t *root = json_loads(text.data, 0, &err);
    char *out = root ? json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT) : NULL;

    if (!out)
        abort();
    size_t len = strlen(out);

    free(out);
    json_decref(root);
    return len;
}
