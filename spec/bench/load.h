/* SPDX-License-Identifier: Apache-2.0
 *
 * load: a load generator for one address. This header is shared by its files
 * only: load.c (options), load_run.c (the loop and its connections),
 * load_print.c (the report).
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "answer.h"
#include "hist.h"

#include <sys/types.h>

#define LOAD_WATCH_MAX 64

enum load_failure {
    LOAD_CONNECT,       /* refused or broken before the request was sent */
    LOAD_STATUS,        /* other than 200 */
    LOAD_CUT,           /* the connection or the stream ended too early */
    LOAD_MALFORMED,     /* not HTTP */
    LOAD_UNFINISHED,    /* no answer long after the end */
    LOAD_FAILURES
};

struct load_options {
    struct sockaddr_in to;
    struct bytes request;       /* head and body, the same every time */
    unsigned connections;
    double rate;                /* requests a second; 0: closed loop */
    bool poisson;               /* random gaps instead of equal ones */
    uint64_t seed;
    bool spin;                  /* never sleep while recording an open loop */
    double warmup_s;            /* before anything is recorded */
    double seconds;             /* of recording; 0: until ${requests} */
    uint64_t requests;          /* 0: until ${seconds} */
    unsigned hold;              /* open one stream a connection; ready when each
                                   has brought so many chunks; 0: not */
    pid_t watch[LOAD_WATCH_MAX];    /* whose CPU time is read */
    unsigned nwatch;
};

struct load_result {
    double seconds;             /* the recorded time */
    double watched_cpu_s;
    double own_cpu_s;
    uint64_t completed;         /* well, within the recorded time */
    uint64_t scheduled;         /* in the recorded time */
    uint64_t failed[LOAD_FAILURES];     /* at any time */
    uint64_t status[600];               /* of failed requests */
    uint64_t reconnects;
    uint64_t queued_max;        /* requests that waited for a connection */
    uint64_t unstamped;         /* answers without a stamp */
    uint64_t streams, chunks, lost, merged;
    struct hist latency;        /* scheduled to done */
    struct hist added;          /* on the way up and on the way down; of the
                                   first chunk when it is a stream */
    struct hist late;           /* scheduled to noticed, open loop */
    struct hist first;          /* scheduled to first chunk */
    struct hist delay;          /* chunk sent to received */
};

void load_run(const struct load_options *options, struct load_result *result);
/** One JSON object in one line. */
void load_print(const struct load_options *options,
                const struct load_result *result);

#endif
