/* SPDX-License-Identifier: Apache-2.0
 *
 * The board: targets, samples, named values; alone and with four threads.
 */
#include "test.h"

#include "../../core/board_impl.h"

#include <math.h>
#include <stdlib.h>

#define S US_PER_S
#define NOW (100000 * S)
#define THREADS 4

static struct board *b;
static unsigned slot;

static void begin(unsigned shards, size_t max_bytes)
{
    b = board_new(shards, max_bytes);
    slot = (unsigned)board_slot(b, "mock/one");
}

static void end(void)
{
    board_free(b);
    b = NULL;
}

static int near(double have, double want)
{
    return fabs(have - want) <= 1e-9 * fabs(want) + 1e-12;
}

/* Targets ----------------------------------------------------------------- */

static void a_name_keeps_its_slot(void)
{
    char name[32];

    begin(1, MIB);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "p/%d", i);
        CHECK(board_slot(b, name) == i + 1);
    }
    CHECK(board_slot(b, "p/7") == 8);
    CHECK(board_slot(b, "mock/one") == (int)slot);
    end();
}

static void a_target_takes_no_more_than_max_in_flight(void)
{
    char why[32];

    begin(1, MIB);
    CHECK(board_enter(b, slot, NOW));
    board_limits(b, slot, 2, 0);
    CHECK(board_state(b, slot, NOW, NULL, 0) == BOARD_READY);
    CHECK(board_enter(b, slot, NOW));
    CHECK(!board_enter(b, slot, NOW));
    CHECK(board_in_flight(b, slot) == 2);
    CHECK(board_state(b, slot, NOW, why, sizeof why) == BOARD_SATURATED);
    CHECK(strcmp(why, "max_in_flight") == 0);
    board_leave(b, slot);
    CHECK(board_state(b, slot, NOW, why, sizeof why) == BOARD_READY);
    CHECK(why[0] == '\0');
    CHECK(board_enter(b, slot, NOW));
    end();
}

static void a_target_takes_no_more_than_its_rpm(void)
{
    static const struct {
        int line;
        double rpm;
        int at_once;
        us_t next;          /* until one more */
    } rows[] = {
        { __LINE__, 1, 1, 60 * S },
        { __LINE__, 5, 5, 12 * S },
        { __LINE__, 7, 7, 60 * S / 7 + 1 },
        { __LINE__, 600, 600, S / 10 },
        { __LINE__, 0.5, 1, 120 * S },
    };
    char why[32];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int n = 0;

        begin(1, MIB);
        board_limits(b, slot, 0, rows[i].rpm);
        while (n < 10000 && board_enter(b, slot, NOW))
            n++;
        CHECK_ROW(rows[i].line, n == rows[i].at_once);
        CHECK_ROW(rows[i].line, (int)board_in_flight(b, slot) == n);
        CHECK_ROW(rows[i].line,
                  board_state(b, slot, NOW, why, sizeof why) ==
                      BOARD_SATURATED);
        CHECK_ROW(rows[i].line, strcmp(why, "rpm") == 0);
        CHECK_ROW(rows[i].line,
                  !board_enter(b, slot, NOW + rows[i].next - 2));
        CHECK_ROW(rows[i].line, board_enter(b, slot, NOW + rows[i].next));
        CHECK_ROW(rows[i].line, !board_enter(b, slot, NOW + rows[i].next));
        end();
    }
}

static void cooling_ends_and_is_never_shortened(void)
{
    char why[8];

    begin(1, MIB);
    board_cool(b, slot, NOW, 10 * S, "rate limited");
    board_cool(b, slot, NOW, 5 * S, "other");
    CHECK(board_state(b, slot, NOW + 10 * S - 1, why, sizeof why) ==
          BOARD_COOLING);
    CHECK(strcmp(why, "rate li") == 0);
    CHECK(board_state(b, slot, NOW + 10 * S, NULL, 0) == BOARD_READY);
    board_cool(b, slot, NOW, US_NEVER, NULL);
    CHECK(board_state(b, slot, NOW + 1000 * S, NULL, 0) == BOARD_COOLING);
    board_restore(b, slot);
    CHECK(board_state(b, slot, NOW, NULL, 0) == BOARD_READY);
    end();
}

static void an_ejection_grows_with_each_time_up_to_its_maximum(void)
{
    static const us_t want[] = { 3, 6, 9, 10, 10 };
    us_t now = NOW;

    begin(1, MIB);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        CHECK(board_eject(b, slot, now, 3 * S, 10 * S, "errors") ==
              want[i] * S);
        CHECK(board_state(b, slot, now, NULL, 0) == BOARD_COOLING);
        now += want[i] * S;
        CHECK(board_state(b, slot, now, NULL, 0) == BOARD_HALF_OPEN);
    }
    board_restore(b, slot);
    CHECK(board_state(b, slot, now, NULL, 0) == BOARD_READY);
    CHECK(board_eject(b, slot, now, 3 * S, 10 * S, "errors") == 3 * S);
    end();
}

/* Story: an outage fails all attempts under way at once; each asked for an
 * ejection, and the first outage of all cost the maximum. */
static void one_outage_is_one_ejection(void)
{
    begin(1, MIB);
    for (int i = 0; i < 50; i++)
        CHECK(board_eject(b, slot, NOW + i, 3 * S, 300 * S, "e") == 3 * S - i);
    CHECK(board_state(b, slot, NOW + 3 * S, NULL, 0) == BOARD_HALF_OPEN);
    CHECK(board_eject(b, slot, NOW + 3 * S, 3 * S, 300 * S, "e") == 6 * S);
    end();
}

