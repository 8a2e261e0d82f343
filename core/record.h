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
 * X(kind, fields): each field as its type and name: I int64, D double, B bool,
 * S text, cut at RECORD_TEXT bytes.
 */
#define RECORDS(X)                                                             \
    X(begin, S(id) I(ts_us) S(client) S(op) S(model) B(stream) S(policy)       \
             S(revision) I(seed) I(body_bytes) S(traceparent))                 \
    X(step, I(at_us) S(event) I(attempt) I(wall_us))                           \
    X(event, S(name) S(value))                                                 \
    X(read, S(path) S(value) S(digest))                                        \
    X(host, S(name) S(args) S(result))                                         \
    X(number, S(name) S(args) D(result))                                       \
    X(draw, D(value))                                                          \
    X(pass, S(target) S(reason) S(at))                                         \
    X(op, S(name) I(id) S(target) S(detail))                                   \
    X(edit, S(path) S(by) I(bytes))                                            \
    X(attempt, I(id) S(target) I(start_us) I(status) S(error) S(detail)        \
               I(connect_us) I(head_us) I(first_us) I(total_us) B(reused)      \
               S(upstream_id) S(key))                                               \
    X(trace, S(key) S(value))                                                  \
    X(fault, S(what) S(message) S(where) S(traceback) S(effect))               \
    X(end, I(code) S(error) S(end) I(attempts) S(target) S(resp_model)         \
           S(fallback) I(recv_us) I(policy_us) I(connect_us) I(first_us)       \
           I(total_us) I(overhead_us) I(in) I(out) I(cache_read)               \
           I(cache_write) I(reasoning) D(usd) I(bytes_in) I(bytes_out) S(ip)   \
           S(ua) S(finish) S(key))

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
/** Is ${field} (client, model, target or error_type) of the request ${want}? */
bool record_matches(const struct record_blob *b, const char *field,
                    const char *want, size_t len);
/** The request id; "" when there is no begin entry. */
/** Has it begun at ${since} (wall clock) or later, and lasted ${least} or longer? */
bool record_reaches(const struct record_blob *b, us_t since, us_t least);
void record_id(const struct record_blob *b, char *out, size_t size);

#endif
