/* gateway_test.h: what the tests of gateway/ share: configurations from text, endpoints from configurations, requests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_GATEWAY_TEST_H
#define HOLDFAST_TESTS_GATEWAY_TEST_H

#include "gateway/answer.h"
#include "gateway/endpoint.h"
#include "gateway/service.h"
#include "harness/test.h"

/* A report in the test's arena. */
struct report *gateway_report(void);

/* The service of a text, with its problems in *report; NULL when it is refused. */
struct service *gateway_load(const char *text, struct report *report);

/* The service of a text without errors. */
struct service *gateway_service(const char *text);

/* Its first endpoint, compiled; hosts live until gateway_forget. */
struct endpoint *gateway_endpoint(const struct service *service);
void gateway_forget(void);

/* The service of `{"version": 3, "host": ["http://h:81"], "endpoints": [ENDPOINT]}`. */
struct service *gateway_service_of(const char *endpoint);

/* A request; headers as "Name: value" lines joined by '\n', NULL for none. Content-Length fills body_bytes, too. */
struct http_head *gateway_request(const char *method, const char *path, const char *headers);

/* All fields as "Name: value" lines, each with its '\n'. */
struct str gateway_fields(const struct http_headers *headers);

#endif
