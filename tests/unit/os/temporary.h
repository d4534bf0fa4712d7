/* temporary.h: a folder for one test, removed after it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_OS_TEMPORARY_H
#define HOLDFAST_TESTS_UNIT_OS_TEMPORARY_H

enum { TEMPORARY_PATH_BYTES = 100 }; /* a path in it also fits a Unix socket's address */

struct temporary {
    char folder[48];
};

void temporary_open(struct temporary *temporary);
void temporary_close(struct temporary *temporary); /* with all that is in it */

/* "<folder>/<name>" in out. */
const char *temporary_path(const struct temporary *temporary, const char *name, char out[TEMPORARY_PATH_BYTES]);

/* Writes a file, making the folders of its name. */
void temporary_write(const struct temporary *temporary, const char *name, const char *text);

#endif
