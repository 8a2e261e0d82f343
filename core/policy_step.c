/* SPDX-License-Identifier: Apache-2.0
 *
 * The frontier: an event in, a list of ops out. Everything that touches Lua
 * stands inside one protected entry; the ops are read and checked in the same
 * entry, so that a list is taken whole or not at all.
 */
#include "policy_impl.h"

#include "ceilings.h"
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
static void count_kill(struct model_policy *p, us_t now)
{
    us_t oldest;

    p->kills[p->nkills++ % CEIL_KILLS_PER_MINUTE] = now;
    if (p->nkills < CEIL_KILLS_PER_MINUTE)
        return;
    oldest = p->kills[p->nkills % CEIL_KILLS_PER_MINUTE];
    if (now - oldest < 60 * US_PER_S)
        p->aside = true;
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
        count_kill(p, clock_now());
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

static int push_event(lua_State *L, struct policy_state *s,
                      const struct plan *p, const struct plan_event *e)
{
    switch (e->kind) {
    case PLAN_BEGIN:
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->models[p->policy].ref);
        return 1;
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
    case PLAN_GONE:
        break;
    }
    return 0;
}

/* -- reading ops ----------------------------------------------------------- */

struct step {
    struct policy_state *s;
    struct plan *plan;
    const struct plan_event *event;
    size_t n;                   /* ops read */
};

static const char *const op_names[] = {"call",  "fetch", "cancel", "wait",
                                       "relay", "reply", "open",   "write",
                                       "close", "pass",  "drop",   "replace",
                                       "done"};

static enum op_kind check_kind(lua_State *L, int index)
{
    const char *name = lua_tostring(L, index);

    for (size_t i = 0; name && i < sizeof op_names / sizeof *op_names; i++)
        if (strcmp(op_names[i], name) == 0)
            return (enum op_kind)i;
    luaL_error(L, "policy_bad_result: no op '%s'", name ? name : "?");
    return OP_DONE;
}

static double limit(lua_State *L, int table, const char *name)
{
    double v;

    lua_pushstring(L, name);
    lua_rawget(L, table);
    v = lua_isnil(L, -1) ? 0 : lua_tonumber(L, -1);
    if (!lua_isnil(L, -1) && (!lua_isnumber(L, -1) || !(v > 0) || isinf(v)))
        luaL_error(L, "policy_bad_result: limit %s: expected a number > 0", name);
    lua_pop(L, 1);
    return v;
}

static void read_limits(lua_State *L, int table, struct limits *out)
{
    if (!lua_istable(L, table))
        return;
    out->connect = clock_from_seconds(limit(L, table, "connect"));
    out->first_token = clock_from_seconds(limit(L, table, "first_token"));
    out->idle = clock_from_seconds(limit(L, table, "idle"));
    out->total = clock_from_seconds(limit(L, table, "total"));
    out->min_speed = limit(L, table, "min_speed");
    lua_pushliteral(L, "hold");
    lua_rawget(L, table);
    if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "all") == 0)
        out->hold_all = true;
    else if (lua_isnumber(L, -1))
        out->hold = (size_t)lua_tointeger(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "policy_bad_result: limit hold: expected \"all\" or bytes");
    lua_pop(L, 1);
}

static bool flag(lua_State *L, int table, const char *name)
{
    bool on;

    if (!lua_istable(L, table))
        return false;
    lua_pushstring(L, name);
    lua_rawget(L, table);
    on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* Texts of ops go to the state's buffer; offsets first, pointers at the end,
 * because the buffer may move. */
static void keep_text(lua_State *L, struct step *st, int index, size_t *at,
                      size_t *len)
{
    const char *text = lua_tolstring(L, index, len);

    *at = st->s->text.len;
    if (text && buf_add(&st->s->text, text, *len))
        luaL_error(L, "policy_bad_result: the text is too large");
}

static bool bad_header_byte(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            return true;
    return false;
}

static bool token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '_'))
            return false;
    return n > 0;
}

