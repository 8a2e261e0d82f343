/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounting: an attempt's and a request's last words to board, metrics and
 * record. Each is called exactly once.
 */
#include "request_impl.h"

#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Series are found by name under a lock once, then by a small key. A key mixes
 * the metric, the generation and the indices that name the labels. */
series_t finish_series(struct requests *rs, enum metric m, uint64_t key,
                       const char *const *values)
{
    uint64_t h = (key + (uint64_t)m * 0x9E3779B97F4A7C15u) *
                 0xBF58476D1CE4E5B9u;
    size_t slot = (h >> 40) % SERIES_CACHE;

    if (rs->cache[slot].key != h || h == 0) {
        rs->cache[slot].series = metrics_series(rs->env.metrics, m, values);
        rs->cache[slot].key = h;
    }
    return rs->cache[slot].series;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ b) * 0x94D049BB133111EBu + (a >> 29);
}

static uint64_t key_of(const struct request *r, unsigned a, unsigned b)
{
    return mix(mix(policy_generation(r->state)->id, a + 1), b + 1);
}

static void add(struct request *r, enum metric m, uint64_t key,
                const char *const *values, double by)
{
    struct requests *rs = r->all;

    metrics_add(rs->env.metrics, rs->env.shard, finish_series(rs, m, key, values),
                by);
}

static void text_of_status(int status, char *code)
{
    char *at = code;

    for (int unit = 100; unit; unit /= 10)
        if (status >= unit || unit == 1)
            *at++ = (char)('0' + status / unit % 10);
    *at = '\0';
}

static void observe(struct request *r, enum metric m, uint64_t key,
                    const char *const *values, us_t us)
{
    struct requests *rs = r->all;

    metrics_observe(rs->env.metrics, rs->env.shard,
                    finish_series(rs, m, key, values), (double)us / 1e6);
}

/* -- an attempt ------------------------------------------------------------ */

double flight_cost(const struct flight *f)
{
    const struct target *t;
    us_t wall = 0;

    if (f->target < 0)
        return -1;
    t = &f->request->config->targets[f->target];
    if (t->listed && f->answer.special_tier)
        return -1;
    /* A single price holds always. */
    if (t->price.n > 1)
        wall = clock_wall_at(f->started);
    return price_cost(&t->price, &f->answer.usage, wall);
}

static void sample_board(struct flight *f, unsigned slot)
{
    struct requests *rs = f->request->all;
    struct board *b = rs->env.board;
    unsigned shard = rs->env.shard;
    us_t now = f->ended, body;
    double cost = flight_cost(f);

    board_sample(b, shard, slot, BOARD_ERROR, now, f->error ? 1 : 0);
    if (f->connected && !f->reused)
        board_sample(b, shard, slot, BOARD_CONNECT, now, (double)f->connect_us / 1e6);
    if (f->first_at)
        board_sample(b, shard, slot, BOARD_FIRST_TOKEN, now,
                     (double)(f->first_at - f->started) / 1e6);
    /* A failure must not look fast: only good answers are latency samples. */
    if (f->error)
        return;
    board_sample(b, shard, slot, BOARD_TOTAL, now,
                 (double)(f->ended - f->started) / 1e6);
    body = f->ended - f->first_at;
    if (f->answer.usage.output > 0 && body > US_PER_MS)
        board_sample(b, shard, slot, BOARD_SPEED, now,
                     (double)f->answer.usage.output * 1e6 / (double)body);
    if (cost >= 0)
        board_sample(b, shard, slot, BOARD_COST, now, cost);
}

static void count_tokens(struct flight *f, const struct target *t,
                         const char *provider)
{
    struct request *r = f->request;
    const struct usage *u = &f->answer.usage;
    const char *client = r->in.client < 0 ? "" : r->config->clients[r->in.client].name;
    const char *three[] = {provider, t->model, client};
    uint64_t two_key = key_of(r, 2, (unsigned)f->target);
    uint64_t key = mix(two_key, (uint64_t)(r->in.client + 2));
    double cost = flight_cost(f);

    if (u->input < 0) {
        add(r, METRIC_USAGE_MISSING, two_key, three, 1);
        return;
    }
    add(r, METRIC_INPUT_TOKENS, key, three, (double)u->input);
    if (u->output > 0)
        add(r, METRIC_OUTPUT_TOKENS, key, three, (double)u->output);
    if (u->cache_read > 0)
        add(r, METRIC_CACHE_READ_TOKENS, two_key, three, (double)u->cache_read);
    if (u->cache_write > 0)
        add(r, METRIC_CACHE_WRITE_TOKENS, two_key, three, (double)u->cache_write);
    if (u->reasoning > 0)
        add(r, METRIC_REASONING_TOKENS, two_key, three, (double)u->reasoning);
    if (cost >= 0)
        add(r, METRIC_COST, key, three, cost);
    else
        add(r, METRIC_UNPRICED, two_key, three, 1);
}

