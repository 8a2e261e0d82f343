/* SPDX-License-Identifier: Apache-2.0
 *
 * Each call pushes one function of leme.translate with texts and takes texts
 * back. A call that fails in Lua (and should not) is gateway_internal with its
 * message; one that answers nil says itself why.
 */
#include "dialect_impl.h"

#include "config.h"

#include <stdio.h>

/* -- pushing ----------------------------------------------------------------- */

static void push_facts(lua_State *L, struct policy_state *s,
                       const struct arg *a)
{
    static const char *const unsupported[] = {"map", "drop", "refuse"};
    static const char *const max_tokens[] = {"clamp", "refuse", "skip"};
    const struct target *t = a->target;

    lua_createtable(L, 0, 16);      /* and what a dialect leaves in it */
    lua_pushstring(L, t->model);
    lua_setfield(L, -2, "model");
    lua_pushstring(L, s->bind.config->providers[t->provider].name);
    lua_setfield(L, -2, "provider");
    lua_pushstring(L, a->api);
    lua_setfield(L, -2, "api");
    lua_pushboolean(L, a->stream);
    lua_setfield(L, -2, "stream");
    lua_pushboolean(L, t->stream == STREAM_AUTO);
    lua_setfield(L, -2, "may_stream");
    if (t->max_output) {
        lua_pushinteger(L, t->max_output);
        lua_setfield(L, -2, "max_output");
    }
    if (t->context) {
        lua_pushinteger(L, t->context);
        lua_setfield(L, -2, "context");
    }
    lua_pushstring(L, unsupported[t->unsupported]);
    lua_setfield(L, -2, "unsupported");
    lua_pushstring(L, max_tokens[t->max_tokens]);
    lua_setfield(L, -2, "max_tokens");
    lua_createtable(L, 0, (int)t->ncaps);
    for (size_t i = 0; i < t->ncaps; i++) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, t->caps[i]);
    }
    lua_setfield(L, -2, "caps");
    lua_pushvalue(L, -1);
    *a->keep = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void push_said(lua_State *L, struct buf *said)
{
    luaL_Buffer b;
    char *at;

    if (said->len == 0) {
        lua_pushnil(L);
        return;
    }
    if (!memchr(said->data, '\\', said->len)) {
        lua_pushlstring(L, said->data, said->len);
        return;
    }
    at = luaL_buffinitsize(L, &b, said->len);
    luaL_pushresultsize(&b, json_unescape(said->data, said->len, at));
}

static void push_arg(lua_State *L, struct policy_state *s, const struct arg *a)
{
    switch (a->kind) {
    case ARG_TEXT:
        lua_pushlstring(L, a->text ? a->text : "", a->len);
        break;
    case ARG_NUMBER:
        lua_pushnumber(L, a->number);
        break;
    case ARG_TRUTH:
        lua_pushboolean(L, a->stream);
        break;
    case ARG_REF:
        lua_rawgeti(L, LUA_REGISTRYINDEX, a->ref);
        break;
    case ARG_FACTS:
        push_facts(L, s, a);
        break;
    case ARG_SAID:
        push_said(L, a->said);
        break;
    }
}

/* The functions of leme.translate, loaded on first use: most states never
 * translate. */
static void push_translate(lua_State *L, struct policy_state *s)
{
    if (s->ref_translate == 0) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_require);
        lua_pushliteral(L, "leme.translate");
        lua_call(L, 1, 1);
        s->ref_translate = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_translate);
}

/* -- taking ------------------------------------------------------------------ */

int dialect_take_refusal(lua_State *L, struct call_out *c, int base)
{
    const char *name = lua_tostring(L, base + 1);
    const char *message = lua_tostring(L, base + 2);

    c->fault->error = name ? errors_find(name, strlen(name))
                           : ERROR_gateway_internal;
    snprintf(c->fault->message, sizeof c->fault->message, "%s",
             message ? message : "the translation failed");
    return -1;
}

int dialect_take_text(lua_State *L, struct call_out *c)
{
    size_t len;
    const char *text = lua_tolstring(L, 1, &len);

    if (!text)
        return dialect_take_refusal(L, c, 1);
    return buf_add(c->out, text, len);
}

int dialect_take_state(lua_State *L, struct call_out *c)
{
    size_t len;
    const char *text = lua_tolstring(L, 2, &len);

    if (lua_isnil(L, 1))
        return dialect_take_refusal(L, c, 1);
    lua_pushvalue(L, 1);
    *c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return text && c->out ? buf_add(c->out, text, len) : 0;
}

void dialect_copy(lua_State *L, int index, char *out, size_t size)
{
    const char *text = lua_tostring(L, index);

    if (size)
        snprintf(out, size, "%s", text ? text : "");
}

int dialect_take_lines(lua_State *L, struct call_out *c)
{
    dialect_copy(L, 2, c->headers, c->headers_size);
    return dialect_take_text(L, c);
}

/* -- one call ---------------------------------------------------------------- */

struct outcome {
    struct call_out *call;
    int bad;
};

static int run_call(lua_State *L, void *arg)
{
    struct outcome *o = arg;
    struct call_out *c = o->call;

    push_translate(L, c->s);
    lua_getfield(L, -1, c->function);
    lua_replace(L, 1);
    lua_settop(L, 1);
    for (unsigned i = 0; i < c->nargs; i++)
        push_arg(L, c->s, &c->args[i]);
    lua_call(L, (int)c->nargs, 7);
    o->bad = c->take(L, c);
    return 0;
}

/* A dialect is ours and its bodies are of any size: the limit of a policy's step
 * is not for it. */
static int enter(struct policy_state *s, struct outcome *o, struct vm_fault *f)
{
    int bad;

    vm_step_limit(s->vm, CEIL_TRANSLATION_US);
    bad = vm_enter(s->vm, run_call, o, f);
    vm_step_limit(s->vm, s->generation->config->settings.step_limit);
    return bad;
}

int dialect_call(struct call_out *c)
{
    struct outcome o = {c, -1};
    struct vm_fault f;
    struct dialect_fault unused;

    if (!c->fault)
        c->fault = &unused;
    c->fault->error = ERROR_none;
    c->s->bind.now = clock_now();
    c->s->bind.wall = clock_wall();
    if (enter(c->s, &o, &f) == 0) {
        if (o.bad && c->fault->error == ERROR_none) {
            c->fault->error = ERROR_gateway_oom;
            snprintf(c->fault->message, sizeof c->fault->message,
                     "the translated text is too large");
        }
        return o.bad;
    }
    c->fault->error = ERROR_gateway_internal;
    snprintf(c->fault->message, sizeof c->fault->message, "%.290s", f.message);
    c->s->env.log(c->s->env.log_arg, "error", f.message, strlen(f.message));
    return -1;
}
