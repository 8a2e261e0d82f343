/* SPDX-License-Identifier: Apache-2.0
 *
 * From an attempt's bytes to the client's. On the pass-through path nothing is
 * parsed twice and nothing is copied but into the socket: whole events are
 * found, read in passing, and sent on as one piece a turn.
 */
#include "request_impl.h"

#include <stdio.h>
#include <string.h>

/* After [DONE] the provider's own end is awaited for this long, so that its
 * connection can be used again. */
#define TAIL_US (1 * US_PER_S)

static const char done_event[] = "data: [DONE]\n\n";

/* Does what is relayed become the client's own format on its way? */
static bool said_anew(const struct request *r, const struct flight *f)
{
    return request_has_surface(r) && !(f && f->native);
}

static void begin_stream(struct request *r, const struct flight *f)
{
    struct buf *b = relay_headers(r, f);

    relay_own_id(b, r);
    relay_header(b, "content-type", request_stream_type(r));
    buf_adds(b, "cache-control: no-cache\r\nx-accel-buffering: no\r\n");
    reply_head(r->in.reply, 200, b->data, b->len, -1);
    r->comment_due = US_NEVER;
    if (r->config->settings.keepalive_comment)
        r->comment_due = clock_now() + r->config->settings.keepalive_comment;
}

void relay_note_first(struct request *r)
{
    if (!r->first_us)
        r->first_us = clock_now() - r->in.received;
}

/* The provider chose it, and may have chosen its key. */
static void upstream_id(const struct request *r, const char *theirs, struct buf *b)
{
    char id[sizeof ((struct transfer_state *)0)->request_id];

    snprintf(id, sizeof id, "%s", theirs);
    request_redact(r, id);
    relay_header(b, "x-upstream-request-id", id);
}

/* -- errors ---------------------------------------------------------------- */

/* Of the caller's own mistake the provider's code says more than ours. */
static const char *code_of(const struct flight *f, enum error_type e)
{
    return f && f->code[0] && e == ERROR_provider_invalid_request
               ? f->code : errors_row(e)->code;
}

static void error_object(const struct flight *f, enum error_type e,
                         const char *message, struct buf *out)
{
    const struct error_row *row = errors_row(e);

    buf_adds(out, "{\"error\":{\"message\":");
    buf_add_json(out, message, strlen(message));
    buf_addf(out, ",\"type\":\"%s\",\"param\":", row->type);
    if (f && f->param[0])
        buf_add_json(out, f->param, strlen(f->param));
    else
        buf_adds(out, "null");
    buf_adds(out, ",\"code\":");
    buf_add_json(out, code_of(f, e), strlen(code_of(f, e)));
    buf_addf(out, ",\"error_type\":\"%s\"}}", row->name);
}

/* A stream that fails ends with one error event and the end mark. */
static void end_with_event(struct request *r, const struct flight *f,
                           enum error_type e, const char *message)
{
    struct buf *b = &r->all->scratch;

    if (request_has_surface(r)) {
        request_surface_failure(r, e, message);
        reply_finish(r->in.reply);
        return;
    }
    b->len = 0;
    buf_adds(b, "data: ");
    error_object(f, e, message, b);
    buf_adds(b, "\n\n");
    buf_adds(b, done_event);
    reply_body(r->in.reply, b->data, b->len);
    reply_finish(r->in.reply);
}

static void add_retry(struct buf *b, const struct flight *f, int status)
{
    us_t wait = f ? f->retry_after : -1;

    if ((status != 429 && status != 503) || wait < 0 || wait > 60 * US_PER_S)
        return;
    buf_addf(b, "retry-after: %lld\r\nretry-after-ms: %lld\r\n",
             (long long)((wait + US_PER_S - 1) / US_PER_S),
             (long long)(wait / US_PER_MS));
}

/* ${more}: header lines of the policy's own. */
static void answer_error(struct request *r, const struct flight *f,
                         enum error_type e, int status, const char *message,
                         const struct op *more)
{
    struct buf *b = relay_headers(r, f), body;

    buf_init(&body, 8 * KIB);
    if (request_has_surface(r))
        status = request_surface_error(r, e, status, code_of(f, e), message, b,
                                       &body);
    if (body.len == 0)
        error_object(f, e, message, &body);
    if (!memmem(b->data, b->len, "\r\ncontent-type:", 15))
        relay_header(b, "content-type", "application/json");
    relay_header(b, "x-should-retry", errors_row(e)->retry ? "true" : "false");
    add_retry(b, f, status);
    if (more)
        buf_add(b, more->headers, more->headers_len);
    reply_head(r->in.reply, status, b->data, b->len, (long long)body.len);
    reply_body(r->in.reply, body.data, body.len);
    reply_finish(r->in.reply);
    buf_free(&body);
}

