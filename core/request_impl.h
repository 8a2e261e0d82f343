/* SPDX-License-Identifier: Apache-2.0
 *
 * What the request*.c files share: the request and its attempts.
 *
 *   request.c          the journey: begin, steps, deadlines, end, drop
 *   request_ops.c      what the policy asked for; the default route
 *   requests.c         all of a loop: the turn, the swap of states
 *   request_read.c     what a body and its headers say before a policy sees it
 *   request_call.c     one attempt until it is sent
 *   request_native.c   the client's own body for a provider that takes it
 *   request_limit.c    the longest answer its target gives
 *   request_flight.c   one attempt since: deadlines, reading its answer
 *   request_refusal.c  what a provider's error means, and its words
 *   request_text.c     what a policy may read of it
 *   request_relay.c    from an attempt's bytes to the client's
 *   request_finish.c   metrics, record, log line
 */
#ifndef LEME_REQUEST_IMPL_H
#define LEME_REQUEST_IMPL_H

#include "request.h"

#include "answer.h"
#include "bind.h"
#include "ceilings.h"
#include "config.h"
#include "dialect.h"
#include "json.h"
#include "metrics.h"
#include "policy.h"
#include "record.h"
#include "sse.h"
#include "timer.h"
#include "upstream.h"

#define REQUEST_WAITS 16
#define REQUEST_SPARE 256       /* kept between requests: their allocations are
                                   larger than malloc is quick with */
#define KEPT_BODY (8 * KIB)     /* of a spare attempt */
#define SERIES_CACHE 1024

struct requests {
    struct requests_env env;
    struct upstream *upstream;
    struct policy_state *state;     /* current */
    struct request *first, *last;   /* all, oldest first */
    struct request *ready;          /* with events to step */
    struct request **ready_end;
    struct event *wake;             /* a turn, right after this callback */
    bool turning;
    atomic_uint in_flight[REQUEST_OPS];     /* others read it */
    struct request *spare_requests;     /* by next, with their record's memory */
    struct flight *spare_flights;       /* by next, with their body's memory */
    unsigned nspare_requests, nspare_flights;
    double retry_tokens;
    us_t retry_refilled;
    struct buf scratch;
    uint64_t rng[4];
    struct {
        uint64_t key;
        series_t series;
    } cache[SERIES_CACHE];
};

/* Something that happened, waiting for its step. */
struct waiting {
    struct waiting *next;
    struct plan_event event;
};

/* One attempt. */
enum flight_phase {
    FLIGHT_RUNNING,     /* not answered yet */
    FLIGHT_ANSWERED,    /* content is here; held */
    FLIGHT_RELAYED,     /* its bytes go to the client */
    FLIGHT_ENDED        /* over; kept for its text until the request ends */
};

struct flight {
    struct flight *next;
    struct request *request;
    unsigned id;                    /* the policy's; 0 for the default route */
    int target;                     /* -1: a service */
    unsigned provider;
    enum flight_phase phase;
    bool shadow, hedge, events, entered, told_answered;
    struct transfer *transfer;      /* owned; NULL when over */
    struct buf body;                /* what is sent when it is not the client's */
    struct limits limits;
    us_t started, first_due, total_due, last_data;
    us_t first_at;                  /* answered */
    us_t gap;                       /* longest silence between events */
    bool native;                    /* client and provider share another format:
                                       bytes pass; answer.format says which */
    /* A provider that speaks another format: its bytes become OpenAI's here. */
    bool foreign;
    bool stream;                    /* the provider was asked for one */
    bool made;                      /* out is all of an answer that was turned
                                       into a stream, or out of one */
    size_t pumped;                  /* bytes of events that were translated */
    int facts;                      /* what the dialect keeps; 0: none */
    int translation;                /* its stream in the Lua state; 0: none */
    struct sse theirs;
    struct stencil like;            /* how its events of late are translated */
    struct buf out;                 /* translated, not taken yet */
    struct stencil_run alike;       /* of out: made with like */
    bool translated;                /* all of it is in out */
    enum error_type broke;          /* what the translation came to */
    struct sse sse;
    size_t scanned;                 /* read but not taken */
    struct answer answer;
    struct buf kept;                /* body of an error, a fetch, or a whole answer */
    bool ok;
    bool committed;                 /* bytes of it went to the client */
    bool tail;                      /* [DONE] came; only its end is awaited */
    bool done_event;                /* [DONE] was read */
    int status;
    enum error_type error;
    us_t retry_after;               /* -1 unknown */
    char detail[200];               /* for the client's error and the record */
    char code[64], param[64];       /* the provider's, of a caller's mistake */
    char upstream_id[128];
    us_t connect_us, head_us, ended;
    bool connected;                 /* got a connection, */
    bool reused;                    /* one that had served before */
};

