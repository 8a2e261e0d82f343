/* SPDX-License-Identifier: Apache-2.0
 *
 * thread: start a thread that no signal of the process is delivered to, and do work
 * aside that nobody waits for. Knows nothing else; everybody may call it.
 */
#ifndef LEME_THREAD_H
#define LEME_THREAD_H

#include <pthread.h>

/**
 * Run ${body}(${arg}) in a new thread with every signal blocked, SIGPIPE too, but
 * for faults of its own and ${open} (0: none). 0, or an errno.
 */
int thread_start(pthread_t *thread, void *(*body)(void *), void *arg, int open);

/** From now on the calling thread gives way to others that want to run, but for
 * a tenth of their time. Where that is not possible, nothing happens. */
void thread_give_way(void);
/** Called often in work that takes milliseconds: a thread that gives way lets
 * those run that wait for its core. Others have nothing of it. */
void thread_breathe(void);

#endif
