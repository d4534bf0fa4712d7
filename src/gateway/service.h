/* service.h: a KrakenD v3 configuration as structs: what the file said, with defaults, before anything is built from
 * it. The schema tables stand beside the structs (service_schema.c); service_load fills them and checks what tables
 * cannot. Keys and defaults: spec of KrakenD's root, endpoint and backend level; ours under extra_config
 * "holdfast/...". SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SERVICE_H
#define HOLDFAST_GATEWAY_SERVICE_H

#include "base/addr.h"
#include "config/schema.h"
#include "gateway/shape.h"
#include "tls/server_options.h"
#include "upstream/forward_proxy.h"
#include "upstream/transport.h"

struct json_writer;

enum encoding {
    ENCODING_JSON,
    ENCODING_JSON_COLLECTION, /* output only */
    ENCODING_SAFEJSON,        /* input only */
    ENCODING_STRING,
    ENCODING_XML,
    ENCODING_RSS,  /* input only; Atom too */
    ENCODING_YAML, /* output only */
    ENCODING_NO_OP,
    ENCODING_NEGOTIATE, /* output only; what Accept asks for: JSON, XML or YAML */
};

enum profile { PROFILE_SAFE, PROFILE_KRAKEND };
/* Starting points for how long client connections are kept; what is given wins. */
enum keep_preset { KEEP_OWN, KEEP_BROWSER, KEEP_GATEWAY, KEEP_WEB, KEEP_INTERNAL };
enum error_status { ERROR_STATUS_KRAKEND, ERROR_STATUS_PRECISE };

struct header_pair {
    struct str name, value;
};

/* holdfast/answer at an endpoint: answers without a backend. */
struct answer_options {
    int64_t status;                   /* 200 */
    const struct node *headers;       /* object of strings */
    const struct node *body;          /* a string is sent as it is, anything else as JSON */
    struct header_pair *header_pairs; /* filled by the check */
    size_t header_count;
    struct str body_text; /* filled by the check */
    bool body_is_json;
};

/* proxy.static: when its data goes over the answer (spec 4.11). */
enum static_strategy { STATIC_ALWAYS, STATIC_SUCCESS, STATIC_ERRORED, STATIC_COMPLETE, STATIC_INCOMPLETE };

/* extra_config.proxy of an endpoint. */
struct proxy_options {
    bool sequential;
    struct str_list propagated; /* sequential_propagated_params; places stay NULL */
    bool static_given;
    enum static_strategy static_strategy;
    struct json static_data; /* an object */
    struct flatmap flatmap;  /* of the merged answer, with several backends */
};

struct backend_options {
    struct str url_pattern; /* "/"; begins with exactly one slash more than written without one */
    struct str_list host;   /* sanitised (4.2) unless disable_host_sanitize; the root's when empty */
    struct str method;      /* upper case; the endpoint's when empty; "*": the client's own */
    struct str encoding_name;
    enum encoding encoding;
    bool is_collection, disable_host_sanitize;
    struct str sd, sd_scheme;                           /* "static" or "dns"; "http" or "https" */
    bool discovered;                                    /* sd is "dns": host[0] is the name of SRV records */
    uint64_t sd_refresh_ns;                             /* how often they are asked for */
    struct str_list input_headers, input_query_strings; /* second filters */
    bool input_headers_given, input_query_strings_given;
    struct str_list allow, deny;
    const struct node *mapping;
    struct shape shape;              /* what is kept of the answer, and where */
    bool shadow;                     /* its answer is not waited for, nor used */
    int64_t shadow_timeout_ns;       /* the endpoint's timeout when none is given */
    struct str return_error_details; /* backend/http */
    bool return_error_code;
    bool no_redirect;                     /* backend/http/client: redirects are answers */
    bool send_body_on_redirect;           /* ... a request's body goes along to where 307 and 308 lead */
    const struct node *node;              /* the backend's object */
    struct transport transport;           /* the service's, with what holdfast/upstream says here */
    struct tls_client_options client_tls; /* the service's, unless backend/http/client has one */
    const struct node *extra_config;
    struct place place; /* of the backend's object */
    struct place url_pattern_place;
};

/* holdfast/stream at an endpoint, and KrakenD Enterprise's "websocket": exchanges that last. 0: no limit, never. */
struct stream_options {
    int64_t idle_ns;      /* longest silence */
    int64_t heartbeat_ns; /* silence behind which we say something */
    int64_t pong_ns;      /* how long a Ping of ours waits for an answer */
    int64_t close_ns;     /* how long a closing handshake may take */
    int64_t write_ns;     /* how long a side of a tunnel may take nothing of what waits for it */
    int64_t message_bytes_max;
    int64_t open_max;             /* of this endpoint at once, over all workers */
    struct str_list subprotocols; /* that may be spoken in a tunnel; none: all */
};

