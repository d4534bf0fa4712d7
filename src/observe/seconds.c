/* seconds.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "observe/seconds.h"

static const uint32_t bounds_ms[SECONDS_BOUNDS] = {
    5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000, 15000, 30000, 60000, 90000, 300000, 3600000};
static const char *const names[SECONDS_BOUNDS] = {"0.005", "0.01", "0.025", "0.05", "0.075", "0.1",   "0.25",
                                                  "0.5",   "0.75", "1.0",   "2.5",  "5.0",   "7.5",   "10.0",
                                                  "15.0",  "30.0", "60.0",  "90.0", "300.0", "3600.0"};

const uint32_t *seconds_bounds_ms(void)
{
    return bounds_ms;
}

const char *seconds_bound_name(size_t number)
{
    return names[number];
}
