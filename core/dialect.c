/* SPDX-License-Identifier: Apache-2.0
 *
 * Each call pushes one function of leme.translate with texts and takes texts
 * back. A call that fails in Lua (and should not) is gateway_internal with its
 * message; one that answers nil says itself why.
 */
#include "dialect.h"

#include "policy_impl.h"

#include "config.h"

#include <stdio.h>
#include <string.h>

#define MAX_ARGS 8
#define SAID_MAX 8192u          /* texts that Lua is not told yet */

enum arg_kind { ARG_TEXT, ARG_NUMBER, ARG_TRUTH, ARG_REF, ARG_FACTS };

struct arg {
    enum arg_kind kind;
    const char *text;
    size_t len;
    double number;
    int ref;
    const struct target *target;
    const char *api;
    bool stream;
    int *keep;                  /* ARG_FACTS: where its reference goes */
};

/* The event that a stencil may be made of. */
struct learning {
    struct stencil *like;
    struct stencil_text event, data;
};

/* One call: what goes in, and how what comes back is taken. */
struct call_out {
    struct policy_state *s;
    const char *function;
    struct arg args[MAX_ARGS];
    unsigned nargs;
    int (*take)(lua_State *L, struct call_out *c);
    struct buf *out;
    struct learning *learning;
    struct dialect_request *request;
    int *ref;
    struct surface_facts *surface;
    struct dialect_fault *fault;
    char *code, *param, *headers;
    size_t code_size, param_size, headers_size;
    double *retry_after;
    struct dialect_verdict *verdict;
    int *status;
};

static struct arg text_arg(const char *text, size_t len)
{
    return (struct arg){.kind = ARG_TEXT, .text = text, .len = len};
}

static struct arg name_arg(const char *text)
{
    return text_arg(text, strlen(text));
}

static struct arg number_arg(double n)
{
    return (struct arg){.kind = ARG_NUMBER, .number = n};
}

static struct arg truth_arg(bool holds)
{
    return (struct arg){.kind = ARG_TRUTH, .stream = holds};
}

static struct arg ref_arg(int ref)
{
    return (struct arg){.kind = ARG_REF, .ref = ref};
}

static struct arg facts_arg(const struct target *t, const char *api,
                            bool stream, int *keep)
{
    return (struct arg){.kind = ARG_FACTS, .target = t, .api = api,
                        .stream = stream, .keep = keep};
}

/* -- pushing ----------------------------------------------------------------- */

static void push_facts(lua_State *L, struct policy_state *s,
                       const struct arg *a)
{
    static const char *const unsupported[] = {"map", "drop", "refuse"};
    static const char *const max_tokens[] = {"clamp", "refuse", "skip"};
    const struct target *t = a->target;

    lua_createtable(L, 0, 8);
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

/* nil, error type, message at ${base}. */
static int take_refusal(lua_State *L, struct call_out *c, int base)
{
    const char *name = lua_tostring(L, base + 1);
    const char *message = lua_tostring(L, base + 2);

    c->fault->error = name ? errors_find(name, strlen(name))
                           : ERROR_gateway_internal;
    snprintf(c->fault->message, sizeof c->fault->message, "%s",
             message ? message : "the translation failed");
    return -1;
}

static int take_text(lua_State *L, struct call_out *c)
{
    size_t len;
    const char *text = lua_tolstring(L, 1, &len);

    if (!text)
        return take_refusal(L, c, 1);
    return buf_add(c->out, text, len);
}

static int take_nothing(lua_State *L, struct call_out *c)
{
    (void)L;
    (void)c;
    return 0;
}

/* Bytes, and the text in which the next event may differ, or nil. */
static int take_event(lua_State *L, struct call_out *c)
{
    struct learning *l = c->learning;
    size_t before = c->out->len;
    struct stencil_text text;
    int bad = take_text(L, c);

    text.at = lua_isnil(L, 1) ? NULL : lua_tolstring(L, 2, &text.len);
    if (bad || !text.at)
        stencil_clear(l->like);
    else
        stencil_learn(l->like, l->event, l->data,
                      (struct stencil_text){c->out->data + before,
                                            c->out->len - before}, text);
    return bad;
}

/* { key = JSON text | false } */
static int take_edits(lua_State *L, int table, struct overlay *o)
{
    int bad = 0;

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);

        if (lua_type(L, -2) != LUA_TSTRING || lua_rawlen(L, -2) > 63 || o->n == 16)
            return -1;
        strcpy(o->member[o->n].key, lua_tostring(L, -2));
        o->member[o->n].removed = !text;
        o->member[o->n].at = (uint32_t)o->text.len;
        o->member[o->n++].len = text ? (uint32_t)len : 0;
        bad |= text ? buf_add(&o->text, text, len) : 0;
    }
    return bad;
}

