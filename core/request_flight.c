/* SPDX-License-Identifier: Apache-2.0
 *
 * One attempt after it was sent: how long it may take, and what its answer says
 * before any of it goes to the client.
 */
#include "request_impl.h"

#include "board.h"
#include "quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flight *flight_find(struct request *r, unsigned id)
{
    struct flight *f = r->flights;

    while (f && (f->id != id || id == 0))
        f = f->next;
    return f;
}

/* -- telling the policy ---------------------------------------------------- */

static void tell_answered(struct flight *f)
{
    const struct error_row *row = errors_row(f->error);
    struct plan_event e = {.kind = PLAN_ANSWERED, .id = f->id, .ok = f->ok,
                           .error = f->error, .status = f->status};

    if (f->told_answered || f->error == ERROR_caller_cancelled)
        return;
    f->told_answered = true;
    e.first_token = (double)(f->first_at ? f->first_at - f->started : 0) / 1e6;
    e.retry_after = f->retry_after < 0 ? -1 : (double)f->retry_after / 1e6;
    e.retryable = row->retry;
    e.fallback = row->fallback;
    request_tell(f->request, &e);
}

static double speed_of(const struct flight *f)
{
    double s = (double)(f->ended - f->first_at) / 1e6;

    if (!f->first_at || f->answer.usage.output <= 0 || s <= 0.001)
        return -1;
    return (double)f->answer.usage.output / s;
}

static void tell_ended(struct flight *f)
{
    const struct usage *u = &f->answer.usage;
    struct plan_event e = {
        .kind = PLAN_ENDED, .id = f->id, .error = f->error,
        .total = (double)(f->ended - f->started) / 1e6,
        .finish = f->answer.finish, .input = u->input, .output = u->output,
        .cached = u->cache_read, .reasoning = u->reasoning,
        .cost = flight_cost(f), .committed = f->committed,
        .speed = speed_of(f)};

    request_tell(f->request, &e);
}

/* -- ending ---------------------------------------------------------------- */

static void leave(struct flight *f, const struct target *t)
{
    struct board *b = f->request->all->env.board;
    const struct target *whole = flight_whole(f, t);

    board_leave(b, t->slot);
    if (whole != t)
        board_leave(b, whole->slot);
}

/* The one way out of an attempt that was started: release, account, tell. */
static void flight_end(struct flight *f, enum error_type e, const char *detail)
{
    const struct target *t = flight_target(f);

    if (f->phase == FLIGHT_ENDED)
        return;
    f->ended = clock_now();
    /* First: the sentence may be the transfer's own; or ours already. */
    if (detail && detail != f->detail)
        snprintf(f->detail, sizeof f->detail, "%s", detail);
    if (e)
        source_counted(f);
    if (f->transfer) {
        const struct transfer_state *ts = transfer_state(f->transfer);

        f->connect_us = ts->connected ? ts->connected - ts->started : 0;
        f->connected = ts->connected != 0;
        f->reused = ts->reused;
        f->head_us = ts->head_at ? ts->head_at - ts->started : 0;
        if (t)
            board_quota(f->request->all->env.board, t->slot, f->ended,
                        ts->quota_requests, ts->quota_tokens,
                        ts->quota_reset_requests, ts->quota_reset_tokens);
        snprintf(f->upstream_id, sizeof f->upstream_id, "%s", ts->request_id);
        upstream_release(f->transfer);
        f->transfer = NULL;
    }
    f->phase = FLIGHT_ENDED;
    f->error = e;
    f->ok = f->ok && e == ERROR_none;
    if (t && f->entered)
        leave(f, t);
    finish_flight(f);
    tell_answered(f);
    tell_ended(f);
}

void flight_stop(struct flight *f, enum error_type e, const char *detail)
{
    flight_end(f, e, detail);
}

struct flight *flight_take(struct requests *rs)
{
    struct flight *f = rs->spare_flights;
    struct buf body;

    if (!f) {
        f = calloc(1, sizeof *f);
        if (f)
            buf_init(&f->body, CEIL_BODY_BYTES + 2 * MIB);
        return f;
    }
    rs->spare_flights = f->next;
    rs->nspare_flights--;
    body = f->body;
    memset(f, 0, sizeof *f);
    f->body = body;
    return f;
}

