/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the daemon share: the server behind leme_server_*.
 *
 *   daemon.c          life: new, run, free
 *   daemon_build.c    a configuration to a generation with its Lua states
 *   daemon_bind.c     listeners
 *   daemon_control.c  the control loop: notices, draining, the end
 *   daemon_reload.c   build aside, swap, report
 *   daemon_records.c  records and log lines from the workers
 *   daemon_gauges.c   what is measured when somebody looks
 *   daemon_mock.c     the mock provider
 *
 * Everything here runs on the thread that called leme_server_new and
 * leme_server_run, but for what says otherwise.
 */
#ifndef LEME_DAEMON_IMPL_H
#define LEME_DAEMON_IMPL_H

#include "admin.h"
#include "ceilings.h"
#include "conn.h"
#include "leme.h"
#include "memory.h"
#include "metrics.h"
#include "request.h"
#include "timer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct config;
struct engine;
struct generation;
struct log;
struct policy_state;
struct record_blob;
struct watch;

#define DAEMON_ADDRESS 128

/** One thread with one engine, and its records on their way to the control
 * loop: a stack that the worker pushes to and the loop takes whole. */
struct worker {
    struct leme_server *server;
    unsigned shard;
    struct engine *engine;          /* owned; its thread frees it */
    pthread_t thread;
    bool started;
    unsigned cut;                   /* streams cut; after the thread's end */
    _Alignas(64) _Atomic(struct record_blob *) records;
    atomic_uint nrecords;
};

/** A generation with states on workers. */
struct alive {
    struct generation *generation;  /* held; NULL: a free place */
    unsigned states;                /* not yet freed */
    char (*names)[64];              /* of the models' policies; owned */
};

enum daemon_phase { DAEMON_RUNNING, DAEMON_DRAINING, DAEMON_STOPPING,
                    DAEMON_CUTTING, DAEMON_OVER };

struct daemon_fault {
    int code;                       /* of leme.h */
    char message[1024];
    char where[300];
};

/* An address of the mock, one a dialect. */
struct mock_base {
    struct mock_base *next;
    char text[];
};
struct daemon_build;

struct leme_server {
    struct leme_server_options options;     /* texts are owned */
    int config_fd;                  /* a configuration made by us; -1: none */
    bool quiet;                     /* no access log */
    unsigned workers;
    struct worker *worker;          /* one a worker */
    struct memory memory;
    struct board *board;
    struct metrics *metrics;
    struct ring *ring;
    bool curl, monitor;             /* started process-wide, counted there */

    struct event_base *base;
    struct event *notices;          /* on the reading end of ${pipe} */
    int pipe[2];                    /* notices and wakes, one byte each */
    atomic_bool asleep;             /* workers must wake the loop */
    struct timer records_timer;
    struct admin *admin;
    struct log *access, *operators; /* NULL: nobody listens */
    uint64_t dropped_seen[2];       /* of the two, already in the metrics */

    char (*addresses)[DAEMON_ADDRESS];
    unsigned naddresses;
    char *summary;
    us_t started;

    /* Read by any thread that logs; written by the loop's. */
    pthread_mutex_t live_lock;
    struct alive alive[CEIL_GENERATIONS];
    struct alive *current;

    pthread_mutex_t idle_lock;
    struct policy_state **idle;     /* superseded states; under the lock */
    unsigned nidle;
    struct policy_state **ended;    /* those being freed; the closer's while it
                                       runs */
    unsigned nended;
    bool closing;                   /* the closer runs, or has just ended */
    pthread_t closer;
    atomic_bool closed;             /* ${ended} is the control loop's again */

    /* Reloads: see daemon_reload.c. */
    struct watch *watch;
    struct timer reload_timer;
    uint64_t reload_started;        /* tickets */
    bool reload_wanted, reload_waits;
    bool building;                  /* the builder runs, or has just ended */
    pthread_t builder;
    atomic_bool built;              /* ${build} is the control loop's again */
    struct daemon_build *build;     /* the builder's while it runs */
    bool swapping;
    unsigned swaps_due;
    atomic_uint swapped;            /* since the last one began */
    struct admin_reload outcome;    /* of the last one */

    /* The end: see daemon_control.c. */
    enum daemon_phase phase;
    bool drain_posted;
    unsigned quiet_turns;
    us_t phase_ends;
    struct timer phase_timer;

    struct leme_server *mock;       /* plays the mocked providers; or NULL */
    pthread_t mock_thread;
    struct mock_base *mock_bases;   /* owned; what providers' bases point to */
};

