/* SPDX-License-Identifier: Apache-2.0
 *
 * From the workers to the ring and the logs. A worker pushes a finished record
 * on its own stack without a lock, and makes a system call only when the loop
 * sleeps. Everything that leaves is redacted here.
 */
#include "daemon_impl.h"

#include "buf.h"
#include "config.h"
#include "generation.h"
#include "log.h"
#include "record.h"
#include "ring.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 4096
/* A key that the end of a line would cut in two is found before it is cut. */
#define BEYOND 1024
/* Records kept before a worker that waits for this core gets it: it would wait
 * for a whole slice of the scheduler, and its clients with it. */
#define BURST 32

static const char *const levels[] = {"debug", "info", "warn", "error"};

static unsigned rank(const char *level)
{
    for (unsigned i = 0; i < 4; i++)
        if (strcmp(level, levels[i]) == 0)
            return i;
    return 3;
}

/* -- redaction -------------------------------------------------------------------- */

/* Requests of an older generation may still carry its secrets. */
static size_t redact_all(const struct leme_server *s, char *text, size_t len)
{
    for (unsigned i = 0; i < CEIL_GENERATIONS; i++)
        if (s->alive[i].generation)
            len = config_redact(s->alive[i].generation->config, text, len);
    return len;
}

size_t daemon_redact(void *arg, char *text, size_t len)
{
    return redact_all(arg, text, len);
}

/* -- operator's lines ---------------------------------------------------------------- */

/* One line stays one line, but for the indented ones of a traceback. */
static size_t clean(char *text, size_t len)
{
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '\n' && i + 1 < len && text[i + 1] == '\t')
            continue;
        if (c < 0x20 || c == 0x7F)
            text[i] = ' ';
    }
    return len;
}

void daemon_log(void *arg, const char *level, const char *text, size_t len)
{
    struct leme_server *s = arg;
    unsigned r = rank(level);
    char line[LINE + BEYOND];
    bool wanted;

    if (!s->operators)
        return;
    if (len > sizeof line)
        len = sizeof line;
    memcpy(line, text, len);
    pthread_mutex_lock(&s->live_lock);
    wanted = !s->current || r >= rank(daemon_config(s)->settings.log_level);
    len = redact_all(s, line, len);
    pthread_mutex_unlock(&s->live_lock);
    if (wanted)
        log_add(s->operators, levels[r], line,
                clean(line, len < LINE ? len : LINE));
}

void daemon_logf(struct leme_server *s, const char *level, const char *format,
                 ...)
{
    char text[LINE];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (n > 0)
        daemon_log(s, level, text,
                   (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* -- records --------------------------------------------------------------------------- */

static series_t dropped_series(struct leme_server *s)
{
    const char *sink[] = {"records"};

    return metrics_series(s->metrics, METRIC_LOG_DROPPED, sink);
}

void daemon_finished(void *arg, unsigned shard, struct record_blob *blob)
{
    struct leme_server *s = arg;
    struct worker *w = &s->worker[shard];

    if (atomic_fetch_add(&w->nrecords, 1) >= CEIL_LOG_QUEUE) {
        atomic_fetch_sub(&w->nrecords, 1);
        metrics_add(s->metrics, shard, dropped_series(s), 1);
        free(blob);
        return;
    }
    blob->next = atomic_load(&w->records);
    while (!atomic_compare_exchange_weak(&w->records, &blob->next, blob))
        ;
    if (atomic_load(&s->asleep) && atomic_exchange(&s->asleep, false))
        daemon_post(s, 0);
}

/* The whole stack of a worker, oldest first. */
static struct record_blob *take(struct worker *w)
{
    struct record_blob *b = atomic_exchange(&w->records, NULL), *list = NULL;

    while (b) {
        struct record_blob *next = b->next;

        b->next = list;
        list = b;
        b = next;
    }
    return list;
}

/* ${line} is empty, and again afterwards. */
static void write_line(struct leme_server *s, const struct record_blob *b,
                       struct buf *line)
{
    if (record_line(b, line) == 0 && line->len) {
        line->len = redact_all(s, line->data, line->len);
        log_put(s->access, "info", line->data, line->len);
    }
    line->len = 0;
}

/* Those of one worker. */
static unsigned keep_all(struct leme_server *s, struct record_blob *b,
                         struct buf *line)
{
    struct record_blob *next;
    unsigned n = 0;

    for (; b; b = next, n++) {
        next = b->next;
        if (line)
            write_line(s, b, line);
        ring_add(s->ring, b);
        free(b);
        if (n % BURST == BURST - 1)
            sched_yield();
    }
    return n;
}

unsigned daemon_records(struct leme_server *s)
{
    bool lines = s->access &&
                 (!s->current ||
                  rank(daemon_config(s)->settings.log_level) <= 1);
    unsigned all = 0;
    struct buf line;

    buf_init(&line, 2 * CEIL_RECORD_BYTES);
    if (lines)
        log_begin(s->access);
    for (unsigned i = 0; i < s->workers; i++) {
        unsigned n = keep_all(s, take(&s->worker[i]), lines ? &line : NULL);

        atomic_fetch_sub(&s->worker[i].nrecords, n);
        all += n;
    }
    if (lines)
        log_end(s->access);
    buf_free(&line);
    return all;
}

void daemon_records_new(struct leme_server *s)
{
    metrics_add(s->metrics, s->workers, dropped_series(s), 0);
}