static void one_caller_wins_the_probe(void)
{
    us_t now = NOW + 3 * S;

    begin(1, MIB);
    CHECK(!board_probe(b, slot, NOW));
    board_eject(b, slot, NOW, 3 * S, 10 * S, "e");
    CHECK(!board_probe(b, slot, NOW));
    CHECK(board_probe(b, slot, now));
    CHECK(!board_probe(b, slot, now + 30 * S - 1));
    CHECK(board_probe(b, slot, now + 30 * S));
    board_eject(b, slot, now + 30 * S, 3 * S, 10 * S, "e");
    CHECK(board_probe(b, slot, now + 36 * S));
    end();
}

static void the_operators_word_goes_first(void)
{
    char why[16];

    begin(1, MIB);
    CHECK(near(board_weight(b, slot), 1));
    board_cool(b, slot, NOW, 10 * S, "x");
    board_operate(b, slot, BOARD_MAINT, 0.5);
    CHECK(board_state(b, slot, NOW, why, sizeof why) == BOARD_MAINT);
    CHECK(strcmp(why, "operator") == 0);
    board_operate(b, slot, BOARD_DRAIN, -1);
    CHECK(board_state(b, slot, NOW, NULL, 0) == BOARD_DRAIN);
    CHECK(near(board_weight(b, slot), 0.5));
    board_operate(b, slot, BOARD_READY, 0);
    CHECK(board_state(b, slot, NOW, NULL, 0) == BOARD_COOLING);
    CHECK(near(board_weight(b, slot), 0));
    end();
}

static void quota_is_known_until_its_reset(void)
{
    double requests, tokens;

    begin(1, MIB);
    CHECK(!board_remaining(b, slot, NOW, &requests, &tokens));
    board_quota(b, slot, NOW, 10, 500, 5 * S, -1);
    board_quota(b, slot, NOW, -1, 400, -1, 20 * S);
    CHECK(board_remaining(b, slot, NOW, &requests, &tokens));
    CHECK(near(requests, 10) && near(tokens, 400));
    CHECK(board_remaining(b, slot, NOW + 5 * S, &requests, &tokens));
    CHECK(near(requests, -1) && near(tokens, 400));
    CHECK(!board_remaining(b, slot, NOW + 20 * S, &requests, &tokens));
    end();
}

/* Samples ----------------------------------------------------------------- */

static void metrics_have_names(void)
{
    CHECK(board_metric("connect") == BOARD_CONNECT);
    CHECK(board_metric("first_token") == BOARD_FIRST_TOKEN);
    CHECK(board_metric("error") == BOARD_ERROR);
    CHECK(board_metric("errors") == -1);
}

static void a_window_counts_what_lies_in_it(void)
{
    static const struct {
        int line;
        double window;
        uint64_t count;
    } rows[] = {
        { __LINE__, 0, 0 },       { __LINE__, 1, 2 },
        { __LINE__, 10, 20 },     { __LINE__, 60, 120 },
        { __LINE__, 64, 128 },
    };
    uint64_t count;
    double sum;

    begin(2, MIB);
    /* One a second and shard for 200 s, the last one in the second of NOW. */
    for (int i = 199; i >= 0; i--)
        for (unsigned shard = 0; shard < 2; shard++)
            board_sample(b, shard, slot, BOARD_TOTAL, NOW - i * S, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        board_window(b, slot, BOARD_TOTAL, NOW + S / 2 + 1, rows[i].window,
                     &count, &sum);
        CHECK_ROW(rows[i].line, count == rows[i].count);
        CHECK_ROW(rows[i].line, near(sum, 2 * (double)rows[i].count));
    }
    /* Beyond the seconds: by minutes, but nothing twice and nothing lost. */
    for (us_t at = 0; at < 120; at++) {
        board_window(b, slot, BOARD_TOTAL, NOW + at * S, 3000, &count, &sum);
        CHECK_ROW(at, count == 400 && near(sum, 800));
    }
    board_window(b, slot, BOARD_COST, NOW, 3000, &count, &sum);
    CHECK(count == 0);
    end();
}

static void an_hour_is_remembered_and_no_more(void)
{
    uint64_t count;
    double sum;

    begin(1, MIB);
    for (int i = 0; i < 7200; i++)
        board_sample(b, 0, slot, BOARD_ERROR, NOW + i * S, i & 1);
    board_window(b, slot, BOARD_ERROR, NOW + 7199 * S, 3600, &count, &sum);
    CHECK(count > 3500 && count <= 3600);
    CHECK(near(sum / (double)count, 0.5));
    board_window(b, slot, BOARD_ERROR, NOW + 3 * 3600 * S, 3600, &count, &sum);
    CHECK(count == 0);
    end();
}

static void a_mean_weighs_samples_by_age(void)
{
    double value, w;

    begin(2, MIB);
    CHECK(!board_ewma(b, slot, BOARD_TOTAL, NOW, 10, &value));
    board_sample(b, 0, slot, BOARD_TOTAL, NOW - 20 * S, 1);
    board_sample(b, 1, slot, BOARD_TOTAL, NOW - 10 * S, 3);
    CHECK(board_ewma(b, slot, BOARD_TOTAL, NOW, 10, &value));
    w = exp(-1);
    CHECK(near(value, (3 + w) / (1 + w)));
    /* A hundred old samples do not outweigh a new one. */
    for (int i = 0; i < 100; i++)
        board_sample(b, 0, slot, BOARD_SPEED, NOW - 600 * S, 1);
    board_sample(b, 0, slot, BOARD_SPEED, NOW, 9);
    CHECK(board_ewma(b, slot, BOARD_SPEED, NOW, 30, &value));
    CHECK(value > 8.99);
    CHECK(board_ewma(b, slot, BOARD_SPEED, NOW, 3600, &value));
    CHECK(value > 1 && value < 1.2);
    end();
}

