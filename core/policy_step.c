/* SPDX-License-Identifier: Apache-2.0
 *
 * The frontier: an event in, a list of ops out. Everything that touches Lua
 * stands inside one protected entry.
 */
#include "policy_impl.h"

#include "ceilings.h"
#include "record.h"

#include <string.h>

static const char *const event_names[] = {"begin", "answered", "ended",
                                          "timer", "gone",     "item"};

/* -- counting -------------------------------------------------------------- */

void policy_init_bind(struct policy_state *s)
{
    struct bind *b = &s->bind;

    b->vm = s->vm;
    b->config = s->generation->config;
    b->board = s->env.board;
    b->metrics = s->env.metrics;
    b->shard = s->env.shard;
    b->revision = s->generation->short_revision;
    b->now = clock_now();
    b->wall = clock_wall();
    b->log = s->env.log;
    b->log_arg = s->env.log_arg;
    bind_seed(b->rng, (uint64_t)b->wall ^ (uint64_t)(uintptr_t)s);
    buf_init(&b->scratch, CEIL_BODY_BYTES + MIB);
    buf_init(&s->text, CEIL_ANSWER_BYTES);
}

void policy_open_series(struct policy_state *s, struct model_policy *p)
{
    static const char *const hooks[] = {"route", "every"};
    static const char *const results[] = {"ok", "error", "timeout", "oom",
                                          "default"};
    struct metrics *m = s->env.metrics;
    const char *info[] = {p->name, s->generation->short_revision};

    for (int h = 0; h < HOOKS; h++) {
        const char *two[] = {p->name, hooks[h]};

        for (int r = 0; r < RESULTS; r++) {
            const char *three[] = {p->name, hooks[h], results[r]};

            p->calls[h][r] = metrics_series(m, METRIC_POLICY_CALLS, three);
        }
        p->duration[h] = metrics_series(m, METRIC_POLICY_DURATION, two);
    }
    s->memory = metrics_series(m, METRIC_POLICY_MEMORY, info);
    if (s->env.shard == 0)
        metrics_set(m, 0, metrics_series(m, METRIC_POLICY_INFO, info), 1);
}

/* Five kills within a minute set a policy aside until the next reload. */
static void count_kill(struct policy_state *s, struct model_policy *p, us_t now)
{
    char line[200];
    us_t oldest;
    int n;

    p->kills[p->nkills++ % CEIL_KILLS_PER_MINUTE] = now;
    if (p->nkills < CEIL_KILLS_PER_MINUTE)
        return;
    oldest = p->kills[p->nkills % CEIL_KILLS_PER_MINUTE];
    if (p->aside || now - oldest >= 60 * US_PER_S)
        return;
    p->aside = true;
    n = snprintf(line, sizeof line, "policy %s is set aside until the next "
                 "reload: it was stopped %d times within a minute; "
                 "its models take their default_route", p->name,
                 CEIL_KILLS_PER_MINUTE);
    s->env.log(s->env.log_arg, "error", line, (size_t)n);
}

void policy_count(struct policy_state *s, struct model_policy *p,
                  enum policy_hook hook, enum vm_fault_kind kind, us_t took)
{
    static const enum policy_result results[] = {
        [VM_OK] = RESULT_OK, [VM_ERROR] = RESULT_ERROR,
        [VM_TIMEOUT] = RESULT_TIMEOUT, [VM_MEMORY] = RESULT_OOM,
        [VM_BAD] = RESULT_ERROR};

    metrics_add(s->env.metrics, s->env.shard, p->calls[hook][results[kind]], 1);
    metrics_observe(s->env.metrics, s->env.shard, p->duration[hook],
                    (double)took / 1e6);
    if (kind == VM_TIMEOUT || kind == VM_MEMORY)
        count_kill(s, p, clock_now());
}

/* -- opening --------------------------------------------------------------- */

_Static_assert(sizeof event_names / sizeof *event_names == EVENTS, "events");

