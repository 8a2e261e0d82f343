/* SPDX-License-Identifier: Apache-2.0
 *
 * answer: one HTTP/1.1 answer as it arrives: head, framing, and the body's
 * bytes without the framing. Knows no socket. Called by load.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "wire.h"

enum answer_phase {
    ANSWER_HEAD,
    ANSWER_LENGTH,      /* body of a known length */
    ANSWER_SIZE,        /* a chunk's size line */
    ANSWER_CHUNK,       /* a chunk's bytes, then CRLF */
    ANSWER_TRAILER,     /* after the last chunk */
    ANSWER_UNTIL_CLOSE,
    ANSWER_DONE
};

struct answer {
    enum answer_phase phase;
    struct bytes line;      /* the head, or a line of the framing, in part */
    struct bytes body;      /* for the caller, who takes what it has read */
    size_t left;            /* of the body or the chunk with its CRLF */
    int status;
    bool stream;            /* text/event-stream */
    bool closes;            /* the connection ends with it */
};

/** Ready for the next answer; keeps its memory. */
void answer_reset(struct answer *a);
/** Take in what arrived; false: it is not HTTP. Bytes after the end are an
 * error too: nothing is pipelined. */
bool answer_feed(struct answer *a, const char *s, size_t n);
/** The connection ended; true: that was the end of the answer. */
bool answer_closed(struct answer *a);
void answer_free(struct answer *a);

#endif
