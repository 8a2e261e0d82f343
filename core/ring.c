/* SPDX-License-Identifier: Apache-2.0
 *
 * A circle of pointers that grows with the number of records; each has a digest
 * of its id beside it, so that a look-up opens few of them.
 */
#include "ring.h"

#include "record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE 160

struct slot {
    struct record_blob *blob;       /* owned */
    uint32_t hash;
};

struct ring {
    struct slot *slots;             /* a circle of ${size}, a power of two */
    size_t size, oldest, count;
    size_t bytes, max;
};

static uint32_t hash_of(const char *id, size_t len)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)id[i]) * 16777619u;
    return h;
}

static size_t cost(const struct record_blob *b)
{
    return sizeof *b + b->len + sizeof(struct slot);
}

struct ring *ring_new(size_t max_bytes)
{
    struct ring *r = calloc(1, sizeof *r);

    if (r)
        r->max = max_bytes;
    return r;
}

static struct slot *slot_at(const struct ring *r, size_t i)
{
    return &r->slots[(r->oldest + i) & (r->size - 1)];
}

static void drop_oldest(struct ring *r)
{
    struct slot *s = slot_at(r, 0);

    r->bytes -= cost(s->blob);
    free(s->blob);
    s->blob = NULL;
    r->oldest = (r->oldest + 1) & (r->size - 1);
    r->count--;
}

void ring_free(struct ring *r)
{
    if (!r)
        return;
    while (r->count)
        drop_oldest(r);
    free(r->slots);
    free(r);
}

static int grow(struct ring *r)
{
    size_t size = r->size ? 2 * r->size : 64;
    struct slot *slots = calloc(size, sizeof *slots);

    if (!slots)
        return -1;
    for (size_t i = 0; i < r->count; i++)
        slots[i] = *slot_at(r, i);
    free(r->slots);
    r->slots = slots;
    r->size = size;
    r->oldest = 0;
    return 0;
}

void ring_add(struct ring *r, struct record_blob *blob)
{
    char id[ID_SIZE];

    while (r->count && r->bytes + cost(blob) > r->max)
        drop_oldest(r);
    if (r->bytes + cost(blob) > r->max || (r->count == r->size && grow(r))) {
        free(blob);
        return;
    }
    record_id(blob, id, sizeof id);
    r->bytes += cost(blob);
    *slot_at(r, r->count) = (struct slot){blob, hash_of(id, strlen(id))};
    r->count++;
}

size_t ring_count(const struct ring *r)
{
    return r->count;
}

size_t ring_bytes(const struct ring *r)
{
    return r->bytes;
}

const struct record_blob *ring_newest(const struct ring *r, size_t i)
{
    return i < r->count ? slot_at(r, r->count - 1 - i)->blob : NULL;
}

const struct record_blob *ring_find(const struct ring *r, const char *id,
                                    size_t len)
{
    uint32_t hash = hash_of(id, len);
    char other[ID_SIZE];

    for (size_t i = r->count; i-- > 0;) {
        const struct slot *s = slot_at(r, i);

        if (s->hash != hash)
            continue;
        record_id(s->blob, other, sizeof other);
        if (strlen(other) == len && memcmp(other, id, len) == 0)
            return s->blob;
    }
    return NULL;
}
