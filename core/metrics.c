/* SPDX-License-Identifier: Apache-2.0
 *
 * A series is the number of its first slot. Every shard has slots of its own
 * for every series, in chunks that are made before the number is given out and
 * never move, so a write is one load and one store. The reader walks lists that
 * only grow.
 */
#include "metrics_impl.h"

#include "buf.h"
#include "ceilings.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 1024u             /* slots */
#define MOST_BOUNDS 17u
#define MOST_SLOTS (CEIL_SERIES * (MOST_BOUNDS + 3))
#define CHUNKS (MOST_SLOTS / CHUNK)
#define MOST_LABELS 5u
#define MOST_LABEL_BYTES (16 * KIB)
#define NUMBER 40u              /* bytes of a number as text */

/* Families ---------------------------------------------------------------- */

enum bounds { none, duration, overhead, attempts };

static const double duration_bounds[] = {
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32,  0.64,  1.28,   2.56,
    5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36,
};
static const double overhead_bounds[] = {
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4,
    5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1,
};
static const double attempts_bounds[] = { 1, 2, 3, 4, 6, 8 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    const double *of;
    size_t count;
} bounds[] = {
    [none] = { NULL, 0 },
    [duration] = { duration_bounds, COUNT(duration_bounds) },
    [overhead] = { overhead_bounds, COUNT(overhead_bounds) },
    [attempts] = { attempts_bounds, COUNT(attempts_bounds) },
};

static_assert(COUNT(duration_bounds) <= MOST_BOUNDS &&
                  COUNT(overhead_bounds) <= MOST_BOUNDS &&
                  COUNT(attempts_bounds) <= MOST_BOUNDS,
              "the slots are enough for CEIL_SERIES histograms");

struct family {
    const char *name;
    enum metric_kind kind;
    const char *labels;
    enum bounds bounds;
    const char *help;
};

static const struct family families[METRIC_COUNT] = {
#define X(id, name, kind, labels, buckets, help)                               \
    [METRIC_##id] = { name, METRIC_##kind, labels, buckets, help },
    METRICS(X)
#undef X
};

struct series {
    struct series *chain;               /* of the table */
    _Atomic(struct series *) next;      /* of the family, in order of birth */
    uint64_t hash;
    enum metric metric;
    series_t slot;
    char labels[];                      /* as they are written, without {} */
};

typedef _Atomic double slot_t;

struct metrics {
    unsigned shards;                    /* with the control loop's */
    _Atomic(slot_t *) (*chunks)[CHUNKS]; /* owned; of each shard */
    uint8_t *metric_of;                 /* owned; of each first slot */
    _Atomic(struct series *) first[METRIC_COUNT];

    pthread_mutex_t lock;               /* guards new series and what follows */
    struct series *last[METRIC_COUNT];
    struct series **table;              /* owned; ${width} chains */
    size_t width, count;
    series_t next_slot;
};

static_assert(METRIC_COUNT <= UINT8_MAX, "metric_of holds a metric");

/* A histogram: its buckets, the one above all bounds, the sum. */
static unsigned family_slots(const struct family *f)
{
    return f->kind == METRIC_HISTOGRAM ? (unsigned)bounds[f->bounds].count + 2
                                       : 1;
}

/* New, free --------------------------------------------------------------- */

static bool make_series(struct metrics *ms, enum metric m, const char *labels,
                        uint64_t hash, series_t *slot);

static int make_unlabelled(struct metrics *ms)
{
    series_t slot;

    /* Slot 0 counts the writes to nowhere. */
    if (!make_series(ms, METRIC_METRICS_DROPPED, "", 0, &slot))
        return -1;
    assert(slot == 0);
    for (unsigned m = 0; m < METRIC_COUNT; m++)
        if (families[m].kind == METRIC_COUNTER && !families[m].labels[0] &&
            m != METRIC_METRICS_DROPPED &&
            metrics_series(ms, (enum metric)m, NULL) == 0)
            return -1;
    return 0;
}

struct metrics *metrics_new(unsigned shards)
{
    struct metrics *ms = calloc(1, sizeof *ms);

    if (!ms)
        return NULL;
    pthread_mutex_init(&ms->lock, NULL);
    ms->shards = shards + 1;
    ms->width = 1024;
    ms->chunks = calloc(ms->shards, sizeof *ms->chunks);
    ms->metric_of = calloc(MOST_SLOTS, 1);
    ms->table = calloc(ms->width, sizeof *ms->table);
    if (!ms->chunks || !ms->metric_of || !ms->table || make_unlabelled(ms)) {
        metrics_free(ms);
        return NULL;
    }
    return ms;
}

void metrics_free(struct metrics *ms)
{
    if (!ms)
        return;
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        struct series *s = atomic_load(&ms->first[m]), *next;

        for (; s; s = next) {
            next = atomic_load(&s->next);
            free(s);
        }
    }
    for (unsigned i = 0; ms->chunks && i < ms->shards; i++)
        for (unsigned k = 0; k < CHUNKS; k++)
            free(atomic_load(&ms->chunks[i][k]));
    free(ms->chunks);
    free(ms->metric_of);
    free(ms->table);
    pthread_mutex_destroy(&ms->lock);
    free(ms);
}

