/* SPDX-License-Identifier: Apache-2.0
 *
 * One attempt before it is sent: whether it may start, what it sends, and the
 * deadlines it gets.
 */
#include "request_impl.h"

#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MORE_HEADERS 8      /* of a dialect, a call */
#define SHADOWS 4           /* a request */

static const char *const paths[] = {"/chat/completions", "/completions",
                                    "/embeddings", "/chat/completions",
                                    "/chat/completions", "/chat/completions",
                                    "/embeddings", "/chat/completions",
                                    "/embeddings", ""};

static const char *const apis[] = {"chat", "completions", "embeddings",
                                   "messages", "responses", "gemini",
                                   "gemini_embeddings", "mistral",
                                   "mistral_embeddings", "mock"};
_Static_assert(sizeof paths / sizeof *paths == REQUEST_OPS &&
               sizeof apis / sizeof *apis == REQUEST_OPS, "one each");

/* -- what is sent ---------------------------------------------------------- */

size_t call_extras(const struct overlay *o, struct json_extra *extra)
{
    for (unsigned i = 0; i < o->n; i++) {
        extra[i].key = o->member[i].key;
        extra[i].value = o->member[i].removed ? NULL
                                              : o->text.data + o->member[i].at;
        extra[i].len = o->member[i].len;
    }
    return o->n;
}

/* The client's stream_options with include_usage switched on. */
static int ask_usage(struct request *r, struct buf *out)
{
    bool twice = false;
    json_node n = json_member(&r->doc, JSON_ROOT, "stream_options", 14, &twice);
    struct buf theirs;
    struct json_walk w;
    int bad = buf_addc(out, '{');

    buf_init(&theirs, 64 * KIB);
    if (n && json_kind(&r->doc, n) == JSON_OBJECT)
        bad |= json_write_node(&r->doc, n, &theirs);
    json_walk_start(&w, theirs.data, theirs.len);
    while (theirs.len && json_walk_next(&w)) {
        if (w.key_len == 13 && memcmp(w.key, "include_usage", 13) == 0)
            continue;
        bad |= buf_add(out, w.key - 1, w.key_len + 2) | buf_addc(out, ':');
        bad |= buf_add(out, w.value.at, w.value.len) | buf_addc(out, ',');
    }
    buf_free(&theirs);
    return bad | buf_adds(out, "\"include_usage\":true}");
}

void call_note_edits(struct request *r, const struct json_extra *extra, size_t n,
                     size_t policy)
{
    for (size_t i = 0; i < n; i++)
        record_add(&r->record, RECORD_edit, extra[i].key,
                   i < policy ? "with" : "engine", (int64_t)extra[i].len);
}

/* `model`, the usage option, and the policy's req:with, over the edits. */
static int compose(struct flight *f, unsigned overlay)
{
    struct request *r = f->request;
    struct json_extra extra[CALL_EXTRAS];
    char number[LIMIT_DIGITS];
    struct buf model, options;
    size_t n = 0, policy;
    int bad;

    if (overlay)
        n = call_extras(r->plan.overlays[overlay - 1], extra);
    policy = n;
    if (limit_apply(f, &r->doc, extra, &n, number))
        return -1;
    buf_init(&model, 4 * KIB);
    bad = buf_add_json(&model, flight_target(f)->model, strlen(flight_target(f)->model));
    extra[n++] = (struct json_extra){"model", model.data, model.len};
    buf_init(&options, 64 * KIB);
    if (f->stream != r->stream)
        extra[n++] = (struct json_extra){"stream", f->stream ? "true" : "false",
                                         f->stream ? 4 : 5};
    if (!f->stream && r->stream)
        extra[n++] = (struct json_extra){"stream_options", NULL, 0};
    if (f->stream && flight_provider(f)->usage == USAGE_ASK && !r->include_usage) {
        bad |= ask_usage(r, &options);
        extra[n++] = (struct json_extra){"stream_options", options.data,
                                         options.len};
    }
    bad |= buf_reserve(&f->body, r->in.body_bytes + 256);
    bad |= json_write(&r->doc, extra, n, &f->body);
    call_note_edits(r, extra, n, policy);
    buf_free(&options);
    buf_free(&model);
    return bad;
}

/* Is there a header of that line's name among the first ${n}? */
static bool has_name(const char *const *headers, size_t n, const char *line)
{
    size_t len = strcspn(line, ":");

    while (n--)
        if (strncasecmp(headers[n], line, len + 1) == 0)
            return true;
    return false;
}

