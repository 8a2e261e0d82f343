/* SPDX-License-Identifier: Apache-2.0
 *
 * thread: start a thread that no signal of the process is delivered to. Pure;
 * everybody may call it.
 */
#ifndef LEME_THREAD_H
#define LEME_THREAD_H

#include <pthread.h>

/**
 * Run ${body}(${arg}) in a new thread with every signal blocked, SIGPIPE too, but
 * for faults of its own and ${open} (0: none). 0, or an errno.
 */
int thread_start(pthread_t *thread, void *(*body)(void *), void *arg, int open);

/** From now on the calling thread gives way to all others of the process that
 * want to run. Where that is not possible, nothing happens. */
void thread_yield_always(void);

#endif