/* Labels ------------------------------------------------------------------ */

/* Length of the UTF-8 character at ${s}, 0 when it is none. */
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = { { 0x80, 0, 0 }, { 0xe0, 0xc0, 0x80 },
                  { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

    for (size_t n = 0; n < COUNT(forms); n++) {
        uint32_t c = s[0] & (unsigned char)~forms[n].mask;

        if ((s[0] & forms[n].mask) != forms[n].lead)
            continue;
        for (size_t i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (s[i] & 0x3f);
        }
        if (c < forms[n].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return 0;
        return n + 1;
    }
    return 0;
}

/* One bad byte would make the scraper refuse everything. */
static int add_escaped(struct buf *out, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    int bad = 0;

    while (*s && !bad) {
        size_t n = utf8_length(s);

        if (n == 0)
            bad = buf_adds(out, "\xef\xbf\xbd");
        else if (*s == '\\' || *s == '"')
            bad = buf_addc(out, '\\') || buf_addc(out, (char)*s);
        else if (*s == '\n')
            bad = buf_adds(out, "\\n");
        else
            bad = buf_add(out, s, n);
        s += n ? n : 1;
    }
    return bad ? -1 : 0;
}

/* a="x",b="y" and a NUL. */
static int add_labels(struct buf *out, const char *names,
                      const char *const *values)
{
    int bad = 0;

    for (size_t i = 0; *names && !bad; i++) {
        size_t n = strcspn(names, ",");

        bad = (i && buf_addc(out, ',')) || buf_add(out, names, n) ||
              buf_adds(out, "=\"") ||
              add_escaped(out, values && values[i] ? values[i] : "") ||
              buf_addc(out, '"');
        names += n + (names[n] == ',');
    }
    return bad || buf_addc(out, '\0') ? -1 : 0;
}

/* Series ------------------------------------------------------------------ */

static uint64_t hash_labels(enum metric m, const char *labels)
{
    uint64_t h = 14695981039346656037u ^ (uint64_t)m;

    for (; *labels; labels++)
        h = (h ^ (unsigned char)*labels) * 1099511628211u;
    return h ^ h >> 32;
}

static void grow_table(struct metrics *ms)
{
    size_t width = 2 * ms->width;
    struct series **table = calloc(width, sizeof *table);

    if (!table)
        return;
    for (size_t i = 0; i < ms->width; i++) {
        while (ms->table[i]) {
            struct series *s = ms->table[i];

            ms->table[i] = s->chain;
            s->chain = table[s->hash & (width - 1)];
            table[s->hash & (width - 1)] = s;
        }
    }
    free(ms->table);
    ms->table = table;
    ms->width = width;
}

/* ${n} slots in one chunk, there for every shard. */
static bool make_slots(struct metrics *ms, unsigned n, series_t *slot)
{
    series_t at = ms->next_slot;

    if (at % CHUNK + n > CHUNK)
        at += CHUNK - at % CHUNK;
    if (at + n > MOST_SLOTS)
        return false;
    for (unsigned i = 0; i < ms->shards; i++) {
        slot_t *chunk = atomic_load(&ms->chunks[i][at / CHUNK]);

        if (chunk)
            continue;
        chunk = aligned_alloc(64, CHUNK * sizeof *chunk);
        if (!chunk)
            return false;
        for (unsigned k = 0; k < CHUNK; k++)
            atomic_init(&chunk[k], 0);
        atomic_store_explicit(&ms->chunks[i][at / CHUNK], chunk,
                              memory_order_release);
    }
    ms->next_slot = at + n;
    *slot = at;
    return true;
}

/* Under the lock. */
static bool make_series(struct metrics *ms, enum metric m, const char *labels,
                        uint64_t hash, series_t *slot)
{
    size_t len = strlen(labels);
    struct series *s;

    if (ms->count >= CEIL_SERIES)
        return false;
    s = calloc(1, sizeof *s + len + 1);
    if (!s || !make_slots(ms, family_slots(&families[m]), slot)) {
        free(s);
        return false;
    }
    if (ms->count >= ms->width)
        grow_table(ms);
    memcpy(s->labels, labels, len + 1);
    s->metric = m;
    s->hash = hash;
    s->slot = *slot;
    s->chain = ms->table[hash & (ms->width - 1)];
    ms->table[hash & (ms->width - 1)] = s;
    ms->metric_of[*slot] = (uint8_t)m;
    ms->count++;
    atomic_store_explicit(ms->last[m] ? &ms->last[m]->next : &ms->first[m], s,
                          memory_order_release);
    ms->last[m] = s;
    return true;
}

series_t metrics_series(struct metrics *ms, enum metric m,
                        const char *const *values)
{
    const struct series *s;
    series_t slot = 0;
    struct buf labels;
    uint64_t hash;

    if (m == METRIC_METRICS_DROPPED)
        return 0;
    buf_init(&labels, MOST_LABEL_BYTES);
    if (add_labels(&labels, families[m].labels, values)) {
        buf_free(&labels);
        return 0;
    }
    hash = hash_labels(m, labels.data);
    pthread_mutex_lock(&ms->lock);
    for (s = ms->table[hash & (ms->width - 1)]; s; s = s->chain)
        if (s->hash == hash && s->metric == m &&
            strcmp(s->labels, labels.data) == 0)
            break;
    if (s)
        slot = s->slot;
    else if (!make_series(ms, m, labels.data, hash, &slot))
        slot = 0;
    pthread_mutex_unlock(&ms->lock);
    buf_free(&labels);
    return slot;
}

/* Writing ----------------------------------------------------------------- */

static slot_t *slot_of(const struct metrics *ms, unsigned shard, series_t s)
{
    assert(shard < ms->shards && s < MOST_SLOTS);
    return &atomic_load_explicit(&ms->chunks[shard][s / CHUNK],
                                 memory_order_acquire)[s % CHUNK];
}

static double slot_get(const slot_t *slot)
{
    return atomic_load_explicit(slot, memory_order_relaxed);
}

/* Not one atomic step: each shard has one writer. */
static void slot_add(slot_t *slot, double by)
{
    atomic_store_explicit(slot, slot_get(slot) + by, memory_order_relaxed);
}

void metrics_add(struct metrics *ms, unsigned shard, series_t s, double by)
{
    enum metric_kind kind = families[ms->metric_of[s]].kind;

    if (s == 0)
        by = 1;
    if (isfinite(by) && (by >= 0 || kind == METRIC_GAUGE))
        slot_add(slot_of(ms, shard, s), by);
}

void metrics_set(struct metrics *ms, unsigned shard, series_t s, double value)
{
    if (s == 0)
        metrics_add(ms, shard, 0, 1);
    else
        atomic_store_explicit(slot_of(ms, shard, s), value,
                              memory_order_relaxed);
}

void metrics_observe(struct metrics *ms, unsigned shard, series_t s,
                     double value)
{
    enum bounds which = families[ms->metric_of[s]].bounds;
    size_t count = bounds[which].count, i = 0;
    slot_t *slots;

    if (s == 0) {
        metrics_add(ms, shard, 0, 1);
        return;
    }
    if (!isfinite(value))
        return;
    slots = slot_of(ms, shard, s);
    while (i < count && value > bounds[which].of[i])
        i++;
    slot_add(&slots[i], 1);
    slot_add(&slots[count + 1], value);
}

/* Reading ----------------------------------------------------------------- */

static double sum_slot(const struct metrics *ms, series_t s)
{
    double sum = 0;

    for (unsigned i = 0; i < ms->shards; i++)
        sum += slot_get(slot_of(ms, i, s));
    return sum;
}

double metrics_value(struct metrics *ms, series_t s)
{
    const struct family *f = &families[ms->metric_of[s]];
    double sum = 0;

    if (f->kind != METRIC_HISTOGRAM)
        return sum_slot(ms, s);
    for (unsigned i = 0; i <= bounds[f->bounds].count; i++)
        sum += sum_slot(ms, s + i);
    return sum;
}

/* The shortest text that reads back as the same number. */
static const char *number(double value, char text[NUMBER])
{
    if (isnan(value))
        return "NaN";
    if (isinf(value))
        return value > 0 ? "+Inf" : "-Inf";
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        char *comma;

        snprintf(text, NUMBER, "%.*g", digits, value);
        back = strtod(text, NULL);
        /* The host may have set a locale. */
        comma = strchr(text, ',');
        if (comma)
            *comma = '.';
        if (back >= value && back <= value)
            break;
    }
    return text;
}

int metrics_add_head(struct buf *out, const char *name, enum metric_kind kind,
                     const char *help)
{
    static const char *const kinds[] = { [METRIC_COUNTER] = "counter",
                                         [METRIC_GAUGE] = "gauge",
                                         [METRIC_HISTOGRAM] = "histogram" };

    return buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
                    kinds[kind]);
}

