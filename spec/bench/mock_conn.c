/* SPDX-License-Identifier: Apache-2.0 */
#include "mock.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_ROOM 4096
#define KEYS_BYTES 2048     /* at either end of a body */

enum phase { READING, WAITING, STREAMING, HELD };

struct mock_conn {
    struct heap_entry entry;            /* first: see mock_conn_due */
    struct mock_loop *loop;             /* borrowed */
    struct mock_conn *next, **back;     /* of the loop's list */
    int fd;
    enum phase phase;
    struct bytes in, out;
    size_t out_at;
    size_t need;            /* bytes of the request that is arriving; 0 unknown */
    bool writing;           /* waits for the socket to take more */
    bool closing;           /* once everything is written */
    bool stream, usage;
    unsigned served;
    struct mock_reply reply;
};

/* The last body, for the parity check. */
static struct bytes last_body;
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;

static void drop(struct mock_conn *c)
{
    heap_remove(&c->loop->heap, &c->entry);
    if (c->phase == HELD)
        atomic_fetch_sub(&mock_shared.held, 1);
    if (c->phase != READING)
        atomic_fetch_add(&mock_shared.gone, 1);
    atomic_fetch_sub(&mock_shared.open, 1);
    *c->back = c->next;
    if (c->next)
        c->next->back = c->back;
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

void mock_conn_open(struct mock_loop *loop, int fd)
{
    struct mock_conn *c = calloc(1, sizeof *c);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

    if (!c)
        wire_die("no memory");
    c->loop = loop;
    c->fd = fd;
    c->next = loop->conns;
    c->back = &loop->conns;
    if (c->next)
        c->next->back = &c->next;
    loop->conns = c;
    atomic_fetch_add(&mock_shared.open, 1);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e))
        wire_die("epoll_ctl: %s", strerror(errno));
}

/* -- writing ---------------------------------------------------------------- */

static void want_write(struct mock_conn *c, bool on)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

    if (c->writing == on)
        return;
    c->writing = on;
    if (on)
        e.events |= EPOLLOUT;
    epoll_ctl(c->loop->epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

/* False: the connection is gone. */
static bool flush(struct mock_conn *c)
{
    while (c->out_at < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            want_write(c, true);
            return true;
        }
        if (n < 0) {
            drop(c);
            return false;
        }
        c->out_at += (size_t)n;
    }
    c->out.len = c->out_at = 0;
    if (c->closing && c->phase == READING) {
        drop(c);
        return false;
    }
    want_write(c, false);
    return true;
}

/* -- answering -------------------------------------------------------------- */

static void later(struct mock_conn *c, double us)
{
    heap_set(&c->loop->heap, &c->entry, wire_now_ns() + (uint64_t)(us * 1000));
}

static void finish_stream(struct mock_conn *c)
{
    mock_reply_end(&c->loop->pages, c->usage, &c->out);
    c->phase = READING;
}

/* Add what is due of the stream. */
static void go_on(struct mock_conn *c)
{
    const double *knob = mock_shared.knob;

    do {
        if (knob[MOCK_CUT] > 0 && c->reply.seq >= knob[MOCK_CUT]) {
            c->phase = READING;
            c->closing = true;
            return;
        }
        if (c->reply.seq >= knob[MOCK_CHUNKS]) {
            if (knob[MOCK_HOLD] > 0) {
                c->phase = HELD;
                atomic_fetch_add(&mock_shared.held, 1);
            } else {
                finish_stream(c);
            }
            return;
        }
        mock_reply_event(&c->loop->pages, &c->reply, &c->out);
        c->reply.seq++;
    } while (knob[MOCK_PACE] <= 0);
    later(c, knob[MOCK_PACE]);
}

static void answer(struct mock_conn *c)
{
    const double *knob = mock_shared.knob;

    c->phase = READING;
    if (knob[MOCK_ERROR_RATE] > 0 &&
        wire_dice(&c->loop->dice) < knob[MOCK_ERROR_RATE]) {
        mock_reply_error((int)knob[MOCK_ERROR_CODE], (int)knob[MOCK_RETRY_AFTER],
                         c->closing, &c->out);
        return;
    }
    if (c->stream) {
        atomic_fetch_add(&mock_shared.streams, 1);
        c->phase = STREAMING;
        mock_reply_stream(&c->loop->pages, &c->reply, &c->out);
        go_on(c);
        return;
    }
    mock_reply_whole(&c->loop->pages, &c->reply, &c->out);
}

static double first_byte_us(struct mock_conn *c)
{
    const double *knob = mock_shared.knob;
    double us = knob[MOCK_TTFT];

    if (us > 0 && knob[MOCK_TTFT_SIGMA] > 0) {
        double a = wire_dice(&c->loop->dice), b = wire_dice(&c->loop->dice);
        us *= exp(knob[MOCK_TTFT_SIGMA] * sqrt(-2 * log(a)) * cos(2 * M_PI * b));
    }
    return us;
}

/* -- requests --------------------------------------------------------------- */

static void remember(const char *body, size_t n)
{
    pthread_mutex_lock(&last_lock);
    last_body.len = 0;
    wire_add(&last_body, body, n);
    pthread_mutex_unlock(&last_lock);
}

/* "--ttft 5000 --chunks 3": the flags of the command line. */
static bool set_all(char *words)
{
    char *save = NULL, *flag = strtok_r(words, " \r\n", &save);

    while (flag) {
        char *value = strtok_r(NULL, " \r\n", &save);
        if (!value || !mock_set(flag, value))
            return false;
        flag = strtok_r(NULL, " \r\n", &save);
    }
    return true;
}

