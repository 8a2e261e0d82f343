/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider's side: requests, answers and events in its own format; whether
 * its keys are good.
 */
#include "dialect_impl.h"

#include "config.h"

#include <stdio.h>

/* -- taking ------------------------------------------------------------------ */

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
    int bad = dialect_take_text(L, c);

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
        return dialect_take_refusal(L, c, 1);
    r->native = lua_toboolean(L, 5);
    r->stream = lua_toboolean(L, 7);
    if (lua_istable(L, 6) && take_edits(L, 6, &r->edits))
        return -1;
    snprintf(r->path, sizeof r->path, "%s", lua_tostring(L, 2));
    snprintf(r->headers, sizeof r->headers, "%s", lua_tostring(L, 3));
    snprintf(r->notes, sizeof r->notes, "%s", lua_tostring(L, 4));
    return text ? buf_add(&r->body, text, len) : 0;
}

/* error type, message, code, param, retry after */
static int take_refused(lua_State *L, struct call_out *c)
{
    dialect_take_refusal(L, c, 0);
    dialect_copy(L, 3, c->code, c->code_size);
    dialect_copy(L, 4, c->param, c->param_size);
    *c->retry_after = lua_isnumber(L, 5) ? lua_tonumber(L, 5) : -1;
    return 0;
}

static int take_verdict(lua_State *L, struct call_out *c)
{
    dialect_copy(L, 1, c->verdict->verdict, sizeof c->verdict->verdict);
    dialect_copy(L, 2, c->verdict->words, sizeof c->verdict->words);
    dialect_copy(L, 3, c->verdict->missing, sizeof c->verdict->missing);
    return 0;
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

    return dialect_call(&c);
}

int dialect_answer(struct policy_state *s, const char *name, int facts,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "answer", .nargs = 3, .take = dialect_take_text, .out = out,
        .fault = fault,
        .args = {name_arg(name), text_arg(text, len), ref_arg(facts)}};

    return dialect_call(&c);
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
    dialect_call(&c);
}

int dialect_unfold(struct policy_state *s, const char *name, int facts,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "unfold", .nargs = 3, .take = dialect_take_text, .out = out,
        .fault = fault,
        .args = {name_arg(name), text_arg(text, len), ref_arg(facts)}};

    return dialect_call(&c);
}

int dialect_open(struct policy_state *s, const char *name, int facts, bool folds,
                 int *stream, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "open", .nargs = 3, .take = dialect_take_state,
        .ref = stream, .fault = fault,
        .args = {name_arg(name), ref_arg(facts), truth_arg(folds)}};

    return dialect_call(&c);
}

/* Call with the texts that went past Lua since, which are its last argument. */
static int call_telling(struct call_out *c, struct stencil *like)
{
    int bad;

    c->args[c->nargs++] = said_arg(&like->said);
    bad = dialect_call(c);
    like->said.len = 0;
    return bad;
}

static int tell(struct policy_state *s, int stream, struct stencil *like,
                struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "said", .nargs = 1,
                         .take = take_nothing, .fault = fault,
                         .args = {ref_arg(stream)}};

    return call_telling(&c, like);
}

static int ask_event(struct policy_state *s, int stream, struct stencil *like,
                     struct stencil_text event, struct stencil_text data,
                     struct buf *out, struct dialect_fault *fault)
{
    struct learning l = {like, event, data};
    struct call_out c = {
        .s = s, .function = "event", .nargs = 3, .take = take_event, .out = out,
        .fault = fault, .learning = &l,
        .args = {ref_arg(stream), text_arg(event.at, event.len),
                 text_arg(data.at, data.len)}};

    return call_telling(&c, like);
}

int dialect_event(struct policy_state *s, int stream, struct stencil *like,
                  struct stencil_text event, struct stencil_text data,
                  struct buf *out, struct dialect_fault *fault)
{
    if (stencil_apply(like, event, data, out) != 1)
        return ask_event(s, stream, like, event, data, out, fault);
    if (like->said.len >= STENCIL_SAID && tell(s, stream, like, fault))
        return -1;
    return 1;
}

int dialect_finish(struct policy_state *s, int stream, struct stencil *like,
                   struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "finish", .nargs = 1,
                         .take = dialect_take_text, .out = out, .fault = fault,
                         .args = {ref_arg(stream)}};

    return call_telling(&c, like);
}

int dialect_counted(struct policy_state *s, int stream, struct buf *out,
                    struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "counted", .nargs = 1,
                         .take = dialect_take_text, .out = out, .fault = fault,
                         .args = {ref_arg(stream)}};

    return dialect_call(&c);
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

    return dialect_call(&c);
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

    return dialect_call(&c);
}
