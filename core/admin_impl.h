/* SPDX-License-Identifier: Apache-2.0
 *
 * What admin.c (HTTP), admin_show.c (what is) and admin_target.c (targets)
 * share.
 */
#ifndef LEME_ADMIN_IMPL_H
#define LEME_ADMIN_IMPL_H

#include "admin.h"
#include "buf.h"
#include "timer.h"

struct conn;

#define ADMIN_ANSWER_BYTES (64u * 1024 * 1024)

/** A POST /v1/reload whose reload is not done. */
struct admin_waiter {
    struct admin_waiter *next;
    struct conn *conn;
    uint64_t ticket;
};

/** An operator's word, on the state or on the weight of a target, that ends by
 * itself: what holds then. */
struct admin_revert {
    struct admin_revert *next;
    struct admin *admin;
    struct timer timer;
    unsigned slot;
    bool of_state;
    int state;                      /* enum board_state */
    double weight;
};

struct admin {
    struct admin_env env;
    struct conns *conns;
    struct buf out;                 /* the body being made */
    struct buf headers;
    struct admin_waiter *waiters;
    struct admin_revert *reverts;
};

/** One request while its answer is made. */
struct admin_call {
    struct admin *admin;
    struct conn *conn;
    struct buf *out;                /* the body */
    int status;
    const char *type;               /* content-type */
    char rest[512];                 /* what follows the route's path, decoded */
    const char *query;              /* behind '?', not NUL-terminated */
    size_t query_len;
    bool later;                     /* admin_reloaded answers */
};

/** Make the answer an error in the shape all errors have. */
void admin_refuse(struct admin_call *call, int status, const char *type,
                  const char *code, const char *message);
/** The text of a query parameter, escapes decoded, into ${out}; its length, or
 * -1 when it is not there or too long. */
int admin_value(const struct admin_call *call, const char *name, char *out,
                size_t size);
/** A number of the query, or ${otherwise}; clamped to 0..${max}. */
size_t admin_number(const struct admin_call *call, const char *name,
                    size_t otherwise, size_t max);
bool admin_asked(const struct admin_call *call, const char *name);
/** `"name":` and a JSON string, with a comma before it unless first. */
void admin_text(struct buf *b, const char *name, const char *value);
/** What a reload came to, as members of an object. */
void admin_outcome(struct buf *b, const struct admin_reload *r);

/* admin_show.c */
void admin_live(struct admin_call *call);
void admin_ready(struct admin_call *call);
void admin_metrics(struct admin_call *call);
void admin_info(struct admin_call *call);
void admin_status(struct admin_call *call);
void admin_config(struct admin_call *call);
void admin_policies(struct admin_call *call);
void admin_requests(struct admin_call *call);
void admin_request(struct admin_call *call);

/* admin_target.c */
void admin_targets(struct admin_call *call);
void admin_target(struct admin_call *call);
void admin_operate(struct admin_call *call);
void admin_reverts_free(struct admin *a);

#endif
