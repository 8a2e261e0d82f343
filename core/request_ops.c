/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy asked for, done: its ops, and what happens when it gives none:
 * the default route.
 */
#include "request_impl.h"

#include <stdio.h>
#include <string.h>

void request_cancel_flights(struct request *r, const struct flight *but)
{
    for (struct flight *f = r->flights; f; f = f->next)
        if (f != but && !f->shadow && f->phase != FLIGHT_ENDED)
            flight_stop(f, ERROR_caller_cancelled, "cancelled");
}

/* The policy waits in req:relay and its model allows another answer to follow. */
static bool resumable(const struct request *r)
{
    return r->resume && r->config->models[r->model].resume;
}

bool request_awaits_resume(const struct request *r)
{
    return resumable(r) && plan_open(&r->plan);
}

static const char *do_relay(struct request *r, const struct op *op)
{
    struct flight *f = flight_find(r, op->id);

    if (!f || f->target < 0)
        return "relay of an attempt that was never made";
    if (f->phase == FLIGHT_RUNNING)
        return "relay of an attempt that has not answered yet";
    if (r->phase >= REPLY_STREAM && !resumable(r))
        return "a second relay, and the model has no resume = true";
    r->resume = op->resume;
    request_cancel_flights(r, f);
    relay_start(r, f);
    return NULL;
}

static const char *do_wait(struct request *r, const struct op *op)
{
    if (r->nwaits == REQUEST_WAITS)
        return "too many timers";
    r->waits[r->nwaits].id = op->id;
    r->waits[r->nwaits].wait = op->wait;
    r->waits[r->nwaits++].due = clock_now() + op->wait;
    return NULL;
}

static const char *do_cancel(struct request *r, const struct op *op)
{
    struct flight *f = flight_find(r, op->id);

    if (f)
        flight_stop(f, ERROR_caller_cancelled, "cancelled by the policy");
    for (unsigned i = 0; i < r->nwaits; i++)
        if (r->waits[i].id == op->id)
            r->waits[i] = r->waits[--r->nwaits];
    return NULL;
}

static const char *do_reply(struct request *r, const struct op *op)
{
    if (r->phase != REPLY_NONE && r->phase != REPLY_EARLY)
        return "a reply after the answer had begun";
    request_cancel_flights(r, NULL);
    if (op->kind == OP_OPEN)
        relay_open(r, op);
    else
        relay_reply(r, op);
    return NULL;
}

static const char *do_own(struct request *r, const struct op *op)
{
    if (r->phase != REPLY_OWN)
        return "write or close before open";
    if (op->kind == OP_WRITE)
        relay_write(r, op->text, op->len);
    else
        relay_close(r, op->cut);
    return NULL;
}

/* One op. NULL, or what makes it nonsense. */
static const char *run_op(struct request *r, const struct op *op)
{
    switch (op->kind) {
    case OP_CALL:
    case OP_FETCH:
        if (op->kind == OP_CALL && r->phase > REPLY_EARLY && !resumable(r))
            return "a call after the answer had begun, and the model has no "
                   "resume = true";
        if (++r->calls > CEIL_OPS)
            return "more calls than any request needs";
        flight_start(r, op);
        return NULL;
    case OP_CANCEL:
        return do_cancel(r, op);
    case OP_WAIT:
        return do_wait(r, op);
    case OP_RELAY:
        return do_relay(r, op);
    case OP_REPLY:
    case OP_OPEN:
        return do_reply(r, op);
    case OP_WRITE:
    case OP_CLOSE:
        return do_own(r, op);
    case OP_PASS:
    case OP_DROP:
    case OP_REPLACE:
        relay_item(r, op);
        return NULL;
    case OP_DONE:
        break;
    }
    return NULL;
}

unsigned request_flying(const struct request *r)
{
    unsigned n = 0;

    for (const struct flight *f = r->flights; f; f = f->next)
        n += f->phase != FLIGHT_ENDED;
    return n;
}

/* With resume a stream may break and wait for the policy; when the policy is
 * gone, nobody else ends it. */
static void end_broken(struct request *r)
{
    if (!r->over && r->phase == REPLY_STREAM && r->relayed &&
        r->relayed->phase == FLIGHT_ENDED)
        relay_failure(r, r->relayed);
}

