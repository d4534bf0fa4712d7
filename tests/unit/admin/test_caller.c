/* test_caller.c: by which names a listener is asked. SPDX-License-Identifier: Apache-2.0 */
#include "admin/caller.h"
#include "view_stage.h"

static const char with_names[] =
    "{\"version\": 3, \"extra_config\": {\"holdfast/admin\": {\"hosts\": [\"gateway.test\"]}}}";
static const char with_any[] = "{\"version\": 3, \"extra_config\": {\"holdfast/admin\": {\"hosts\": [\"*\"]}}}";

TEST(own_names_are_what_leads_nowhere_else)
{
    static const struct {
        const char *authority;
        bool without, with; /* answered without "hosts", and with gateway.test among them */
    } cases[] = {
        {"", true, true},
        {"localhost", true, true},
        {"LocalHost:9901", true, true},
        {"127.0.0.1", true, true},
        {"127.0.0.1:9901", true, true},
        {"10.1.2.3:80", true, true},
        {"[::1]", true, true},
        {"[::1]:9901", true, true},
        {"gateway.test", false, true},
        {"Gateway.Test:9901", false, true},
        {"a.gateway.test", false, false},
        {"gateway.test.evil.test", false, false},
        {"evil.test", false, false},
        {"evil.test:9901", false, false},
        {"localhost.evil.test", false, false},
        {"127.0.0.1.evil.test", false, false},
        {"evil.test]:9901", false, false},
        {"2130706433", false, false},
        {"*", false, false},
    };
    static const char *const configs[] = {"{\"version\": 3}", with_names, with_any};

    for (size_t k = 0; k < COUNT_OF(configs); k++) {
        struct view_stage stage;

        view_stage_open_with(&stage, configs[k]);
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            struct http_head request = {.authority = str_from(cases[i].authority)};

            test_case_is("%s, configuration %zu", cases[i].authority, k);
            stage.view.own_names = true;
            CHECK_EQ(caller_names_us(&stage.view, &request), k == 2 || (k == 1 ? cases[i].with : cases[i].without));
            stage.view.own_names = false;
            CHECK(caller_names_us(&stage.view, &request));
        }
        view_stage_close(&stage);
    }
}

TEST(names_count_on_loopback_and_where_some_are_given)
{
    static const struct {
        const char *listen;
        bool without, with;
    } cases[] = {
        {"127.0.0.1:1", true, true},   {"127.9.9.9:1", true, true}, {"[::1]:1", true, true},
        {"10.0.0.1:1", false, true},   {"[::]:1", false, true},     {":1", false, true},
        {"unix:/run/x", false, false},
    };

    for (int with = 0; with < 2; with++) {
        struct view_stage stage;

        view_stage_open_with(&stage, with ? with_names : "{\"version\": 3}");
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            struct addr addr;
            struct error err;

            test_case_is("%s %d", cases[i].listen, with);
            CHECK(addr_parse(str_from(cases[i].listen), &addr, &err));
            CHECK_EQ(caller_must_name_us(&addr, stage.generation), with ? cases[i].with : cases[i].without);
        }
        view_stage_close(&stage);
    }
}
