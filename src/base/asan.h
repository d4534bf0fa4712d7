/* asan.h: tells AddressSanitizer which bytes of our own allocators are nobody's. Nothing in other builds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_ASAN_H
#define HOLDFAST_BASE_ASAN_H

#include "base/compiler.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN_IS_ON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN_IS_ON 1
#endif
#endif
#ifndef ASAN_IS_ON
#define ASAN_IS_ON 0
#endif

#if ASAN_IS_ON
#include <sanitizer/asan_interface.h>
#endif

/* From now on a touch of these bytes is reported. */
static inline void asan_poison(const void *bytes, size_t size)
{
#if ASAN_IS_ON
    __asan_poison_memory_region(bytes, size);
#else
    (void)bytes;
    (void)size;
#endif
}

static inline void asan_unpoison(const void *bytes, size_t size)
{
#if ASAN_IS_ON
    __asan_unpoison_memory_region(bytes, size);
#else
    (void)bytes;
    (void)size;
#endif
}

#endif
