/* SPDX-License-Identifier: Apache-2.0
 *
 * reply: the client's side of the wire, one answer at a time: head, framing,
 * queue, back-pressure. Knows a socket (or a host's sink), never a request.
 * Called by conn and request.
 */
#ifndef LEME_REPLY_H
#define LEME_REPLY_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>

/** Where an embedding host takes an answer instead of a socket. Called from the
 * loop that the engine runs on; may not call back into the engine. */
struct reply_sink {
    void (*head)(void *arg, int status, const char *headers, size_t len);
    void (*data)(void *arg, const char *bytes, size_t len);
    void (*end)(void *arg, bool whole);
};

struct memory;

/** Scratch space that all replies of one loop share between two flushes. */
struct reply_loop {
    struct buf scratch;
    struct reply *owner;            /* whose bytes are in the scratch */
    struct memory *memory;          /* what waits is charged to it; or NULL */
    char date[40];
    long long date_second;
};

struct reply {
    struct reply_loop *loop;        /* borrowed for the life of the reply */
    int fd;                         /* -1: a host's sink; borrowed */
    const struct reply_sink *sink;
    void *sink_arg;
    struct buf out;                 /* bytes a slow client has not taken */
    size_t out_at;                  /* sent from the front of out */
    size_t charged;                 /* of out, to loop->memory */
    size_t sent;                    /* bytes given to the kernel, this answer */
    int status;                     /* 0 before reply_head */
    bool minor0;                    /* HTTP/1.0: no chunked coding */
    bool head_only;                 /* answer to HEAD */
    bool keep_alive;                /* may the connection be used again */
    bool chunked;
    bool until_close;
    bool finished;                  /* reply_finish was called */
    bool broken;                    /* the client cannot be written to */
};

void reply_loop_init(struct reply_loop *loop, struct memory *memory);
void reply_loop_free(struct reply_loop *loop);

/** Bind to a socket (or sink) for the life of a connection. */
void reply_init(struct reply *r, struct reply_loop *loop, int fd);
void reply_free(struct reply *r);
/** Ready for the next answer on the same connection. */
void reply_reset(struct reply *r);

/**
 * Begin the answer: ${headers} are whole lines each ending in CRLF (may be ""),
 * ${length} the body's bytes, or -1 when it is not known. Once an answer.
 */
void reply_head(struct reply *r, int status, const char *headers, size_t n,
                long long length);
/** Add body bytes. */
void reply_body(struct reply *r, const char *bytes, size_t n);
/** The answer is whole. */
void reply_finish(struct reply *r);
/**
 * Write what was added since the last flush, at once. Must be called before
 * returning to the loop. Returns the bytes the kernel did not take yet.
 */
size_t reply_flush(struct reply *r);
/** Bytes not taken by the kernel after the last flush. */
size_t reply_queued(const struct reply *r);

/** The reason phrase of a status. */
const char *reply_reason(int status);

#endif
