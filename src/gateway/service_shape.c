/* service_shape.c: what a backend's keys say of the shape of its answer: target, allow, deny, mapping, group, and the
 * flatmap_filter of a "proxy" block, compiled for shape.h. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

static bool no_memory(const struct spot *spot)
{
    report_add(spot->report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory");
    return false;
}

static bool read_lists(const struct spot *spot, struct backend_options *backend)
{
    struct arena *arena = spot->report->arena;

    for (size_t i = 0; i < backend->allow.count; i++)
        if (!shape_allow(arena, &backend->shape, backend->allow.items[i]))
            return no_memory(spot);
    for (size_t i = 0; i < backend->deny.count; i++)
        if (!shape_deny(arena, &backend->shape, backend->deny.items[i]))
            return no_memory(spot);
    if (backend->allow.count > 0 && backend->deny.count > 0)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node_place(backend->node, "deny"), NULL,
                   "%sdeny: has no effect beside allow", spot->prefix);
    return true;
}

/* Of a new name only what stands before its first dot counts. */
static void read_mapping(const struct spot *spot, struct backend_options *backend)
{
    const struct node *mapping = backend->mapping;
    struct shape *shape = &backend->shape;

    if (!mapping || mapping->type == JSON_NULL)
        return;
    if (mapping->type != JSON_OBJECT) {
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, mapping->place, NULL,
                   "%smapping: wants an object of old and new names", spot->prefix);
        return;
    }
    shape->renames = arena_array(spot->report->arena, struct shape_rename, mapping->count + 1u);
    for (const struct node *member = mapping->children; shape->renames && member; member = member->next) {
        struct str to = member->type == JSON_NULL ? STR("") : member->text;

        if (member->type == JSON_OBJECT || member->type == JSON_ARRAY)
            report_add(spot->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, member->place, NULL,
                       "%smapping.%.*s: wants a string", spot->prefix, STR_ARG(member->name));
        else
            shape->renames[shape->rename_count++] =
                (struct shape_rename){member->name, str_first(to, str_find_char(to, '.'))};
    }
}

/* What the type names; false: nothing that is known, and KrakenD passes over it. */
static bool find_kind(const struct node *type, enum flatmap_kind *kind)
{
    static const char *const names[] = {[FLATMAP_MOVE] = "move", [FLATMAP_APPEND] = "append", [FLATMAP_DEL] = "del"};

    for (size_t i = 0; type && type->type == JSON_STRING && i < COUNT_OF(names); i++)
        if (str_eq(type->text, str_from(names[i]))) {
            *kind = (enum flatmap_kind)i;
            return true;
        }
    return false;
}

static bool read_args(const struct spot *spot, const struct node *args, struct flatmap_op *op)
{
    struct arena *arena = spot->report->arena;

    op->args = arena_array(arena, struct flatmap_path, args->count + 1u);
    if (!op->args)
        return no_memory(spot);
    for (const struct node *arg = args->children; arg; arg = arg->next) {
        if (arg->type != JSON_STRING) {
            report_add(spot->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, arg->place, NULL,
                       "%sextra_config.proxy.flatmap_filter: an argument is a path as a string", spot->prefix);
            return false;
        }
        if (!flatmap_path(arena, arg->text, &op->args[op->arg_count]))
            return no_memory(spot);
        if (op->args[op->arg_count++].count > FLATMAP_PARTS_MAX) {
            report_add(spot->report, SEVERITY_ERROR, PROBLEM_OUT_OF_RANGE, arg->place, NULL,
                       "%sextra_config.proxy.flatmap_filter: a path has at most %d parts", spot->prefix,
                       FLATMAP_PARTS_MAX);
            return false;
        }
    }
    return true;
}

static void read_op(const struct spot *spot, const struct node *node, struct flatmap *flatmap)
{
    const struct node *args = node->type == JSON_OBJECT ? node_member(node, STR("args")) : NULL;
    struct flatmap_op op = {0};
    size_t wanted;

    if (node->type != JSON_OBJECT || !find_kind(node_member(node, STR("type")), &op.kind)) {
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node->place,
                   "\"move\", \"append\" and \"del\" are",
                   "%sextra_config.proxy.flatmap_filter: this is no operation that is known", spot->prefix);
        return;
    }
    wanted = op.kind == FLATMAP_DEL ? 1 : 2;
    if (!args || args->type != JSON_ARRAY || args->count < wanted) {
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, args ? args->place : node->place, NULL,
                   "%sextra_config.proxy.flatmap_filter: \"args\" wants %zu path%s", spot->prefix, wanted,
                   wanted == 1 ? "" : "s");
        return;
    }
    if (op.kind == FLATMAP_MOVE && args->children->type == JSON_STRING && str_ends(args->children->text, STR("*")) &&
        (args->children->text.len == 1 || str_ends(args->children->text, STR(".*"))))
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, args->children->place, NULL,
                   "%sextra_config.proxy.flatmap_filter: a star cannot end the path of what is moved", spot->prefix);
    if (read_args(spot, args, &op))
        flatmap->ops[flatmap->count++] = op;
}

void flatmap_read(const struct spot *spot, const struct node *extra_config, struct flatmap *flatmap)
{
    const struct node *proxy = component_find(extra_config, "proxy");
    const struct node *list = proxy ? node_member(proxy, STR("flatmap_filter")) : NULL;

    if (!list || list->type == JSON_NULL)
        return;
    if (list->type != JSON_ARRAY) {
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, list->place, NULL,
                   "%sextra_config.proxy.flatmap_filter: has no effect: it is no list", spot->prefix);
        return;
    }
    flatmap->ops = arena_array(spot->report->arena, struct flatmap_op, list->count + 1u);
    for (const struct node *node = list->children; flatmap->ops && node; node = node->next)
        read_op(spot, node, flatmap);
}

void shape_read(const struct spot *spot, struct backend_options *backend)
{
    struct shape *shape = &backend->shape;

    if (!read_lists(spot, backend))
        return;
    read_mapping(spot, backend);
    flatmap_read(spot, backend->extra_config, &shape->flatmap);
    shape->flatmap.collection = backend->is_collection && backend->encoding == ENCODING_JSON;
    if (shape->flatmap.count > 0 && (shape->allow || shape->deny || shape->rename_count > 0))
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, backend->place, NULL,
                   "%sextra_config.proxy.flatmap_filter: stands in place of allow, deny and mapping", spot->prefix);
}
