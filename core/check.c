/* SPDX-License-Identifier: Apache-2.0
 *
 * leme_check: a configuration and its policies, as a server would build them,
 * on a board and in a Lua state that nobody else sees.
 */
#include "leme.h"

#include "blame.h"
#include "board.h"
#include "ceilings.h"
#include "config.h"
#include "metrics.h"
#include "policy.h"

#include <string.h>

struct checking {
    leme_check_fn *report;
    void *arg;
    int errors;
};

static void found(struct checking *k, const char *file, int line, bool warning,
                  const char *message)
{
    k->errors += !warning;
    if (k->report)
        k->report(k->arg, file, line, warning, message);
}

static void on_issue(void *arg, const struct config_issue *issue)
{
    found(arg, issue->file, issue->line, issue->warning, issue->message);
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
    found(k, b.file[0] ? b.file : c->path, b.line, false, b.message);
}

static int run_policies(struct checking *k, struct generation *g,
                        const struct policy_env *env)
{
    struct policy_state *state;
    struct policy_fault fault;

    memset(&fault, 0, sizeof fault);
    if (generation_attach(g->config, env->board))
        return -1;
    state = policy_state_new(g, env, &fault);
    if (!state || policy_state_test(state, &fault))
        report_fault(k, g->config, &fault);
    policy_state_free(state);
    return 0;
}

/* ${config} is given away. */
static int check_policies(struct checking *k, struct config *config,
                          const char *lua_dir)
{
    struct policy_env env = {.lua_dir = lua_dir, .log = no_log};
    struct generation *g = generation_new(config);
    int bad = -1;

    env.board = board_new(1, CEIL_BOARD_BYTES);
    env.metrics = metrics_new(1);
    if (g && env.board && env.metrics)
        bad = run_policies(k, g, &env);
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
    if (check_policies(&k, c, lua_dir))
        return LEME_BAD_CONFIG;
    return k.errors;
}