void flight_free(struct flight *f)
{
    struct requests *rs = f->request->all;

    if (f->transfer)
        upstream_release(f->transfer);
    source_free(f);
    sse_free(&f->sse);
    buf_free(&f->kept);
    f->body.len = 0;
    if (f->body.size > KEPT_BODY)
        buf_free(&f->body);
    if (rs->nspare_flights == REQUEST_SPARE) {
        buf_free(&f->body);
        free(f);
        return;
    }
    f->next = rs->spare_flights;
    rs->spare_flights = f;
    rs->nspare_flights++;
}

static void flight_refused(struct flight *f, const char *body, size_t len)
{
    char text[sizeof f->detail];
    enum error_type e = refusal_read(f, body, len, text, sizeof text);

    flight_end(f, e, text);
}

/* -- reading its answer ---------------------------------------------------- */

/* Read and drop what is here; how much that was. */
static size_t drop_events(struct flight *f)
{
    struct sse_event e;
    size_t len, at = f->scanned;
    const char *bytes = source_bytes(f, &len);

    if (!source_events(f))
        return 0;
    while (sse_next(&f->sse, bytes + at, len - at, &e) == SSE_EVENT) {
        at += e.raw_len;
        if (e.has_data)
            answer_event(&f->answer, e.name, e.name_len, e.data, e.data_len);
    }
    source_take(f, at);
    f->scanned = 0;
    return at;
}

static void read_shadow(struct flight *f)
{
    while (drop_events(f) && f->foreign)
        ;
    f->scanned = 0;
    f->last_data = clock_now();
    if (source_ended(f))
        flight_end(f, source_error(f), source_detail(f));
}

static void flight_answered(struct flight *f)
{
    f->phase = FLIGHT_ANSWERED;
    f->ok = true;
    f->first_at = clock_now();
    tell_answered(f);
    /* Nobody relays a shadow: it is read to its end and thrown away. */
    if (f->shadow)
        read_shadow(f);
}

/* The transfer ended badly, or before there was anything to call an answer. */
static void flight_broke(struct flight *f, const struct transfer_state *ts)
{
    enum error_type e = source_error(f);
    const char *detail = source_detail(f);

    (void)ts;
    flight_end(f, e ? e : ERROR_provider_cut_stream,
               detail[0] ? detail : "the provider ended before it answered");
}

/* Gather a body of an error or a side call. true when it is whole, or as much of
 * it is here as is looked at: the rest may never end. */
static bool gather(struct flight *f, const struct transfer_state *ts, size_t max)
{
    size_t len;
    const char *bytes = transfer_bytes(f->transfer, &len);
    size_t room = max > f->kept.len ? max - f->kept.len : 0;

    if (len && buf_add(&f->kept, bytes, len < room ? len : room) == 0)
        transfer_take(f->transfer, len);
    if (len)
        f->last_data = clock_now();
    return ts->ended || len > room;
}

static const char *kept_bytes(const struct flight *f)
{
    return f->kept.data ? f->kept.data : "";
}

static void read_service(struct flight *f, const struct transfer_state *ts)
{
    const size_t max = CEIL_ANSWER_BYTES / 8;
    size_t len;
    bool over;

    transfer_bytes(f->transfer, &len);
    over = len > max - f->kept.len;
    if (!gather(f, ts, max))
        return;
    if (ts->error != ERROR_none) {
        flight_broke(f, ts);
        return;
    }
    if (over && f->status / 100 == 2) {
        flight_end(f, ERROR_provider_bad_response,
                   "the service's answer is larger than 4 MiB");
    } else if (f->status / 100 == 2) {
        f->first_at = clock_now();
        f->ok = true;
        flight_end(f, ERROR_none, NULL);
    } else {
        flight_refused(f, kept_bytes(f), f->kept.len);
    }
}

static void read_refusal(struct flight *f, const struct transfer_state *ts)
{
    if (!gather(f, ts, CEIL_ERROR_BYTES))
        return;
    if (f->status / 100 == 3)
        flight_end(f, ERROR_provider_bad_response,
                   "the provider answered with a redirect, which is never followed");
    else
        flight_refused(f, kept_bytes(f), f->kept.len);
}

/* Bytes that say something push the idle deadline back; blanks, which some
 * providers send while they wait, do not. scanned: looked at so far. */
