/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of timer, on a libevent loop with deadlines of a few milliseconds.
 */
#include "test.h"
#include "timer.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#define MS US_PER_MS

static struct event_base *base;

struct watch {
    struct timer timer;
    unsigned fired;
    us_t at;                /* when it last fired */
    us_t again;             /* moves itself to this moment when it fires; 0: no */
    bool drop;              /* itself, and frees its memory */
};

static unsigned freed;

static void on_fired(void *arg)
{
    struct watch *w = arg;

    w->fired++;
    w->at = clock_now();
    if (w->again)
        timer_at(&w->timer, w->again);
    w->again = 0;
    if (w->drop) {
        timer_drop(&w->timer);
        memset(w, 0xA5, sizeof *w);
        free(w);
        freed++;
    }
}

static void watch_init(struct watch *w)
{
    memset(w, 0, sizeof *w);
    timer_init(&w->timer, base, on_fired, w);
}

/* The loop, until ${until} has passed. */
static void run(us_t until)
{
    us_t left = until - clock_now();
    struct timeval tv = {0, left > 0 ? left : 0};

    event_base_loopexit(base, &tv);
    event_base_loop(base, 0);
    while (clock_now() < until)
        event_base_loop(base, EVLOOP_NONBLOCK);
    /* On a busy machine several things are due by now, one behind the other. */
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void a_timer_fires_once_and_not_early(void)
{
    us_t due = clock_now() + 3 * MS;
    struct watch w;

    watch_init(&w);
    timer_at(&w.timer, due);
    run(due + 3 * MS);
    CHECK(w.fired == 1);
    CHECK(w.at >= due);
    CHECK(w.timer.due == US_NEVER);
    timer_drop(&w.timer);
}

static void a_deadline_that_has_passed_fires_in_the_next_turn(void)
{
    struct watch w;

    watch_init(&w);
    timer_at(&w.timer, clock_now() - US_PER_S);
    CHECK(w.fired == 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(w.fired == 1);
    timer_at(&w.timer, 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(w.fired == 2);
    timer_drop(&w.timer);
}

static void moved_later_it_fires_later_and_once(void)
{
    us_t first = clock_now() + 2 * MS, due = first;
    struct watch w;

    watch_init(&w);
    timer_at(&w.timer, first);
    for (int i = 0; i < 6; i++)
        timer_at(&w.timer, due += MS);
    CHECK(w.timer.armed == first);
    run(first + MS);
    CHECK(w.fired == 0 || w.at >= due);
    run(due + 3 * MS);
    CHECK(w.fired == 1 && w.at >= due);
    timer_drop(&w.timer);
}

static void moved_sooner_it_fires_sooner_and_once(void)
{
    us_t now = clock_now(), due = now + 2 * MS;
    struct watch w;

    watch_init(&w);
    timer_at(&w.timer, now + 60 * US_PER_S);
    timer_at(&w.timer, due);
    run(due + 3 * MS);
    CHECK(w.fired == 1 && w.at >= due);
    timer_drop(&w.timer);
}

static void later_then_sooner_counts_the_last_word(void)
{
    us_t now = clock_now(), due = now + 3 * MS;
    struct watch w;

    watch_init(&w);
    timer_at(&w.timer, now + 2 * MS);
    timer_at(&w.timer, now + 60 * US_PER_S);
    timer_at(&w.timer, due);
    run(due + 3 * MS);
    CHECK(w.fired == 1 && w.at >= due);
    timer_drop(&w.timer);
}

static void a_stopped_timer_does_not_fire_and_may_start_again(void)
{
    us_t now = clock_now();
    struct watch w;

    watch_init(&w);
    timer_at(&w.timer, US_NEVER);
    timer_at(&w.timer, now + 2 * MS);
    timer_at(&w.timer, US_NEVER);
    run(now + 5 * MS);
    CHECK(w.fired == 0);
    now = clock_now();
    timer_at(&w.timer, now + 2 * MS);
    run(now + 5 * MS);
    CHECK(w.fired == 1);
    timer_drop(&w.timer);
}

static void a_timer_may_move_itself_when_it_fires(void)
{
    us_t now = clock_now();
    struct watch w;

    watch_init(&w);
    w.again = now + 5 * MS;
    timer_at(&w.timer, now + 2 * MS);
    run(now + 8 * MS);
    CHECK(w.fired == 2 && w.at >= now + 5 * MS);
    timer_drop(&w.timer);
}

static void a_dropped_timer_never_fires(void)
{
    us_t now = clock_now();
    struct watch *w = malloc(sizeof *w);

    watch_init(w);
    timer_at(&w->timer, now + MS);
    timer_drop(&w->timer);
    timer_drop(&w->timer);
    free(w);
    run(now + 4 * MS);
    CHECK(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0);
}

static void a_dropped_timer_that_was_late_never_fires(void)
{
    struct watch *w = malloc(sizeof *w);

    watch_init(w);
    timer_at(&w->timer, 0);
    timer_drop(&w->timer);
    free(w);
    event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0);
}

static void a_timer_may_be_dropped_and_freed_when_it_fires(void)
{
    struct watch *w = malloc(sizeof *w);

    watch_init(w);
    w->drop = true;
    timer_at(&w->timer, 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(freed == 1);
}

static void many_timers_fire_each_at_its_time(void)
{
    enum { N = 200 };
    static struct watch w[N];
    us_t now = clock_now(), due[N];
    unsigned bad = 0;

    for (unsigned i = 0; i < N; i++) {
        due[i] = now + 2 * MS + (i * 37 % N) * 40;
        watch_init(&w[i]);
        timer_at(&w[i].timer, i % 3 ? due[i] : now + MS);
        timer_at(&w[i].timer, due[i]);
    }
    run(now + 20 * MS);
    for (unsigned i = 0; i < N; i++) {
        bad += w[i].fired != 1 || w[i].at < due[i];
        timer_drop(&w[i].timer);
    }
    CHECK(bad == 0);
}

int main(void)
{
    base = event_base_new();
    RUN(a_timer_fires_once_and_not_early);
    RUN(a_deadline_that_has_passed_fires_in_the_next_turn);
    RUN(moved_later_it_fires_later_and_once);
    RUN(moved_sooner_it_fires_sooner_and_once);
    RUN(later_then_sooner_counts_the_last_word);
    RUN(a_stopped_timer_does_not_fire_and_may_start_again);
    RUN(a_timer_may_move_itself_when_it_fires);
    RUN(a_dropped_timer_never_fires);
    RUN(a_dropped_timer_that_was_late_never_fires);
    RUN(a_timer_may_be_dropped_and_freed_when_it_fires);
    RUN(many_timers_fire_each_at_its_time);
    event_base_free(base);
    return test_end();
}
