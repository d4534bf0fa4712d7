/* h2_stage.h: one HTTP/2 connection over an in-memory stream; the other side is the test, which writes frames by hand
 * and reads them as text. Everything else is h1_stage.h's. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_HTTP_H2_STAGE_H
#define HOLDFAST_TESTS_UNIT_HTTP_H2_STAGE_H

#include "h1_stage.h"
#include "http/h2/h2.h"

enum { END_STREAM = 1, END_HEADERS = 4, ACK = 1, PADDED = 8 };
enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* Bytes that are put together in the test's arena. */
struct wire {
    char *bytes;
    size_t len;
};
struct wire wire_new(void);
struct str wire_text(const struct wire *wire);
void wire_add(struct wire *wire, struct str bytes);
void wire_frame(struct wire *wire, int type, int flags, uint32_t stream, struct str payload);
/* "name: value" lines as HPACK literals; "GET /path" in front for the pseudo fields of a request to example.test. */
struct str wire_fields(const char *lines);
void wire_request(struct wire *wire, int flags, uint32_t stream, const char *lines);
void wire_zeros(struct wire *wire, uint32_t stream, size_t size); /* DATA */
struct str wire_u32(uint32_t number);
void wire_setting(struct wire *wire, unsigned id, uint32_t value);
void wire_hello(struct wire *wire); /* preface and SETTINGS */

/* A connection that has said hello, and whose own hello was read. */
void h2_stage_open(struct h1_stage *stage, const struct http_conn_options *options);
/* Nothing was said yet. */
void h2_stage_open_silent(struct h1_stage *stage, const struct http_conn_options *options);
/* The client role: a connection that has said hello, and whose peer has too (with a compression table of no size, so
 * that each head can be read for itself). `silent`: the peer has said nothing, and nothing was read. */
void h2_stage_open_client(struct h1_stage *stage, const struct http_conn_options *options);
void h2_stage_open_client_silent(struct h1_stage *stage, const struct http_conn_options *options);
void wire_response(struct wire *wire, int flags, uint32_t stream, const char *lines); /* ":status: 200\nname: value" */
void h2_send(struct h1_stage *stage, const struct wire *wire);
void h2_send_unread(struct h1_stage *stage, const struct wire *wire); /* it waits there; nobody has had a turn */
void h2_ask(struct h1_stage *stage, int flags, uint32_t id, const char *lines);

/* All frames that came, a line each, "PREFACE" in front of a client's: "HEADERS 1 end :status=200 ...", "DATA 1 end
 * hello", "RST_STREAM 1 CANCEL", "GOAWAY 5 NO_ERROR", "WINDOW_UPDATE 0 100", "SETTINGS", "SETTINGS ack", "PING", "PING
 * ack", and "FIN" at the end. Fields date and SETTINGS' values are left out. Heads must be read in order, each once. */
struct str h2_frames(struct h1_stage *stage);
/* Twice 16,000 bytes on stream 1 where the window has room for once: the stream is reset. */
void h2_overflow(struct h1_stage *stage);

#endif