/* A table of headers as whole lines. Framing stays ours. */
static void keep_headers(lua_State *L, struct step *st, int table, size_t *at,
                         size_t *len)
{
    struct buf *b = &st->s->text;
    const char *name, *value;
    size_t n, m;

    *at = b->len;
    *len = 0;
    if (!lua_istable(L, table))
        return;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
            luaL_error(L, "policy_bad_result: headers: expected text = text");
        lua_pushvalue(L, -1);
        name = lua_tolstring(L, -3, &n);
        value = lua_tolstring(L, -1, &m);
        if (!token(name, n) || bad_header_byte(value, m) || n + m > 4096)
            luaL_error(L, "policy_bad_result: header '%s' cannot be sent", name);
        if (!strcasecmp(name, "content-length") || !strcasecmp(name, "connection") ||
            !strcasecmp(name, "transfer-encoding"))
            luaL_error(L, "policy_bad_result: header '%s' is the engine's", name);
        if (buf_addf(b, "%s: ", name) || buf_add(b, value, m) ||
            buf_adds(b, "\r\n"))
            luaL_error(L, "policy_bad_result: the headers are too large");
        lua_pop(L, 1);
    }
    *len = b->len - *at;
}

static unsigned check_id(lua_State *L, int index)
{
    lua_Integer id = lua_tointeger(L, index);

    if (id < 1 || id > 1000000)
        luaL_error(L, "policy_bad_result: an op without its number");
    return (unsigned)id;
}

static void read_call(lua_State *L, struct step *st, struct op *op, int base)
{
    lua_Integer target = lua_tointeger(L, base + 2);
    lua_Integer overlay = lua_tointeger(L, base + 4);

    op->id = check_id(L, base + 1);
    if (target < 1 || (size_t)target > st->s->bind.config->ntargets)
        luaL_error(L, "policy_bad_result: call of no target");
    if (overlay < 0 || (unsigned)overlay > st->plan->noverlays)
        luaL_error(L, "policy_bad_result: call with no such overlay");
    op->target = (unsigned)target - 1;
    op->overlay = (unsigned)overlay;
    read_limits(L, base + 3, &op->limits);
    op->events = flag(L, base + 5, "events");
    op->shadow = flag(L, base + 5, "shadow");
    op->hedge = flag(L, base + 5, "hedge");
}

static void read_fetch(lua_State *L, struct step *st, struct op *op, int base,
                       size_t *at)
{
    const struct config *c = st->s->bind.config;
    const char *name = lua_tostring(L, base + 2);
    int i = name ? config_find_provider(c, name, strlen(name)) : -1;

    op->id = check_id(L, base + 1);
    if (i < 0 || !c->providers[i].service)
        luaL_error(L, "policy_bad_result: no service '%s' is declared",
                   name ? name : "?");
    op->provider = (unsigned)i;
    keep_text(L, st, base + 3, at, &op->len);
    read_limits(L, base + 4, &op->limits);
}

static void read_reply(lua_State *L, struct step *st, struct op *op, int base,
                       size_t *at, size_t *headers_at)
{
    lua_Integer status = lua_tointeger(L, base + 1);
    const char *name = lua_tostring(L, base + 4);

    if (status < 200 || status > 599)
        luaL_error(L, "policy_bad_result: reply with status %d; expected 200 to "
                      "599", (int)status);
    op->status = (int)status;
    keep_text(L, st, base + 2, at, &op->len);
    keep_headers(L, st, base + 3, headers_at, &op->headers_len);
    op->error = ERROR_none;
    if (name) {
        op->error = errors_find(name, strlen(name));
        if (op->error == ERROR__other)
            luaL_error(L, "policy_bad_result: no error type '%s'", name);
    }
}

