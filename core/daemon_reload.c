/* SPDX-License-Identifier: Apache-2.0
 *
 * One reload at a time: build aside, post a state to each worker, report when
 * the last one has swapped. Whoever asks meanwhile is answered by the next one,
 * which begins when this one is done. Each reload has a number, the ticket of
 * those it answers.
 */
#include "daemon_impl.h"

#include "config.h"
#include "engine.h"
#include "generation.h"
#include "policy.h"
#include "thread.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLIED "applied"
#define REJECTED "rejected"
#define UNCHANGED "unchanged"

/* -- watching ---------------------------------------------------------------------- */

static void on_changed(void *arg)
{
    daemon_reload(arg);
}

static size_t add_paths(const struct generation *g, const char **paths)
{
    size_t n = 0;

    for (const struct source *src = g->sources; src; src = src->next)
        paths[n++] = src->path;
    for (size_t i = 0; i < g->config->nmodels; i++)
        if (g->config->models[i].policy_path)
            paths[n++] = g->config->models[i].policy_path;
    if (g->config->catalog_path)
        paths[n++] = g->config->catalog_path;
    return n;
}

static size_t count_paths(const struct generation *g)
{
    size_t n = g ? g->config->nmodels + 1 : 0;

    for (const struct source *src = g ? g->sources : NULL; src; src = src->next)
        n++;
    return n;
}

/* A policy that was refused may be mended where it stands: ${other}'s files are
 * watched as well. */
static void set_paths(struct leme_server *s, const struct generation *other)
{
    const struct generation *now = s->current->generation;
    const char **paths = calloc(2 + count_paths(now) + count_paths(other),
                                sizeof *paths);
    size_t n = 0;

    if (!paths)
        return;
    paths[n++] = s->options.config;
    if (s->options.env_file)
        paths[n++] = s->options.env_file;
    n += add_paths(now, paths + n);
    if (other)
        n += add_paths(other, paths + n);
    watch_set(s->watch, paths, n);
    free(paths);
}

void daemon_watch(struct leme_server *s, const struct generation *other)
{
    bool wanted = s->options.watch < 0 ? daemon_config(s)->settings.watch
                                       : s->options.watch > 0;

    if (!wanted) {
        watch_free(s->watch);
        s->watch = NULL;
        return;
    }
    if (!s->watch)
        s->watch = watch_new(s->base, on_changed, s);
    if (s->watch)
        set_paths(s, other);
    else
        daemon_logf(s, "warn", "files cannot be watched: too many watches");
}

/* -- the outcome ---------------------------------------------------------------------- */

static void count(struct leme_server *s, const char *result)
{
    unsigned shard = s->workers;
    bool good = strcmp(result, REJECTED) != 0;

    metrics_add(s->metrics, shard,
                metrics_series(s->metrics, METRIC_RELOADS, &result), 1);
    metrics_set(s->metrics, shard,
                metrics_series(s->metrics, METRIC_RELOAD_OK, NULL), good);
    if (strcmp(result, APPLIED) == 0)
        metrics_set(s->metrics, shard,
                    metrics_series(s->metrics, METRIC_RELOAD_TIME, NULL),
                    (double)clock_wall() / 1e6);
}

static void tell(struct leme_server *s, const struct admin_reload *o)
{
    const char *revision = s->current->generation->short_revision;

    if (strcmp(o->result, REJECTED) == 0)
        daemon_logf(s, "error", "reload rejected: %s%s%s; revision %s stays",
                    o->where, o->where[0] ? ": " : "", o->message, revision);
    else
        daemon_logf(s, "info", "reload %s: revision %s", o->result, revision);
}

static void finish(struct leme_server *s, const char *result,
                   const struct daemon_fault *fault)
{
    struct admin_reload *o = &s->outcome;

    memset(o, 0, sizeof *o);
    o->result = result;
    o->wall = clock_wall();
    if (fault) {
        snprintf(o->message, sizeof o->message, "%s", fault->message);
        o->message[daemon_redact(s, o->message, strlen(o->message))] = '\0';
        snprintf(o->where, sizeof o->where, "%s", fault->where);
    }
    count(s, result);
    tell(s, o);
    admin_reloaded(s->admin, s->reload_started, o);
    if (s->reload_wanted)
        timer_at(&s->reload_timer, clock_now());
}

/* -- build and swap ------------------------------------------------------------------- */

/* The workers' letters; each is answered by daemon_swapped. */
static void post_states(struct leme_server *s, struct daemon_build *b)
{
    s->swapping = true;
    s->swaps_due = s->workers;
    atomic_store(&s->swapped, 0);
    for (unsigned i = 0; i < s->workers; i++) {
        if (engine_post(s->worker[i].engine, ENGINE_SWAP, b->states[i])) {
            daemon_logf(s, "error", "not enough memory: worker %u stays on the "
                        "old revision", i);
            s->swaps_due--;
            s->current->states--;
            continue;               /* daemon_build_free frees the state */
        }
        b->states[i] = NULL;
    }
}

