/* error.c: filling an error and putting words before it. SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include "base/assert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
#define ERROR_CODE(name, text) [ERROR_##name] = text,
#include "base/error_codes.def"
#undef ERROR_CODE
};

/* What a failed call means, and whose fault that is as far as the number can tell: only connecting is known to be about
 * the upstream; a reset may be anybody's. */
static const struct {
    int number;
    enum error_code code;
    enum fault fault;
} system_errors[] = {
    {ECONNREFUSED, ERROR_CONNECT_REFUSED, FAULT_UPSTREAM},
    {EHOSTUNREACH, ERROR_CONNECT_UNREACHABLE, FAULT_UPSTREAM},
    {ENETUNREACH, ERROR_CONNECT_UNREACHABLE, FAULT_UPSTREAM},
    {EHOSTDOWN, ERROR_CONNECT_UNREACHABLE, FAULT_UPSTREAM},
    {ENETDOWN, ERROR_CONNECT_UNREACHABLE, FAULT_UPSTREAM},
    {ETIMEDOUT, ERROR_CONNECT_TIMEOUT, FAULT_UPSTREAM},
    {ECONNRESET, ERROR_RESET, FAULT_SYSTEM},
    {ECONNABORTED, ERROR_RESET, FAULT_SYSTEM},
    {EPIPE, ERROR_RESET, FAULT_SYSTEM},
    {ENOTCONN, ERROR_CLOSED, FAULT_SYSTEM},
    {ESHUTDOWN, ERROR_CLOSED, FAULT_SYSTEM},
    {EMFILE, ERROR_OUT_OF_FILES, FAULT_SYSTEM},
    {ENFILE, ERROR_OUT_OF_FILES, FAULT_SYSTEM},
    {ENOMEM, ERROR_OUT_OF_MEMORY, FAULT_SYSTEM},
    {ENOBUFS, ERROR_OUT_OF_MEMORY, FAULT_SYSTEM},
    {EADDRINUSE, ERROR_ADDRESS_IN_USE, FAULT_SYSTEM},
    {EADDRNOTAVAIL, ERROR_ADDRESS_INVALID, FAULT_SYSTEM},
    {EAFNOSUPPORT, ERROR_ADDRESS_INVALID, FAULT_SYSTEM},
    {EACCES, ERROR_PERMISSION, FAULT_SYSTEM},
    {EPERM, ERROR_PERMISSION, FAULT_SYSTEM},
    {ENOENT, ERROR_NOT_FOUND, FAULT_SYSTEM},
    {ENOTDIR, ERROR_NOT_FOUND, FAULT_SYSTEM},
};

static void fill(struct error *err, enum fault fault, enum error_code code, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void fill(struct error *err, enum fault fault, enum error_code code, const char *format, va_list args)
{
    err->fault = fault;
    err->code = code;
    err->retry_safe = false;
    vsnprintf(err->text, sizeof err->text, format, args);
}

bool error_set(struct error *err, enum fault fault, enum error_code code, const char *format, ...)
{
    va_list args;

    if (!err)
        return false;
    va_start(args, format);
    fill(err, fault, code, format, args);
    va_end(args);
    return false;
}

/* Adds words to the end of the error's text, as far as they fit. */
static void append(struct error *err, const char *words)
{
    size_t len = strlen(err->text), room = sizeof err->text - 1 - len;
    size_t more = size_min(strlen(words), room);

    memcpy(err->text + len, words, more);
    err->text[len + more] = '\0';
}

bool error_context(struct error *err, const char *format, ...)
{
    char words[sizeof err->text], before[sizeof err->text];
    va_list args;

    if (!err)
        return false;
    va_start(args, format); /* The arguments may quote err->text. */
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    memcpy(before, err->text, sizeof before);
    err->text[0] = '\0';
    append(err, words);
    append(err, ": ");
    append(err, before);
    return false;
}

/* The text of an errno value, begun in lower case because it stands inside a line. "I/O ..." keeps its capitals. */
static void append_system_text(struct error *err, int number)
{
    const char *text = strerrordesc_np(number);
    char words[80];

    if (!text) {
        snprintf(words, sizeof words, "error %d", number);
    } else {
        snprintf(words, sizeof words, "%s", text);
        if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a' && words[1] <= 'z')
            words[0] |= 0x20;
    }
    append(err, ": ");
    append(err, words);
}

bool error_set_system(struct error *err, int number, const char *format, ...)
{
    enum error_code code = ERROR_SYSTEM;
    enum fault fault = FAULT_SYSTEM;
    va_list args;

    if (!err)
        return false;
    for (size_t i = 0; i < COUNT_OF(system_errors); i++)
        if (system_errors[i].number == number) {
            code = system_errors[i].code;
            fault = system_errors[i].fault;
        }
    va_start(args, format);
    fill(err, fault, code, format, args);
    va_end(args);
    append_system_text(err, number);
    return false;
}

const char *error_code_name(enum error_code code)
{
    ASSERT((unsigned)code < ERROR_CODE_COUNT);
    return code_names[code];
}