static void count_flight(struct flight *f, const struct target *t)
{
    struct request *r = f->request;
    const char *provider = r->config->providers[t->provider].name;
    const char *values[] = {provider, t->model, errors_row(f->error)->name};
    const char *by_key[] = {provider, t->key, values[2]};
    uint64_t key = key_of(r, 1, (unsigned)f->target);

    add(r, METRIC_ATTEMPTS, mix(key, f->error + 1u), values, 1);
    if (t->key)
        add(r, METRIC_KEY_ATTEMPTS, mix(key, f->error + 1u), by_key, 1);
    observe(r, METRIC_ATTEMPT_DURATION, key, values, f->ended - f->started);
    if (f->first_at)
        observe(r, METRIC_ATTEMPT_FIRST, key, values, f->first_at - f->started);
    if (f->gap)
        observe(r, METRIC_CHUNK_GAP, key, values, f->gap);
    if (f->connected) {
        const char *reused[] = {provider, f->reused ? "true" : "false"};

        add(r, METRIC_UPSTREAM_CONNECTS, mix(key, 40u + f->reused), reused, 1);
    }
    if (f->hedge) {
        const char *result[] = {f->committed ? "won" : "lost"};

        add(r, METRIC_HEDGES, key_of(r, 3, f->committed), result, 1);
    }
    /* Losers are paid for as well. */
    if (f->ok || f->committed || f->answer.usage.input >= 0)
        count_tokens(f, t, provider);
}

/* The first good target after a failed one. */
static void count_fallback(struct flight *f)
{
    struct request *r = f->request;
    const struct flight *before = f->next;
    const char *values[3];

    while (before && (before->target < 0 || before->shadow))
        before = before->next;
    if (f->shadow || !before || !before->error ||
        before->error == ERROR_caller_cancelled)
        return;
    values[0] = r->config->targets[before->target].name;
    values[1] = r->config->targets[f->target].name;
    values[2] = errors_row(before->error)->name;
    snprintf(r->fallback, sizeof r->fallback, "%s", values[2]);
    add(r, METRIC_FALLBACKS,
        mix(key_of(r, 4 + before->error, (unsigned)f->target),
            (uint64_t)before->target),
        values, 1);
}

void finish_flight(struct flight *f)
{
    struct request *r = f->request;
    const struct target *t = flight_target(f);
    const char *name = t ? flight_whole(f, t)->name
                         : r->config->providers[f->provider].name;
    us_t first = f->first_at ? f->first_at - f->started : 0;

    record_add(&r->record, RECORD_attempt, (int64_t)f->id, name,
               (int64_t)(f->started - r->in.received), (int64_t)f->status,
               errors_row(f->error)->name, f->detail, (int64_t)f->connect_us,
               (int64_t)f->head_us, (int64_t)first,
               (int64_t)(f->ended - f->started), f->reused, f->upstream_id,
               t && t->key ? t->key : "");
    if (!t || !f->entered)
        return;
    count_fallback(f);
    if (f->error != ERROR_caller_cancelled) {
        sample_board(f, t->slot);
        if (t->key)
            sample_board(f, flight_whole(f, t)->slot);
    }
    count_flight(f, t);
}

/* -- a request ------------------------------------------------------------- */

/* Who ended it, and in which phase, after HAProxy's two letters. */
static const char *end_state(const struct request *r)
{
    const struct flight *f = r->relayed;
    const char *name = errors_row(r->error)->name;
    bool data = f && f->committed;

    switch (r->error) {
    case ERROR_none:
        return "--";
    case ERROR_caller_cancelled:
        return data ? "CD" : r->attempts ? "CF" : "CP";
    case ERROR_provider_timeout_connect:
        return "uC";
    case ERROR_provider_timeout_first_token:
        return "uF";
    case ERROR_provider_timeout_idle:
    case ERROR_provider_timeout_total:
        return data ? "uD" : "uF";
    case ERROR_provider_connect:
    case ERROR_provider_dns:
    case ERROR_provider_tls:
        return "UC";
    default:
        break;
    }
    if (strncmp(name, "caller", 6) == 0)
        return "CR";
    if (strncmp(name, "policy", 6) == 0)
        return "PP";
    if (strncmp(name, "provider", 8) == 0)
        return data ? "UD" : "UH";
    return "GR";
}

