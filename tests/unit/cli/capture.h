/* capture.h: what a call writes to the standard streams, past the test's own output.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_CLI_CAPTURE_H
#define HOLDFAST_TESTS_UNIT_CLI_CAPTURE_H

#include "harness/test.h"

struct capture {
    int saved[3], files[3]; /* by descriptor; 1 and 2 are used */
};

/* From here to capture_end the descriptors 1 and 2 lead into files of no name. Nothing may fail in between. */
void capture_begin(struct capture *capture);
void capture_end(struct capture *capture, struct str *out, struct str *err); /* the texts live in the test's arena */

/* Runs a command line, "run --to x", cut at spaces; returns the exit code. */
int run_words(const char *line, struct str *out, struct str *err);

#endif
