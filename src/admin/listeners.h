/* listeners.h: what the admin listener tells of the listeners of clients, and how it knows which one is meant.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_LISTENERS_H
#define HOLDFAST_ADMIN_LISTENERS_H

#include "admin/admin.h"
#include "base/arena.h"

#include "json/write.h"

/* The name in a query "listener=NAME", decoded. False: it is another query, or there is no memory. */
bool listeners_asked(struct arena *arena, struct str query, struct str *name) MUST_USE;

/* The number of the listener with that address, as it was taken or as it is configured. LISTENER_NONE: there is none;
 * One that a configuration has left out is none;
 * LISTENER_MANY: several are configured so ("127.0.0.1:0"). */
enum { LISTENER_NONE = -1, LISTENER_MANY = -2 };
int listeners_find(const struct admin_view *view, struct str name);

/* Is an earlier one written alike? They are one in the metrics. */
bool listeners_is_repeated(const struct admin_view *view, size_t number);

/* `,"listeners":[...]`, behind another member. */
void listeners_write(struct json_writer *writer, const struct admin_view *view);
void listeners_write_metrics(struct json_writer *writer, const struct admin_view *view);

#endif
