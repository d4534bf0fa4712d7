/* test_value.c: single values through a table: what is taken and how, and what is said of the rest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"
#include "unit/config/config_test.h"

struct values {
    int64_t port, timeout_ns, size;
    bool debug, sequential;
    struct str name;
    int encoding;
    struct str_list host;
};

static const char *const encodings[] = {"json", "no-op", "xml", "safejson", NULL};

static const struct option options[] = {
    OPTION_INT(struct values, "port", port, .preset = 8080, .max = 65535),
    OPTION_DURATION(struct values, "timeout", timeout_ns, .preset = SECONDS(2)),
    OPTION_SIZE(struct values, "size", size, .preset = 100),
    OPTION_BOOL(struct values, "debug", debug),
    OPTION_BOOL(struct values, "sequential", sequential, .preset = 1),
    OPTION_STRING(struct values, "name", name, .preset_text = "gateway"),
    OPTION_ENUM(struct values, "encoding", encoding, .names = encodings, .preset_text = "no-op"),
    OPTION_STRINGS(struct values, "host", host),
};
static const struct schema schema = {
    .title = "values", .size = sizeof(struct values), .options = options, .count = COUNT_OF(options)};

struct weak_case {
    const char *key, *value;
    int64_t number;      /* of numbers, durations, sizes, booleans, choices */
    const char *text;    /* of strings; lists joined by commas */
    const char *problem; /* NULL: none */
};

#define INT_BAD(value_, problem_)                                                                                      \
    {                                                                                                                  \
        "port", value_, 8080, NULL, "error: port: " problem_                                                           \
    }
#define TIME_BAD(value_, problem_)                                                                                     \
    {                                                                                                                  \
        "timeout", value_, SECONDS(2), NULL, "error: timeout: " problem_                                               \
    }
#define SIZE_BAD(value_, problem_)                                                                                     \
    {                                                                                                                  \
        "size", value_, 100, NULL, "error: size: " problem_                                                            \
    }
#define BOOL_BAD(value_, problem_)                                                                                     \
    {                                                                                                                  \
        "debug", value_, 0, NULL, "error: debug: " problem_                                                            \
    }
#define SUCH_TIMES " | such as \"1.5s\", \"300ms\", \"1h30m\""
#define SUCH_SIZES " | such as 65536, \"64KiB\", \"1MB\""

