/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of targets: rings of sums for means and counts, histograms for
 * quantiles. Each worker writes its own shard and nobody waits for anybody.
 */
#include "board_impl.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 64
#define MINUTES 60

/*
 * A cell says in one word which time it is of, how many samples it has, and in
 * which of its two halves their sum stands. The writer fills the other half
 * first and then the word, so a stalled writer leaves a whole older cell; a
 * reader that finds the word changed after reading the half reads again.
 */
#define COUNT_BITS 24
#define COUNT_MAX ((1u << COUNT_BITS) - 1)

struct cell {
    _Atomic uint64_t word;      /* time << 25 | count << 1 | half */
    _Atomic double half[2];
};

struct ring {
    struct cell seconds[SECONDS];
    struct cell minutes[MINUTES];
};

struct board_rings {
    struct ring of[BOARD_METRICS];
    _Atomic us_t bad_at;        /* time of the last bad attempt + 1; 0: none */
} __attribute__((aligned(BOARD_LINE)));

struct board_rings *board_rings_new(unsigned shards)
{
    return board_lines(shards * sizeof(struct board_rings));
}

void board_rings_free(struct board_rings *rings)
{
    free(rings);
}

int board_metric(const char *name)
{
    static const char *const names[] = {
        [BOARD_CONNECT] = "connect", [BOARD_FIRST_TOKEN] = "first_token",
        [BOARD_TOTAL] = "total",     [BOARD_SPEED] = "speed",
        [BOARD_COST] = "cost",       [BOARD_ERROR] = "error",
    };

    static_assert(sizeof names / sizeof *names == BOARD_METRICS,
                  "each metric has a name");
    for (int i = 0; i < BOARD_METRICS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* Writing a cell ---------------------------------------------------------- */

static uint64_t word_time(uint64_t word)
{
    return word >> (COUNT_BITS + 1);
}

static uint64_t word_count(uint64_t word)
{
    return word >> 1 & COUNT_MAX;
}

static void cell_add(struct cell *c, uint64_t time, double value)
{
    uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
    uint64_t count = word_count(word), half = word & 1;

    if (count == COUNT_MAX && time <= word_time(word))
        return;
    if (count > 0 && time <= word_time(word)) {
        time = word_time(word);
        value += atomic_load_explicit(&c->half[half], memory_order_relaxed);
    } else {
        count = 0;
    }
    half = !half;
    atomic_store_explicit(&c->half[half], value, memory_order_release);
    atomic_store_explicit(&c->word,
                          time << (COUNT_BITS + 1) | (count + 1) << 1 | half,
                          memory_order_release);
}

/* Samples and their sum of ${time}; 0 when the cell is of another time. */
static uint64_t cell_read(const struct cell *c, uint64_t time, double *sum)
{
    uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);

    /* A writer needs two samples to spoil a read of a few nanoseconds, so a
     * second turn is rare and a fifth does not happen. */
    for (int turn = 0; turn < 8; turn++) {
        uint64_t again;

        if (word_time(word) != time)
            return 0;
        *sum = atomic_load_explicit(&c->half[word & 1], memory_order_acquire);
        again = atomic_load_explicit(&c->word, memory_order_acquire);
        if (again == word)
            return word_count(word);
        word = again;
    }
    return 0;
}

/* Histograms -------------------------------------------------------------- */

/*
 * Buckets are an eighth of an octave: a bucket [a, b) is reported as
 * 2ab / (a + b), which is off by (b - a) / (a + b) <= 5.9 % at either end.
 */
#define OCTAVES 32
#define PER_OCTAVE 8
#define BUCKETS (1 + OCTAVES * PER_OCTAVE)      /* 0: nothing, or less */

#define FINE_SLOTS 32
#define FINE_SECONDS 10
#define FINE_WINDOW 300
#define COARSE_SLOTS 16
#define COARSE_SECONDS 240
#define CACHED 4
#define CACHE_US US_PER_S

/* The octave of bucket 1: about 1 us, 0.001 tokens a second, 7e-9 USD. */
static const int lowest[] = {
    [BOARD_CONNECT] = -20, [BOARD_FIRST_TOKEN] = -20, [BOARD_TOTAL] = -20,
    [BOARD_SPEED] = -10,   [BOARD_COST] = -27,        [BOARD_ERROR] = -20,
};

struct span {
    _Atomic uint64_t time;      /* + 1; 0: being cleared, or never used */
    _Atomic uint32_t counts[BUCKETS];
};

struct hist_shard {
    struct span fine[FINE_SLOTS];
    struct span coarse[COARSE_SLOTS];
} __attribute__((aligned(BOARD_LINE)));

struct answer {
    us_t at;
    double q, window, value;
    bool valid, any;
};

struct board_hist {
    pthread_mutex_t lock;       /* guards the answers */
    struct answer answers[CACHED];
    unsigned next;
    struct hist_shard shards[];
};

void board_hist_free(struct board_hist *h)
{
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static unsigned bucket_of(enum board_metric m, double value)
{
    uint64_t bits;
    int64_t i;

    if (!(value > 0))
        return 0;
    memcpy(&bits, &value, sizeof bits);
    /* The exponent and the first three bits of the mantissa count eighths of
     * an octave. */
    i = (int64_t)(bits >> 49) - (1023 + lowest[m]) * PER_OCTAVE + 1;
    if (i < 1)
        return 0;
    return i < BUCKETS ? (unsigned)i : BUCKETS - 1;
}

static double bucket_value(enum board_metric m, unsigned i)
{
    double step, low, high;

    if (i == 0)
        return 0;
    step = ldexp(1.0 / PER_OCTAVE, lowest[m] + (int)((i - 1) / PER_OCTAVE));
    low = step * (PER_OCTAVE + (i - 1) % PER_OCTAVE);
    high = low + step;
    return 2 * low * high / (low + high);
}

static void span_add(struct span *s, uint64_t time, unsigned bucket)
{
    uint64_t had = atomic_load_explicit(&s->time, memory_order_relaxed);
    uint32_t count;

    if (had < time + 1) {
        atomic_store_explicit(&s->time, 0, memory_order_relaxed);
        for (unsigned i = 0; i < BUCKETS; i++)
            atomic_store_explicit(&s->counts[i], 0, memory_order_release);
        atomic_store_explicit(&s->time, time + 1, memory_order_release);
    }
    count = atomic_load_explicit(&s->counts[bucket], memory_order_relaxed);
    if (count < UINT32_MAX)
        atomic_store_explicit(&s->counts[bucket], count + 1,
                              memory_order_release);
}

static void hist_add(struct hist_shard *h, uint64_t second, unsigned bucket)
{
    uint64_t fine = second / FINE_SECONDS, coarse = second / COARSE_SECONDS;

    span_add(&h->fine[fine % FINE_SLOTS], fine, bucket);
    span_add(&h->coarse[coarse % COARSE_SLOTS], coarse, bucket);
}

/* Writing a sample -------------------------------------------------------- */

void board_sample(struct board *b, unsigned shard, unsigned slot,
                  enum board_metric m, us_t now, double value)
{
    struct board_target *t = board_target(b, slot);
    uint64_t second = now > 0 ? (uint64_t)(now / US_PER_S) : 0;
    uint64_t minute = second / 60;
    struct board_rings *rings = &t->rings[shard];
    struct board_hist *h;

    assert(shard < b->shards);
    if (!isfinite(value))
        return;
    cell_add(&rings->of[m].seconds[second % SECONDS], second, value);
    cell_add(&rings->of[m].minutes[minute % MINUTES], minute, value);
    if (m == BOARD_ERROR && value > 0)
        atomic_store_explicit(&rings->bad_at, now + 1, memory_order_release);
    h = atomic_load_explicit(&t->hists[m], memory_order_acquire);
    if (h)
        hist_add(&h->shards[shard], second, bucket_of(m, value));
}

us_t board_outage_age(struct board *b, unsigned slot, us_t now)
{
    struct board_target *t = board_target(b, slot);
    us_t last = 0;

    for (unsigned i = 0; i < b->shards; i++) {
        us_t at = atomic_load_explicit(&t->rings[i].bad_at,
                                       memory_order_acquire);

        last = at > last ? at : last;
    }
    if (last == 0)
        return US_NEVER;
    return now > last - 1 ? now - (last - 1) : 0;
}

/* Means and counts -------------------------------------------------------- */

/* How samples fade: by exp(-age / tau), and to nothing at the horizon. A cell's
 * age is that of its middle. */
struct fade {
    us_t now;
    int64_t second, minute;
    double into;                /* fraction of the running second */
    double tau, per_second, per_minute;
    double horizon;
};

struct total {
    double count, sum;
};

static struct fade fade_new(us_t now, double tau, double horizon)
{
    struct fade f = { .now = now > 0 ? now : 0, .tau = tau,
                      .horizon = horizon };

    f.second = f.now / US_PER_S;
    f.minute = f.second / 60;
    f.into = (double)(f.now % US_PER_S) / 1e6;
    f.per_second = exp(-1 / tau);
    f.per_minute = exp(-60 / tau);
    return f;
}

/* The last 64 seconds. ${edge} gets what of it lies in minute ${edge_minute}.
 * false: the horizon was reached. */
static bool fade_seconds(const struct ring *r, const struct fade *f,
                         int64_t edge_minute, struct total *all,
                         struct total *edge)
{
    double age = f->into / 2, weight = exp(-age / f->tau);
    double next = exp(-(f->into + 0.5) / f->tau);

    for (int64_t k = 0; k < SECONDS && k <= f->second; k++) {
        int64_t second = f->second - k;
        double sum = 0, count;

        if (age >= f->horizon)
            return false;
        count = (double)cell_read(&r->seconds[second % SECONDS],
                                  (uint64_t)second, &sum);
        if (count > 0) {
            all->count += weight * count;
            all->sum += weight * sum;
            if (second < (edge_minute + 1) * 60) {
                edge->count += count;
                edge->sum += sum;
            }
        }
        age = f->into + 0.5 + (double)k;
        weight = next;
        next *= f->per_second;
    }
    return true;
}

/* A minute whose end is among the 64 seconds: what is left of it. */
static void fade_edge(const struct ring *r, const struct fade *f,
                      int64_t minute, const struct total *edge,
                      struct total *all)
{
    double start = (double)minute * 60;
    double end = (double)(f->second - SECONDS + 1);
    double age, weight, sum = 0, count;

    age = (double)f->second + f->into - (start + end) / 2;
    if (age >= f->horizon)
        return;
    count = (double)cell_read(&r->minutes[minute % MINUTES], (uint64_t)minute,
                              &sum) - edge->count;
    if (count <= 0)
        return;
    weight = exp(-age / f->tau);
    all->count += weight * count;
    all->sum += weight * (sum - edge->sum);
}

static void fade_ring(const struct ring *r, const struct fade *f,
                      struct total *all)
{
    int64_t minute = (f->second - SECONDS) / 60;
    struct total edge = { 0, 0 };
    double age, weight;

    if (!fade_seconds(r, f, minute, all, &edge) || f->second < SECONDS)
        return;
    fade_edge(r, f, minute, &edge, all);
    age = (double)(f->second - (minute - 1) * 60) + f->into - 30;
    weight = exp(-age / f->tau);
    while (--minute >= 0 && minute > f->minute - MINUTES && age < f->horizon) {
        double sum = 0;
        double count = (double)cell_read(&r->minutes[minute % MINUTES],
                                         (uint64_t)minute, &sum);

        if (count > 0) {
            all->count += weight * count;
            all->sum += weight * sum;
        }
        age += 60;
        weight *= f->per_minute;
    }
}

static struct total fade_all(struct board *b, unsigned slot,
                             enum board_metric m, const struct fade *f)
{
    struct board_target *t = board_target(b, slot);
    struct total all = { 0, 0 };

    for (unsigned i = 0; i < b->shards; i++)
        fade_ring(&t->rings[i].of[m], f, &all);
    return all;
}

bool board_ewma(struct board *b, unsigned slot, enum board_metric m, us_t now,
                double tau, double *value)
{
    struct fade f;
    struct total all;

    tau = tau > 0.1 ? tau : 0.1;
    tau = tau < 3600 ? tau : 3600;
    f = fade_new(now, tau, 12 * tau);
    all = fade_all(b, slot, m, &f);
    if (!(all.count > 0))
        return false;
    *value = all.sum / all.count;
    return true;
}

void board_window(struct board *b, unsigned slot, enum board_metric m, us_t now,
                  double window, uint64_t *count, double *sum)
{
    struct fade f = fade_new(now, INFINITY, window);
    struct total all = fade_all(b, slot, m, &f);

    *count = (uint64_t)(all.count + 0.5);
    *sum = all.sum;
}

/* Quantiles --------------------------------------------------------------- */

/* The histograms of one metric, made when a quantile is first asked for. */
static struct board_hist *hist_get(struct board *b, struct board_target *t,
                                   enum board_metric m)
{
    size_t size = sizeof(struct board_hist) +
                  b->shards * sizeof(struct hist_shard);
    struct board_hist *h;

    h = atomic_load_explicit(&t->hists[m], memory_order_acquire);
    if (h)
        return h;
    pthread_mutex_lock(&b->lock);
    h = atomic_load(&t->hists[m]);
    if (!h && b->hist_bytes + size <= b->max_bytes / 2 &&
        board_charge(b, size)) {
        h = board_lines(size);
        if (h) {
            b->hist_bytes += size;
            pthread_mutex_init(&h->lock, NULL);
            atomic_store_explicit(&t->hists[m], h, memory_order_release);
        } else {
            board_discharge(b, size);
        }
    }
    pthread_mutex_unlock(&b->lock);
    return h;
}

/* Add a span to ${totals}, unless the writer clears it meanwhile: then it is
 * too old anyway. */
static void span_read(const struct span *s, uint64_t time, uint64_t *totals)
{
    uint32_t counts[BUCKETS];

    if (atomic_load_explicit(&s->time, memory_order_acquire) != time + 1)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        counts[i] = atomic_load_explicit(&s->counts[i], memory_order_acquire);
    if (atomic_load_explicit(&s->time, memory_order_acquire) != time + 1)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        totals[i] += counts[i];
}

/* Add the spans whose middle lies in the window. */
static void spans_read(const struct span *spans, int64_t slots, int64_t seconds,
                       us_t now, double window, uint64_t *totals)
{
    double at = (double)now / 1e6;
    int64_t newest = (int64_t)at / seconds;

    for (int64_t i = newest; i >= 0 && i > newest - slots; i--) {
        if (i < newest && at - ((double)i + 0.5) * (double)seconds >= window)
            return;
        span_read(&spans[i % slots], (uint64_t)i, totals);
    }
}

static bool hist_quantile(const struct board *b, const struct board_hist *h,
                          enum board_metric m, us_t now, double q,
                          double window, double *value)
{
    uint64_t totals[BUCKETS] = { 0 };
    uint64_t count = 0, rank, seen = 0;
    unsigned i;

    for (unsigned s = 0; s < b->shards; s++) {
        if (window <= FINE_WINDOW)
            spans_read(h->shards[s].fine, FINE_SLOTS, FINE_SECONDS, now, window,
                       totals);
        else
            spans_read(h->shards[s].coarse, COARSE_SLOTS, COARSE_SECONDS, now,
                       window, totals);
    }
    for (i = 0; i < BUCKETS; i++)
        count += totals[i];
    if (count == 0)
        return false;
    rank = (uint64_t)ceil(q * (double)count);
    rank = rank < 1 ? 1 : rank;
    for (i = 0; i < BUCKETS - 1; i++) {
        seen += totals[i];
        if (seen >= rank)
            break;
    }
    *value = bucket_value(m, i);
    return true;
}

/* Under the lock. An answer of the last second, or the place for a new one. */
static struct answer *answer_find(struct board_hist *h, us_t now, double q,
                                  double window)
{
    struct answer *a;

    for (a = h->answers; a < h->answers + CACHED; a++)
        if (a->valid && a->q >= q && a->q <= q && a->window >= window &&
            a->window <= window && now >= a->at && now - a->at < CACHE_US)
            return a;
    a = &h->answers[h->next++ % CACHED];
    a->valid = false;
    return a;
}

bool board_quantile(struct board *b, unsigned slot, enum board_metric m,
                    us_t now, double q, double window, double *value)
{
    struct board_hist *h = hist_get(b, board_target(b, slot), m);
    struct answer *a;
    bool any;

    if (!h)
        return false;
    q = q > 0 ? q : 0;
    q = q < 1 ? q : 1;
    window = window > 0 ? window : 0;
    pthread_mutex_lock(&h->lock);
    a = answer_find(h, now, q, window);
    if (!a->valid) {
        *a = (struct answer){ .at = now, .q = q, .window = window,
                              .valid = true };
        a->any = hist_quantile(b, h, m, now, q, window, &a->value);
    }
    any = a->any;
    if (any)
        *value = a->value;
    pthread_mutex_unlock(&h->lock);
    return any;
}
