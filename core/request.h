/* SPDX-License-Identifier: Apache-2.0
 *
 * request: the life of one request, from a whole body to one answer or one
 * clean error: the step loop, its attempts, the relay, the accounting.
 * The journey reads from top to bottom in request.c.
 */
#ifndef LEME_REQUEST_H
#define LEME_REQUEST_H

#include "clock.h"
#include "errors.h"
#include "reply.h"

#include <stdbool.h>
#include <stddef.h>

struct board;
struct event_base;
struct memory;
struct metrics;
struct policy_state;
struct record_blob;
struct request;
struct requests;

/** Numbers that the control loop reads while the worker writes them. */
struct requests_env {
    struct event_base *base;
    struct board *board;
    struct metrics *metrics;
    struct memory *memory;
    unsigned shard;
    const unsigned *polls;          /* how often the loop has looked at its
                                       sockets; NULL: nobody counts */
    /** A finished request's record; owned by the receiver from now on. */
    void (*finished)(void *arg, struct record_blob *blob);
    /** A line for the operator. */
    void (*log)(void *arg, const char *level, const char *text, size_t len);
    /** A superseded state has no plan any more: close it off this loop. */
    void (*idle)(void *arg, struct policy_state *state);
    void *arg;
};

enum request_op { REQUEST_CHAT, REQUEST_COMPLETIONS, REQUEST_EMBEDDINGS,
                  REQUEST_MESSAGES,   /* Anthropic's */
                  REQUEST_RESPONSES,  /* OpenAI's newer */
                  REQUEST_GEMINI,     /* Google's generateContent */
                  REQUEST_GEMINI_EMBED,   /* its embeddings */
                  REQUEST_MISTRAL,    /* its own clients, OpenAI's paths */
                  REQUEST_MISTRAL_EMBED,
                  REQUEST_MOCK,       /* a mock answers, whatever it is */
                  REQUEST_OPS };

/** The name of an operation in logs and metrics: "chat". */
const char *request_op_name(enum request_op op);

/** All requests of one loop. */
struct requests *requests_new(const struct requests_env *env);
void requests_free(struct requests *rs);
/** New requests run on ${state} from now on (owned until `idle` gave it back).
 * Those in flight stay on theirs. */
void requests_set_state(struct requests *rs, struct policy_state *state);
struct policy_state *requests_state(struct requests *rs);
/** Run what is due; call before returning to the loop. */
void requests_turn(struct requests *rs);
/** Those of an operation that were accepted and are not finished; any thread. */
unsigned requests_in_flight(const struct requests *rs, enum request_op op);
/** When the oldest of all began; 0: there is none. */
us_t requests_oldest(const struct requests *rs);
/** Set the gauges of this loop's connections; once a second. */
void requests_gauges(struct requests *rs);
/** Log where the policy of each request waits. */
void requests_stacks(struct requests *rs);
/** Ends every stream with an error event and every other request with 503:
 * the drain time is over. How many were cut. */
unsigned requests_cut(struct requests *rs);

/** Where a request comes from and where its answer goes. */
struct request_input {
    enum request_op op;
    const char *model;          /* that the path names; borrowed during begin.
                                   NULL: the body names it */
    const char *verb;           /* Gemini's, with the way to stream; static */
    const char *body;           /* borrowed until `done` */
    size_t body_bytes;
    int client;                 /* index into the configuration, or -1 */
    const char *peer;           /* address as text; borrowed until `done` */
    us_t received;              /* first byte of the head */
    struct reply *reply;        /* borrowed until `done` */
    /** A header of the client, as struct plan_view's. */
    const char *(*header)(void *owner, const char *name, size_t *len);
    /** Write what the reply holds; answers the bytes still queued. */
    size_t (*flush)(void *owner);
    /** The body is not needed any more (the answer has begun). */
    void (*release_body)(void *owner);
    /** The answer is finished, or cannot be (${cut}). The request is gone. */
    void (*done)(void *owner, bool cut);
    void *owner;
};

/** Begin; the answer may be finished before this returns. NULL then. */
struct request *request_begin(struct requests *rs,
                              const struct request_input *in);
/** The client left: cancel, account, free. No callback after it. */
void request_gone(struct request *r);
/** The reply's queue has room again. */
void request_drained(struct request *r);

/** Headers of an error answer and its OpenAI-shaped body, for those who refuse
 * before a request exists. ${id} may be "". */
void request_error(enum error_type e, const char *message, const char *id,
                   struct buf *headers, struct buf *body);
/** The same in the format of ${surface}: "messages", "responses" or "gemini". */
void request_foreign_error(struct requests *rs, const char *surface,
                           enum error_type e, int status, const char *message,
                           const char *id, struct buf *headers,
                           struct buf *body);
/** A request id: the client's when well-formed, else a new one. */
void request_id(const char *theirs, size_t len, char out[129]);

#endif