/* daemon.c */
/** As leme_server_new; ${text} is a configuration instead of a file (then there
 * is no access log), or NULL. */
int daemon_new(const struct leme_server_options *options, const char *text,
               leme_server **out, struct leme_error *error);
/** Fill ${error} (may be NULL); returns ${code}. */
int daemon_fail(struct leme_error *error, int code, const char *where,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* daemon_build.c */
/** Load the configuration; every error is logged, the first one in ${fault}. */
struct config *daemon_load(struct leme_server *s, struct daemon_fault *fault);

/** A generation built aside. */
struct daemon_build {
    struct generation *generation;  /* held */
    struct policy_state **states;   /* one a worker; owned; items are taken */
    bool unchanged;                 /* what is in force is the same */
    bool failed;
    struct daemon_fault fault;
};
/** Build from ${config} (owned from now on). 0, or -1 and the fault. Free it
 * either way. */
int daemon_build(struct leme_server *s, struct config *config,
                 struct daemon_build *b);
void daemon_build_free(struct leme_server *s, struct daemon_build *b);
/** A build that will not be in force leaves no trace in the metrics. */
void daemon_disown(struct leme_server *s, const struct daemon_build *b);
/** Make ${b}'s generation the current one. There must be a free place. */
int daemon_adopt(struct leme_server *s, struct daemon_build *b);
/** A free place for a generation, or NULL. */
struct alive *daemon_room(struct leme_server *s);
/** Account for the states that workers gave back, have them freed, and let go of
 * generations without states. */
void daemon_collect(struct leme_server *s);
/** Let go of all generations: no engine runs any more. */
void daemon_bury(struct leme_server *s);
const struct config *daemon_config(const struct leme_server *s);

/* daemon_bind.c */
/** Are the listeners of the command line as safe as the configuration's must
 * be? 0, or -1 and ${fault}. */
int daemon_may_listen(const struct leme_server *s, const struct config *c,
                      struct daemon_fault *fault);
int daemon_bind(struct leme_server *s, struct daemon_fault *fault);
int daemon_bind_admin(struct leme_server *s, struct daemon_fault *fault);

/* daemon_control.c */
/** Wake the loop; any thread, signal handlers too. */
void daemon_post(struct leme_server *s, unsigned char what);
int daemon_control_new(struct leme_server *s);
void daemon_control_free(struct leme_server *s);
/** Stop accepting, readiness off; the process stays. */
void daemon_drain(void *arg);
void daemon_stop(void *arg);
const char *daemon_phase_name(const struct leme_server *s);
unsigned daemon_in_flight(const struct leme_server *s);
unsigned daemon_in_flight_of(const struct leme_server *s, enum request_op op);
unsigned daemon_connections(const struct leme_server *s);
us_t daemon_oldest(const struct leme_server *s);

/* daemon_reload.c */
int daemon_reload_new(struct leme_server *s);
void daemon_reload_free(struct leme_server *s);
uint64_t daemon_reload(void *arg);
/** News from workers: swaps done, states given back. */
void daemon_reload_news(struct leme_server *s);
/** On a worker's thread. */
void daemon_swapped(void *arg, unsigned shard);
void daemon_idle(void *arg, unsigned shard, struct policy_state *state);
/** Watch what the current generation was read from, and ${other}. */
void daemon_watch(struct leme_server *s, const struct generation *other);

/* daemon_records.c */
/** On a worker's thread. */
void daemon_finished(void *arg, unsigned shard, struct record_blob *blob);
/** A line for the operator; any thread. */
void daemon_log(void *arg, const char *level, const char *text, size_t len);
void daemon_logf(struct leme_server *s, const char *level, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));
size_t daemon_redact(void *arg, char *text, size_t len);
/** Take all records to the ring and the log; how many there were. */
unsigned daemon_records(struct leme_server *s);
void daemon_records_new(struct leme_server *s);

/* daemon_gauges.c */
void daemon_gauges(struct leme_server *s);
/** What never changes. */
void daemon_gauges_new(struct leme_server *s);
/** ${g} is not in force any more: its gauges fall to 0. */
void daemon_gauges_clear(struct leme_server *s, const struct generation *g);
/** Which policies are in force: 1 or 0 for those of ${g}. */
void daemon_gauges_policies(struct leme_server *s, const struct generation *g,
                            char (*names)[64], double value);

/* daemon_mock.c */
/** Lead the mocked providers of ${c} to a mock of ours, which is started when
 * there is none. 0, or -1 and ${fault}. */
int daemon_mock(struct leme_server *s, struct config *c,
                struct daemon_fault *fault);
void daemon_mock_free(struct leme_server *s);

#endif
