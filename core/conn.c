/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection is in one of these states; each has its own deadline:
 *
 *   IDLE     nothing of the next request is here        keepalive_timeout
 *   HEAD     a head has begun                           header_timeout
 *   BODY     the head is accepted, body bytes come      body_timeout
 *   BUSY     a request is with the handler              write_timeout, if queued
 *   LINGER   answered, half closed, throwing bytes away LINGER_US
 *
 * Deadlines are absolute: set when a state is entered, never pushed back by a
 * byte. conn_drop is the one place that frees a connection.
 */
#include "conn_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_FIRST 4096u            /* kept by an idle connection */
#define READ_MORE (64 * KIB)
/* A client that still sends a large body must see the answer, not a reset. */
#define LINGER_US (5 * US_PER_S)
#define LINGER_STOPPING_US (200 * US_PER_MS)
#define LINGER_BYTES (64 * MIB)
#define DRAINED_BELOW (CEIL_REPLY_QUEUE / 4)

static void conn_advance(struct conn *c);

/* -- memory ---------------------------------------------------------------- */

static bool charge(struct conn *c, size_t bytes)
{
    return memory_admit(c->conns->memory, &c->charged, bytes);
}

static void uncharge(struct conn *c)
{
    memory_charge(c->conns->memory, &c->charged, 0);
}

static struct http1_head *head_take(struct conns *cs)
{
    return cs->nspare ? cs->spare[--cs->nspare] : malloc(sizeof(struct http1_head));
}

static void head_give(struct conns *cs, struct http1_head *head)
{
    if (head && cs->nspare < sizeof cs->spare / sizeof *cs->spare)
        cs->spare[cs->nspare++] = head;
    else
        free(head);
}

/* -- life ------------------------------------------------------------------ */

void conn_drop(struct conn *c)
{
    struct conns *cs = c->conns;

    event_del(&c->read_event);
    event_del(&c->write_event);
    timer_drop(&c->timer);
    close(c->fd);
    uncharge(c);
    head_give(cs, c->head);
    reply_free(&c->reply);
    buf_free(&c->in);
    buf_free(&c->ahead);
    if (c->prev)
        c->prev->next = c->next;
    else
        cs->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    cs->open--;
    free(c);
}

static void want_read(struct conn *c, bool on)
{
    if (on == c->reading)
        return;
    c->reading = on;
    if (on)
        event_add(&c->read_event, NULL);
    else
        event_del(&c->read_event);
}

static void want_write(struct conn *c, bool on)
{
    if (on == c->writing)
        return;
    c->writing = on;
    if (on)
        event_add(&c->write_event, NULL);
    else
        event_del(&c->write_event);
}

static void enter(struct conn *c, enum conn_state state, us_t timeout)
{
    c->state = state;
    timer_at(&c->timer, timeout ? clock_now() + timeout : US_NEVER);
}

void conn_abandon(struct conn *c)
{
    bool accepted = c->state == CONN_BODY || c->state == CONN_BUSY;

    c->state = CONN_LINGER;
    if (accepted)
        c->conns->handler.gone(c->conns->handler.arg, c);
}

/* The client is not there any more. Frees the connection, or marks it for the
 * frame below that still uses it. */
static void conn_lost(struct conn *c)
{
    conn_abandon(c);
    if (c->in_handler)
        c->doomed = true;
    else
        conn_drop(c);
}

/* Say goodbye so that the answer is not lost to a reset: close our side, throw
 * away what still comes, for a bounded time. */
static void linger(struct conn *c)
{
    if (shutdown(c->fd, SHUT_WR) || c->peer_done) {
        c->doomed = true;
        return;
    }
    uncharge(c);
    buf_free(&c->in);
    c->lingered = 0;
    enter(c, CONN_LINGER,
          c->conns->draining ? LINGER_STOPPING_US : LINGER_US);
    want_write(c, false);
    want_read(c, true);
}

/* After an answer: everything written, what next? */
static void answer_written(struct conn *c)
{
    if (c->close_after)
        linger(c);
}

size_t conn_flush(struct conn *c)
{
    size_t queued = reply_flush(&c->reply);

    want_write(c, queued > 0 && !c->reply.broken);
    if (queued && c->timer.due == US_NEVER)
        timer_at(&c->timer, clock_now() + c->conns->limits.write_timeout);
    else if (!queued && c->state == CONN_BUSY)
        timer_at(&c->timer, US_NEVER);
    return queued;
}

