/* SPDX-License-Identifier: Apache-2.0
 *
 * The journey of a request:
 *
 *   request_begin     the body becomes an index of spans; the model a policy
 *   request_tell      something happened: queued for the policy
 *   requests_turn     after every return to the loop: the policy steps, its ops
 *                     are run: calls start, answers are relayed
 *   request_end       one answer or one error went out: account, free
 *
 * libcurl and the sockets never step a policy themselves; they leave news, and
 * the turn looks at them.
 */
#include "request_impl.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *const op_names[] = {"chat", "completions", "embeddings",
                                       "messages", "responses", "gemini",
                                       "gemini_embeddings", "mistral",
                                       "mistral_embeddings", "mock"};
_Static_assert(sizeof op_names / sizeof *op_names == REQUEST_OPS, "one name each");

const char *request_op_name(enum request_op op)
{
    return op_names[op];
}

/* -- beginning ------------------------------------------------------------- */

static void start_record(struct request *r, const char *model)
{
    record_add(&r->record, RECORD_begin, r->id, (int64_t)clock_wall_at(r->began),
               r->in.client < 0 ? "" : r->config->clients[r->in.client].name,
               op_names[r->in.op], model, r->stream,
               r->model < 0 ? "" : policy_name(r->state, (unsigned)r->model),
               policy_generation(r->state)->short_revision,
               (int64_t)r->seed,
               (int64_t)r->in.body_bytes, r->trace);
    if (r->surface_notes)
        record_add(&r->record, RECORD_trace, "surface", r->surface_notes);
}

/* Known models only; "*" takes what no other does. */
static int find_model(const struct config *c, const char *name)
{
    int i = config_find_model(c, name, strlen(name));

    return i >= 0 ? i : config_find_model(c, "*", 1);
}

static const char *plan_header(void *owner, const char *name, size_t *len)
{
    struct request *r = owner;

    /* The client's head is gone with its answer. */
    return r->over ? NULL : r->in.header(r->in.owner, name, len);
}

static bool plan_answer(void *owner, unsigned id, int what, struct buf *out)
{
    struct flight *f = flight_find(owner, id);

    return f && flight_text(f, what, out);
}

static const struct plan_view view = {plan_header, plan_answer};

static void fill_plan(struct request *r)
{
    struct plan *p = &r->plan;

    p->view = &view;
    p->owner = r;
    p->config = r->config;
    p->client = r->in.client;
    p->id = r->id;
    p->api = r->api;
    p->doc = r->unconverted ? r->native : &r->doc;
    p->deadline = r->deadline;
    p->record = &r->record;
    p->policy = r->model;
}

static void on_timer(void *arg);

/* Zeroed, but for an empty record with its memory. */
static struct request *request_take(struct requests *rs)
{
    struct request *r = rs->spare_requests;
    struct record record;

    if (!r) {
        r = calloc(1, sizeof *r);
        if (r)
            record_init(&r->record);
        return r;
    }
    rs->spare_requests = r->next;
    rs->nspare_requests--;
    record = r->record;
    memset(r, 0, sizeof *r);
    r->record = record;
    return r;
}

static void request_give(struct requests *rs, struct request *r)
{
    record_reset(&r->record);
    if (rs->nspare_requests == REQUEST_SPARE) {
        record_free(&r->record);
        free(r);
        return;
    }
    r->next = rs->spare_requests;
    rs->spare_requests = r;
    rs->nspare_requests++;
}

static void count_in_flight(const struct request *r, int by)
{
    atomic_uint *n = &r->all->in_flight[r->in.op];

    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) +
                                 (unsigned)by, memory_order_relaxed);
}

