/* SPDX-License-Identifier: Apache-2.0
 *
 * A field's name is read as words between hyphens, because vendors put the same
 * words in different orders; its value as whichever of four notations fits: a
 * number, a duration with units, an RFC 3339 time or an HTTP date. Numbers are
 * read here and not by strtod, which obeys the host's locale.
 */
#include "quota.h"

#include <string.h>

#define DAY (86400 * US_PER_S)

/* A piece of text being read. */
struct text {
    const char *p, *end;
};

void quota_init(struct quota *q)
{
    *q = (struct quota){-1, -1, -1, -1, -1, false};
}

/* ---- reading ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool equal(const char *text, size_t len, const char *word)
{
    size_t i;

    for (i = 0; i < len && word[i]; i++)
        if (lower(text[i]) != word[i])
            return false;
    return i == len && !word[i];
}

static void blanks(struct text *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
        t->p++;
}

static bool accept(struct text *t, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(t->end - t->p) < n || !equal(t->p, n, word))
        return false;
    t->p += n;
    return true;
}

static struct text trimmed(const char *value, size_t len)
{
    struct text t = {value, value + len};

    blanks(&t);
    while (t.end > t.p && (t.end[-1] == ' ' || t.end[-1] == '\t'))
        t.end--;
    return t;
}

/* Digits with or without a fraction; -1 when there are none. */
static double number(struct text *t)
{
    double n = 0, unit = 1;

    if (t->p == t->end || !is_digit(*t->p))
        return -1;
    for (; t->p < t->end && is_digit(*t->p); t->p++)
        n = n * 10 + (*t->p - '0');
    if (t->end - t->p < 2 || *t->p != '.' || !is_digit(t->p[1]))
        return n;
    for (t->p++; t->p < t->end && is_digit(*t->p); t->p++) {
        unit /= 10;
        n += unit * (*t->p - '0');
    }
    return n;
}

/* Exactly ${digits} digits; -1 otherwise. */
static int fixed(struct text *t, int digits)
{
    int n = 0;

    for (; digits > 0; digits--, t->p++) {
        if (t->p == t->end || !is_digit(*t->p))
            return -1;
        n = n * 10 + (*t->p - '0');
    }
    return n;
}

static us_t from_seconds(double seconds)
{
    if (!(seconds >= 0))
        return -1;
    return seconds >= 86400 ? DAY : (us_t)(seconds * 1e6 + 0.5);
}

/* ---- durations ---- */

static const struct {
    const char *word;
    double seconds;
} units[] = {
    {"ns", 1e-9}, {"us", 1e-6}, {"\xC2\xB5s", 1e-6}, {"\xCE\xBCs", 1e-6},
    {"ms", 1e-3}, {"millisecond", 1e-3}, {"milliseconds", 1e-3},
    {"s", 1}, {"sec", 1}, {"secs", 1}, {"second", 1}, {"seconds", 1},
    {"m", 60}, {"min", 60}, {"mins", 60}, {"minute", 60}, {"minutes", 60},
    {"h", 3600}, {"hr", 3600}, {"hour", 3600}, {"hours", 3600},
    {"d", 86400}, {"day", 86400}, {"days", 86400},
};

/* The unit at ${t} in seconds, or 0. */
static double unit(struct text *t)
{
    const char *from = t->p;
    size_t len;

    while (t->p < t->end && (is_letter(*t->p) || (*t->p & 0x80)))
        t->p++;
    len = (size_t)(t->p - from);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (equal(from, len, units[i].word))
            return units[i].seconds;
    t->p = from;
    return 0;
}

/*
 * "1m30.5s", "6 minutes 3 seconds", "20": seconds, or -1. A lone number is
 * seconds. Stops behind the last part that fits.
 */
static double duration(struct text *t)
{
    double total = -1, n, scale;
    struct text back;

    for (;;) {
        back = *t;
        n = number(t);
        if (n < 0)
            break;
        blanks(t);
        scale = unit(t);
        if (scale == 0 && total < 0)
            return n;
        if (scale == 0)
            break;
        total = (total < 0 ? 0 : total) + n * scale;
        back = *t;
        blanks(t);
    }
    *t = back;
    return total;
}

/* ---- points in time ---- */

/* Days since 1970-01-01 of a Gregorian date: years start in March, so that the
 * leap day is the last, and repeat every 400 years. */
