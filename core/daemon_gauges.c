/* SPDX-License-Identifier: Apache-2.0
 *
 * Gauges are set when somebody looks, on the control loop's own shard.
 */
#include "daemon_impl.h"

#include "board.h"
#include "config.h"
#include "generation.h"
#include "log.h"
#include "versions.h"

#include <string.h>

/* By enum board_state; a cooling target is an open circuit. */
static const char *const states[] = {"ready", "drain", "maint", "open",
                                     "half_open", "saturated"};
#define STATES (sizeof states / sizeof *states)

static void set(struct leme_server *s, enum metric m, const char *const *labels,
                double value)
{
    metrics_set(s->metrics, s->workers, metrics_series(s->metrics, m, labels),
                value);
}

static void set_state(struct leme_server *s, const char *target, size_t state)
{
    for (size_t i = 0; i < STATES; i++) {
        const char *labels[] = {target, states[i]};

        set(s, METRIC_TARGET_STATE, labels, i == state ? 1 : 0);
    }
}

static void target_gauges(struct leme_server *s, const struct config *c,
                          const struct target *t, us_t now)
{
    const struct provider *p = &c->providers[t->provider];
    const char *two[] = {p->name, t->model};
    const char *key[] = {p->name, t->key ? t->key : p->key.hint};
    double requests, tokens;

    set_state(s, t->name,
              (size_t)generation_state(c, t, s->board, now, NULL, 0));
    if (!t->key)
        set(s, METRIC_UPSTREAM_IN_FLIGHT, two,
            (double)board_in_flight(s->board, t->slot));
    if (!board_remaining(s->board, t->slot, now, &requests, &tokens))
        return;
    if (requests >= 0)
        set(s, METRIC_QUOTA_REQUESTS, key, requests);
    if (tokens >= 0)
        set(s, METRIC_QUOTA_TOKENS, key, tokens);
}

static void log_gauges(struct leme_server *s, unsigned i, const struct log *l,
                       const char *sink)
{
    const char *labels[] = {sink};
    uint64_t dropped;

    if (!l)
        return;
    dropped = log_dropped(l);
    metrics_add(s->metrics, s->workers,
                metrics_series(s->metrics, METRIC_LOG_DROPPED, labels),
                (double)(dropped - s->dropped_seen[i]));
    s->dropped_seen[i] = dropped;
}

static void request_gauges(struct leme_server *s)
{
    for (enum request_op op = 0; op < REQUEST_OPS; op++) {
        const char *name = request_op_name(op);

        set(s, METRIC_IN_FLIGHT, &name, daemon_in_flight_of(s, op));
    }
}

void daemon_gauges(struct leme_server *s)
{
    const struct config *c = daemon_config(s);
    us_t now = clock_now(), oldest = daemon_oldest(s);

    request_gauges(s);
    set(s, METRIC_OLDEST, NULL,
        oldest && oldest < now ? (double)(now - oldest) / 1e6 : 0);
    log_gauges(s, 0, s->access, "access");
    log_gauges(s, 1, s->operators, "operator");
    for (size_t i = 0; i < c->ntargets; i++)
        target_gauges(s, c, &c->targets[i], now);
}

void daemon_gauges_new(struct leme_server *s)
{
    static const char *const results[] = {"applied", "rejected", "unchanged"};
    const char *versions[] = {leme_version(), versions_of("lua"),
                              versions_of("curl"), versions_of("event"),
                              versions_of("openssl")};

    set(s, METRIC_BUILD_INFO, versions, 1);
    set(s, METRIC_RELOAD_OK, NULL, 1);
    set(s, METRIC_RELOAD_TIME, NULL, (double)clock_wall() / 1e6);
    for (size_t i = 0; i < 3; i++)
        metrics_add(s->metrics, s->workers,
                    metrics_series(s->metrics, METRIC_RELOADS, &results[i]), 0);
}

void daemon_gauges_clear(struct leme_server *s, const struct generation *g)
{
    const struct config *c = g->config;

    for (size_t i = 0; i < c->ntargets; i++) {
        const struct target *t = &c->targets[i];
        const char *two[] = {c->providers[t->provider].name, t->model};

        set_state(s, t->name, STATES);
        set(s, METRIC_UPSTREAM_IN_FLIGHT, two, 0);
    }
}

/* The states set these while they are built, for the first worker. */
void daemon_gauges_policies(struct leme_server *s, const struct generation *g,
                            char (*names)[64], double value)
{
    for (size_t i = 0; i < g->config->nmodels; i++) {
        const char *labels[] = {names[i], g->short_revision};

        metrics_set(s->metrics, 0,
                    metrics_series(s->metrics, METRIC_POLICY_INFO, labels),
                    value);
    }
}
