/* SPDX-License-Identifier: Apache-2.0
 *
 * Records stand one behind the other in one block of memory, which is written
 * from its beginning again when its end is reached: a record of its own
 * allocation would be freed long after it left the caches. A circle of their
 * places grows with their number; each has a digest of its id beside it, so
 * that a look-up opens few of them.
 */
#include "ring.h"

#include "record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE 160

struct slot {
    size_t at;                      /* in the block */
    uint32_t hash;
};

struct ring {
    char *block;                    /* owned; ${max} bytes */
    size_t max, head;               /* the next record comes to ${head} */
    struct slot *slots;             /* a circle of ${size}, a power of two */
    size_t size, oldest, count;
};

static uint32_t hash_of(const char *id, size_t len)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)id[i]) * 16777619u;
    return h;
}

/* Of one record in the block, so that the next is aligned. */
static size_t cost(const struct record_blob *b)
{
    size_t unit = _Alignof(struct record_blob);

    return (sizeof *b + b->len + unit - 1) / unit * unit;
}

struct ring *ring_new(size_t max_bytes)
{
    struct ring *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->block = malloc(max_bytes);
    if (!r->block) {
        free(r);
        return NULL;
    }
    r->max = max_bytes;
    return r;
}

static struct slot *slot_at(const struct ring *r, size_t i)
{
    return &r->slots[(r->oldest + i) & (r->size - 1)];
}

static struct record_blob *blob_of(const struct ring *r, const struct slot *s)
{
    return (struct record_blob *)(void *)(r->block + s->at);
}

/* Forget the oldest ones that stand at ${from} or behind, but before ${to}. */
static void clear(struct ring *r, size_t from, size_t to)
{
    while (r->count && slot_at(r, 0)->at >= from && slot_at(r, 0)->at < to) {
        r->oldest = (r->oldest + 1) & (r->size - 1);
        r->count--;
    }
}

void ring_free(struct ring *r)
{
    if (!r)
        return;
    free(r->slots);
    free(r->block);
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

void ring_add(struct ring *r, const struct record_blob *blob)
{
    size_t n = cost(blob);
    char id[ID_SIZE];

    if (n > r->max || (r->count == r->size && grow(r)))
        return;
    if (n > r->max - r->head) {
        clear(r, r->head, r->max);
        r->head = 0;
    }
    clear(r, r->head, r->head + n);
    record_id(blob, id, sizeof id);
    memcpy(r->block + r->head, blob, sizeof *blob + blob->len);
    *slot_at(r, r->count) = (struct slot){r->head, hash_of(id, strlen(id))};
    r->count++;
    r->head += n;
}

size_t ring_count(const struct ring *r)
{
    return r->count;
}

const struct record_blob *ring_newest(const struct ring *r, size_t i)
{
    return i < r->count ? blob_of(r, slot_at(r, r->count - 1 - i)) : NULL;
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
        record_id(blob_of(r, s), other, sizeof other);
        if (strlen(other) == len && memcmp(other, id, len) == 0)
            return blob_of(r, s);
    }
    return NULL;
}