static long days(int year, int month, int day)
{
    long y = month > 2 ? year : year - 1L;
    long era = y / 400, of_era = y % 400;
    long of_month = month > 2 ? month - 3 : month + 9;
    long of_year = (153 * of_month + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

struct moment {
    int year, month, day, hour, minute, second;
    int offset;             /* minutes east of UTC */
};

/* In microseconds since 1970; -1 for no such moment. */
static us_t since_epoch(const struct moment *m)
{
    if (m->year < 1970 || m->month < 1 || m->month > 12 || m->day < 1 ||
        m->day > 31 || m->hour < 0 || m->hour > 23 || m->minute < 0 ||
        m->minute > 59 || m->second < 0 || m->second > 60)
        return -1;
    return ((us_t)days(m->year, m->month, m->day) * 86400 + m->hour * 3600 +
            (m->minute - m->offset) * 60 + m->second) * US_PER_S;
}

static bool clock_time(struct text *t, struct moment *m)
{
    m->hour = fixed(t, 2);
    if (!accept(t, ":"))
        return false;
    m->minute = fixed(t, 2);
    if (!accept(t, ":"))
        return false;
    m->second = fixed(t, 2);
    return m->hour >= 0 && m->minute >= 0 && m->second >= 0;
}

static int month_name(struct text *t)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int i = 0; i < 12; i++)
        if (t->end - t->p >= 3 && lower(t->p[0]) == names[3 * i] &&
            lower(t->p[1]) == names[3 * i + 1] &&
            lower(t->p[2]) == names[3 * i + 2]) {
            t->p += 3;
            return i + 1;
        }
    return 0;
}

/* "Z", "+02:00" or "-0700" in minutes; false when it is none of them. */
static bool zone(struct text *t, int *minutes)
{
    int sign, hours, rest;

    if (accept(t, "z"))
        return true;
    sign = accept(t, "+") ? 1 : accept(t, "-") ? -1 : 0;
    hours = fixed(t, 2);
    accept(t, ":");
    rest = fixed(t, 2);
    *minutes = sign * (hours * 60 + rest);
    return sign && hours >= 0 && hours < 24 && rest >= 0 && rest < 60;
}

/* RFC 3339: 2026-08-19T14:34:18.5Z. */
static us_t rfc3339(struct text t)
{
    struct moment m = {0};
    double fraction = 0;
    us_t at;

    m.year = fixed(&t, 4);
    if (m.year < 0 || !accept(&t, "-"))
        return -1;
    m.month = fixed(&t, 2);
    if (!accept(&t, "-"))
        return -1;
    m.day = fixed(&t, 2);
    if (!accept(&t, "t") && !accept(&t, " "))
        return -1;
    if (!clock_time(&t, &m))
        return -1;
    if (t.p < t.end && *t.p == '.')
        for (double u = 0.1; ++t.p < t.end && is_digit(*t.p); u /= 10)
            fraction += u * (*t.p - '0');
    if (!zone(&t, &m.offset) || t.p != t.end)
        return -1;
    at = since_epoch(&m);
    return at < 0 ? -1 : at + (us_t)(fraction * 1e6);
}

/* RFC 850 has two digits: the year within 50 years of now. */
static int full_year(int two, us_t wall_now)
{
    int now = 1970 + (int)(wall_now / US_PER_S / 31556952);
    int year = now - now % 100 + two;

    if (year > now + 50)
        return year - 100;
    return year;
}

/* Nov  6 08:49:37 1994, behind the weekday (asctime). */
static us_t asctime_date(struct text t)
{
    struct moment m = {0};

    m.month = month_name(&t);
    blanks(&t);
    m.day = fixed(&t, t.end - t.p > 1 && is_digit(t.p[1]) ? 2 : 1);
    if (!m.month || m.day < 0 || !accept(&t, " ") || !clock_time(&t, &m) ||
        !accept(&t, " "))
        return -1;
    m.year = fixed(&t, 4);
    return t.p == t.end ? since_epoch(&m) : -1;
}

