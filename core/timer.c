/* SPDX-License-Identifier: Apache-2.0 */
#include "timer.h"

#include <event2/event.h>

static void arm(struct timer *t)
{
    us_t left = t->due - clock_now();
    struct timeval tv;

    if (left < 0)
        left = 0;
    tv.tv_sec = left / US_PER_S;
    tv.tv_usec = left % US_PER_S;
    t->armed = t->due;
    evtimer_add(&t->event, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct timer *t = arg;

    (void)fd;
    (void)what;
    t->armed = US_NEVER;
    if (t->due == US_NEVER)
        return;
    if (clock_now() < t->due) {
        arm(t);
        return;
    }
    t->due = US_NEVER;
    t->fired(t->arg);
}

void timer_init(struct timer *t, struct event_base *base,
                void (*fired)(void *arg), void *arg)
{
    evtimer_assign(&t->event, base, on_timer, t);
    t->due = t->armed = US_NEVER;
    t->fired = fired;
    t->arg = arg;
}

void timer_at(struct timer *t, us_t when)
{
    t->due = when;
    if (when < t->armed)
        arm(t);
}

void timer_drop(struct timer *t)
{
    if (t->armed != US_NEVER)
        evtimer_del(&t->event);
    t->due = t->armed = US_NEVER;
}