struct endpoint_options {
    struct str endpoint; /* "/users/{id}", or a path that ends in a slash and a star */
    struct str route;    /* the same in router form: "/users/:id" */
    struct str method;   /* upper case; "*" matches every method */
    int64_t timeout_ns;  /* the root's when 0 */
    int64_t cache_ttl_ns;
    int64_t concurrent_calls; /* 0: 1 */
    struct str_list input_headers, input_query_strings;
    struct str output_encoding_name;
    enum encoding output_encoding;
    struct backend_options *backends;
    size_t backend_count;
    struct proxy_options proxy;
    struct stream_options stream;
    bool websocket_given; /* its block is there: no-op, and class tunnel */
    struct answer_options answer;
    bool answer_given;
    const struct node *node; /* the endpoint's object */
    const struct node *extra_config;
    struct place place; /* of the endpoint's path */
};

/* "10.0.0.0/8", "::1" */
struct ip_network {
    struct addr base;
    unsigned bits;
};

/* extra_config.router, decoded as KrakenD does (one wrong type disables most of the block, with a warning that says
 * so). */
struct router_options {
    bool disable_redirect_trailing_slash, disable_redirect_fixed_path, disable_handle_method_not_allowed;
    bool forwarded_by_client_ip; /* true */
    struct str_list remote_ip_headers, trusted_proxies;
    bool remove_extra_slash, auto_options, return_error_msg, disable_health, disable_path_decoding;
    bool hide_version_header, disable_access_log;
    int64_t max_multipart_memory; /* read, without effect */
    bool use_h2c;                 /* as that of the root */
    const struct node *error_body;
    bool app_engine;            /* X-Appengine-Remote-Addr is the client's address */
    bool trusts_nobody;         /* without trusted_proxies (holdfast/server "forwarded_from_anybody" off) */
    struct ip_network *trusted; /* trusted_proxies, parsed; all are trusted when trusted_proxies is empty */
    size_t trusted_count;
    struct str_list logger_skip_paths;
    struct str health_path;                    /* "/__health" */
    struct str error_body_404, error_body_405; /* JSON text; data NULL: not set */
};

enum proxy_rule { PROXY_OFF, PROXY_ACCEPT, PROXY_REQUIRE };
/* holdfast/server. Durations in nanoseconds. */
struct listener_options {
    enum proxy_rule proxy_protocol;
    bool proxy_given, age_hard_given;
    int64_t max_age_hard_ns;              /* 0: none. The service's where it has none of its own */
    bool no_h2;                           /* "protocols" leaves it out */
    struct str listen;                    /* "IP:PORT", "unix:PATH" */
    const struct tls_server_options *tls; /* NULL: plain. The service's where a TCP listener has none of its own */
    struct place place;
};

/* holdfast/server: what clients may do, and how long their connections live. */
enum refusal { REFUSE_BY_RESET, REFUSE_BY_503 };
struct client_rules {
    int64_t head_rate_min, body_rate_min, send_gap_ns, send_rate_min; /* slow senders and readers */
    int64_t max_age_ns, max_age_hard_ns;
    int64_t proxy_header_ns, linger_ns; /* for a PROXY header; behind the last answer */
    int64_t idle_min_ns, idle_max_ns;
    int64_t memory_max;          /* bytes that the process is to have; 0: what there is */
    bool idle_adapts;            /* idle_timeout was not set: it moves between the two */
    int64_t streams_per_address; /* that last, as in struct stream_options; 0: no limit */
    int64_t max_per_address, ipv4_prefix_bits, ipv6_prefix_bits; /* an address stands for its network of so many bits */
    enum refusal refusal;
    int64_t refuse_handshakes; /* TLS handshakes a second for REFUSE_BY_503, over all workers */
    int64_t fields_max;
    bool forwarded_from_anybody;    /* without trusted_proxies everybody may say whose request it is, as in KrakenD */
    enum proxy_rule proxy_protocol; /* where a listener says nothing else */
    struct str_list proxy_networks;
    struct ip_network *proxies; /* the same, parsed */
    size_t proxy_count;
};

/* HTTP/2 of clients: see http/h2/h2.h. */
struct h2_settings {
    int64_t streams_max, head_bytes_max, stream_window, connection_window, glitches_max, glitches_back;
};

/* Of names that are looked up: net/resolve.h. */
struct resolve_settings {
    int64_t ttl_min_ns, ttl_max_ns, negative_ttl_ns, stale_after_ns, stale_max_ns, cache_size;
};