/* Our own time: all of it but what was spent waiting for providers, or because
 * the policy said so. */
static us_t own_time(const struct request *r, us_t total)
{
    us_t theirs = r->slept;

    for (const struct flight *f = r->flights; f; f = f->next)
        if (!f->shadow && f->ended)
            theirs += f->ended - f->started;
    return total > theirs ? total - theirs : 0;
}

static void note_end(struct request *r, us_t total, us_t own)
{
    static const struct flight none = {.target = -1, .answer.usage = {
        -1, -1, -1, -1, -1, -1, -1, -1}};
    const struct flight *f = r->relayed ? r->relayed : &none;
    const struct usage *u = &f->answer.usage;
    const struct target *t = r->relayed ? flight_target(f) : NULL;

    record_add(&r->record, RECORD_end, (int64_t)r->status,
               errors_row(r->error)->name, end_state(r), (int64_t)r->attempts,
               t ? flight_whole(f, t)->name : "",
               f->answer.model, r->fallback,
               (int64_t)(r->began - r->in.received), (int64_t)r->policy_us,
               (int64_t)f->connect_us, (int64_t)r->first_us, (int64_t)total,
               (int64_t)own, u->input, u->output, u->cache_read, u->cache_write,
               u->reasoning, r->relayed ? flight_cost(f) : -1.0,
               (int64_t)r->in.body_bytes, (int64_t)r->sent, r->peer, r->agent,
               f->answer.finish, t && t->key ? t->key : "");
}

static void count_part(struct request *r, unsigned key, const char *part, us_t us)
{
    observe(r, METRIC_OVERHEAD_PART, key, &part, us > 0 ? us : 0);
}

/* Our own time by what it was spent on; relay is what is left. */
static void count_parts(struct request *r, us_t own)
{
    us_t parse = r->began - r->in.received;
    const struct flight *f = r->relayed;

    count_part(r, 51, "parse", parse);
    count_part(r, 52, "policy", r->policy_us);
    count_part(r, 53, "relay", own - parse - r->policy_us);
    if (f && f->connected && !f->reused)
        count_part(r, 54, "connect_wait", f->connect_us);
}

static void count_request(struct request *r, us_t total, us_t own)
{
    const char *op = request_op_name(r->in.op);
    const char *model = r->model < 0 ? "_other" : r->config->models[r->model].name;
    const char *stream = r->stream ? "true" : "false";
    const char *values[] = {op, model, NULL, errors_row(r->error)->name, stream};
    const char *short_values[] = {op, model, stream};
    uint64_t key = key_of(r, 100 + (unsigned)r->in.op * 2 + r->stream,
                          (unsigned)(r->model + 1));
    char code[8];

    text_of_status(r->status, code);
    values[2] = code;
    add(r, METRIC_REQUESTS,
        mix(key, (uint64_t)r->status * 100 + r->error), values, 1);
    observe(r, METRIC_DURATION, key, short_values, total);
    if (r->first_us)
        observe(r, METRIC_FIRST_CHUNK, mix(key, 7), short_values, r->first_us);
    observe(r, METRIC_OVERHEAD, mix(key, 8), values, own);
    count_parts(r, own);
    metrics_observe(r->all->env.metrics, r->all->env.shard,
                    finish_series(r->all, METRIC_ATTEMPTS_PER_REQUEST,
                                  mix(key, 9), values), r->attempts);
    if (r->error == ERROR_caller_cancelled) {
        const char *phase[] = {end_state(r)};

        add(r, METRIC_DISCONNECTS, mix(9999, (uint64_t)phase[0][1]), phase, 1);
    }
}

void finish_request(struct request *r)
{
    us_t total = r->total_us, own = own_time(r, total);
    struct record_blob *blob;

    count_request(r, total, own);
    note_end(r, total, own);
    blob = record_seal(&r->record);
    if (blob)
        r->all->env.finished(r->all->env.arg, blob);
}
