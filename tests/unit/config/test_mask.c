/* test_mask.c: secrets in settings are not shown, and all else is. SPDX-License-Identifier: Apache-2.0 */
#include "config/mask.h"
#include "unit/config/config_test.h"

TEST(names_of_secrets_are_known)
{
    static const char *const secret[] = {"password",       "client_secret", "Authorization", "X-Auth-Token",
                                         "AWS_ACCESS_KEY", "apiKey",        "db_password",   "set-cookie"};
    static const char *const harmless[] = {"token_file", "token_url",   "host", "private_key", "public_key",
                                           "port",       "secret_path", "key",  "header",      "password_file"};

    for (size_t i = 0; i < COUNT_OF(secret); i++) {
        test_case_is("%s", secret[i]);
        CHECK(mask_is_secret(str_from(secret[i])));
    }
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        test_case_is("%s", harmless[i]);
        CHECK(!mask_is_secret(str_from(harmless[i])));
    }
}

TEST(texts_are_shown_without_their_secrets)
{
    static const struct {
        const char *name, *text, *shown;
    } cases[] = {
        {"host", "http://a.test:80/x", "http://a.test:80/x"},
        {"host", "http://me:pw@a.test:80/x@y", "http://***@a.test:80/x@y"},
        {"host", "http://me:p@w@a.test", "http://***@a.test"},
        {"host", "http://a.test/x@y", "http://a.test/x@y"},
        {"dial", "amqp://u:p@h/?a=1", "amqp://***@h/?a=1"},
        {"url_pattern", "/x?token=1&b=2&key=3", "/x?token=***&b=2&key=***"},
        {"url_pattern", "/x?{a}", "/x?{a}"},
        {"url_pattern", "/x?", "/x?"},
        {"value", "Bearer abc", "Bearer ***"},
        {"value", "basic YTpi", "Basic ***"},
        {"password", "x", "***"},
        {"password", "", ""},
        {"anything", "-----BEGIN PRIVATE KEY-----", "***"},
        {"private_key", "/etc/key.pem", "/etc/key.pem"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].text);
        CHECK_STR(mask_text(test_arena(), str_from(cases[i].name), str_from(cases[i].text)), str_from(cases[i].shown));
    }
}

TEST(values_of_any_form_are_shown_by_the_names_in_them)
{
    static const char text[] =
        "{\"a\":[1,true,null,{\"secret\":5,\"deep\":{\"tokens\":[\"x\",2]}}],"
        "\"headers\":[{\"name\":\"Authorization\",\"value\":\"x\"},{\"name\":\"Accept\",\"value\":\"y\"}]}";
    struct json_writer writer = {.arena = test_arena()};

    mask_write(&writer, STR(""), config_test_node(str_from(text)));
    CHECK_TEXT(json_written(&writer),
               "{\"a\":[1,true,null,{\"secret\":\"***\",\"deep\":{\"tokens\":[\"***\",\"***\"]}}],"
               "\"headers\":[{\"name\":\"Authorization\",\"value\":\"***\"},{\"name\":\"Accept\",\"value\":\"y\"}]}");
}
