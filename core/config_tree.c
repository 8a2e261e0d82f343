/* SPDX-License-Identifier: Apache-2.0
 *
 * config_tree: memory of a configuration and the tree that is read from a file.
 */
#include "config_impl.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64 * KIB)

struct config_chunk {
    struct config_chunk *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

void *config_alloc(struct config_arena *a, size_t bytes)
{
    struct config_chunk *chunk = a->chunks;
    size_t need = (bytes + 15) & ~(size_t)15, size;
    void *at;

    if (need < bytes || need > a->ceiling)
        return NULL;
    if (!chunk || chunk->size - chunk->used < need) {
        size = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        if (a->bytes > a->ceiling - need)
            return NULL;
        chunk = calloc(1, sizeof *chunk + size);
        if (!chunk)
            return NULL;
        chunk->size = size;
        chunk->next = a->chunks;
        a->chunks = chunk;
        a->bytes += size;
    }
    at = chunk->bytes + chunk->used;
    chunk->used += need;
    return at;
}

void *config_array(struct config_arena *a, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n ? n : 1, size, &bytes))
        return NULL;
    return config_alloc(a, bytes);
}

char *config_copy(struct config_arena *a, const char *text, size_t len)
{
    char *copy = config_alloc(a, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void config_arena_free(struct config_arena *a)
{
    struct config_chunk *chunk = a->chunks, *next;

    a->chunks = NULL;
    a->bytes = 0;
    for (; chunk; chunk = next) {
        next = chunk->next;
        /* Keys pass through here on their way to a digest or a header. */
        explicit_bzero(chunk->bytes, chunk->used);
        free(chunk);
    }
}

struct node *config_node(struct loader *l, enum node_kind kind, int line)
{
    struct node *n = config_alloc(&l->scratch, sizeof *n);

    if (!n) {
        l->memory = true;
        return NULL;
    }
    n->kind = kind;
    n->line = line;
    return n;
}

struct block *config_block(struct loader *l, enum section section,
                           const char *name, int line)
{
    struct block *b = config_alloc(&l->scratch, sizeof *b);

    if (!b) {
        l->memory = true;
        return NULL;
    }
    b->section = section;
    b->name = name;
    b->line = line;
    *l->tail = b;
    l->tail = &b->next;
    l->count[section]++;
    return b;
}

/* Items stand before members; two items keep their order. */
static bool stands_before(const struct node *a, const struct node *b)
{
    if (!a->key || !b->key)
        return !a->key;
    return strcmp(a->key, b->key) <= 0;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node *first = NULL, **tail = &first;

    while (a && b) {
        struct node **least = stands_before(a, b) ? &a : &b;

        *tail = *least;
        tail = &(*least)->next;
        *least = (*least)->next;
    }
    *tail = a ? a : b;
    return first;
}

static struct node *sort(struct node *list, size_t n)
{
    struct node *half = list, *rest;
    size_t i;

    if (n < 2)
        return list;
    for (i = 1; i < n / 2; i++)
        half = half->next;
    rest = half->next;
    half->next = NULL;
    list = sort(list, n / 2);
    return merge(list, sort(rest, n - n / 2));
}

void config_sort_members(struct loader *l, struct node *table)
{
    struct node *n;
    size_t count = 0;
    bool sorted = true;

    for (n = table->first; n; n = n->next) {
        count++;
        if (n->next && !stands_before(n, n->next))
            sorted = false;
    }
    if (!sorted)
        table->first = sort(table->first, count);
    for (n = table->first; n && n->next; n = n->next)
        if (n->key && n->next->key && strcmp(n->key, n->next->key) == 0)
            config_wrong(l, n->next->line, NULL, "\"%s\" is written twice",
                         n->key);
}

struct node *config_member(const struct node *table, const char *key)
{
    struct node *n;

    if (!table || table->kind != NODE_TABLE)
        return NULL;
    for (n = table->first; n; n = n->next)
        if (n->key && strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

const char *config_kind(const struct node *n)
{
    static const char *const names[] = {
        "nothing", "a boolean", "a number", "a number", "a text", "a table",
        "a secret", "a secret", "a secret", "a value of no use here", "a wrong value",
    };

    static_assert(sizeof names / sizeof *names == NODE_POISON + 1, "kinds");
    return names[n->kind];
}

static const char *const words[][2] = {
    {"listen", "listen"},     {"admin", "admin"},
    {"client", "clients"},    {"provider", "providers"},
    {"service", "services"},  {"target", "targets"},
    {"model", "models"},      {"settings", "settings"},
    {"catalog", "catalog"},   {"price", "prices"},
};
static_assert(sizeof words / sizeof *words == SECTIONS_ALL, "sections");

const char *config_word(enum section section)
{
    return words[section][0];
}

const char *config_plural(enum section section)
{
    return words[section][1];
}
