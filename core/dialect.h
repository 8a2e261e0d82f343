/* SPDX-License-Identifier: Apache-2.0
 *
 * dialect: the engine's way into lua/leme/translate.lua: one attempt's provider
 * or one request's client speaks another format than OpenAI's. Stands beside
 * policy on its states. Called by request. No function suspends; each is one
 * protected entry under the step limit.
 */
#ifndef LEME_DIALECT_H
#define LEME_DIALECT_H

#include "bind.h"
#include "buf.h"
#include "errors.h"
#include "stencil.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct policy_state;
struct target;

/** Why a translation failed. */
struct dialect_fault {
    enum error_type error;
    char message[300];
};

/** Does this dialect need translating, or do bytes pass as they are? */
bool dialect_native(const char *name);

/** What goes upstream, in the provider's format. Buffers are appended to. */
struct dialect_request {
    struct buf body;            /* empty: the OpenAI text with ${edits} */
    struct overlay edits;
    bool native;                /* answers are in OpenAI's format */
    bool stream;                /* it asks for a stream */
    char path[256];
    char headers[512];          /* lines ending in LF */
    char notes[512];            /* what was dropped or mapped, a line each */
};

/**
 * Translate an OpenAI body; ${api} is "chat", "completions", "embeddings",
 * or what the client spoke: "messages", "responses", "gemini",
 * "gemini_embeddings".
 * *${facts} becomes what the dialect keeps about this attempt: hand it to the
 * calls below, and to dialect_close in the end. 0, or -1 and ${fault}.
 */
int dialect_write(struct policy_state *s, const char *name,
                  const struct target *t, const char *api, bool stream,
                  const char *body, size_t len, int *facts,
                  struct dialect_request *out, struct dialect_fault *fault);
/** Begin with an empty one; release it. */
void dialect_request_init(struct dialect_request *r);
void dialect_request_free(struct dialect_request *r);
/** Translate a complete answer to OpenAI's format. */
int dialect_answer(struct policy_state *s, const char *name, int facts,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault);
/** What a refusal means. *${retry_after} seconds or -1. */
void dialect_refusal(struct policy_state *s, const char *name, int status,
                     const char *text, size_t len, struct dialect_fault *fault,
                     char *code, size_t code_size, char *param,
                     size_t param_size, double *retry_after);

/** The events that say what a complete answer does, usage included: event-stream
 * bytes in OpenAI's format. */
int dialect_unfold(struct policy_state *s, const char *name, int facts,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault);

/** A stream being translated: a Lua value kept by the state. 0: none. With
 * ${folds} its events give nothing and its end one complete answer. */
int dialect_open(struct policy_state *s, const char *name, int facts, bool folds,
                 int *stream, struct dialect_fault *fault);
/**
 * One event of the provider: OpenAI event-stream bytes, appended. One that
 * differs from the last in a text only is made with ${like} and without Lua,
 * where the dialect allows it: then 1, so that what was appended differs from
 * what was appended last in that text only. Else 0; -1 and ${fault}.
 */
int dialect_event(struct policy_state *s, int stream, struct stencil *like,
                  struct stencil_text event, struct stencil_text data,
                  struct buf *out, struct dialect_fault *fault);
/** The provider's clean end. */
int dialect_finish(struct policy_state *s, int stream, struct stencil *like,
                   struct buf *out, struct dialect_fault *fault);
/** What a stream that is cut has counted: an OpenAI event's data, appended;
 * nothing when it has not counted yet. */
int dialect_counted(struct policy_state *s, int stream, struct buf *out,
                    struct dialect_fault *fault);
void dialect_close(struct policy_state *s, int stream);

/* Is a key good? See lua/leme/probe.lua. */

/** One key being asked about; borrowed during the calls. */
struct dialect_probe {
    const char *dialect;
    unsigned step;              /* from 1; more after each "again" */
    const char *models;         /* configured ones, each with a LF behind it */
    bool own_path;              /* the provider has one path for everything */
};

/** What to ask: ${out} body (empty: GET), path and headers. 0; or -1: nothing,
 * ${fault} says why. */
int dialect_probe_ask(struct policy_state *s, const struct dialect_probe *p,
                      struct dialect_request *out, struct dialect_fault *fault);
/**
 * What an answer says about the key, as text: ${verdict} is works, limited,
 * refused, unpaid, failed or again; ${words} the provider's, not yet redacted;
 * ${missing} a line for each configured model it does not have. 0 or -1.
 */
struct dialect_verdict {
    char verdict[16];
    char words[512];
    char missing[2048];
};
int dialect_probe_read(struct policy_state *s, const struct dialect_probe *p,
                       int status, const char *text, size_t len,
                       struct dialect_verdict *out,
                       struct dialect_fault *fault);

/* The client's side: ${surface} is "messages", "responses" or "gemini". */

/** What an answer to the client is about; borrowed during the call. */
struct surface_context {
    const char *surface;
    const char *id, *model;
    const char *verb;           /* Gemini's; "" of others */
    const char *request;        /* the client's body */
    size_t request_len;
};

/** What a client's body is beside the chat completion made of it. */
struct surface_facts {
    bool foreign;               /* there is no chat completion: ${notes} say why */
    bool own;                   /* nothing of ours is in it: a provider of that
                                   format may be sent it as it is */
    char notes[512];            /* what a chat has no word for, a line each */
};

/** The chat request (or embeddings request) that the client's body stands for;
 * ${model}: as a path names it, "" when the body does. */
int surface_request(struct policy_state *s, const struct surface_context *c,
                    struct buf *out, struct surface_facts *facts,
                    struct dialect_fault *fault);
int surface_answer(struct policy_state *s, const struct surface_context *c,
                   const char *text, size_t len, struct buf *out,
                   struct dialect_fault *fault);
int surface_open(struct policy_state *s, const struct surface_context *c,
                 int *stream, struct buf *out, struct dialect_fault *fault);
/** One OpenAI event's data (also "[DONE]"): the client's bytes, appended. */
int surface_event(struct policy_state *s, int stream, const char *data,
                  size_t len, struct buf *out, struct dialect_fault *fault);
int surface_stream_failure(struct policy_state *s, int stream,
                           enum error_type e, const char *message,
                           struct buf *out, struct dialect_fault *fault);
/** An error answer's body, and header lines ending in LF. *${status} becomes
 * what this client expects of it. */
int surface_failure(struct policy_state *s, const struct surface_context *c,
                    enum error_type e, int *status, const char *code,
                    const char *message, struct buf *out, char *headers, size_t headers_size);
int surface_count_tokens(struct policy_state *s, const char *surface,
                         const char *text, size_t len, struct buf *out,
                         struct dialect_fault *fault);

#endif
