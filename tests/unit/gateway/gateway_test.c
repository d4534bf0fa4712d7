/* gateway_test.c: configurations and requests for the tests of gateway/. SPDX-License-Identifier: Apache-2.0 */
#include "gateway_test.h"

#include "base/text.h"

static struct hosts *hosts; /* of the running test */

struct report *gateway_report(void)
{
    struct report *report = arena_make(test_arena(), struct report);

    CHECK(report != NULL);
    report_init(report, test_arena());
    return report;
}

struct service *gateway_load(const char *text, struct report *report)
{
    struct service_sources sources = {.path = "test.json", .text = text};

    return service_load(test_arena(), &sources, report);
}

struct service *gateway_service(const char *text)
{
    struct report *report = gateway_report();
    struct service *service = gateway_load(text, report);

    if (!service)
        test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(report_text(report, test_arena(), false)));
    return service;
}

struct service *gateway_service_of(const char *endpoint)
{
    struct str text =
        arena_format(test_arena(), "{\"version\": 3, \"host\": [\"http://h:81\"], \"endpoints\": [%s]}", endpoint);

    return gateway_service(text.data);
}

struct endpoint *gateway_endpoint(const struct service *service)
{
    struct endpoint *endpoint = arena_lines(test_arena(), struct endpoint, 1);
    struct intern *pieces = intern_new(test_arena());
    struct report *report = gateway_report();

    CHECK(endpoint != NULL);
    CHECK(pieces != NULL);
    CHECK(service->endpoint_count > 0);
    if (!hosts)
        hosts = hosts_new(1);
    struct profiles profiles = {.arena = test_arena()};
    bool compiled = endpoint_compile(pieces, service, &service->endpoints[0], hosts, &profiles, endpoint, report);
    profiles_end(&profiles);
    if (!compiled)
        test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(report_text(report, test_arena(), false)));
    return endpoint;
}

void gateway_forget(void)
{
    hosts_free(hosts);
    hosts = NULL;
}

static void add_line(struct http_head *head, struct str line)
{
    size_t colon = str_find_char(line, ':');
    struct str name = str_first(line, colon), value = str_trim(str_from_offset(line, colon + 1));
    uint64_t bytes;

    CHECK(headers_add(&head->headers, test_arena(), name, value));
    if (str_eq_fold(name, STR("Content-Length")) && text_to_u64(value, &bytes))
        head->body_bytes = head->announced_bytes = (int64_t)bytes;
    if (str_eq_fold(name, STR("Expect")))
        head->expect_continue = true;
}

struct http_head *gateway_request(const char *method, const char *path, const char *headers)
{
    struct http_head *head = arena_make(test_arena(), struct http_head);
    struct str rest = str_from(headers), line;

    CHECK(head != NULL);
    *head = (struct http_head){.method = str_from(method),
                               .authority = STR("front.example"),
                               .path = str_from(path),
                               .version_minor = 1,
                               .announced_bytes = -1};
    while (str_split(&rest, '\n', &line))
        if (line.len > 0)
            add_line(head, line);
    return head;
}

struct str gateway_fields(const struct http_headers *headers)
{
    struct str all = STR("");

    for (uint32_t i = 0; i < headers->count; i++)
        all = arena_format(test_arena(), "%.*s%.*s: %.*s\n", STR_ARG(all), STR_ARG(headers->fields[i].name),
                           STR_ARG(headers->fields[i].value));
    return all;
}
