/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_wire: an attempt over plain HTTP/1.1, spoken here and not by
 * libcurl, which needs 36,000 instructions for what this file does in a tenth.
 * libcurl still resolves, connects and keeps the connect deadline; TLS and
 * proxies are its own altogether. The rules about answers are those of
 * upstream_head.c on both ways.
 */
#include "upstream_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_MIN 4096u

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

/* --- ending --------------------------------------------------------------- */

/* The connection goes, the transfer stays. */
static void hang_up(struct transfer *t)
{
    struct wire *w = t->exchange.wire;

    t->exchange.wire = NULL;
    if (w)
        upstream_site_close(w);
}

static void fail(struct transfer *t, enum error_type error, const char *why)
{
    hang_up(t);
    upstream_finish(t, error, why);
}

static size_t request_bytes(const struct transfer *t)
{
    const struct exchange *x = &t->exchange;

    return t->shape->start.len + x->lines.len + x->payload_bytes;
}

/* ${more}: bytes came behind the end of the answer. */
static void complete(struct transfer *t, bool more)
{
    const struct head *h = &t->head;
    bool keeps = h->http10 ? h->keep : !h->close;
    struct wire *w = t->exchange.wire;

    if (more || !keeps || h->doubt || t->exchange.framing == BY_CLOSE ||
        t->exchange.sent < request_bytes(t)) {
        hang_up(t);
    } else {
        t->exchange.wire = NULL;
        upstream_site_keep(w);
    }
    upstream_finish(t, ERROR_none, "");
}

static void dial(struct transfer *t)
{
    t->exchange.dialing = true;
    if (upstream_pool_dial(t) == 0 && upstream_shard_add(t) == 0)
        return;
    t->exchange.dialing = false;
    upstream_finish(t, ERROR_gateway_oom, "no memory for a connection");
}

/* A connection that had served before was lost before any answer: the provider
 * closed it while we took it up, and the request goes out again on a new one. */
static bool again(struct transfer *t)
{
    if (!t->state.reused || t->exchange.heard)
        return false;
    hang_up(t);
    t->state.reused = false;
    t->exchange.deaf = false;
    t->exchange.sent = 0;
    dial(t);
    return true;
}

static void on_end(struct transfer *t, bool clean)
{
    if (again(t))
        return;
    if (!t->state.head)
        fail(t, ERROR_provider_cut_stream,
             t->head.open ? "closed the connection inside the head of its answer"
                          : "closed the connection before answering");
    else if (clean && t->exchange.framing == BY_CLOSE)
        complete(t, false);
    else
        fail(t, ERROR_provider_cut_stream, "broke off inside its answer");
}

/* --- receiving ------------------------------------------------------------ */

static void begin_body(struct transfer *t)
{
    const struct head *h = &t->head;
    struct exchange *x = &t->exchange;
    int status = t->state.status;

    x->framing = BY_LENGTH;
    x->left = 0;
    if (status == 204 || status == 304)
        return;
    if (h->chunked)
        x->framing = BY_CHUNKS;
    else if (h->length >= 0)
        x->left = (uint64_t)h->length;
    else
        x->framing = BY_CLOSE;
}

/* One line of a head that ends at ${end}, which may have begun earlier. */
static bool head_line(struct transfer *t, const char *from, const char *end)
{
    struct buf *rest = &t->exchange.rest;
    size_t n = (size_t)(end - from);
    bool good;

    if (rest->len == 0)
        return upstream_head_take(t, from, n);
    if (buf_add(rest, from, n))
        t->head.refused = "sent a head that is too large";
    good = !t->head.refused && upstream_head_take(t, rest->data, rest->len);
    buf_free(rest);
    return good;
}

/* Whether what came so far can become the first line of an answer: a server
 * that speaks something else may never end its line. */
static bool like_http(const struct buf *start)
{
    static const char prefix[] = "HTTP/1.";
    size_t n = sizeof prefix - 1;

    return !memcmp(start->data, prefix, start->len < n ? start->len : n);
}

/* Keep ${n} bytes of a line that goes on. */
static void keep_rest(struct transfer *t, const char *bytes, size_t n)
{
    struct buf *rest = &t->exchange.rest;

    if (buf_add(rest, bytes, n))
        t->head.refused = "sent a head that is too large";
    else if (!t->head.open && !like_http(rest))
        t->head.refused = "sent no valid HTTP answer";
}

/* Bytes of the head used; all of them while it is not complete. */
static size_t take_head(struct transfer *t, const char *bytes, size_t n)
{
    const char *at = bytes, *to = bytes + n, *lf;

    while (at < to && !t->head.complete) {
        lf = memchr(at, '\n', (size_t)(to - at));
        if (!lf) {
            keep_rest(t, at, (size_t)(to - at));
            return n;
        }
        if (!head_line(t, at, lf + 1))
            return n;
        at = lf + 1;
    }
    return (size_t)(at - bytes);
}

static void deliver(struct transfer *t, const char *bytes, size_t n)
{
    if (n && upstream_take_body(t, bytes, n))
        fail(t, ERROR_gateway_oom, "no memory for the answer");
}

/* Each takes ${n} raw bytes and says how many were used, and whether the body
 * ends there. */
static bool take_length(struct transfer *t, char *bytes, size_t n, size_t *used)
{
    struct exchange *x = &t->exchange;

    *used = x->left < n ? (size_t)x->left : n;
    x->left -= *used;
    deliver(t, bytes, *used);
    return x->left == 0;
}

