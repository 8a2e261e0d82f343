/* SPDX-License-Identifier: Apache-2.0
 *
 * config_find: names and keys to indices, and secrets out of texts.
 */
#include "config_impl.h"

#include "sha256.h"

#include <string.h>
#include <sys/random.h>

/* --- names ---------------------------------------------------------------- */

/* FNV-1a. Only names of the configuration are ever inserted, so nobody outside
 * can make it collide. */
static uint32_t hash(const char *name, size_t len)
{
    uint32_t h = 2166136261u;
    size_t i;

    for (i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h ^ h >> 15;
}

int config_index_init(struct config_arena *arena, struct config_index *x,
                      size_t n)
{
    size_t size = 8;

    while (size < 2 * n)
        size *= 2;
    x->slots = config_array(arena, size, sizeof *x->slots);
    x->mask = (uint32_t)(size - 1);
    return x->slots ? 0 : -1;
}

/* A slot's value is the index plus one; zero is free. */
int config_index_find(const struct config_index *x, const void *base,
                      size_t stride, const char *name, size_t len)
{
    uint32_t h = hash(name, len), at;
    const struct config_slot *slot;
    const char *other;

    if (!x->slots)
        return -1;
    for (at = h & x->mask;; at = (at + 1) & x->mask) {
        slot = &x->slots[at];
        if (!slot->value)
            return -1;
        if (slot->hash != h)
            continue;
        other = *(char *const *)((const char *)base +
                                 (slot->value - 1) * stride);
        if (strlen(other) == len && memcmp(other, name, len) == 0)
            return (int)(slot->value - 1);
    }
}

void config_index_add(struct config_index *x, const char *name, unsigned value)
{
    uint32_t h = hash(name, strlen(name)), at = h & x->mask;

    while (x->slots[at].value)
        at = (at + 1) & x->mask;
    x->slots[at] = (struct config_slot){h, value + 1};
}

static const struct config_store *store_of(const struct config *c)
{
    return c->arena;
}

int config_find_target(const struct config *c, const char *name, size_t len)
{
    return config_index_find(&store_of(c)->targets, c->targets,
                             sizeof *c->targets, name, len);
}

int config_find_model(const struct config *c, const char *name, size_t len)
{
    return config_index_find(&store_of(c)->models, c->models, sizeof *c->models,
                             name, len);
}

int config_find_provider(const struct config *c, const char *name, size_t len)
{
    return config_index_find(&store_of(c)->providers, c->providers,
                             sizeof *c->providers, name, len);
}

/* --- keys of clients ------------------------------------------------------ */

/* Clients to a bucket: up to this many are all compared. */
#define BUCKET_CLIENTS 64

void config_digest(const void *bytes, size_t len, unsigned char out[32])
{
    struct sha256 s;

    sha256_begin(&s);
    sha256_add(&s, bytes, len);
    sha256_end(&s, out);
}

/* Which bucket depends on a salt that nobody knows, so the time of a look-up
 * tells nothing about the digests of others. */
static uint32_t bucket_of(const struct config_store *store,
                          const unsigned char digest[32])
{
    uint64_t x;

    memcpy(&x, digest, sizeof x);
    x ^= store->salt;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(x ^ x >> 31) & store->bucket_mask;
}

int config_digests(struct config *c)
{
    struct config_store *store = c->arena;
    uint32_t i, keyed = 0, size = 1, *at;

    for (i = 0; i < c->nclients; i++)
        keyed += c->clients[i].has_key;
    while (size * BUCKET_CLIENTS < keyed)
        size *= 2;
    store->bucket_mask = size - 1;
    if (getrandom(&store->salt, sizeof store->salt, 0) < 0)
        return -1;
    store->digests = config_array(&store->arena, keyed, sizeof *store->digests);
    store->buckets = config_array(&store->arena, size + 1, sizeof *at);
    if (!store->digests || !store->buckets)
        return -1;
    at = store->buckets;
    for (i = 0; i < c->nclients; i++)
        if (c->clients[i].has_key)
            at[bucket_of(store, c->clients[i].digest)]++;
    /* From counts to ends; filling backwards turns the ends into beginnings. */
    for (i = 1; i <= size; i++)
        at[i] += at[i - 1];
    for (i = (uint32_t)c->nclients; i-- > 0;)
        if (c->clients[i].has_key) {
            uint32_t slot = --at[bucket_of(store, c->clients[i].digest)];

            memcpy(store->digests[slot].bytes, c->clients[i].digest, 32);
            store->digests[slot].client = i;
        }
    return 0;
}

/* 1 when all bytes are the same, in a time that does not depend on them. */
static unsigned same(const unsigned char *a, const unsigned char *b)
{
    unsigned difference = 0, i;

    for (i = 0; i < 32; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return (difference - 1) >> 31;
}

int config_find_client(const struct config *c, const unsigned char digest[32])
{
    const struct config_store *store = c->arena;
    uint32_t bucket, i, found = 0;

    if (!store->buckets)
        return -1;
    bucket = bucket_of(store, digest);
    for (i = store->buckets[bucket]; i < store->buckets[bucket + 1]; i++)
        found |= (0u - same(store->digests[i].bytes, digest)) &
                 (store->digests[i].client + 1);
    return (int)found - 1;
}

/* --- secrets -------------------------------------------------------------- */

/* Shorter ones would be found in ordinary words. */
#define REDACT_BYTES 8

#define WORD_HASH_BITS 15

static uint32_t word_hash(const char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    return w * 2654435761u >> (32 - WORD_HASH_BITS);    /* Knuth's constant */
}

void config_secrets_index(struct config_store *store)
{
    uint8_t *words = config_array(&store->arena, (1u << WORD_HASH_BITS) / 8, 1);

    if (!words)
        return;
    for (size_t i = 0; i < store->nsecrets; i++)
        for (size_t at = 0; at < 4 && store->secrets[i].len >= REDACT_BYTES; at++) {
            uint32_t h = word_hash(store->secrets[i].bytes + at);

            words[h / 8] |= (uint8_t)(1u << h % 8);
        }
    store->secret_words = words;
}

/* Wherever a secret stands, a word of ${text} at a multiple of four is one of
 * the four that begin at its first bytes. So nearly every text is known to be
 * clean at a look at a quarter of its places, however many secrets there are. */
static bool may_have_secret(const struct config_store *store, const char *text,
                            size_t len)
{
    if (!store->secret_words)
        return true;
    for (size_t i = 0; i + 4 <= len; i += 4) {
        uint32_t h = word_hash(text + i);

        if (store->secret_words[h / 8] >> h % 8 & 1)
            return true;
    }
    return false;
}

static size_t replace(char *text, size_t len, char *at, const struct secret *s)
{
    size_t hint = strlen(s->hint);
    char *behind = at + s->len;

    if (hint > s->len)
        hint = s->len;
    memcpy(at, s->hint, hint);
    memmove(at + hint, behind, (size_t)(text + len - behind));
    return len - s->len + hint;
}

size_t config_redact(const struct config *c, char *text, size_t len)
{
    const struct config_store *store = store_of(c);
    const struct secret *s;
    size_t i, from;
    char *at;

    if (!may_have_secret(store, text, len))
        return len;
    for (i = 0; i < store->nsecrets; i++) {
        s = &store->secrets[i];
        from = 0;
        while (s->len >= REDACT_BYTES && len - from >= s->len) {
            at = memmem(text + from, len - from, s->bytes, s->len);
            if (!at)
                break;
            from = (size_t)(at - text);
            len = replace(text, len, at, s);
            /* Not into the hint again, which ends with bytes of the secret. */
            from += strlen(s->hint) < s->len ? strlen(s->hint) : s->len;
        }
    }
    return len;
}
