/* sequence.c: values that go from answer to request inside a sequence. Start with sequence_fill.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sequence.h"

#include "gateway/leg.h"

enum { INDEX_DIGITS_MAX = 4 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

bool sequence_name(struct str name, uint32_t *backend, struct str *path)
{
    size_t at = 4;

    *backend = 0;
    *path = STR_EMPTY;
    if (!str_starts(name, STR("resp")) && !str_starts(name, STR("Resp")))
        return false;
    for (; at < name.len && at < 4 + INDEX_DIGITS_MAX && name.data[at] >= '0' && name.data[at] <= '9'; at++)
        *backend = *backend * 10 + (uint32_t)(name.data[at] - '0');
    if (at == 4)
        return false;
    if (at < name.len && name.data[at] == '_')
        at++;
    *path = str_from_offset(name, at);
    for (size_t i = 0; i < path->len; i++)
        if (!is_word(path->data[i]))
            *path = str_first(*path, i);
    return true;
}

static bool add(struct arena *arena, struct sequence *sequence, size_t count_max, struct str name)
{
    struct sequence_value *value = &sequence->values[sequence->count];
    uint32_t backend;
    struct str path;

    if (!sequence_name(name, &backend, &path) || backend >= count_max)
        return true;
    value->backend = backend;
    value->path = path;
    value->name = path.len > 0 ? arena_format(arena, "Resp%u_%.*s", backend, STR_ARG(path))
                               : arena_format(arena, "Resp%u", backend);
    sequence->count++;
    return value->name.data != NULL;
}

/* Only what an earlier backend has answered can be used. */
static bool compile_one(struct arena *arena, const struct endpoint *endpoint, size_t index, struct sequence *sequence)
{
    const struct backend *backend = &endpoint->backends[index];
    const struct str_list *propagated = &endpoint->options->proxy.propagated;

    sequence->values = arena_array(arena, struct sequence_value, backend->part_count + propagated->count + 1);
    if (!sequence->values)
        return false;
    for (size_t i = 0; i < backend->part_count; i++)
        if (backend->parts[i].param.len > 0 &&
            str_find_char(backend->parts[i].param, '_') < backend->parts[i].param.len &&
            !add(arena, sequence, index, backend->parts[i].param))
            return false;
    for (size_t i = 0; i < propagated->count; i++)
        if (!add(arena, sequence, index, propagated->items[i]))
            return false;
    return true;
}

bool sequence_compile(struct arena *arena, struct endpoint *endpoint)
{
    endpoint->sequence = arena_array(arena, struct sequence, endpoint->backend_count + 1);
    if (!endpoint->sequence)
        return false;
    for (size_t i = 1; i < endpoint->backend_count; i++)
        if (!compile_one(arena, endpoint, i, &endpoint->sequence[i]))
            return false;
    return true;
}

/* As Go's %v. Depth is bounded where the value was decoded. */
static void print(struct json_writer *out, struct data *value)
{
    struct data_member **members;
    size_t count;
    struct str text;

    if (!data_unwrap(out->arena, value) || !data_list(out->arena, value, &members, &count)) {
        out->failed = true;
        return;
    }
    if (value->kind != DATA_OBJECT && value->kind != DATA_ARRAY) {
        text = data_type(value) == JSON_NULL ? STR("<nil>") : data_scalar(out->arena, value);
        out->failed |= !text.data;
        json_write_raw(out, text);
        return;
    }
    json_write_raw(out, value->kind == DATA_OBJECT ? STR("map[") : STR("["));
    for (size_t i = 0; i < count; i++) {
        json_write_raw(out, i > 0 ? STR(" ") : STR(""));
        if (value->kind == DATA_OBJECT) {
            json_write_raw(out, members[i]->name);
            json_write_raw(out, STR(":"));
        }
        print(out, &members[i]->value);
    }
    json_write_raw(out, STR("]"));
}

struct str sequence_text(struct arena *arena, struct data value)
{
    struct json_writer out = {.arena = arena};
    struct data_member **members;
    size_t count;

    if (data_type(&value) != JSON_ARRAY) {
        print(&out, &value);
        return json_written(&out);
    }
    if (!data_unwrap(arena, &value) || !data_list(arena, &value, &members, &count))
        return STR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        json_write_raw(&out, i > 0 ? STR(",") : STR(""));
        print(&out, &members[i]->value);
    }
    return json_written(&out);
}

/* The value at a dotted path. Where the walk cannot go on, the last name is looked up where it stopped. */
static bool find_value(const struct data *data, struct str path, struct data *value)
{
    size_t last = str_find_last_char(path, '.');
    struct str names = str_first(path, last), name;
    struct data at = *data, next;

    if (last == path.len)
        return data_find(&at, path, value);
    while (str_split(&names, '.', &name) && data_find(&at, name, &next) && data_type(&next) == JSON_OBJECT)
        at = next;
    return data_find(&at, str_from_offset(path, last + 1), value);
}

static bool is_set(const struct route_match *match, struct str name)
{
    for (unsigned i = 0; i < match->param_count; i++)
        if (str_eq(match->params[i].name, name))
            return true;
    return false;
}

bool sequence_fill(struct arena *arena, const struct sequence *sequence, const struct leg *legs, size_t index,
                   struct route_match *match)
{
    for (size_t i = 0; i < sequence->count && match->param_count < ROUTE_PARAMS_MAX; i++) {
        const struct sequence_value *wanted = &sequence->values[i];
        const struct leg *leg = &legs[wanted->backend];
        struct str text = leg->body;
        struct data value;

        if (wanted->backend >= index || is_set(match, wanted->name))
            continue;
        if (wanted->path.len > 0) {
            if (!find_value(&leg->outcome.answer.data, wanted->path, &value))
                continue;
            text = sequence_text(arena, value);
            if (!text.data)
                return false;
        }
        if (text.data)
            match->params[match->param_count++] = (struct route_param){wanted->name, text};
    }
    return true;
}
