/* lint_pattern.c: patterns of a JSON Schema, each compiled once. SPDX-License-Identifier: Apache-2.0 */
#include "config/lint_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_STEPS_MAX = 1000000 };

struct lint_pattern {
    struct lint_pattern *next;
    struct str text;
    pcre2_code *code; /* NULL: it is wrong, which was said */
};

static struct lint_pattern *find_pattern(struct lint *lint, const struct node *place, struct str text)
{
    struct lint_pattern *pattern = lint->patterns;
    PCRE2_SIZE at;
    int code;

    while (pattern && !str_eq(pattern->text, text))
        pattern = pattern->next;
    if (pattern)
        return pattern;
    pattern = arena_make(lint->arena, struct lint_pattern);
    if (!pattern)
        return NULL;
    *pattern = (struct lint_pattern){.next = lint->patterns, .text = text};
    lint->patterns = pattern;
    pattern->code = pcre2_compile((PCRE2_SPTR)(text.len ? text.data : ""), text.len, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
                                  &code, &at, NULL);
    if (!pattern->code)
        lint_break(lint, place, "the pattern \"%.*s\" is wrong at character %zu", STR_ARG(text), (size_t)at + 1);
    return pattern;
}

void lint_free_patterns(struct lint *lint)
{
    for (struct lint_pattern *pattern = lint->patterns; pattern; pattern = pattern->next)
        pcre2_code_free(pattern->code);
}

bool lint_matches(struct lint *lint, const struct node *place, struct str pattern, struct str text)
{
    struct lint_pattern *found = find_pattern(lint, place, pattern);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *match =
        found && found->code && limits ? pcre2_match_data_create_from_pattern(found->code, NULL) : NULL;
    int code = 0;

    if (match) {
        pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
        code = pcre2_match(found->code, (PCRE2_SPTR)(text.len ? text.data : ""), text.len, 0, 0, match, limits);
        if (code < 0 && code != PCRE2_ERROR_NOMATCH)
            lint_break(lint, place, "the pattern \"%.*s\" takes too long", STR_ARG(pattern));
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
    return code != PCRE2_ERROR_NOMATCH;
}

bool lint_pattern(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                  bool tell)
{
    (void)schema;
    return spot->node->type != JSON_STRING || lint_matches(lint, keyword, keyword->text, spot->node->text) ||
           lint_refuse(lint, spot, tell, "does not match the pattern %.*s", STR_ARG(keyword->text));
}