void policy_open_steps(lua_State *L, struct policy_state *s)
{
    lua_getfield(L, -1, "events");
    for (int i = 0; i < EVENTS; i++) {
        lua_getfield(L, -1, event_names[i]);
        s->ref_events[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_pop(L, 1);
    policy_open_ops(L, s);
}

/* -- pushing an event ------------------------------------------------------ */

static void push_known(lua_State *L, double value)
{
    if (value < 0)
        lua_pushnil(L);
    else
        lua_pushnumber(L, value);
}

static void push_count(lua_State *L, int64_t value)
{
    if (value < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, value);
}

static int push_answered(lua_State *L, const struct plan_event *e)
{
    lua_pushinteger(L, e->id);
    lua_pushboolean(L, e->ok);
    lua_pushstring(L, errors_row(e->error)->name);
    lua_pushinteger(L, e->status);
    lua_pushnumber(L, e->first_token);
    if (e->ok)
        return 5;
    push_known(L, e->retry_after);
    lua_pushboolean(L, e->retryable);
    lua_pushboolean(L, e->fallback);
    return 8;
}

static int push_ended(lua_State *L, const struct plan_event *e)
{
    lua_pushinteger(L, e->id);
    lua_pushstring(L, errors_row(e->error)->name);
    lua_pushnumber(L, e->total);
    lua_pushstring(L, e->finish ? e->finish : "");
    push_count(L, e->input);
    push_count(L, e->output);
    push_count(L, e->cached);
    push_count(L, e->reasoning);
    push_known(L, e->cost);
    lua_pushboolean(L, e->committed);
    push_known(L, e->speed);
    return 11;
}

static int push_event(lua_State *L, const struct plan_event *e)
{
    switch (e->kind) {
    case PLAN_ANSWERED:
        return push_answered(L, e);
    case PLAN_ENDED:
        return push_ended(L, e);
    case PLAN_TIMER:
        lua_pushinteger(L, e->id);
        return 1;
    case PLAN_ITEM:
        lua_pushinteger(L, e->id);
        lua_pushlstring(L, e->data, e->len);
        return 2;
    case PLAN_BEGIN:
    case PLAN_GONE:
        break;
    }
    return 0;
}

/* -- stepping -------------------------------------------------------------- */

/* events.begin(req, policy) -> slots, what is brought along with each event */
static lua_Integer begin_plan(lua_State *L, struct policy_state *s,
                              struct plan *p)
{
    lua_Integer slots;

    bind_push_request(L, &s->bind, p);
    lua_pushvalue(L, -1);
    p->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    p->begun = true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_events[PLAN_BEGIN]);
    lua_pushvalue(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->models[p->policy].ref);
    lua_call(L, 2, 2);
    slots = lua_tointeger(L, -2);
    lua_setiuservalue(L, 1, 1);
    return slots;
}

struct step {
    struct policy_state *s;
    struct plan *plan;
    const struct plan_event *event;
    size_t n;                   /* ops read */
};

static int step_body(lua_State *L, void *arg)
{
    struct step *st = arg;
    struct policy_state *s = st->s;
    struct plan *p = st->plan;
    lua_Integer slots;

    if (!p->begun) {
        slots = begin_plan(L, s, p);
    } else {
        lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref);
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_events[st->event->kind]);
        lua_getiuservalue(L, 1, 1);
        lua_call(L, push_event(L, st->event) + 1, 1);
        slots = lua_tointeger(L, -1);
    }
    st->n = policy_read_ops(L, s, p, slots);
    return 0;
}

/* -- where a plan waits ---------------------------------------------------- */

struct stack {
    struct plan *plan;
    char text[2048];
};

static int read_stack(lua_State *L, void *arg)
{
    struct stack *k = arg;

    lua_rawgeti(L, LUA_REGISTRYINDEX, k->plan->ref);
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "co");
    if (lua_isthread(L, -1))
        vm_trace(lua_tothread(L, -1), 0, k->text, sizeof k->text);
    return 0;
}

void plan_log_stack(struct plan *p)
{
    struct policy_state *s = p->state;
    struct stack k = {.plan = p};
    struct vm_fault fault;
    struct buf line;

    if (!s || !p->begun || vm_enter(s->vm, read_stack, &k, &fault))
        return;
    buf_init(&line, 2 * sizeof k.text);
    buf_addf(&line, "stack of policy %s, request %s:", s->models[p->policy].name,
             p->id);
    for (char *at = k.text, *rest = NULL; (at = strtok_r(at, "\n", &rest));
         at = NULL)
        buf_addf(&line, "\n\t%s", at);
    if (line.len)
        s->env.log(s->env.log_arg, "warn", line.data, line.len);
    buf_free(&line);
}

/* Did the policy give nonsense, as opposed to failing? */
static void tell_nonsense(struct vm_fault *f)
{
    static const char mark[] = "policy_bad_result: ";
    char *at = strstr(f->message, mark);

    if (f->kind != VM_ERROR || !at)
        return;
    f->kind = VM_BAD;
    memmove(at, at + sizeof mark - 1, strlen(at + sizeof mark - 1) + 1);
}