enum reply_phase {
    REPLY_NONE,         /* nothing was written */
    REPLY_EARLY,        /* 200 and comments, before any content */
    REPLY_STREAM,       /* events are relayed */
    REPLY_OWN,          /* the policy writes its own stream */
    REPLY_DONE
};

struct request {
    struct request *prev, *next;
    struct request *ready_next;
    bool ready;
    struct requests *all;
    struct request_input in;
    char id[129];
    char trace[64];                 /* traceparent to send upstream */
    const char *api;                /* what the policy sees as req.api */
    uint64_t seed;                  /* of the plan's dice */
    int model;                      /* index into config.models */
    bool stream, include_usage;
    bool body_open;                 /* doc is open */
    struct json_doc doc;
    struct plan plan;
    struct policy_state *state;     /* counted until the request ends */
    const struct config *config;
    /* A client with another format: what it sent, and its stream. */
    const char *client_body;        /* borrowed until `done` */
    size_t client_bytes;
    struct buf converted;           /* owned: the chat completion made of it */
    bool unconverted;               /* only when an attempt needs it */
    enum error_type misread;        /* why its body is none: the client's fault,
                                       or ours */
    char *surface_notes;            /* owned: what of it that has no word for */
    struct json_doc *native;        /* owned: over client_body; see plan.native */
    int surface;                    /* its stream in the Lua state; 0: none */
    struct record record;
    struct flight *flights;
    struct flight *relayed;         /* the one being relayed, or the last */
    enum reply_phase phase;
    unsigned attempts;              /* shadows not counted */
    unsigned shadows;
    unsigned calls;                 /* asked for, refused ones included */
    struct { unsigned id; us_t due, wait; } waits[REQUEST_WAITS];
    unsigned nwaits;
    us_t slept;                     /* waits with nothing in the air */
    struct waiting *events, **events_end;   /* owned; oldest first */
    struct timer timer;
    us_t began, deadline, early_due, comment_due;
    us_t policy_us, first_us, total_us;
    bool defaulting;                /* on the default route */
    unsigned default_at;            /* its next target */
    enum error_type default_because;
    bool over;                      /* answered: what is left has no client */
    bool resume;                    /* a policy waits in req:relay */
    bool item_waits;                /* an event is with the policy */
    struct buf item;                /* that event's data */
    size_t item_raw;                /* its bytes in the transfer */
    enum error_type error;          /* what the client got; ERROR_none */
    const char *end;                /* two letters */
    unsigned held;                  /* frames on the stack that look at it */
    char *body_copy;                /* owned; when the policy outlives the client */
    char agent[120], peer[46];      /* of the client, kept for the log */
    size_t sent;                    /* bytes the client got */
    int status;                     /* the client got */
    char fallback[40];              /* error of the attempt that was left */
};

/* request.c */
/** Queue an event for the policy (or the default route) and mark as ready. */
void request_tell(struct request *r, const struct plan_event *e);
/** The one way to end: account, tell the owner, drop. ${cut}: the connection
 * cannot be used any more. */
void request_end(struct request *r, bool cut);
/** Give the client's body back, unless the policy may still read it. */
void request_release_body(struct request *r);
/** The earliest deadline decides when the timer fires. */
void request_rearm(struct request *r);

/** Drop what is queued. */
void request_forget_events(struct request *r);
/** Step the policy through what is queued. */
void request_run_events(struct request *r);
/** Free a request that nothing needs any more. */
void request_drop_if_over(struct request *r);
/** Free it, whatever runs. */
void request_drop(struct request *r);

/* requests.c */
/** The last request on ${s}, which is superseded, has ended: drop what calls of
 * its providers were prepared, and give it back. */
void requests_retire(struct requests *rs, struct policy_state *s);

/* request_read.c */
/**
 * Index the body (but for one that is not converted yet); `model` into ${name} and
 * `stream`, as the caller must give them. NULL, or what is wrong (static, or in
 * ${why}).
 */
const char *request_read_body(struct request *r, char *name, size_t size,
                              char *why, size_t why_size);
