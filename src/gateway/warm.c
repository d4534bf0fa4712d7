/* warm.c: tells a worker's pool which hosts of a generation are to be kept warm. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/generation.h"
#include "upstream/warm_floor.h"

static bool keep_backend(const struct backend *backend, struct pool *pool)
{
    bool ok = true;

    for (size_t i = 0; i < backend->host_count; i++)
        ok &= pool_keep_warm(pool, backend->hosts[i], backend->transport);
    return ok;
}

bool generation_keep_warm(const struct generation *generation, struct pool *pool)
{
    bool ok = true;

    pool_cool(pool);
    for (uint32_t i = 0; i < generation_endpoint_count(generation); i++) {
        const struct endpoint *endpoint = generation_endpoint(generation, i);

        for (size_t j = 0; j < endpoint->backend_count; j++)
            ok &= keep_backend(&endpoint->backends[j], pool);
    }
    return ok;
}
