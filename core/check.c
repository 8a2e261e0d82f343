/* SPDX-License-Identifier: Apache-2.0
 *
 * leme_check: a configuration and its policies, as a server would build them,
 * on a board and in a Lua state that nobody else sees.
 */
#include "check_impl.h"

#include "blame.h"
#include "board.h"
#include "ceilings.h"
#include "config.h"
#include "leme.h"
#include "metrics.h"
#include "policy.h"

#include <stdio.h>
#include <string.h>

struct checking {
    leme_check_fn *report;
    void *arg;
    const struct config *config;    /* borrowed while its policies run */
    int errors;
};

enum severity { ERROR, WARNING, NOTE };

static void found(struct checking *k, const char *file, int line,
                  enum severity severity, const char *message)
{
    k->errors += severity == ERROR;
    if (k->report)
        k->report(k->arg, file, line, (int)severity, message);
}

static void on_issue(void *arg, const struct config_issue *issue)
{
    found(arg, issue->file, issue->line, issue->warning ? WARNING : ERROR,
          issue->message);
}

/* Nobody reads a thousand notes. */
#define NOTES 20

static void note_unpriced(struct checking *k, const struct config *c)
{
    char message[400];
    size_t i, n = 0;

    for (i = 0; i < c->ntargets; i++) {
        const struct target *t = &c->targets[i];

        if (t->price.n || t->key || n++ >= NOTES)
            continue;
        snprintf(message, sizeof message, "target \"%s\": no price is known, so "
                 "what it answers counts as unpriced: price = { input = ..., "
                 "output = ... } says it", t->name);
        found(k, t->where.file, t->where.line, NOTE, message);
    }
    if (n <= NOTES)
        return;
    snprintf(message, sizeof message, "%zu more targets have no known price",
             n - NOTES);
    found(k, c->path, 0, NOTE, message);
}

static void note_dates(struct checking *k, const struct config *c)
{
    const char *oldest = NULL, *newest = NULL;
    char message[200];
    size_t i, n = 0;

    for (i = 0; i < c->ntargets; i++) {
        const char *date = c->targets[i].price.date;

        if (!date)
            continue;
        n++;
        oldest = !oldest || strcmp(date, oldest) < 0 ? date : oldest;
        newest = !newest || strcmp(date, newest) > 0 ? date : newest;
    }
    if (!n)
        return;
    snprintf(message, sizeof message, "the prices of %zu target%s are of %s%s%s",
             n, n == 1 ? "" : "s", oldest, strcmp(oldest, newest) ? " to " : "",
             strcmp(oldest, newest) ? newest : "");
    found(k, c->path, 0, NOTE, message);
}

static void on_name(void *arg, const char *file, int line, const char *message)
{
    found(arg, file, line, WARNING, message);
}

static void no_log(void *arg, const char *level, const char *text, size_t len)
{
    (void)arg;
    (void)level;
    (void)text;
    (void)len;
}

static void report_fault(struct checking *k, const struct config *c,
                         const struct policy_fault *f)
{
    struct blame b;

    blame_policy(f, &b);
    found(k, b.file[0] ? b.file : c->path, b.line, ERROR, b.message);
}

static void run_tests(void *arg, struct policy_state *state,
                      struct policy_fault *fault)
{
    struct checking *k = arg;

    if (!state || policy_state_test(state, fault))
        report_fault(k, k->config, fault);
}

int check_build(struct config *config, const char *lua_dir, check_use *use,
                void *arg)
{
    struct policy_env env = {.lua_dir = lua_dir, .log = no_log};
    struct generation *g = generation_new(config);
    struct policy_state *state;
    struct policy_fault fault;
    int bad = -1;

    memset(&fault, 0, sizeof fault);
    env.board = board_new(1, CEIL_BOARD_BYTES);
    env.metrics = metrics_new(1);
    if (g && env.board && env.metrics && !generation_attach(config, env.board)) {
        state = policy_state_new(g, &env, &fault);
        use(arg, state, &fault);
        policy_state_free(state);
        bad = 0;
    }
    generation_release(g);
    board_free(env.board);
    metrics_free(env.metrics);
    return bad;
}

int leme_check(const char *config, const char *lua_dir, leme_check_fn *report,
               void *arg)
{
    struct config_options options = {.path = config, .files = true,
                                     .any_dialect = lua_dir != NULL};
    struct checking k = {.report = report, .arg = arg};
    struct config *c;

    if (!config)
        return LEME_USAGE;
    c = config_load(&options, on_issue, &k);
    if (!c)
        return k.errors ? k.errors : LEME_BAD_CONFIG;
    k.config = c;
    note_unpriced(&k, c);
    note_dates(&k, c);
    check_names(c, on_name, &k);
    if (check_build(c, lua_dir, run_tests, &k))
        return LEME_BAD_CONFIG;
    return k.errors;
}
