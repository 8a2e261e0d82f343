/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets as the board sees them now, and the operator's word on one.
 */
#include "admin_impl.h"

#include "board.h"
#include "config.h"
#include "conn.h"
#include "generation.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_S 60.0
#define FOR_MAX_S 31536000.0

static const char *const states[] = {
    [BOARD_READY] = "ready", [BOARD_DRAIN] = "drain", [BOARD_MAINT] = "maint",
    [BOARD_COOLING] = "cooling", [BOARD_HALF_OPEN] = "half_open",
    [BOARD_SATURATED] = "saturated",
};

static const struct config *config_of(const struct admin_call *call)
{
    return call->admin->env.generation(call->admin->env.arg)->config;
}

static void show_samples(struct buf *out, struct board *b, unsigned slot,
                         us_t now)
{
    static const struct { const char *name; enum board_metric metric; } means[] = {
        {"connect", BOARD_CONNECT}, {"first_token", BOARD_FIRST_TOKEN},
        {"total", BOARD_TOTAL}, {"speed", BOARD_SPEED},
    };
    uint64_t count;
    double sum, value;

    for (size_t i = 0; i < sizeof means / sizeof *means; i++)
        if (board_ewma(b, slot, means[i].metric, now, WINDOW_S, &value))
            buf_addf(out, ",\"%s\":%.6g", means[i].name, value);
    board_window(b, slot, BOARD_ERROR, now, WINDOW_S, &count, &sum);
    buf_addf(out, ",\"attempts\":%llu,\"errors\":%.0f",
             (unsigned long long)count, sum);
}

static void show_quota(struct buf *out, struct board *b, unsigned slot, us_t now)
{
    double requests, tokens;

    if (!board_remaining(b, slot, now, &requests, &tokens))
        return;
    if (requests >= 0)
        buf_addf(out, ",\"remaining_requests\":%.0f", requests);
    if (tokens >= 0)
        buf_addf(out, ",\"remaining_tokens\":%.0f", tokens);
}

static void show_target(struct admin_call *call, const struct target *t)
{
    struct board *b = call->admin->env.board;
    struct buf *out = call->out;
    const struct provider *p = &config_of(call)->providers[t->provider];
    us_t now = clock_now();
    char why[256] = "";
    enum board_state state = generation_state(config_of(call), t, b, now, why,
                                              sizeof why);

    buf_addc(out, '{');
    admin_text(out, "id", t->name);
    admin_text(out, "provider", p->name);
    admin_text(out, "model", t->model);
    if (t->key)
        admin_text(out, "key", t->key);
    admin_text(out, "state", states[state]);
    admin_text(out, "why", why);
    buf_addf(out, ",\"mock\":%s,\"weight\":%.6g,\"operator_weight\":%.6g",
             p->mocked ? "true" : "false", t->weight, board_weight(b, t->slot));
    buf_addf(out, ",\"in_flight\":%u,\"max_in_flight\":%u,\"rpm\":%.6g",
             board_in_flight(b, t->slot), t->max_in_flight, t->rpm);
    show_samples(out, b, t->slot, now);
    show_quota(out, b, t->slot, now);
    buf_addc(out, '}');
}

void admin_targets(struct admin_call *call)
{
    const struct config *c = config_of(call);

    buf_adds(call->out, "{\"targets\":[");
    for (size_t i = 0; i < c->ntargets; i++) {
        if (i)
            buf_addc(call->out, ',');
        show_target(call, &c->targets[i]);
    }
    buf_adds(call->out, "]}");
}

/* The target named by the path; NULL: refused. */
static const struct target *named(struct admin_call *call)
{
    const struct config *c = config_of(call);
    int found = config_find_target(c, call->rest, strlen(call->rest));

    if (found >= 0)
        return &c->targets[found];
    admin_refuse(call, 404, "invalid_request_error", "target_not_found",
                 "there is no such target; GET /v1/targets lists them");
    return NULL;
}

void admin_target(struct admin_call *call)
{
    const struct target *t = named(call);

    if (t)
        show_target(call, t);
}

/* -- the operator's word -------------------------------------------------------- */

struct word {
    bool has_state;
    enum board_state state;
    double weight;              /* -1: as it is */
    double seconds;             /* 0: until further notice */
};

static bool read_state(struct json_view v, struct word *w)
{
    static const enum board_state may[] = {BOARD_READY, BOARD_DRAIN,
                                           BOARD_MAINT};
    char text[16];

    json_view_string(v, text, sizeof text);
    for (size_t i = 0; i < 3; i++)
        if (json_view_kind(v) == JSON_STRING &&
            strcmp(text, states[may[i]]) == 0) {
            w->has_state = true;
            w->state = may[i];
            return true;
        }
    return false;
}