static bool take_chunks(struct transfer *t, char *bytes, size_t n, size_t *used)
{
    struct http1_fault fault;
    size_t decoded;
    enum http1_result got = http1_chunked(&t->exchange.chunked, bytes, n,
                                          UINT64_MAX, used, &decoded, &fault);

    deliver(t, bytes, decoded);
    if (got == HTTP1_BAD && !t->state.ended)
        fail(t, ERROR_provider_cut_stream, "broke off inside its answer");
    return got == HTTP1_DONE;
}

static bool take_all(struct transfer *t, char *bytes, size_t n, size_t *used)
{
    *used = n;
    deliver(t, bytes, n);
    return false;
}

static bool take_body(struct transfer *t, char *bytes, size_t n, size_t *used)
{
    switch (t->exchange.framing) {
    case BY_LENGTH:
        return take_length(t, bytes, n, used);
    case BY_CHUNKS:
        return take_chunks(t, bytes, n, used);
    default:
        return take_all(t, bytes, n, used);
    }
}

static void take(struct transfer *t, char *bytes, size_t n)
{
    struct exchange *x = &t->exchange;
    size_t used;

    x->heard = true;
    if (x->framing == IN_HEAD) {
        used = take_head(t, bytes, n);
        if (t->head.refused) {
            fail(t, ERROR_provider_bad_response, t->head.refused);
            return;
        }
        if (!t->head.complete)
            return;
        begin_body(t);
        bytes += used;
        n -= used;
    }
    if (take_body(t, bytes, n, &used) && !t->state.ended)
        complete(t, used < n);
}

/* Read no more than brings the untaken bytes just above the mark. */
static size_t room(const struct transfer *t)
{
    size_t untaken = t->body.len - t->taken;
    size_t n = untaken < t->hold ? t->hold - untaken + 1 : 0;

    return n < READ_MIN ? READ_MIN : n > UPSTREAM_INBOX ? UPSTREAM_INBOX : n;
}

static void pause_if_full(struct transfer *t)
{
    if (!t->exchange.wire || t->body.len - t->taken <= t->hold)
        return;
    t->paused = true;
    event_del(&t->exchange.wire->readable);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct wire *w = arg;
    struct transfer *t = w->transfer;
    ssize_t n;

    (void)what;
    if (!t) {                   /* closed, or bytes that nobody asked for */
        upstream_site_close(w);
        return;
    }
    n = recv(fd, w->upstream->inbox, room(t), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        on_end(t, n == 0);
        return;
    }
    take(t, w->upstream->inbox, (size_t)n);
    pause_if_full(t);
}

void upstream_wire_resume(struct transfer *t)
{
    t->paused = false;
    if (t->exchange.wire)
        event_add(&t->exchange.wire->readable, NULL);
}

/* --- sending -------------------------------------------------------------- */

/* What is left to send, in at most three pieces. */
static int pieces(const struct transfer *t, struct iovec *iov)
{
    const struct exchange *x = &t->exchange;
    const struct iovec all[] = {
        {t->shape->start.data, t->shape->start.len},
        {x->lines.data, x->lines.len},
        {(char *)x->payload, x->payload_bytes},
    };
    size_t skip = x->sent;
    int n = 0;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (skip >= all[i].iov_len) {
            skip -= all[i].iov_len;
            continue;
        }
        iov[n].iov_base = (char *)all[i].iov_base + skip;
        iov[n++].iov_len = all[i].iov_len - skip;
        skip = 0;
    }
    return n;
}

/* A provider may answer and close before it has read all: so a send that fails
 * only ends the sending, and what is received decides. */
static void send_on(struct transfer *t)
{
    struct wire *w = t->exchange.wire;
    struct iovec iov[3];
    struct msghdr message = {.msg_iov = iov};
    bool waits = event_pending(&w->writable, EV_WRITE, NULL);
    ssize_t n;

    message.msg_iovlen = (size_t)pieces(t, iov);
    n = sendmsg(w->fd, &message, MSG_NOSIGNAL);
    if (n > 0)
        t->exchange.sent += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        t->exchange.deaf = true;
    if (t->exchange.deaf || t->exchange.sent == request_bytes(t)) {
        if (waits)
            event_del(&w->writable);
    } else if (!waits) {
        event_add(&w->writable, NULL);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct wire *w = arg;

    (void)fd;
    (void)what;
    send_on(w->transfer);
}

static void send_over(struct transfer *t, struct wire *w)
{
    t->exchange.wire = w;
    t->state.sent = true;
    send_on(t);
}

/* --- starting ------------------------------------------------------------- */

void upstream_wire_start(struct transfer *t)
{
    struct wire *w = upstream_site_take(t);

    if (!w) {
        dial(t);
        return;
    }
    t->state.reused = true;
    t->state.connected = t->state.started;
    send_over(t, w);
}

void upstream_wire_dialed(struct transfer *t, int fd, CURLcode result)
{
    struct wire *w;

    if (result)
        upstream_conclude(t, result);
    t->exchange.dialing = false;
    if (result)
        return;
    w = fd < 0 ? NULL : upstream_site_adopt(t, fd, on_readable, on_writable);
    if (!w) {
        if (fd >= 0)
            close(fd);
        upstream_finish(t, ERROR_gateway_oom, "no memory for a connection");
        return;
    }
    t->state.connected = clock_now();
    send_over(t, w);
}

void upstream_wire_cancel(struct transfer *t)
{
    hang_up(t);
}
