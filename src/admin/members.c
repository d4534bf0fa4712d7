/* members.c: names, commas, numbers. SPDX-License-Identifier: Apache-2.0 */
#include "admin/members.h"

void member_name(struct json_writer *writer, bool *first, const char *name)
{
    if (name)
        json_write_name(writer, str_from(name), *first);
    else if (!*first)
        json_write_raw(writer, STR(","));
    *first = false;
}

void member_u64(struct json_writer *writer, bool *first, const char *name, uint64_t number)
{
    member_name(writer, first, name);
    json_write_u64(writer, number);
}

void member_bool(struct json_writer *writer, bool *first, const char *name, bool is)
{
    member_name(writer, first, name);
    json_write_raw(writer, is ? STR("true") : STR("false"));
}

void member_text(struct json_writer *writer, bool *first, const char *name, const char *text)
{
    member_name(writer, first, name);
    json_write_string(writer, str_from(text));
}

void member_maybe_text(struct json_writer *writer, bool *first, const char *name, const char *text)
{
    member_name(writer, first, name);
    if (text)
        json_write_string(writer, str_from(text));
    else
        json_write_raw(writer, STR("null"));
}

void member_double(struct json_writer *writer, bool *first, const char *name, double number)
{
    member_name(writer, first, name);
    json_write_double(writer, number);
}

void member_seconds(struct json_writer *writer, bool *first, const char *name, uint64_t ns, uint64_t none)
{
    member_name(writer, first, name);
    if (ns == none)
        json_write_raw(writer, STR("null"));
    else
        json_write_double(writer, (double)(ns / 1000) / 1e6);
}