void relay_fail(struct request *r, const struct flight *f, enum error_type e,
                int status, const char *message, const struct op *more)
{
    char text[400];

    r->error = e;
    if (r->phase == REPLY_DONE)
        return;
    /* Whatever format the client speaks. */
    snprintf(text, sizeof text, "%s", message);
    request_redact(r, text);
    if (r->phase == REPLY_NONE)
        answer_error(r, f, e, status, text, more);
    else
        end_with_event(r, f, e, text);
    r->phase = REPLY_DONE;
    request_end(r, false);
}

static void fail(struct request *r, const struct flight *f, enum error_type e,
                 int status, const char *message)
{
    relay_fail(r, f, e, status, message, NULL);
}

void relay_error(struct request *r, enum error_type e, const char *message)
{
    fail(r, NULL, e, errors_row(e)->status, message);
}

/* Is this the caller's own mistake, so that the provider's words help? */
static bool callers_mistake(enum error_type e)
{
    return e == ERROR_provider_invalid_request ||
           e == ERROR_provider_context_too_long ||
           e == ERROR_provider_content_filtered ||
           e == ERROR_provider_model_gone;
}

void relay_failure(struct request *r, struct flight *f)
{
    const struct error_row *row = errors_row(f->error);
    const struct target *t = flight_target(f);
    const char *name = t ? flight_whole(f, t)->name : "";
    int status = row->status;
    char text[400];

    if (f->error == ERROR_provider_invalid_request && f->status / 100 == 4)
        status = f->status;
    if (callers_mistake(f->error) && f->detail[0])
        snprintf(text, sizeof text, "%s", f->detail);
    else
        snprintf(text, sizeof text, "%s failed (%s): %s", name, row->name,
                 f->detail[0] ? f->detail : "no reason was given");
    fail(r, f, f->error, status, text);
}

/* -- whole answers --------------------------------------------------------- */

/* ${text}: instead of the provider's own; or NULL. */
static void send_whole(struct request *r, struct flight *f, const char *text,
                       size_t text_len)
{
    const struct transfer_state *ts = transfer_state(f->transfer);
    struct buf *b = relay_headers(r, f);
    struct buf theirs;
    size_t len;
    const char *bytes = source_bytes(f, &len);

    if (text) {
        bytes = text;
        len = text_len;
    }
    buf_init(&theirs, CEIL_ANSWER_BYTES);
    if (said_anew(r, f)) {
        if (request_surface_answer(r, bytes, len, &theirs)) {
            buf_free(&theirs);
            flight_stop(f, ERROR_gateway_internal,
                        "the answer could not be said in the client's format");
            relay_failure(r, f);
            return;
        }
        b = relay_headers(r, f);
        bytes = theirs.data;
        len = theirs.len;
    }
    relay_own_id(b, r);
    relay_header(b, "content-type", "application/json");
    if (ts->request_id[0])
        upstream_id(r, ts->request_id, b);
    relay_note_first(r);
    f->committed = true;
    reply_head(r->in.reply, 200, b->data, b->len, (long long)len);
    reply_body(r->in.reply, bytes, len);
    reply_finish(r->in.reply);
    buf_free(&theirs);
    r->phase = REPLY_DONE;
    flight_stop(f, ERROR_none, NULL);
    request_end(r, false);
}

/* -- streams --------------------------------------------------------------- */

/* The answer is whole for the client. The attempt may still wait for its
 * provider to end the transfer. */
static void stream_done(struct request *r, struct flight *f)
{
    reply_finish(r->in.reply);
    r->phase = REPLY_DONE;
    if (transfer_state(f->transfer)->ended || f->foreign) {
        flight_stop(f, ERROR_none, NULL);
    } else {
        f->tail = true;
        f->total_due = clock_now() + TAIL_US;
    }
    request_end(r, false);
}

static void stream_failed(struct request *r, struct flight *f,
                          enum error_type e, const char *detail)
{
    char text[200];

    snprintf(text, sizeof text, "%s", detail);
    flight_stop(f, e, text);
    /* With resume the policy may go on with another target. */
    if (!request_awaits_resume(r))
        relay_failure(r, f);
}

/* What the walk over the events of one turn came to. */
struct walk {
    const char *bytes;
    size_t at;              /* read so far */
    size_t from;            /* sent so far */
    size_t left;            /* not a whole event yet */
    enum { WALK_ON, WALK_DONE, WALK_FAILED, WALK_ITEM } outcome;
    enum error_type error;
    const char *detail;
};

static void send_read(struct request *r, struct walk *w)
{
    reply_body(r->in.reply, w->bytes + w->from, w->at - w->from);
    w->from = w->at;
}

static void walk_failed(struct walk *w, enum error_type e, const char *detail)
{
    w->outcome = WALK_FAILED;
    w->error = e;
    w->detail = detail;
}

