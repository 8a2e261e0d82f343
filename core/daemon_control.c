/* SPDX-License-Identifier: Apache-2.0
 *
 * The control loop reads one pipe: a byte is a notice of leme.h, or 0, which
 * only wakes it. The phases go one way:
 *
 *   RUNNING -> DRAINING (asked by an operator; the process stays)
 *           -> STOPPING (until nothing is in flight, or drain_timeout)
 *           -> CUTTING  (what was left gets its error event out) -> OVER
 */
#include "daemon_impl.h"

#include "board.h"
#include "config.h"
#include "engine.h"
#include "generation.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US (20 * US_PER_MS)
#define CUT_US US_PER_S
/* A worker may not have read its letter yet when it looks idle. */
#define QUIET_TURNS 3

void daemon_post(struct leme_server *s, unsigned char what)
{
    int before = errno;

    /* Full: the loop has enough to wake up for. */
    if (write(s->pipe[1], &what, 1) < 0)
        errno = before;
}

/* -- sums over the workers ------------------------------------------------------- */

unsigned daemon_in_flight_of(const struct leme_server *s, enum request_op op)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->workers; i++)
        n += engine_in_flight(s->worker[i].engine, op);
    return n;
}

unsigned daemon_in_flight(const struct leme_server *s)
{
    unsigned n = 0;

    for (enum request_op op = 0; op < REQUEST_OPS; op++)
        n += daemon_in_flight_of(s, op);
    return n;
}

unsigned daemon_connections(const struct leme_server *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->workers; i++)
        n += engine_connections(s->worker[i].engine);
    return n;
}

us_t daemon_oldest(const struct leme_server *s)
{
    us_t oldest = 0;

    for (unsigned i = 0; i < s->workers; i++) {
        us_t one = engine_oldest(s->worker[i].engine);

        if (one && (!oldest || one < oldest))
            oldest = one;
    }
    return oldest;
}

const char *daemon_phase_name(const struct leme_server *s)
{
    static const char *const names[] = {
        [DAEMON_RUNNING] = "running", [DAEMON_DRAINING] = "draining",
        [DAEMON_STOPPING] = "stopping", [DAEMON_CUTTING] = "stopping",
        [DAEMON_OVER] = "stopping"};

    return names[s->phase];
}

/* -- the end ------------------------------------------------------------------------ */

static void post_all(struct leme_server *s, enum engine_letter what)
{
    for (unsigned i = 0; i < s->workers; i++)
        engine_post(s->worker[i].engine, what, NULL);
}

static void over(struct leme_server *s)
{
    s->phase = DAEMON_OVER;
    timer_at(&s->phase_timer, US_NEVER);
    event_base_loopbreak(s->base);
}

static void cut(struct leme_server *s, us_t patience)
{
    s->phase = DAEMON_CUTTING;
    s->phase_ends = clock_now() + patience;
    s->quiet_turns = 0;
    post_all(s, ENGINE_CUT);
    timer_at(&s->phase_timer, clock_now() + LOOK_US);
}

static void on_phase(void *arg)
{
    struct leme_server *s = arg;
    bool quiet = !daemon_in_flight(s) && !daemon_connections(s);

    s->quiet_turns = quiet ? s->quiet_turns + 1 : 0;
    if (s->quiet_turns >= QUIET_TURNS) {
        over(s);
    } else if (clock_now() < s->phase_ends) {
        timer_at(&s->phase_timer, clock_now() + LOOK_US);
    } else if (s->phase == DAEMON_STOPPING) {
        daemon_logf(s, "warn", "drain_timeout is over: %u requests are cut",
                    daemon_in_flight(s));
        cut(s, CUT_US);
    } else {
        over(s);
    }
}

static void post_drain(struct leme_server *s)
{
    if (!s->drain_posted)
        post_all(s, ENGINE_DRAIN);
    s->drain_posted = true;
}

void daemon_drain(void *arg)
{
    struct leme_server *s = arg;

    if (s->phase != DAEMON_RUNNING)
        return;
    s->phase = DAEMON_DRAINING;
    daemon_logf(s, "info", "draining: %u requests are in flight",
                daemon_in_flight(s));
    post_drain(s);
}

