/* assert.h: assertions that stay on in release builds (ADR 15). For our own mistakes only: what a peer sends is
 * checked, never asserted. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_ASSERT_H
#define HOLDFAST_BASE_ASSERT_H

#include "base/compiler.h"

/* Prints the place and the condition on stderr, runs the crash hook if one is set, and aborts. */
NORETURN COLD void assert_failed(const char *condition, const char *file, int line);

/* A function that prints what the thread was doing (the exchange, the conn); called once, before abort. */
void assert_set_hook(void (*hook)(void));

#define ASSERT(condition) (LIKELY(condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))

/* For checks that cost more than the code they guard: on in debug builds and in simulation. */
#ifdef HOLDFAST_SLOW_CHECKS
#define ASSERT_SLOW(condition) ASSERT(condition)
#else
#define ASSERT_SLOW(condition) ((void)0)
#endif

#endif
