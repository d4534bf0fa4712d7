/* parse_internal.h: what parse.c and target.c share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_PARSE_INTERNAL_H
#define HOLDFAST_HTTP_H1_PARSE_INTERNAL_H

#include "http/h1/parse.h"

/* A request target in one of its four forms (RFC 9112 3.2), by head->method. */
bool h1_parse_target(struct arena *arena, struct str target, struct http_head *head, struct error *err) MUST_USE;

#endif
