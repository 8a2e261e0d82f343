/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue is a run of bytes: a mark (level, length) and the text, again and
 * again. The writer swaps it for its own empty one, so that the lock is held for
 * a copy only. Descriptors of pipes and terminals are opened anew and
 * non-blocking: O_NONBLOCK belongs to the open file, which others share.
 */
#include "log.h"

#include "buf.h"
#include "ceilings.h"
#include "clock.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64 * KIB)        /* of one write */
#define STUCK_MS 100            /* how often a stuck writer looks around */
#define FLUSH_US (US_PER_S / 2) /* for a stuck sink at the end */

struct mark {
    const char *level;
    size_t len;
};

struct log {
    struct log_options options;     /* `to` is owned */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct buf waiting;             /* these five under the lock */
    unsigned lines;
    bool reopen;
    bool closing;
    us_t give_up;                   /* when closing */
    atomic_uint_fast64_t dropped;
    /* The writer's own. */
    struct buf writing;
    struct buf chunk;
    int fd;
    bool torn;                      /* the last line was cut */
    bool hopeless;                  /* stuck until the end: wait no more */
};

/* -- sinks ----------------------------------------------------------------- */

static int open_standard(int fd)
{
    char path[32];
    struct stat st;
    int own;

    if (fstat(fd, &st))
        return -1;
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (own >= 0)
            return own;
    }
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_sink(const char *to)
{
    if (strcmp(to, "stderr") == 0)
        return open_standard(STDERR_FILENO);
    if (strcmp(to, "stdout") == 0)
        return open_standard(STDOUT_FILENO);
    return open(to, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC |
                    O_NOCTTY, 0640);
}

static void reopen(struct log *l)
{
    int fd = l->options.to ? open_sink(l->options.to) : -1;

    if (fd < 0)
        return;
    close(l->fd);
    l->fd = fd;
    l->torn = false;
}

/* -- writing --------------------------------------------------------------- */

static bool stop_trying(struct log *l)
{
    bool stop;

    pthread_mutex_lock(&l->lock);
    stop = l->closing && clock_now() >= l->give_up;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

/* Can it take bytes? Waits as long as it takes, but not beyond the end. */
static bool sink_ready(struct log *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLOUT};

    for (;;) {
        int n = poll(&p, 1, l->hopeless ? 0 : STUCK_MS);

        if (n > 0)
            return true;
        if (l->hopeless || (n < 0 && errno != EINTR))
            return false;
        l->hopeless = stop_trying(l);
    }
}

/* Bytes of ${text} that the sink took. */
static size_t write_some(struct log *l, const char *text, size_t len)
{
    size_t done = 0;

    while (done < len && sink_ready(l)) {
        ssize_t n = write(l->fd, text + done, len - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return done;
}

static unsigned count_lines(const char *text, size_t len)
{
    unsigned n = 0;

    for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text)));
         p++)
        n++;
    return n;
}

static void write_chunk(struct log *l)
{
    size_t done;

    /* After a disk was full the next line must not continue half a one. */
    if (l->torn && write_some(l, "\n", 1) == 1)
        l->torn = false;
    done = l->torn ? 0 : write_some(l, l->chunk.data, l->chunk.len);
    if (done < l->chunk.len) {
        atomic_fetch_add(&l->dropped,
                         count_lines(l->chunk.data + done, l->chunk.len - done));
        if (done && l->chunk.data[done - 1] != '\n')
            l->torn = true;
    }
    l->chunk.len = 0;
}

static void add_to_chunk(struct log *l, const char *text, size_t len)
{
    bool bare = len == 0 || text[len - 1] != '\n';

    if (l->chunk.len && l->chunk.len + len + 1 > CHUNK)
        write_chunk(l);
    if (buf_reserve(&l->chunk, len + 1)) {
        atomic_fetch_add(&l->dropped, 1);
        return;
    }
    buf_add(&l->chunk, text, len);
    if (bare)
        buf_addc(&l->chunk, '\n');
}

