/* SPDX-License-Identifier: Apache-2.0
 *
 * What policy.c (building) and policy_step.c (the frontier) share.
 */
#ifndef LEME_POLICY_IMPL_H
#define LEME_POLICY_IMPL_H

#include "policy.h"

#include "bind_impl.h"
#include "ceilings.h"
#include "metrics.h"
#include "modules.h"

#define POLICY_TIMERS 32
#define OP_SLOTS 6              /* of one op in driver.ops */
#define EVENTS (PLAN_ITEM + 1)
#define OP_WORDS (OP_DONE + 3)

enum policy_hook { HOOK_STEP, HOOK_EVERY, HOOKS };
enum policy_result { RESULT_OK, RESULT_ERROR, RESULT_TIMEOUT, RESULT_OOM,
                     RESULT_DEFAULT, RESULTS };

struct model_policy {
    int ref;                    /* the policy in the registry */
    char name[64];
    char label[80];             /* name@revision */
    us_t kills[CEIL_KILLS_PER_MINUTE];  /* times of the last ones, a ring */
    unsigned nkills;
    bool aside;
    series_t calls[HOOKS][RESULTS];
    series_t duration[HOOKS];
};

struct policy_state {
    struct vm *vm;              /* owned */
    struct bind bind;
    struct generation *generation;      /* held */
    struct policy_env env;
    int ref_loaded, ref_host, ref_require;
    int ref_translate;          /* 0 until a dialect is needed */
    int ref_ops, ref_load, ref_test, ref_every, ref_tick;
    int ref_events[EVENTS];     /* driver.events */
    const char *op_words[OP_WORDS]; /* in Lua's keeping: compared by address */
    struct model_policy *models;        /* one a model of the configuration */
    struct {
        double seconds;
        unsigned model;
        int index;
    } timers[POLICY_TIMERS];
    unsigned ntimers;
    unsigned pins;              /* requests that began on it */
    struct op ops[2 * CEIL_OPS];        /* of the last step */
    struct buf text;            /* texts of those ops */
    series_t memory;
};

void policy_push_require(lua_State *L, struct policy_state *s, const char *dir);
bool policy_may_require(const char *name);
/** A path as messages show it: relative to the configuration's folder. */
const char *policy_shown(const struct policy_state *s, const char *path);
void policy_init_bind(struct policy_state *s);
/** Keep what a step needs of the driver, which is on top of the stack. */
void policy_open_steps(lua_State *L, struct policy_state *s);
void policy_open_ops(lua_State *L, struct policy_state *s);
/** Read ${slots} of driver.ops into ${s}->ops: how many. Raises for nonsense. */
size_t policy_read_ops(lua_State *L, struct policy_state *s,
                       const struct plan *plan, lua_Integer slots);
const char *policy_op_name(enum op_kind kind);
void policy_open_series(struct policy_state *s, struct model_policy *p);
/** Count one entry into a policy. */
void policy_count(struct policy_state *s, struct model_policy *p,
                  enum policy_hook hook, enum vm_fault_kind kind, us_t took);

#endif
