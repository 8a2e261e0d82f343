/* SPDX-License-Identifier: Apache-2.0
 *
 * timer: a deadline on an event base that is cheap to move later. Moving it
 * later only stores a number; the libevent timer fires at the old time, sees
 * that it is early and goes back to sleep.
 */
#ifndef LEME_TIMER_H
#define LEME_TIMER_H

#include "clock.h"

#include <event2/event_struct.h>

struct event_base;

struct timer {
    struct event event;
    us_t due;               /* US_NEVER: stopped */
    us_t armed;             /* when the event will fire; US_NEVER: not armed */
    void (*fired)(void *arg);
    void *arg;
};

/** Call ${fired}(${arg}) on ${base}'s loop when the deadline has passed. */
void timer_init(struct timer *t, struct event_base *base,
                void (*fired)(void *arg), void *arg);
/** Set the deadline (US_NEVER stops it). After it the old one is void. */
void timer_at(struct timer *t, us_t when);
/** Release; ${fired} will not run any more. */
void timer_drop(struct timer *t);

#endif