static struct request *request_new(struct requests *rs,
                                   const struct request_input *in)
{
    struct request *r = request_take(rs);
    size_t len;
    const char *id;

    if (!r)
        return NULL;
    r->all = rs;
    r->in = *in;
    r->state = rs->state;
    r->config = policy_generation(rs->state)->config;
    r->model = -1;
    r->misread = ERROR_caller_invalid_request;
    r->early_due = r->comment_due = US_NEVER;
    r->events_end = &r->events;
    r->began = clock_now();
    buf_init(&r->item, CEIL_ANSWER_BYTES);
    timer_init(&r->timer, rs->env.base, on_timer, r);
    r->seed = (uint64_t)(bind_random(rs->rng) * 0x1p53);
    bind_seed(r->plan.rng, r->seed);
    id = in->header(in->owner, "x-request-id", &len);
    request_id(id, id ? len : 0, r->id);
    request_read_trace(r);
    r->api = op_names[in->op];
    r->prev = rs->last;
    if (rs->last)
        rs->last->next = r;
    else
        rs->first = r;
    rs->last = r;
    count_in_flight(r, 1);
    rs->retry_tokens += rs->retry_tokens < 100 ? 0.2 : 0;
    policy_pin(r->state);
    return r;
}

/* ${fault}: what the step came to, when it failed. */
static void after_step(struct request *r, const struct op *ops, size_t n,
                       const struct vm_fault *fault)
{
    r->policy_us += r->plan.took;
    if (fault)
        request_policy_failed(r, fault);
    else
        request_run_ops(r, ops, n);
}

static void begin_policy(struct request *r)
{
    const struct model *m = &r->config->models[r->model];
    const struct op *ops;
    struct vm_fault fault;
    size_t n;
    int bad;

    r->deadline = r->in.received +
                  (m->total ? m->total : r->config->settings.total_timeout);
    if (m->early_headers && r->stream)
        r->early_due = r->began + m->early_headers;
    fill_plan(r);
    if (policy_aside(r->state, (unsigned)r->model, r->began)) {
        record_add(&r->record, RECORD_fault, "aside",
                   "the policy is set aside until the next reload: it was "
                   "stopped too often within a minute", "", "",
                   request_failure_effect(r));
        request_without_policy(r, ERROR_policy_timeout);
        return;
    }
    bad = plan_begin(&r->plan, r->state, &ops, &n, &fault);
    after_step(r, ops, n, bad ? &fault : NULL);
}

struct request *request_begin(struct requests *rs,
                              const struct request_input *in)
{
    struct request *r = request_new(rs, in);
    char name[129] = "", text[300];
    const char *wrong;

    if (!r) {
        reply_head(in->reply, 503, "", 0, 0);
        reply_finish(in->reply);
        in->done(in->owner, false);
        return NULL;
    }
    wrong = request_has_surface(r)
                ? request_surface_begin(r, text, sizeof text) : NULL;
    if (!wrong)
        wrong = request_read_body(r, name, sizeof name, text, sizeof text);
    if (!wrong)
        r->model = find_model(r->config, name);
    start_record(r, r->model < 0 ? "" : r->config->models[r->model].name);
    if (wrong) {
        relay_error(r, r->misread, wrong);
        return NULL;
    }
    if (r->model < 0) {
        snprintf(text, sizeof text, "no model is called `%s` here; GET /v1/models "
                                    "lists those that are", name);
        relay_error(r, ERROR_caller_unknown_model, text);
        return NULL;
    }
    begin_policy(r);
    if (r->over)
        return NULL;
    request_rearm(r);
    return r;
}

/* -- events and steps ------------------------------------------------------ */

static void mark_ready(struct request *r)
{
    struct requests *rs = r->all;

    if (r->ready)
        return;
    r->ready = true;
    r->ready_next = NULL;
    *rs->ready_end = r;
    rs->ready_end = &r->ready_next;
    if (!rs->turning)
        event_active(rs->wake, EV_TIMEOUT, 0);
}

void request_tell(struct request *r, const struct plan_event *e)
{
    struct waiting *w = malloc(sizeof *w);

    if (!w) {
        /* Without memory for an event the policy would wait for ever. */
        plan_close(&r->plan);
        return;
    }
    w->event = *e;
    w->next = NULL;
    *r->events_end = w;
    r->events_end = &w->next;
    mark_ready(r);
}

