/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side: its requests, and answers, streams and errors in its format.
 */
#include "dialect_impl.h"

#include <stdio.h>

static int take_own(lua_State *L, struct call_out *c)
{
    c->surface->own = lua_toboolean(L, 2);
    c->surface->foreign = lua_toboolean(L, 4);
    dialect_copy(L, 3, c->surface->notes, sizeof c->surface->notes);
    return dialect_take_text(L, c);
}

static int take_failure(lua_State *L, struct call_out *c)
{
    if (lua_isinteger(L, 3))
        *c->status = (int)lua_tointeger(L, 3);
    return dialect_take_lines(L, c);
}

int surface_request(struct policy_state *s, const struct surface_context *x,
                    struct buf *out, struct surface_facts *facts,
                    struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_request", .nargs = 4, .take = take_own,
        .out = out, .surface = facts, .fault = fault,
        .args = {name_arg(x->surface), text_arg(x->request, x->request_len),
                 name_arg(x->model), name_arg(x->verb)}};

    return dialect_call(&c);
}

int surface_answer(struct policy_state *s, const struct surface_context *x,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_answer", .nargs = 7, .take = dialect_take_text,
        .out = out, .fault = fault,
        .args = {name_arg(x->surface), text_arg(text, len), name_arg(x->id),
                 name_arg(x->model), number_arg((double)(clock_wall() / US_PER_S)),
                 text_arg(x->request, x->request_len), name_arg(x->verb)}};

    return dialect_call(&c);
}

int surface_open(struct policy_state *s, const struct surface_context *x,
                 int *stream, struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_open", .nargs = 6, .take = dialect_take_state,
        .ref = stream, .out = out, .fault = fault,
        .args = {name_arg(x->surface), name_arg(x->id), name_arg(x->model),
                 number_arg((double)(clock_wall() / US_PER_S)),
                 text_arg(x->request, x->request_len), name_arg(x->verb)}};

    return dialect_call(&c);
}

int surface_event(struct policy_state *s, int stream, const char *data,
                  size_t len, struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_event", .nargs = 2, .take = dialect_take_text,
        .out = out, .fault = fault,
        .args = {ref_arg(stream), text_arg(data, len)}};

    return dialect_call(&c);
}

int surface_stream_failure(struct policy_state *s, int stream,
                           enum error_type e, const char *message,
                           struct buf *out, struct dialect_fault *fault)
{
    struct call_out c = {
        .s = s, .function = "surface_stream_failure", .nargs = 4,
        .take = dialect_take_text, .out = out, .fault = fault,
        .args = {ref_arg(stream), name_arg(errors_row(e)->name),
                 number_arg(errors_row(e)->status), name_arg(message)}};

    return dialect_call(&c);
}

int surface_failure(struct policy_state *s, const struct surface_context *x,
                    enum error_type e, int *status, const char *code,
                    const char *message, struct buf *out, char *headers, size_t headers_size)
{
    const struct error_row *row = errors_row(e);
    struct call_out c = {
        .s = s, .function = "surface_failure", .nargs = 8,
        .take = take_failure, .out = out, .headers = headers,
        .headers_size = headers_size, .status = status,
        .args = {name_arg(x->surface), name_arg(row->name), number_arg(*status),
                 name_arg(row->type), name_arg(code), name_arg(message),
                 name_arg(x->id), name_arg(x->verb)}};

    return dialect_call(&c);
}

int surface_count_tokens(struct policy_state *s, const char *surface,
                         const char *text, size_t len, struct buf *out,
                         struct dialect_fault *fault)
{
    struct call_out c = {.s = s, .function = "count_tokens", .nargs = 2,
                         .take = dialect_take_text, .out = out, .fault = fault,
                         .args = {name_arg(surface), text_arg(text, len)}};

    return dialect_call(&c);
}
