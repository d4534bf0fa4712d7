/* encode_xml.c: Data as XML, the way KrakenD's library writes it. Start with encode_xml.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/encode.h"

struct xml_writer {
    struct json_writer out; /* only for its memory */
    bool refused;           /* an attribute that is no scalar */
};

static void write_escaped(struct xml_writer *writer, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '&':
            json_write_raw(&writer->out, STR("&amp;"));
            break;
        case '<':
            json_write_raw(&writer->out, STR("&lt;"));
            break;
        case '>':
            json_write_raw(&writer->out, STR("&gt;"));
            break;
        case '"':
            json_write_raw(&writer->out, STR("&quot;"));
            break;
        case '\'':
            json_write_raw(&writer->out, STR("&apos;"));
            break;
        default:
            json_write_raw(&writer->out, str_of(text.data + i, 1));
        }
    }
}

static void write_scalar(struct xml_writer *writer, const struct data *data)
{
    struct str text = data_scalar(writer->out.arena, data);

    writer->out.failed |= !text.data;
    write_escaped(writer, text);
}

static bool is_scalar(const struct data *data)
{
    enum json_type type = data_type(data);

    return type != JSON_OBJECT && type != JSON_ARRAY;
}

/* " name=\"value\"" for each; returns how many there are. */
static size_t write_attributes(struct xml_writer *writer, struct data_member **members, size_t count)
{
    size_t written = 0;

    for (size_t i = 0; i < count; i++) {
        if (!str_starts(members[i]->name, STR("-")))
            continue;
        written++;
        if (!is_scalar(&members[i]->value) || members[i]->value.kind == DATA_NULL) {
            writer->refused = true;
            continue;
        }
        json_write_raw(&writer->out, STR(" "));
        json_write_raw(&writer->out, str_from_offset(members[i]->name, 1));
        json_write_raw(&writer->out, STR("=\""));
        write_scalar(writer, &members[i]->value);
        json_write_raw(&writer->out, STR("\""));
    }
    return written;
}

static void write_element(struct xml_writer *writer, struct str name, struct data *data);

static void write_children(struct xml_writer *writer, struct data_member **members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(members[i]->name, STR("#text")) && is_scalar(&members[i]->value))
            write_scalar(writer, &members[i]->value);
    for (size_t i = 0; i < count; i++)
        if (!str_eq(members[i]->name, STR("#text")) && !str_starts(members[i]->name, STR("-")))
            write_element(writer, members[i]->name, &members[i]->value);
}

static void write_object(struct xml_writer *writer, struct str name, struct data_member **members, size_t count)
{
    json_write_raw(&writer->out, STR("<"));
    json_write_raw(&writer->out, name);
    if (write_attributes(writer, members, count) == count) {
        json_write_raw(&writer->out, STR("/>"));
        return;
    }
    json_write_raw(&writer->out, STR(">"));
    write_children(writer, members, count);
    json_write_raw(&writer->out, STR("</"));
    json_write_raw(&writer->out, name);
    json_write_raw(&writer->out, STR(">"));
}

static void write_simple(struct xml_writer *writer, struct str name, const struct data *data)
{
    struct str text = data_scalar(writer->out.arena, data);

    writer->out.failed |= !text.data;
    json_write_raw(&writer->out, STR("<"));
    json_write_raw(&writer->out, name);
    if (text.len == 0) {
        json_write_raw(&writer->out, STR("/>"));
        return;
    }
    json_write_raw(&writer->out, STR(">"));
    write_escaped(writer, text);
    json_write_raw(&writer->out, STR("</"));
    json_write_raw(&writer->out, name);
    json_write_raw(&writer->out, STR(">"));
}

/* Depth is that of what was decoded, and bounded there. */
static void write_element(struct xml_writer *writer, struct str name, struct data *data)
{
    struct data_member **members;
    size_t count;

    if (!data_unwrap(writer->out.arena, data) || !data_list(writer->out.arena, data, &members, &count)) {
        writer->out.failed = true;
        return;
    }
    if (data->kind == DATA_OBJECT) {
        write_object(writer, name, members, count);
        return;
    }
    if (data->kind != DATA_ARRAY || count == 0) {
        write_simple(writer, name, data->kind == DATA_ARRAY ? &(struct data){.kind = DATA_NULL} : data);
        return;
    }
    for (size_t i = 0; i < count; i++)
        write_element(writer, name, &members[i]->value);
}

/* The only member is the root, unless it is an array in which something is no object. */
static bool is_root(struct arena *arena, struct data *value)
{
    struct data_member **members;
    size_t count;

    if (data_type(value) != JSON_ARRAY)
        return true;
    if (!data_unwrap(arena, value) || !data_list(arena, value, &members, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (data_type(&members[i]->value) != JSON_OBJECT)
            return false;
    return true;
}

struct str encode_xml(struct arena *arena, struct data *data)
{
    struct xml_writer writer = {.out = {.arena = arena}};
    struct data_member **members;
    size_t count;

    if (!data_list(arena, data, &members, &count))
        return STR_EMPTY;
    if (count == 1 && data->kind == DATA_OBJECT && is_root(arena, &members[0]->value))
        write_element(&writer, members[0]->name, &members[0]->value);
    else
        write_element(&writer, STR("doc"), data);
    return writer.refused && !writer.out.failed ? STR("") : json_written(&writer.out);
}
