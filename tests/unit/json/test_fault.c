/* test_fault.c: the words for what does not parse: Go's, byte for byte, and ours. SPDX-License-Identifier: Apache-2.0
 */
#include "unit/json/json_test.h"

struct fault_case {
    struct str text;
    uint32_t at;
    const char *go, *people;
};

#define AT(text_, at_, go_, people_)                                                                                   \
    {                                                                                                                  \
        STR_INIT(text_), at_, go_, people_                                                                             \
    }

static const struct fault_case cases[] = {
    AT("", 0, "EOF", "the text ends too early: expected a value"),
    AT(" \n", 2, "EOF", "the text ends too early: expected a value"),
    AT("{", 1, "unexpected EOF", "the text ends too early: expected a member name in double quotes"),
    AT("{\"a", 3, "unexpected EOF", "the text ends too early: the closing '\"' of a string is missing"),
    AT("{\"a\\", 4, "unexpected EOF", "the text ends too early: the closing '\"' of a string is missing"),
    AT("[tr", 3, "unexpected EOF", "the text ends too early: a literal is cut short"),
    AT("[1", 2, "unexpected EOF", "the text ends too early: expected ',' or ']' after an element"),
    AT("<html>", 0, "invalid character '<' looking for beginning of value", "expected a value"),
    AT("[,", 1, "invalid character ',' looking for beginning of value", "expected a value"),
    AT("[1,]", 3, "invalid character ']' looking for beginning of value", "a ',' stands before the closing bracket"),
    AT("{]", 1, "invalid character ']' looking for beginning of object key string",
       "expected a member name in double quotes"),
    AT("{\"a\":1,\n }", 9, "invalid character '}' looking for beginning of object key string",
       "a ',' stands before the closing bracket"),
    AT("{a", 1, "invalid character 'a' looking for beginning of object key string",
       "expected a member name in double quotes"),
    AT("{'a'", 1, "invalid character '\\'' looking for beginning of object key string",
       "strings and names take double quotes"),
    AT("{\"a\" 1", 5, "invalid character '1' after object key", "expected ':' after a member name"),
    AT("{\"a\":1 \"b\"", 7, "invalid character '\"' after object key:value pair", "expected ',' or '}' after a member"),
    AT("[1 2", 3, "invalid character '2' after array element", "expected ',' or ']' after an element"),
    AT("[1 // one", 3, "invalid character '/' after array element", "JSON has no comments"),
    AT("# x", 0, "invalid character '#' looking for beginning of value", "JSON has no comments"),
    AT("[01", 2, "invalid character '1' after array element", "a number has no leading zeros"),
    AT("[trux", 4, "invalid character 'x' in literal true (expecting 'e')", "expected \"true\""),
    AT("tx", 1, "invalid character 'x' in literal true (expecting 'r')", "expected \"true\""),
    AT("fa1se", 2, "invalid character '1' in literal false (expecting 'l')", "expected \"false\""),
    AT("nil", 1, "invalid character 'i' in literal null (expecting 'u')", "expected \"null\""),
    AT("True", 0, "invalid character 'T' looking for beginning of value",
       "true, false and null are written in lower case"),
    AT("+1", 0, "invalid character '+' looking for beginning of value", "a number starts with a digit or '-'"),
    AT("-x", 1, "invalid character 'x' in numeric literal", "expected a digit after '-'"),
    AT("1.x", 2, "invalid character 'x' after decimal point in numeric literal",
       "expected a digit after the decimal point"),
    AT("1ex", 2, "invalid character 'x' in exponent of numeric literal", "expected a digit in the exponent"),
    AT("\"a\nb\"", 2, "invalid character '\\n' in string literal",
       "a control character in a string is written as an escape: \\n, \\t, \\u00XX"),
    AT("\"\\q\"", 2, "invalid character 'q' in string escape code",
       "no such escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uHHHH"),
    AT("\"\\u12x4\"", 5, "invalid character 'x' in \\u hexadecimal character escape",
       "\\u takes four hexadecimal digits"),
    AT("\"\\ud800x\"", 1, "invalid character '\\\\' in \\u hexadecimal character escape",
       "one half of a surrogate pair stands alone"),
    AT("\"ab\xff\"", 3, "invalid character '\xc3\xbf' in string literal", "a string is not valid UTF-8"),
    AT("{} x", 3, "invalid character 'x' after top-level value", "nothing may follow the document"),
    AT("\xef\xbb\xbf{}", 0, "invalid character '\xc3\xaf' looking for beginning of value",
       "the text starts with a byte order mark"),
    /* Go's quoting of the character. */
    AT("\0", 0, "invalid character '\\x00' looking for beginning of value", "expected a value"),
    AT("\a", 0, "invalid character '\\a' looking for beginning of value", "expected a value"),
    AT("\b", 0, "invalid character '\\b' looking for beginning of value", "expected a value"),
    AT("\v", 0, "invalid character '\\v' looking for beginning of value", "expected a value"),
    AT("\f", 0, "invalid character '\\f' looking for beginning of value", "expected a value"),
    AT("\x1b", 0, "invalid character '\\x1b' looking for beginning of value", "expected a value"),
    AT("\x7f", 0, "invalid character '\\x7f' looking for beginning of value", "expected a value"),
    AT("\x80", 0, "invalid character '\\u0080' looking for beginning of value", "expected a value"),
    AT("\xa0", 0, "invalid character '\\u00a0' looking for beginning of value", "expected a value"),
    AT("\xad", 0, "invalid character '\\u00ad' looking for beginning of value", "expected a value"),
    AT("\xe9", 0, "invalid character '\xc3\xa9' looking for beginning of value", "expected a value"),
    AT("\\", 0, "invalid character '\\\\' looking for beginning of value", "expected a value"),
    AT("'x'", 0, "invalid character '\\'' looking for beginning of value", "strings and names take double quotes"),
};

TEST(faults_are_told_as_go_tells_them_and_in_our_words)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json_doc doc;
        struct json_error err;

        test_case_is("row %zu: %.*s", i, STR_ARG(cases[i].text));
        CHECK(!json_parse(test_arena(), guard_copy(cases[i].text), &json_strict, &doc, &err));
        CHECK_EQ(err.at, cases[i].at);
        CHECK_CSTR(err.go, cases[i].go);
        CHECK_CSTR(err.text, cases[i].people);
    }
}
