/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop and what stands on it. The mailbox is the only part that another
 * thread touches.
 */
#include "engine.h"

#include "ceilings.h"
#include "config.h"
#include "conn.h"
#include "metrics.h"
#include "policy.h"
#include "request.h"
#include "server.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_US (1 * US_PER_S)
#define EVERY_MAX 64

struct letter {
    struct letter *next;
    enum engine_letter what;
    struct policy_state *state;
};

struct engine {
    struct engine_shared shared;
    unsigned shard;
    struct event_base *base;
    bool own_base;
    unsigned polls;                 /* of the own base */
    struct requests *requests;
    struct server *server;
    struct event *tick, *mail;
    int mail_fd;
    pthread_mutex_t lock;           /* of the letters */
    struct letter *first, **end;
    us_t every[EVERY_MAX];          /* when each periodic function is due */
    series_t lag;
    us_t tick_due;
    atomic_uint connections, cut;
    atomic_llong oldest;
};

/* -- what others read ------------------------------------------------------ */

static void publish(void *arg)
{
    struct engine *e = arg;

    atomic_store_explicit(&e->oldest, requests_oldest(e->requests),
                          memory_order_relaxed);
    atomic_store_explicit(&e->connections, server_connections(e->server),
                          memory_order_relaxed);
}

unsigned engine_in_flight(const struct engine *e, enum request_op op)
{
    return requests_in_flight(e->requests, op);
}

unsigned engine_connections(const struct engine *e)
{
    return atomic_load_explicit(&e->connections, memory_order_relaxed);
}

us_t engine_oldest(const struct engine *e)
{
    return atomic_load_explicit(&e->oldest, memory_order_relaxed);
}

unsigned engine_cut_streams(const struct engine *e)
{
    return atomic_load_explicit(&e->cut, memory_order_relaxed);
}

/* -- callbacks from below --------------------------------------------------- */

static void on_finished(void *arg, struct record_blob *blob)
{
    struct engine *e = arg;

    e->shared.finished(e->shared.arg, e->shard, blob);
}

static void on_log(void *arg, const char *level, const char *text, size_t len)
{
    struct engine *e = arg;

    e->shared.log(e->shared.arg, level, text, len);
}

static void on_idle(void *arg, struct policy_state *state)
{
    struct engine *e = arg;

    e->shared.idle(e->shared.arg, e->shard, state);
}

/* -- periodic work ---------------------------------------------------------- */

static void plan_every(struct engine *e, us_t now)
{
    struct policy_state *s = requests_state(e->requests);

    for (unsigned i = 0; i < policy_timers(s) && i < EVERY_MAX; i++)
        e->every[i] = now + clock_from_seconds(policy_timer_seconds(s, i));
}

