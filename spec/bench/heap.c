/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"
#include "wire.h"

#include <stdlib.h>

static void put(struct heap *h, size_t place, struct heap_entry *e)
{
    h->at[place] = e;
    e->place = place;
}

static void settle(struct heap *h, size_t place, struct heap_entry *e)
{
    for (; place > 1 && h->at[place / 2]->due_ns > e->due_ns; place /= 2)
        put(h, place, h->at[place / 2]);
    for (;;) {
        size_t child = place * 2;
        if (child > h->count)
            break;
        if (child < h->count && h->at[child + 1]->due_ns < h->at[child]->due_ns)
            child++;
        if (h->at[child]->due_ns >= e->due_ns)
            break;
        put(h, place, h->at[child]);
        place = child;
    }
    put(h, place, e);
}

void heap_set(struct heap *h, struct heap_entry *e, uint64_t due_ns)
{
    e->due_ns = due_ns;
    if (!e->place) {
        if (h->count + 2 > h->cap) {
            h->cap = h->cap ? h->cap * 2 : 64;
            h->at = realloc(h->at, h->cap * sizeof(struct heap_entry *));
            if (!h->at)
                wire_die("no memory");
        }
        put(h, ++h->count, e);
    }
    settle(h, e->place, e);
}

void heap_remove(struct heap *h, struct heap_entry *e)
{
    struct heap_entry *last;

    if (!e->place)
        return;
    last = h->at[h->count--];
    if (last != e)
        settle(h, e->place, last);
    e->place = 0;
}

struct heap_entry *heap_top(const struct heap *h)
{
    return h->count ? h->at[1] : NULL;
}
