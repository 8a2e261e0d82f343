/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: listeners and their HTTP/1.1 connections: reads heads and bodies under
 * absolute deadlines, keeps pipelined requests in order, sees a client leave at
 * once. Knows no path and no provider: server and admin give it a handler.
 */
#ifndef LEME_CONN_H
#define LEME_CONN_H

#include "clock.h"
#include "http1.h"
#include "reply.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct conn;
struct conns;

/** What a handler refuses a request with before its body was read. */
struct conn_refusal {
    int status;
    const char *headers;    /* whole lines, or "" */
    const char *body;       /* JSON; borrowed until the callback's caller wrote */
    size_t body_len;
    bool close;             /* framing is doubtful: close after the answer */
};

struct conn_handler {
    /** The head is here, the body is not. false: refuse with ${refusal}. */
    bool (*head)(void *arg, struct conn *c, struct conn_refusal *refusal);
    /** The request is whole. The handler answers through conn_reply, now or
     * later, and ends with conn_done. */
    void (*request)(void *arg, struct conn *c);
    /** The client left (or its connection broke, or its body cannot be read)
     * after ${head} accepted a request. The handler lets go of the conn. */
    void (*gone)(void *arg, struct conn *c);
    /** Bytes queued for a slow client went below the low mark. */
    void (*drained)(void *arg, struct conn *c);
    /** A request that cannot be read: fill ${refusal}'s body for ${fault}. Of the
     * conn only the peer is known. */
    void (*fault)(void *arg, const struct conn *c,
                  const struct http1_fault *fault, struct conn_refusal *refusal);
    /** About to return to the loop: run what is due. May be NULL. */
    void (*turn)(void *arg);
    void *arg;
};

struct conn_limits {
    size_t head_max;
    size_t body_max;
    unsigned max_connections;       /* of this conns */
    us_t header_timeout;
    us_t body_timeout;
    us_t keepalive_timeout;
    us_t write_timeout;
};

/** All connections of one loop. ${memory} may be NULL: unbounded. */
struct conns *conns_new(struct event_base *base,
                        const struct conn_limits *limits,
                        const struct conn_handler *handler,
                        struct memory *memory);
/** Close everything at once. */
void conns_free(struct conns *cs);
/** Accept on ${fd} (bound, listening, non-blocking; owned from now on).
 * ${half_close}: a FIN from the client does not cancel its request. */
int conns_listen(struct conns *cs, int fd, bool half_close);
/** Stop accepting; idle connections close, busy ones after their answer. */
void conns_drain(struct conns *cs);
/** Connections open now. */
unsigned conns_open(const struct conns *cs);

/**
 * Bind and listen on "host:port", "[v6]:port" or "unix:/path". ${reuse}: with
 * SO_REUSEPORT. Returns the descriptor, or -1 and a sentence in ${why}. The
 * address in force (port 0 resolved) goes to ${bound}.
 */
int conn_bind(const char *address, bool reuse, char *bound, size_t bound_size,
              char *why, size_t why_size);

/** The request now pending; valid until conn_done. */
const struct http1_head *conn_head(const struct conn *c);
const char *conn_bytes(const struct conn *c);   /* spans of the head point here */
char *conn_body(const struct conn *c, size_t *len);
us_t conn_received(const struct conn *c);       /* when its first byte came */
struct reply *conn_reply(struct conn *c);
/** The peer as text, "127.0.0.1" or "unix". */
const char *conn_peer(const struct conn *c);
void conn_set_user(struct conn *c, void *user);
void *conn_user(const struct conn *c);
/** Flush the reply; watches a slow client. Queued bytes left. */
size_t conn_flush(struct conn *c);
/** The request's body is not needed any more. */
void conn_release_body(struct conn *c);
/** The answer is finished (or cannot be: ${abort} cuts the connection). The
 * next request may be handled before this returns. */
void conn_done(struct conn *c, bool cut);

#endif