/* 06 Nov 1994 08:49:37 GMT, or 06-Nov-94 08:49:37 GMT, behind the weekday. */
static us_t comma_date(struct text t, us_t wall_now)
{
    struct moment m = {0};
    const char *between;

    m.day = fixed(&t, 2);
    between = t.p < t.end && *t.p == '-' ? "-" : " ";
    if (m.day < 0 || !accept(&t, between))
        return -1;
    m.month = month_name(&t);
    if (!m.month || !accept(&t, between))
        return -1;
    if (*between == ' ')
        m.year = fixed(&t, 4);
    else
        m.year = fixed(&t, 2);
    if (m.year >= 0 && *between == '-')
        m.year = full_year(m.year, wall_now);
    if (m.year < 0 || !accept(&t, " ") || !clock_time(&t, &m) ||
        !accept(&t, " ") || !(accept(&t, "gmt") || accept(&t, "utc")))
        return -1;
    return t.p == t.end ? since_epoch(&m) : -1;
}

static us_t http_date(struct text t, us_t wall_now)
{
    const char *from = t.p;

    while (t.p < t.end && is_letter(*t.p))
        t.p++;
    if (t.p - from < 3)
        return -1;
    if (accept(&t, ", "))
        return comma_date(t, wall_now);
    return accept(&t, " ") ? asctime_date(t) : -1;
}

static us_t from_now(us_t moment, us_t wall_now)
{
    if (moment < 0)
        return -1;
    if (moment <= wall_now)
        return 0;
    return moment - wall_now > DAY ? DAY : moment - wall_now;
}

/* ---- fields ---- */

/* How long to wait: seconds, a duration, an HTTP date or an RFC 3339 time. */
static us_t wait_of(const char *value, size_t len, us_t wall_now)
{
    struct text t = trimmed(value, len);
    double n;
    us_t at;

    if (t.p == t.end)
        return -1;
    if (is_letter(*t.p))
        return from_now(http_date(t, wall_now), wall_now);
    at = rfc3339(t);
    if (at >= 0)
        return from_now(at, wall_now);
    n = duration(&t);
    return t.p == t.end ? from_seconds(n) : -1;
}

/*
 * The same for the end of a window, which can also be a point in time as
 * seconds or milliseconds since 1970. No wait comes near those: 1e9 seconds is
 * 2001, 1e11 milliseconds 1973.
 */
static us_t reset_of(const char *value, size_t len, us_t wall_now)
{
    struct text t = trimmed(value, len);
    double n = number(&t);

    if (n < 1e9 || t.p != t.end)
        return wait_of(value, len, wall_now);
    if (n > 1e14)
        return -1;
    return from_now((us_t)(n >= 1e11 ? n * 1e3 : n * 1e6), wall_now);
}

static double amount_of(const char *value, size_t len)
{
    struct text t = trimmed(value, len);
    double n = number(&t);

    return t.p == t.end ? n : -1;
}

enum {
    REMAINING = 1, RESET = 2, REQUESTS = 4, TOKENS = 8, WINDOW = 16, STATUS = 32
};

/* The words of a field's name behind its prefix. A name with any other word
 * (limit, cost, audio, images, policy) counts something else. */
static const struct {
    const char *word;
    unsigned means;
} name_words[] = {
    {"remaining", REMAINING}, {"reset", RESET},
    {"requests", REQUESTS},   {"req", REQUESTS},  {"tokens", TOKENS},
    {"input", WINDOW},        {"output", WINDOW}, {"usage", WINDOW},
    {"based", WINDOW},        {"prompt", WINDOW}, {"generated", WINDOW},
    {"second", WINDOW},       {"minute", WINDOW}, {"hour", WINDOW},
    {"day", WINDOW},          {"month", WINDOW},  {"unified", WINDOW},
    {"status", STATUS},
};

static const struct {
    const char *prefix;
    unsigned counts;        /* what a name counts that does not say it */
} prefixes[] = {
    {"x-ratelimit-", REQUESTS},
    {"anthropic-ratelimit-", REQUESTS},
    {"ratelimit-", REQUESTS},
    {"ratelimitbysize-", TOKENS},
    {"x-ratelimitbysize-", TOKENS},
};

/* What the words of ${t} mean together; 0 when one is not known. */
static unsigned meaning(struct text t)
{
    unsigned all = 0, means;
    const char *from;

    while (t.p < t.end) {
        for (from = t.p; t.p < t.end && *t.p != '-';)
            t.p++;
        means = 0;
        for (size_t i = 0; i < sizeof name_words / sizeof *name_words; i++)
            if (equal(from, (size_t)(t.p - from), name_words[i].word))
                means = name_words[i].means;
        if (!means)
            return 0;
        all |= means;
        t.p += t.p < t.end;
    }
    return all;
}