static void a_mean_fades_while_idle(void)
{
    double value;

    begin(1, MIB);
    board_sample(b, 0, slot, BOARD_TOTAL, NOW, 4);
    for (us_t idle = 0; idle < 110; idle++)
        CHECK_ROW(idle, board_ewma(b, slot, BOARD_TOTAL, NOW + idle * S, 10,
                                   &value) && near(value, 4));
    CHECK(!board_ewma(b, slot, BOARD_TOTAL, NOW + 200 * S, 10, &value));
    CHECK(board_ewma(b, slot, BOARD_TOTAL, NOW + 200 * S, 100, &value));
    CHECK(!board_ewma(b, slot, BOARD_TOTAL, NOW + 3700 * S, 3600, &value));
    end();
}

static void a_mean_is_near_the_true_one_at_any_moment(void)
{
    double value, top, bottom;

    begin(1, MIB);
    for (int i = 0; i < 400; i++)
        board_sample(b, 0, slot, BOARD_TOTAL, NOW + i * S + S / 2, i);
    for (int at = 400; at < 480; at++) {
        top = bottom = 0;
        for (int i = 0; i < 400; i++) {
            top += i * exp(-(at - i - 0.5) / 60.0);
            bottom += exp(-(at - i - 0.5) / 60.0);
        }
        CHECK_ROW(at, board_ewma(b, slot, BOARD_TOTAL, NOW + at * S, 60,
                                 &value));
        CHECK_ROW(at, fabs(value / (top / bottom) - 1) < 0.02);
    }
    end();
}

static void what_is_not_finite_is_no_sample(void)
{
    uint64_t count;
    double sum;

    begin(1, MIB);
    board_sample(b, 0, slot, BOARD_TOTAL, NOW, NAN);
    board_sample(b, 0, slot, BOARD_TOTAL, NOW, INFINITY);
    board_window(b, slot, BOARD_TOTAL, NOW, 60, &count, &sum);
    CHECK(count == 0);
    end();
}

static void the_last_bad_attempt_has_an_age(void)
{
    begin(2, MIB);
    board_sample(b, 0, slot, BOARD_ERROR, NOW, 0);
    CHECK(board_outage_age(b, slot, NOW) == US_NEVER);
    board_sample(b, 1, slot, BOARD_ERROR, NOW, 1);
    board_sample(b, 0, slot, BOARD_ERROR, NOW - S, 1);
    CHECK(board_outage_age(b, slot, NOW + 5 * S) == 5 * S);
    CHECK(board_outage_age(b, slot, NOW - 1) == 0);
    end();
}

static void quantiles_are_off_by_six_percent_at_most(void)
{
    static const double qs[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1 };
    static const double windows[] = { 60, 300, 1000 };
    double value, want;

    begin(2, MIB);
    CHECK(!board_quantile(b, slot, BOARD_TOTAL, NOW, 0.5, 60, &value));
    for (int i = 1; i <= 1000; i++)
        board_sample(b, (unsigned)i & 1, slot, BOARD_TOTAL, NOW, 0.0123 * i);
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
            want = ceil(qs[i] * 1000);
            want = 0.0123 * (want < 1 ? 1 : want);
            CHECK_ROW(i, board_quantile(b, slot, BOARD_TOTAL, NOW + S, qs[i],
                                        windows[w], &value));
            CHECK_ROW(i, fabs(value / want - 1) <= 0.06);
        }
    }
    end();
}

static void quantiles_hold_for_every_magnitude(void)
{
    static const struct {
        int line;
        enum board_metric m;
        double value;
    } rows[] = {
        { __LINE__, BOARD_CONNECT, 2e-6 },    { __LINE__, BOARD_CONNECT, 3e-4 },
        { __LINE__, BOARD_FIRST_TOKEN, 599 }, { __LINE__, BOARD_TOTAL, 4000 },
        { __LINE__, BOARD_SPEED, 0.01 },      { __LINE__, BOARD_SPEED, 1e6 },
        { __LINE__, BOARD_COST, 1e-8 },       { __LINE__, BOARD_COST, 31 },
        { __LINE__, BOARD_COST, 1 },          { __LINE__, BOARD_ERROR, 1 },
    };
    double value;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(1, MIB);
        board_quantile(b, slot, rows[i].m, NOW, 0.5, 60, &value);
        board_sample(b, 0, slot, rows[i].m, NOW, rows[i].value);
        CHECK_ROW(rows[i].line, board_quantile(b, slot, rows[i].m, NOW + S, 0.5,
                                               60, &value));
        CHECK_ROW(rows[i].line, fabs(value / rows[i].value - 1) <= 0.06);
        end();
    }
}

static void quantiles_forget_and_are_cached_for_a_second(void)
{
    double value;

    begin(1, MIB);
    board_quantile(b, slot, BOARD_COST, NOW, 0.5, 60, &value);
    board_sample(b, 0, slot, BOARD_COST, NOW, 0);
    CHECK(!board_quantile(b, slot, BOARD_COST, NOW + S - 1, 0.5, 60, &value));
    CHECK(board_quantile(b, slot, BOARD_COST, NOW + S, 0.5, 60, &value));
    CHECK(near(value, 0));
    CHECK(!board_quantile(b, slot, BOARD_COST, NOW + 100 * S, 0.5, 60, &value));
    CHECK(board_quantile(b, slot, BOARD_COST, NOW + 100 * S, 0.5, 600, &value));
    for (int i = 0; i < 40; i++)
        board_sample(b, 0, slot, BOARD_COST, NOW + (1000 + i * 10) * S, 8);
    CHECK(board_quantile(b, slot, BOARD_COST, NOW + 1400 * S, 0, 300, &value));
    CHECK(fabs(value / 8 - 1) <= 0.06);
    CHECK(!board_quantile(b, slot, BOARD_COST, NOW + 9000 * S, 0, 3600,
                          &value));
    end();
}