/* Policies' own timers run on the first worker only. */
static void run_every(struct engine *e, us_t now)
{
    struct policy_state *s = requests_state(e->requests);

    if (e->shard != 0)
        return;
    for (unsigned i = 0; i < policy_timers(s) && i < EVERY_MAX; i++) {
        if (e->every[i] > now)
            continue;
        e->every[i] = now + clock_from_seconds(policy_timer_seconds(s, i));
        policy_timer_run(s, i);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct engine *e = arg;
    us_t now = clock_now();

    (void)fd;
    (void)what;
    if (e->tick_due)
        metrics_observe(e->shared.metrics, e->shard, e->lag,
                        now > e->tick_due ? (double)(now - e->tick_due) / 1e6 : 0);
    e->tick_due = now + TICK_US;
    policy_tend(requests_state(e->requests));
    requests_gauges(e->requests);
    run_every(e, now);
    publish(e);
}

/* -- mailbox ---------------------------------------------------------------- */

int engine_post(struct engine *e, enum engine_letter what,
                struct policy_state *state)
{
    struct letter *l = calloc(1, sizeof *l);
    uint64_t one = 1;

    if (!l)
        return -1;
    l->what = what;
    l->state = state;
    pthread_mutex_lock(&e->lock);
    *e->end = l;
    e->end = &l->next;
    pthread_mutex_unlock(&e->lock);
    return write(e->mail_fd, &one, sizeof one) == sizeof one ? 0 : -1;
}

static struct letter *take_letters(struct engine *e)
{
    struct letter *l;

    pthread_mutex_lock(&e->lock);
    l = e->first;
    e->first = NULL;
    e->end = &e->first;
    pthread_mutex_unlock(&e->lock);
    return l;
}

static void read_letter(struct engine *e, const struct letter *l)
{
    switch (l->what) {
    case ENGINE_SWAP:
        requests_set_state(e->requests, l->state);
        plan_every(e, clock_now());
        e->shared.swapped(e->shared.arg, e->shard);
        break;
    case ENGINE_DRAIN:
        server_drain(e->server);
        break;
    case ENGINE_TRUST:
        policy_trust(requests_state(e->requests));
        break;
    case ENGINE_STACKS:
        requests_stacks(e->requests);
        break;
    case ENGINE_CUT:
        atomic_fetch_add(&e->cut, requests_cut(e->requests));
        break;
    case ENGINE_STOP:
        event_base_loopbreak(e->base);
        break;
    }
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct engine *e = arg;
    struct letter *l, *next;
    uint64_t n;

    (void)what;
    if (read(fd, &n, sizeof n) != sizeof n)
        return;
    for (l = take_letters(e); l; l = next) {
        next = l->next;
        read_letter(e, l);
        free(l);
    }
    publish(e);
}

/* -- life ------------------------------------------------------------------- */

static struct event_base *make_base(void)
{
    struct event_config *c = event_config_new();
    struct event_base *base;

    if (!c)
        return NULL;
    /* One thread, and epoll without the extra system call of its timer. */
    event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(c);
    event_config_free(c);
    return base;
}

static int open_parts(struct engine *e, struct policy_state *state)
{
    const struct settings *s = &policy_generation(state)->config->settings;
    struct requests_env requests = {
        .base = e->base, .board = e->shared.board,
        .metrics = e->shared.metrics, .memory = e->shared.memory,
        .shard = e->shard, .polls = e->own_base ? &e->polls : NULL,
        .finished = on_finished, .log = on_log,
        .idle = on_idle, .arg = e};
    struct server_env server = {
        .base = e->base, .board = e->shared.board,
        .metrics = e->shared.metrics, .memory = e->shared.memory,
        .shard = e->shard, .finished = on_finished, .turned = publish, .arg = e};
    struct conn_limits limits = {
        .head_max = s->head_max, .body_max = s->body_max,
        .max_connections = s->max_connections,
        .header_timeout = s->header_timeout, .body_timeout = s->body_timeout,
        .keepalive_timeout = s->keepalive_timeout,
        .write_timeout = s->write_timeout};

    e->requests = requests_new(&requests);
    if (!e->requests)
        return -1;
    requests_set_state(e->requests, state);
    server.requests = e->requests;
    e->server = server_new(&server, &limits);
    return e->server ? 0 : -1;
}

struct engine *engine_new(const struct engine_shared *shared, unsigned shard,
                          struct event_base *base, struct policy_state *state)
{
    struct timeval second = {1, 0};
    struct engine *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->shared = *shared;
    e->shard = shard;
    e->own_base = !base;
    e->base = base ? base : make_base();
    e->end = &e->first;
    e->mail_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&e->lock, NULL);
    if (!e->base || e->mail_fd < 0 || open_parts(e, state))
        goto err;
    e->lag = metrics_series(shared->metrics, METRIC_LOOP_LAG, NULL);
    e->tick = event_new(e->base, -1, EV_PERSIST, on_tick, e);
    e->mail = event_new(e->base, e->mail_fd, EV_READ | EV_PERSIST, on_mail, e);
    if (!e->tick || !e->mail || event_add(e->tick, &second) ||
        event_add(e->mail, NULL))
        goto err;
    plan_every(e, clock_now());
    return e;
err:
    engine_free(e);
    return NULL;
}

void engine_free(struct engine *e)
{
    struct letter *l, *next;

    if (!e)
        return;
    if (e->tick)
        event_free(e->tick);
    if (e->mail)
        event_free(e->mail);
    server_free(e->server);
    requests_free(e->requests);
    for (l = e->first; l; l = next) {
        next = l->next;
        if (l->state)
            e->shared.idle(e->shared.arg, e->shard, l->state);
        free(l);
    }
    if (e->mail_fd >= 0)
        close(e->mail_fd);
    if (e->own_base && e->base)
        event_base_free(e->base);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

int engine_listen(struct engine *e, int fd, bool half_close)
{
    return server_listen(e->server, fd, half_close);
}

struct event_base *engine_base(struct engine *e)
{
    return e->base;
}

struct requests *engine_requests(struct engine *e)
{
    return e->requests;
}

void engine_run(struct engine *e)
{
    while (!event_base_got_break(e->base)) {
        e->polls++;
        if (event_base_loop(e->base, EVLOOP_ONCE))
            return;
    }
}