/* ${more}: header lines, each ending in LF; the first of a name counts. */
static void launch(struct flight *f, const char *path, char *more)
{
    struct request *r = f->request;
    const char *headers[MORE_HEADERS + 2] = {NULL};
    size_t n = 0;
    char line[80];
    struct call call = {
        .provider = flight_provider(f), .method = "POST", .path = path,
        .body = f->body.data, .body_bytes = f->body.len,
        .stream = f->stream,
        .connect_timeout = f->limits.connect
                               ? f->limits.connect
                               : r->config->settings.connect_timeout,
        .owner = f};

    call.hold_bytes = call.stream && !f->limits.hold_all && !flight_folds(f)
                          ? CEIL_HOLD_BYTES + f->limits.hold
                          : r->config->settings.answer_max;
    if (r->trace[0]) {
        snprintf(line, sizeof line, "traceparent: %s", r->trace);
        headers[n++] = line;
    }
    while (*more && n <= MORE_HEADERS) {
        size_t len = strcspn(more, "\n");
        bool last = more[len] == '\0';

        if (!has_name(headers, n, more))
            headers[n++] = more;
        more[len] = '\0';
        more += len + !last;
    }
    if (n)
        call.headers = headers;
    f->transfer = upstream_start(r->all->upstream, &call);
    if (!f->transfer)
        flight_stop(f, ERROR_gateway_oom, "not enough memory for a call");
}

/* -- may it start ---------------------------------------------------------- */

static const struct flight *last_of_target(const struct request *r, int target,
                                           const struct flight *but)
{
    const struct flight *f = r->flights;

    /* What was cancelled by our own hand says nothing about the target. */
    while (f && (f == but || f->target != target ||
                 (f->phase == FLIGHT_ENDED && f->error == ERROR_caller_cancelled)))
        f = f->next;
    return f;
}

/* Repeating the same target costs the retry budget: 20 % of live traffic, and
 * never less than three in ten seconds. */
static bool retry_allowed(struct requests *rs, us_t now)
{
    if (now - rs->retry_refilled > 10 * US_PER_S) {
        rs->retry_refilled = now;
        if (rs->retry_tokens < 3)
            rs->retry_tokens = 3;
    }
    if (rs->retry_tokens < 1) {
        metrics_add(rs->env.metrics, rs->env.shard,
                    finish_series(rs, METRIC_RETRY_BUDGET, 1, NULL), 1);
        return false;
    }
    rs->retry_tokens -= 1;
    return true;
}

/* A place at the target; of a pool, in the total of its target as well. */
static bool enter(struct flight *f, us_t now)
{
    struct board *b = f->request->all->env.board;
    const struct target *t = flight_target(f), *whole = flight_whole(f, t);

    if (!board_enter(b, t->slot, now))
        return false;
    if (whole == t || board_enter(b, whole->slot, now))
        return true;
    board_leave(b, t->slot);
    return false;
}

/* Refuse before anything is sent: ERROR_none means go. */
static enum error_type may_start(struct flight *f)
{
    struct request *r = f->request;
    const struct model *m = &r->config->models[r->model];
    const struct flight *before;
    us_t now = f->started;

    if (f->target < 0)
        return ERROR_none;
    if (r->deadline <= now)
        return ERROR_provider_timeout_total;
    if (f->shadow ? r->shadows >= SHADOWS : r->attempts >= m->max_attempts)
        return ERROR_policy_attempts_exhausted;
    before = last_of_target(r, f->target, f);
    if (before && !f->shadow &&
        (before->phase != FLIGHT_ENDED || !errors_row(before->error)->retry ||
         !retry_allowed(r->all, now)))
        return ERROR_policy_attempts_exhausted;
    if (!enter(f, now))
        return ERROR_provider_rate_limited;
    f->entered = true;
    return ERROR_none;
}

static const char *refusal_text(enum error_type e)
{
    if (e == ERROR_policy_attempts_exhausted)
        return "this request may make no more attempts, or none at this target "
               "that has answered or may not be asked again";
    if (e == ERROR_provider_rate_limited)
        return "the target is at its own limit (max_in_flight or rpm)";
    return "the deadline of the request has passed";
}

static struct flight *flight_new(struct request *r, const struct op *op)
{
    struct flight *f = flight_take(r->all);

    if (!f)
        return NULL;
    f->request = r;
    f->id = op->id;
    f->target = op->kind == OP_FETCH ? -1 : (int)op->target;
    f->provider = op->kind == OP_FETCH ? op->provider
                                       : r->config->targets[op->target].provider;
    f->limits = op->limits;
    f->shadow = op->shadow;
    f->hedge = op->hedge;
    f->events = op->events;
    f->retry_after = -1;
    f->started = clock_now();
    f->next = r->flights;
    r->flights = f;
    answer_init(&f->answer, ANSWER_CHAT);
    sse_init(&f->sse, CEIL_EVENT_BYTES);
    buf_init(&f->kept, CEIL_ANSWER_BYTES);
    buf_init(&f->out, CEIL_ANSWER_BYTES);
    return f;
}

static us_t sooner(us_t from, us_t own, us_t otherwise)
{
    us_t length = own ? own : otherwise;

    return length ? from + length : US_NEVER;
}

static void set_deadlines(struct flight *f)
{
    struct request *r = f->request;
    const struct settings *s = &r->config->settings;

    f->first_due = r->stream && f->target >= 0
                       ? sooner(f->started, f->limits.first_token,
                                s->first_token_timeout)
                       : US_NEVER;
    f->total_due = sooner(f->started, f->limits.total,
                          f->target < 0 ? flight_provider(f)->timeout : 0);
    if (f->total_due > r->deadline && !f->shadow)
        f->total_due = r->deadline;
    if (!f->limits.idle)
        f->limits.idle = s->idle_timeout;
}