static void histograms_take_half_of_the_bytes_at_most(void)
{
    double value;
    size_t before;

    begin(1, 60000);
    before = board_bytes(b);
    CHECK(!board_quantile(b, slot, BOARD_COST, NOW, 0.5, 60, &value));
    board_sample(b, 0, slot, BOARD_COST, NOW, 1);
    CHECK(!board_quantile(b, slot, BOARD_COST, NOW + 2 * S, 0.5, 60, &value));
    CHECK(board_bytes(b) == before);
    end();
    begin(1, 120000);
    board_quantile(b, slot, BOARD_COST, NOW, 0.5, 60, &value);
    CHECK(board_bytes(b) > 40000 && board_bytes(b) <= 60000);
    end();
}

/* Values ------------------------------------------------------------------ */

#define KEY(text) (text), strlen(text)

static enum board_result get(const char *key, us_t now, struct board_value *v)
{
    static char text[CEIL_BOARD_VALUE];

    return board_get(b, KEY(key), now, v, text, sizeof text);
}

static enum board_result set_text(const char *key, us_t now, const char *text,
                                  us_t ttl)
{
    struct board_value v = { .type = BOARD_TEXT, .text = (char *)(size_t)text,
                             .len = strlen(text) };

    return board_set(b, KEY(key), now, &v, ttl);
}

static enum board_result set_number(const char *key, us_t now, double n,
                                    us_t ttl)
{
    struct board_value v = { .type = BOARD_NUMBER, .number = n };

    return board_set(b, KEY(key), now, &v, ttl);
}

static void values_come_back_as_they_were_set(void)
{
    struct board_value v = { .type = BOARD_BOOL, .number = 1 };
    char small[3];

    begin(1, MIB);
    CHECK(get("k", NOW, &v) == BOARD_OK && v.type == BOARD_NIL);
    v = (struct board_value){ .type = BOARD_BOOL, .number = 1 };
    CHECK(board_set(b, KEY("k"), NOW, &v, 0) == BOARD_OK);
    CHECK(get("k", NOW, &v) == BOARD_OK && v.type == BOARD_BOOL &&
          near(v.number, 1));
    CHECK(set_text("k", NOW, "four", 0) == BOARD_OK);
    CHECK(get("k", NOW, &v) == BOARD_OK && v.type == BOARD_TEXT &&
          v.len == 4 && memcmp(v.text, "four", 4) == 0);
    CHECK(board_get(b, KEY("k"), NOW, &v, small, sizeof small) ==
          BOARD_TOO_LARGE);
    CHECK(v.len == 4);
    CHECK(set_text("k", NOW, "", 0) == BOARD_OK);
    CHECK(get("k", NOW, &v) == BOARD_OK && v.type == BOARD_TEXT && v.len == 0);
    CHECK(set_number("k", NOW, 2.5, 0) == BOARD_OK);
    CHECK(get("k", NOW, &v) == BOARD_OK && v.type == BOARD_NUMBER &&
          near(v.number, 2.5));
    v = (struct board_value){ .type = BOARD_NIL };
    CHECK(board_set(b, KEY("k"), NOW, &v, 0) == BOARD_OK);
    CHECK(get("k", NOW, &v) == BOARD_OK && v.type == BOARD_NIL);
    CHECK(board_bytes(b) == 0);
    end();
}

static void many_values_are_kept_apart(void)
{
    struct board_value v;
    char key[32];

    begin(1, 4 * MIB);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(set_number(key, NOW, i, (i + 1) * S) == BOARD_OK);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        CHECK(get(key, NOW, &v) == BOARD_OK && near(v.number, i));
        CHECK(get(key, NOW + (i + 1) * S, &v) == BOARD_OK &&
              v.type == BOARD_NIL);
    }
    CHECK(board_bytes(b) == 0);
    end();
}

static void entries_expire_after_their_last_write(void)
{
    struct board_value v;
    double after;

    begin(1, MIB);
    set_number("k", NOW, 1, 0);
    get("k", NOW + 3600 * S - 1, &v);
    CHECK(v.type == BOARD_NUMBER);
    get("k", NOW + 3600 * S, &v);
    CHECK(v.type == BOARD_NIL);
    board_incr(b, KEY("n"), NOW, 1, 10 * S, &after);
    board_incr(b, KEY("n"), NOW + 9 * S, 1, 10 * S, &after);
    CHECK(near(after, 2));
    board_incr(b, KEY("n"), NOW + 19 * S, 1, 10 * S, &after);
    CHECK(near(after, 1));
    CHECK(set_number("far", NOW, 1, US_NEVER) == BOARD_OK);
    get("far", NOW + 365LL * 24 * 3600 * S, &v);
    CHECK(v.type == BOARD_NUMBER);
    end();
}

static void what_is_too_large_is_refused(void)
{
    static char big[CEIL_BOARD_VALUE + 2];
    struct board_value v = { .type = BOARD_TEXT, .text = big,
                             .len = CEIL_BOARD_VALUE };
    double after;
    us_t wait;
    uint64_t id;

    begin(1, MIB);
    memset(big, 'x', sizeof big - 1);
    CHECK(board_set(b, KEY("k"), NOW, &v, 0) == BOARD_OK);
    v.len++;
    CHECK(board_set(b, KEY("k"), NOW, &v, 0) == BOARD_TOO_LARGE);
    v = (struct board_value){ .type = BOARD_NUMBER };
    CHECK(board_set(b, big, CEIL_BOARD_KEY, NOW, &v, 0) == BOARD_OK);
    CHECK(board_set(b, big, CEIL_BOARD_KEY + 1, NOW, &v, 0) ==
          BOARD_TOO_LARGE);
    CHECK(board_incr(b, big, CEIL_BOARD_KEY + 1, NOW, 1, 0, &after) ==
          BOARD_TOO_LARGE);
    CHECK(board_take(b, big, CEIL_BOARD_KEY + 1, NOW, 1, 1, 1, &wait) ==
          BOARD_TOO_LARGE);
    CHECK(board_reserve(b, big, CEIL_BOARD_KEY + 1, NOW, 1, 1, 0, 0, &id) ==
          BOARD_TOO_LARGE);
    end();
}