static const struct weak_case weak_cases[] = {
    /* whole numbers */
    {"port", "80", 80, NULL, NULL},
    {"port", "80.9", 80, NULL, NULL},
    {"port", "8e1", 80, NULL, NULL},
    {"port", "\"80\"", 80, NULL, NULL},
    {"port", "\"+80\"", 80, NULL, NULL},
    {"port", "\"0x1F90\"", 8080, NULL, NULL},
    {"port", "\"0X1f90\"", 8080, NULL, NULL},
    {"port", "\"0b101\"", 5, NULL, NULL},
    {"port", "\"0o17\"", 15, NULL, NULL},
    {"port", "\"017\"", 15, NULL, NULL},
    {"port", "\"1_000\"", 1000, NULL, NULL},
    {"port", "\"0x_ff\"", 255, NULL, NULL},
    {"port", "\"0\"", 0, NULL, NULL},
    {"port", "\"\"", 0, NULL, NULL},
    {"port", "true", 1, NULL, NULL},
    {"port", "false", 0, NULL, NULL},
    INT_BAD("\"abc\"", "\"abc\" is not a whole number [HF0108]"),
    INT_BAD("\" 80\"", "\" 80\" is not a whole number [HF0108]"),
    INT_BAD("\"80.5\"", "\"80.5\" is not a whole number [HF0108]"),
    INT_BAD("\"08\"", "\"08\" is not a whole number [HF0108]"),
    INT_BAD("\"0x\"", "\"0x\" is not a whole number [HF0108]"),
    INT_BAD("\"_1\"", "\"_1\" is not a whole number [HF0108]"),
    INT_BAD("\"1_\"", "\"1_\" is not a whole number [HF0108]"),
    INT_BAD("\"1__0\"", "\"1__0\" is not a whole number [HF0108]"),
    INT_BAD("\"-\"", "\"-\" is not a whole number [HF0108]"),
    INT_BAD("\"tcp://10.0.0.1:80\"",
            "\"tcp://10.0.0.1:80\" is not a whole number [HF0108] | Kubernetes sets such variables "
            "for a Service: enableServiceLinks: false stops it"),
    INT_BAD("[80]", "expected a whole number, found a list [HF0103]"),
    INT_BAD("{}", "expected a whole number, found an object [HF0103]"),
    INT_BAD("65536", "65536 is more than 65535 [HF0104]"),
    INT_BAD("-1", "-1 is less than 0 [HF0104]"),
    INT_BAD("\"-1\"", "\"-1\" is less than 0 [HF0104]"),
    INT_BAD("1e30", "1e30 is past 64 bits [HF0104]"),
    INT_BAD("99999999999999999999", "99999999999999999999 is past 64 bits [HF0104]"),
    INT_BAD("\"9223372036854775808\"", "\"9223372036854775808\" is past 64 bits [HF0104]"),
    INT_BAD("\"-9223372036854775808\"", "\"-9223372036854775808\" is less than 0 [HF0104]"),
    INT_BAD("\"-9223372036854775809\"", "\"-9223372036854775809\" is past 64 bits [HF0104]"),
    /* booleans */
    {"debug", "true", 1, NULL, NULL},
    {"debug", "false", 0, NULL, NULL},
    {"debug", "1", 1, NULL, NULL},
    {"debug", "0", 0, NULL, NULL},
    {"debug", "-0.0", 0, NULL, NULL},
    {"debug", "0.5", 1, NULL, NULL},
    {"debug", "-1", 1, NULL, NULL},
    {"debug", "\"true\"", 1, NULL, NULL},
    {"debug", "\"T\"", 1, NULL, NULL},
    {"debug", "\"t\"", 1, NULL, NULL},
    {"debug", "\"TRUE\"", 1, NULL, NULL},
    {"debug", "\"True\"", 1, NULL, NULL},
    {"debug", "\"1\"", 1, NULL, NULL},
    {"sequential", "\"0\"", 0, NULL, NULL},
    {"sequential", "\"f\"", 0, NULL, NULL},
    {"sequential", "\"F\"", 0, NULL, NULL},
    {"sequential", "\"false\"", 0, NULL, NULL},
    {"sequential", "\"False\"", 0, NULL, NULL},
    {"sequential", "\"FALSE\"", 0, NULL, NULL},
    {"sequential", "\"\"", 0, NULL, NULL},
    BOOL_BAD("\"yes\"", "\"yes\" is not a boolean [HF0109] | write true or false"),
    BOOL_BAD("\"tRUE\"", "\"tRUE\" is not a boolean [HF0109] | write true or false"),
    BOOL_BAD("[]", "expected a boolean, found a list [HF0103]"),
    BOOL_BAD("{}", "expected a boolean, found an object [HF0103]"),
    /* durations */
    {"timeout", "\"3s\"", SECONDS(3), NULL, NULL},
    {"timeout", "\"1h30m\"", SECONDS(5400), NULL, NULL},
    {"timeout", "\"1.5s\"", MS(1500), NULL, NULL},
    {"timeout", "\"0\"", 0, NULL, NULL},
    {"timeout", "\"-2s\"", SECONDS(-2), NULL, NULL},
    {"timeout", "0", 0, NULL, NULL},
    {"timeout", "3000", 3000, NULL,
     "warning: timeout: a number as duration counts nanoseconds: 3000 is 3\xc2\xb5s [HF0107] | did you mean "
     "\"3000ms\"?"},
    {"timeout", "3", 3, NULL,
     "warning: timeout: a number as duration counts nanoseconds: 3 is 3ns [HF0107] | did you mean \"3s\"?"},
    {"timeout", "3000000000", SECONDS(3), NULL,
     "warning: timeout: a number as duration counts nanoseconds: 3000000000 is 3s [HF0107] | write \"3s\""},
    {"timeout", "false", 0, NULL, NULL},
    {"timeout", "true", 1, NULL,
     "warning: timeout: a number as duration counts nanoseconds: true is 1ns [HF0107] | did you mean \"1s\"?"},
    TIME_BAD("\"3sec\"", "\"3sec\" is not a duration [HF0102] | did you mean \"3s\"?"),
    TIME_BAD("\"5 s\"", "\"5 s\" is not a duration [HF0102] | did you mean \"5s\"?"),
    TIME_BAD("\" 5s \"", "\" 5s \" is not a duration [HF0102] | did you mean \"5s\"?"),
    TIME_BAD("\"5S\"", "\"5S\" is not a duration [HF0102] | did you mean \"5s\"?"),
    TIME_BAD("\"1d\"", "\"1d\" is not a duration [HF0102] | did you mean \"24h\"?"),
    TIME_BAD("\"1d12h\"", "\"1d12h\" is not a duration [HF0102] | did you mean \"24h12h\"?"),
    TIME_BAD("\"2 weeks\"", "\"2 weeks\" is not a duration [HF0102] | did you mean \"336h\"?"),
    TIME_BAD("\"1 hour 30 minutes\"", "\"1 hour 30 minutes\" is not a duration [HF0102] | did you mean \"1h30m\"?"),
    TIME_BAD("\"200 msecs\"", "\"200 msecs\" is not a duration [HF0102] | did you mean \"200ms\"?"),
    TIME_BAD("\"500\"", "\"500\" is not a duration [HF0102] | add a unit: did you mean \"500ms\"?"),
    TIME_BAD("\"5\"", "\"5\" is not a duration [HF0102] | add a unit: did you mean \"5s\"?"),
    TIME_BAD("\"\"", "\"\" is not a duration [HF0102]" SUCH_TIMES),
    TIME_BAD("\"soon\"", "\"soon\" is not a duration [HF0102]" SUCH_TIMES),
    TIME_BAD("\"1y\"", "\"1y\" is not a duration [HF0102]" SUCH_TIMES),
    TIME_BAD("\"s\"", "\"s\" is not a duration [HF0102]" SUCH_TIMES),
    TIME_BAD("\"99999999d\"", "\"99999999d\" is not a duration [HF0102]" SUCH_TIMES),
    TIME_BAD("\"1.2.3s\"", "\"1.2.3s\" is not a duration [HF0102]"),
    TIME_BAD("[\"1s\"]", "expected a duration such as \"1.5s\", found a list [HF0103]"),
    TIME_BAD("1e30", "1e30 is past 64 bits [HF0104]"),
    /* sizes */
    {"size", "512", 512, NULL, NULL},
    {"size", "\"512\"", 512, NULL, NULL},
    {"size", "\"512B\"", 512, NULL, NULL},
    {"size", "\"64KiB\"", 65536, NULL, NULL},
    {"size", "\"64kib\"", 65536, NULL, NULL},
    {"size", "\"1MB\"", 1000000, NULL, NULL},
    {"size", "\"2GiB\"", (int64_t)2 << 30, NULL, NULL},
    {"size", "\"1.5MiB\"", 3 << 19, NULL, NULL},
    SIZE_BAD("\"64K\"", "\"64K\" is not a size [HF0110] | did you mean \"64KiB\"?"),
    SIZE_BAD("\"64 MB\"", "\"64 MB\" is not a size [HF0110] | did you mean \"64MiB\"?"),
    SIZE_BAD("\"\"", "\"\" is not a size [HF0110]" SUCH_SIZES),
    SIZE_BAD("\"big\"", "\"big\" is not a size [HF0110]" SUCH_SIZES),
    SIZE_BAD("\"1.2.3KB\"", "\"1.2.3KB\" is not a size [HF0110]" SUCH_SIZES),
    SIZE_BAD("\"-1KB\"", "\"-1KB\" is not a size [HF0110]" SUCH_SIZES),
    SIZE_BAD("\"9999999999999GiB\"", "\"9999999999999GiB\" is past 64 bits [HF0104]"),
    SIZE_BAD("{}", "expected a size such as 65536 or \"64KiB\", found an object [HF0103]"),
    /* strings */
    {"name", "\"x\"", 0, "x", NULL},
    {"name", "\"\"", 0, "", NULL},
    {"name", "8080", 0, "8080", NULL},
    {"name", "1.0", 0, "1", NULL},
    {"name", "1e3", 0, "1000", NULL},
    {"name", "0.0000001", 0, "0.0000001", NULL},
    {"name", "true", 0, "1", NULL},
    {"name", "false", 0, "0", NULL},
    {"name", "[]", 0, "gateway", "error: name: expected a string, found a list [HF0103]"},
    {"name", "{}", 0, "gateway", "error: name: expected a string, found an object [HF0103]"},
    /* choices */
    {"encoding", "\"json\"", 0, NULL, NULL},
    {"encoding", "\"xml\"", 2, NULL, NULL},
    {"encoding", "\"noop\"", 1, NULL,
     "error: encoding: \"noop\" is no known choice [HF0111] | did you mean \"no-op\"?"},
    {"encoding", "\"JSON\"", 1, NULL, "error: encoding: \"JSON\" is no known choice [HF0111] | did you mean \"json\"?"},
    {"encoding", "\"protobuf\"", 1, NULL,
     "error: encoding: \"protobuf\" is no known choice [HF0111] | one of \"json\", \"no-op\", \"xml\", \"safejson\""},
    {"encoding", "5", 1, NULL,
     "error: encoding: 5 is no known choice [HF0111] | one of \"json\", \"no-op\", \"xml\", \"safejson\""},
    {"encoding", "[]", 1, NULL, "error: encoding: expected a string, found a list [HF0103]"},
    /* lists of strings */
    {"host", "[\"a\",\"b\"]", 2, "a,b", NULL},
    {"host", "\"a\"", 1, "a", NULL},
    {"host", "\"\"", 1, "", NULL},
    {"host", "\"a,b\"", 1, "a,b", NULL},
    {"host", "5", 1, "5", NULL},
    {"host", "true", 1, "1", NULL},
    {"host", "[]", 0, "", NULL},
    {"host", "{}", 0, "", NULL},
    {"host", "[1,true,null,\"x\"]", 4, "1,1,,x", NULL},
    {"host", "{\"a\":1}", 0, "", "error: host: expected a list of strings, found an object [HF0103]"},
    {"host", "[\"a\",[],\"b\"]", 2, "a,b", "error: host[1]: expected a string, found a list [HF0103]"},
};

