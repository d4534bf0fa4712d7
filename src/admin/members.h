/* members.h: JSON objects of the admin pages, member by member. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_MEMBERS_H
#define HOLDFAST_ADMIN_MEMBERS_H

#include "json/write.h"

/* The caller writes the brackets, and sets *first behind the opening one. A name of NULL: an element of an array. */
void member_name(struct json_writer *writer, bool *first, const char *name);
void member_u64(struct json_writer *writer, bool *first, const char *name, uint64_t number);
void member_bool(struct json_writer *writer, bool *first, const char *name, bool is);
void member_text(struct json_writer *writer, bool *first, const char *name, const char *text);
void member_maybe_text(struct json_writer *writer, bool *first, const char *name, const char *text); /* NULL: null */
void member_double(struct json_writer *writer, bool *first, const char *name, double number);

/* Nanoseconds as seconds, to the microsecond; `none` is written as null. */
void member_seconds(struct json_writer *writer, bool *first, const char *name, uint64_t ns, uint64_t none);

#endif