static void a_name_holds_one_sort_of_thing(void)
{
    struct board_value v;
    double after;
    us_t wait;
    uint64_t id;

    begin(1, MIB);
    set_text("text", NOW, "x", 0);
    board_take(b, KEY("bucket"), NOW, 1, 1, 1, &wait);
    board_reserve(b, KEY("account"), NOW, 1, 1, 0, 0, &id);
    CHECK(board_incr(b, KEY("text"), NOW, 1, 0, &after) == BOARD_WRONG_TYPE);
    CHECK(board_incr(b, KEY("bucket"), NOW, 1, 0, &after) == BOARD_WRONG_TYPE);
    CHECK(get("account", NOW, &v) == BOARD_WRONG_TYPE);
    CHECK(set_text("account", NOW, "x", 0) == BOARD_WRONG_TYPE);
    CHECK(board_take(b, KEY("text"), NOW, 1, 1, 1, &wait) == BOARD_WRONG_TYPE);
    CHECK(board_reserve(b, KEY("bucket"), NOW, 1, 1, 0, 0, &id) ==
          BOARD_WRONG_TYPE);
    CHECK(near(board_used(b, KEY("text"), NOW), 0));
    CHECK(get("text", NOW, &v) == BOARD_OK && v.len == 1);
    end();
}

static void a_pin_stands_until_it_expires(void)
{
    struct board_value one = { .type = BOARD_TEXT, .text = (char[]){ "one" },
                               .len = 3 };
    struct board_value two = { .type = BOARD_TEXT, .text = (char[]){ "two" },
                               .len = 3 };
    struct board_value v;
    char text[8];

    begin(1, MIB);
    CHECK(board_pin(b, KEY("k"), NOW, &one, 10 * S, &v, text, sizeof text) ==
          BOARD_OK);
    CHECK(v.len == 3 && memcmp(v.text, "one", 3) == 0);
    CHECK(board_pin(b, KEY("k"), NOW + 9 * S, &two, 10 * S, &v, text,
                    sizeof text) == BOARD_OK);
    CHECK(v.len == 3 && memcmp(v.text, "one", 3) == 0);
    CHECK(board_pin(b, KEY("k"), NOW + 10 * S, &two, 10 * S, &v, text,
                    sizeof text) == BOARD_OK);
    CHECK(v.len == 3 && memcmp(v.text, "two", 3) == 0);
    end();
}

/* Room -------------------------------------------------------------------- */

static void a_full_board_drops_the_soonest_to_expire(void)
{
    struct board_value v;
    char key[32];
    int first = -1;

    begin(1, 20000);
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof key, "key-%03d", i);
        CHECK(set_number(key, NOW, i, (1000 - i) * S) == BOARD_OK);
        CHECK(board_bytes(b) <= 20000);
        /* The newest expires first of all, so it is the next to go. */
        if (board_evicted(b) && first < 0)
            first = i;
    }
    CHECK(first > 50);
    CHECK(board_evicted(b) == (uint64_t)(400 - first));
    for (int i = 0; i < first - 1; i++) {
        snprintf(key, sizeof key, "key-%03d", i);
        CHECK_ROW(i, get(key, NOW, &v) == BOARD_OK && near(v.number, i) &&
                         v.type == BOARD_NUMBER);
    }
    get("key-398", NOW, &v);
    CHECK(v.type == BOARD_NIL);
    get("key-399", NOW, &v);
    CHECK(v.type == BOARD_NUMBER);
    end();
}

static void expired_entries_make_room_first(void)
{
    char key[32];

    begin(1, 20000);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        set_number(key, NOW, i, S);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "other-%d", i);
        CHECK(set_number(key, NOW + S, i, S) == BOARD_OK);
    }
    CHECK(board_evicted(b) == 0);
    end();
}

static void a_full_board_keeps_its_reservations(void)
{
    char key[32];
    uint64_t id;
    int n = 0;

    begin(1, 20000);
    while (n < 1000) {
        snprintf(key, sizeof key, "budget-%d", n);
        if (board_reserve(b, KEY(key), NOW, 1, 1, 0, 10 * S, &id) != BOARD_OK)
            break;
        n++;
    }
    CHECK(n > 20 && n < 1000);
    CHECK(set_text("k", NOW,
                   "a text that is too long for what is left of the room, by "
                   "a lot, as it takes what a second reservation would have "
                   "taken, and then some more, and some more, and some more, "
                   "and a bit of nothing else than a few more words, and now "
                   "it is enough.", 0) == BOARD_FULL);
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "budget-%d", i);
        CHECK(near(board_used(b, KEY(key), NOW), 1));
    }
    CHECK(board_evicted(b) == 0);
    end();
}

/* Buckets ----------------------------------------------------------------- */

static void a_bucket_gives_its_burst_and_then_its_rate(void)
{
    us_t wait, now = NOW;

    begin(1, MIB);
    for (int i = 0; i < 5; i++)
        CHECK(board_take(b, KEY("k"), now, 1, 2, 5, &wait) == BOARD_OK);
    CHECK(board_take(b, KEY("k"), now, 1, 2, 5, &wait) == BOARD_REFUSED);
    CHECK(wait == S / 2);
    CHECK(board_take(b, KEY("k"), now + wait - 10, 1, 2, 5, &wait) ==
          BOARD_REFUSED);
    CHECK(wait >= 10 && wait <= 11);
    now += S / 2;
    CHECK(board_take(b, KEY("k"), now, 1, 2, 5, &wait) == BOARD_OK);
    CHECK(board_take(b, KEY("k"), now, 5, 2, 5, &wait) == BOARD_REFUSED);
    CHECK(wait == 5 * S / 2);
    CHECK(board_take(b, KEY("k"), now + 3600 * S, 5, 2, 5, &wait) == BOARD_OK);
    CHECK(board_take(b, KEY("k"), now + 3600 * S, 1, 2, 5, &wait) ==
          BOARD_REFUSED);
    end();
}