/* The client gets its own events instead of these. */
static void walk_surface(struct request *r, struct walk *w,
                         const struct sse_event *e, enum answer_event kind)
{
    w->at += e->raw_len;
    w->from = w->at;
    if (request_surface_event(r, e->data, e->data_len))
        walk_failed(w, ERROR_gateway_internal,
                    "an event could not be said in the client's format");
    else if (kind == ANSWER_DONE)
        w->outcome = WALK_DONE;
}

/* Read one event in passing. What is sent is everything between from and at. */
static void walk_event(struct request *r, struct flight *f, struct walk *w,
                       const struct sse_event *e)
{
    enum answer_event kind;
    us_t now;

    if (!e->has_data) {
        w->at += e->raw_len;
        if (r->surface)
            w->from = w->at;
        return;
    }
    kind = answer_event(&f->answer, e->name, e->name_len, e->data, e->data_len);
    now = clock_now();
    if (f->last_data && now - f->last_data > f->gap)
        f->gap = now - f->last_data;
    f->last_data = now;
    if (kind == ANSWER_ERROR) {
        struct json_view part = answer_fault(f->answer.format, e->data,
                                             e->data_len);

        send_read(r, w);
        refusal_words(f, part.at, part.len, f->detail, sizeof f->detail);
        walk_failed(w, answer_classify(200, part.at, part.len),
                    "the provider ended its stream with an error");
    } else if (kind == ANSWER_BROKEN) {
        send_read(r, w);
        walk_failed(w, ERROR_provider_bad_response,
                    "an event of the stream is not JSON");
    } else if (r->surface && !f->events) {
        walk_surface(r, w, e, kind);
    } else if (kind == ANSWER_USAGE && !r->include_usage && !r->surface) {
        send_read(r, w);
        w->at += e->raw_len;
        w->from = w->at;
    } else if (f->events && kind != ANSWER_DONE) {
        send_read(r, w);
        r->item.len = 0;
        buf_add(&r->item, e->data, e->data_len);
        r->item_raw = e->raw_len;
        w->outcome = WALK_ITEM;
    } else if (r->surface) {
        walk_surface(r, w, e, kind);
    } else {
        w->at += e->raw_len;
        if (kind == ANSWER_DONE)
            w->outcome = WALK_DONE;
        else if (kind == ANSWER_CONTENT)
            w->at += source_alike(f, w->at);    /* they say the same */
    }
}

/* The provider's end without [DONE]: whole when it said why it finished. */
static void walk_end(struct request *r, struct flight *f, struct walk *w,
                     size_t len)
{
    enum error_type error = source_error(f);
    struct sse_event e;

    if (error == ERROR_none &&
        sse_rest(&f->sse, w->bytes + w->at, len - w->at, &e) == SSE_EVENT) {
        walk_event(r, f, w, &e);
        send_read(r, w);
        if ((w->outcome == WALK_ON || w->outcome == WALK_DONE) && !r->surface)
            reply_body(r->in.reply, "\n\n", 2);
        if (w->outcome != WALK_ON)
            return;
    }
    if (error != ERROR_none) {
        walk_failed(w, error, source_detail(f));
    } else if (f->answer.finish[0]) {
        const char *ending = answer_ending(f->answer.format);

        send_read(r, w);
        if (r->surface)
            request_surface_event(r, "[DONE]", 6);
        else
            reply_body(r->in.reply, ending, strlen(ending));
        w->outcome = WALK_DONE;
    } else {
        walk_failed(w, ERROR_provider_cut_stream,
                    "the provider's stream ended without a finish reason");
    }
}

static void walk(struct request *r, struct flight *f, struct walk *w)
{
    struct sse_event e;
    enum sse_result got = SSE_MORE;
    size_t len;

    w->bytes = source_bytes(f, &len);
    while (w->outcome == WALK_ON) {
        got = sse_next(&f->sse, w->bytes + w->at, len - w->at, &e);
        if (got != SSE_EVENT)
            break;
        walk_event(r, f, w, &e);
    }
    if (w->outcome == WALK_ON && got == SSE_TOO_LONG)
        walk_failed(w, ERROR_provider_bad_response,
                    "an event of the stream is longer than 1 MiB");
    if (w->outcome == WALK_ON && source_ended(f))
        walk_end(r, f, w, len);
    send_read(r, w);
    w->left = len - w->at;
}

static void push_back_comment(struct request *r)
{
    if (r->comment_due != US_NEVER)
        r->comment_due = clock_now() + r->config->settings.keepalive_comment;
}

/* The policy looks at every event of this attempt. */
static void tell_item(struct request *r, struct flight *f)
{
    struct plan_event e = {.kind = PLAN_ITEM, .id = f->id,
                           .data = r->item.data, .len = r->item.len};

    r->item_waits = true;
    request_tell(r, &e);
}

