/* service_answer.c: holdfast/answer at an endpoint. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"
#include "http/head.h"

/* clang-format off */
static const struct option answer_rows[] = {
    OPTION_INT(struct answer_options, "status", status, .preset = 200, .min = 200, .max = 599, .help = "Status of the answer."),
    OPTION_NODE(struct answer_options, "headers", headers, .help = "Header names and their values."),
    OPTION_NODE(struct answer_options, "body", body, .help = "A string is sent as it is, anything else as JSON."),
};
/* clang-format on */

const struct schema answer_schema = {
    .title = "holdfast/answer",
    .size = sizeof(struct answer_options),
    .options = answer_rows,
    .count = COUNT_OF(answer_rows),
};

/* Fields that the connection writes itself. */
static bool is_framing(struct str name)
{
    static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Connection",
                                        "Keep-Alive",     "Trailer",           "Upgrade"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq_fold(name, str_from(names[i])))
            return true;
    return false;
}

static void read_header(struct answer_options *answer, const struct node *member, const char *path,
                        struct report *report)
{
    struct header_pair *pair = &answer->header_pairs[answer->header_count];

    if (!header_name_is_valid(member->name) || is_framing(member->name)) {
        report_add(report, SEVERITY_ERROR, PROBLEM_ANSWER, member->name_place, NULL,
                   "%s.headers: \"%.*s\" is no header that can be set", path, STR_ARG(member->name));
        return;
    }
    if ((member->type != JSON_STRING && member->type != JSON_NUMBER) || !header_value_is_valid(member->text)) {
        report_add(report, SEVERITY_ERROR, PROBLEM_ANSWER, member->place, NULL,
                   "%s.headers.%.*s: a header's value is a string without control characters", path,
                   STR_ARG(member->name));
        return;
    }
    pair->name = header_canonical(report->arena, member->name);
    pair->value = member->text;
    if (pair->name.data)
        answer->header_count++;
}

static void read_headers(struct answer_options *answer, const char *path, struct report *report)
{
    const struct node *headers = answer->headers;

    if (!headers || headers->type == JSON_NULL)
        return;
    if (headers->type != JSON_OBJECT) {
        report_add(report, SEVERITY_ERROR, PROBLEM_ANSWER, headers->place, NULL,
                   "%s.headers: wants an object of names and values", path);
        return;
    }
    answer->header_pairs = arena_array(report->arena, struct header_pair, headers->count + 1u);
    for (const struct node *member = headers->children; answer->header_pairs && member; member = member->next)
        read_header(answer, member, path, report);
}

static void read_body(struct answer_options *answer, struct report *report)
{
    const struct node *body = answer->body;
    struct str text;

    if (!body)
        return;
    if (body->type == JSON_STRING) {
        answer->body_text = body->text;
        return;
    }
    text = node_to_json(body, report->arena);
    answer->body_text = text.data ? text : STR_EMPTY;
    answer->body_is_json = true;
}

void answer_read(struct endpoint_options *endpoint, const char *prefix, struct report *report)
{
    const struct node *block = component_find(endpoint->extra_config, "holdfast/answer");
    struct str path = arena_format(report->arena, "%sextra_config.holdfast/answer", prefix);

    endpoint->answer_given = block != NULL;
    if (!block || !path.data ||
        !schema_bind(&answer_schema, block, path.data, &endpoint->answer, report->arena, report))
        return;
    read_headers(&endpoint->answer, path.data, report);
    read_body(&endpoint->answer, report);
}
