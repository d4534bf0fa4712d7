/* test_tls_options.c: client_tls as KrakenD writes it, and which profiles count as the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls_stage.h"
#include "unit/config/config_test.h"

static struct report *bind(struct str text, struct tls_client_options *options)
{
    struct report *report = config_test_report();

    (void)schema_bind(&tls_client_schema, config_test_node(text), "client_tls", options, test_arena(), report);
    return report;
}

TEST(options_of_an_empty_block_are_given)
{
    struct tls_client_options options;

    CHECK(!bind(STR("{}"), &options)->first);
    CHECK(options.given);
    CHECK(!options.allow_insecure);
    CHECK_EQ(options.cipher_suites.count, 0);
}

TEST(options_take_every_key)
{
    struct tls_client_options options;
    const struct tls_key_pair *pairs;

    CHECK(!bind(STR("{\"allow_insecure_connections\":true,\"ca_certs\":[\"a.pem\",\"b.pem\"],"
                    "\"disable_system_ca_pool\":true,\"min_version\":\"TLS12\",\"max_version\":\"TLS13\","
                    "\"cipher_suites\":[4865,\"0xC02B\",\"49199\"],\"curve_preferences\":[23,29],"
                    "\"client_certs\":[{\"certificate\":\"c.pem\",\"private_key\":\"c.key\"}]}"),
                &options)
               ->first);
    CHECK(options.allow_insecure);
    CHECK(options.disable_system_ca_pool);
    CHECK_EQ(options.ca_certs.count, 2);
    CHECK_TEXT(options.ca_certs.items[1], "b.pem");
    CHECK_TEXT(options.min_version, "TLS12");
    CHECK_EQ(options.cipher_suites.count, 3);
    CHECK_EQ(options.cipher_suites.items[1], 49195);
    CHECK_EQ(options.cipher_suites.items[2], 49199);
    CHECK_EQ(options.curve_preferences.items[1], 29);
    CHECK_EQ(options.client_certs.count, 1);
    pairs = options.client_certs.items;
    CHECK_TEXT(pairs[0].private_key, "c.key");
}

TEST(options_that_are_wrong_are_told)
{
    static const struct {
        const char *text, *heading;
    } cases[] = {
        {"{\"min_version\":\"TLS1.2\"}",
         "warning: client_tls.min_version: \"TLS1.2\" is not known and counts as TLS13 [HF0111] | did you mean "
         "\"TLS12\"?"},
        {"{\"curve_preferences\":[\"P-256\"]}",
         "error: client_tls.curve_preferences: \"P-256\" is not a number of 16 bits [HF0108] | IANA's number, such as "
         "4865 or 23"},
        {"{\"cipher_suites\":[-1]}",
         "error: client_tls.cipher_suites: \"-1\" is not a number of 16 bits [HF0108] | IANA's number, such as 4865 "
         "or 23"},
        {"{\"cipher_suites\":[65536]}",
         "error: client_tls.cipher_suites: \"65536\" is not a number of 16 bits [HF0108] | IANA's number, such as 4865 "
         "or 23"},
        {"{\"curve_preferences\":[\"\"]}",
         "error: client_tls.curve_preferences: \"\" is not a number of 16 bits [HF0108] | IANA's number, such as 4865 "
         "or 23"},
        {"{\"max_version\":\"TLS12\"}",
         "warning: client_tls: min_version is above max_version: every handshake will fail [HF0332] | min_version is "
         "TLS13 unless it is given"},
        {"{\"min_version\":\"TLS12\",\"max_version\":\"TLS11\"}",
         "warning: client_tls: min_version is above max_version: every handshake will fail [HF0332]"},
        {"{\"min_version\":\"TLS12\",\"max_version\":\"TLS12\"}", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tls_client_options options;

        test_case_is("%s", cases[i].text);
        CHECK_CSTR(config_test_heading(bind(str_from(cases[i].text), &options)).data, cases[i].heading);
    }
}

static struct tls_digest identity(const struct tls_client_options *options)
{
    struct error err;
    struct tls_profile *profile = tls_profile_new(options, &err);
    struct tls_digest digest;

    CHECK(profile != NULL);
    digest = *tls_profile_identity(profile);
    CHECK(tls_profile_ref(profile) == profile);
    tls_profile_unref(profile);
    tls_profile_unref(profile);
    return digest;
}

static bool same(const struct tls_client_options *a, const struct tls_client_options *b)
{
    struct tls_digest of_a = identity(a), of_b = identity(b);

    return memcmp(&of_a, &of_b, sizeof(of_a)) == 0;
}

TEST(profiles_are_the_same_when_settings_and_files_are)
{
    const struct tls_client_options plain = {.disable_system_ca_pool = true};
    struct made made = made_new(&(struct made_options){.authority = true});
    uint16_t curve = 29;
    struct temporary folder;
    struct str files[2];
    struct tls_client_options other;

    temporary_open(&folder);
    files[0] = made_file(&folder, "a.pem", &made, false);
    files[1] = made_file(&folder, "b.pem", &made, false);
    CHECK(same(&plain, &plain));
    other = plain;
    other.given = true;
    CHECK(!same(&plain, &other));
    other = plain;
    other.allow_insecure = true;
    CHECK(!same(&plain, &other));
    other = plain;
    other.curve_preferences = (struct tls_numbers){&curve, 1};
    CHECK(!same(&plain, &other));
    other = plain;
    other.ca_certs = (struct str_list){.items = &files[0], .count = 1};
    CHECK(!same(&plain, &other));
    CHECK(same(&other, &(struct tls_client_options){.disable_system_ca_pool = true,
                                                    .ca_certs = {.items = &files[1], .count = 1}}));
    temporary_write(&folder, "a.pem", "no certificate"); /* passed over, as if it were not named */
    CHECK(same(&other, &plain));
    temporary_close(&folder);
    made_free(&made);
}