/** Keep a well-formed traceparent, to be forwarded as it is. */
void request_read_trace(struct request *r);

/* request_ops.c */
void request_run_ops(struct request *r, const struct op *ops, size_t n);
/** The policy failed: log, and go on without it if nothing went out. */
void request_policy_failed(struct request *r, const struct vm_fault *fault);
/** No policy answers: the default route does, or the client gets the error
 * ${why}, as the model's on_failure says. */
void request_without_policy(struct request *r, enum error_type why);
/** The same in words, for the record. */
const char *request_failure_effect(const struct request *r);
/** An event while on the default route. */
void request_default_event(struct request *r, const struct plan_event *e);
void request_cancel_flights(struct request *r, const struct flight *but);
/** Attempts in the air. */
unsigned request_flying(const struct request *r);

/* request_call.c */
/** Start an attempt of a target (or of a service). Never fails at once: what is
 * refused becomes an event. */
void flight_start(struct request *r, const struct op *op);

/* request_native.c */
/** Index the client's own body, for providers that take it. */
void native_begin(struct request *r);
/** The same, when nobody is going to need the chat completion: no policy looks at
 * it, and every target of ${m} takes the client's format. */
bool native_alone(struct request *r, const struct model *m);
/** The same of a body that no chat completion can be made of. */
bool native_only(struct request *r, const struct model *m);
/** Before the client's bytes go. */
void native_end(struct request *r);
/** May this attempt send it, with its edits? Then it is in ${f}->body. 1; 0: no;
 * -1: memory, or the attempt is over. */
int native_compose(struct flight *f, const struct op *op);
/** Where the client's own body goes: static, or in ${path}. */
const char *native_path(const struct flight *f, char *path, size_t size);
/** Header lines of the client's that its provider is to see, each ending in LF,
 * appended. */
void native_headers(struct flight *f, struct buf *out);

/* request_source.c: the bytes of an attempt in OpenAI's format, whatever the
 * provider speaks. */
/** Bytes not taken yet; pumps what came. */
const char *source_bytes(struct flight *f, size_t *len);
void source_take(struct flight *f, size_t n);
/** How many of the bytes from ${at} on are whole events that differ from the one
 * in front of them in a text only. */
size_t source_alike(const struct flight *f, size_t at);
void source_hold(struct flight *f, size_t bytes);
/** Nothing more will come; and how it ended. */
bool source_ended(const struct flight *f);
enum error_type source_error(const struct flight *f);
const char *source_detail(const struct flight *f);
/** Are those bytes events? */
bool source_events(const struct flight *f);
/** Make a complete answer one in OpenAI's format, or a stream of one where the
 * client wants that. 0 or -1 (f->broke, detail). */
int source_whole(struct flight *f);
/** Before the end of an attempt that failed: count what is known. */
void source_counted(struct flight *f);
void source_free(struct flight *f);

/* request_flight.c */
/** The target of an attempt; NULL of a side call. */
static inline const struct target *flight_target(const struct flight *f)
{
    return f->target < 0 ? NULL : &f->request->config->targets[f->target];
}

/** The target a pool belongs to; else ${t} itself. */
static inline const struct target *flight_whole(const struct flight *f,
                                                const struct target *t)
{
    return t->key ? &f->request->config->targets[t->of] : t;
}

static inline const struct provider *flight_provider(const struct flight *f)
{
    return &f->request->config->providers[f->provider];
}

/** The client wants one answer, its provider was asked for a stream; */
static inline bool flight_folds(const struct flight *f)
{
    return f->stream && !f->request->stream;
}

/** and the reverse. */
static inline bool flight_unfolds(const struct flight *f)
{
    return !f->stream && f->request->stream && f->target >= 0;
}

struct flight *flight_find(struct request *r, unsigned id);
void flight_news(struct flight *f);
/** End it early: caller_cancelled, or what a deadline says. */
void flight_stop(struct flight *f, enum error_type e, const char *detail);
void flight_deadlines(struct flight *f, us_t now);
us_t flight_due(const struct flight *f);
void flight_free(struct flight *f);
/** A zeroed attempt, but for its body's memory; NULL: memory. */
struct flight *flight_take(struct requests *rs);
/** request_text.c: PLAN_ANSWER_TEXT and the like, appended. */
bool flight_text(struct flight *f, int what, struct buf *out);

