/* SPDX-License-Identifier: Apache-2.0
 *
 * leme_check_keys: every provider is asked about each of its keys, all at once.
 * What to ask and what an answer means is Lua's (lua/leme/probe.lua); here is
 * the loop, the deadline, and what never came to an answer.
 */
#include "check_impl.h"

#include "buf.h"
#include "ceilings.h"
#include "config.h"
#include "dialect.h"
#include "leme.h"
#include "policy.h"
#include "upstream.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 8u                /* more "again" than any provider leads to */
#define HEADERS 8

struct asking;

/* One key. */
struct inquiry {
    struct asking *all;
    const struct provider *provider;
    struct dialect_probe probe;
    struct dialect_request request;     /* what the running step sends */
    struct dialect_verdict verdict;
    struct buf models;
    struct transfer *transfer;          /* owned; NULL: nothing runs */
    us_t began, ended;
    int status;
};

struct asking {
    struct config *config;              /* of the state; borrowed */
    struct policy_state *state;
    struct upstream *upstream;
    struct event_base *base;
    struct inquiry *list;               /* owned */
    size_t n, running;
    us_t patience;
    bool late;
    leme_key_fn *report;
    void *arg;
    int bad;                            /* keys that do not work, or a code */
};

static void conclude(struct inquiry *q, const char *verdict, const char *words)
{
    snprintf(q->verdict.verdict, sizeof q->verdict.verdict, "%s", verdict);
    snprintf(q->verdict.words, sizeof q->verdict.words, "%s", words);
    q->verdict.missing[0] = '\0';
}

/* -- one step -------------------------------------------------------------- */

/* "a: b\nc: d\n" to an array of lines, in place. */
static void split(char *lines, const char *headers[HEADERS + 1])
{
    size_t n = 0;
    char *rest = lines, *line;

    while (n < HEADERS && (line = strsep(&rest, "\n")))
        if (*line)
            headers[n++] = line;
    headers[n] = NULL;
}

static void start(struct inquiry *q)
{
    struct asking *a = q->all;
    const char *headers[HEADERS + 1];
    struct dialect_fault fault;
    struct call call = {.provider = q->provider, .headers = headers,
                        .hold_bytes = a->config->settings.answer_max,
                        .connect_timeout = a->patience, .owner = q};

    q->probe.step++;
    dialect_request_free(&q->request);
    dialect_request_init(&q->request);
    if (dialect_probe_ask(a->state, &q->probe, &q->request, &fault)) {
        conclude(q, "failed", fault.message);
        return;
    }
    split(q->request.headers, headers);
    call.method = q->request.body.len ? "POST" : "GET";
    call.path = q->request.path;
    call.body = q->request.body.data;
    call.body_bytes = q->request.body.len;
    q->transfer = upstream_start(a->upstream, &call);
    if (q->transfer)
        a->running++;
    else
        conclude(q, "failed", "not enough memory for a call");
}

static void stop(struct inquiry *q)
{
    upstream_release(q->transfer);
    q->transfer = NULL;
    q->ended = clock_now();
    q->all->running--;
}

static void read_answer(struct inquiry *q)
{
    struct dialect_fault fault;
    size_t len;
    const char *text = transfer_bytes(q->transfer, &len);

    if (dialect_probe_read(q->all->state, &q->probe, q->status, text, len,
                           &q->verdict, &fault))
        conclude(q, "failed", fault.message);
}

static void on_news(struct inquiry *q)
{
    const struct transfer_state *ts = transfer_state(q->transfer);
    bool paused = transfer_paused(q->transfer);

    if (!ts->ended && !paused)
        return;
    q->status = ts->head ? ts->status : 0;
    if (paused)
        conclude(q, "failed", "the answer is longer than answer_max");
    else if (ts->error != ERROR_none)
        conclude(q, "unreachable", ts->detail);
    else
        read_answer(q);
    stop(q);
    if (strcmp(q->verdict.verdict, "again") != 0)
        return;
    if (q->probe.step < STEPS)
        start(q);
    else
        conclude(q, "failed", "there is no end of questions");
}

/* -- all of them ----------------------------------------------------------- */

static void ignore(void *arg)
{
    (void)arg;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    struct asking *a = arg;

    (void)fd;
    (void)what;
    a->late = true;
}

static void give_up(struct asking *a)
{
    char words[80];

    snprintf(words, sizeof words, "no answer within %g seconds",
             (double)a->patience / 1e6);
    for (size_t i = 0; i < a->n; i++)
        if (a->list[i].transfer) {
            conclude(&a->list[i], "unreachable", words);
            stop(&a->list[i]);
        }
}

static void wait_for_all(struct asking *a, struct event *late)
{
    struct timeval after = {a->patience / US_PER_S, a->patience % US_PER_S};
    struct transfer *t;

    evtimer_add(late, &after);
    while (a->running && !a->late) {
        while ((t = upstream_next(a->upstream)))
            on_news(transfer_owner(t));
        if (a->running && event_base_loop(a->base, EVLOOP_ONCE))
            break;
    }
    give_up(a);
    event_del(late);
}