enum access_form { ACCESS_KRAKEND, ACCESS_JSON };

struct server_options {
    struct client_rules clients;
    struct h2_settings h2;
    int64_t workers;
    struct listener_options *listeners; /* at least one: listen_ip and port when none is given */
    size_t listener_count;
    enum profile profile;
    enum keep_preset preset;
    bool preset_idle, preset_requests; /* idle_timeout, max_requests_per_connection are those of the preset */
    enum error_status error_status;
    bool keep_alive_header;
    bool grpc_health; /* grpc.health.v1.Health/Check is answered for the gateway itself */
    bool as_sent;     /* encoded_urls: paths and queries reach backends in the bytes in which they came */
    enum access_form access_log;
    int64_t max_requests_per_connection, max_connections;
    int64_t body_gap_timeout_ns;
    int64_t max_body_bytes; /* cap of a request's body; 0: none on no-op */
    int64_t drain_window_ns, drain_limit_ns;
    int64_t defer_accept_ns;    /* of TCP listeners; 0: not at all */
    int64_t resolve_timeout_ns; /* of a question to DNS servers */
    struct resolve_settings resolve;
    int64_t request_memory_max;                         /* bytes of one exchange's arena, and of a shadow's */
    int64_t shadows_max;                                /* of each worker, at once */
    int64_t pipes_max;                                  /* of each worker; 0: none (os/pipe.h) */
    int64_t hide_hosts_after_ns, forget_hosts_after_ns; /* upstream/host_leave.h */
    struct str resolver;                                /* "127.0.0.1:53,[::1]:53"; empty: those of resolv.conf */
    struct str admin_listen;                            /* holdfast/admin "listen"; empty: no admin listener */
    struct str_list admin_hosts;                        /* ... "hosts": names by which it may be asked; "*": any */
    struct str admin_token_file;                        /* ... "token_file"; empty: commands need no token */
    struct place admin_token_place;
    int64_t admin_connections_max, admin_timeout_ns; /* ... "max_connections", "timeout" */
};

/* What a gateway that runs keeps whatever the file says, until it is started again (app/carry.h). */
struct kept_setting {
    const char *path;  /* "extra_config.holdfast/server.workers" */
    const char *value; /* JSON text */
};

struct service {
    struct str name, listen_ip;
    int64_t version, port;
    bool port_given;
    int64_t timeout_ns, cache_ttl_ns;
    struct str_list host;
    struct str output_encoding_name;
    int64_t read_timeout_ns, write_timeout_ns, idle_timeout_ns, read_header_timeout_ns, max_header_bytes;
    int64_t max_shutdown_wait_time_ns;
    bool disable_rest, debug_endpoint, echo_endpoint;
    bool use_h2c;
    bool sequential_start;    /* read, without effect in this version */
    int64_t dns_cache_ttl_ns; /* the same */
    struct transport transport;
    struct tls_server_options tls;
    struct tls_server_tuning tls_tuning; /* holdfast/tls */
    struct tls_client_options client_tls;
    bool allow_insecure_connections; /* the same as that of client_tls */
    struct endpoint_options *endpoints;
    size_t endpoint_count;
    struct router_options router;
    struct server_options server;
    const struct node *extra_config;
    const struct forward_rules *proxies; /* of the environment; NULL: none */
    const struct node *document;         /* what all this was read from, overrides of the environment grafted */
    bool port_by_flag, debug_by_flag;    /* the command line said so */
    const struct kept_setting *kept;
    size_t kept_count;
};

/* A setting of which 0 and less mean that there is none: 0 then. */
static inline uint64_t service_positive(int64_t setting)
{
    return setting > 0 ? (uint64_t)setting : 0;
}

struct service_sources {
    const char *path; /* the configuration file; "-": standard input */
    bool environment; /* apply KRAKEND_*, and use the forward proxies it names */
    int64_t port;     /* run -p; 0: not given */
    bool debug;       /* run -d */
    const char *text; /* instead of a file: configuration text of our own (demo, --to), named `path` in messages */
};

/* Reads, overrides, binds and checks; adds every problem to the report. NULL when there was an error. Lives in the
 * arena, which must be the report's too (checks keep what they make of the file there). Endpoints whose method no
 * endpoint can have are left out, with a warning. */
struct service *service_load(struct arena *arena, const struct service_sources *sources, struct report *report);

/* The settings as they count, with the origin of each (config/effective.h): {"settings": [...]}. */
void service_effective_write(const struct service *service, struct json_writer *writer);

/* The JSON Schema of all that service_load reads. data NULL: no room. */
struct str service_json_schema(struct arena *arena);

#endif
