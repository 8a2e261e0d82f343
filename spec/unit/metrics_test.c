/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: series, writes of several shards, and the text as a strict scraper
 * reads it.
 */
#include "test.h"

#include "../../core/buf.h"
#include "../../core/ceilings.h"
#include "../../core/metrics.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SHARDS 4

static int near(double have, double want)
{
    return fabs(have - want) <= 1e-9 * fabs(want) + 1e-12;
}

/* A strict reader of the text format -------------------------------------- */

struct reader {
    const char *at;
    char family[128], kind[16];
    char bucket_of[1024];       /* name and labels but le of the last bucket */
    double bucket_le, bucket_total;
    int lines;
};

static int name_length(const char *s)
{
    int n = 0;

    while (isalpha((unsigned char)s[n]) || s[n] == '_' || s[n] == ':' ||
           (n && isdigit((unsigned char)s[n])))
        n++;
    return n;
}

/* {name="value",...}: its length, 0 when it is wrong. Splits off le. */
static int read_labels(const char *s, char *rest, size_t size, char *le)
{
    int n = 1, name;
    size_t used = 0;

    le[0] = rest[0] = '\0';
    for (;;) {
        int start = n, value;

        name = name_length(s + n);
        if (name == 0 || s[n + name] != '=' || s[n + name + 1] != '"')
            return 0;
        value = n += name + 2;
        for (; s[n] != '"'; n++) {
            if (s[n] == '\0' || s[n] == '\n')
                return 0;
            if (s[n] == '\\' && !strchr("\\\"n", s[++n]))
                return 0;
        }
        if (name == 2 && strncmp(s + start, "le", 2) == 0)
            snprintf(le, 32, "%.*s", n - value, s + value);
        else
            used += (size_t)snprintf(rest + used, size - used, "%.*s,",
                                     n - start + 1, s + start);
        n++;
        if (s[n] == '}')
            return n + 1;
        if (s[n++] != ',')
            return 0;
    }
}

static int read_comment(struct reader *r)
{
    char name[128], kind[16];
    int n = 0;

    if (sscanf(r->at, "# HELP %127s %n", name, &n) == 1 && n > 0) {
        if (strcmp(name, r->family) == 0 || r->at[n] == '\n')
            return 0;
        strcpy(r->family, name);
        r->kind[0] = '\0';
        return 1;
    }
    if (sscanf(r->at, "# TYPE %127s %15s%n", name, kind, &n) != 2 ||
        r->at[n] != '\n' || strcmp(name, r->family) != 0 || r->kind[0])
        return 0;
    strcpy(r->kind, kind);
    return strcmp(kind, "counter") == 0 || strcmp(kind, "gauge") == 0 ||
           strcmp(kind, "histogram") == 0;
}

/* Buckets go up in le and in count, and end with +Inf. */
static int read_bucket(struct reader *r, const char *labels, const char *le,
                       double value)
{
    double bound = strtod(le, NULL);

    if (!le[0])
        return 0;
    if (strcmp(labels, r->bucket_of) == 0 && !isinf(r->bucket_le)) {
        if (bound <= r->bucket_le || value < r->bucket_total)
            return 0;
    }
    strcpy(r->bucket_of, labels);
    r->bucket_le = bound;
    r->bucket_total = value;
    return 1;
}

static int read_sample(struct reader *r)
{
    int n = name_length(r->at), length;
    char labels[1024] = "", le[32] = "", *end;
    const char *suffix = r->at + strlen(r->family);
    double value;

    if (n == 0 || !r->kind[0] ||
        strncmp(r->at, r->family, strlen(r->family)) != 0)
        return 0;
    length = (int)(r->at + n - suffix);
    if (r->at[n] == '{') {
        int all = read_labels(r->at + n, labels, sizeof labels, le);

        if (!all)
            return 0;
        n += all;
    }
    if (r->at[n] != ' ')
        return 0;
    value = strtod(r->at + n + 1, &end);
    if (end == r->at + n + 1 || *end != '\n')
        return 0;
    if (strcmp(r->kind, "histogram") != 0)
        return length == 0 && !le[0] &&
               (strcmp(r->kind, "counter") != 0 || value >= 0);
    if (length == 7 && strncmp(suffix, "_bucket", 7) == 0)
        return read_bucket(r, labels, le, value);
    if (le[0] || strcmp(labels, r->bucket_of) != 0 || !isinf(r->bucket_le))
        return 0;
    if (length == 6 && strncmp(suffix, "_count", 6) == 0)
        return near(value, r->bucket_total);
    return length == 4 && strncmp(suffix, "_sum", 4) == 0;
}