static void count(struct bytes *out)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "{\"requests\":%lu,\"streams\":%lu,\"open\":%lu,"
                     "\"held\":%lu,\"gone\":%lu}",
                     atomic_load(&mock_shared.requests),
                     atomic_load(&mock_shared.streams),
                     atomic_load(&mock_shared.open),
                     atomic_load(&mock_shared.held),
                     atomic_load(&mock_shared.gone));

    mock_reply_own(200, text, (size_t)n, out);
}

/* The addresses below /bench/, for whoever measures. */
static void own_request(struct mock_conn *c, const char *path, char *body,
                        size_t n)
{
    if (strncmp(path, "count", 5) == 0) {
        count(&c->out);
    } else if (strncmp(path, "last", 4) == 0) {
        pthread_mutex_lock(&last_lock);
        mock_reply_own(200, last_body.data, last_body.len, &c->out);
        pthread_mutex_unlock(&last_lock);
    } else if (strncmp(path, "release", 7) == 0) {
        mock_release();
        mock_reply_own(200, "", 0, &c->out);
    } else if (strncmp(path, "set", 3) == 0) {
        char *words = strndup(body, n);
        bool good = words && set_all(words);
        mock_reply_own(good ? 200 : 400, "", 0, &c->out);
        free(words);
    } else {
        mock_reply_own(404, "", 0, &c->out);
    }
}

/* Is ${key} followed by true? */
static bool is_true(const char *s, size_t n, const char *key)
{
    const char *end = s + n, *at = s;

    while (n && (at = memmem(at, (size_t)(end - at), key, strlen(key)))) {
        at += strlen(key);
        while (at < end && (*at == ':' || *at == ' '))
            at++;
        if (end - at >= 4 && memcmp(at, "true", 4) == 0)
            return true;
    }
    return false;
}

/* A key of the top level stands before or after the messages, so the middle of
 * a big prompt is not searched. */
static bool asks(const char *body, size_t n, const char *key)
{
    if (n <= 2 * KEYS_BYTES)
        return is_true(body, n, key);
    return is_true(body, KEYS_BYTES, key) ||
           is_true(body + n - KEYS_BYTES, KEYS_BYTES, key);
}

static void chat_request(struct mock_conn *c, const char *body, size_t n)
{
    const double *knob = mock_shared.knob;
    double us;

    atomic_fetch_add_explicit(&mock_shared.requests, 1, memory_order_relaxed);
    c->served++;
    c->reply = (struct mock_reply){ .received_ns = wire_now_ns(),
                                    .hash = wire_hash(body, n) };
    if (knob[MOCK_REMEMBER] > 0)
        remember(body, n);
    if (mock_shared.raw) {
        wire_add(&c->out, mock_shared.raw, mock_shared.raw_len);
        c->closing = true;
        return;
    }
    c->stream = asks(body, n, "\"stream\"");
    c->usage = c->stream && asks(body, n, "\"include_usage\"");
    if (knob[MOCK_CLOSE_AFTER] > 0 && c->served >= knob[MOCK_CLOSE_AFTER])
        c->closing = true;
    c->reply.last = c->closing;
    us = first_byte_us(c);
    if (us > 0) {
        c->phase = WAITING;
        later(c, us);
        return;
    }
    answer(c);
}

/* Serve the request at the front of what was read; false when it is not whole. */
static bool next_request(struct mock_conn *c)
{
    size_t head = wire_head(c->in.data, c->in.len), n;
    const char *field, *path;

    if (!head)
        return false;
    if (!c->need) {
        field = wire_field(c->in.data, head, "Content-Length", &n);
        c->need = head + (field ? wire_decimal(field, n) : 0);
    }
    if (c->in.len < c->need)
        return false;
    field = wire_field(c->in.data, head, "Connection", &n);
    c->closing = field && n == 5 && strncasecmp(field, "close", 5) == 0;
    path = memchr(c->in.data, ' ', head);
    if (path && strncmp(path + 1, "/bench/", 7) == 0)
        own_request(c, path + 8, c->in.data + head, c->need - head);
    else
        chat_request(c, c->in.data + head, c->need - head);
    wire_take(&c->in, c->need);
    c->need = 0;
    return true;
}

static void read_some(struct mock_conn *c)
{
    size_t room = c->need > c->in.len ? c->need - c->in.len : READ_ROOM;
    char *at = wire_room(&c->in, room);
    ssize_t n = recv(c->fd, at, c->in.cap - c->in.len, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->in.len += (size_t)n;
    while (c->phase == READING && !c->closing && next_request(c))
        continue;
    flush(c);
}

void mock_conn_event(struct mock_conn *c, uint32_t events)
{
    if ((events & EPOLLOUT) && !flush(c))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(c);
}

void mock_conn_due(struct heap_entry *entry)
{
    struct mock_conn *c = (struct mock_conn *)entry;

    if (c->phase == WAITING)
        answer(c);
    else if (c->phase == STREAMING)
        go_on(c);
    while (c->phase == READING && !c->closing && next_request(c))
        continue;
    flush(c);
}

void mock_conn_release_all(struct mock_loop *loop)
{
    struct mock_conn *next;

    for (struct mock_conn *c = loop->conns; c; c = next) {
        next = c->next;
        if (c->phase != HELD)
            continue;
        atomic_fetch_sub(&mock_shared.held, 1);
        finish_stream(c);
        flush(c);
    }
}