static void after_the_wait_a_bucket_gives(void)
{
    us_t wait, now = NOW;

    begin(1, MIB);
    for (int i = 1; i < 2000; i++) {
        double n = 0.1 + (i % 37) * 0.37, rate = 0.3 + (i % 11) * 1.7;

        if (board_take(b, KEY("k"), now, n, rate, 20, &wait) == BOARD_OK)
            continue;
        now += wait;
        CHECK_ROW(i, board_take(b, KEY("k"), now, n, rate, 20, &wait) ==
                         BOARD_OK);
    }
    end();
}

static void what_a_bucket_never_gives_is_said(void)
{
    us_t wait;

    begin(1, MIB);
    CHECK(board_take(b, KEY("a"), NOW, 6, 1, 5, &wait) == BOARD_REFUSED);
    CHECK(wait == US_NEVER);
    CHECK(board_take(b, KEY("b"), NOW, 5, 0, 5, &wait) == BOARD_OK);
    CHECK(board_take(b, KEY("b"), NOW + 9 * S, 1, 0, 5, &wait) ==
          BOARD_REFUSED);
    CHECK(wait == US_NEVER);
    end();
}

/* A bucket slower than an hour must not be forgotten and so refilled. */
static void a_slow_bucket_outlives_an_hour(void)
{
    us_t wait;

    begin(1, MIB);
    CHECK(board_take(b, KEY("k"), NOW, 1, 1.0 / 86400, 1, &wait) == BOARD_OK);
    CHECK(board_take(b, KEY("k"), NOW + 80000 * S, 1, 1.0 / 86400, 1, &wait) ==
          BOARD_REFUSED);
    CHECK(board_take(b, KEY("k"), NOW + 86401 * S, 1, 1.0 / 86400, 1, &wait) ==
          BOARD_OK);
    end();
}

/* Reservations ------------------------------------------------------------ */

#define DAY (86400 * S)

/* Monotonic time of the next UTC midnight after NOW. */
static us_t midnight(void)
{
    us_t wall = NOW + b->wall_offset;

    return (wall / DAY + 1) * DAY - b->wall_offset;
}

static void a_reservation_holds_until_it_is_settled(void)
{
    us_t now;
    uint64_t one, two, three;

    begin(1, MIB);
    now = midnight() + S;
    CHECK(board_reserve(b, KEY("k"), now, 6, 10, DAY, 0, &one) == BOARD_OK);
    CHECK(board_reserve(b, KEY("k"), now, 5, 10, DAY, 0, &two) ==
          BOARD_REFUSED);
    CHECK(board_reserve(b, KEY("k"), now, 4, 10, DAY, 0, &two) == BOARD_OK);
    CHECK(near(board_used(b, KEY("k"), now), 10));
    CHECK(board_settle(b, one, now, 1));
    CHECK(!board_settle(b, one, now, 1));
    CHECK(!board_settle(b, 0, now, 1) && !board_settle(b, 12345, now, 1));
    CHECK(near(board_used(b, KEY("k"), now), 5));
    CHECK(board_reserve(b, KEY("k"), now, 5, 10, DAY, 0, &three) == BOARD_OK);
    CHECK(board_settle(b, two, now, 40));
    CHECK(board_settle(b, three, now, 0));
    CHECK(near(board_used(b, KEY("k"), now), 41));
    end();
}

static void ten_tenths_fit_into_one(void)
{
    uint64_t id[10], more;

    begin(1, MIB);
    for (int i = 0; i < 10; i++)
        CHECK(board_reserve(b, KEY("k"), NOW, 0.1, 1, 0, 0, &id[i]) ==
              BOARD_OK);
    CHECK(board_reserve(b, KEY("k"), NOW, 0.1, 1, 0, 0, &more) ==
          BOARD_REFUSED);
    for (int i = 0; i < 10; i++)
        CHECK(board_settle(b, id[i], NOW, 0.1));
    CHECK(board_used(b, KEY("k"), NOW) <= 0);
    end();
}

static void a_day_begins_at_midnight_utc(void)
{
    uint64_t id, old;
    us_t next;

    begin(1, MIB);
    next = midnight();
    CHECK((next + b->wall_offset) % DAY == 0);
    board_reserve(b, KEY("k"), next - 10 * S, 7, 10, DAY, 0, &id);
    board_settle(b, id, next - 9 * S, 7);
    board_reserve(b, KEY("k"), next - 1, 3, 10, DAY, 0, &old);
    CHECK(near(board_used(b, KEY("k"), next - 1), 10));
    CHECK(near(board_used(b, KEY("k"), next), 0));
    CHECK(board_reserve(b, KEY("k"), next, 10, 10, DAY, 0, &id) == BOARD_OK);
    /* Yesterday's reservation is settled with yesterday. */
    CHECK(board_settle(b, old, next + S, 3));
    CHECK(near(board_used(b, KEY("k"), next + S), 10));
    /* A thread whose clock reading is older does not turn the day back. */
    CHECK(board_reserve(b, KEY("k"), next - 1, 1, 10, DAY, 0, &old) ==
          BOARD_REFUSED);
    CHECK(near(board_used(b, KEY("k"), next), 10));
    end();
}