static void note_step(struct plan *p, const struct plan_event *e,
                      const struct bind *b)
{
    record_add(p->record, RECORD_step, (int64_t)b->now, event_names[e->kind],
               (int64_t)e->id, (int64_t)b->wall);
}

static void note_ops(struct plan *p, struct policy_state *s, size_t n)
{
    const struct config *c = s->bind.config;

    for (size_t i = 0; i < n; i++) {
        const struct op *op = &s->ops[i];
        const char *name = "";

        if (op->kind == OP_CALL)
            name = c->targets[op->target].name;
        else if (op->kind == OP_FETCH)
            name = c->providers[op->provider].name;
        record_add(p->record, RECORD_op, policy_op_name(op->kind), (int64_t)op->id,
                   name, op->shadow ? "shadow" : op->hedge ? "hedge" : "");
    }
}

int plan_step(struct plan *p, const struct plan_event *event,
              const struct op **ops, size_t *n, struct vm_fault *fault)
{
    struct policy_state *s = p->state;
    struct step st = {s, p, event, 0};
    size_t allow = s->generation->config->settings.lua_request_max;
    int bad;

    fault->kind = VM_OK;
    s->bind.plan = p;
    s->bind.policy_name = s->models[p->policy].name;
    s->bind.now = clock_now();
    s->bind.wall = clock_wall_at(s->bind.now);
    note_step(p, event, &s->bind);
    vm_meter_start(s->vm, p->lua_bytes > 0 && (size_t)p->lua_bytes < allow
                              ? allow - (size_t)p->lua_bytes : allow);
    bad = vm_enter(s->vm, step_body, &st, fault);
    p->lua_bytes += vm_meter_stop(s->vm);
    s->bind.plan = NULL;
    if (bad)
        tell_nonsense(fault);
    p->took = clock_now() - s->bind.now;
    policy_count(s, &s->models[p->policy], HOOK_STEP, fault->kind, p->took);
    *ops = s->ops;
    *n = bad ? 0 : st.n;
    if (bad)
        return -1;
    note_ops(p, s, st.n);
    for (size_t i = 0; i < st.n; i++)
        if (s->ops[i].kind == OP_DONE)
            plan_close(p);
    return 0;
}

int plan_begin(struct plan *p, struct policy_state *s, const struct op **ops,
               size_t *n, struct vm_fault *fault)
{
    struct plan_event begin = {.kind = PLAN_BEGIN};

    p->state = s;
    p->ref = LUA_NOREF;
    p->begun = false;
    p->lua_bytes = 0;
    return plan_step(p, &begin, ops, n, fault);
}

void plan_close(struct plan *p)
{
    struct policy_state *s = p->state;

    if (!s)
        return;
    if (p->begun) {
        bind_close_request(p);
        /* Cannot raise: a slot of a plain table that is there. */
        luaL_unref(vm_lua(s->vm), LUA_REGISTRYINDEX, p->ref);
    }
    p->begun = false;
    p->state = NULL;
}

bool plan_open(const struct plan *p)
{
    return p->state != NULL;
}

/* -- asking ---------------------------------------------------------------- */

struct generation *policy_generation(const struct policy_state *s)
{
    return s->generation;
}

void policy_pin(struct policy_state *s)
{
    s->pins++;
}

unsigned policy_unpin(struct policy_state *s)
{
    return --s->pins;
}

unsigned policy_pins(const struct policy_state *s)
{
    return s->pins;
}

void policy_tend(struct policy_state *s)
{
    vm_collect(s->vm);
    metrics_set(s->env.metrics, s->env.shard, s->memory, (double)vm_bytes(s->vm));
}

bool policy_full(const struct policy_state *s)
{
    size_t max = s->generation->config->settings.lua_state_max;

    return vm_bytes(s->vm) > max - max / 16;
}

const char *policy_name(const struct policy_state *s, unsigned model)
{
    return s->models[model].name;
}

const char *policy_label(const struct policy_state *s, unsigned model)
{
    return s->models[model].label;
}

void policy_serves(struct policy_state *s)
{
    vm_aside(s->vm, false);
}

void policy_trust(struct policy_state *s)
{
    for (size_t i = 0; i < s->generation->config->nmodels; i++) {
        s->models[i].aside = false;
        s->models[i].nkills = 0;
    }
}

void policy_defaulted(struct policy_state *s, unsigned model)
{
    metrics_add(s->env.metrics, s->env.shard,
                s->models[model].calls[HOOK_STEP][RESULT_DEFAULT], 1);
}

bool policy_aside(const struct policy_state *s, unsigned model, us_t now)
{
    (void)now;
    return s->models[model].aside;
}
