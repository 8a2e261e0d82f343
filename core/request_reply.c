/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy says itself: a whole reply, a refusal, or a stream of its own.
 */
#include "request_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool has_type(const struct op *op)
{
    return op->headers_len && memmem(op->headers, op->headers_len, "ontent-", 7) &&
           memmem(op->headers, op->headers_len, "ype:", 4);
}

static struct buf *op_headers(struct request *r, const struct op *op)
{
    struct buf *b = relay_headers(r, NULL);

    relay_own_id(b, r);
    buf_add(b, op->headers, op->headers_len);
    if (!has_type(op))
        relay_header(b, "content-type",
                   op->len && op->text[0] != '{' && op->text[0] != '['
                       ? "text/plain; charset=utf-8" : "application/json");
    if (op->status >= 400)
        relay_header(b, "x-should-retry",
                   errors_row(op->error)->retry ? "true" : "false");
    return b;
}

static void reject(struct request *r, const struct op *op)
{
    char text[400];

    snprintf(text, sizeof text, "%.*s", (int)op->len, op->text);
    relay_fail(r, NULL, op->error, op->status, text, op);
}

void relay_reply(struct request *r, const struct op *op)
{
    struct buf *b, theirs;
    struct op own = *op;

    r->error = op->error;
    relay_note_first(r);
    /* leme.reject gives a sentence: it goes out as any error does. */
    if (op->error && (op->len == 0 || op->text[0] != '{')) {
        reject(r, op);
        return;
    }
    if (r->phase == REPLY_EARLY) {
        relay_error(r, op->error ? op->error : ERROR_policy_denied,
                    "the policy answered after the stream had begun");
        return;
    }
    buf_init(&theirs, CEIL_ANSWER_BYTES);
    if (request_has_surface(r) && op->status == 200 &&
        request_surface_answer(r, op->text, op->len, &theirs) == 0) {
        own.text = theirs.data;
        own.len = theirs.len;
    }
    b = op_headers(r, &own);
    reply_head(r->in.reply, own.status, b->data, b->len, (long long)own.len);
    reply_body(r->in.reply, own.text, own.len);
    reply_finish(r->in.reply);
    buf_free(&theirs);
    r->phase = REPLY_DONE;
    request_end(r, false);
}

/* Events of the policy's own, in the client's format. */
static void write_surface(struct request *r, const char *bytes, size_t n)
{
    struct sse_event e;
    struct sse sse;
    size_t at = 0;

    sse_init(&sse, CEIL_EVENT_BYTES);
    while (sse_next(&sse, bytes + at, n - at, &e) == SSE_EVENT) {
        at += e.raw_len;
        if (e.has_data)
            request_surface_event(r, e.data, e.data_len);
    }
    sse_free(&sse);
}

static void write_own(struct request *r, const char *bytes, size_t n)
{
    if (r->surface)
        write_surface(r, bytes, n);
    else
        reply_body(r->in.reply, bytes, n);
}

/* A policy calls every stream one of events; a client with another format gets
 * its own kind. */
static struct buf *stream_headers(struct request *r, const struct op *op)
{
    const char *line = op->headers, *end = line + op->headers_len;
    struct buf *b;

    if (!request_has_surface(r))
        return op_headers(r, op);
    b = relay_headers(r, NULL);
    relay_own_id(b, r);
    for (const char *next; line < end; line = next) {
        const char *lf = memchr(line, '\n', (size_t)(end - line));

        next = lf ? lf + 1 : end;
        if (strncasecmp(line, "content-type:", 13) != 0)
            buf_add(b, line, (size_t)(next - line));
    }
    relay_header(b, "content-type", request_stream_type(r));
    return b;
}

void relay_open(struct request *r, const struct op *op)
{
    struct buf *b;

    relay_note_first(r);
    /* After early headers the head has left already. */
    if (r->phase == REPLY_NONE) {
        b = stream_headers(r, op);
        reply_head(r->in.reply, op->status, b->data, b->len, -1);
    }
    if (request_has_surface(r))
        request_surface_open(r);
    write_own(r, op->text, op->len);
    r->phase = REPLY_OWN;
    r->in.flush(r->in.owner);
}

void relay_write(struct request *r, const char *bytes, size_t n)
{
    write_own(r, bytes, n);
    r->in.flush(r->in.owner);
}

void relay_close(struct request *r, bool cut)
{
    if (!cut)
        reply_finish(r->in.reply);
    r->phase = REPLY_DONE;
    request_end(r, cut);
}
