/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy says itself: a whole reply, a refusal, or a stream of its own.
 */
#include "request_impl.h"

#include <stdio.h>
#include <string.h>

static bool has_type(const struct op *op)
{
    return op->headers_len && memmem(op->headers, op->headers_len, "ontent-", 7) &&
           memmem(op->headers, op->headers_len, "ype:", 4);
}

static struct buf *op_headers(struct request *r, const struct op *op)
{
    struct buf *b = relay_headers(r, NULL);

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
    struct buf *b;

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
    b = op_headers(r, op);
    reply_head(r->in.reply, op->status, b->data, b->len, (long long)op->len);
    reply_body(r->in.reply, op->text, op->len);
    reply_finish(r->in.reply);
    r->phase = REPLY_DONE;
    request_end(r, false);
}

void relay_open(struct request *r, const struct op *op)
{
    struct buf *b = op_headers(r, op);

    relay_note_first(r);
    reply_head(r->in.reply, op->status, b->data, b->len, -1);
    reply_body(r->in.reply, op->text, op->len);
    r->phase = REPLY_OWN;
    r->in.flush(r->in.owner);
}

void relay_write(struct request *r, const char *bytes, size_t n)
{
    reply_body(r->in.reply, bytes, n);
    r->in.flush(r->in.owner);
}

void relay_close(struct request *r, bool cut)
{
    if (!cut)
        reply_finish(r->in.reply);
    r->phase = REPLY_DONE;
    request_end(r, cut);
}