/* -- refusing -------------------------------------------------------------- */

static void refuse(struct conn *c, const struct conn_refusal *no)
{
    if (no->close)
        c->reply.keep_alive = false;
    c->close_after = !c->reply.keep_alive;
    reply_head(&c->reply, no->status, no->headers, strlen(no->headers),
               (long long)no->body_len);
    reply_body(&c->reply, no->body, no->body_len);
    reply_finish(&c->reply);
}

static void refuse_fault(struct conn *c, const struct http1_fault *fault)
{
    struct conn_refusal no = {.status = fault->status, .headers = "",
                              .body = "", .close = true};

    conn_abandon(c);
    c->conns->handler.fault(c->conns->handler.arg, c, fault, &no);
    c->reply.minor0 = false;
    refuse(c, &no);
    c->close_after = true;
    want_read(c, false);
    enter(c, CONN_LINGER, c->conns->limits.write_timeout);
    if (conn_flush(c) == 0)
        answer_written(c);
}

static void refuse_with(struct conn *c, int status, const char *message)
{
    struct http1_fault fault = {status, message};

    refuse_fault(c, &fault);
}

/* -- requests -------------------------------------------------------------- */

/* Forget the request that was answered; keep what is pipelined behind it. */
static void forget_request(struct conn *c)
{
    size_t used = c->head ? c->head->bytes + c->body_len : 0;

    buf_drop(&c->in, used);
    if (c->ahead.len && buf_add(&c->in, c->ahead.data, c->ahead.len))
        c->doomed = true;
    buf_free(&c->ahead);
    if (c->in.len == 0 && c->in.size > READ_FIRST)
        buf_free(&c->in);
    head_give(c->conns, c->head);
    c->head = NULL;
    uncharge(c);
    memset(&c->scan, 0, sizeof c->scan);
    memset(&c->chunked, 0, sizeof c->chunked);
    c->body_len = 0;
    c->user = NULL;
}

static void hand_over(struct conn *c)
{
    c->state = CONN_BUSY;
    timer_at(&c->timer, US_NEVER);
    c->in_handler = true;
    c->conns->handler.request(c->conns->handler.arg, c);
    c->in_handler = false;
}

/* All bytes of a body with a length are here? */
static bool body_by_length(struct conn *c)
{
    size_t have = c->in.len - c->head->bytes;

    if (have < c->head->content_length)
        return false;
    c->body_len = (size_t)c->head->content_length;
    return true;
}

/* Decode what came of a chunked body: [head][body so far][new raw bytes]. */
static bool body_by_chunks(struct conn *c)
{
    size_t at = c->head->bytes + c->body_len, used, decoded;
    struct http1_fault fault;
    enum http1_result got;

    got = http1_chunked(&c->chunked, c->in.data + at, c->in.len - at,
                        c->conns->limits.body_max, &used, &decoded, &fault);
    if (got == HTTP1_BAD) {
        refuse_fault(c, &fault);
        return false;
    }
    c->body_len += decoded;
    /* Close the gap that the framing leaves, so that the body is one piece. */
    memmove(c->in.data + at + decoded, c->in.data + at + used,
            c->in.len - at - used);
    c->in.len -= used - decoded;
    return got == HTTP1_DONE;
}

static void start_body(struct conn *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bool none = !c->head->chunked && c->head->content_length == 0;

    if (c->head->expect_continue && !none && c->in.len == c->head->bytes &&
        send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) < 0) {
        c->state = CONN_BODY;       /* the handler took places for it */
        conn_abandon(c);
        c->doomed = true;
        return;
    }
    enter(c, CONN_BODY, c->conns->limits.body_timeout);
}

static void take_head(struct conn *c)
{
    struct conn_refusal no = {.status = 500, .headers = "", .body = ""};
    const struct http1_head *head = c->head;

    c->reply.minor0 = head->minor == 0;
    c->reply.head_only = head->method == HTTP1_HEAD;
    c->reply.keep_alive = head->keep_alive && !c->conns->draining;
    /* Before the handler takes places for it. */
    if (!charge(c, (size_t)head->content_length + head->bytes)) {
        refuse_with(c, 503, "the engine is at its memory limit; try again");
        return;
    }
    if (!c->conns->handler.head(c->conns->handler.arg, c, &no)) {
        /* The body, if there is one, is not read: the framing ends here. */
        if (head->chunked || head->content_length)
            no.close = true;
        refuse(c, &no);
        c->state = CONN_BUSY;
        c->in_handler = true;       /* the caller goes on, not conn_done */
        conn_done(c, false);
        c->in_handler = false;
        return;
    }
    start_body(c);
}