static void a_forgotten_reservation_ends_by_itself(void)
{
    uint64_t semaphore, money;
    us_t now;

    begin(1, MIB);
    now = midnight();
    board_reserve(b, KEY("places"), now, 1, 1, 0, 30 * S, &semaphore);
    board_reserve(b, KEY("usd"), now, 2, 10, DAY, 30 * S, &money);
    CHECK(near(board_used(b, KEY("places"), now + 30 * S - 1), 1));
    CHECK(near(board_used(b, KEY("places"), now + 30 * S), 0));
    CHECK(!board_settle(b, semaphore, now + 30 * S, 1));
    CHECK(!board_settle(b, money, now + 30 * S, 0));
    CHECK(near(board_used(b, KEY("usd"), now + 30 * S), 2));
    CHECK(near(board_used(b, KEY("usd"), now + DAY - 1), 2));
    CHECK(near(board_used(b, KEY("usd"), now + DAY), 0));
    get("none", now + DAY, &(struct board_value){ 0 });
    end();
}

/* Story: a reservation of an earlier window of the same key was counted off
 * the current one, whose sum went below zero. */
static void a_change_of_window_begins_anew(void)
{
    uint64_t day, hour, again;
    us_t now;

    begin(1, MIB);
    now = midnight();
    board_reserve(b, KEY("k"), now, 5, 10, DAY, 2 * DAY, &day);
    board_reserve(b, KEY("k"), now, 3, 10, 3600 * S, 0, &hour);
    CHECK(near(board_used(b, KEY("k"), now), 3));
    board_reserve(b, KEY("k"), now, 1, 10, DAY, 0, &again);
    CHECK(board_settle(b, day, now, 5));
    CHECK(board_settle(b, hour, now, 3));
    CHECK(near(board_used(b, KEY("k"), now), 1));
    CHECK(board_settle(b, again, now, 2));
    CHECK(near(board_used(b, KEY("k"), now), 2));
    end();
}

static void an_account_outlives_its_tickets(void)
{
    uint64_t id[64];

    begin(1, MIB);
    for (int i = 0; i < 64; i++)
        board_reserve(b, KEY("k"), NOW, 1, 100, i % 2 ? 60 * S : 3600 * S,
                      (i * 1000 + 1) * S, &id[i]);
    for (int i = 0; i < 64; i++) {
        us_t now = NOW + i * 900 * S;

        board_used(b, KEY("k"), now);
        board_settle(b, id[i], now, 1);
    }
    board_used(b, KEY("k"), NOW + 2 * DAY);
    CHECK(board_bytes(b) == 0);
    end();
}

/* Four threads ------------------------------------------------------------ */

#define ROUNDS 4000

static void together(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    unsigned shard[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        shard[i] = i;
        pthread_create(&threads[i], NULL, run, &shard[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static _Atomic unsigned taken, peak_broken, probes;

static void *run_places(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (!board_enter(b, slot, NOW + i))
            continue;
        atomic_fetch_add(&taken, 1);
        if (board_in_flight(b, slot) > 3)
            atomic_store(&peak_broken, 1);
        board_leave(b, slot);
    }
    return NULL;
}

static void four_threads_share_places_exactly(void)
{
    begin(THREADS, MIB);
    board_limits(b, slot, 3, 0);
    atomic_store(&taken, 0);
    together(run_places);
    CHECK(board_in_flight(b, slot) == 0);
    CHECK(!atomic_load(&peak_broken));
    CHECK(atomic_load(&taken) > 0);
    /* rpm: as many as one thread would have got. */
    board_limits(b, slot, 0, 1000);
    atomic_store(&taken, 0);
    together(run_places);
    CHECK(atomic_load(&taken) == 1000);
    end();
}

static void *run_values(void *arg)
{
    us_t wait;
    double after;
    uint64_t id;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        board_incr(b, KEY("count"), NOW, 1, 0, &after);
        if (board_take(b, KEY("bucket"), NOW, 1, 0, 1000, &wait) == BOARD_OK)
            atomic_fetch_add(&taken, 1);
        if (board_reserve(b, KEY("budget"), NOW, 1, 2, 0, 0, &id) != BOARD_OK)
            continue;
        if (board_used(b, KEY("budget"), NOW) > 2)
            atomic_store(&peak_broken, 1);
        board_settle(b, id, NOW, 1);
    }
    return NULL;
}

static void four_threads_count_exactly(void)
{
    struct board_value v;

    begin(THREADS, MIB);
    atomic_store(&taken, 0);
    together(run_values);
    CHECK(get("count", NOW, &v) == BOARD_OK);
    CHECK(near(v.number, THREADS * ROUNDS));
    CHECK(atomic_load(&taken) == 1000);
    CHECK(!atomic_load(&peak_broken));
    CHECK(near(board_used(b, KEY("budget"), NOW), 0));
    end();
}

static void *run_crowd(void *arg)
{
    unsigned shard = *(unsigned *)arg;
    struct board_value v;
    char key[32], text[64];
    uint64_t id;

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof key, "k-%u-%d", shard, i % 500);
        set_text(key, NOW + i, key, (1 + i % 50) * S);
        snprintf(key, sizeof key, "k-%u-%d", (shard + 1) % THREADS, i % 500);
        if (board_get(b, KEY(key), NOW + i, &v, text, sizeof text) ==
                BOARD_OK && v.type == BOARD_TEXT &&
            (v.len != strlen(key) || memcmp(v.text, key, v.len) != 0))
            atomic_store(&peak_broken, 1);
        if (board_reserve(b, KEY("all"), NOW + i, 1, 1e9, 60 * S, 1000, &id) ==
                BOARD_OK && i % 2)
            board_settle(b, id, NOW + i, 1);
    }
    return NULL;
}

