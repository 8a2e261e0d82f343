/* SPDX-License-Identifier: Apache-2.0
 *
 * A generation is built aside, on this thread: configuration, slots on the
 * board, one Lua state a worker, the policies' own tests. What is in force is
 * not touched before daemon_adopt.
 */
#include "daemon_impl.h"

#include "blame.h"
#include "board.h"
#include "config.h"
#include "env_file.h"
#include "policy.h"
#include "thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct config *daemon_config(const struct leme_server *s)
{
    return s->current ? s->current->generation->config : NULL;
}

static int wrong(struct daemon_fault *fault, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int wrong(struct daemon_fault *fault, int code, const char *format, ...)
{
    va_list ap;

    fault->code = code;
    fault->where[0] = '\0';
    va_start(ap, format);
    vsnprintf(fault->message, sizeof fault->message, format, ap);
    va_end(ap);
    return -1;
}

/* -- configuration --------------------------------------------------------------- */

struct loading {
    struct leme_server *server;
    struct daemon_fault *fault;
    bool failed, lined;
    unsigned errors;
};

static void on_issue(void *arg, const struct config_issue *issue)
{
    struct loading *l = arg;
    char where[300];

    if (issue->line)
        snprintf(where, sizeof where, "%s:%d", issue->file, issue->line);
    else
        snprintf(where, sizeof where, "%s", issue->file);
    daemon_logf(l->server, issue->warning ? "warn" : "error", "%s: %s", where,
                issue->message);
    l->errors += !issue->warning;
    /* The first that has a line: what is missing as a whole is often missing
     * because of a slip in a line. */
    if (issue->warning || l->lined || (l->failed && !issue->line))
        return;
    l->failed = true;
    l->lined = issue->line > 0;
    wrong(l->fault, LEME_BAD_CONFIG, "%s", issue->message);
    snprintf(l->fault->where, sizeof l->fault->where, "%s", where);
}

/* The log has them all, and so does leme check. */
static void add_more(char *message, size_t size, unsigned more)
{
    size_t n = strlen(message);

    snprintf(message + n, size - n, " (and %u more: see the log or leme check)",
             more);
}

static const char *variable(void *arg, const char *name)
{
    return env_file_get(arg, name);
}

/* ${options} own what is read. */
static int read_variables(struct leme_server *s, struct config_options *options,
                          struct daemon_fault *fault)
{
    char why[sizeof fault->message];

    options->env = variable;
    options->env_arg = env_file_read(s->options.env_file, why, sizeof why);
    return options->env_arg ? 0 : wrong(fault, LEME_CANNOT_BIND, "%s", why);
}

struct config *daemon_load(struct leme_server *s, struct daemon_fault *fault)
{
    struct config_options options = {.path = s->options.config,
                                     .any_dialect = s->options.lua_dir != NULL};
    struct loading l = {.server = s, .fault = fault};
    struct config *c;

    if (s->options.env_file && read_variables(s, &options, fault))
        return NULL;
    c = config_load(&options, on_issue, &l);
    env_file_free(options.env_arg);
    if (!c && !l.failed)
        wrong(fault, LEME_BAD_CONFIG, "not enough memory");
    if (!c && l.errors > 1)
        add_more(fault->message, sizeof fault->message, l.errors - 1);
    return c;
}

/* -- is it another one? ------------------------------------------------------------ */

/* The same texts, and the same variables and secrets that they lead to. */
static bool is_current(const struct leme_server *s, const struct generation *g)
{
    return s->current &&
           strcmp(s->current->generation->revision, g->revision) == 0 &&
           memcmp(daemon_config(s)->outside_digest, g->config->outside_digest,
                  sizeof g->config->outside_digest) == 0;
}

/* -- states -------------------------------------------------------------------------- */

static int take_slots(struct leme_server *s, struct config *c,
                      struct daemon_fault *fault)
{
    if (generation_attach(c, s->board) == 0)
        return 0;
    return wrong(fault, LEME_BAD_CONFIG,
                 "the board has no place for another target: %d have been seen "
                 "since the start; restart to forget old ones", CEIL_TARGETS);
}

static int policy_wrong(struct daemon_fault *fault, const struct policy_fault *f)
{
    struct blame b;

    blame_policy(f, &b);
    wrong(fault, LEME_BAD_CONFIG, "%s", b.message);
    if (b.line)
        snprintf(fault->where, sizeof fault->where, "%s:%d", b.file,
                 b.line);
    else
        snprintf(fault->where, sizeof fault->where, "%s", b.file);
    return -1;
}

static int build_state(struct leme_server *s, struct daemon_build *b,
                       unsigned shard)
{
    struct policy_env env = {
        .board = s->board, .metrics = s->metrics, .shard = shard,
        .lua_dir = s->options.lua_dir, .log = daemon_log, .log_arg = s};
    struct policy_fault fault;

    memset(&fault, 0, sizeof fault);
    b->states[shard] = policy_state_new(b->generation, &env, &fault);
    return b->states[shard] ? 0 : policy_wrong(&b->fault, &fault);
}

static int build_states(struct leme_server *s, struct daemon_build *b)
{
    struct policy_fault fault;

    memset(&fault, 0, sizeof fault);
    if (build_state(s, b, 0))
        return -1;
    b->unchanged = is_current(s, b->generation);
    if (b->unchanged)
        return 0;
    if (policy_state_test(b->states[0], &fault))
        return policy_wrong(&b->fault, &fault);
    for (unsigned i = 1; i < s->workers; i++)
        if (build_state(s, b, i))
            return -1;
    return 0;
}

int daemon_build(struct leme_server *s, struct config *config,
                 struct daemon_build *b)
{
    const char *key = s->current ? config_start_only(daemon_config(s), config)
                                 : NULL;

    memset(b, 0, sizeof *b);
    if (key) {
        wrong(&b->fault, LEME_BAD_CONFIG, "%s has changed, which needs a "
              "restart", key);
        snprintf(b->fault.where, sizeof b->fault.where, "%s", config->path);
        config_free(config);
        return -1;
    }
    if (daemon_may_listen(s, config, &b->fault) ||
        take_slots(s, config, &b->fault) || daemon_mock(s, config, &b->fault)) {
        config_free(config);
        return -1;
    }
    b->generation = generation_new(config);
    b->states = calloc(s->workers, sizeof *b->states);
    if (!b->generation || !b->states)
        return wrong(&b->fault, LEME_BAD_CONFIG, "not enough memory");
    return build_states(s, b);
}

void daemon_build_free(struct leme_server *s, struct daemon_build *b)
{
    for (unsigned i = 0; b->states && i < s->workers; i++)
        policy_state_free(b->states[i]);
    free(b->states);
    generation_release(b->generation);
    memset(b, 0, sizeof *b);
}

/* -- in force --------------------------------------------------------------------------- */

struct alive *daemon_room(struct leme_server *s)
{
    for (unsigned i = 0; i < CEIL_GENERATIONS; i++)
        if (!s->alive[i].generation)
            return &s->alive[i];
    return NULL;
}

/* What the policies call themselves, as long as a state can be asked. */
static char (*copy_names(const struct daemon_build *b))[64]
{
    size_t n = b->generation->config->nmodels;
    char (*names)[64] = calloc(n + 1, sizeof *names);

    for (unsigned i = 0; names && i < n; i++)
        snprintf(names[i], sizeof names[i], "%s", policy_name(b->states[0], i));
    return names;
}

void daemon_disown(struct leme_server *s, const struct daemon_build *b)
{
    char (*names)[64];

    if (!b->states || !b->states[0] ||
        strcmp(b->generation->revision, s->current->generation->revision) == 0)
        return;
    names = copy_names(b);
    if (names)
        daemon_gauges_policies(s, b->generation, names, 0);
    free(names);
}

int daemon_adopt(struct leme_server *s, struct daemon_build *b)
{
    const struct config *c = b->generation->config;
    struct alive *place = daemon_room(s), *old = s->current;
    char (*names)[64] = copy_names(b);

    if (!names)
        return wrong(&b->fault, LEME_BAD_CONFIG, "not enough memory");
    generation_limits(c, s->board);
    if (old) {
        generation_renew(old->generation->config, c, s->board);
        daemon_gauges_clear(s, old->generation);
        daemon_gauges_policies(s, old->generation, old->names, 0);
    }
    daemon_gauges_policies(s, b->generation, names, 1);
    generation_hold(b->generation);
    pthread_mutex_lock(&s->live_lock);
    *place = (struct alive){b->generation, s->workers, names};
    s->current = place;
    pthread_mutex_unlock(&s->live_lock);
    return 0;
}

static void bury(struct leme_server *s, struct alive *a)
{
    struct alive dead = *a;

    pthread_mutex_lock(&s->live_lock);
    *a = (struct alive){NULL, 0, NULL};
    if (s->current == a)
        s->current = NULL;
    pthread_mutex_unlock(&s->live_lock);
    free(dead.names);
    generation_release(dead.generation);
}

static void state_ended(struct leme_server *s, struct policy_state *state)
{
    const struct generation *g = policy_generation(state);

    for (unsigned i = 0; i < CEIL_GENERATIONS; i++)
        if (s->alive[i].generation == g && --s->alive[i].states == 0)
            bury(s, &s->alive[i]);
}

static struct policy_state *take_idle(struct leme_server *s)
{
    struct policy_state *state;

    pthread_mutex_lock(&s->idle_lock);
    state = s->nidle ? s->idle[--s->nidle] : NULL;
    pthread_mutex_unlock(&s->idle_lock);
    return state;
}

static void free_ended(struct leme_server *s)
{
    while (s->nended)
        policy_state_free(s->ended[--s->nended]);
}

/* On a thread of its own, which gives way: a whole heap is walked, and a worker
 * on the same core must not wait for it. */
static void *close_states(void *arg)
{
    struct leme_server *s = arg;

    thread_give_way();
    free_ended(s);
    atomic_store(&s->closed, true);
    daemon_post(s, 0);
    return NULL;
}

static void join_closer(struct leme_server *s)
{
    if (s->closing)
        pthread_join(s->closer, NULL);
    s->closing = false;
}

static void take_ended(struct leme_server *s)
{
    struct policy_state *state;

    while ((state = take_idle(s))) {
        state_ended(s, state);
        s->ended[s->nended++] = state;
    }
}

void daemon_collect(struct leme_server *s)
{
    if (s->closing && !atomic_load(&s->closed))
        return;
    join_closer(s);
    take_ended(s);
    if (!s->nended)
        return;
    atomic_store(&s->closed, false);
    s->closing = !thread_start(&s->closer, close_states, s, 0);
    if (!s->closing)
        free_ended(s);
}

void daemon_bury(struct leme_server *s)
{
    join_closer(s);
    take_ended(s);
    free_ended(s);
    for (unsigned i = 0; i < CEIL_GENERATIONS; i++)
        if (s->alive[i].generation)
            bury(s, &s->alive[i]);
}