static bool take_event(struct request *r, struct plan_event *e)
{
    struct waiting *w = r->events;

    if (!w)
        return false;
    *e = w->event;
    r->events = w->next;
    if (!r->events)
        r->events_end = &r->events;
    free(w);
    return true;
}

void request_forget_events(struct request *r)
{
    struct plan_event e;

    while (take_event(r, &e))
        ;
}

static void step(struct request *r, const struct plan_event *e)
{
    const struct op *ops;
    struct vm_fault fault;
    size_t n;
    int bad = plan_step(&r->plan, e, &ops, &n, &fault);

    after_step(r, ops, n, bad ? &fault : NULL);
}

void request_run_events(struct request *r)
{
    struct plan_event e;

    r->held++;
    while (take_event(r, &e)) {
        if (plan_open(&r->plan))
            step(r, &e);
        else if (r->defaulting && !r->over)
            request_default_event(r, &e);
    }
    r->held--;
    if (!r->over)
        request_rearm(r);
    request_drop_if_over(r);
}

/* -- deadlines ------------------------------------------------------------- */

static us_t sooner(us_t a, us_t b)
{
    return a < b ? a : b;
}

void request_rearm(struct request *r)
{
    us_t due = US_NEVER;

    for (const struct flight *f = r->flights; f; f = f->next)
        due = sooner(due, flight_due(f));
    for (unsigned i = 0; i < r->nwaits; i++)
        due = sooner(due, r->waits[i].due);
    if (!r->over) {
        due = sooner(due, r->phase == REPLY_OWN ? US_NEVER : r->deadline);
        due = sooner(due, r->early_due);
        due = sooner(due, r->comment_due);
    }
    timer_at(&r->timer, due);
}

static void fire_waits(struct request *r, us_t now)
{
    for (unsigned i = 0; i < r->nwaits;) {
        struct plan_event e = {.kind = PLAN_TIMER, .id = r->waits[i].id};

        if (r->waits[i].due > now) {
            i++;
            continue;
        }
        if (!request_flying(r))
            r->slept += r->waits[i].wait;
        r->waits[i] = r->waits[--r->nwaits];
        request_tell(r, &e);
    }
}

/* The request's own deadline. Attempts end with it; a policy that only sleeps
 * is not asked again. */
static void past_deadline(struct request *r)
{
    if (r->over || r->phase == REPLY_OWN)
        return;
    plan_close(&r->plan);
    if (r->relayed && r->relayed->phase == FLIGHT_RELAYED) {
        flight_stop(r->relayed, ERROR_provider_timeout_total,
                    "the answer was not whole within the request's total time");
        relay_failure(r, r->relayed);
        return;
    }
    request_cancel_flights(r, NULL);
    relay_error(r, ERROR_provider_timeout_total,
                "the request was not answered within its total time");
}

static void on_timer(void *arg)
{
    struct request *r = arg;
    struct requests *rs = r->all;
    us_t now = clock_now();
    struct flight *f, *next;

    r->held++;
    for (f = r->flights; f; f = next) {
        next = f->next;
        bool relayed = f->phase == FLIGHT_RELAYED && r->phase == REPLY_STREAM;

        flight_deadlines(f, now);
        if (relayed && f->phase == FLIGHT_ENDED && !r->over &&
            !request_awaits_resume(r))
            relay_failure(r, f);
    }
    fire_waits(r, now);
    if (r->early_due <= now && !r->over)
        relay_early(r);
    if (r->comment_due <= now && !r->over)
        relay_comment(r);
    if (r->deadline <= now && !r->events)
        past_deadline(r);
    r->held--;
    if (!r->over)
        request_rearm(r);
    request_drop_if_over(r);
    requests_turn(rs);
}

/* -- ending ---------------------------------------------------------------- */

static void unlink_request(struct request *r)
{
    struct requests *rs = r->all;

    if (r->prev)
        r->prev->next = r->next;
    else
        rs->first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    else
        rs->last = r->prev;
}