static void note_progress(struct flight *f, const char *bytes, size_t len)
{
    for (; f->scanned < len; f->scanned++) {
        char c = bytes[f->scanned];

        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        f->scanned = len;
        f->last_data = clock_now();
        return;
    }
}

static void read_stream(struct flight *f, const struct transfer_state *ts);

/* All of the answer is here: is it one? */
static void take_whole(struct flight *f)
{
    size_t len;
    const char *bytes = source_bytes(f, &len);

    switch (answer_body(&f->answer, bytes, len)) {
    case ANSWER_CONTENT:
        flight_answered(f);
        break;
    case ANSWER_ERROR:
        flight_refused(f, bytes, len);
        break;
    default:
        flight_end(f, ERROR_provider_bad_response,
                   "the provider's answer says nothing or is not JSON");
    }
}

/* A whole body: it is an answer when all of it is here and says something. */
static void read_whole(struct flight *f, const struct transfer_state *ts)
{
    size_t len;
    const char *bytes = transfer_bytes(f->transfer, &len);

    note_progress(f, bytes, len);
    if (len > f->request->config->settings.answer_max) {
        flight_end(f, ERROR_provider_bad_response,
                   "the answer is larger than answer_max");
        return;
    }
    if (!ts->ended)
        return;
    f->scanned = 0;
    if (ts->error != ERROR_none ||
        ((f->foreign || flight_unfolds(f)) && source_whole(f)))
        flight_broke(f, ts);
    else if (f->made)
        read_stream(f, ts);
    else
        take_whole(f);
}

/* A stream for a client that wants one answer: read to its end. */
static void read_folded(struct flight *f, const struct transfer_state *ts)
{
    size_t len, before = f->pumped;

    if (f->phase != FLIGHT_RUNNING)
        return;
    source_bytes(f, &len);
    if (f->pumped > before)
        f->last_data = clock_now();
    if (f->pumped > f->request->config->settings.answer_max) {
        flight_end(f, ERROR_provider_bad_response,
                   "the answer is larger than answer_max");
    } else if (source_ended(f) && source_error(f) != ERROR_none) {
        flight_broke(f, ts);
    } else if (source_ended(f)) {
        f->made = true;
        take_whole(f);
    }
}

/* Enough of the stream is here to call it answered? */
static bool held_enough(const struct flight *f)
{
    if (f->limits.hold_all)
        return f->done_event;
    return f->scanned >= f->limits.hold;
}

/* One event before the first token is out. false: stop reading. */
static bool read_event(struct flight *f, const struct sse_event *e)
{
    enum answer_event kind;

    if (!e->has_data)
        return true;
    kind = answer_event(&f->answer, e->name, e->name_len, e->data, e->data_len);
    if (kind == ANSWER_ERROR) {
        flight_refused(f, e->data, e->data_len);
        return false;
    }
    if (kind == ANSWER_BROKEN) {
        flight_end(f, ERROR_provider_bad_response,
                   "an event of the stream is not JSON");
        return false;
    }
    f->last_data = clock_now();
    f->done_event |= kind == ANSWER_DONE;
    return true;
}

/* The provider is at the end of its stream and nothing was relayed yet. What
 * was held to be whole must be whole; else content is an answer, whatever ends
 * it, and the relay tells the client how it ended. */
static void stream_ended(struct flight *f, const struct transfer_state *ts)
{
    bool whole = source_error(f) == ERROR_none;

    if (!f->answer.content || (!whole && (f->limits.hold_all || f->limits.hold)))
        flight_broke(f, ts);
    else if (f->phase == FLIGHT_RUNNING)
        flight_answered(f);
}

/* An event longer than what is held may still come whole. */
static void make_room(struct flight *f, size_t pending)
{
    if (pending >= CEIL_HOLD_BYTES)
        source_hold(f, f->scanned + CEIL_EVENT_BYTES + CEIL_HOLD_BYTES);
}

/* Read events up to the one that makes it an answer: what stands behind it is
 * the relay's. */
