/* profiles.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/profiles.h"

#include "tls/files_check.h"

struct profile_entry {
    const struct tls_client_options *options;
    struct tls_profile *profile;
    struct profile_entry *next;
};

static bool are_pairs_equal(const struct list_of *a, const struct list_of *b)
{
    const struct tls_key_pair *one = a->items, *other = b->items;
    bool equal = a->count == b->count;

    for (size_t i = 0; equal && i < a->count; i++)
        equal = str_eq(one[i].certificate, other[i].certificate) && str_eq(one[i].private_key, other[i].private_key);
    return equal;
}

/* As they were written: what differs only in spelling gives two profiles of one identity, which is no harm. */
static bool are_equal(const struct tls_client_options *a, const struct tls_client_options *b)
{
    return a->given == b->given && a->allow_insecure == b->allow_insecure &&
           a->disable_system_ca_pool == b->disable_system_ca_pool && str_eq(a->min_version, b->min_version) &&
           str_eq(a->max_version, b->max_version) && str_list_eq(&a->ca_certs, &b->ca_certs) &&
           str_list_eq(&a->cipher_suites_text, &b->cipher_suites_text) &&
           str_list_eq(&a->curve_preferences_text, &b->curve_preferences_text) &&
           are_pairs_equal(&a->client_certs, &b->client_certs);
}

struct tls_profile *profiles_get(struct profiles *profiles, const struct tls_client_options *options, struct error *err)
{
    struct profile_entry *entry = profiles->first;

    while (entry && !are_equal(entry->options, options))
        entry = entry->next;
    if (entry)
        return entry->profile;
    entry = arena_make(profiles->arena, struct profile_entry);
    if (!entry) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for TLS settings");
        return NULL;
    }
    entry->profile = tls_profile_new(options, err);
    if (!entry->profile)
        return NULL;
    entry->options = options;
    entry->next = profiles->first;
    profiles->first = entry;
    return entry->profile;
}

/* A backend without a block of its own has a copy of the root's. */
static bool is_own(const struct service *service, const struct backend_options *backend)
{
    return backend->client_tls.ca_certs.items != service->client_tls.ca_certs.items ||
           backend->client_tls.client_certs.items != service->client_tls.client_certs.items;
}

void profiles_check_files(const struct service *service, struct report *report)
{
    tls_check_client_files(&service->client_tls, "client_tls", report);
    for (size_t i = 0; i < service->endpoint_count; i++)
        for (size_t j = 0; j < service->endpoints[i].backend_count; j++) {
            const struct backend_options *backend = &service->endpoints[i].backends[j];
            struct str path;

            if (!is_own(service, backend))
                continue;
            path = arena_format(report->arena,
                                "endpoints[%zu].backend[%zu].extra_config.backend/http/client.client_tls", i, j);
            tls_check_client_files(&backend->client_tls, path.data ? path.data : "client_tls", report);
        }
}

void profiles_end(struct profiles *profiles)
{
    for (const struct profile_entry *entry = profiles->first; entry; entry = entry->next)
        tls_profile_unref(entry->profile);
    profiles->first = NULL;
}