void daemon_stop(void *arg)
{
    struct leme_server *s = arg;

    if (s->phase >= DAEMON_STOPPING) {
        cut(s, 0);
        return;
    }
    s->phase = DAEMON_STOPPING;
    s->quiet_turns = 0;
    s->phase_ends = clock_now() + daemon_config(s)->settings.drain_timeout;
    daemon_logf(s, "info", "stopping: %u requests are in flight",
                daemon_in_flight(s));
    post_drain(s);
    timer_at(&s->phase_timer, clock_now() + LOOK_US);
}

/* -- notices -------------------------------------------------------------------------- */

static void snapshot_target(struct leme_server *s, const struct config *c,
                            const struct target *t)
{
    static const char *const states[] = {"ready", "drain", "maint", "cooling",
                                         "half_open", "saturated"};
    us_t now = clock_now();
    char why[128] = "";
    enum board_state state = generation_state(c, t, s->board, now, why,
                                              sizeof why);

    daemon_logf(s, "info", "snapshot: target %s: %s%s%s, %u in flight", t->name,
                states[state], why[0] ? ", " : "", why,
                board_in_flight(s->board, t->slot));
}

static void snapshot(struct leme_server *s)
{
    const struct config *c = daemon_config(s);
    us_t oldest = daemon_oldest(s);

    daemon_logf(s, "info", "snapshot: %s, %u workers, %u requests in flight, "
                "the oldest for %.3f s, %u connections, %zu bytes held",
                daemon_phase_name(s), s->workers, daemon_in_flight(s),
                oldest ? (double)(clock_now() - oldest) / 1e6 : 0,
                daemon_connections(s), atomic_load(&s->memory.used));
    for (size_t i = 0; i < c->ntargets; i++)
        snapshot_target(s, c, &c->targets[i]);
}

static void on_notice(struct leme_server *s, unsigned char what)
{
    switch (what) {
    case LEME_STOP:
        daemon_stop(s);
        break;
    case LEME_RELOAD:
        daemon_reload(s);
        break;
    case LEME_REOPEN:
        if (s->access)
            log_reopen(s->access);
        break;
    case LEME_SNAPSHOT:
        snapshot(s);
        break;
    case LEME_QUIT:
        post_all(s, ENGINE_STACKS);
        cut(s, 0);
        break;
    default:
        break;
    }
}

static void records_again(struct leme_server *s);

static void on_notices(evutil_socket_t fd, short what, void *arg)
{
    struct leme_server *s = arg;
    unsigned char bytes[256];
    ssize_t n = read(fd, bytes, sizeof bytes);

    (void)what;
    for (ssize_t i = 0; i < n; i++)
        on_notice(s, bytes[i]);
    daemon_reload_news(s);
    records_again(s);
}

/* -- records: every 50 ms while there are some, then asleep -------------------------- */

#define RECORDS_US (50 * US_PER_MS)

static void on_records(void *arg)
{
    struct leme_server *s = arg;

    if (!daemon_records(s)) {
        atomic_store(&s->asleep, true);
        /* One may have come before the worker could see that we sleep. */
        if (!daemon_records(s))
            return;
        atomic_store(&s->asleep, false);
    }
    timer_at(&s->records_timer, clock_now() + RECORDS_US);
}

static void records_again(struct leme_server *s)
{
    if (s->records_timer.due == US_NEVER)
        on_records(s);
}

/* -- life -------------------------------------------------------------------------------- */

int daemon_control_new(struct leme_server *s)
{
    if (pipe2(s->pipe, O_NONBLOCK | O_CLOEXEC))
        return -1;
    s->notices = event_new(s->base, s->pipe[0], EV_READ | EV_PERSIST, on_notices,
                           s);
    timer_init(&s->records_timer, s->base, on_records, s);
    timer_init(&s->phase_timer, s->base, on_phase, s);
    atomic_init(&s->asleep, true);
    return s->notices && event_add(s->notices, NULL) == 0 ? 0 : -1;
}

void daemon_control_free(struct leme_server *s)
{
    if (s->notices) {
        event_free(s->notices);
        timer_drop(&s->records_timer);
        timer_drop(&s->phase_timer);
    }
    for (int i = 0; i < 2; i++)
        if (s->pipe[i] >= 0)
            close(s->pipe[i]);
}
