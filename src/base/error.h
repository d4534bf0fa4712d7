/* error.h: one error, with whose fault it is, a stable code, and a story in one line.
 *
 * An error is filled if and only if the function that takes it returns false, NULL or IO_FAIL. The code is the name
 * that metrics, logs and docs use; the text is for people. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_ERROR_H
#define HOLDFAST_BASE_ERROR_H

#include "base/compiler.h"

/* Whose fault: picks 4xx, 502/504 or 500, and the counter that moves. */
enum fault { FAULT_NONE, FAULT_CLIENT, FAULT_UPSTREAM, FAULT_CONFIG, FAULT_SYSTEM, FAULT_BUG };

enum error_code {
#define ERROR_CODE(name, text) ERROR_##name,
#include "base/error_codes.def"
#undef ERROR_CODE
    ERROR_CODE_COUNT
};

struct error {
    enum fault fault;
    enum error_code code;
    bool retry_safe; /* no byte of the request reached the upstream, or it says that it has done nothing with it */
    char text[224];  /* NUL-terminated; "users[1]: dialing 10.0.0.7:443: connection refused" */
};

/* Fills *err (err may be NULL: the caller does not care) and returns false, so that failing is one line. */
bool error_set(struct error *err, enum fault fault, enum error_code code, const char *format, ...)
    PRINTF_LIKE(4, 5) COLD;

/* Puts "words: " before the text that is there; cut at the end when it does not fit. Returns false. */
bool error_context(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3) COLD;

/* error_set for a failed system call: appends ": " and the text of errno value `number`, and maps the code
 * (ECONNREFUSED: connect_refused, EMFILE and ENFILE: out_of_files, ENOMEM and ENOBUFS: out_of_memory ...). The fault
 * is FAULT_UPSTREAM for the codes of a failed connect, else FAULT_SYSTEM; who knows better sets err->fault. */
bool error_set_system(struct error *err, int number, const char *format, ...) PRINTF_LIKE(3, 4) COLD;

const char *error_code_name(enum error_code code); /* "connect_refused" */

#endif