static bool read_amount(struct json_view v, double max, double *out)
{
    *out = json_view_number(v, -1);
    return json_view_kind(v) == JSON_NUMBER && *out >= 0 && *out <= max;
}

/* A sentence about what is wrong, or NULL. */
static const char *read_word(const char *body, size_t len, struct word *w)
{
    struct json_fault fault;
    struct json_walk walk;

    *w = (struct word){.weight = -1};
    if (json_check(body, len, 4, &fault) ||
        json_view_kind(json_view(body, len)) != JSON_OBJECT)
        return "the body must be a JSON object with state, weight or for";
    json_walk_start(&walk, body, len);
    while (json_walk_next(&walk)) {
        if (walk.key_len == 5 && memcmp(walk.key, "state", 5) == 0) {
            if (!read_state(walk.value, w))
                return "\"state\" must be ready, drain or maint";
        } else if (walk.key_len == 6 && memcmp(walk.key, "weight", 6) == 0) {
            if (!read_amount(walk.value, 1e6, &w->weight))
                return "\"weight\" must be a number from 0 to 1000000";
        } else if (walk.key_len == 3 && memcmp(walk.key, "for", 3) == 0) {
            if (!read_amount(walk.value, FOR_MAX_S, &w->seconds))
                return "\"for\" must be a number of seconds, at most a year";
        } else {
            return "the body may have state, weight and for only";
        }
    }
    if (!w->has_state && w->weight < 0)
        return "the body must have state or weight";
    return NULL;
}

static enum board_state operated(struct board *b, unsigned slot)
{
    enum board_state s = board_state(b, slot, clock_now(), NULL, 0);

    return s == BOARD_DRAIN || s == BOARD_MAINT ? s : BOARD_READY;
}

static void drop_revert(struct admin_revert **at)
{
    struct admin_revert *r = *at;

    *at = r->next;
    timer_drop(&r->timer);
    free(r);
}

static struct admin_revert **find_revert(struct admin *a, unsigned slot,
                                         bool of_state)
{
    struct admin_revert **at = &a->reverts;

    while (*at && ((*at)->slot != slot || (*at)->of_state != of_state))
        at = &(*at)->next;
    return at;
}

static void on_revert(void *arg)
{
    struct admin_revert *r = arg;
    struct board *b = r->admin->env.board;

    if (r->of_state)
        board_operate(b, r->slot, (enum board_state)r->state, -1);
    else
        board_operate(b, r->slot, operated(b, r->slot), r->weight);
    drop_revert(find_revert(r->admin, r->slot, r->of_state));
}

static struct admin_revert *new_revert(struct admin *a, unsigned slot,
                                       bool of_state)
{
    struct admin_revert *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->admin = a;
    r->slot = slot;
    r->of_state = of_state;
    r->state = (int)operated(a->env.board, slot);
    r->weight = board_weight(a->env.board, slot);
    timer_init(&r->timer, a->env.base, on_revert, r);
    r->next = a->reverts;
    return a->reverts = r;
}

/* After ${seconds} as it was before the first word that ends by itself; a word
 * without an end lets none of its kind return. */
static bool plan_revert(struct admin *a, unsigned slot, bool of_state,
                        double seconds)
{
    struct admin_revert **at = find_revert(a, slot, of_state), *r = *at;

    if (seconds <= 0) {
        if (r)
            drop_revert(at);
        return true;
    }
    if (!r)
        r = new_revert(a, slot, of_state);
    if (!r)
        return false;
    timer_at(&r->timer, clock_now() + clock_from_seconds(seconds));
    return true;
}

void admin_reverts_free(struct admin *a)
{
    while (a->reverts)
        drop_revert(&a->reverts);
}

void admin_operate(struct admin_call *call)
{
    struct admin *a = call->admin;
    const struct target *t = named(call);
    const char *body, *wrong;
    struct word w;
    size_t len;

    if (!t)
        return;
    body = conn_body(call->conn, &len);
    wrong = read_word(body, len, &w);
    if (wrong) {
        admin_refuse(call, 400, "invalid_request_error", "invalid_request",
                     wrong);
        return;
    }
    if ((w.has_state && !plan_revert(a, t->slot, true, w.seconds)) ||
        (w.weight >= 0 && !plan_revert(a, t->slot, false, w.seconds))) {
        admin_refuse(call, 503, "server_error", "gateway_oom",
                     "not enough memory");
        return;
    }
    if (!w.has_state)
        w.state = operated(a->env.board, t->slot);
    board_operate(a->env.board, t->slot, w.state, w.weight);
    show_target(call, t);
}
