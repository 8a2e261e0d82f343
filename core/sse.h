/* SPDX-License-Identifier: Apache-2.0
 *
 * sse: server-sent events: bytes in, events out (WHATWG HTML 9.2). Pure. Called
 * by answer and request.
 */
#ifndef LEME_SSE_H
#define LEME_SSE_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>

/** One event, or one run of lines without data that ended at a blank line. */
struct sse_event {
    const char *name;       /* of the event field; "" when absent */
    size_t name_len;
    const char *data;       /* lines joined by LF */
    size_t data_len;
    bool has_data;          /* false: comments, id or retry only */
    const char *id;         /* last event id so far */
    size_t id_len;
    long long retry;        /* ms, of this block; -1 when absent */
    const char *raw;        /* its bytes on the wire with the final blank line */
    size_t raw_len;
};

/**
 * A reader. The events are found in the caller's own buffer, so that the common
 * event (one data line, LF ends) costs no copy.
 */
struct sse {
    size_t looked;          /* bytes of the pending event already searched */
    size_t line;            /* where its unfinished line starts */
    size_t extra;           /* LF of the event before; not counted as its own */
    bool started;           /* the byte-order mark was looked for */
    bool last_cr;           /* a CR ended the bytes of the last event */
    unsigned ndata;         /* of the pending event: data lines so far, */
    size_t data_at;         /* the only one of them, */
    size_t data_len;
    size_t name_at;         /* and its name */
    size_t name_len;
    long long retry;
    struct buf joined;      /* several data lines; owned; its ceiling bounds
                               the whole event */
    struct buf id;          /* owned */
};

void sse_init(struct sse *s, size_t max_event);
void sse_free(struct sse *s);

enum sse_result {
    SSE_MORE,               /* no whole event yet */
    SSE_EVENT,              /* ${event} filled; raw_len bytes are consumed */
    SSE_TOO_LONG            /* an event above max_event, or no memory for it */
};

/**
 * Find the first whole event in ${bytes}[0..len). On SSE_EVENT the caller drops
 * event->raw_len bytes before the next call; the pointers live until then. On
 * SSE_MORE call again with the same bytes and more behind them: linear over all
 * calls. A CR at the very end may be half of CRLF: the event is given out at
 * once, and a LF that then comes first belongs to it and is skipped (it is part
 * of the next event's raw bytes).
 */
enum sse_result sse_next(struct sse *s, const char *bytes, size_t len,
                         struct sse_event *event);

/**
 * At the end of the stream, after SSE_MORE: do the remaining ${len} bytes hold
 * an event that only lacks its blank line? Then SSE_EVENT once. The standard
 * drops such an event; several providers send it. A last line that lacks its
 * own end means that the stream was cut in the middle: SSE_MORE.
 */
enum sse_result sse_rest(struct sse *s, const char *bytes, size_t len,
                         struct sse_event *event);

#endif
