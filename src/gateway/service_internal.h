/* service_internal.h: the parts that a configuration goes through between its text and struct service.
 *
 * service_schema.c binds tables, service_keys.c and service_missing.c say what this version cannot do,
 * service_router.c, service_ours.c and service_upstream.c read blocks of extra_config, service_check.c settles defaults
 * and checks what tables cannot, service_encoding.c and service_routes.c are parts of that.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SERVICE_INTERNAL_H
#define HOLDFAST_GATEWAY_SERVICE_INTERNAL_H

#include "config/problems.h"
#include "gateway/service.h"

enum level { LEVEL_ROOT, LEVEL_ENDPOINT, LEVEL_BACKEND };

/* The schema of the root; its hooks call keys_check and components_check for every level. */
extern const struct schema service_schema;

/* Components with tables, each in the file that binds it; and, for documents, which stand at which level. */
extern const struct schema server_schema, admin_schema, upstream_schema, answer_schema, client_schema, stream_schema,
    websocket_schema;
extern const struct schema root_components, endpoint_components, backend_components;

/* Keys that are known but do nothing in this version: an error where that would change answers, else a warning or
 * nothing. `prefix` leads the key in messages: "endpoints[2]." */
void keys_check(enum level level, const struct node *node, const char *prefix, bool no_op, struct report *report);

/* The same for the components under extra_config. */
void components_check(enum level level, const struct node *extra_config, const char *prefix, struct report *report);

/* A component by its short name or KrakenD's long one; the short one wins. NULL: not there, or not an object. */
const struct node *component_find(const struct node *extra_config, const char *name);
/* Does a component that is not there stand for the HTTP request of this backend? Then no host is asked. */
bool component_replaces_http(const struct node *extra_config);
struct str component_name(struct str name); /* the short name of a component; the name itself when it has no other */

/* extra_config.router. */
extern const struct schema router_schema;
void router_options_read(struct router_options *options, const struct node *block, struct report *report);

/* holdfast/server, holdfast/admin and holdfast/upstream of the root. */
void ours_read(struct service *service, struct report *report);
/* holdfast/upstream of a backend or the root: what it says goes over what the transport has. */
void upstream_read(struct transport *transport, const struct node *extra_config, const char *prefix,
                   struct report *report);

/* service_marks.c: "46", "ef", "" for none. False: it is no DSCP. */
bool dscp_read(struct str text, uint8_t *dscp) MUST_USE;

/* service_upstream_check.c: what of a block (`path` leads its keys) does nothing beside the rest of the transport. */
void upstream_check(const struct transport *transport, const struct node *block, const char *path, bool is_root,
                    struct report *report);

/* backend/http/client of a backend. */
void client_read(struct backend_options *backend, const char *prefix, struct report *report);

/* An option whose engine comes later: the values that ask for what happens anyway, and whether anything else would be
 * wrong to pass over (an error) or only has no effect (a warning). */
struct later_key {
    const char *name, *preset, *also_fine;
    bool refuse;
};
void later_check(const struct later_key *keys, size_t count, const struct node *block, const char *prefix,
                 struct report *report);

/* holdfast/answer of an endpoint. */
void answer_read(struct endpoint_options *endpoint, const char *prefix, struct report *report);

/* Where a check stands, for messages. */
struct spot {
    struct service *service;
    struct endpoint_options *endpoint;
    struct report *report;
    const char *prefix; /* "endpoints[2]." or "endpoints[2].backend[0]." */
};

/* Its own dscp and mark: has it hosts that packets go to? */
void marks_check(const struct spot *spot, const struct backend_options *backend);

/* Encodings by name, with KrakenD's fallbacks; backend/http. */
/* sd: is there a name to look up? */
void discovery_check(const struct spot *spot, struct backend_options *backend);
void settle_output(const struct spot *spot, const struct node *root);
void settle_input(const struct spot *spot, struct backend_options *backend);
void read_backend_http(struct backend_options *backend);

/* target, allow, deny, mapping, group and the backend's flatmap_filter; a flatmap_filter alone. */
void shape_read(const struct spot *spot, struct backend_options *backend);
void flatmap_read(const struct spot *spot, const struct node *extra_config, struct flatmap *flatmap);

/* The rest of "proxy": of an endpoint, of a backend, and what can be said when all backends are known. */
void proxy_read(const struct spot *spot);
void shadow_read(const struct spot *spot, struct backend_options *backend);
void proxy_check(const struct spot *spot);

/* holdfast/stream and websocket of an endpoint; then the class of each backend, when its transport is known. */
void stream_read(const struct spot *spot);
void stream_settle(const struct spot *spot, struct backend_options *backend);

/* An endpoint's path (fills `endpoint` and `route`), a backend's url_pattern, and routes that cannot stand beside each
 * other. */
void check_path(const struct spot *spot);
void check_pattern(const struct spot *spot, struct backend_options *backend);
void check_routes(const struct service *service, const struct node *root, struct report *report);

/* Defaults, inheritance and the checks that tables cannot do. */
void service_settle(struct service *service, const struct node *root, struct report *report);

/* KrakenD's sanitising (spec 4.2). False: not exactly one host in the text. `out` is in the arena, its data NULL
 * when there is no room. */
bool host_sanitize(struct arena *arena, struct str text, struct str *out) MUST_USE;

/* A copy of a node that a schema's hook was given: null elements are bound from one that is gone afterwards. NULL: no
 * room. */
const struct node *node_keep(const struct node *node, struct report *report);

/* Whether a member holds anything (not null, "", 0, false, {} or []). */
bool node_is_given(const struct node *node);
struct place node_place(const struct node *object, const char *name); /* of the member's value, else of the object */

/* service_clients.c: checks what depends on more than one key, and parses the networks. */
void clients_settle(struct client_rules *clients, const struct node *block, struct report *report);
/* The numbers of a preset, and as a configuration would say them; NULL for KEEP_OWN. */
struct keep_numbers {
    int64_t idle_ns, requests;
    const char *idle_text, *requests_text, *from;
};
const struct keep_numbers *keep_numbers_of(enum keep_preset preset);

#endif