int metrics_add_line(struct buf *out, const char *name, const char *suffix,
                     const char *labels, double value)
{
    char text[NUMBER];

    return buf_addf(out, "%s%s%s%s%s %s\n", name, suffix, *labels ? "{" : "",
                    labels, *labels ? "}" : "", number(value, text));
}

/* The count is that of the last bucket as read here, so that both agree while
 * others write. */
static int add_histogram(const struct metrics *ms, struct buf *out,
                         const struct family *f, const struct series *s)
{
    size_t count = bounds[f->bounds].count;
    double total = 0;
    int bad = 0;

    for (size_t i = 0; i <= count && !bad; i++) {
        char le[NUMBER], text[NUMBER];

        total += sum_slot(ms, s->slot + (series_t)i);
        bad = buf_addf(out, "%s_bucket{%s%sle=\"%s\"} %s\n", f->name, s->labels,
                       *s->labels ? "," : "",
                       number(i < count ? bounds[f->bounds].of[i] : INFINITY,
                              le),
                       number(total, text));
    }
    return bad ||
           metrics_add_line(out, f->name, "_sum", s->labels,
                            sum_slot(ms, s->slot + (series_t)count + 1)) ||
           metrics_add_line(out, f->name, "_count", s->labels, total)
               ? -1
               : 0;
}

static int add_family(struct metrics *ms, struct buf *out, enum metric m)
{
    const struct family *f = &families[m];
    const struct series *s;
    int bad;

    s = atomic_load_explicit(&ms->first[m], memory_order_acquire);
    if (!s)
        return 0;
    bad = metrics_add_head(out, f->name, f->kind, f->help);
    for (; s && !bad;
         s = atomic_load_explicit(&s->next, memory_order_acquire))
        bad = f->kind == METRIC_HISTOGRAM
                  ? add_histogram(ms, out, f, s)
                  : metrics_add_line(out, f->name, "", s->labels,
                                     sum_slot(ms, s->slot));
    return bad ? -1 : 0;
}

int metrics_render(struct metrics *ms, struct buf *out)
{
    size_t before = out->len;
    int bad = 0;

    for (unsigned m = 0; m < METRIC_COUNT && !bad; m++)
        bad = add_family(ms, out, (enum metric)m);
    if (!bad)
        bad = metrics_add_process(out);
    if (bad)
        out->len = before;
    return bad ? -1 : 0;
}
