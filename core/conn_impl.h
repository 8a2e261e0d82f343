/* SPDX-License-Identifier: Apache-2.0
 *
 * What conn.c (one connection) and conns.c (all of a loop) share.
 */
#ifndef LEME_CONN_IMPL_H
#define LEME_CONN_IMPL_H

#include "conn.h"
#include "memory.h"
#include "timer.h"

#include <event2/event_struct.h>

enum conn_state { CONN_IDLE, CONN_HEAD, CONN_BODY, CONN_BUSY, CONN_LINGER };

struct listener_socket {
    struct event event;
    struct conns *conns;
    int fd;
    bool half_close;
    bool is_unix;
    struct listener_socket *next;
};

struct conn {
    struct conns *conns;            /* borrowed */
    struct conn *prev, *next;
    int fd;
    enum conn_state state;
    bool reading;                   /* read event is added */
    bool writing;                   /* write event is added */
    bool half_close;                /* FIN does not cancel */
    bool peer_done;                 /* FIN was seen */
    bool in_handler;                /* do not handle the next request yet */
    bool close_after;
    bool doomed;                    /* drop when the stack is back in conn.c */
    struct buf in;                  /* head, body, pipelined bytes */
    struct http1_scan scan;
    struct http1_head *head;        /* from the pool; NULL when idle */
    struct http1_chunked chunked;
    struct buf ahead;               /* pipelined while BUSY: the body of the
                                       pending request may not move */
    size_t body_len;
    size_t charged;                 /* to conns->memory */
    size_t lingered;
    us_t received;
    struct reply reply;
    struct event read_event, write_event;
    struct timer timer;
    void *user;
    char peer[46];
};

struct conns {
    struct event_base *base;
    struct conn_limits limits;
    struct conn_handler handler;
    struct memory *memory;
    struct reply_loop reply_loop;
    struct listener_socket *listeners;
    struct timer accept_again;
    struct conn *first;
    unsigned open;
    bool draining;
    struct http1_head *spare[64];   /* heads not in use */
    unsigned nspare;
};

/** A connection on ${fd} that waits for its first request. */
void conn_open(struct conns *cs, int fd, bool half_close, const char *peer);
/** Tell the handler that a request whose head it accepted is not to be answered
 * any more. */
void conn_abandon(struct conn *c);
/** Free it; the only place that does. */
void conn_drop(struct conn *c);

#endif
