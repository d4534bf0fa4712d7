/* demo.c: two embedded origins and a configuration that shows them: a plain proxy and a JSON API.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/demo.h"

#include "cli/origin_thread.h"

#include <stdlib.h>

enum { DEMO_ORIGINS = 2 };

struct demo {
    struct origin_thread *origins[DEMO_ORIGINS];
    struct addr addrs[DEMO_ORIGINS];
};

struct demo *demo_start(struct error *err)
{
    struct demo *demo = calloc(1, sizeof(*demo));

    if (!demo) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the demo");
        return NULL;
    }
    for (int i = 0; i < DEMO_ORIGINS; i++) {
        demo->addrs[i] = (struct addr){.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
        demo->origins[i] =
            origin_thread_start(&demo->addrs[i], &(struct origin_options){.keep_alive_header = true}, err);
        if (!demo->origins[i]) {
            demo_stop(demo);
            return NULL;
        }
    }
    return demo;
}

struct str demo_config(const struct demo *demo, struct arena *arena)
{
    char first[ADDR_TEXT_BYTES], second[ADDR_TEXT_BYTES];
    struct str files = addr_format(&demo->addrs[0], first), items = addr_format(&demo->addrs[1], second);

    return arena_format(
        arena,
        "{\n"
        "  \"version\": 3,\n"
        "  \"name\": \"Holdfast demo\",\n"
        "  \"port\": 8080,\n"
        "  \"extra_config\": {\n"
        "    \"holdfast/server\": {\"drain_window\": \"1s\"},\n"
        "    \"holdfast/admin\": {\"listen\": \"127.0.0.1:9901\"}\n"
        "  },\n"
        "  \"endpoints\": [\n"
        "    {\n"
        "      \"endpoint\": \"/hello\",\n"
        "      \"output_encoding\": \"no-op\",\n"
        "      \"backend\": [{\"host\": [\"http://%.*s\"], \"url_pattern\": \"/bytes/128\", \"encoding\": \"no-op\"}]\n"
        "    },\n"
        "    {\n"
        "      \"endpoint\": \"/api/items/{id}\",\n"
        "      \"backend\": [{\"host\": [\"http://%.*s\"], \"url_pattern\": \"/json/{id}\"}]\n"
        "    },\n"
        "    {\n"
        "      \"endpoint\": \"/slow\",\n"
        "      \"timeout\": \"500ms\",\n"
        "      \"backend\": [{\"host\": [\"http://%.*s\"], \"url_pattern\": \"/delay/2000\"}]\n"
        "    },\n"
        "    {\n"
        "      \"endpoint\": \"/files/*\",\n"
        "      \"method\": \"*\",\n"
        "      \"output_encoding\": \"no-op\",\n"
        "      \"timeout\": \"60s\",\n"
        "      \"input_headers\": [\"*\"],\n"
        "      \"input_query_strings\": [\"*\"],\n"
        "      \"backend\": [{\"host\": [\"http://%.*s\"], \"url_pattern\": \"/*\", \"encoding\": \"no-op\"}]\n"
        "    }\n"
        "  ]\n"
        "}\n",
        STR_ARG(files), STR_ARG(items), STR_ARG(items), STR_ARG(files));
}

void demo_stop(struct demo *demo)
{
    if (!demo)
        return;
    for (int i = 0; i < DEMO_ORIGINS; i++)
        origin_thread_stop(demo->origins[i]);
    free(demo);
}
