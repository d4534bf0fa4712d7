/* service_encoding.c: encodings by name, with the fallbacks that KrakenD has for names it does not know, and what
 * backend/http says of answers that are errors. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

static const struct {
    const char *name;
    enum encoding encoding;
    bool output, input;
} encodings[] = {
    {"json", ENCODING_JSON, true, true},
    {"json-collection", ENCODING_JSON_COLLECTION, true, false},
    {"safejson", ENCODING_SAFEJSON, false, true},
    {"string", ENCODING_STRING, true, true},
    {"no-op", ENCODING_NO_OP, true, true},
    {"negotiate", ENCODING_NEGOTIATE, true, false},
    {"xml", ENCODING_XML, true, true},
    {"rss", ENCODING_RSS, false, true},
    {"yaml", ENCODING_YAML, true, false},
};

static bool find_output(struct str name, enum encoding *encoding)
{
    for (size_t i = 0; i < COUNT_OF(encodings); i++)
        if (encodings[i].output && str_eq(name, str_from(encodings[i].name))) {
            *encoding = encodings[i].encoding;
            return true;
        }
    return false;
}

static bool find_input(struct str name, enum encoding *encoding)
{
    for (size_t i = 0; i < COUNT_OF(encodings); i++)
        if (encodings[i].input && str_eq_fold(name, str_from(encodings[i].name))) {
            *encoding = encodings[i].encoding;
            return true;
        }
    return false;
}

/* Where the encoding was written: at the endpoint, or at the root. */
static struct place output_place(const struct spot *spot, const struct node *root)
{
    const struct node *own = node_member(spot->endpoint->node, STR("output_encoding"));

    return own ? own->place : node_place(root, "output_encoding");
}

/* A name that no renderer has means that of the only backend's encoding, else JSON. */
static enum encoding output_of_backend(const struct endpoint_options *endpoint)
{
    enum encoding encoding;

    if (endpoint->backend_count == 1 && find_output(endpoint->backends[0].encoding_name, &encoding))
        return encoding;
    return ENCODING_JSON;
}

void settle_output(const struct spot *spot, const struct node *root)
{
    struct endpoint_options *endpoint = spot->endpoint;
    struct str *name = &endpoint->output_encoding_name;

    if (name->len == 0)
        *name = spot->service->output_encoding_name;
    if (name->len == 0)
        *name = STR("json");
    if (!find_output(*name, &endpoint->output_encoding)) {
        endpoint->output_encoding = output_of_backend(endpoint);
        if (!str_eq(*name, STR("fast-json")))
            report_add(
                spot->report, SEVERITY_WARNING, PROBLEM_ENCODING, output_place(spot, root), NULL,
                "%soutput_encoding: \"%.*s\" is not known: as in KrakenD, the backend's encoding is taken, or json",
                spot->prefix, STR_ARG(*name));
    }
}

void settle_input(const struct spot *spot, struct backend_options *backend)
{
    struct str name = backend->encoding_name;

    if (spot->endpoint->output_encoding == ENCODING_NO_OP) {
        backend->encoding = ENCODING_NO_OP;
        return;
    }
    backend->encoding = ENCODING_JSON;
    if (name.len == 0)
        return;
    if (!find_input(name, &backend->encoding) && !str_eq_fold(name, STR("fast-json")))
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_ENCODING, node_place(backend->node, "encoding"), NULL,
                   "%sencoding: \"%.*s\" is not known: as in KrakenD, it is taken as json", spot->prefix,
                   STR_ARG(name));
    if (backend->encoding == ENCODING_NO_OP)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_ENCODING, node_place(backend->node, "encoding"),
                   "set the endpoint's output_encoding to \"no-op\"",
                   "%sencoding: no-op under a decoded endpoint gives an empty object", spot->prefix);
}

/* Real types only, and the name wins over the code, even when it is of no use. */
void read_backend_http(struct backend_options *backend)
{
    const struct node *block = component_find(backend->extra_config, "backend/http");
    const struct node *details = block ? node_member(block, STR("return_error_details")) : NULL;
    const struct node *code = block ? node_member(block, STR("return_error_code")) : NULL;

    if (details && details->type == JSON_STRING)
        backend->return_error_details = details->text;
    backend->return_error_code = !details && code && code->type == JSON_TRUE;
}
