/* SPDX-License-Identifier: Apache-2.0
 *
 * engine: one event loop with its connections, requests and Lua state: a worker
 * of the daemon, or the engine of an embedding host. No locks in it; other
 * threads talk to it through its mailbox.
 */
#ifndef LEME_ENGINE_H
#define LEME_ENGINE_H

#include "clock.h"
#include "request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;
struct engine;
struct event_base;
struct generation;
struct memory;
struct metrics;
struct policy_state;
struct record_blob;
struct requests;

/** What all engines of a process' server share; borrowed for the engine's life.*/
struct engine_shared {
    struct board *board;
    struct metrics *metrics;
    struct memory *memory;
    /** A finished request's record, owned by the receiver. On the engine's
     * thread; must not block. */
    void (*finished)(void *arg, unsigned shard, struct record_blob *blob);
    void (*log)(void *arg, const char *level, const char *text, size_t len);
    /** A superseded Lua state without plans: free it elsewhere. */
    void (*idle)(void *arg, unsigned shard, struct policy_state *state);
    /** The mailbox's last swap was done. On the engine's thread. */
    void (*swapped)(void *arg, unsigned shard);
    void *arg;
};

/** ${base} borrowed, or NULL to make one. ${state} is owned. */
struct engine *engine_new(const struct engine_shared *shared, unsigned shard,
                          struct event_base *base, struct policy_state *state);
/** From the engine's thread, when its loop does not run any more. */
void engine_free(struct engine *e);
/** Serve clients on a bound, listening descriptor (owned from now on). Before
 * engine_run, or on its thread. */
int engine_listen(struct engine *e, int fd, bool half_close);
struct event_base *engine_base(struct engine *e);
/** For a host that begins requests itself, on the engine's thread. */
struct requests *engine_requests(struct engine *e);
/** Run the loop on this thread until ENGINE_STOP. */
void engine_run(struct engine *e);

/* The mailbox: any thread. Letters are read between turns, in order. */
enum engine_letter {
    ENGINE_SWAP,        /* new requests use ${state} from now on; answered by
                           shared->swapped */
    ENGINE_DRAIN,       /* stop accepting; finish what runs */
    ENGINE_TRUST,       /* policies that were set aside are asked again */
    ENGINE_STACKS,      /* log where each policy waits */
    ENGINE_CUT,         /* end what still runs with an error */
    ENGINE_STOP         /* leave engine_run */
};
/** ${state} for ENGINE_SWAP, owned; else NULL. 0 or -1 (memory). */
int engine_post(struct engine *e, enum engine_letter what,
                struct policy_state *state);

/* Read by the control loop while the engine runs; each is one relaxed load. */
unsigned engine_in_flight(const struct engine *e, enum request_op op);
unsigned engine_connections(const struct engine *e);
us_t engine_oldest(const struct engine *e);     /* when it began; 0: none */
unsigned engine_cut_streams(const struct engine *e);

#endif