/* Read the op whose six slots start at stack index ${base}. */
static void read_op(lua_State *L, struct step *st, struct op *op, int base)
{
    size_t at = 0, headers_at = 0;

    memset(op, 0, sizeof *op);
    op->kind = check_kind(L, base);
    switch (op->kind) {
    case OP_CALL:
        read_call(L, st, op, base);
        break;
    case OP_FETCH:
        read_fetch(L, st, op, base, &at);
        break;
    case OP_WAIT:
        op->id = check_id(L, base + 1);
        op->wait = clock_from_seconds(lua_tonumber(L, base + 2));
        break;
    case OP_OPEN:
    case OP_REPLY:
        read_reply(L, st, op, base, &at, &headers_at);
        break;
    case OP_WRITE:
        keep_text(L, st, base + 1, &at, &op->len);
        break;
    case OP_CLOSE:
        op->cut = lua_toboolean(L, base + 1);
        break;
    case OP_REPLACE:
        keep_text(L, st, base + 2, &at, &op->len);
        op->id = check_id(L, base + 1);
        break;
    case OP_RELAY:
        op->resume = lua_toboolean(L, base + 2);
        op->id = check_id(L, base + 1);
        break;
    case OP_CANCEL:
    case OP_PASS:
    case OP_DROP:
        op->id = check_id(L, base + 1);
        break;
    case OP_DONE:
        break;
    }
    /* Offsets for now, see keep_text. */
    op->text = (const char *)at;
    op->headers = (const char *)headers_at;
}

static void read_ops(lua_State *L, struct step *st, lua_Integer slots)
{
    struct policy_state *s = st->s;

    if (slots < 0 || slots % OP_SLOTS || slots / OP_SLOTS > CEIL_OPS)
        luaL_error(L, "policy_bad_result: a list of %d slots", (int)slots);
    s->text.len = 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_ops);
    for (lua_Integer i = 0; i < slots; i += OP_SLOTS) {
        int list = lua_gettop(L);

        for (int k = 1; k <= OP_SLOTS; k++)
            lua_rawgeti(L, list, i + k);
        read_op(L, st, &s->ops[st->n++], list + 1);
        lua_settop(L, list);
    }
    for (size_t i = 0; i < st->n; i++) {
        s->ops[i].text = s->text.data + (size_t)s->ops[i].text;
        s->ops[i].headers = s->text.data + (size_t)s->ops[i].headers;
    }
}

/* -- stepping -------------------------------------------------------------- */

static int step_body(lua_State *L, void *arg)
{
    struct step *st = arg;
    struct policy_state *s = st->s;
    struct plan *p = st->plan;
    int nargs;

    if (!p->begun) {
        bind_push_request(L, &s->bind, p);
        p->ref = luaL_ref(L, LUA_REGISTRYINDEX);
        p->begun = true;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_step);
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref);
    lua_pushstring(L, event_names[st->event->kind]);
    nargs = push_event(L, s, p, st->event);
    lua_call(L, nargs + 2, 1);
    read_ops(L, st, lua_tointeger(L, -1));
    return 0;
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
        record_add(p->record, RECORD_op, op_names[op->kind], (int64_t)op->id,
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
    s->bind.wall = clock_wall();
    note_step(p, event, &s->bind);
    vm_meter_start(s->vm, p->lua_bytes > 0 && (size_t)p->lua_bytes < allow
                              ? allow - (size_t)p->lua_bytes : allow);
    bad = vm_enter(s->vm, step_body, &st, fault);
    p->lua_bytes += vm_meter_stop(s->vm);
    s->bind.plan = NULL;
    if (bad)
        tell_nonsense(fault);
    policy_count(s, &s->models[p->policy], HOOK_STEP, fault->kind,
                 clock_now() - s->bind.now);
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
    lua_State *L;

    if (!s)
        return;
    if (p->begun) {
        /* None of these can raise: a full userdata, a plain table slot. */
        L = vm_lua(s->vm);
        lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref);
        bind_close_request(L, -1);
        lua_pop(L, 1);
        luaL_unref(L, LUA_REGISTRYINDEX, p->ref);
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

size_t policy_bytes(const struct policy_state *s)
{
    return vm_bytes(s->vm);
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

bool policy_aside(const struct policy_state *s, unsigned model, us_t now)
{
    (void)now;
    return s->models[model].aside;
}
