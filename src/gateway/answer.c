/* answer.c: answers that the gateway makes itself, for errors and for requests without a route. The built-in endpoints
 * are in answer_builtin.c. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer.h"

struct str answer_version(const struct service *service)
{
    return service->router.hide_version_header ? STR("Version undefined") : STR("Version " HOLDFAST_VERSION);
}