static void write_batch(struct log *l)
{
    const char *p = l->writing.data, *end = p + l->writing.len;
    struct mark mark;

    while (p < end) {
        memcpy(&mark, p, sizeof mark);
        p += sizeof mark;
        if (l->options.to)
            add_to_chunk(l, p, mark.len);
        else
            l->options.line(l->options.arg, mark.level, p, mark.len);
        p += mark.len;
    }
    if (l->chunk.len)
        write_chunk(l);
    l->writing.len = 0;
}

/* Take what waits. false: nothing waits and nothing will come. */
static bool next_batch(struct log *l, bool *again)
{
    struct buf swap;
    bool more;

    pthread_mutex_lock(&l->lock);
    while (!l->lines && !l->closing && !l->reopen)
        pthread_cond_wait(&l->more, &l->lock);
    swap = l->writing;
    l->writing = l->waiting;
    l->waiting = swap;
    more = l->lines || !l->closing;
    l->lines = 0;
    *again = l->reopen;
    l->reopen = false;
    pthread_mutex_unlock(&l->lock);
    return more;
}

static void *writer(void *arg)
{
    struct log *l = arg;
    bool again;

    while (next_batch(l, &again)) {
        write_batch(l);
        if (again)
            reopen(l);
    }
    return NULL;
}

/* -- from outside ----------------------------------------------------------- */

static void release(struct log *l)
{
    if (l->fd >= 0)
        close(l->fd);
    buf_free(&l->waiting);
    buf_free(&l->writing);
    buf_free(&l->chunk);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->more);
    free((char *)l->options.to);
    free(l);
}

struct log *log_new(const struct log_options *options, char *why,
                    size_t why_size)
{
    struct log *l = calloc(1, sizeof *l);
    int failed = 0;

    if (!l) {
        snprintf(why, why_size, "not enough memory");
        return NULL;
    }
    l->options = *options;
    l->options.to = options->to ? strdup(options->to) : NULL;
    l->fd = -1;
    buf_init(&l->waiting, CEIL_LOG_BYTES);
    buf_init(&l->writing, CEIL_LOG_BYTES);
    buf_init(&l->chunk, CEIL_LOG_BYTES);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->more, NULL);
    if (l->options.to) {
        l->fd = open_sink(l->options.to);
        failed = l->fd < 0 ? errno : 0;
    }
    if (!failed)
        failed = thread_start(&l->thread, writer, l, 0);
    if (!failed)
        return l;
    snprintf(why, why_size, "log %s: %s", l->options.to ? l->options.to : "",
             strerror(failed));
    release(l);
    return NULL;
}

/* Mark and text, or nothing of both. */
static bool queue(struct log *l, const char *level, const char *text, size_t len)
{
    struct mark mark = {level, len};

    if (l->lines >= CEIL_LOG_QUEUE ||
        buf_reserve(&l->waiting, sizeof mark + len))
        return false;
    buf_add(&l->waiting, &mark, sizeof mark);
    buf_add(&l->waiting, text, len);
    return true;
}

void log_begin(struct log *l)
{
    pthread_mutex_lock(&l->lock);
}

void log_put(struct log *l, const char *level, const char *text, size_t len)
{
    if (queue(l, level, text, len))
        l->lines++;
    else
        atomic_fetch_add(&l->dropped, 1);
}

void log_end(struct log *l)
{
    if (l->lines)
        pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
}

void log_add(struct log *l, const char *level, const char *text, size_t len)
{
    log_begin(l);
    log_put(l, level, text, len);
    log_end(l);
}

void log_reopen(struct log *l)
{
    pthread_mutex_lock(&l->lock);
    l->reopen = true;
    pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
}

uint64_t log_dropped(const struct log *l)
{
    return atomic_load(&l->dropped);
}

void log_free(struct log *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    l->give_up = clock_now() + FLUSH_US;
    pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    release(l);
}
