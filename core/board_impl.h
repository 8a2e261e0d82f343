/* SPDX-License-Identifier: Apache-2.0
 *
 * board_impl: what the files of the board share: board.c (targets),
 * board_ring.c (samples of targets), board_shelf.c and board_store.c (named
 * values). Nobody else includes it, but for the unit test.
 */
#ifndef LEME_BOARD_IMPL_H
#define LEME_BOARD_IMPL_H

#include "board.h"

#include "ceilings.h"

#include <pthread.h>
#include <stdatomic.h>

#define BOARD_LINE 64       /* bytes of a cache line */
#define BOARD_WHY 96        /* bytes of a reason */

struct board_hist;          /* of one target and metric, all shards */
struct board_rings;         /* rings of one target, one shard */
struct board_store;

struct board_target {
    /* Read by every pick, written by every attempt. */
    _Atomic unsigned in_flight;
    _Atomic unsigned max_in_flight;     /* 0: none */
    _Atomic int64_t rpm_interval_ns;    /* 0: no rpm limit */
    _Atomic int64_t rpm_full_ns;        /* when all tokens are back */
    _Atomic us_t cool_until;
    _Atomic unsigned ejections;         /* since the last restore */
    _Atomic int operated;               /* enum board_state */
    _Atomic us_t probe_until;           /* until then it is taken */
    _Atomic double weight;

    struct board_rings *rings;                      /* owned; one a shard */
    _Atomic(struct board_hist *) hists[BOARD_METRICS]; /* owned; NULL: unused */

    pthread_mutex_t lock;               /* guards what follows, and changes of
                                         * cooling, ejections and probe */
    us_t eject_until;
    char why[BOARD_WHY];
    double quota_requests, quota_tokens;            /* -1: unknown */
    us_t quota_requests_until, quota_tokens_until;

    char *name;                         /* owned */
} __attribute__((aligned(BOARD_LINE)));

struct board {
    unsigned shards;
    size_t max_bytes;
    us_t wall_offset;           /* wall - monotonic clock when it was made */
    struct board_store *store;  /* owned */
    _Atomic size_t bytes;       /* of entries and histograms */
    _Atomic uint64_t evicted;

    pthread_mutex_t lock;       /* guards what follows */
    size_t hist_bytes;
    unsigned count;
    uint64_t hashes[CEIL_TARGETS];
    _Atomic(struct board_target *) targets[CEIL_TARGETS];
};

/** Zeroed memory that starts at a cache line. */
void *board_lines(size_t size);
/** ${slot} is one that board_slot gave. */
struct board_target *board_target(const struct board *b, unsigned slot);
/** Book ${n} bytes; false: no room. Never evicts. */
bool board_charge(struct board *b, size_t n);
void board_discharge(struct board *b, size_t n);

struct board_rings *board_rings_new(unsigned shards);
void board_rings_free(struct board_rings *rings);
void board_hist_free(struct board_hist *h);

struct board_store *board_store_new(void);
void board_store_free(struct board_store *s);

#endif
