/* SPDX-License-Identifier: Apache-2.0
 *
 * mock: an OpenAI-shaped upstream for measurements. This header is shared by
 * its files only: mock.c (options, threads, loops), mock_conn.c (one
 * connection), mock_reply.c (the bytes of answers).
 */
#ifndef BENCH_MOCK_H
#define BENCH_MOCK_H

#include "heap.h"
#include "wire.h"

#include <stdatomic.h>

/* Every knob: flag and name at /bench/set, default, meaning. Times are in
 * microseconds, sizes in bytes. */
#define MOCK_KNOBS(X)                                                          \
    X(REPLY, "reply", 1024, "size of the body of a reply that is no stream")   \
    X(TTFT, "ttft", 0, "time to the first byte of an answer (the median)")     \
    X(TTFT_SIGMA, "ttft-sigma", 0, "its log-normal spread; 0: always the same") \
    X(CHUNKS, "chunks", 16, "chunks of a stream")                              \
    X(CHUNK, "chunk", 240, "size of a chunk's event")                          \
    X(PACE, "pace", 0, "time between chunks; 0: all at once")                  \
    X(ERROR_RATE, "error-rate", 0, "share of requests answered by an error")   \
    X(ERROR_CODE, "error-code", 500, "its status")                             \
    X(RETRY_AFTER, "retry-after", -1, "its Retry-After, seconds; -1: none")    \
    X(CUT, "cut", 0, "break a stream off after so many chunks; 0: never")      \
    X(CLOSE_AFTER, "close-after", 0, "requests of a connection; 0: any")       \
    X(HOLD, "hold", 0, "1: streams stay open after their chunks until told")   \
    X(FORMAT, "format", 0, "0: OpenAI's answers; 1: Anthropic's")              \
    X(REMEMBER, "remember", 0, "1: keep the last body for /bench/last")

enum mock_knob {
#define X(name, flag, initial, text) MOCK_##name,
    MOCK_KNOBS(X)
#undef X
    MOCK_KNOB_COUNT
};

/** What all threads share. Knobs are set while nothing runs. */
struct mock_shared {
    double knob[MOCK_KNOB_COUNT];
    atomic_uint version;        /* of the knobs, for prepared answers */
    char *raw;                  /* answer everything with these, then close */
    size_t raw_len;
    atomic_ulong requests, streams, open, held, gone;
};

extern struct mock_shared mock_shared;

/** Set a knob by its flag. False: there is none, or a strange value. */
bool mock_set(const char *flag, const char *value);
/** Let all held streams of all threads end, and hold none from now on: some
 * may still have a chunk to go. */
void mock_release(void);

struct mock_conn;
struct mock_format;

/** Answers prepared for the knobs of one version; stamps are filled in late. */
struct mock_pages {
    unsigned version;
    const struct mock_format *format;
    struct bytes whole_head, whole_body, stream_head, event;
    size_t hash_at, received_at, sent_at;   /* in both heads */
    size_t body_stamp_at, body_hash_at;     /* in whole_body */
    size_t event_stamp_at;
};

struct mock_loop {
    int epoll_fd;
    int listen_fd;
    int wake_fd;                /* written to by mock_release */
    struct heap heap;           /* connections with something due */
    struct mock_pages pages;
    struct mock_conn *conns;    /* all of this loop */
    uint64_t dice;
};

/** A connection was accepted. */
void mock_conn_open(struct mock_loop *loop, int fd);
/** epoll reported something; may free ${c}. */
void mock_conn_event(struct mock_conn *c, uint32_t events);
/** Its entry of the heap is due (and was taken out); may free it. */
void mock_conn_due(struct heap_entry *entry);
/** Held streams of ${loop} may end. */
void mock_conn_release_all(struct mock_loop *loop);

struct mock_reply {
    unsigned seq;
    uint64_t received_ns;
    uint64_t hash;
    bool last;                  /* the connection closes after it */
};

/** Append answers to ${out}, stamped with the present time. */
void mock_reply_whole(struct mock_pages *p, const struct mock_reply *r,
                      struct bytes *out);
void mock_reply_stream(struct mock_pages *p, const struct mock_reply *r,
                       struct bytes *out);
void mock_reply_event(struct mock_pages *p, const struct mock_reply *r,
                      struct bytes *out);
void mock_reply_end(struct mock_pages *p, bool usage, struct bytes *out);
void mock_reply_error(int status, int retry_after, bool last,
                      struct bytes *out);
/** Answer of a /bench/ address. */
void mock_reply_own(int status, const char *body, size_t n, struct bytes *out);

#endif