static void least(double *to, double n)
{
    if (n >= 0 && (*to < 0 || n < *to))
        *to = n;
}

static void soonest(us_t *to, us_t wait)
{
    if (wait >= 0 && (*to < 0 || wait < *to))
        *to = wait;
}

static void take(struct quota *q, unsigned means, const char *value,
                 size_t len, us_t wall_now)
{
    bool tokens = means & TOKENS;

    if (means & REMAINING)
        least(tokens ? &q->tokens : &q->requests, amount_of(value, len));
    else if (means & RESET)
        soonest(tokens ? &q->reset_tokens : &q->reset_requests,
                reset_of(value, len, wall_now));
    else if ((means & STATUS) && equal(value, len, "rejected"))
        q->requests = 0;
}

static void ratelimit_named(struct quota *q, const char *name, size_t name_len,
                            const char *value, size_t len, us_t wall_now)
{
    struct text t;
    unsigned means;

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        t = (struct text){name, name + name_len};
        if (!accept(&t, prefixes[i].prefix))
            continue;
        means = meaning(t);
        if (means && !(means & (REQUESTS | TOKENS)))
            means |= prefixes[i].counts;
        take(q, means, value, len, wall_now);
        return;
    }
}

/*
 * One field for all: "api";r=999;t=295 (structured fields), or
 * limit=100, remaining=50, reset=30 (an older draft).
 */
static void ratelimit_whole(struct quota *q, const char *value, size_t len,
                            us_t wall_now)
{
    struct text t = {value, value + len};
    const char *key, *from;
    size_t key_len, n;

    while (t.p < t.end) {
        while (t.p < t.end && !is_letter(*t.p))
            t.p++;
        for (key = t.p; t.p < t.end && (is_letter(*t.p) || *t.p == '-');)
            t.p++;
        key_len = (size_t)(t.p - key);
        if (!accept(&t, "="))
            continue;
        for (from = t.p; t.p < t.end && *t.p != ';' && *t.p != ',';)
            t.p++;
        n = (size_t)(t.p - from);
        if (equal(key, key_len, "r") || equal(key, key_len, "remaining"))
            take(q, REMAINING, from, n, wall_now);
        if (equal(key, key_len, "t") || equal(key, key_len, "reset"))
            take(q, RESET, from, n, wall_now);
    }
}

/* Azure sends "retry-after-ms: 0" beside "retry-after: 1" with a 429: only a
 * positive one is more exact than the other. */
static void retry_ms(struct quota *q, const char *value, size_t len)
{
    double ms = amount_of(value, len);

    if (ms < 0 || (ms == 0 && q->retry_after >= 0))
        return;
    q->retry_after = from_seconds(ms / 1000);
    q->exact = ms > 0;
}

void quota_header(struct quota *q, const char *name, size_t name_len,
                  const char *value, size_t value_len, us_t wall_now)
{
    us_t wait;

    if (equal(name, name_len, "retry-after-ms")) {
        retry_ms(q, value, value_len);
        return;
    }
    if (equal(name, name_len, "retry-after")) {
        wait = wait_of(value, value_len, wall_now);
        if (wait >= 0 && !q->exact)
            q->retry_after = wait;
        return;
    }
    if (equal(name, name_len, "ratelimit")) {
        ratelimit_whole(q, value, value_len, wall_now);
        return;
    }
    ratelimit_named(q, name, name_len, value, value_len, wall_now);
}

/* ---- bodies ---- */

us_t quota_retry_body(const char *body, size_t len)
{
    static const char *const before[] = {"retrydelay", "try again in ",
                                         "retry in ", "retry after "};
    struct text t = {body, body + len}, found;
    double seconds;

    for (; t.p < t.end; t.p++) {
        if (lower(*t.p) != 'r' && lower(*t.p) != 't')
            continue;
        for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
            found = t;
            if (!accept(&found, before[i]))
                continue;
            /* Between key and value, also of JSON inside a JSON string. */
            while (found.p < found.end && strchr("\\\": ", *found.p) &&
                   *found.p)
                found.p++;
            seconds = duration(&found);
            if (seconds >= 0)
                return from_seconds(seconds);
        }
    }
    return -1;
}
