/* SPDX-License-Identifier: Apache-2.0
 *
 * log: lines to a file, a pipe or a function, through a bounded queue and a
 * writer thread, so that a full disk, a closed pipe or a reader that is stuck
 * costs lines (counted), never anybody's time. Called by daemon.
 */
#ifndef LEME_LOG_H
#define LEME_LOG_H

#include <stddef.h>
#include <stdint.h>

struct log;

struct log_options {
    const char *to;             /* "stderr", "stdout" or a path; NULL: ${line} */
    /** Takes one line; on the writer's thread. One that never returns makes
     * log_free wait for it. */
    void (*line)(void *arg, const char *level, const char *text, size_t len);
    void *arg;
};

/** Opens the sink and starts the writer. NULL, and a sentence in ${why}. */
struct log *log_new(const struct log_options *options, char *why,
                    size_t why_size);
/**
 * Queue a line, with or without its newline. ${level} is static; only a function
 * sees it. Any thread; never blocks. When CEIL_LOG_QUEUE lines wait it is
 * dropped and counted.
 */
void log_add(struct log *l, const char *level, const char *text, size_t len);
/** Many lines at once, with one lock and one wake: between begin and end the
 * writer waits, and only this thread adds. */
void log_begin(struct log *l);
void log_put(struct log *l, const char *level, const char *text, size_t len);
void log_end(struct log *l);
/** Open the path anew, after the lines queued so far. On failure the old file
 * stays. Any thread. */
void log_reopen(struct log *l);
/** Lines dropped so far: no room, or the sink failed. Any thread. */
uint64_t log_dropped(const struct log *l);
/** Writes what is queued, for half a second at most if the sink is stuck.
 * Accepts NULL. */
void log_free(struct log *l);

#endif