static int take_request(lua_State *L, struct call_out *c)
{
    struct dialect_request *r = c->request;
    size_t len = 0;
    const char *text = lua_tolstring(L, 1, &len);

    if (lua_isnil(L, 1))
        return take_refusal(L, c, 1);
    r->native = lua_toboolean(L, 5);
    r->stream = lua_toboolean(L, 7);
    if (lua_istable(L, 6) && take_edits(L, 6, &r->edits))
        return -1;
    snprintf(r->path, sizeof r->path, "%s", lua_tostring(L, 2));
    snprintf(r->headers, sizeof r->headers, "%s", lua_tostring(L, 3));
    snprintf(r->notes, sizeof r->notes, "%s", lua_tostring(L, 4));
    return text ? buf_add(&r->body, text, len) : 0;
}

/* A state to keep, and perhaps the bytes it begins with. */
static int take_state(lua_State *L, struct call_out *c)
{
    size_t len;
    const char *text = lua_tolstring(L, 2, &len);

    if (lua_isnil(L, 1))
        return take_refusal(L, c, 1);
    lua_pushvalue(L, 1);
    *c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return text && c->out ? buf_add(c->out, text, len) : 0;
}

static void copy_out(lua_State *L, int index, char *out, size_t size)
{
    const char *text = lua_tostring(L, index);

    if (size)
        snprintf(out, size, "%s", text ? text : "");
}

static int take_own(lua_State *L, struct call_out *c)
{
    c->surface->own = lua_toboolean(L, 2);
    copy_out(L, 3, c->surface->notes, sizeof c->surface->notes);
    return take_text(L, c);
}

/* error type, message, code, param, retry after */
static int take_refused(lua_State *L, struct call_out *c)
{
    take_refusal(L, c, 0);
    copy_out(L, 3, c->code, c->code_size);
    copy_out(L, 4, c->param, c->param_size);
    *c->retry_after = lua_isnumber(L, 5) ? lua_tonumber(L, 5) : -1;
    return 0;
}

/* A text, and lines that go with it. */
static int take_lines(lua_State *L, struct call_out *c)
{
    copy_out(L, 2, c->headers, c->headers_size);
    return take_text(L, c);
}

static int take_verdict(lua_State *L, struct call_out *c)
{
    copy_out(L, 1, c->verdict->verdict, sizeof c->verdict->verdict);
    copy_out(L, 2, c->verdict->words, sizeof c->verdict->words);
    copy_out(L, 3, c->verdict->missing, sizeof c->verdict->missing);
    return 0;
}

