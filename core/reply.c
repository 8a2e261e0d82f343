/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything of one turn is gathered in the loop's scratch and written with one
 * send. Only what the kernel refuses is copied to memory of the reply's own, so
 * that a live stream whose client keeps up holds no buffer.
 */
#include "reply.h"

#include "ceilings.h"
#include "clock.h"
#include "memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A scratch above this size is not kept between turns. */
#define SCRATCH_KEPT (256 * KIB)

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"},
    {204, "No Content"}, {400, "Bad Request"}, {401, "Unauthorized"},
    {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
    {405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"},
    {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"},
    {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
    {422, "Unprocessable Content"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *reply_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

void reply_loop_init(struct reply_loop *loop, struct memory *memory)
{
    memset(loop, 0, sizeof *loop);
    loop->memory = memory;
    buf_init(&loop->scratch, CEIL_ANSWER_BYTES + MIB);
}

void reply_loop_free(struct reply_loop *loop)
{
    buf_free(&loop->scratch);
}

void reply_init(struct reply *r, struct reply_loop *loop, int fd)
{
    memset(r, 0, sizeof *r);
    r->loop = loop;
    r->fd = fd;
    r->keep_alive = true;
    buf_init(&r->out, CEIL_ANSWER_BYTES + MIB);
}

void reply_free(struct reply *r)
{
    if (r->loop && r->loop->owner == r) {
        r->loop->owner = NULL;
        r->loop->scratch.len = 0;
    }
    buf_free(&r->out);
    if (r->loop)
        memory_charge(r->loop->memory, &r->charged, 0);
}

void reply_reset(struct reply *r)
{
    r->status = 0;
    r->sent = 0;
    r->minor0 = r->head_only = false;
    r->chunked = r->until_close = r->finished = false;
    r->keep_alive = true;
}

/* The buffer that new bytes go to: behind what already waits, or the scratch. */
static struct buf *sink_of(struct reply *r)
{
    struct reply *owner = r->loop->owner;

    if (r->out.len)
        return &r->out;
    /* Bytes of another answer are never mixed with these: should they still be
       here, they wait with their own. */
    if (owner && owner != r && !owner->broken)
        owner->broken = buf_add(&owner->out, r->loop->scratch.data,
                                r->loop->scratch.len) != 0;
    if (owner != r)
        r->loop->scratch.len = 0;
    r->loop->owner = r;
    return &r->loop->scratch;
}

static void add(struct reply *r, const char *bytes, size_t n)
{
    if (!r->broken && buf_add(sink_of(r), bytes, n))
        r->broken = true;
}

static void add_date(struct reply *r)
{
    struct reply_loop *loop = r->loop;
    struct timespec now;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != loop->date_second) {
        time_t t = now.tv_sec;

        loop->date_second = now.tv_sec;
        gmtime_r(&t, &tm);
        strftime(loop->date, sizeof loop->date,
                 "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    add(r, loop->date, strlen(loop->date));
}

static void add_status_line(struct reply *r, int status)
{
    char line[80];

    if (status == 200) {
        add(r, "HTTP/1.1 200 OK\r\n", 17);
        return;
    }
    snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status,
             reply_reason(status));
    add(r, line, strlen(line));
}

static size_t decimal(char *out, unsigned long long n)
{
    char digits[24];
    size_t len = 0, i;

    do {
        digits[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    for (i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    return len;
}

static void add_framing(struct reply *r, long long length)
{
    char line[48] = "content-length: ";
    size_t n;

    if (length >= 0) {
        n = 16 + decimal(line + 16, (unsigned long long)length);
        memcpy(line + n, "\r\n", 2);
        add(r, line, n + 2);
    } else if (r->minor0) {
        r->until_close = true;
        r->keep_alive = false;
    } else {
        r->chunked = true;
        add(r, "transfer-encoding: chunked\r\n", 28);
    }
}

void reply_head(struct reply *r, int status, const char *headers, size_t n,
                long long length)
{
    r->status = status;
    if (r->sink) {
        r->sink->head(r->sink_arg, status, headers, n);
        return;
    }
    add_status_line(r, status);
    add_date(r);
    add(r, headers, n);
    if (status != 204)
        add_framing(r, length);
    if (!r->keep_alive)
        add(r, "connection: close\r\n", 19);
    else if (r->minor0)
        add(r, "connection: keep-alive\r\n", 24);
    add(r, "\r\n", 2);
}

static void add_chunk_size(struct reply *r, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char line[24];
    size_t at = sizeof line - 2;

    memcpy(line + at, "\r\n", 2);
    do {
        line[--at] = hex[n & 15];
        n >>= 4;
    } while (n);
    add(r, line + at, sizeof line - at);
}

void reply_body(struct reply *r, const char *bytes, size_t n)
{
    if (n == 0 || r->head_only)
        return;
    if (r->sink) {
        r->sink->data(r->sink_arg, bytes, n);
        r->sent += n;
        return;
    }
    if (r->chunked)
        add_chunk_size(r, n);
    add(r, bytes, n);
    if (r->chunked)
        add(r, "\r\n", 2);
}

void reply_finish(struct reply *r)
{
    if (r->finished)
        return;
    r->finished = true;
    if (r->sink)
        r->sink->end(r->sink_arg, true);
    else if (r->chunked && !r->head_only)
        add(r, "0\r\n\r\n", 5);
}

/* Send from ${b} behind ${at}; the number of bytes the kernel took. */
static size_t send_some(struct reply *r, const struct buf *b, size_t at)
{
    ssize_t n;

    while (!r->broken && at < b->len) {
        n = send(r->fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0) {
            r->broken = true;
            return 0;
        }
        r->sent += (size_t)n;
        return (size_t)n;
    }
    return 0;
}

static void flush_scratch(struct reply *r)
{
    struct buf *s = &r->loop->scratch;
    size_t n = send_some(r, s, 0);

    if (!r->broken && n < s->len && buf_add(&r->out, s->data + n, s->len - n))
        r->broken = true;
    s->len = 0;
    r->loop->owner = NULL;
    if (s->size > SCRATCH_KEPT)
        buf_free(s);
}

static void flush_out(struct reply *r)
{
    r->out_at += send_some(r, &r->out, r->out_at);
    if (r->out_at == r->out.len || r->broken) {
        buf_free(&r->out);
        r->out_at = 0;
    } else if (r->out_at > r->out.len / 2) {
        buf_drop(&r->out, r->out_at);
        r->out_at = 0;
    }
}

size_t reply_flush(struct reply *r)
{
    if (r->out.len)
        flush_out(r);
    else if (r->loop->owner == r)
        flush_scratch(r);
    memory_charge(r->loop->memory, &r->charged, r->out.size);
    return reply_queued(r);
}

size_t reply_queued(const struct reply *r)
{
    return r->out.len - r->out_at;
}