void request_run_ops(struct request *r, const struct op *ops, size_t n)
{
    struct vm_fault fault = {.kind = VM_BAD};
    const char *wrong = NULL;
    bool closed = !plan_open(&r->plan);

    for (size_t i = 0; i < n && !wrong && !r->over; i++)
        wrong = run_op(r, &ops[i]);
    if (request_flying(r) > CEIL_FLIGHTS)
        wrong = "too many calls in the air";
    if (!wrong && closed && !r->over && !r->relayed && r->phase < REPLY_DONE &&
        r->phase != REPLY_STREAM)
        wrong = "the policy ended without an answer";
    if (!wrong && closed)
        end_broken(r);
    if (wrong && !r->over) {
        snprintf(fault.message, sizeof fault.message, "%s", wrong);
        request_policy_failed(r, &fault);
    }
}

/* -- the default route ----------------------------------------------------- */

static bool tried(const struct request *r, unsigned target)
{
    const struct flight *f = r->flights;

    while (f && (f->target != (int)target || f->shadow ||
                 f->error == ERROR_caller_cancelled))
        f = f->next;
    return f != NULL;
}

/* The only routing done here: the configured list, from front to back, without
 * what the policy had already called. */
static void take_default(struct request *r, enum error_type why)
{
    const struct model *m = &r->config->models[r->model];
    struct op op = {.kind = OP_CALL};

    r->defaulting = true;
    r->default_because = why;
    while (r->default_at < m->nfallback && tried(r, m->fallback[r->default_at]))
        r->default_at++;
    if (r->default_at >= m->nfallback) {
        relay_error(r, why, "the policy failed and no target of its default "
                            "route answered");
        return;
    }
    op.target = m->fallback[r->default_at++];
    flight_start(r, &op);
}

/* Events while on the default route: the first good answer is relayed. */
void request_default_event(struct request *r, const struct plan_event *e)
{
    struct flight *f = r->flights;

    while (f && (f->id || f->shadow))
        f = f->next;
    if (!f || e->id || e->kind != PLAN_ANSWERED || r->phase >= REPLY_STREAM)
        return;
    if (e->ok || !e->fallback ||
        r->default_at >= r->config->models[r->model].nfallback)
        relay_start(r, f);
    else
        take_default(r, r->default_because);
}

static bool refuses(const struct request *r)
{
    return r->config->models[r->model].on_failure == FAILURE_REFUSE;
}

const char *request_failure_effect(const struct request *r)
{
    return refuses(r) ? "the request is refused" : "default_route answers";
}

void request_without_policy(struct request *r, enum error_type why)
{
    if (refuses(r)) {
        relay_error(r, why, "the policy of this model failed, and its on_failure "
                            "is \"refuse\": nothing was relayed");
        return;
    }
    policy_defaulted(r->state, (unsigned)r->model);
    take_default(r, why);
}

static enum error_type fault_error(const struct vm_fault *f)
{
    if (f->kind == VM_TIMEOUT)
        return ERROR_policy_timeout;
    return f->kind == VM_BAD ? ERROR_policy_bad_result : ERROR_policy_error;
}

/* What a filter failed to look at does not reach the client. */
static void end_unfiltered(struct request *r, enum error_type e)
{
    r->item_waits = false;
    request_cancel_flights(r, NULL);
    relay_error(r, e, "the policy's filter failed");
}

void request_policy_failed(struct request *r, const struct vm_fault *fault)
{
    static const char *const kinds[] = {"ok", "error", "timeout", "memory",
                                        "bad_result"};
    bool begun = r->phase != REPLY_NONE && r->phase != REPLY_EARLY;
    const char *effect = begun ? "the answer that had begun goes on"
                               : request_failure_effect(r);
    enum error_type e = fault_error(fault);
    char line[1400];
    int n;

    record_add(&r->record, RECORD_fault, kinds[fault->kind], fault->message,
               fault->where, fault->traceback, effect);
    n = snprintf(line, sizeof line, "%s: %s\n  policy: %s  request: %s\n"
                 "  effect: %s%s%s", errors_row(e)->name, fault->message,
                 policy_label(r->state, (unsigned)r->model), r->id, effect,
                 fault->traceback[0] ? "\n" : "", fault->traceback);
    r->all->env.log(r->all->env.arg, "error", line,
                    (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
    plan_close(&r->plan);
    r->nwaits = 0;
    if (r->over)
        return;
    if (begun) {
        if (r->phase == REPLY_OWN)
            relay_close(r, true);
        else if (r->item_waits)
            end_unfiltered(r, e);
        else
            end_broken(r);
        return;
    }
    r->item_waits = false;
    request_cancel_flights(r, NULL);
    request_forget_events(r);
    request_without_policy(r, e);
}
