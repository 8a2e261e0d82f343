/* SPDX-License-Identifier: Apache-2.0
 *
 * admin: the operator's side: its listeners, who may speak there, the paths and
 * their JSON. Runs on the control loop; reaches the daemon through the calls it
 * is given. Called by daemon.
 */
#ifndef LEME_ADMIN_H
#define LEME_ADMIN_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admin;
struct board;
struct event_base;
struct generation;
struct metrics;
struct ring;

/** What a reload came to. */
struct admin_reload {
    const char *result;         /* applied, rejected, unchanged; "" none yet */
    char message[1024];         /* of a rejected one */
    char where[300];            /* "policies/x.lua:12", or "" */
    us_t wall;                  /* when */
};

struct admin_status {
    const char *phase;          /* running, draining, stopping */
    us_t uptime;
    unsigned workers, in_flight, connections;
    us_t oldest_age;            /* 0: none is in flight */
    size_t memory_used, memory_max;
    unsigned generations;       /* alive */
    bool reload_waits;          /* for one of them to end */
    uint64_t log_dropped;
    struct admin_reload reload; /* the last one */
};

struct admin_env {
    struct event_base *base;
    struct board *board;
    struct metrics *metrics;
    const struct ring *ring;
    /* All of these run on the loop of ${base} and answer at once. */
    const struct generation *(*generation)(void *arg);  /* the one in force */
    const char *(*policy)(void *arg, unsigned model);   /* its own name */
    void (*status)(void *arg, struct admin_status *out);
    /** Bring ring and gauges up to date. */
    void (*refresh)(void *arg);
    /** Redact a text in place; its new length. */
    size_t (*redact)(void *arg, char *text, size_t len);
    /** Ask for a reload; never runs it at once. The ticket of the one that will
     * answer: see admin_reloaded. */
    uint64_t (*reload)(void *arg);
    void (*drain)(void *arg);
    void (*stop)(void *arg);
    void *arg;
};

/** ${env} is copied. NULL: memory. */
struct admin *admin_new(const struct admin_env *env);
/** Closes every connection. Accepts NULL. */
void admin_free(struct admin *a);
/** Serve on a listening descriptor, owned from now on. */
int admin_listen(struct admin *a, int fd);
/** Reloads up to ${ticket} are done: answers those who wait for them. */
void admin_reloaded(struct admin *a, uint64_t ticket,
                    const struct admin_reload *outcome);

#endif
