/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include "board.h"
#include "ceilings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct generation *generation_new(struct config *config)
{
    struct generation *g = calloc(1, sizeof *g);

    if (!g) {
        config_free(config);
        return NULL;
    }
    g->config = config;
    atomic_init(&g->refs, 1);
    return g;
}

void generation_hold(struct generation *g)
{
    atomic_fetch_add(&g->refs, 1);
}

void generation_release(struct generation *g)
{
    if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
        return;
    while (g->sources) {
        struct source *s = g->sources;

        g->sources = s->next;
        free(s->path);
        free(s->text);
        free(s);
    }
    config_free(g->config);
    free(g);
}

/* Read a regular file whole; a FIFO or device must not block the reader. */
static int read_file(const char *path, struct source *s, char *why,
                     size_t why_size)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st)) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        goto err;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, why_size, "%s: not a regular file", path);
        goto err;
    }
    if (st.st_size > (off_t)CEIL_POLICY_FILE) {
        snprintf(why, why_size, "%s: larger than %u KiB", path,
                 CEIL_POLICY_FILE / KIB);
        goto err;
    }
    s->text = malloc((size_t)st.st_size + 1);
    n = s->text ? read(fd, s->text, (size_t)st.st_size) : -1;
    if (n < 0) {
        snprintf(why, why_size, "%s: cannot be read", path);
        goto err;
    }
    s->len = (size_t)n;
    s->text[n] = '\0';
    close(fd);
    return 0;
err:
    if (fd >= 0)
        close(fd);
    return -1;
}

const struct source *generation_source(struct generation *g, const char *path,
                                       char *why, size_t why_size)
{
    struct source **at = &g->sources, *s;

    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->path, path) == 0)
            return *at;
    if (g->sealed) {
        snprintf(why, why_size, "%s: files are read only while a policy loads",
                 path);
        return NULL;
    }
    s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path)) || read_file(path, s, why, why_size)) {
        if (s) {
            free(s->path);
            free(s->text);
        }
        free(s);
        return NULL;
    }
    *at = s;
    return s;
}

void generation_seal(struct generation *g)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char all[32 * 2], sum[32];

    if (g->sealed)
        return;
    config_digest(g->config->source, g->config->source_len, all);
    if (g->config->catalog_path) {
        memcpy(all + 32, g->config->catalog_digest, 32);
        config_digest(all, sizeof all, sum);
        memcpy(all, sum, 32);
    }
    for (const struct source *s = g->sources; s; s = s->next) {
        config_digest(s->text, s->len, all + 32);
        config_digest(all, sizeof all, sum);
        memcpy(all, sum, 32);
    }
    for (int i = 0; i < 32; i++) {
        g->revision[2 * i] = hex[all[i] >> 4];
        g->revision[2 * i + 1] = hex[all[i] & 15];
    }
    memcpy(g->short_revision, g->revision, 6);
    memcpy(&g->id, all, sizeof g->id);
    g->sealed = true;
}

/* A place that only counts: max_in_flight requests under this name. */
static int limit_slot(struct board *board, const char *kind, const char *name,
                      unsigned max)
{
    char full[200];

    if (max == 0)
        return -1;
    snprintf(full, sizeof full, "%s:%s", kind, name);
    return board_slot(board, full);
}

int generation_attach(struct config *c, struct board *board)
{
    for (size_t i = 0; i < c->ntargets; i++) {
        int slot = board_slot(board, c->targets[i].name);

        if (slot < 0)
            return -1;
        c->targets[i].slot = (unsigned)slot;
    }
    for (size_t i = 0; i < c->nclients; i++)
        c->clients[i].slot = limit_slot(board, "client", c->clients[i].name,
                                        c->clients[i].max_in_flight);
    c->settings.global_slot = limit_slot(board, "engine", "requests",
                                         c->settings.max_in_flight);
    return 0;
}

void generation_limits(const struct config *c, struct board *board)
{
    for (size_t i = 0; i < c->ntargets; i++) {
        const struct target *t = &c->targets[i];

        /* Each key has the whole limit; all of them together have none. */
        board_limits(board, t->slot, t->npools ? 0 : t->max_in_flight,
                     t->npools ? 0 : t->rpm);
    }
    for (size_t i = 0; i < c->nclients; i++)
        if (c->clients[i].slot >= 0)
            board_limits(board, (unsigned)c->clients[i].slot,
                         c->clients[i].max_in_flight, 0);
    if (c->settings.global_slot >= 0)
        board_limits(board, (unsigned)c->settings.global_slot,
                     c->settings.max_in_flight, 0);
}

static const struct secret *key_of(const struct config *c, int target)
{
    return &c->providers[c->targets[target].provider].key;
}

static bool same_key(const struct secret *a, const struct secret *b)
{
    return a->len == b->len && (!a->len || memcmp(a->bytes, b->bytes, a->len) == 0);
}

void generation_renew(const struct config *old, const struct config *c,
                      struct board *board)
{
    for (size_t i = 0; i < c->ntargets; i++) {
        const char *name = c->targets[i].name;
        int before = config_find_target(old, name, strlen(name));

        if (before >= 0 && !same_key(key_of(old, before), key_of(c, (int)i)))
            board_restore(board, c->targets[i].slot);
    }
}

/* How much closer to being called: what only limits hold back comes first. */
static int rank(enum board_state s)
{
    switch (s) {
    case BOARD_READY:
    case BOARD_HALF_OPEN:
        return 3;
    case BOARD_SATURATED:
        return 2;
    case BOARD_COOLING:
        return 1;
    default:
        return 0;
    }
}

enum board_state generation_state(const struct config *c,
                                  const struct target *t, struct board *board,
                                  us_t now, char *why, size_t size)
{
    enum board_state own = board_state(board, t->slot, now, why, size), s;
    const struct target *best = NULL;
    int most = -1;

    for (unsigned i = 0; own == BOARD_READY && i < t->npools; i++) {
        s = board_state(board, c->targets[t->pools + i].slot, now, NULL, 0);
        if (rank(s) == 3)
            return BOARD_READY;
        if (rank(s) > most) {
            most = rank(s);
            best = &c->targets[t->pools + i];
        }
    }
    return best ? board_state(board, best->slot, now, why, size) : own;
}