static void read_stream(struct flight *f, const struct transfer_state *ts)
{
    struct sse_event e;
    enum sse_result got = SSE_MORE;
    size_t len;
    const char *bytes = source_bytes(f, &len);

    if (f->phase == FLIGHT_ANSWERED) {
        if (f->shadow)
            read_shadow(f);
        return;
    }
    while (!(f->answer.content && held_enough(f))) {
        got = sse_next(&f->sse, bytes + f->scanned, len - f->scanned, &e);
        if (got != SSE_EVENT)
            break;
        f->scanned += e.raw_len;
        if (!read_event(f, &e))
            return;
    }
    if (f->answer.content && held_enough(f))
        flight_answered(f);
    else if (got == SSE_TOO_LONG)
        flight_end(f, ERROR_provider_bad_response,
                   "an event of the stream is longer than 1 MiB");
    else if (!f->answer.content && f->scanned >= CEIL_HOLD_BYTES)
        flight_end(f, ERROR_provider_bad_response,
                   "64 KiB of events held no content");
    else if (source_ended(f))
        stream_ended(f, ts);
    else
        make_room(f, len - f->scanned);
}

static void read_head(struct flight *f, const struct transfer_state *ts)
{
    if (f->status)
        return;
    f->status = ts->status;
    f->retry_after = ts->retry_after;
}

/* A 2xx that cannot be the answer, whatever its body says; or NULL. */
static const char *unexpected(const struct flight *f,
                              const struct transfer_state *ts)
{
    if (ts->encoded)
        return "the provider sent an encoded body although none was accepted";
    if (f->status != 200)
        return "the provider answered with a status that has no body";
    if (!f->stream && ts->event_stream)
        return "the provider answered with an event stream that was not asked for";
    return NULL;
}

/* A body where a stream was asked for is an error, or of no use. */
static void read_instead(struct flight *f, const struct transfer_state *ts)
{
    if (!gather(f, ts, CEIL_ERROR_BYTES))
        return;
    if (answer_body(&f->answer, kept_bytes(f), f->kept.len) == ANSWER_ERROR)
        flight_refused(f, kept_bytes(f), f->kept.len);
    else
        flight_end(f, ERROR_provider_bad_response,
                   "the provider answered a streaming call without an event stream");
}

static void read_answer(struct flight *f, const struct transfer_state *ts)
{
    const char *why = unexpected(f, ts);

    if (why)
        flight_end(f, ERROR_provider_bad_response, why);
    else if (f->stream && !ts->event_stream && !flight_folds(f))
        read_instead(f, ts);
    else if (f->phase == FLIGHT_RELAYED)
        relay_more(f->request);
    else if (flight_folds(f) && ts->event_stream)
        read_folded(f, ts);
    else if (ts->event_stream)
        read_stream(f, ts);
    else if (f->phase == FLIGHT_RUNNING)
        read_whole(f, ts);
}

void flight_news(struct flight *f)
{
    const struct transfer_state *ts = transfer_state(f->transfer);

    if (!ts->head) {
        if (ts->ended)
            flight_broke(f, ts);
        return;
    }
    read_head(f, ts);
    if (f->target < 0)
        read_service(f, ts);
    else if (f->status / 100 != 2)
        read_refusal(f, ts);
    else
        read_answer(f, ts);
}

/* -- deadlines ------------------------------------------------------------- */

static us_t idle_due(const struct flight *f)
{
    /* What is here already cannot fall silent any more. */
    if (!f->last_data || !f->limits.idle || !f->transfer ||
        transfer_paused(f->transfer) || transfer_state(f->transfer)->ended)
        return US_NEVER;
    return f->last_data + f->limits.idle;
}

us_t flight_due(const struct flight *f)
{
    us_t due = f->total_due, idle = idle_due(f);

    if (f->phase == FLIGHT_ENDED)
        return US_NEVER;
    if (f->phase == FLIGHT_RUNNING && f->first_due < due)
        due = f->first_due;
    return idle < due ? idle : due;
}

void flight_deadlines(struct flight *f, us_t now)
{
    if (f->phase == FLIGHT_ENDED || flight_due(f) > now)
        return;
    if (f->total_due <= now && f->tail)
        flight_end(f, ERROR_none, NULL);
    else if (f->total_due <= now)
        flight_end(f, ERROR_provider_timeout_total,
                   "the answer was not whole within its total time");
    else if (f->phase == FLIGHT_RUNNING && f->first_due <= now)
        flight_end(f, ERROR_provider_timeout_first_token,
                   "no content came within the first-token time");
    else
        flight_end(f, ERROR_provider_timeout_idle,
                   "the provider fell silent for longer than the idle time");
}
