/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the relay and the reader of answers take their bytes: straight from the
 * transfer when the provider speaks OpenAI's format, else from a buffer that its
 * events are translated into, one by one, as they come; or, when a stream is to be
 * one answer or the reverse, in the end.
 */
#include "request_impl.h"

#include <stdio.h>
#include <string.h>

static void broke(struct flight *f, const struct dialect_fault *fault)
{
    struct dialect_fault own = *fault;

    f->broke = fault->error;
    f->translated = true;
    request_redact(f->request, own.message);
    snprintf(f->detail, sizeof f->detail, "%.199s", own.message);
}

static int open_stream(struct flight *f)
{
    struct dialect_fault fault;

    if (f->translation)
        return 0;
    sse_init(&f->theirs, CEIL_EVENT_BYTES);
    stencil_init(&f->like);
    if (dialect_open(f->request->state, flight_provider(f)->dialect,
                     f->facts, flight_folds(f), &f->translation, &fault) == 0)
        return 0;
    broke(f, &fault);
    return -1;
}

/* Google breaks off a stream with an error that is no event: JSON as it is. */
static bool bare_json(const char *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && (bytes[n] == ' ' || bytes[n] == '\r' || bytes[n] == '\n'))
        n++;
    return n < len && (bytes[n] == '{' || bytes[n] == '[');
}

static void translate_event(struct flight *f, const struct sse_event *e)
{
    struct stencil_text data = {e->data, e->data_len};
    struct dialect_fault fault;
    size_t before = f->out.len;
    int made;

    if (!e->has_data) {
        if (!bare_json(e->raw, e->raw_len))
            return;
        data = (struct stencil_text){e->raw, e->raw_len};
    }
    made = dialect_event(f->request->state, f->translation, &f->like,
                         (struct stencil_text){e->name, e->name_len}, data,
                         &f->out, &fault);
    if (made < 0)
        broke(f, &fault);
    else if (made)
        stencil_run_add(&f->alike, before, f->out.len);
}

static void finish_stream(struct flight *f)
{
    struct dialect_fault fault;

    f->translated = true;
    if (dialect_finish(f->request->state, f->translation, &f->like, &f->out,
                       &fault))
        broke(f, &fault);
}

/* How much may be translated ahead: what is to be held must have room. */
static size_t ahead(const struct flight *f)
{
    if (f->limits.hold_all && f->phase == FLIGHT_RUNNING)
        return f->request->config->settings.answer_max;
    return CEIL_HOLD_BYTES + f->limits.hold;
}

/* Translate whole events, as long as what is translated is not too much. */
static void pump(struct flight *f)
{
    const struct transfer_state *ts = transfer_state(f->transfer);
    struct sse_event e;
    /* Unless a look at the bytes says otherwise, there may be another one. */
    enum sse_result got = SSE_EVENT;
    size_t len, at = 0;
    const char *bytes = transfer_bytes(f->transfer, &len);

    if (f->translated || open_stream(f))
        return;
    /* What is said is about as long in either format: so it grows once. */
    buf_reserve(&f->out, len);
    while (!f->translated && f->out.len < ahead(f)) {
        got = sse_next(&f->theirs, bytes + at, len - at, &e);
        if (got != SSE_EVENT && ts->ended)
            got = sse_rest(&f->theirs, bytes + at, len - at, &e);
        if (got != SSE_EVENT)
            break;
        at += e.raw_len;
        translate_event(f, &e);
    }
    if (!f->translated && got == SSE_MORE && ts->ended &&
        bare_json(bytes + at, len - at)) {
        translate_event(f, &(struct sse_event){.name = "", .raw = bytes + at,
                                               .raw_len = len - at});
        at = len;
    }
    transfer_take(f->transfer, at);
    f->pumped += at;
    if (!f->translated && got != SSE_EVENT && ts->ended &&
        ts->error == ERROR_none)
        finish_stream(f);
    else if (got == SSE_TOO_LONG)
        broke(f, &(struct dialect_fault){ERROR_provider_bad_response,
                                         "an event is longer than 1 MiB"});
}

/* Does what is read stand in a buffer of ours? */
static bool buffered(const struct flight *f)
{
    return f->foreign || f->made ||
           (flight_folds(f) && transfer_state(f->transfer)->event_stream);
}

const char *source_bytes(struct flight *f, size_t *len)
{
    if (!buffered(f))
        return transfer_bytes(f->transfer, len);
    if (!f->made && transfer_state(f->transfer)->event_stream)
        pump(f);
    *len = f->out.len;
    return f->out.data ? f->out.data : "";
}

bool source_events(const struct flight *f)
{
    return f->made ? f->request->stream
                   : transfer_state(f->transfer)->event_stream;
}

void source_take(struct flight *f, size_t n)
{
    if (!buffered(f)) {
        transfer_take(f->transfer, n);
        return;
    }
    stencil_run_take(&f->alike, n);
    buf_drop(&f->out, n);
}

size_t source_alike(const struct flight *f, size_t at)
{
    return stencil_run_left(&f->alike, at);
}

void source_hold(struct flight *f, size_t bytes)
{
    if (!buffered(f))
        transfer_hold(f->transfer, bytes);
}

bool source_ended(const struct flight *f)
{
    const struct transfer_state *ts = transfer_state(f->transfer);

    if (f->made)
        return true;
    if (!buffered(f) || !ts->event_stream)
        return ts->ended;
    return f->translated || (ts->ended && ts->error != ERROR_none);
}

enum error_type source_error(const struct flight *f)
{
    return f->broke ? f->broke : transfer_state(f->transfer)->error;
}

const char *source_detail(const struct flight *f)
{
    return f->broke ? f->detail : transfer_state(f->transfer)->detail;
}

int source_whole(struct flight *f)
{
    const char *dialect = flight_provider(f)->dialect;
    struct request *r = f->request;
    struct dialect_fault fault;
    size_t len;
    const char *text = transfer_bytes(f->transfer, &len);
    int bad;

    f->made = flight_unfolds(f);
    bad = f->made ? dialect_unfold(r->state, dialect, f->facts, text, len,
                                   &f->out, &fault)
                  : dialect_answer(r->state, dialect, f->facts, text, len,
                                   &f->out, &fault);
    if (!bad)
        return 0;
    broke(f, &fault);
    return -1;
}

/* Some providers count the prompt at the start of a stream; what they have
 * counted is paid for, however the stream ends. */
void source_counted(struct flight *f)
{
    struct dialect_fault fault;
    struct buf out;

    if (!f->translation)
        return;
    buf_init(&out, CEIL_EVENT_BYTES);
    if (dialect_counted(f->request->state, f->translation, &out, &fault) == 0 &&
        out.len)
        answer_event(&f->answer, "", 0, out.data, out.len);
    buf_free(&out);
}

void source_free(struct flight *f)
{
    dialect_close(f->request->state, f->translation);
    dialect_close(f->request->state, f->facts);
    f->translation = f->facts = 0;
    sse_free(&f->theirs);
    stencil_free(&f->like);
    buf_free(&f->out);
}
