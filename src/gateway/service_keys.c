/* service_keys.c: keys that this version knows and does not act upon: a warning, a note, or nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

bool node_is_given(const struct node *node)
{
    if (!node)
        return false;
    switch (node->type) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_TRUE:
        return true;
    case JSON_NUMBER:
        return !str_eq(node->text, STR("0"));
    case JSON_STRING:
        return node->text.len > 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return node->count > 0;
    }
    return false;
}

struct place node_place(const struct node *object, const char *name)
{
    const struct node *member = node_member(object, str_from(name));

    if (member)
        return member->place;
    return object ? object->place : (struct place){0};
}

/* What it means that a key is not acted upon. */
enum harm {
    HARM_SHAPE,  /* nothing is decoded under no-op: a warning there */
    HARM_LITTLE, /* a warning */
    HARM_NONE,   /* a note */
};

struct key_rule {
    enum level level;
    const char *key;
    enum harm harm;
    const char *fine; /* a value that asks for nothing new; NULL: none */
    const char *text;
};

static const struct key_rule rules[] = {
    {LEVEL_BACKEND, "target", HARM_SHAPE, NULL, NULL},
    {LEVEL_BACKEND, "allow", HARM_SHAPE, NULL, NULL},
    {LEVEL_BACKEND, "deny", HARM_SHAPE, NULL, NULL},
    {LEVEL_BACKEND, "mapping", HARM_SHAPE, NULL, NULL},
    {LEVEL_BACKEND, "group", HARM_SHAPE, NULL, NULL},
    {LEVEL_BACKEND, "timeout", HARM_NONE, NULL, "is not read at a backend: the endpoint's timeout counts"},
    {LEVEL_BACKEND, "concurrent_calls", HARM_NONE, "1", "is not read at a backend: the endpoint's value counts"},
    {LEVEL_ROOT, "async_agent", HARM_LITTLE, NULL, "is ignored: consumers of queues come in a later version"},
    {LEVEL_ROOT, "plugin", HARM_LITTLE, NULL, "has no effect: Go plugins cannot be loaded"},
};

static enum severity severity_of(enum harm harm)
{
    switch (harm) {
    case HARM_SHAPE:
    case HARM_LITTLE:
        return SEVERITY_WARNING;
    case HARM_NONE:
        return SEVERITY_NOTE;
    }
    return SEVERITY_WARNING;
}

/* How the environment says no. */
static bool is_false_text(const struct node *node)
{
    static const char *const words[] = {"0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; node->type == JSON_STRING && i < COUNT_OF(words); i++)
        if (str_eq(node->text, str_from(words[i])))
            return true;
    return false;
}

static void judge(const struct key_rule *rule, const struct node *member, const char *prefix, bool no_op,
                  struct report *report)
{
    const char *text = rule->harm == HARM_SHAPE ? "has no effect with no-op" : rule->text;

    if (!node_is_given(member) || (rule->harm == HARM_SHAPE && !no_op) ||
        (rule->level == LEVEL_ROOT && is_false_text(member)) ||
        (rule->fine && str_eq(member->text, str_from(rule->fine))))
        return;
    report_add(report, severity_of(rule->harm), PROBLEM_NO_EFFECT, member->place, NULL, "%s%s: %s", prefix, rule->key,
               text);
}

/* Only "dns" looks anything up; every other name means the hosts as they are written. */
static void check_discovery(const struct node *backend, const char *prefix, struct report *report)
{
    const struct node *sd = node_member(backend, STR("sd"));

    if (node_is_given(sd) && !str_eq(sd->text, STR("static")) && !str_eq(sd->text, STR("dns")))
        report_add(report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, sd->place, NULL,
                   "%ssd: \"%.*s\" is no discovery that is known: taken as \"static\"", prefix, STR_ARG(sd->text));
}

void keys_check(enum level level, const struct node *node, const char *prefix, bool no_op, struct report *report)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].level == level)
            judge(&rules[i], node_member(node, str_from(rules[i].key)), prefix, no_op, report);
    if (level == LEVEL_BACKEND)
        check_discovery(node, prefix, report);
}
