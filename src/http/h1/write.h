/* write.h: heads as bytes. What is written here cannot be read as two messages: each line ends once, values lose their
 * control bytes, names that are no names are left out. Which fields a head has is decided by send.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_WRITE_H
#define HOLDFAST_HTTP_H1_WRITE_H

#include "base/chain.h"
#include "http/head.h"

enum { H1_WRITE_BYTES = 2048 };

/* Lines are gathered here and appended to the chain in one go, or in a few when they are many. */
struct h1_writer {
    struct chain *chain;
    struct block_pool *pool;
    size_t len, total; /* bytes gathered; bytes in all */
    bool failed;       /* there was no memory: the chain holds a part of a head */
    char bytes[H1_WRITE_BYTES];
};

void h1_write_start(struct h1_writer *writer, struct chain *chain, struct block_pool *pool);

/* False, with nothing written: method or path have bytes that would end them. An empty path is not allowed. */
bool h1_write_request_line(struct h1_writer *writer, struct str method, struct str path) MUST_USE;
/* For a forward proxy, in absolute form (RFC 9112 3.2.2): "GET http://origin/path"; a path of "*" is left out (3.2.4).
 */
bool h1_write_absolute_line(struct h1_writer *writer, struct str method, struct str origin, struct str path) MUST_USE;
void h1_write_status_line(struct h1_writer *writer, uint16_t status);

void h1_write_field(struct h1_writer *writer, const struct http_field *field);
/* A field of names.def, whose value is known to have no control bytes. */
void h1_write_known(struct h1_writer *writer, enum header_id id, struct str value);
void h1_write_number(struct h1_writer *writer, enum header_id id, uint64_t number);
void h1_write_text(struct h1_writer *writer, struct str text); /* as it is; the caller knows what it does */

/* Appends the empty line and what is gathered. False: no memory, now or before. */
bool h1_write_end(struct h1_writer *writer) MUST_USE;

#endif
