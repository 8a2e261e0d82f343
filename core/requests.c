/* SPDX-License-Identifier: Apache-2.0
 *
 * All requests of one loop: the turn that runs after every return to it, and the
 * swap of the state that new requests run on.
 */
#include "request_impl.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* -- turns ----------------------------------------------------------------- */

static struct request *take_ready(struct requests *rs)
{
    struct request *r = rs->ready;

    if (!r)
        return NULL;
    rs->ready = r->ready_next;
    if (!rs->ready)
        rs->ready_end = &rs->ready;
    r->ready = false;
    return r;
}

static bool news(struct requests *rs)
{
    struct transfer *t = upstream_next(rs->upstream);
    struct flight *f;
    struct request *r;

    if (!t)
        return false;
    f = transfer_owner(t);
    r = f->request;
    r->held++;
    flight_news(f);
    r->held--;
    if (!r->over && !r->ready)
        request_rearm(r);
    request_drop_if_over(r);
    return true;
}

void requests_turn(struct requests *rs)
{
    struct request *r;

    if (rs->turning)
        return;
    rs->turning = true;
    do {
        while (news(rs))
            ;
        r = take_ready(rs);
        if (r)
            request_run_events(r);
    } while (r || rs->ready);
    rs->turning = false;
}

/* -- all requests ---------------------------------------------------------- */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    requests_turn(arg);
}

static void wake_turn(void *arg)
{
    struct requests *rs = arg;

    if (!rs->turning)
        event_active(rs->wake, EV_TIMEOUT, 0);
}

struct requests *requests_new(const struct requests_env *env)
{
    struct requests *rs = calloc(1, sizeof *rs);
    struct upstream_options up = {.base = env->base, .max_idle = 1024,
                                  .connect_timeout = 10 * US_PER_S,
                                  .memory = env->memory, .polls = env->polls,
                                  .wake = wake_turn, .arg = rs};

    if (!rs)
        return NULL;
    rs->env = *env;
    rs->ready_end = &rs->ready;
    rs->retry_tokens = 3;
    buf_init(&rs->scratch, CEIL_ANSWER_BYTES);
    if (getrandom(rs->rng, sizeof rs->rng, 0) != sizeof rs->rng)
        bind_seed(rs->rng, (uint64_t)clock_wall());
    rs->wake = event_new(env->base, -1, 0, on_wake, rs);
    rs->upstream = upstream_new(&up);
    if (!rs->wake || !rs->upstream) {
        requests_free(rs);
        return NULL;
    }
    return rs;
}

static void free_spare(struct requests *rs)
{
    while (rs->spare_requests) {
        struct request *r = rs->spare_requests;

        rs->spare_requests = r->next;
        record_free(&r->record);
        free(r);
    }
    while (rs->spare_flights) {
        struct flight *f = rs->spare_flights;

        rs->spare_flights = f->next;
        buf_free(&f->body);
        free(f);
    }
}

void requests_free(struct requests *rs)
{
    if (!rs)
        return;
    rs->turning = true;
    while (rs->first) {
        struct request *r = rs->first;

        request_end(r, true);
        plan_close(&r->plan);
        request_drop(r);
    }
    if (rs->state)
        rs->env.idle(rs->env.arg, rs->state);
    free_spare(rs);
    upstream_free(rs->upstream);
    if (rs->wake)
        event_free(rs->wake);
    buf_free(&rs->scratch);
    free(rs);
}

static void gauge_connections(struct requests *rs, const char *provider,
                              const char *state, unsigned n)
{
    const char *labels[] = {provider, state};

    metrics_set(rs->env.metrics, rs->env.shard,
                metrics_series(rs->env.metrics, METRIC_UPSTREAM_CONNECTIONS,
                               labels), n);
}

void requests_gauges(struct requests *rs)
{
    const struct config *c = policy_generation(rs->state)->config;

    for (size_t i = 0; i < c->nproviders; i++) {
        unsigned open, busy;

        if (c->providers[i].key_name)
            continue;           /* its connections are those of its provider */
        upstream_connections(rs->upstream, &c->providers[i], &open, &busy);
        gauge_connections(rs, c->providers[i].name, "active", busy);
        gauge_connections(rs, c->providers[i].name, "idle",
                          open > busy ? open - busy : 0);
    }
}

/* A provider that stays sets its gauges again within a second. */
static void clear_gauges(struct requests *rs, struct policy_state *s)
{
    const struct config *c = policy_generation(s)->config;

    for (size_t i = 0; i < c->nproviders; i++) {
        gauge_connections(rs, c->providers[i].name, "active", 0);
        gauge_connections(rs, c->providers[i].name, "idle", 0);
    }
}

/* By now and not with the swap: until their end the requests of ${s} start
 * calls, and what is prepared for those is found by the provider's address. */
void requests_retire(struct requests *rs, struct policy_state *s)
{
    const struct config *c = policy_generation(s)->config;

    for (size_t i = 0; i < c->nproviders; i++)
        upstream_forget(rs->upstream, &c->providers[i]);
    rs->env.idle(rs->env.arg, s);
}

void requests_set_state(struct requests *rs, struct policy_state *state)
{
    struct policy_state *old = rs->state;

    rs->state = state;
    policy_serves(state);
    if (!old)
        return;
    clear_gauges(rs, old);
    if (policy_pins(old) == 0)
        requests_retire(rs, old);
}

struct policy_state *requests_state(struct requests *rs)
{
    return rs->state;
}

unsigned requests_in_flight(const struct requests *rs, enum request_op op)
{
    return atomic_load_explicit(&rs->in_flight[op], memory_order_relaxed);
}

us_t requests_oldest(const struct requests *rs)
{
    return rs->first ? rs->first->in.received : 0;
}

void requests_stacks(struct requests *rs)
{
    for (struct request *r = rs->first; r; r = r->next)
        plan_log_stack(&r->plan);
}

unsigned requests_cut(struct requests *rs)
{
    struct request *r, *next;
    unsigned n = 0;

    for (r = rs->first; r; r = next) {
        next = r->next;
        if (r->over)
            continue;
        n++;
        r->held++;
        plan_close(&r->plan);
        if (r->phase == REPLY_OWN)
            relay_close(r, true);
        else
            relay_error(r, ERROR_gateway_draining,
                        "the engine is stopping and could not wait any longer");
        r->held--;
        request_drop_if_over(r);
    }
    requests_turn(rs);
    return n;
}