static void read_head(struct conn *c)
{
    struct http1_fault fault;
    enum http1_result got;

    if (c->in.len == 0)
        return;
    if (!c->head) {
        c->head = head_take(c->conns);
        if (!c->head) {
            c->doomed = true;
            return;
        }
        c->received = clock_now();
    }
    got = http1_head(c->in.data, c->in.len, c->conns->limits.head_max,
                     c->conns->limits.body_max, &c->scan, c->head, &fault);
    if (got == HTTP1_BAD)
        refuse_fault(c, &fault);
    else if (got == HTTP1_DONE)
        take_head(c);
    else if (c->state == CONN_IDLE)
        enter(c, CONN_HEAD, c->conns->limits.header_timeout);
}

/* Go on with whatever bytes are here, until more are needed or a request is
 * with the handler. */
static void conn_advance(struct conn *c)
{
    enum conn_state before;

    do {
        before = c->state;
        if (c->state == CONN_IDLE || c->state == CONN_HEAD)
            read_head(c);
        if (c->doomed || c->state != CONN_BODY)
            continue;
        if (c->head->chunked ? body_by_chunks(c) : body_by_length(c))
            hand_over(c);
    } while (!c->doomed && c->in.len &&
             /* The next request waits until this answer has left. */
             ((c->state == CONN_IDLE && !c->writing) ||
              (c->state == CONN_BODY && before != CONN_BODY)));
}

void conn_release_body(struct conn *c)
{
    /* The head stays readable for the log; what came behind must not move. */
    if (c->in.len != c->head->bytes + c->body_len)
        return;
    c->in.len = c->head->bytes;
    c->body_len = 0;
    uncharge(c);
}

void conn_done(struct conn *c, bool cut)
{
    bool keep = c->reply.keep_alive && c->reply.finished && !cut &&
                !c->reply.broken && !c->conns->draining;

    if (cut || c->reply.broken) {
        c->state = CONN_LINGER;
        c->doomed = true;
    } else {
        c->close_after = !keep;
        forget_request(c);
        if (conn_flush(c)) {
            /* The next request waits for this answer to leave. */
            enter(c, keep ? CONN_IDLE : CONN_LINGER,
                  c->conns->limits.write_timeout);
            want_read(c, false);
        } else if (keep) {
            enter(c, CONN_IDLE, c->conns->limits.keepalive_timeout);
            want_read(c, true);
        } else {
            answer_written(c);
        }
        reply_reset(&c->reply);
    }
    if (c->in_handler)
        return;                     /* conn_advance goes on when it returns */
    if (!c->doomed && c->state == CONN_IDLE && !c->writing)
        conn_advance(c);
    if (c->doomed)
        conn_drop(c);
}

/* -- events ---------------------------------------------------------------- */

static void turn(struct conns *cs)
{
    if (cs->handler.turn)
        cs->handler.turn(cs->handler.arg);
}

/* Room for the next read: what the body still needs, within bounds. */
static size_t read_room(struct conn *c)
{
    if (c->state == CONN_BODY && !c->head->chunked) {
        size_t left = (size_t)c->head->content_length -
                      (c->in.len - c->head->bytes);

        return left > MIB ? MIB : left > READ_FIRST ? left : READ_FIRST;
    }
    if (c->state == CONN_BODY)
        return READ_MORE;
    return c->in.len ? READ_MORE : READ_FIRST;
}

/* Throw away what comes after the end. */
static void read_linger(struct conn *c)
{
    static _Thread_local char dump[64 * KIB];
    ssize_t n = recv(c->fd, dump, sizeof dump, 0);

    if (n > 0)
        c->lingered += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
        c->lingered > LINGER_BYTES)
        conn_drop(c);
}

