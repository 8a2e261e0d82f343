/* SPDX-License-Identifier: Apache-2.0
 *
 * leme_engine_* of leme.h: one engine on the host's thread, with its own board
 * and metrics, whose requests come from calls instead of sockets.
 */
#include "leme.h"

#include "board.h"
#include "ceilings.h"
#include "config.h"
#include "engine.h"
#include "generation.h"
#include "memory.h"
#include "metrics.h"
#include "policy.h"
#include "record.h"
#include "request.h"
#include "upstream.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One request of the host. */
struct hosted {
    struct hosted *next;
    struct leme_engine *engine;
    uint64_t id;
    struct leme_callbacks to;
    struct reply reply;
    char *path, *headers, *body;    /* owned */
    size_t body_bytes;
    struct request *request;        /* NULL before it begins and after its end */
    bool begun, over, cancelled;
};

#define KNOWN 3

struct leme_engine {
    struct engine *engine;
    struct board *board;
    struct metrics *metrics;
    struct memory memory;
    struct reply_loop loop;
    struct hosted *first;
    struct event *start;            /* begins what was submitted */
    struct event *late;             /* ends a turn in which nothing happens */
    uint64_t last_id;
    struct generation *known[KNOWN];    /* newest first */
    char *config, *lua_dir;
    leme_log_fn *log;
    void *log_arg;
    bool monitor, global;
};

static int fail(struct leme_error *e, int code, const char *message,
                const char *where)
{
    if (e) {
        e->code = code;
        /* Cut where it is too long: both are for people. */
        snprintf(e->message, sizeof e->message, "%.511s", message);
        snprintf(e->where, sizeof e->where, "%.255s", where ? where : "");
    }
    return code;
}

/* -- callbacks from the engine ---------------------------------------------- */

static void on_log(void *arg, const char *level, const char *text, size_t len)
{
    struct leme_engine *e = arg;
    struct buf copy;

    if (!e->log)
        return;
    buf_init(&copy, 2 * CEIL_RECORD_BYTES);
    if (buf_add(&copy, text, len) == 0) {
        for (unsigned i = 0; i < KNOWN && e->known[i]; i++)
            len = config_redact(e->known[i]->config, copy.data, len);
        e->log(e->log_arg, level, copy.data, len);
    }
    buf_free(&copy);
}

/* What the generations of late know as secret is redacted from all lines: a
 * request may be older than the one in force, and a reload may fail. */
static void remember(struct leme_engine *e, struct generation *g)
{
    if (e->known[KNOWN - 1])
        generation_release(e->known[KNOWN - 1]);
    memmove(e->known + 1, e->known, (KNOWN - 1) * sizeof *e->known);
    generation_hold(g);
    e->known[0] = g;
}

static void on_finished(void *arg, unsigned shard, struct record_blob *blob)
{
    struct buf line;

    (void)shard;
    buf_init(&line, 64 * KIB);
    if (record_line(blob, &line) == 0 && line.len)
        on_log(arg, "info", line.data, line.len - 1);
    buf_free(&line);
    free(blob);
}

static void on_idle(void *arg, unsigned shard, struct policy_state *state)
{
    (void)arg;
    (void)shard;
    policy_state_free(state);
}

static void on_swapped(void *arg, unsigned shard)
{
    (void)arg;
    (void)shard;
}

/* -- requests ---------------------------------------------------------------- */

static void sink_head(void *arg, int status, const char *headers, size_t len)
{
    struct hosted *h = arg;

    if (h->to.head)
        h->to.head(h->to.arg, status, headers, len);
}

static void sink_data(void *arg, const char *bytes, size_t len)
{
    struct hosted *h = arg;

    if (h->to.data)
        h->to.data(h->to.arg, bytes, len);
}

static void sink_end(void *arg, bool whole)
{
    (void)arg;
    (void)whole;                    /* told once, by input_done */
}

static const struct reply_sink sink = {sink_head, sink_data, sink_end};

static void hosted_free(struct hosted *h)
{
    reply_free(&h->reply);
    free(h->path);
    free(h->headers);
    free(h->body);
    free(h);
}

static const char *input_header(void *owner, const char *name, size_t *len)
{
    struct hosted *h = owner;
    const char *line = h->headers, *end;
    size_t n = strlen(name);

    for (; line && *line; line = *end ? end + 2 : end) {
        end = strstr(line, "\r\n");
        if (!end)
            end = line + strlen(line);
        if ((size_t)(end - line) > n && line[n] == ':' &&
            strncasecmp(line, name, n) == 0) {
            line += n + 1;
            while (line < end && *line == ' ')
                line++;
            *len = (size_t)(end - line);
            return line;
        }
    }
    return NULL;
}