static void unready(struct request *r)
{
    struct requests *rs = r->all;
    struct request **at = &rs->ready;

    if (!r->ready)
        return;
    while (*at && *at != r)
        at = &(*at)->ready_next;
    if (*at)
        *at = r->ready_next;
    rs->ready_end = &rs->ready;
    while (*rs->ready_end)
        rs->ready_end = &(*rs->ready_end)->ready_next;
    r->ready = false;
}

/* Forget a superseded state with its last request. */
static void unpin_state(struct requests *rs, struct policy_state *s)
{
    if (policy_unpin(s) == 0 && s != rs->state)
        requests_retire(rs, s);
}

void request_drop(struct request *r)
{
    struct requests *rs = r->all;

    finish_request(r);
    unready(r);
    unlink_request(r);
    timer_drop(&r->timer);
    plan_close(&r->plan);
    request_forget_events(r);
    native_end(r);
    request_surface_free(r);
    bind_plan_free(&r->plan);
    while (r->flights) {
        struct flight *f = r->flights;

        r->flights = f->next;
        flight_free(f);
    }
    if (r->body_open)
        json_close(&r->doc);
    if (!r->over)
        count_in_flight(r, -1);
    buf_free(&r->item);
    free(r->body_copy);
    unpin_state(rs, r->state);
    request_give(rs, r);
}

void request_release_body(struct request *r)
{
    if (!r->body_open || plan_open(&r->plan) || request_has_surface(r))
        return;
    json_close(&r->doc);
    r->body_open = false;
    r->in.release_body(r->in.owner);
}

/* Nothing is left that needs the request: no attempt in the air, no hook to
 * run, and no frame below that still looks at it. */
void request_drop_if_over(struct request *r)
{
    if (r->over && r->held == 0 && !r->events && !request_flying(r))
        request_drop(r);
}

/* The policy's last hooks may still read the body; the client's bytes go. */
static void keep_body(struct request *r)
{
    r->body_copy = malloc(r->in.body_bytes + 1);
    if (r->body_copy) {
        memcpy(r->body_copy, r->in.body, r->in.body_bytes);
        r->doc.text = r->body_copy;
        return;
    }
    plan_close(&r->plan);
    json_close(&r->doc);
    r->body_open = false;
}

/* What the log says of the client must be read before the client is let go. */
static void keep_client(struct request *r)
{
    size_t len;
    const char *ua = r->in.header(r->in.owner, "user-agent", &len);

    if (ua)
        text_copy(r->agent, sizeof r->agent, ua, len);
    text_copy(r->peer, sizeof r->peer, r->in.peer, strlen(r->in.peer));
    r->sent = r->in.reply->sent;
    r->status = r->in.reply->status;
}

void request_end(struct request *r, bool cut)
{
    if (r->over)
        return;
    r->over = true;
    r->phase = REPLY_DONE;
    r->early_due = r->comment_due = US_NEVER;
    count_in_flight(r, -1);
    r->in.flush(r->in.owner);
    keep_client(r);
    r->total_us = clock_now() - r->in.received;
    /* Shadows and the tail of a stream live on; the plan only for its hooks. */
    request_cancel_flights(r, r->relayed);
    if (r->body_open && !plan_open(&r->plan)) {
        json_close(&r->doc);
        r->body_open = false;
    } else if (r->body_open) {
        keep_body(r);
    }
    native_end(r);
    r->in.done(r->in.owner, cut);
    request_rearm(r);
    mark_ready(r);
}

void request_gone(struct request *r)
{
    struct plan_event gone = {.kind = PLAN_GONE};

    if (r->over)
        return;
    r->held++;
    r->error = ERROR_caller_cancelled;
    r->in.reply->broken = true;
    if (r->relayed && r->relayed->phase == FLIGHT_RELAYED)
        flight_stop(r->relayed, ERROR_caller_cancelled, "the client left");
    request_cancel_flights(r, NULL);
    r->nwaits = 0;
    if (plan_open(&r->plan))
        request_tell(r, &gone);
    request_end(r, true);
    r->held--;
    request_drop_if_over(r);
}

void request_drained(struct request *r)
{
    r->held++;
    relay_more(r);
    r->held--;
    if (!r->over)
        request_rearm(r);
    request_drop_if_over(r);
}
