/* SPDX-License-Identifier: Apache-2.0
 *
 * policy: a generation (configuration and policy files), its Lua state on each
 * worker, and the frontier: step(plan, event) -> ops. Owns states and plans'
 * Lua side; knows no socket and no provider. Called by request, engine, daemon.
 */
#ifndef LEME_POLICY_H
#define LEME_POLICY_H

#include "bind.h"
#include "clock.h"
#include "config.h"
#include "errors.h"
#include "generation.h"
#include "vm.h"

#include <stdbool.h>
#include <stddef.h>

struct board;
struct metrics;
struct policy_state;

/* -- states ------------------------------------------------------------------ */

struct policy_env {
    struct board *board;
    struct metrics *metrics;
    unsigned shard;                 /* this worker's */
    const char *lua_dir;            /* instead of the embedded modules; or NULL */
    /** From a policy's leme.log; any time within a step. */
    void (*log)(void *arg, const char *level, const char *text, size_t len);
    void *log_arg;
};

/**
 * Build the Lua state of one worker: modules, policies, their knobs; holds
 * ${g}. Runs under CEIL_LOAD_US. ${env} is copied. NULL and ${fault}.
 */
struct policy_state *policy_state_new(struct generation *g,
                                      const struct policy_env *env,
                                      struct policy_fault *fault);
/** Run each policy's own `test`. 0, or -1 and ${fault}. */
int policy_state_test(struct policy_state *s, struct policy_fault *fault);
/** No request may be pinned. Any thread, but only one. */
void policy_state_free(struct policy_state *s);
struct generation *policy_generation(const struct policy_state *s);
/** Requests that began on it and are not gone: pin, unpin (answers how many are
 * left), and how many there are. */
void policy_pin(struct policy_state *s);
unsigned policy_unpin(struct policy_state *s);
unsigned policy_pins(const struct policy_state *s);
/** Between steps: collect when the state is three quarters full. Also the rare
 * housekeeping: call it once a second. */
void policy_tend(struct policy_state *s);
/** At the cap of its memory: new requests are to be shed. */
bool policy_full(const struct policy_state *s);

/** Policies' periodic functions: how many, the period, one run (on one worker
 * only). A failure is logged and counted. */
unsigned policy_timers(const struct policy_state *s);
double policy_timer_seconds(const struct policy_state *s, unsigned i);
void policy_timer_run(struct policy_state *s, unsigned i);

/** The name a model's policy gave itself, and "name@revision". */
const char *policy_name(const struct policy_state *s, unsigned model);
const char *policy_label(const struct policy_state *s, unsigned model);
/** Is this model's policy set aside after too many kills? */
bool policy_aside(const struct policy_state *s, unsigned model, us_t now);

/* -- the frontier ------------------------------------------------------------ */

enum plan_event_kind { PLAN_BEGIN, PLAN_ANSWERED, PLAN_ENDED, PLAN_TIMER,
                       PLAN_GONE, PLAN_ITEM };

/** What happened. Unused members are zero; -1 is unknown for numbers. */
struct plan_event {
    enum plan_event_kind kind;
    unsigned id;                    /* attempt or timer */
    bool ok;
    enum error_type error;
    int status;
    double first_token;
    double retry_after;             /* -1 unknown */
    bool retryable;                 /* the same target may be repeated */
    bool fallback;                  /* another target may be tried */
    double total;
    const char *finish;
    int64_t input, output, cached, reasoning;
    double cost;
    bool committed;
    double speed;
    const char *data;               /* PLAN_ITEM */
    size_t len;
};

enum op_kind { OP_CALL, OP_FETCH, OP_CANCEL, OP_WAIT, OP_RELAY, OP_REPLY,
               OP_OPEN, OP_WRITE, OP_CLOSE, OP_PASS, OP_DROP, OP_REPLACE,
               OP_DONE };

struct limits {
    us_t connect, first_token, idle, total;     /* 0: the default */
    double min_speed;               /* tokens a second; 0: none */
    size_t hold;                    /* bytes before it counts as answered */
    bool hold_all;
};

/** What is to be done. Texts live until the next step of the same state. */
struct op {
    enum op_kind kind;
    unsigned id;
    unsigned target;                /* index into config.targets */
    unsigned provider;              /* OP_FETCH: index into config.providers */
    struct limits limits;
    unsigned overlay;               /* index + 1 into plan->overlays; 0 none */
    bool events, shadow, hedge;
    bool resume;                    /* OP_RELAY: the policy waits for its end */
    bool cut;                       /* OP_CLOSE: cut the connection */
    us_t wait;
    int status;
    enum error_type error;
    const char *text;
    size_t len;
    const char *headers;            /* whole lines */
    size_t headers_len;
};

/**
 * Open a plan for ${p} (its fields up to `policy` are set): pins the state and
 * begins. ${ops} and the return value as plan_step.
 */
int plan_begin(struct plan *p, struct policy_state *s, const struct op **ops,
               size_t *n, struct vm_fault *fault);
/**
 * Tell the policy what happened and get what is to be done. 0; or -1 with
 * ${fault}: the policy failed, was stopped, or gave nonsense (VM_BAD); it is
 * counted, and the caller closes the plan and takes the default route. An
 * OP_DONE in the list closes the plan by itself.
 */
int plan_step(struct plan *p, const struct plan_event *event,
              const struct op **ops, size_t *n, struct vm_fault *fault);
/** From now on requests wait for its steps. */
void policy_serves(struct policy_state *s);
/** Ask again the policies that were set aside. */
void policy_trust(struct policy_state *s);
/** A request of ${model} takes the default route: count it. */
void policy_defaulted(struct policy_state *s, unsigned model);
/** Log where the policy of an open plan waits, as a traceback. */
void plan_log_stack(struct plan *p);
/** Unpin. `req` is stale from now on. Harmless when not open. */
void plan_close(struct plan *p);
bool plan_open(const struct plan *p);

#endif
