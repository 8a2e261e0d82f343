/* SPDX-License-Identifier: Apache-2.0
 *
 * What is: health, metrics, status, configuration, policies, records.
 */
#include "admin_impl.h"

#include "config.h"
#include "generation.h"
#include "leme.h"
#include "metrics.h"
#include "record.h"
#include "ring.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUESTS_SHOWN 50
#define REQUESTS_MOST 1000

static const struct generation *generation_of(const struct admin_call *call)
{
    return call->admin->env.generation(call->admin->env.arg);
}

static struct admin_status status_of(const struct admin_call *call)
{
    struct admin_status s;

    memset(&s, 0, sizeof s);
    call->admin->env.status(call->admin->env.arg, &s);
    return s;
}

static void refresh(const struct admin_call *call)
{
    call->admin->env.refresh(call->admin->env.arg);
}

/* -- health ---------------------------------------------------------------------- */

void admin_live(struct admin_call *call)
{
    call->type = "text/plain";
    buf_adds(call->out, "ok\n");
}

void admin_ready(struct admin_call *call)
{
    struct admin_status s = status_of(call);
    bool ready = strcmp(s.phase, "running") == 0;
    bool memory = s.memory_used < s.memory_max;

    call->type = "text/plain";
    if (!ready)
        call->status = 503;
    if (admin_asked(call, "verbose")) {
        buf_addf(call->out, "%c phase: %s\n", ready ? '+' : '-', s.phase);
        buf_addf(call->out, "%c memory: %zu of %zu bytes\n", memory ? '+' : '-',
                 s.memory_used, s.memory_max);
        buf_addf(call->out, "+ policies: %s\n",
                 generation_of(call)->short_revision);
    }
    buf_adds(call->out, ready ? "ok\n" : "not ready\n");
}

void admin_metrics(struct admin_call *call)
{
    refresh(call);
    call->type = "text/plain; version=0.0.4; charset=utf-8";
    if (metrics_render(call->admin->env.metrics, call->out))
        admin_refuse(call, 503, "server_error", "gateway_oom",
                     "not enough memory");
}

/* -- the process ------------------------------------------------------------------ */

/* "name version\n" lines as members of an object. */
static void show_libraries(struct buf *out)
{
    const char *p = leme_libraries();

    buf_adds(out, ",\"libraries\":{");
    for (bool first = true; *p; first = false) {
        size_t line = strcspn(p, "\n"), name = strcspn(p, " ");

        if (!first)
            buf_addc(out, ',');
        buf_add_json(out, p, name);
        buf_addc(out, ':');
        buf_add_json(out, p + name + 1, line - name - 1);
        p += line + (p[line] == '\n');
    }
    buf_addc(out, '}');
}

static void show_policy(struct admin_call *call, unsigned i)
{
    const struct generation *g = generation_of(call);
    const struct model *m = &g->config->models[i];

    buf_addc(call->out, '{');
    admin_text(call->out, "model", m->name);
    admin_text(call->out, "name",
               call->admin->env.policy(call->admin->env.arg, i));
    admin_text(call->out, "file", m->policy ? m->policy : "");
    admin_text(call->out, "revision", g->short_revision);
    buf_addc(call->out, '}');
}

static void show_policies(struct admin_call *call)
{
    size_t n = generation_of(call)->config->nmodels;

    buf_adds(call->out, "\"policies\":[");
    for (unsigned i = 0; i < n; i++) {
        if (i)
            buf_addc(call->out, ',');
        show_policy(call, i);
    }
    buf_addc(call->out, ']');
}

void admin_policies(struct admin_call *call)
{
    buf_addc(call->out, '{');
    show_policies(call);
    buf_addc(call->out, '}');
}

void admin_info(struct admin_call *call)
{
    const struct generation *g = generation_of(call);
    struct admin_status s = status_of(call);
    struct buf *out = call->out;

    buf_addc(out, '{');
    admin_text(out, "version", leme_version());
    buf_addf(out, ",\"abi\":%d,\"pid\":%ld,\"uptime\":%.3f", leme_abi(),
             (long)getpid(), (double)s.uptime / 1e6);
    admin_text(out, "config", g->config->path);
    admin_text(out, "revision", g->revision);
    show_libraries(out);
    buf_addc(out, ',');
    show_policies(call);
    buf_addc(out, '}');
}

static void show_reload(struct buf *out, const struct admin_status *s)
{
    buf_addf(out, ",\"generations\":%u,\"reload_waits\":%s", s->generations,
             s->reload_waits ? "true" : "false");
    buf_adds(out, ",\"reload\":");
    if (s->reload.result[0]) {
        buf_addc(out, '{');
        admin_outcome(out, &s->reload);
        buf_addc(out, '}');
    } else {
        buf_adds(out, "null");
    }
}

