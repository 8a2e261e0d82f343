/* SPDX-License-Identifier: Apache-2.0
 *
 * server: the clients' side: paths, keys, limits. Takes whole requests from
 * conn and begins them in request. Called by engine.
 */
#ifndef LEME_SERVER_H
#define LEME_SERVER_H

#include <stdbool.h>

struct board;
struct conn_limits;
struct event_base;
struct memory;
struct metrics;
struct record_blob;
struct requests;
struct server;

struct server_env {
    struct event_base *base;
    struct requests *requests;
    struct board *board;
    struct metrics *metrics;
    struct memory *memory;
    unsigned shard;
    void (*finished)(void *arg, struct record_blob *blob);
    /** After every turn of the loop. */
    void (*turned)(void *arg);
    void *arg;
};

/** ${limits} are copied. */
struct server *server_new(const struct server_env *env,
                          const struct conn_limits *limits);
void server_free(struct server *s);
/** Serve on a listening descriptor, owned from now on. */
int server_listen(struct server *s, int fd, bool half_close);
/** Stop accepting; answers say `connection: close`; readiness is off. */
void server_drain(struct server *s);
unsigned server_connections(const struct server *s);

#endif