/* A side call goes to the service's base as it is; the mock plays several. */
static void start_service(struct flight *f, const struct op *op)
{
    const struct provider *p = flight_provider(f);
    char path[128] = "", none[1] = "";

    if (p->mocked)
        snprintf(path, sizeof path, "/service/%s", p->name);
    if (buf_add(&f->body, op->text, op->len))
        flight_stop(f, ERROR_gateway_oom, "the body of a side call is too large");
    else
        launch(f, path, none);
}

/* The translated body, or our own with the dialect's edits spliced in. */
static int take_translation(struct flight *f, struct dialect_request *out)
{
    struct json_extra extra[16];
    struct json_doc doc;
    struct json_fault fault;
    struct buf body = out->body;
    size_t n = call_extras(&out->edits, extra);
    int bad = 0;

    f->foreign = !out->native;
    if (body.len == 0) {
        if (n == 0)
            return 0;
        if (json_open(&doc, f->body.data, f->body.len, CEIL_JSON_DEPTH, MIB,
                      &fault))
            return -1;
        bad = json_write(&doc, extra, n, &body);
        json_close(&doc);
    }
    buf_free(&f->body);
    f->body = body;
    buf_init(&out->body, 0);
    return bad;
}

/* With the client's own header lines in front of ${more}. */
static void launch_with(struct flight *f, const char *path, const char *more)
{
    struct buf lines;

    buf_init(&lines, 8 * KIB);
    native_headers(f, &lines);
    if (buf_adds(&lines, more) | buf_addc(&lines, '\0'))
        flight_stop(f, ERROR_gateway_oom, "not enough memory for a call");
    else
        launch(f, path, lines.data);
    buf_free(&lines);
}

/* Say it in the provider's format; what that dropped or mapped is recorded. */
static void launch_foreign(struct flight *f)
{
    struct dialect_request out;
    struct dialect_fault fault;
    struct request *r = f->request;

    dialect_request_init(&out);
    if (dialect_write(r->state, flight_provider(f)->dialect, flight_target(f),
                      apis[r->in.op],
                      f->stream, f->body.data, f->body.len, &f->facts, &out,
                      &fault)) {
        flight_stop(f, fault.error, fault.message);
    } else if (take_translation(f, &out)) {
        flight_stop(f, ERROR_gateway_oom, "the translated body is too large");
    } else {
        f->stream = out.stream && r->in.op != REQUEST_EMBEDDINGS;
        if (out.notes[0])
            record_add(&r->record, RECORD_trace, "dialect", out.notes);
        launch_with(f, out.path[0] ? out.path : paths[r->in.op], out.headers);
    }
    dialect_request_free(&out);
}

/* Is the provider to be asked for a stream? */
static bool asks_stream(const struct flight *f)
{
    const struct request *r = f->request;
    unsigned mode = flight_target(f)->stream;

    if (mode == STREAM_NEVER || r->in.op == REQUEST_EMBEDDINGS)
        return false;
    return mode == STREAM_ONLY || r->stream;
}

static void launch_target(struct flight *f, const struct op *op)
{
    struct request *r = f->request;
    char none[1] = "", why[300], path[512];
    const char *wrong = NULL;
    int native;

    f->stream = asks_stream(f);
    native = native_compose(f, op);

    if (native == 0)
        wrong = request_surface_convert(r, why, sizeof why);
    if (wrong)
        flight_stop(f, r->misread, wrong);
    /* Over already, it stays as it ended. */
    else if (native < 0 || (native == 0 && compose(f, op->overlay)))
        flight_stop(f, ERROR_gateway_oom, "the edited body is too large");
    else if (native)
        launch_with(f, native_path(f, path, sizeof path), "");
    else if (dialect_native(flight_provider(f)->dialect) &&
             !request_has_surface(r) && f->stream == r->stream)
        launch(f, paths[r->in.op], none);
    else
        launch_foreign(f);
    if (f->stream != r->stream && f->phase == FLIGHT_RUNNING)
        record_add(&r->record, RECORD_trace, "stream",
                   f->stream ? "asked for as a stream, given as one answer"
                             : "asked for as one answer, given as a stream");
}

void flight_start(struct request *r, const struct op *op)
{
    struct flight *f = flight_new(r, op);
    enum error_type no;

    if (!f) {
        struct plan_event e = {.kind = PLAN_ANSWERED, .id = op->id,
                               .error = ERROR_gateway_oom, .retry_after = -1};

        request_tell(r, &e);
        return;
    }
    no = may_start(f);
    if (no != ERROR_none) {
        flight_stop(f, no, refusal_text(no));
        return;
    }
    set_deadlines(f);
    if (f->target < 0) {
        start_service(f, op);
        return;
    }
    if (f->shadow)
        r->shadows++;
    else
        r->attempts++;
    launch_target(f, op);
}