void admin_status(struct admin_call *call)
{
    struct admin_status s = status_of(call);
    const struct generation *g = generation_of(call);
    struct buf *out = call->out;

    buf_addc(out, '{');
    admin_text(out, "phase", s.phase);
    admin_text(out, "version", leme_version());
    buf_addf(out, ",\"uptime\":%.3f,\"workers\":%u,\"in_flight\":%u",
             (double)s.uptime / 1e6, s.workers, s.in_flight);
    buf_addf(out, ",\"connections\":%u,\"oldest_age\":%.3f", s.connections,
             (double)s.oldest_age / 1e6);
    buf_addf(out, ",\"memory_used\":%zu,\"memory_max\":%zu", s.memory_used,
             s.memory_max);
    buf_addf(out, ",\"log_dropped\":%llu", (unsigned long long)s.log_dropped);
    admin_text(out, "revision", g->short_revision);
    buf_addf(out, ",\"models\":%zu,\"targets\":%zu", g->config->nmodels,
             g->config->ntargets);
    show_reload(out, &s);
    buf_addc(out, '}');
}

void admin_config(struct admin_call *call)
{
    if (config_show(generation_of(call)->config, call->out))
        admin_refuse(call, 503, "server_error", "gateway_oom",
                     "not enough memory");
}

/* -- records ------------------------------------------------------------------------ */

/* What ${from} on of the answer holds came from requests: redacted like a log. */
static void redact(struct admin_call *call, size_t from)
{
    struct buf *out = call->out;

    if (out->len > from)
        out->len = from + call->admin->env.redact(call->admin->env.arg,
                                                  out->data + from,
                                                  out->len - from);
}

/* Which records are asked for by ?since= (Unix seconds), ?min_ms= and ?cursor=
 * (the id of the last one shown before). */
struct search {
    us_t since, least;
    char cursor[256];
    bool begun;                     /* is what comes older than the cursor? */
};

/* *${out} in seconds of ${unit}; unchanged without the parameter. */
static bool read_time(struct admin_call *call, const char *name, double unit,
                      us_t *out)
{
    char text[32], *end;
    int len = admin_value(call, name, text, sizeof text);
    double n;

    if (len < 0)
        return true;
    n = strtod(text, &end);
    if (len == 0 || *end || !(n >= 0 && n < 1e12)) {
        admin_refuse(call, 400, "invalid_request_error", "invalid_query",
                     "since is a number of seconds since 1970, min_ms one of "
                     "milliseconds");
        return false;
    }
    *out = (us_t)(n * unit * (double)US_PER_S);
    return true;
}

static bool read_search(struct admin_call *call, struct search *s)
{
    memset(s, 0, sizeof *s);
    s->begun = admin_value(call, "cursor", s->cursor, sizeof s->cursor) <= 0;
    if (!s->begun && !ring_find(call->admin->env.ring, s->cursor,
                                strlen(s->cursor))) {
        admin_refuse(call, 400, "invalid_request_error", "invalid_query",
                     "the record that cursor names is not kept (any more)");
        return false;
    }
    return read_time(call, "since", 1, &s->since) &&
           read_time(call, "min_ms", 1e-3, &s->least);
}

/* What ?model=, ?target=, ?error_type=, ?client= and ${s} ask for. */
static bool asked_for(const struct admin_call *call, struct search *s,
                      const struct record_blob *b)
{
    static const char *const names[] = {"model", "target", "error_type",
                                        "client"};
    char want[256];
    int len;

    if (!s->begun) {
        record_id(b, want, sizeof want);
        s->begun = strcmp(want, s->cursor) == 0;
        return false;
    }
    if (!record_reaches(b, s->since, s->least))
        return false;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        len = admin_value(call, names[i], want, sizeof want);
        if (len >= 0 && !record_matches(b, names[i], want, (size_t)len))
            return false;
    }
    return true;
}

void admin_requests(struct admin_call *call)
{
    size_t n = admin_number(call, "limit", REQUESTS_SHOWN, REQUESTS_MOST);
    const struct ring *ring = call->admin->env.ring;
    const struct record_blob *b = NULL;
    struct buf *out = call->out;
    char last[256] = "";
    struct search search;
    size_t from, shown = 0;

    refresh(call);
    if (!read_search(call, &search))
        return;
    buf_adds(out, "{\"requests\":[");
    from = out->len;
    for (size_t i = 0; shown < n && (b = ring_newest(ring, i)); i++) {
        size_t before = out->len;

        if (!asked_for(call, &search, b))
            continue;
        if (shown)
            buf_addc(out, ',');
        if (record_line(b, out) || out->data[out->len - 1] != '\n') {
            out->len = before;
            continue;
        }
        out->len--;
        record_id(b, last, sizeof last);
        shown++;
    }
    redact(call, from);
    buf_addc(out, ']');
    if (b && shown == n)
        admin_text(out, "next", last);
    else
        buf_adds(out, ",\"next\":null");
    buf_addf(out, ",\"kept\":%zu}", ring_count(ring));
}

void admin_request(struct admin_call *call)
{
    const struct record_blob *b;

    refresh(call);
    b = ring_find(call->admin->env.ring, call->rest, strlen(call->rest));
    if (!b) {
        admin_refuse(call, 404, "invalid_request_error", "request_not_found",
                     "no record of this request is kept (any more)");
        return;
    }
    record_json(b, call->out);
    redact(call, 0);
}
