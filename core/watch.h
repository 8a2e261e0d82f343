/* SPDX-License-Identifier: Apache-2.0
 *
 * watch: tells when one of a set of files has changed, however that was done:
 * written in place, renamed into place, a link switched (also of a folder above,
 * as container volumes do). Swap and backup files beside them are not news. One
 * thread. Called by daemon.
 */
#ifndef LEME_WATCH_H
#define LEME_WATCH_H

#include <stddef.h>

struct event_base;
struct watch;

/** ${changed} runs on ${base}'s loop, 2 ms after the last of a burst of files
 * that were moved into place, 50 ms when one was written or went in it (half a
 * second after its first at the latest). NULL: the system cannot. */
struct watch *watch_new(struct event_base *base, void (*changed)(void *arg),
                        void *arg);
/** Accepts NULL. */
void watch_free(struct watch *w);
/** Watch these ${n} files from now on, and no other; they need not exist, their
 * folders are looked for each second. */
void watch_set(struct watch *w, const char *const *paths, size_t n);

#endif
