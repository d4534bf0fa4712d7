/* file.h: reading and writing whole files, the environment, standard streams. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_FILE_H
#define HOLDFAST_OS_FILE_H

#include "base/arena.h"
#include "base/error.h"

/* The file's bytes in the arena ("-" reads standard input). False with *err: not_found, permission, too_large (over
 * size_max bytes), out_of_memory, system. */
bool file_read(struct arena *arena, const char *path, size_t size_max, struct str *out, struct error *err) MUST_USE;

/* Writes all bytes to descriptor 1 or 2 in one call when possible; lost output (closed pipe, a reader that stands
 * still) is not an error. A closed pipe still raises SIGPIPE unless it is ignored, as signals_new sees to. */
void file_print(int fd, struct str bytes);

bool file_is_terminal(int fd);

/* Calls visit(name, value) for each environment entry, in order. */
void environment_visit(void (*visit)(void *arg, struct str name, struct str value), void *arg);
const char *environment_get(const char *name); /* NULL: not set */

#endif
