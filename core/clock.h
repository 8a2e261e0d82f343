/* SPDX-License-Identifier: Apache-2.0
 *
 * clock: monotonic and wall time, in microseconds, as one type. Knows nothing
 * else; everybody may call it.
 */
#ifndef LEME_CLOCK_H
#define LEME_CLOCK_H

#include <stdint.h>
#include <time.h>

/** A point in time or a duration, in microseconds. */
typedef int64_t us_t;

#define US_PER_MS 1000LL
#define US_PER_S 1000000LL
/** A deadline that never comes. */
#define US_NEVER INT64_MAX

/** Monotonic now. Never goes back; unrelated to the wall clock. */
static inline us_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (us_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/** Wall clock, microseconds since 1970. For logs and HTTP dates only. */
static inline us_t clock_wall(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (us_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/** The wall clock at ${now} of clock_now(), without asking the system each time.
 * Follows a clock that was set within a second. */
us_t clock_wall_at(us_t now);

/** Seconds, as Lua sees them, to microseconds; saturates. */
static inline us_t clock_from_seconds(double seconds)
{
    if (!(seconds > 0))
        return 0;
    if (seconds > 1e9)
        return (us_t)1000000000 * US_PER_S;
    return (us_t)(seconds * 1e6 + 0.5);
}

#endif