/* On a thread of its own, which gives way: a build takes milliseconds, and a
 * worker on the same core must not wait for them. */
static void *build(void *arg)
{
    struct leme_server *s = arg;
    struct daemon_build *b = s->build;
    struct config *c;

    thread_give_way();
    c = daemon_load(s, &b->fault);
    b->failed = !c || daemon_build(s, c, b);
    atomic_store(&s->built, true);
    daemon_post(s, 0);
    return NULL;
}

static void start_build(struct leme_server *s)
{
    static const struct daemon_fault none = {
        .message = "not enough memory for a reload"};

    s->build = calloc(1, sizeof *s->build);
    atomic_store(&s->built, false);
    s->building = s->build && !thread_start(&s->builder, build, s, 0);
    if (s->building)
        return;
    free(s->build);
    s->build = NULL;
    finish(s, REJECTED, &none);
}

/* Nothing new; but whoever asks for a reload wants policies to be asked again. */
static void trust(struct leme_server *s)
{
    for (unsigned i = 0; i < s->workers; i++)
        engine_post(s->worker[i].engine, ENGINE_TRUST, NULL);
    finish(s, UNCHANGED, NULL);
}

/* The builder has ended; take over what it made. */
static void end_build(struct leme_server *s)
{
    struct daemon_build *b = s->build;
    bool bad = b->failed;

    pthread_join(s->builder, NULL);
    s->building = false;
    s->build = NULL;
    if (!bad && !b->unchanged)
        bad = daemon_adopt(s, b);
    if (!bad && !b->unchanged)
        post_states(s, b);
    else
        daemon_disown(s, b);
    daemon_watch(s, bad ? b->generation : NULL);
    if (bad)
        finish(s, REJECTED, &b->fault);
    else if (b->unchanged)
        trust(s);
    daemon_build_free(s, b);
    free(b);
}

static void refuse(struct leme_server *s)
{
    static const struct daemon_fault stopping = {
        .message = "the server is stopping"};

    s->reload_wanted = false;
    s->reload_started++;
    finish(s, REJECTED, &stopping);
}

static void on_reload(void *arg)
{
    struct leme_server *s = arg;

    if (!s->reload_wanted || s->swapping || s->building)
        return;
    if (s->phase >= DAEMON_STOPPING) {
        refuse(s);
        return;
    }
    if (!daemon_room(s)) {
        if (!s->reload_waits)
            daemon_logf(s, "warn", "%d generations are alive: the reload waits "
                        "until the requests on one of them have ended",
                        CEIL_GENERATIONS);
        s->reload_waits = true;
        return;
    }
    s->reload_waits = s->reload_wanted = false;
    s->reload_started++;
    start_build(s);
}

uint64_t daemon_reload(void *arg)
{
    struct leme_server *s = arg;

    s->reload_wanted = true;
    if (!s->swapping && !s->building && !s->reload_waits)
        timer_at(&s->reload_timer, clock_now());
    return s->reload_started + 1;
}

/* -- news from the workers -------------------------------------------------------------- */

void daemon_swapped(void *arg, unsigned shard)
{
    struct leme_server *s = arg;

    (void)shard;
    atomic_fetch_add(&s->swapped, 1);
    daemon_post(s, 0);
}

void daemon_idle(void *arg, unsigned shard, struct policy_state *state)
{
    struct leme_server *s = arg;

    (void)shard;
    pthread_mutex_lock(&s->idle_lock);
    s->idle[s->nidle++] = state;
    pthread_mutex_unlock(&s->idle_lock);
    daemon_post(s, 0);
}

void daemon_reload_news(struct leme_server *s)
{
    daemon_collect(s);
    if (s->building && atomic_load(&s->built))
        end_build(s);
    if (s->swapping && atomic_load(&s->swapped) >= s->swaps_due) {
        s->swapping = false;
        finish(s, APPLIED, NULL);
    }
    if (s->reload_waits && daemon_room(s))
        timer_at(&s->reload_timer, clock_now());
}

/* -- life -------------------------------------------------------------------------------- */

int daemon_reload_new(struct leme_server *s)
{
    timer_init(&s->reload_timer, s->base, on_reload, s);
    s->outcome.result = "";
    s->idle = calloc((size_t)CEIL_GENERATIONS * s->workers, sizeof *s->idle);
    s->ended = calloc((size_t)CEIL_GENERATIONS * s->workers, sizeof *s->ended);
    return s->idle && s->ended ? 0 : -1;
}

void daemon_reload_free(struct leme_server *s)
{
    timer_drop(&s->reload_timer);
    if (s->building) {
        pthread_join(s->builder, NULL);
        daemon_build_free(s, s->build);
        free(s->build);
    }
    watch_free(s->watch);
    daemon_bury(s);
    free(s->idle);
    free(s->ended);
}