static int take_failure(lua_State *L, struct call_out *c)
{
    if (lua_isinteger(L, 3))
        *c->status = (int)lua_tointeger(L, 3);
    return take_lines(L, c);
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

static int call(struct call_out *c)
{
    struct outcome o = {c, -1};
    struct vm_fault f;
    struct dialect_fault unused;

    if (!c->fault)
        c->fault = &unused;
    c->fault->error = ERROR_none;
    c->s->bind.now = clock_now();
    c->s->bind.wall = clock_wall();
    if (vm_enter(c->s->vm, run_call, &o, &f) == 0) {
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

/* -- the provider's side ------------------------------------------------------ */

bool dialect_native(const char *name)
{
    return strcmp(name, "openai") == 0;
}

void dialect_request_init(struct dialect_request *r)
{
    memset(r, 0, sizeof *r);
    buf_init(&r->body, CEIL_BODY_BYTES + 2 * MIB);
    buf_init(&r->edits.text, CEIL_BODY_BYTES);
}

void dialect_request_free(struct dialect_request *r)
{
    buf_free(&r->body);
    buf_free(&r->edits.text);
}

int dialect_write(struct policy_state *s, const char *name,
                  const struct target *t, const char *api, bool stream,
                  const char *body, size_t len, int *facts,
                  struct dialect_request *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "request", .nargs = 3, .take = take_request,
        .request = out, .fault = fault,
        .args = {name_arg(name), text_arg(body, len),
                 facts_arg(t, api, stream, facts)}};

    return call(&c);
}

int dialect_answer(struct policy_state *s, const char *name, int facts,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "answer", .nargs = 3, .take = take_text, .out = out,
        .fault = fault,
        .args = {name_arg(name), text_arg(text, len), ref_arg(facts)}};

    return call(&c);
}

void dialect_refusal(struct policy_state *s, const char *name, int status,
                     const char *text, size_t len, struct dialect_fault *fault,
                     char *code, size_t code_size, char *param,
                     size_t param_size, double *retry_after)
{
    struct call_out c = {
        .s = s, .function = "failure", .nargs = 3, .take = take_refused,
        .fault = fault, .code = code, .code_size = code_size, .param = param,
        .param_size = param_size, .retry_after = retry_after,
        .args = {name_arg(name), number_arg(status), text_arg(text, len)}};

    *retry_after = -1;
    call(&c);
}

int dialect_unfold(struct policy_state *s, const char *name, int facts,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "unfold", .nargs = 3, .take = take_text, .out = out,
        .fault = fault,
        .args = {name_arg(name), text_arg(text, len), ref_arg(facts)}};

    return call(&c);
}

int dialect_open(struct policy_state *s, const char *name, int facts, bool folds,
                 int *stream, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "open", .nargs = 3, .take = take_state,
        .ref = stream, .fault = fault,
        .args = {name_arg(name), ref_arg(facts), truth_arg(folds)}};

    return call(&c);
}

/* The texts that went past Lua, before it is asked again. */
static int tell(struct policy_state *s, int stream, struct stencil *like,
                struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "said", .nargs = 2, .take = take_nothing,
        .fault = fault,
        .args = {ref_arg(stream), text_arg(like->said.data, like->said.len)}};
    int bad = like->said.len ? call(&c) : 0;

    like->said.len = 0;
    return bad;
}

int dialect_event(struct policy_state *s, int stream, struct stencil *like,
                  struct stencil_text event, struct stencil_text data,
                  struct buf *out, struct dialect_fault *fault)
{
    struct learning l = {like, event, data};
    struct call_out c = {
        .s = s, .function = "event", .nargs = 3, .take = take_event, .out = out,
        .fault = fault, .learning = &l,
        .args = {ref_arg(stream), text_arg(event.at, event.len),
                 text_arg(data.at, data.len)}};

    if (stencil_apply(like, event, data, out) == 1)
        return like->said.len < SAID_MAX ? 0 : tell(s, stream, like, fault);
    return tell(s, stream, like, fault) || call(&c) ? -1 : 0;
}

int dialect_finish(struct policy_state *s, int stream, struct stencil *like,
                   struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "finish", .nargs = 1,
                         .take = take_text, .out = out, .fault = fault,
                         .args = {ref_arg(stream)}};

    return tell(s, stream, like, fault) || call(&c) ? -1 : 0;
}

int dialect_counted(struct policy_state *s, int stream, struct buf *out,
                    struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "counted", .nargs = 1,
                         .take = take_text, .out = out, .fault = fault,
                         .args = {ref_arg(stream)}};

    return call(&c);
}