/* FIN from the client. */
static void read_end(struct conn *c)
{
    c->peer_done = true;
    want_read(c, false);
    if (c->state == CONN_BUSY && c->half_close)
        return;
    if (c->state == CONN_IDLE && c->writing)
        c->close_after = true;      /* the last answer still leaves */
    else
        conn_lost(c);
}

/* One recv into ${b}: false when the connection was given up. */
static bool receive(struct conn *c, struct buf *b, size_t room)
{
    ssize_t n;

    if (buf_reserve(b, room)) {
        conn_lost(c);
        return false;
    }
    n = recv(c->fd, b->data + b->len, b->size - b->len, 0);
    if (n > 0)
        b->len += (size_t)n;
    else if (n == 0)
        read_end(c);
    else if (errno != EAGAIN && errno != EINTR)
        conn_lost(c);
    return n > 0;
}

/* Bytes behind a request that is being answered: bounded, then the client
 * waits. */
static void read_ahead(struct conn *c)
{
    if (receive(c, &c->ahead, READ_FIRST) && c->ahead.len >= CEIL_PIPELINE_BYTES)
        want_read(c, false);
}

static void read_request(struct conn *c)
{
    size_t room = read_room(c);

    if (c->state == CONN_BODY && !charge(c, c->in.len + room))
        refuse_with(c, 503, "the engine is at its memory limit; try again");
    else if (receive(c, &c->in, room))
        conn_advance(c);
    else
        return;
    if (c->doomed)
        conn_drop(c);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct conns *cs = c->conns;

    (void)fd;
    (void)what;
    if (c->state == CONN_LINGER)
        read_linger(c);
    else if (c->state == CONN_BUSY)
        read_ahead(c);
    else
        read_request(c);
    turn(cs);
}

static void write_done(struct conn *c)
{
    if (c->state == CONN_LINGER) {
        answer_written(c);
    } else if (c->state == CONN_IDLE && c->close_after) {
        c->doomed = true;
    } else if (c->state == CONN_IDLE) {
        want_read(c, true);
        enter(c, CONN_IDLE, c->conns->limits.keepalive_timeout);
        conn_advance(c);
    }
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct conns *cs = c->conns;
    size_t before = reply_queued(&c->reply), queued = conn_flush(c);

    (void)fd;
    (void)what;
    if (c->reply.broken) {
        conn_lost(c);
        turn(cs);
        return;
    }
    /* Progress pushes the write deadline back; silence does not. */
    if (queued && queued < before)
        timer_at(&c->timer, clock_now() + cs->limits.write_timeout);
    if (queued == 0)
        write_done(c);
    if (c->doomed)
        conn_drop(c);
    else if (c->state == CONN_BUSY && queued < DRAINED_BELOW)
        cs->handler.drained(cs->handler.arg, c);
    turn(cs);
}

static void on_timeout(void *arg)
{
    struct conn *c = arg;
    struct conns *cs = c->conns;
    bool gone = c->writing || c->state == CONN_IDLE || c->state == CONN_LINGER;

    if (gone)
        conn_lost(c);
    else if (c->state == CONN_HEAD)
        refuse_with(c, 408, "the request head did not arrive in time");
    else if (c->state == CONN_BODY)
        refuse_with(c, 408, "the request body did not arrive in time");
    if (!gone && c->doomed)
        conn_drop(c);
    turn(cs);
}

/* -- from outside ----------------------------------------------------------- */

void conn_open(struct conns *cs, int fd, bool half_close, const char *peer)
{
    struct conn *c = calloc(1, sizeof *c);

    if (!c) {
        close(fd);
        return;
    }
    c->conns = cs;
    c->fd = fd;
    c->half_close = half_close;
    buf_init(&c->ahead, CEIL_PIPELINE_BYTES + 2 * READ_FIRST);
    buf_init(&c->in, cs->limits.head_max + cs->limits.body_max + MIB);
    reply_init(&c->reply, &cs->reply_loop, fd);
    event_assign(&c->read_event, cs->base, fd, EV_READ | EV_PERSIST, on_read, c);
    event_assign(&c->write_event, cs->base, fd, EV_WRITE | EV_PERSIST, on_write,
                 c);
    timer_init(&c->timer, cs->base, on_timeout, c);
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    c->next = cs->first;
    if (c->next)
        c->next->prev = c;
    cs->first = c;
    cs->open++;
    enter(c, CONN_IDLE, cs->limits.header_timeout);
    want_read(c, true);
}
