/* micro.h: requests for bench_micro. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BENCH_MICRO_MICRO_H
#define HOLDFAST_BENCH_MICRO_MICRO_H

/* So many requests of one client on one connection, through a whole gateway in the simulated world, whose network and
 * peers are counted with it. The answers have at most 128 bytes. */
void micro_gateway_plain(unsigned requests); /* passed through */
void micro_gateway_json(unsigned requests);  /* decoded, shaped and written again */

/* Eight requests at once on one HTTP/2 connection, so many times, answered with 128 bytes each. */
void micro_h2(unsigned rounds);

#endif
