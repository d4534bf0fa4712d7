/* profiles.h: one TLS profile for each distinct client_tls of a configuration, made when the first https:// host wants
 * it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_PROFILES_H
#define HOLDFAST_GATEWAY_PROFILES_H

#include "base/arena.h"
#include "gateway/service.h"
#include "tls/profile.h"

struct profiles {
    struct arena *arena;
    struct profile_entry *first;
};

/* The profile of the options, which must outlive `profiles`. Borrowed until profiles_end: who keeps it takes a
 * reference. NULL with *err, as tls_profile_new. */
struct tls_profile *profiles_get(struct profiles *profiles, const struct tls_client_options *options,
                                 struct error *err);

/* Adds a warning for each file of a client_tls, of the root or a backend, that cannot be used. */
void profiles_check_files(const struct service *service, struct report *report);

void profiles_end(struct profiles *profiles); /* gives back all of them */

#endif