/* request_call.c, for request_native.c */
#define CALL_EXTRAS 24          /* an overlay's 16, and the engine's own */

/* request_limit.c */
#define LIMIT_DIGITS 12
/** Bring what is to be sent of ${doc} under ${extra} within its target's longest
 * answer: may add to ${extra} (the number's text goes to ${number}). 0; -1: the
 * attempt was refused and is over. */
int limit_apply(struct flight *f, struct json_doc *doc, struct json_extra *extra,
                size_t *n, char number[LIMIT_DIGITS]);

/** Members of an overlay, for json_write; at most 16. */
size_t call_extras(const struct overlay *o, struct json_extra *extra);
/** What leaves differs from what came by these; the first ${policy} are its. */
void call_note_edits(struct request *r, const struct json_extra *extra, size_t n,
                     size_t policy);

/* request_relay.c */
/** What every answer of the engine says about itself, as whole lines in the
 * loop's scratch; ${f} may be NULL. */
struct buf *relay_headers(struct request *r, const struct flight *f);
/** The request's id under the name that Anthropic's clients know. */
void relay_own_id(struct buf *b, const struct request *r);
void relay_header(struct buf *b, const char *name, const char *value);
/** The first byte of the answer is about to leave. */
void relay_note_first(struct request *r);
/** Answer (or end the stream) with an error; ${more} may add header lines. */
void relay_fail(struct request *r, const struct flight *f, enum error_type e,
                int status, const char *message, const struct op *more);
/** Begin to relay an answered attempt. */
void relay_start(struct request *r, struct flight *f);
/** Move what is here of the relayed attempt to the client. */
void relay_more(struct request *r);
/** Answer with the error of a failed attempt. */
void relay_failure(struct request *r, struct flight *f);
/** Answer with an error of our own (or end the stream with it). */
void relay_error(struct request *r, enum error_type e, const char *message);
/** What the policy said of the event it was shown. */
void relay_item(struct request *r, const struct op *op);
/** Commit 200 before the first token. */
void relay_early(struct request *r);
void relay_comment(struct request *r);

/* request_reply.c */
/** A reply of the policy's own. */
void relay_reply(struct request *r, const struct op *op);
void relay_open(struct request *r, const struct op *op);
void relay_write(struct request *r, const char *bytes, size_t n);
void relay_close(struct request *r, bool cut);

/* request_ops.c: may the policy continue a stream that broke? */
bool request_awaits_resume(const struct request *r);

/* request_surface.c */
bool request_has_surface(const struct request *r);
/** Convert the client's body, at once or, where that will hardly be needed, when an
 * attempt does. NULL, or what is wrong with it. */
const char *request_surface_begin(struct request *r, char *why, size_t size);
/** Convert and index it now, unless that was done. NULL, or what is wrong. */
const char *request_surface_convert(struct request *r, char *why, size_t size);
void request_surface_free(struct request *r);
/** Begin a stream unless it was begun; one OpenAI event of it (or "[DONE]"). 0 or
 * -1. */
int request_surface_open(struct request *r);
int request_surface_event(struct request *r, const char *data, size_t len);
/** End a stream with an error in the client's format. */
void request_surface_failure(struct request *r, enum error_type e,
                             const char *message);
int request_surface_answer(struct request *r, const char *text, size_t len,
                           struct buf *out);
/** The body of an error answer, and more header lines; the status to send. */
int request_surface_error(struct request *r, enum error_type e, int status,
                          const char *code,
                          const char *message, struct buf *headers,
                          struct buf *body);
/** Content type of a stream to this client; what keeps its connection alive. */
const char *request_stream_type(const struct request *r);
const char *request_keepalive(const struct request *r);

/* request_refusal.c */
/** Take the configured secrets out of ${text}, which becomes no longer. */
void request_redact(const struct request *r, char *text);
/** What a provider's error means; ${out} has its sentence, the attempt its code,
 * param and wait. */
enum error_type refusal_read(struct flight *f, const char *body, size_t len,
                             char *out, size_t size);
/** The words alone. */
void refusal_words(struct flight *f, const char *body, size_t len, char *out,
                   size_t size);

/* request_finish.c */
/** Account one attempt that is over. */
void finish_flight(struct flight *f);
/** Account the request and push its record. */
void finish_request(struct request *r);
double flight_cost(const struct flight *f);
series_t finish_series(struct requests *rs, enum metric m, uint64_t key,
                       const char *const *values);

#endif
