/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/quota.h"

#include "test.h"

#include <math.h>
#include <stdlib.h>

#define MS(n) ((us_t)(n) * US_PER_MS)
#define S(n) ((us_t)(n) * US_PER_S)
/* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW S(784111777)

static bool near(us_t a, us_t b)
{
    return a == b || (a >= 0 && b >= 0 && llabs(a - b) <= 1);
}

static bool same(double a, double b)
{
    return fabs(a - b) <= .5 + fabs(b) * 1e-12;
}

static struct quota after(const char *name, const char *value)
{
    struct quota q;

    quota_init(&q);
    quota_header(&q, name, strlen(name), value, strlen(value), NOW);
    return q;
}

static void a_retry_time_is_read_in_every_notation(void)
{
    static const struct {
        int line;
        const char *name, *value;
        us_t wait;
    } rows[] = {
        {__LINE__, "retry-after", "24", S(24)},
        {__LINE__, "Retry-After", " 2 ", S(2)},
        {__LINE__, "RETRY-AFTER", "1.5", MS(1500)},
        {__LINE__, "retry-after", "0", 0},
        {__LINE__, "retry-after", "-1", -1},
        {__LINE__, "retry-after", "", -1},
        {__LINE__, "retry-after", "soon", -1},
        {__LINE__, "retry-after", "12abc", -1},
        {__LINE__, "retry-after", "nan", -1},
        {__LINE__, "retry-after", "1e9", -1},
        {__LINE__, "retry-after", "0x10", -1},
        {__LINE__, "retry-after", "1,5", -1},
        {__LINE__, "retry-after", "5s", S(5)},
        {__LINE__, "retry-after", "86401", S(86400)},
        {__LINE__, "retry-after", "99999999999999999999999999", S(86400)},
        {__LINE__, "retry-after", "1000000000", S(86400)},
        {__LINE__, "retry-after-ms", "30", MS(30)},
        {__LINE__, "Retry-After-Ms", "1250.5", 1250500},
        {__LINE__, "retry-after-ms", "0", 0},
        {__LINE__, "retry-after-ms", "-30", -1},
        {__LINE__, "retry-after-ms", "x", -1},
        {__LINE__, "retry-after-ms", "999999999999", S(86400)},
        {__LINE__, "retry-after", "Sun, 06 Nov 1994 08:50:07 GMT", S(30)},
        {__LINE__, "retry-after", "Sunday, 06-Nov-94 08:50:07 GMT", S(30)},
        {__LINE__, "retry-after", "Sun Nov  6 08:50:07 1994", S(30)},
        {__LINE__, "retry-after", "Wed Nov 16 08:50:07 1994", S(86400)},
        {__LINE__, "retry-after", "Sun, 06 Nov 1994 08:49:07 GMT", 0},
        {__LINE__, "retry-after", "Sun, 06 Nov 2094 08:49:07 GMT", S(86400)},
        {__LINE__, "retry-after", "Monday, 07-Nov-93 08:50:07 GMT", 0},
        {__LINE__, "retry-after", "Sun, 06 Nov 1994 25:50:07 GMT", -1},
        {__LINE__, "retry-after", "Sun, 06 Nev 1994 08:50:07 GMT", -1},
        {__LINE__, "retry-after", "Sun, 06 Nov 1994 08:50:07 CET", -1},
        {__LINE__, "retry-after", "Sun, 06 Nov 1994 08:50:07", -1},
        {__LINE__, "retry-after", "Sun, 32 Nov 1994 08:50:07 GMT", -1},
        {__LINE__, "retry-after", "1994-11-06T08:50:07Z", S(30)},
        {__LINE__, "x-retry-after", "24", -1},
        {__LINE__, "retry-after-mss", "24", -1},
        {__LINE__, "", "24", -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line, near(after(rows[i].name, rows[i].value)
                                         .retry_after, rows[i].wait));
}

static void milliseconds_win_over_seconds_in_either_order(void)
{
    struct quota q = after("retry-after-ms", "300");

    quota_header(&q, "retry-after", 11, "7", 1, NOW);
    CHECK(q.retry_after == MS(300));
    q = after("retry-after", "7");
    quota_header(&q, "retry-after-ms", 14, "300", 3, NOW);
    CHECK(q.retry_after == MS(300));
    q = after("retry-after", "1");
    quota_header(&q, "retry-after-ms", 14, "0", 1, NOW);
    CHECK(q.retry_after == S(1));
    q = after("retry-after-ms", "0");
    quota_header(&q, "retry-after", 11, "1", 1, NOW);
    CHECK(q.retry_after == S(1));
    q = after("retry-after", "1");
    quota_header(&q, "retry-after", 11, "junk", 4, NOW);
    CHECK(q.retry_after == S(1));
}

static void what_is_left_is_read_in_every_spelling(void)
{
    static const struct {
        int line;
        const char *name, *value;
        double requests, tokens;
    } rows[] = {
        {__LINE__, "x-ratelimit-remaining-requests", "9999", 9999, -1},
        {__LINE__, "X-RateLimit-Remaining-Tokens", "89980", -1, 89980},
        {__LINE__, "x-ratelimit-remaining-tokens-usage-based", "5", -1, 5},
        {__LINE__, "anthropic-ratelimit-requests-remaining", "0", 0, -1},
        {__LINE__, "anthropic-ratelimit-tokens-remaining", "12", -1, 12},
        {__LINE__, "anthropic-ratelimit-input-tokens-remaining", "7", -1, 7},
        {__LINE__, "anthropic-ratelimit-output-tokens-remaining", "7", -1, 7},
        {__LINE__, "anthropic-ratelimit-unified-status", "rejected", 0, -1},
        {__LINE__, "anthropic-ratelimit-unified-status", "allowed", -1, -1},
        {__LINE__, "x-ratelimit-remaining-req-minute", "97", 97, -1},
        {__LINE__, "x-ratelimit-remaining-tokens-minute", "99", -1, 99},
        {__LINE__, "x-ratelimit-remaining-tokens-month", "99", -1, 99},
        {__LINE__, "x-ratelimit-remaining-requests-day", "3", 3, -1},
        {__LINE__, "ratelimitbysize-remaining", "401381", -1, 401381},
        {__LINE__, "x-ratelimitbysize-remaining-minute", "4", -1, 4},
        {__LINE__, "x-ratelimit-remaining", "0", 0, -1},
        {__LINE__, "ratelimit-remaining", "3", 3, -1},
        {__LINE__, "ratelimit", "\"api\";r=999;t=295", 999, -1},
        {__LINE__, "RateLimit", "limit=100, remaining=50, reset=30", 50, -1},
        {__LINE__, "ratelimit", "\"a\";r=9;t=2, \"b\";r=4;t=60", 4, -1},
        {__LINE__, "x-ratelimit-remaining-tokens-day", "9223372036854767616",
         -1, 9223372036854767616.0},
        {__LINE__, "x-ratelimit-remaining-requests", "-1", -1, -1},
        {__LINE__, "x-ratelimit-remaining-requests", "many", -1, -1},
        {__LINE__, "x-ratelimit-remaining-input-images", "4", -1, -1},
        {__LINE__, "x-ratelimit-remaining-audio-seconds-minute", "4", -1, -1},
        {__LINE__, "x-ratelimit-limit-requests", "4", -1, -1},
        {__LINE__, "x-ratelimit-limit", "4", -1, -1},
        {__LINE__, "x-ratelimit-tokens-query-cost", "4", -1, -1},
        {__LINE__, "ratelimit-policy", "\"api\";q=1000;w=300", -1, -1},
        {__LINE__, "llm_provider-x-ratelimit-remaining-requests", "4", -1, -1},
        {__LINE__, "x-ratelimit-", "4", -1, -1},
    };
    struct quota q;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        q = after(rows[i].name, rows[i].value);
        CHECK_ROW(rows[i].line, same(q.requests, rows[i].requests));
        CHECK_ROW(rows[i].line, same(q.tokens, rows[i].tokens));
        CHECK_ROW(rows[i].line, q.retry_after == -1);
    }
}

static void a_reset_is_read_in_every_spelling(void)
{
    static const struct {
        int line;
        const char *name, *value;
        us_t requests, tokens;
    } rows[] = {
        {__LINE__, "x-ratelimit-reset-requests", "6ms", MS(6), -1},
        {__LINE__, "x-ratelimit-reset-requests", "1m30s", S(90), -1},
        {__LINE__, "x-ratelimit-reset-requests", "8.64s", MS(8640), -1},
        {__LINE__, "x-ratelimit-reset-requests", "1h0m0.5s", MS(3600500), -1},
        {__LINE__, "x-ratelimit-reset-requests", "500us", 500, -1},
        {__LINE__, "x-ratelimit-reset-requests", "500\xC2\xB5s", 500, -1},
        {__LINE__, "x-ratelimit-reset-requests", "2000ns", 2, -1},
        {__LINE__, "x-ratelimit-reset-requests", "30h", S(86400), -1},
        {__LINE__, "x-ratelimit-reset-tokens", "17.399999999s", -1, 17400000},
        {__LINE__, "x-ratelimit-reset-tokens", "0s", -1, 0},
        {__LINE__, "x-ratelimit-reset-tokens", "46", -1, S(46)},
        {__LINE__, "x-ratelimit-reset-tokens", "1m30x", -1, -1},
        {__LINE__, "x-ratelimit-reset-tokens", "s", -1, -1},
        {__LINE__, "x-ratelimit-reset-tokens", "-3s", -1, -1},
        {__LINE__, "x-ratelimit-reset", "1", S(1), -1},
        {__LINE__, "x-ratelimit-reset", "784111837000", S(60), -1},
        {__LINE__, "x-ratelimit-reset", "784111717000", 0, -1},
        {__LINE__, "x-ratelimit-reset", "1754667660000", S(86400), -1},
        {__LINE__, "x-ratelimit-reset", "1754667660", S(86400), -1},
        {__LINE__, "x-ratelimit-reset", "1754667660000000000", -1, -1},
        {__LINE__, "ratelimitbysize-reset", "33", -1, S(33)},
        {__LINE__, "ratelimit-reset", "33", S(33), -1},
        {__LINE__, "anthropic-ratelimit-requests-reset",
         "1994-11-06T08:50:07Z", S(30), -1},
        {__LINE__, "anthropic-ratelimit-tokens-reset",
         "1994-11-06T10:50:07.25+02:00", -1, MS(30250)},
        {__LINE__, "anthropic-ratelimit-tokens-reset",
         "1994-11-06T01:50:07-0700", -1, S(30)},
        {__LINE__, "anthropic-ratelimit-tokens-reset",
         "1994-11-06T08:49:07Z", -1, 0},
        {__LINE__, "anthropic-ratelimit-tokens-reset",
         "1994-13-06T08:50:07Z", -1, -1},
        {__LINE__, "anthropic-ratelimit-tokens-reset",
         "1994-11-06T08:50:07", -1, -1},
        {__LINE__, "anthropic-ratelimit-tokens-reset",
         "1994-11-06T08:50:07Zulu", -1, -1},
        {__LINE__, "anthropic-ratelimit-unified-reset", "1754667660",
         S(86400), -1},
        {__LINE__, "anthropic-ratelimit-unified-5h-reset", "1754667660", -1,
         -1},
        {__LINE__, "ratelimit", "\"api\";r=999;t=295", S(295), -1},
        {__LINE__, "ratelimit", "limit=100, remaining=50, reset=30", S(30),
         -1},
    };
    struct quota q;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        q = after(rows[i].name, rows[i].value);
        CHECK_ROW(rows[i].line, near(q.reset_requests, rows[i].requests));
        CHECK_ROW(rows[i].line, near(q.reset_tokens, rows[i].tokens));
    }
}

static void dates_are_right_over_leap_years_and_centuries(void)
{
    static const struct {
        int line;
        const char *date;
        long long seconds;
    } rows[] = {
        {__LINE__, "Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {__LINE__, "Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {__LINE__, "Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
        {__LINE__, "Fri, 31 Dec 2027 23:59:59 GMT", 1830297599},
        {__LINE__, "Sun, 28 Feb 2100 00:00:00 GMT", 4107456000},
        {__LINE__, "Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
    };
    struct quota q;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        quota_init(&q);
        quota_header(&q, "retry-after", 11, rows[i].date,
                     strlen(rows[i].date), S(rows[i].seconds - 5));
        CHECK_ROW(rows[i].line, q.retry_after == S(5));
    }
}

static void of_several_windows_the_tightest_counts(void)
{
    static const char *const fields[][2] = {
        {"x-ratelimit-remaining-tokens-month", "1000"},
        {"x-ratelimit-remaining-tokens-minute", "10"},
        {"x-ratelimit-remaining-tokens-day", "100"},
        {"x-ratelimit-reset-tokens-day", "5000"},
        {"x-ratelimit-reset-tokens-minute", "12.5"},
    };
    struct quota q;

    quota_init(&q);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        quota_header(&q, fields[i][0], strlen(fields[i][0]), fields[i][1],
                     strlen(fields[i][1]), NOW);
    CHECK(fabs(q.tokens - 10) < .5);
    CHECK(q.reset_tokens == MS(12500));
    CHECK(q.requests < 0 && q.reset_requests == -1);
}

static void a_body_names_the_wait(void)
{
    static const struct {
        int line;
        const char *body;
        us_t wait;
    } rows[] = {
        {__LINE__, "{\"retryDelay\": \"34.4s\"}", MS(34400)},
        {__LINE__, "{\"@type\":\"google.rpc.RetryInfo\",\"retryDelay\":\"48s\"}",
         S(48)},
        {__LINE__, "{\"message\":\"{\\n \\\"retryDelay\\\": \\\"34.074824224s"
         "\\\"}\"}", 34074824},
        {__LINE__, "Rate limit reached. Please try again in 1.2s. Visit x",
         MS(1200)},
        {__LINE__, "Please try again in 547ms.", MS(547)},
        {__LINE__, "Please try again in 6m0s.", S(360)},
        {__LINE__, "Please try again in 7m12.96s", MS(432960)},
        {__LINE__, "Please try again in 20 seconds.", S(20)},
        {__LINE__, "Please retry after 1 minute 30 seconds", S(90)},
        {__LINE__, "Please retry after 6 seconds.", S(6)},
        {__LINE__, "Please retry in 34.4s.", MS(34400)},
        {__LINE__, "Please try again in 3 days", S(86400)},
        {__LINE__, "Please try again later", -1},
        {__LINE__, "Please try again in a moment", -1},
        {__LINE__, "Please retry after", -1},
        {__LINE__, "retryDelay", -1},
        {__LINE__, "", -1},
        {__LINE__, "retry after the storm, retry after 4s", S(4)},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line,
                  near(quota_retry_body(rows[i].body, strlen(rows[i].body)),
                       rows[i].wait));
}

int main(void)
{
    RUN(a_retry_time_is_read_in_every_notation);
    RUN(milliseconds_win_over_seconds_in_either_order);
    RUN(what_is_left_is_read_in_every_spelling);
    RUN(a_reset_is_read_in_every_spelling);
    RUN(dates_are_right_over_leap_years_and_centuries);
    RUN(of_several_windows_the_tightest_counts);
    RUN(a_body_names_the_wait);
    return test_end();
}
