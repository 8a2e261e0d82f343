/* SPDX-License-Identifier: Apache-2.0
 *
 * heap: what is due next: a binary heap of entries that live inside other
 * structs. Called by mock.
 */
#ifndef BENCH_HEAP_H
#define BENCH_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_entry {
    uint64_t due_ns;
    size_t place;               /* 1 is the top; 0: not in a heap */
};

struct heap {
    struct heap_entry **at;     /* owned; at[1] is the top; entries borrowed */
    size_t count;
    size_t cap;
};

/** Put in, or move, ${e} to ${due_ns}. */
void heap_set(struct heap *h, struct heap_entry *e, uint64_t due_ns);
/** Take out ${e} if it is in. */
void heap_remove(struct heap *h, struct heap_entry *e);
/** The entry that is due first, or NULL. */
struct heap_entry *heap_top(const struct heap *h);

#endif
