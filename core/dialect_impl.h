/* SPDX-License-Identifier: Apache-2.0
 *
 * dialect_impl: one call into leme.translate, as the files of dialect share it.
 */
#ifndef LEME_DIALECT_IMPL_H
#define LEME_DIALECT_IMPL_H

#include "dialect.h"

#include "policy_impl.h"

#include <string.h>

#define MAX_ARGS 8

enum arg_kind { ARG_TEXT, ARG_NUMBER, ARG_TRUTH, ARG_REF, ARG_FACTS, ARG_SAID };

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
    struct buf *said;           /* ARG_SAID: emptied by the call */
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

static inline struct arg text_arg(const char *text, size_t len)
{
    return (struct arg){.kind = ARG_TEXT, .text = text, .len = len};
}

static inline struct arg name_arg(const char *text)
{
    return text_arg(text, strlen(text));
}

static inline struct arg number_arg(double n)
{
    return (struct arg){.kind = ARG_NUMBER, .number = n};
}

static inline struct arg truth_arg(bool holds)
{
    return (struct arg){.kind = ARG_TRUTH, .stream = holds};
}

static inline struct arg ref_arg(int ref)
{
    return (struct arg){.kind = ARG_REF, .ref = ref};
}

/** The inside of a JSON string as a text, nil when there is none. */
static inline struct arg said_arg(struct buf *said)
{
    return (struct arg){.kind = ARG_SAID, .said = said};
}

static inline struct arg facts_arg(const struct target *t, const char *api,
                            bool stream, int *keep)
{
    return (struct arg){.kind = ARG_FACTS, .target = t, .api = api,
                        .stream = stream, .keep = keep};
}

/** Call it; what comes back is given to its take. 0, or -1 and ${c->fault}. */
int dialect_call(struct call_out *c);

/* How what comes back is taken: from index 1 on. 0, or -1 when it is a refusal
 * or there is no memory. */
/** nil, error type, message at ${base}. */
int dialect_take_refusal(lua_State *L, struct call_out *c, int base);
/** A text to ${c->out}. */
int dialect_take_text(lua_State *L, struct call_out *c);
/** The same, and header lines behind it. */
int dialect_take_lines(lua_State *L, struct call_out *c);
/** A state to keep, and perhaps the bytes it begins with. */
int dialect_take_state(lua_State *L, struct call_out *c);
/** The text at ${index}, or none, cut to ${size}. */
void dialect_copy(lua_State *L, int index, char *out, size_t size);

#endif