static void four_threads_in_a_full_board_leave_nothing_behind(void)
{
    begin(THREADS, 30000);
    together(run_crowd);
    CHECK(!atomic_load(&peak_broken));
    CHECK(board_evicted(b) > 0);
    CHECK(board_bytes(b) <= 30000);
    for (unsigned i = 0; i < 500; i++) {
        char key[32];
        struct board_value v;

        for (unsigned shard = 0; shard < THREADS; shard++) {
            snprintf(key, sizeof key, "k-%u-%u", shard, i);
            get(key, NOW + 2 * DAY, &v);
        }
    }
    board_used(b, KEY("all"), NOW + 2 * DAY);
    CHECK(board_bytes(b) == 0);
    end();
}

static void *run_probe(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        if (board_probe(b, slot, NOW + 2 * S))
            atomic_fetch_add(&probes, 1);
        board_state(b, slot, NOW, (char[16]){ 0 }, 16);
        board_cool(b, slot, NOW, i, "short");
        board_eject(b, slot, NOW + S - 1, S, S, "again");
    }
    return NULL;
}

static void four_threads_get_one_probe(void)
{
    begin(THREADS, MIB);
    board_eject(b, slot, NOW, S, S, "e");
    together(run_probe);
    CHECK(atomic_load(&probes) == 1);
    end();
}

static _Atomic unsigned writing;

/* Threads 1 to 3 write samples of value 1 only; thread 0 reads, and any mean,
 * sum or quantile that is not of ones was torn. */
static void *run_samples(void *arg)
{
    unsigned shard = *(unsigned *)arg;
    double value, sum;
    uint64_t count;

    for (int i = 0; shard > 0 && i < 8 * ROUNDS; i++) {
        board_sample(b, shard, slot, BOARD_TOTAL, NOW + i * (S / 64), 1);
        for (int k = 0; k < 8; k++)
            board_sample(b, shard, slot, BOARD_SPEED, NOW, 1);
    }
    if (shard > 0)
        atomic_fetch_sub(&writing, 1);
    for (us_t i = 0; shard == 0 && atomic_load(&writing); i++) {
        us_t now = NOW + i % 500 * S;

        board_window(b, slot, BOARD_SPEED, NOW, 1, &count, &sum);
        if (fabs(sum - (double)count) > 1e-6)
            atomic_store(&peak_broken, 1);

        if (board_ewma(b, slot, BOARD_TOTAL, now, 100, &value) &&
            fabs(value - 1) > 1e-6)
            atomic_store(&peak_broken, 1);
        board_window(b, slot, BOARD_TOTAL, now, 60, &count, &sum);
        if (fabs(sum - (double)count) > 1e-6)
            atomic_store(&peak_broken, 1);
        if (board_quantile(b, slot, BOARD_TOTAL, now, 0.5, 300, &value) &&
            fabs(value - 1) > 0.06)
            atomic_store(&peak_broken, 1);
    }
    return NULL;
}

static void readers_of_samples_never_see_a_torn_sum(void)
{
    uint64_t count;
    double sum;

    begin(THREADS, MIB);
    atomic_store(&writing, THREADS - 1);
    together(run_samples);
    CHECK(!atomic_load(&peak_broken));
    board_window(b, slot, BOARD_TOTAL, NOW + 8 * ROUNDS / 64 * S - 1, 3500,
                 &count, &sum);
    CHECK(count == (THREADS - 1) * 8 * ROUNDS);
    end();
}

int main(void)
{
    RUN(a_name_keeps_its_slot);
    RUN(a_target_takes_no_more_than_max_in_flight);
    RUN(a_target_takes_no_more_than_its_rpm);
    RUN(cooling_ends_and_is_never_shortened);
    RUN(an_ejection_grows_with_each_time_up_to_its_maximum);
    RUN(one_outage_is_one_ejection);
    RUN(one_caller_wins_the_probe);
    RUN(the_operators_word_goes_first);
    RUN(quota_is_known_until_its_reset);
    RUN(metrics_have_names);
    RUN(a_window_counts_what_lies_in_it);
    RUN(an_hour_is_remembered_and_no_more);
    RUN(a_mean_weighs_samples_by_age);
    RUN(a_mean_fades_while_idle);
    RUN(a_mean_is_near_the_true_one_at_any_moment);
    RUN(what_is_not_finite_is_no_sample);
    RUN(the_last_bad_attempt_has_an_age);
    RUN(quantiles_are_off_by_six_percent_at_most);
    RUN(quantiles_hold_for_every_magnitude);
    RUN(quantiles_forget_and_are_cached_for_a_second);
    RUN(histograms_take_half_of_the_bytes_at_most);
    RUN(values_come_back_as_they_were_set);
    RUN(many_values_are_kept_apart);
    RUN(entries_expire_after_their_last_write);
    RUN(what_is_too_large_is_refused);
    RUN(a_name_holds_one_sort_of_thing);
    RUN(a_pin_stands_until_it_expires);
    RUN(a_full_board_drops_the_soonest_to_expire);
    RUN(expired_entries_make_room_first);
    RUN(a_full_board_keeps_its_reservations);
    RUN(a_bucket_gives_its_burst_and_then_its_rate);
    RUN(after_the_wait_a_bucket_gives);
    RUN(what_a_bucket_never_gives_is_said);
    RUN(a_slow_bucket_outlives_an_hour);
    RUN(a_reservation_holds_until_it_is_settled);
    RUN(ten_tenths_fit_into_one);
    RUN(a_day_begins_at_midnight_utc);
    RUN(a_forgotten_reservation_ends_by_itself);
    RUN(a_change_of_window_begins_anew);
    RUN(an_account_outlives_its_tickets);
    RUN(four_threads_share_places_exactly);
    RUN(four_threads_count_exactly);
    RUN(four_threads_in_a_full_board_leave_nothing_behind);
    RUN(four_threads_get_one_probe);
    RUN(readers_of_samples_never_see_a_torn_sum);
    return test_end();
}
