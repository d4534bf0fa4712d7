/* pattern.h: placeholders in endpoint paths and url_patterns, by KrakenD's rules (spec 1.5).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_PATTERN_H
#define HOLDFAST_GATEWAY_PATTERN_H

#include "config/schema.h"

/* Where names may stand and what they are made of. */
enum placeholder_rule {
    PLACEHOLDER_STRICT, /* endpoint: right behind a slash; letters, digits, '-', '_' */
    PLACEHOLDER_WIDE,   /* url_pattern, and endpoint under disable_rest: anywhere; also '.', ':' and '/' */
};

/* The next "{name}" of *rest: `before` gets what stands before it, *rest what comes behind. False: there is none. */
bool placeholder_next(enum placeholder_rule rule, struct str *rest, struct str *before, struct str *name);

/* Adds each different name in order of appearance; false: no room. places stay NULL. */
bool placeholders_list(struct arena *arena, enum placeholder_rule rule, struct str text,
                       struct str_list *names) MUST_USE;

/* The path with exactly what KrakenD adds: a leading slash when there is none. data NULL: no room. */
struct str path_with_slash(struct arena *arena, struct str path);

/* "/users/{id}" to "/users/:id", for the names given and only before the first '?'. data NULL: no room. */
struct str path_to_route(struct arena *arena, struct str path, const struct str_list *names);

/* A path that KrakenD keeps for itself, or with a star that is not its last byte. */
bool path_is_refused(struct str path);

/* "respN_..." and "JWT....": filled by parts of the pipeline, never by the path. */
bool placeholder_is_special(struct str name);

/* Equal but for the case of the first letter: so KrakenD finds a parameter's value. */
bool placeholder_is_param(struct str name, struct str param);

#endif
