/* SPDX-License-Identifier: Apache-2.0
 *
 * bind: the host functions, the second of the two doors between Lua and C:
 * clock, dice, targets, board, and the request's body as views. Registers them
 * into a vm; policy stands above it and owns the first door (step).
 *
 * Every C function here may raise (LUA_RAISES) and holds no heap memory of its
 * own while it may: what it allocates hangs on the plan or on Lua.
 */
#ifndef LEME_BIND_H
#define LEME_BIND_H

#include "buf.h"
#include "clock.h"
#include "json.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct board;
struct config;
struct metrics;
struct record;
struct vm;
struct plan;

#define PLAN_OVERLAYS 16
#define PLAN_ANSWER_TEXT 0
#define PLAN_ANSWER_BODY 1
#define PLAN_ANSWER_COST 2
#define PLAN_ANSWER_FACTS 3

/** What the request behind a plan can be asked. */
struct plan_view {
    /** Header ${name} (lower case) or NULL; *${len} bytes. */
    const char *(*header)(void *owner, const char *name, size_t *len);
    /** Bytes received of attempt ${id}: its text decoded, or its body; what it
     * costs as a number; or what is known of it as JSON,
     * {"finish":,"input":,"output":}. Appended to ${out}. false: no such
     * attempt, or its cost is not known (yet). */
    bool (*answer)(void *owner, unsigned id, int what, struct buf *out);
};

/** Members of the body set for one attempt: pairs of key and JSON text. */
struct overlay {
    struct buf text;                /* all values, back to back; owned */
    struct {
        char key[64];
        uint32_t at, len;
        bool removed;
    } member[16];
    unsigned n;
};

/** The plan of one request: what a policy knows of it. Embedded in request. */
struct plan {
    const struct plan_view *view;
    void *owner;
    const struct config *config;
    int client;                     /* index, -1: none configured */
    const char *id;                 /* request id */
    const char *api;                /* "chat", "completions", "embeddings" */
    struct json_doc *doc;           /* NULL: no body. May be ${native} while only
                                     * policies of ours look at it */
    struct json_doc *native;        /* the client's own body, where ${doc} was
                                     * made of it; NULL: there is none, or an
                                     * edit has no place in it */
    unsigned native_format;         /* a bit of enum native_format */
    us_t deadline;
    uint64_t rng[4];                /* seeded; recorded */
    struct record *record;
    struct overlay *overlays[PLAN_OVERLAYS];    /* owned */
    unsigned noverlays;
    int policy;                     /* index into config.models */
    /* of policy.c */
    struct policy_state *state;     /* pinned while the plan is open */
    int ref;                        /* userdata in the registry ... */
    void *handle;                   /* ... and its block; its user value: what
                                     * lua/leme keeps of the request */
    bool begun;
    bool question_kept;             /* as a user value of the handle */
    unsigned tokens;                /* estimate of the body as it is now; 0: none */
    bool tools;                     /* that body has tools */
    long lua_bytes;                 /* net, over the plan's own steps */
    us_t took;                      /* the last step */
};

/** What host functions of one state work on. */
struct bind {
    struct vm *vm;
    const struct config *config;
    struct board *board;
    struct metrics *metrics;
    unsigned shard;
    const char *revision;
    struct plan *plan;              /* in this step; NULL outside */
    us_t now, wall;                 /* frozen within a step */
    uint64_t rng[4];                /* dice outside of requests */
    const char *policy_name;        /* running; for log and metric names */
    void (*log)(void *arg, const char *level, const char *text, size_t len);
    void *log_arg;
    struct buf scratch;             /* reused between calls; never while raising*/
    int ref_request;                /* metatable of `req`, in the registry ... */
    const void *request_meta;       /* ... and its identity */
};

/** Push the `host` table on ${L}. Call inside vm_enter. */
void bind_push_host(lua_State *L, struct bind *b);

/** Push the `req` userdata of ${plan}, which the caller keeps from collection
 * until bind_close_request. */
void bind_push_request(lua_State *L, struct bind *b, struct plan *plan);
/** That userdata answers "the request is over" from now on. */
void bind_close_request(struct plan *plan);
/** What member ${chat} of a chat completion is called in a client's format (a bit
 * of enum native_format); NULL: it has no such member. Static. */
const char *bind_native_name(unsigned format, const char *chat);
/** The most tokens an answer may have as the body says now; 0: it does not. */
double bind_max_tokens(struct plan *plan);
/** Free what hangs on a plan. */
void bind_plan_free(struct plan *plan);

/** JSON text of the Lua value at ${index}, appended: tables with sorted keys,
 * node views as their own bytes. Raises with what cannot be written. */
void bind_write_json(lua_State *L, int index, struct buf *out);
/** Push the value of a JSON text: objects and arrays as tables (arrays marked,
 * null as host.null). 0, or -1 with a message pushed instead. */
int bind_read_json(lua_State *L, const char *text, size_t len);

/** xoshiro256**: the next number in [0,1). */
double bind_random(uint64_t rng[4]);
/** Fill a generator from a seed. */
void bind_seed(uint64_t rng[4], uint64_t seed);

#endif
