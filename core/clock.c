/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

us_t clock_wall_at(us_t now)
{
    static _Thread_local us_t offset, until;

    if (now >= until) {
        offset = clock_wall() - clock_now();
        until = now + US_PER_S;
    }
    return now + offset;
}
