/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a state's blocks come from. Lua makes and drops small ones all the time,
 * and drops them by the hundred when it collects, which is more than malloc keeps
 * at hand: so they wait here, by size, to be used again. Called by vm.c, which
 * counts what Lua asks for; what waits here is not Lua's.
 */
#include "vm_impl.h"

#include "thread.h"

#include <stdlib.h>
#include <string.h>

#define STEP 16u                /* sizes are rounded up to a multiple */
/* What waits is bounded: a state that was large once need not stay it. */
#define KEPT_BYTES (512 * KIB)

struct vm_block {
    struct vm_block *next;
};

/* A sanitizer must see each block come and go. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SMALL 0u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SMALL 0u
#endif
#endif
#ifndef SMALL
#define SMALL (VM_BLOCK_SIZES * STEP)
#endif

/* The list of a size from 1 to SMALL. */
static size_t list_of(size_t size)
{
    return (size - 1) / STEP;
}

static void *take(struct vm_blocks *b, size_t size)
{
    size_t i = list_of(size);
    struct vm_block *first;

    if (size > SMALL)
        return malloc(size);
    first = b->waiting[i];
    if (!first)
        return malloc((i + 1) * STEP);
    b->waiting[i] = first->next;
    b->kept -= (i + 1) * STEP;
    return first;
}

static void give(struct vm_blocks *b, void *block, size_t size)
{
    struct vm_block *first = block;
    size_t i = list_of(size);

    if (size > SMALL || b->kept + (i + 1) * STEP > KEPT_BYTES) {
        free(block);
        return;
    }
    first->next = b->waiting[i];
    b->waiting[i] = first;
    b->kept += (i + 1) * STEP;
}

void *vm_blocks_resize(struct vm_blocks *b, void *old, size_t old_size,
                       size_t size)
{
    void *p;

    if (!old)
        return take(b, size);
    if (old_size > SMALL && size > SMALL)
        return realloc(old, size);
    if (old_size <= SMALL && size <= SMALL && list_of(old_size) == list_of(size))
        return old;
    p = take(b, size);
    if (!p)
        return NULL;
    memcpy(p, old, old_size < size ? old_size : size);
    give(b, old, old_size);
    return p;
}

void vm_blocks_drop(struct vm_blocks *b, void *old, size_t old_size)
{
    if (old)
        give(b, old, old_size);
}

void vm_blocks_free(struct vm_blocks *b)
{
    for (size_t i = 0; i < VM_BLOCK_SIZES; i++) {
        struct vm_block *next, *block = b->waiting[i];

        for (unsigned n = 0; block; block = next, n++) {
            next = block->next;
            free(block);
            if (n % BREATHS == 0)
                thread_breathe();
        }
        b->waiting[i] = NULL;
    }
    b->kept = 0;
}
