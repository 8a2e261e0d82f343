/* SPDX-License-Identifier: Apache-2.0
 *
 * record: the decision record of one request, as typed entries appended to one
 * bounded buffer, and its rendering as JSON and as an access-log line. Pure.
 * Written by bind, policy and request; read by the control loop.
 */
#ifndef LEME_RECORD_H
#define LEME_RECORD_H

#include "buf.h"
#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * X(kind, fields): fields as "name:type ..." with type i (int64), d (double),
 * s (text, cut at RECORD_TEXT bytes), b (bool).
 */
#define RECORDS(X)                                                             \
    X(begin, "id:s ts_us:i client:s op:s model:s stream:b policy:s revision:s seed:i body_bytes:i traceparent:s") \
    X(step, "at_us:i event:s attempt:i wall_us:i")                             \
    X(event, "name:s value:s")                                                 \
    X(read, "path:s value:s digest:s")                                         \
    X(host, "name:s args:s result:s")                                          \
    X(number, "name:s args:s result:d")                                        \
    X(draw, "value:d")                                                         \
    X(pass, "target:s reason:s at:s")                                          \
    X(op, "name:s id:i target:s detail:s")                                     \
    X(edit, "path:s by:s bytes:i")                                             \
    X(attempt, "id:i target:s start_us:i status:i error:s detail:s connect_us:i head_us:i first_us:i total_us:i reused:b upstream_id:s") \
    X(trace, "key:s value:s")                                                  \
    X(fault, "kind:s message:s where:s traceback:s effect:s")                  \
    X(end, "code:i error:s end:s attempts:i target:s resp_model:s fallback:s "  \
           "recv_us:i policy_us:i connect_us:i first_us:i total_us:i overhead_us:i " \
           "in:i out:i cache_read:i cache_write:i reasoning:i usd:d "          \
           "bytes_in:i bytes_out:i ip:s ua:s finish:s")

enum record_kind {
#define X(kind, fields) RECORD_##kind,
    RECORDS(X)
#undef X
        RECORD_KINDS
};

#define RECORD_TEXT 1024    /* bytes kept of one text field */

struct record {
    struct buf bytes;
    unsigned dropped;       /* entries that did not fit, but for the end */
};

void record_init(struct record *r);
void record_free(struct record *r);
/** Empty again; keeps a small buffer. */
void record_reset(struct record *r);
/**
 * Append an entry: one argument a field in the order of RECORDS: int64_t,
 * double, const char * (NULL is ""), or int for b. Never fails: what does not
 * fit (CEIL_RECORD_BYTES, with room kept for the end entry) is counted.
 */
void record_add(struct record *r, enum record_kind kind, ...);

/** One finished request's entries on their way to the control loop. */
struct record_blob {
    struct record_blob *next;
    size_t len;
    unsigned dropped;
    char bytes[];
};

/** A copy of ${r} in one allocation; NULL: memory. */
struct record_blob *record_seal(const struct record *r);
/** The whole record as one JSON object, appended. 0 or -1. */
int record_json(const struct record_blob *b, struct buf *out);
/** The access-log line (interfaces.md 6.7) with its newline, appended; none when
 * there is no end entry. 0 or -1. */
int record_line(const struct record_blob *b, struct buf *out);
/** The request id; "" when there is no begin entry. */
void record_id(const struct record_blob *b, char *out, size_t size);

#endif
