/* json_bench_jansson.h: the peer of json_bench.c, apart because both libraries have a json_string and a JSON_OBJECT.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BENCH_JSON_BENCH_JANSSON_H
#define HOLDFAST_BENCH_JSON_BENCH_JANSSON_H

#include "base/str.h"

/* Parses and writes once, compact with sorted keys; returns the length of the result. Aborts when that fails. */
size_t jansson_once(struct str text);

#endif