static void ask_all(struct asking *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct inquiry *q = &a->list[i];

        q->began = q->ended = clock_now();
        if (q->provider->mocked)
            conclude(q, "mocked", "a mock plays it; nobody was asked");
        else
            start(q);
    }
}

/* -- what is asked about --------------------------------------------------- */

/* The models that a provider is called for, whatever the key. */
static int add_models(const struct config *c, struct inquiry *q)
{
    int bad = 0;

    for (size_t i = 0; i < c->ntargets; i++) {
        const struct target *t = &c->targets[i];

        if (&c->providers[t->provider] == q->provider)
            bad |= buf_adds(&q->models, t->model) | buf_addc(&q->models, '\n');
    }
    return bad | buf_addc(&q->models, '\0') ? -1 : 0;
}

static int list_keys(struct asking *a)
{
    const struct config *c = a->config;

    a->list = calloc(c->nproviders + 1, sizeof *a->list);
    for (size_t i = 0; a->list && i < c->nproviders; i++) {
        const struct provider *p = &c->providers[i];
        struct inquiry *q = &a->list[a->n];

        if (p->service || p->nkeys)
            continue;           /* its keys are accounts of their own */
        a->n++;
        q->all = a;
        q->provider = p;
        buf_init(&q->models, MIB);
        dialect_request_init(&q->request);
        if (add_models(c, q))
            return -1;
        q->probe = (struct dialect_probe){.dialect = p->dialect,
                                          .models = q->models.data,
                                          .own_path = p->path != NULL};
    }
    return a->list ? 0 : -1;
}

static void redact(const struct config *c, char *text)
{
    size_t len = config_redact(c, text, strlen(text));

    text[len] = '\0';
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\n') || *text == 0x7F)
            *text = ' ';
}

static void report(struct asking *a, struct inquiry *q)
{
    const struct provider *p = q->provider;
    struct leme_key key = {
        .size = sizeof key, .file = p->where.file, .line = p->where.line,
        .provider = p->name, .key = p->key_name ? p->key_name : "",
        .hint = p->key.hint, .verdict = q->verdict.verdict,
        .detail = q->verdict.words, .missing = q->verdict.missing,
        .status = q->status, .seconds = (double)(q->ended - q->began) / 1e6};

    redact(a->config, q->verdict.words);
    redact(a->config, q->verdict.missing);
    key.ok = strcmp(key.verdict, "works") == 0 ||
             strcmp(key.verdict, "limited") == 0 ||
             strcmp(key.verdict, "mocked") == 0;
    a->bad += !key.ok;
    a->report(a->arg, &key);
}

/* -- the whole ------------------------------------------------------------- */

static int run_all(struct asking *a)
{
    struct upstream_options options = {.base = a->base, .max_idle = 1,
                                       .connect_timeout = a->patience,
                                       .wake = ignore};
    struct event *late = evtimer_new(a->base, on_late, a);

    a->upstream = late ? upstream_new(&options) : NULL;
    if (a->upstream && list_keys(a) == 0) {
        ask_all(a);
        wait_for_all(a, late);
        for (size_t i = 0; i < a->n; i++)
            report(a, &a->list[i]);
    } else {
        a->bad = LEME_CANNOT_BIND;
    }
    upstream_free(a->upstream);
    if (late)
        event_free(late);
    for (size_t i = 0; i < a->n; i++) {
        dialect_request_free(&a->list[i].request);
        buf_free(&a->list[i].models);
    }
    free(a->list);
    return a->bad;
}

static void with_loop(struct asking *a)
{
    a->bad = LEME_CANNOT_BIND;
    if (upstream_global_init())
        return;
    a->base = event_base_new();
    if (a->base) {
        a->bad = 0;
        run_all(a);
        event_base_free(a->base);
    }
    upstream_global_cleanup();
}

/* A provider that hangs up while it is written to must not end the host: the
 * signal is held back, and taken away before it could come. */
static void ask(void *arg, struct policy_state *state,
                struct policy_fault *fault)
{
    static const struct timespec now = {0, 0};
    struct asking *a = arg;
    sigset_t pipe, before;

    (void)fault;
    a->state = state;
    a->bad = LEME_BAD_CONFIG;
    if (!state)
        return;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    with_loop(a);
    if (!sigismember(&before, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) > 0)
            continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void no_issue(void *arg, const struct config_issue *issue)
{
    (void)arg;
    (void)issue;
}

int leme_check_keys(const char *config, const char *lua_dir, double seconds,
                    leme_key_fn *report_key, void *arg)
{
    struct config_options options = {.path = config, .files = true};
    struct asking a = {.report = report_key, .arg = arg,
                       .patience = clock_from_seconds(seconds)};

    if (!config || !report_key || !(seconds > 0) || seconds > 3600)
        return LEME_USAGE;
    a.config = config_load(&options, no_issue, NULL);
    if (!a.config)
        return LEME_BAD_CONFIG;
    /* Lists of models are longer than anything a policy reads in a step. */
    a.config->settings.step_limit = US_PER_S;
    if (check_build(a.config, lua_dir, ask, &a))
        return LEME_CANNOT_BIND;
    return a.bad;
}