static int64_t number_of(const struct values *values, const char *key)
{
    struct str name = str_from(key);

    if (str_eq(name, STR("port")))
        return values->port;
    if (str_eq(name, STR("timeout")))
        return values->timeout_ns;
    if (str_eq(name, STR("size")))
        return values->size;
    if (str_eq(name, STR("debug")))
        return values->debug;
    if (str_eq(name, STR("sequential")))
        return values->sequential;
    if (str_eq(name, STR("encoding")))
        return values->encoding;
    return (int64_t)values->host.count;
}

static struct str text_of(const struct values *values, const char *key)
{
    struct str joined = STR("");

    if (strcmp(key, "name") == 0)
        return values->name;
    for (size_t i = 0; i < values->host.count; i++)
        joined =
            arena_format(test_arena(), "%.*s%s%.*s", STR_ARG(joined), i ? "," : "", STR_ARG(values->host.items[i]));
    return joined;
}

TEST(values_are_taken_as_weakly_as_krakend_takes_them)
{
    for (size_t i = 0; i < COUNT_OF(weak_cases); i++) {
        const struct weak_case *c = &weak_cases[i];
        struct values values;
        struct report *report = config_test_report();
        struct str text = arena_format(test_arena(), "{\"%s\":%s}", c->key, c->value);
        bool bound = schema_bind(&schema, config_test_node(text), "", &values, test_arena(), report);

        test_case_is("%s: %s", c->key, c->value);
        CHECK_EQ(bound, report->errors == 0);
        CHECK_STR(config_test_heading(report), str_from(c->problem ? c->problem : ""));
        CHECK_EQ(report->errors + report->warnings + report->notes, c->problem ? 1 : 0);
        if (c->text)
            CHECK_STR(text_of(&values, c->key), str_from(c->text));
        else
            CHECK_INT(number_of(&values, c->key), c->number);
    }
}
