/* files_check.h: are files that connections would do without fit for use? Asked when a configuration loads, so that
 * what is only passed over later is told with its place. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_FILES_CHECK_H
#define HOLDFAST_TLS_FILES_CHECK_H

#include "tls/options.h"

/* Reads every file that the options name, and adds a problem for each that cannot be used: not there, not readable, no
 * PEM of that kind, expired, a key with a password, a key that is not its certificate's. They are warnings, as KrakenD
 * starts without such files too; errors in a strict report. `path` leads the names in messages: "client_tls". */
void tls_check_client_files(const struct tls_client_options *options, const char *path, struct report *report);

/* The same for files of CAs alone, whose list is called `path`.ca_certs. */
void tls_check_authorities(const struct str_list *files, const char *path, struct report *report);

#endif
