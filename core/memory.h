/* SPDX-License-Identifier: Apache-2.0
 *
 * memory: the account of all bodies, answers held and replies that wait, in the
 * whole process. Everybody may charge what they own to it.
 */
#ifndef LEME_MEMORY_H
#define LEME_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/** Bytes in use by all workers, and the ceiling. */
struct memory {
    atomic_size_t used;
    size_t max;
};

/* Buffers below this are not worth an atomic operation a request. */
#define MEMORY_SMALL 16384u

/** What ${charged} stands for is now a buffer of ${size} bytes. ${m} may be
 * NULL. The ceiling is not looked at: what is here already must end well. */
static inline void memory_charge(struct memory *m, size_t *charged, size_t size)
{
    if (size < MEMORY_SMALL)
        size = 0;
    if (!m || size == *charged)
        return;
    atomic_fetch_add(&m->used, size - *charged);
    *charged = size;
}

/** The same for something new, which may grow to ${size} bytes if the ceiling
 * allows. False: it does not, and nothing changed. */
static inline bool memory_admit(struct memory *m, size_t *charged, size_t size)
{
    size_t more = size - *charged;

    if (!m || size <= *charged)
        return true;
    if (atomic_fetch_add(&m->used, more) + more > m->max) {
        atomic_fetch_sub(&m->used, more);
        return false;
    }
    *charged = size;
    return true;
}

#endif