static size_t input_flush(void *owner)
{
    (void)owner;
    return 0;
}

static void input_release(void *owner)
{
    (void)owner;
}

static void input_done(void *owner, bool cut)
{
    struct hosted *h = owner;

    h->over = true;
    h->request = NULL;
    if (h->to.end)
        h->to.end(h->to.arg, !cut && h->reply.finished);
}

static void unlink_over(struct leme_engine *e)
{
    struct hosted **at = &e->first, *h;

    while ((h = *at)) {
        if (!h->over) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        hosted_free(h);
    }
}

static enum request_op op_of(const char *path)
{
    if (strncmp(path, "/v1/", 4) == 0)
        path += 3;
    if (strcmp(path, "/chat/completions") == 0)
        return REQUEST_CHAT;
    if (strcmp(path, "/completions") == 0)
        return REQUEST_COMPLETIONS;
    return strcmp(path, "/embeddings") == 0 ? REQUEST_EMBEDDINGS : REQUEST_OPS;
}

static void begin(struct hosted *h)
{
    struct request_input in = {
        .op = op_of(h->path), .body = h->body, .body_bytes = h->body_bytes,
        .client = -1, .peer = "host", .received = clock_now(),
        .reply = &h->reply, .header = input_header, .flush = input_flush,
        .release_body = input_release, .done = input_done, .owner = h};
    struct request *r;

    h->begun = true;
    r = request_begin(engine_requests(h->engine->engine), &in);
    if (!h->over)
        h->request = r;
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    struct leme_engine *e = arg;

    (void)fd;
    (void)what;
    for (struct hosted *h = e->first; h; h = h->next) {
        if (h->cancelled && h->request)
            request_gone(h->request);
        h->over |= h->cancelled && !h->request;
        if (!h->begun && !h->over)
            begin(h);
    }
    requests_turn(engine_requests(e->engine));
    unlink_over(e);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

int leme_engine_submit(leme_engine *e, const struct leme_request *request,
                       const struct leme_callbacks *callbacks, uint64_t *id,
                       struct leme_error *error)
{
    struct hosted *h;

    if (!request->path || op_of(request->path) == REQUEST_OPS)
        return fail(error, LEME_REFUSED,
                    "the path must be /v1/chat/completions, /v1/completions or "
                    "/v1/embeddings", NULL);
    h = calloc(1, sizeof *h);
    if (!h)
        return fail(error, LEME_REFUSED, "not enough memory", NULL);
    reply_init(&h->reply, &e->loop, -1);
    h->reply.sink = &sink;
    h->reply.sink_arg = h;
    h->engine = e;
    h->to = *callbacks;
    h->path = strdup(request->path);
    h->headers = strdup(request->headers ? request->headers : "");
    h->body = malloc(request->body_bytes + 1);
    if (!h->path || !h->headers || !h->body) {
        hosted_free(h);
        return fail(error, LEME_REFUSED, "not enough memory", NULL);
    }
    if (request->body_bytes)
        memcpy(h->body, request->body, request->body_bytes);
    h->body_bytes = request->body_bytes;
    h->id = *id = ++e->last_id;
    h->next = e->first;
    e->first = h;
    event_active(e->start, EV_TIMEOUT, 0);
    return LEME_OK;
}

void leme_engine_cancel(leme_engine *e, uint64_t id)
{
    struct hosted *h = e->first;

    while (h && h->id != id)
        h = h->next;
    if (!h || h->over)
        return;
    memset(&h->to, 0, sizeof h->to);
    /* From the loop: this may be a callback of the very request. */
    h->cancelled = true;
    event_active(e->start, EV_TIMEOUT, 0);
}

/* -- life --------------------------------------------------------------------- */

struct told {
    struct leme_engine *engine;
    struct leme_error *error;
    bool any;
};

static void on_issue(void *arg, const struct config_issue *issue)
{
    struct told *t = arg;
    char where[300], line[900];
    int n;

    snprintf(where, sizeof where, issue->line ? "%s:%d" : "%s", issue->file,
             issue->line);
    n = snprintf(line, sizeof line, "%s: %.511s", where, issue->message);
    on_log(t->engine, issue->warning ? "warn" : "error", line, (size_t)n);
    if (issue->warning || t->any)
        return;
    t->any = true;
    fail(t->error, LEME_BAD_CONFIG, issue->message, where);
}

/* A new state from the files as they are now; NULL and ${error}, which is the
 * first finding: the log has all. */
static struct policy_state *build(struct leme_engine *e,
                                  struct leme_error *error)
{
    struct config_options options = {.path = e->config, .files = true,
                                     .any_dialect = e->lua_dir != NULL};
    struct told told = {e, error, false};
    struct policy_env env = {.board = e->board, .metrics = e->metrics,
                             .lua_dir = e->lua_dir, .log = on_log, .log_arg = e};
    struct policy_fault fault = {.message = ""};
    struct config *config = config_load(&options, on_issue, &told);
    struct generation *g = config ? generation_new(config) : NULL;
    struct policy_state *s;

    if (!g)
        return NULL;
    if (generation_attach(config, e->board)) {
        generation_release(g);
        fail(error, LEME_BAD_CONFIG, "too many targets", NULL);
        return NULL;
    }
    remember(e, g);
    s = policy_state_new(g, &env, &fault);
    generation_release(g);
    if (s && policy_state_test(s, &fault)) {
        policy_state_free(s);
        s = NULL;
    }
    if (s)
        generation_limits(config, e->board);
    else
        fail(error, LEME_BAD_CONFIG, fault.message, fault.where);
    return s;
}

static int open_shared(struct leme_engine *e)
{
    e->board = board_new(1, CEIL_BOARD_BYTES);
    e->metrics = metrics_new(1);
    e->memory.max = 512 * MIB;
    reply_loop_init(&e->loop, &e->memory);
    e->global = upstream_global_init() == 0;
    return e->board && e->metrics && e->global ? 0 : -1;
}

int leme_engine_new(const struct leme_engine_options *o, leme_engine **out,
                    struct leme_error *error)
{
    struct leme_engine *e = calloc(1, sizeof *e);
    struct engine_shared shared = {.finished = on_finished, .log = on_log,
                                   .idle = on_idle, .swapped = on_swapped};
    struct policy_state *state;
    int code = LEME_BAD_CONFIG;

    *out = NULL;
    if (!e || !o->config || !(e->config = strdup(o->config)) || open_shared(e)) {
        leme_engine_free(e);
        return fail(error, LEME_USAGE, "no configuration or no memory", NULL);
    }
    e->lua_dir = o->lua_dir ? strdup(o->lua_dir) : NULL;
    e->log = o->log;
    e->log_arg = o->log_arg;
    if (o->kill_signal > 0)
        e->monitor = vm_monitor_start(o->kill_signal) == 0;
    state = build(e, error);
    if (!state)
        goto err;
    shared.board = e->board;
    shared.metrics = e->metrics;
    shared.memory = &e->memory;
    shared.arg = e;
    e->engine = engine_new(&shared, 0, o->event_base, state);
    if (e->engine) {
        e->start = event_new(engine_base(e->engine), -1, 0, on_start, e);
        e->late = event_new(engine_base(e->engine), -1, 0, on_late, e);
    }
    if (!e->start || !e->late) {
        code = fail(error, LEME_CANNOT_BIND, "not enough memory", NULL);
        goto err;
    }
    *out = e;
    return LEME_OK;
err:
    leme_engine_free(e);
    return code;
}

void leme_engine_free(leme_engine *e)
{
    if (!e)
        return;
    if (e->start)
        event_free(e->start);
    if (e->late)
        event_free(e->late);
    engine_free(e->engine);
    for (struct hosted *h = e->first; h; h = h->next)
        if (!h->over && !h->begun && h->to.end)
            h->to.end(h->to.arg, 0);
    while (e->first) {
        struct hosted *h = e->first;

        e->first = h->next;
        hosted_free(h);
    }
    if (e->monitor)
        vm_monitor_stop();
    board_free(e->board);
    metrics_free(e->metrics);
    for (unsigned i = 0; i < KNOWN; i++)
        if (e->known[i])
            generation_release(e->known[i]);
    reply_loop_free(&e->loop);
    if (e->global)
        upstream_global_cleanup();
    free(e->config);
    free(e->lua_dir);
    free(e);
}

int leme_engine_turn(leme_engine *e, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    if (ms >= 0)
        event_add(e->late, &tv);
    event_base_loop(engine_base(e->engine), EVLOOP_ONCE);
    event_del(e->late);
    unlink_over(e);
    return LEME_OK;
}

int leme_engine_reload(leme_engine *e, struct leme_error *error)
{
    struct policy_state *state = build(e, error), *old;

    if (!state)
        return LEME_BAD_CONFIG;
    old = requests_state(engine_requests(e->engine));
    generation_renew(policy_generation(old)->config,
                     policy_generation(state)->config, e->board);
    requests_set_state(engine_requests(e->engine), state);
    return LEME_OK;
}
