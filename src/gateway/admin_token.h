/* admin_token.h: the token that commands at the admin listener need (holdfast/admin "token_file").
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ADMIN_TOKEN_H
#define HOLDFAST_GATEWAY_ADMIN_TOKEN_H

#include "gateway/service.h"

/* Reads the file that the options name: its text without space around it, in the arena. No file: *token is empty, and
 * nothing is needed. False: a problem was added: the file cannot be read, or what it holds is no token (RFC 6750 2.1).
 */
bool admin_token_read(struct arena *arena, const struct server_options *options, struct str *token,
                      struct report *report) MUST_USE;

/* Does an Authorization field ("Bearer TOKEN") carry the token? How long it takes does not tell where it differs. */
bool admin_token_fits(struct str token, struct str authorization);

#endif
