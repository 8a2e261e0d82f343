/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream: one attempt at a provider over libcurl's multi interface, driven by
 * libevent. Owns connections, pooled handles and the bytes received but not yet
 * taken. Never names request: it reports through one callback. Only upstream*.c
 * include curl.h. Called by request.
 *
 * libcurl and socket callbacks only store bytes and set flags; the owner looks
 * at a transfer only from its own drain, after libevent has returned.
 */
#ifndef LEME_UPSTREAM_H
#define LEME_UPSTREAM_H

#include "clock.h"
#include "errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct memory;
struct provider;
struct upstream;

struct upstream_options {
    struct event_base *base;        /* borrowed until upstream_free */
    unsigned max_idle;              /* connections kept when an answer ends, in
                                       use or not, for every 512 attempts in
                                       flight; and prepared handles kept */
    us_t connect_timeout;           /* default of a call */
    const unsigned *polls;          /* how often the loop has looked at its
                                       sockets; NULL: nobody counts */
    struct memory *memory;          /* bytes not taken are charged to it; NULL:
                                       to none */
    /** There is news in the queue; called from libevent callbacks and from
     * inside upstream_start, at most once until upstream_next has answered
     * NULL. May not call back into upstream: drain afterwards. */
    void (*wake)(void *arg);
    void *arg;
};

/** Process-wide libcurl setup; counted. 0 or -1. */
int upstream_global_init(void);
void upstream_global_cleanup(void);

struct upstream *upstream_new(const struct upstream_options *options);
/** Cancels what runs and frees every transfer; no callback after it. */
void upstream_free(struct upstream *u);
/** Drop what was prepared for ${provider}, which goes away. Transfers that run
 * are not touched; its connections stay for whoever has the same address. */
void upstream_forget(struct upstream *u, const struct provider *provider);

/** What one attempt sends. Everything is borrowed: strings until upstream_start
 * returns, but ${provider} and ${body} until the transfer is released. */
struct call {
    const struct provider *provider;
    const char *method;             /* "POST" or "GET" */
    const char *path;               /* "/chat/completions": joined to the base */
    const char *body;
    size_t body_bytes;
    const char *const *headers;     /* "name: value" lines beside the provider's
                                       own; NULL-terminated; checked; a name
                                       the provider's list has is left out */
    bool stream;                    /* expects events: small receive buffer */
    us_t connect_timeout;           /* 0: the default */
    size_t hold_bytes;              /* pause above this many untaken bytes */
    void *owner;                    /* given back by upstream_next */
};

struct transfer;

/**
 * Start an attempt. Never fails at once: what goes wrong becomes news (failed
 * with an error). NULL only without memory. The request head holds our own
 * list of headers and nothing else: content-type, accept, authorization by the
 * provider's auth, the provider's headers, the call's.
 */
struct transfer *upstream_start(struct upstream *u, const struct call *call);
/** The next transfer with news since it was last returned, or NULL. */
struct transfer *upstream_next(struct upstream *u);
/** Stop it if it runs, close its connection, free it. Never from inside an
 * upstream callback. After it nothing refers to the transfer. */
void upstream_release(struct transfer *t);

void *transfer_owner(const struct transfer *t);

/** What is known so far; read-only for the owner. Times are monotonic, 0 while
 * they have not happened. */
struct transfer_state {
    us_t started;
    us_t connected;         /* connection ready (reused: at once) */
    us_t head_at;           /* final response head complete */
    us_t first_byte;        /* of the body */
    bool reused;            /* the connection had served before */
    bool sent;              /* the provider may have begun: request bytes out */
    bool head;              /* the final head is complete and well-formed */
    int status;
    bool event_stream;      /* content-type: text/event-stream */
    bool encoded;           /* content-encoding other than identity */
    char content_type[64];
    char request_id[128];   /* provider's id, visible ASCII only */
    us_t retry_after;       /* -1 none; clamped to 0..1 day */
    double quota_requests;  /* remaining; -1 unknown */
    double quota_tokens;
    us_t quota_reset_requests;  /* from now; -1 unknown */
    us_t quota_reset_tokens;
    bool ended;             /* nothing more will come */
    enum error_type error;  /* when ended badly: provider_connect, _dns, _tls,
                               _timeout_connect, _cut_stream, _bad_response;
                               gateway_internal: the call cannot be sent;
                               gateway_oom */
    char detail[160];       /* sentence for logs and errors; no URL, no key */
    size_t received;        /* body bytes in all */
};

const struct transfer_state *transfer_state(const struct transfer *t);
/** Body bytes not taken yet: pointer valid until the next take, start, release
 * or return to the loop. */
const char *transfer_bytes(const struct transfer *t, size_t *len);
/** Take ${n} bytes from the front; resumes the provider when it was paused for
 * them (from the next turn of the loop). */
void transfer_take(struct transfer *t, size_t n);
/** Change the number of untaken bytes above which the provider is paused. */
void transfer_hold(struct transfer *t, size_t bytes);
/** Paused now, because of untaken bytes. */
bool transfer_paused(const struct transfer *t);

/** Open connections and those in use, to ${provider}; for gauges. */
void upstream_connections(const struct upstream *u,
                          const struct provider *provider, unsigned *open,
                          unsigned *busy);

#endif