void dialect_close(struct policy_state *s, int stream)
{
    if (stream)
        luaL_unref(vm_lua(s->vm), LUA_REGISTRYINDEX, stream);
}

/* -- is a key good? -------------------------------------------------------------- */

int dialect_probe_ask(struct policy_state *s, const struct dialect_probe *p,
                      struct dialect_request *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "probe_ask", .nargs = 4, .take = take_request,
        .request = out, .fault = fault,
        .args = {name_arg(p->dialect), number_arg(p->step), name_arg(p->models),
                 name_arg(p->own_path ? "own" : "")}};

    return call(&c);
}

int dialect_probe_read(struct policy_state *s, const struct dialect_probe *p,
                       int status, const char *text, size_t len,
                       struct dialect_verdict *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "probe_read", .nargs = 6, .take = take_verdict,
        .fault = fault, .verdict = out,
        .args = {name_arg(p->dialect), number_arg(p->step), name_arg(p->models),
                 name_arg(p->own_path ? "own" : ""), number_arg(status),
                 text_arg(text, len)}};

    return call(&c);
}

/* -- the client's side --------------------------------------------------------- */

int surface_request(struct policy_state *s, const struct surface_context *x,
                    struct buf *out, struct surface_facts *facts,
                    struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_request", .nargs = 4, .take = take_own,
        .out = out, .surface = facts, .fault = fault,
        .args = {name_arg(x->surface), text_arg(x->request, x->request_len),
                 name_arg(x->model), name_arg(x->verb)}};

    return call(&c);
}

int surface_answer(struct policy_state *s, const struct surface_context *x,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_answer", .nargs = 7, .take = take_text,
        .out = out, .fault = fault,
        .args = {name_arg(x->surface), text_arg(text, len), name_arg(x->id),
                 name_arg(x->model), number_arg((double)(clock_wall() / US_PER_S)),
                 text_arg(x->request, x->request_len), name_arg(x->verb)}};

    return call(&c);
}

int surface_open(struct policy_state *s, const struct surface_context *x,
                 int *stream, struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_open", .nargs = 6, .take = take_state,
        .ref = stream, .out = out, .fault = fault,
        .args = {name_arg(x->surface), name_arg(x->id), name_arg(x->model),
                 number_arg((double)(clock_wall() / US_PER_S)),
                 text_arg(x->request, x->request_len), name_arg(x->verb)}};

    return call(&c);
}

int surface_event(struct policy_state *s, int stream, const char *data,
                  size_t len, struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_event", .nargs = 2, .take = take_text,
        .out = out, .fault = fault,
        .args = {ref_arg(stream), text_arg(data, len)}};

    return call(&c);
}

int surface_stream_failure(struct policy_state *s, int stream,
                           enum error_type e, const char *message,
                           struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_stream_failure", .nargs = 4,
        .take = take_text, .out = out, .fault = fault,
        .args = {ref_arg(stream), name_arg(errors_row(e)->name),
                 number_arg(errors_row(e)->status), name_arg(message)}};

    return call(&c);
}

int surface_failure(struct policy_state *s, const struct surface_context *x,
                    enum error_type e, int *status, const char *message,
                    struct buf *out, char *headers, size_t headers_size)
{
    const struct error_row *row = errors_row(e);
    struct call_out c = {
        .s = s, .function = "surface_failure", .nargs = 8,
        .take = take_failure, .out = out, .headers = headers,
        .headers_size = headers_size, .status = status,
        .args = {name_arg(x->surface), name_arg(row->name), number_arg(*status),
                 name_arg(row->type), name_arg(row->code), name_arg(message),
                 name_arg(x->id), name_arg(x->verb)}};

    return call(&c);
}

int surface_count_tokens(struct policy_state *s, const char *surface,
                         const char *text, size_t len, struct buf *out,
                         struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "count_tokens", .nargs = 2,
                         .take = take_text, .out = out, .fault = fault,
                         .args = {name_arg(surface), text_arg(text, len)}};

    return call(&c);
}