/* Lines read, or minus the number of the first wrong one. */
static int read_text(const char *text)
{
    struct reader r = { .at = text };

    while (*r.at) {
        const char *end = strchr(r.at, '\n');

        r.lines++;
        if (!end || !(*r.at == '#' ? read_comment(&r) : read_sample(&r)))
            return -r.lines;
        r.at = end + 1;
    }
    return r.lines;
}

/* The text, to be freed. */
static char *render(struct metrics *ms)
{
    struct buf out;

    buf_init(&out, 64 * MIB);
    CHECK(metrics_render(ms, &out) == 0);
    buf_addc(&out, '\0');
    return out.data;
}

static int has_line(const char *text, const char *line)
{
    size_t n = strlen(line);

    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, n) == 0 && at[n] == '\n')
            return 1;
        if (!*at)
            break;
    }
    return 0;
}

/* Tests ------------------------------------------------------------------- */

static void the_reader_refuses_what_is_wrong(void)
{
    static const struct {
        int line, lines;
        const char *text;
    } rows[] = {
        { __LINE__, 3, "# HELP a b\n# TYPE a gauge\na 1\n" },
        { __LINE__, -3, "# HELP a b\n# TYPE a gauge\nb 1\n" },
        { __LINE__, -3, "# HELP a b\n# TYPE a gauge\na{x=\"\\t\"} 1\n" },
        { __LINE__, -3, "# HELP a b\n# TYPE a gauge\na{x=\"1\"}  \n" },
        { __LINE__, -3, "# HELP a b\n# TYPE a gauge\na{x=\"1} 2\n" },
        { __LINE__, -3, "# HELP a b\n# TYPE a counter\na -1\n" },
        { __LINE__, -3, "# HELP a b\n# TYPE a gauge\na 1" },
        { __LINE__, -2, "# HELP a b\n# TYPE a thing\na 1\n" },
        { __LINE__, -1, "a 1\n" },
        { __LINE__, 6, "# HELP a b\n# TYPE a histogram\n"
                       "a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\n"
                       "a_sum 3\na_count 2\n" },
        { __LINE__, -4, "# HELP a b\n# TYPE a histogram\n"
                        "a_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n" },
        { __LINE__, -4, "# HELP a b\n# TYPE a histogram\n"
                        "a_bucket{le=\"1\"} 2\na_sum 2\n" },
        { __LINE__, -4, "# HELP a b\n# TYPE a histogram\n"
                        "a_bucket{le=\"+Inf\"} 2\na_count 1\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line, read_text(rows[i].text) == rows[i].lines);
}

static void an_empty_registry_shows_its_unlabelled_counters(void)
{
    struct metrics *ms = metrics_new(SHARDS);
    char *text = render(ms);

    CHECK(read_text(text) > 0);
    CHECK(has_line(text, "leme_retry_budget_exhausted_total 0"));
    CHECK(has_line(text, "leme_metrics_dropped_total 0"));
    CHECK(!strstr(text, "leme_requests_total"));
    CHECK(!strstr(text, "leme_request_duration_seconds"));
    free(text);
    metrics_free(ms);
}

static void shards_add_up(void)
{
    static const char *const values[] = { "chat", "m", "200", "", "true" };
    struct metrics *ms = metrics_new(SHARDS);
    series_t s = metrics_series(ms, METRIC_REQUESTS, values);
    series_t lag = metrics_series(ms, METRIC_OLDEST, NULL);
    char *text;

    CHECK(s != 0 && lag != 0 && s != lag);
    CHECK(metrics_series(ms, METRIC_REQUESTS, values) == s);
    for (unsigned i = 0; i <= SHARDS; i++) {
        metrics_add(ms, i, s, i + 1);
        metrics_set(ms, i, lag, 10);
        metrics_set(ms, i, lag, 0.1);
    }
    metrics_add(ms, 0, s, -5);
    metrics_add(ms, 0, s, NAN);
    metrics_add(ms, 0, lag, -0.25);
    CHECK(near(metrics_value(ms, s), 15));
    CHECK(near(metrics_value(ms, lag), 0.25));
    text = render(ms);
    CHECK(read_text(text) > 0);
    CHECK(has_line(text, "leme_requests_total{op=\"chat\",model=\"m\","
                         "code=\"200\",error_type=\"\",stream=\"true\"} 15"));
    CHECK(has_line(text, "leme_oldest_request_age_seconds 0.25"));
    free(text);
    metrics_free(ms);
}

static void families_stand_in_the_order_of_the_table(void)
{
    static const char *const names[] = {
#define X(id, name, kind, labels, buckets, help) name,
        METRICS(X)
#undef X
        "process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
        "process_start_time_seconds",
    };
    static const char *const values[] = { "a", "b", "c", "d", "e" };
    struct metrics *ms = metrics_new(1);
    char *text, line[256];
    const char *at;

    for (int m = METRIC_COUNT - 1; m >= 0; m--)
        metrics_series(ms, (enum metric)m, values);
    at = text = render(ms);
    CHECK(read_text(text) > 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(line, sizeof line, "# HELP %s ", names[i]);
        at = at ? strstr(at, line) : NULL;
        CHECK_ROW(i, at);
    }
    free(text);
    metrics_free(ms);
}

static void label_values_are_escaped(void)
{
    static const struct {
        int line;
        const char *value, *want;
    } rows[] = {
        { __LINE__, "plain", "plain" },
        { __LINE__, NULL, "" },
        { __LINE__, "a\"b", "a\\\"b" },
        { __LINE__, "a\\b\\", "a\\\\b\\\\" },
        { __LINE__, "a\nb", "a\\nb" },
        { __LINE__, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
          "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
        { __LINE__, "a\xff" "b", "a\xef\xbf\xbd" "b" },
        { __LINE__, "cut\xe2\x82", "cut\xef\xbf\xbd\xef\xbf\xbd" },
        { __LINE__, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
        { __LINE__, "\xed\xa0\x80",
          "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    };
    char want[128];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct metrics *ms = metrics_new(1);
        const char *const values[] = { rows[i].value };
        char *text;

        metrics_add(ms, 0, metrics_series(ms, METRIC_SHED, values), 1);
        text = render(ms);
        snprintf(want, sizeof want, "leme_shed_total{reason=\"%s\"} 1",
                 rows[i].want);
        CHECK_ROW(rows[i].line, has_line(text, want));
        CHECK_ROW(rows[i].line, read_text(text) > 0);
        free(text);
        metrics_free(ms);
    }
}

static void numbers_are_short_and_exact(void)
{
    static const struct {
        int line;
        double value;
        const char *want;
    } rows[] = {
        { __LINE__, 0, "0" },          { __LINE__, 0.1, "0.1" },
        { __LINE__, 1e15, "1e+15" },   { __LINE__, 123456789, "123456789" },
        { __LINE__, -2.5, "-2.5" },    { __LINE__, NAN, "NaN" },
        { __LINE__, INFINITY, "+Inf" }, { __LINE__, -INFINITY, "-Inf" },
        { __LINE__, 1.0 / 3, "0.3333333333333333" },
        { __LINE__, 0.1 + 0.2, "0.30000000000000004" },
    };
    char want[128];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct metrics *ms = metrics_new(0);
        char *text;

        metrics_set(ms, 0, metrics_series(ms, METRIC_RELOAD_TIME, NULL),
                    rows[i].value);
        text = render(ms);
        snprintf(want, sizeof want,
                 "leme_policy_last_reload_timestamp_seconds %s", rows[i].want);
        CHECK_ROW(rows[i].line, has_line(text, want));
        free(text);
        metrics_free(ms);
    }
}

static void a_histogram_counts_at_and_below_each_bound(void)
{
    static const char *const values[] = { "chat" };
    static const struct {
        int line;
        enum metric m;
        double value;
        const char *below, *at;     /* the last bound it is above, its own */
    } rows[] = {
        { __LINE__, METRIC_OVERHEAD, 0, NULL, "1e-06" },
        { __LINE__, METRIC_OVERHEAD, 1e-6, NULL, "1e-06" },
        { __LINE__, METRIC_OVERHEAD, 1.1e-6, "1e-06", "2e-06" },
        { __LINE__, METRIC_OVERHEAD, 0.1, "0.05", "0.1" },
        { __LINE__, METRIC_OVERHEAD, 0.2, "0.1", "+Inf" },
        { __LINE__, METRIC_QUEUE_WAIT, 0.01, NULL, "0.01" },
        { __LINE__, METRIC_QUEUE_WAIT, 0.03, "0.02", "0.04" },
        { __LINE__, METRIC_QUEUE_WAIT, 655.36, "327.68", "655.36" },
        { __LINE__, METRIC_QUEUE_WAIT, 656, "655.36", "+Inf" },
        { __LINE__, METRIC_ATTEMPTS_PER_REQUEST, 5, "4", "6" },
        { __LINE__, METRIC_ATTEMPTS_PER_REQUEST, 8, "6", "8" },
    };
    static const char *const names[] = {
        [METRIC_OVERHEAD] = "leme_overhead_seconds",
        [METRIC_QUEUE_WAIT] = "leme_queue_wait_seconds",
        [METRIC_ATTEMPTS_PER_REQUEST] = "leme_attempts_per_request",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct metrics *ms = metrics_new(2);
        series_t s = metrics_series(ms, rows[i].m, values);
        const char *label = rows[i].m == METRIC_QUEUE_WAIT ? "class" : "op";
        char *text, want[160];

        metrics_observe(ms, 1, s, rows[i].value);
        metrics_observe(ms, 0, s, rows[i].value);
        metrics_observe(ms, 0, s, NAN);
        CHECK_ROW(rows[i].line, near(metrics_value(ms, s), 2));
        text = render(ms);
        CHECK_ROW(rows[i].line, read_text(text) > 0);
        snprintf(want, sizeof want, "%s_bucket{%s=\"chat\",le=\"%s\"} 2",
                 names[rows[i].m], label, rows[i].at);
        CHECK_ROW(rows[i].line, has_line(text, want));
        if (rows[i].below) {
            snprintf(want, sizeof want, "%s_bucket{%s=\"chat\",le=\"%s\"} 0",
                     names[rows[i].m], label, rows[i].below);
            CHECK_ROW(rows[i].line, has_line(text, want));
        }
        snprintf(want, sizeof want, "%s_count{%s=\"chat\"} 2",
                 names[rows[i].m], label);
        CHECK_ROW(rows[i].line, has_line(text, want));
        free(text);
        metrics_free(ms);
    }
}

static void a_full_table_counts_what_it_drops(void)
{
    struct metrics *ms = metrics_new(1);
    char label[16], *text;
    const char *const values[] = { "p", "n", label };
    series_t last = 1;
    int n = 0;

    for (; n <= (int)CEIL_SERIES && last; n++) {
        snprintf(label, sizeof label, "%d", n);
        last = metrics_series(ms, METRIC_CUSTOM, values);
        if (last)
            metrics_add(ms, 0, last, 1);
    }
    CHECK(last == 0 && n > (int)CEIL_SERIES - 16);
    metrics_add(ms, 0, last, 7);
    metrics_set(ms, 1, last, 7);
    metrics_observe(ms, 0, last, 7);
    CHECK(near(metrics_value(ms, 0), 3));
    snprintf(label, sizeof label, "%d", 41);
    CHECK(near(metrics_value(ms, metrics_series(ms, METRIC_CUSTOM, values)),
               1));
    text = render(ms);
    CHECK(has_line(text, "leme_metrics_dropped_total 3"));
    CHECK(read_text(text) > (int)CEIL_SERIES);
    free(text);
    metrics_free(ms);
}

static void a_buffer_too_small_is_left_as_it_was(void)
{
    struct metrics *ms = metrics_new(1);
    struct buf out;

    buf_init(&out, 300);
    buf_adds(&out, "before");
    CHECK(metrics_render(ms, &out) == -1);
    CHECK(out.len == 6 && memcmp(out.data, "before", 6) == 0);
    buf_free(&out);
    metrics_free(ms);
}

static double value_of(const char *text, const char *name)
{
    char start[128];
    const char *at;

    snprintf(start, sizeof start, "\n%s ", name);
    at = strstr(text, start);
    return at ? strtod(at + strlen(start), NULL) : NAN;
}

static void the_process_is_described(void)
{
    struct metrics *ms = metrics_new(1);
    char *text = render(ms), *more;
    double now = (double)clock_wall() / 1e6, fds;
    int extra = dup(2), opened = 0;

    more = render(ms);
    fds = value_of(text, "process_open_fds");
    for (int fd = 0; fd < 4096; fd++)
        opened += fd != extra && fcntl(fd, F_GETFD) >= 0;
    CHECK(near(fds, opened));
    CHECK(near(value_of(more, "process_open_fds"), opened + 1));
    CHECK(value_of(text, "process_max_fds") >= fds);
    CHECK(value_of(text, "process_cpu_seconds_total") >= 0);
    CHECK(value_of(text, "process_resident_memory_bytes") > 100000);
    CHECK(value_of(text, "process_virtual_memory_bytes") >
          value_of(text, "process_resident_memory_bytes"));
    CHECK(value_of(text, "process_start_time_seconds") <= now + 2);
    CHECK(value_of(text, "process_start_time_seconds") > now - 600);
    close(extra);
    free(text);
    free(more);
    metrics_free(ms);
}

/* Threads ----------------------------------------------------------------- */

#define ROUNDS 3000

static struct metrics *shared;
static _Atomic unsigned writing, broken;

static void *run_writer(void *arg)
{
    unsigned shard = *(unsigned *)arg;
    char model[16];
    const char *const one[] = { "chat" };
    const char *const own[] = { "chat", model };
    series_t overhead = metrics_series(shared, METRIC_OVERHEAD, one);

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(model, sizeof model, "m%d", i % 300);
        metrics_observe(shared, shard,
                        metrics_series(shared, METRIC_FIRST_CHUNK, own), 0.5);
        metrics_observe(shared, shard, overhead, i * 1e-6);
    }
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

static void *run_reader(void *arg)
{
    (void)arg;
    do {
        char *text = render(shared);

        if (read_text(text) <= 0)
            atomic_store(&broken, 1);
        free(text);
    } while (atomic_load(&writing));
    return NULL;
}

static void the_text_is_right_while_others_write(void)
{
    pthread_t threads[SHARDS + 1];
    unsigned shard[SHARDS];
    const char *const one[] = { "chat" };
    double sum = 0;

    shared = metrics_new(SHARDS);
    atomic_store(&writing, SHARDS);
    pthread_create(&threads[SHARDS], NULL, run_reader, NULL);
    for (unsigned i = 0; i < SHARDS; i++) {
        shard[i] = i;
        pthread_create(&threads[i], NULL, run_writer, &shard[i]);
    }
    for (unsigned i = 0; i <= SHARDS; i++)
        pthread_join(threads[i], NULL);
    CHECK(!atomic_load(&broken));
    CHECK(near(metrics_value(shared,
                             metrics_series(shared, METRIC_OVERHEAD, one)),
               SHARDS * ROUNDS));
    for (int i = 0; i < 300; i++) {
        char model[16];
        const char *const own[] = { "chat", model };

        snprintf(model, sizeof model, "m%d", i);
        sum += metrics_value(shared,
                             metrics_series(shared, METRIC_FIRST_CHUNK, own));
    }
    CHECK(near(sum, SHARDS * ROUNDS));
    metrics_free(shared);
}

int main(void)
{
    RUN(the_reader_refuses_what_is_wrong);
    RUN(an_empty_registry_shows_its_unlabelled_counters);
    RUN(shards_add_up);
    RUN(families_stand_in_the_order_of_the_table);
    RUN(label_values_are_escaped);
    RUN(numbers_are_short_and_exact);
    RUN(a_histogram_counts_at_and_below_each_bound);
    RUN(a_full_table_counts_what_it_drops);
    RUN(a_buffer_too_small_is_left_as_it_was);
    RUN(the_process_is_described);
    RUN(the_text_is_right_while_others_write);
    return test_end();
}