/* With a filter the policy sees the whole answer before the client does. */
static void relay_whole(struct request *r, struct flight *f)
{
    size_t len;
    const char *bytes = source_bytes(f, &len);

    if (!f->events || !plan_open(&r->plan)) {
        send_whole(r, f, NULL, 0);
        return;
    }
    r->item.len = 0;
    buf_add(&r->item, bytes, len);
    tell_item(r, f);
}

/* One turn of it. May there be more to translate? Nothing else would say so. */
static bool relay_some(struct request *r)
{
    struct flight *f = r->relayed;
    struct walk w = {.outcome = WALK_ON};

    if (!f || !f->transfer || r->item_waits)
        return false;
    if (r->phase == REPLY_DONE) {       /* only the tail is awaited */
        size_t len;

        transfer_bytes(f->transfer, &len);
        transfer_take(f->transfer, len);
        if (transfer_state(f->transfer)->ended)
            flight_stop(f, ERROR_none, NULL);
        return false;
    }
    if (r->phase != REPLY_STREAM || reply_queued(r->in.reply) > CEIL_REPLY_QUEUE)
        return false;
    walk(r, f, &w);
    if (w.at)
        source_take(f, w.at);
    /* An event longer than what is usually held may still come whole. */
    source_hold(f, w.left >= CEIL_HOLD_BYTES
                       ? CEIL_EVENT_BYTES + CEIL_HOLD_BYTES : CEIL_HOLD_BYTES);
    push_back_comment(r);
    /* The last event leaves together with the end, in one piece. */
    if (w.outcome != WALK_DONE)
        r->in.flush(r->in.owner);
    if (w.outcome == WALK_ITEM)
        tell_item(r, f);
    else if (w.outcome == WALK_DONE)
        stream_done(r, f);
    else if (w.outcome == WALK_FAILED)
        stream_failed(r, f, w.error, f->detail[0] ? f->detail : w.detail);
    return w.outcome == WALK_ON && w.at && f->foreign;
}

void relay_more(struct request *r)
{
    while (relay_some(r))
        continue;
}

void relay_item(struct request *r, const struct op *op)
{
    struct flight *f = r->relayed;
    size_t len;
    const char *bytes;

    if (!r->item_waits || !f || f->id != op->id || !f->transfer)
        return;
    r->item_waits = false;
    if (!r->stream) {
        if (op->kind == OP_DROP)
            relay_error(r, ERROR_policy_denied, "the policy withheld the answer");
        else
            send_whole(r, f, op->kind == OP_REPLACE ? op->text : NULL, op->len);
        return;
    }
    bytes = source_bytes(f, &len);
    if (r->surface) {
        if (op->kind != OP_DROP)
            request_surface_event(r, op->kind == OP_REPLACE ? op->text
                                                            : r->item.data,
                                  op->kind == OP_REPLACE ? op->len : r->item.len);
    } else if (op->kind == OP_PASS) {
        reply_body(r->in.reply, bytes, r->item_raw);
    } else if (op->kind == OP_REPLACE) {
        reply_body(r->in.reply, "data: ", 6);
        reply_body(r->in.reply, op->text, op->len);
        reply_body(r->in.reply, "\n\n", 2);
    }
    source_take(f, r->item_raw);
    relay_more(r);
}

void relay_start(struct request *r, struct flight *f)
{
    if (!f->ok) {
        relay_failure(r, f);
        return;
    }
    f->phase = FLIGHT_RELAYED;
    r->relayed = f;
    r->error = ERROR_none;
    if (!r->stream) {
        relay_whole(r, f);
        return;
    }
    if (r->phase == REPLY_NONE)
        begin_stream(r, f);
    if (said_anew(r, f))
        request_surface_open(r);
    r->phase = REPLY_STREAM;
    f->committed = true;
    relay_note_first(r);
    request_release_body(r);
    /* What was held is read again, now with the client's eyes. */
    f->scanned = 0;
    sse_free(&f->sse);
    sse_init(&f->sse, CEIL_EVENT_BYTES);
    answer_init(&f->answer, f->answer.format);
    source_hold(f, CEIL_HOLD_BYTES);
    relay_more(r);
}

/* -- before and between ---------------------------------------------------- */

void relay_early(struct request *r)
{
    r->early_due = US_NEVER;
    if (r->phase != REPLY_NONE || !r->stream)
        return;
    begin_stream(r, NULL);
    r->phase = REPLY_EARLY;
    relay_comment(r);
}

void relay_comment(struct request *r)
{
    const char *comment = request_keepalive(r);

    push_back_comment(r);
    /* Never into the middle of an event: only whole events were sent. */
    if (reply_queued(r->in.reply) == 0)
        reply_body(r->in.reply, comment, strlen(comment));
    r->in.flush(r->in.owner);
}
