/* SPDX-License-Identifier: Apache-2.0
 *
 * config: one loading of one file from its first byte to the report.
 */
#include "config.h"

#include "config_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct config *config_make(void)
{
    struct config *c = calloc(1, sizeof *c);
    struct config_store *store = calloc(1, sizeof *store);

    if (!c || !store) {
        free(c);
        free(store);
        return NULL;
    }
    store->arena.ceiling = CONFIG_KEEP_BYTES;
    c->arena = store;
    config_settings_default(&c->settings);
    return c;
}

void config_free(struct config *c)
{
    struct config_store *store;

    if (!c)
        return;
    store = c->arena;
    config_arena_free(&store->arena);
    free(store);
    free(c);
}

/* Names that are not absolute begin where the file stands. */
static int keep_path(struct loader *l)
{
    const char *path = l->options->path, *slash = strrchr(path, '/');
    struct config *c = l->c;

    c->path = config_keep(l, path);
    if (!slash)
        c->dir = config_keep(l, ".");
    else if (slash == path)
        c->dir = config_keep(l, "/");
    else
        c->dir = config_copy(&l->store->arena, path, (size_t)(slash - path));
    return c->path && c->dir ? 0 : -1;
}

/* ${size} is what the file had a moment ago; it may not have grown. */
static int read_all(struct loader *l, int fd, size_t size)
{
    struct config *c = l->c;
    ssize_t n;

    c->source = config_alloc(&l->store->arena, size + 1);
    if (!c->source) {
        l->memory = true;
        return -1;
    }
    while (c->source_len < size) {
        n = read(fd, c->source + c->source_len, size - c->source_len);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            config_wrong(l, 0, NULL, "cannot be read: %s", strerror(errno));
            return -1;
        }
        c->source_len += (size_t)n;
    }
    return 0;
}

int config_read_file(struct loader *l)
{
    struct stat st;
    int fd = open(l->options->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int bad = -1;

    if (fd < 0 || fstat(fd, &st))
        config_wrong(l, 0, NULL, "cannot be read: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        config_wrong(l, 0, NULL, "is no plain file");
    else if (st.st_size > (off_t)CONFIG_FILE_BYTES)
        config_wrong(l, 0, NULL, "is larger than %d bytes",
                     (int)CONFIG_FILE_BYTES);
    else
        bad = read_all(l, fd, (size_t)st.st_size);
    if (fd >= 0)
        close(fd);
    return bad;
}

bool config_is_json(const char *path)
{
    size_t len = strlen(path);

    return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

static int longest_first(const void *a, const void *b)
{
    const struct secret *x = a, *y = b;

    return (x->len < y->len) - (x->len > y->len);
}

/* A secret that is part of another one must not be looked for first. */
static void sort_secrets(struct config_store *store)
{
    if (store->nsecrets)
        qsort(store->secrets, store->nsecrets, sizeof *store->secrets,
              longest_first);
}

static void load(struct loader *l)
{
    if (keep_path(l) || config_read_file(l))
        return;
    l->json = config_is_json(l->options->path);
    if (l->json)
        config_json_read(l);
    else
        config_lua_read(l);
    if (l->memory)
        return;
    config_build(l);
    /* What a run that was stopped did not reach is not missing. */
    if (l->partial || l->memory)
        return;
    config_route(l);
    if (!l->memory)
        config_catalog(l);
    if (!l->memory)
        config_pools(l);
    if (l->memory)
        return;
    if (config_digests(l->c))
        l->memory = true;
    else
        config_check(l);
}

struct config *config_load(const struct config_options *options,
                           config_report *report, void *arg)
{
    struct loader l = {.options = options, .c = config_make(), .end = SECTIONS};

    if (!l.c)
        return NULL;
    l.issues = calloc(CONFIG_ISSUES, sizeof *l.issues);
    if (!l.issues) {
        config_free(l.c);
        return NULL;
    }
    l.store = l.c->arena;
    l.tail = &l.blocks;
    l.scratch.ceiling = CONFIG_TREE_BYTES;
    sha256_begin(&l.outside);
    load(&l);
    sha256_end(&l.outside, l.c->outside_digest);
    if (l.memory)
        config_wrong(&l, 0, NULL, "not enough memory to read it");
    sort_secrets(l.store);
    config_secrets_index(l.store);
    config_issues_report(&l, report, arg);
    free(l.issues);
    config_arena_free(&l.scratch);
    if (!l.failed)
        return l.c;
    config_free(l.c);
    return NULL;
}
