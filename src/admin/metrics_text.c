/* metrics_text.c: families and samples as text. SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics_text.h"

static void put(struct json_writer *writer, const char *text)
{
    json_write_raw(writer, str_from(text));
}

void metrics_family(struct json_writer *writer, const char *name, const char *type, const char *help)
{
    put(writer, "# TYPE ");
    put(writer, name);
    put(writer, " ");
    put(writer, type);
    put(writer, "\n# HELP ");
    put(writer, name);
    put(writer, " ");
    put(writer, help);
    put(writer, "\n");
}

/* A label's value: quotes, backslashes and line feeds are escaped. */
static void write_value(struct json_writer *writer, struct str value)
{
    size_t from = 0;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];

        if (c != '"' && c != '\\' && c != '\n')
            continue;
        json_write_raw(writer, str_first(str_from_offset(value, from), i - from));
        put(writer, c == '\n' ? "\\n" : c == '"' ? "\\\"" : "\\\\");
        from = i + 1;
    }
    json_write_raw(writer, str_from_offset(value, from));
}

static void write_series(struct json_writer *writer, const char *name, const struct label *labels, size_t count)
{
    put(writer, name);
    for (size_t i = 0; i < count; i++) {
        put(writer, i == 0 ? "{" : ",");
        put(writer, labels[i].name);
        put(writer, "=\"");
        write_value(writer, labels[i].value);
        put(writer, "\"");
    }
    put(writer, count > 0 ? "} " : " ");
}

void metrics_sample(struct json_writer *writer, const char *name, const struct label *labels, size_t count,
                    uint64_t number)
{
    write_series(writer, name, labels, count);
    json_write_u64(writer, number);
    put(writer, "\n");
}

void metrics_sample_double(struct json_writer *writer, const char *name, const struct label *labels, size_t count,
                           double number)
{
    write_series(writer, name, labels, count);
    json_write_decimal(writer, number);
    put(writer, "\n");
}
