/* SPDX-License-Identifier: Apache-2.0
 *
 * The lenient reader: finds where values end and what strings mean. On text that
 * json_check accepted its answers are exact; on any other bytes it stays inside
 * them, always moves on, and answers something.
 */
#include "json.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_impl.h"

/* Behind the closing quote of the string at p, or NULL when there is none. A
   quote is escaped when an odd number of backslashes stands before it: memchr
   is much faster than stepping, and prompts are long strings. */
static const char *skip_string(const char *p, const char *end)
{
    const char *from = ++p, *quote, *slash;

    while (p < end) {
        quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return NULL;
        slash = quote;
        while (slash > from && slash[-1] == '\\')
            slash--;
        p = quote + 1;
        if ((quote - slash) % 2 == 0)
            return p;
        from = p;
    }
    return NULL;
}

const char *json_closing(const char *p, const char *end, bool *escaped)
{
    *escaped = false;
    for (;;) {
        p = json_ascii_run(p, end);
        while (p < end && (unsigned char)*p >= 0x80)
            p++;
        if (p == end || *p == '"')
            return p;
        if (*p == '\\') {
            *escaped = true;
            p++;
        }
        p += p < end;
    }
}

static const char *skip_container(const char *p, const char *end)
{
    size_t level = 0;

    while (p < end) {
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            if (!p)
                return end;
            continue;
        case '{': case '[':
            level++;
            break;
        case '}': case ']':
            level--;
            if (level == 0)
                return p + 1;
            break;
        default:
            break;
        }
        p++;
    }
    return end;
}

static const char *skip_value(const char *p, const char *end)
{
    if (*p == '"') {
        p = skip_string(p, end);
        return p ? p : end;
    }
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p < end && !strchr(",]}: \n\t\r", *p))
        p++;
    return p;
}

void json_walk_start(struct json_walk *w, const char *text, size_t len)
{
    memset(w, 0, sizeof *w);
    w->p = w->end = text + len;
    if (len == 0 || (*text != '{' && *text != '['))
        return;
    w->p = text + 1;
    w->object = *text == '{';
}

/* The key at w->p, up to the start of its value. */
static bool walk_key(struct json_walk *w)
{
    const char *behind;

    if (*w->p != '"')
        return false;
    behind = skip_string(w->p, w->end);
    if (!behind)
        return false;
    w->key = w->p + 1;
    w->key_len = (size_t)(behind - 1 - w->key);
    w->p = json_blank(behind, w->end);
    if (w->p == w->end || *w->p != ':')
        return false;
    w->p = json_blank(w->p + 1, w->end);
    return w->p < w->end;
}

bool json_walk_next(struct json_walk *w)
{
    w->p = json_blank(w->p, w->end);
    if (w->p < w->end && *w->p == ',')
        w->p = json_blank(w->p + 1, w->end);
    if (w->p == w->end || (w->object && !walk_key(w)))
        return false;
    w->value.at = w->p;
    w->p = skip_value(w->p, w->end);
    w->value.len = (size_t)(w->p - w->value.at);
    return w->value.len > 0;
}

/* Four hex digits at p as a number, or -1. */
static int hex4(const char *p, const char *end)
{
    int value = 0, i, digit;

    if (end - p < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        if (p[i] >= '0' && p[i] <= '9')
            digit = p[i] - '0';
        else if ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f')
            digit = (p[i] | 0x20) - 'a' + 10;
        else
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t put_utf8(unsigned c, char out[4])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
    static const unsigned char first[] = { 0, 0, 0xC0, 0xE0, 0xF0 };

    for (i = n; i > 1; i--) {
        out[i - 1] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(first[n] | c);
    return n;
}

#define REPLACEMENT 0xFFFDu

/* *p is behind the backslash and the u. */
static unsigned unicode_escape(const char **p, const char *end)
{
    int high = hex4(*p, end), low;

    if (high < 0)
        return REPLACEMENT;
    *p += 4;
    if (high < 0xD800 || high > 0xDFFF)
        return (unsigned)high;
    if (high > 0xDBFF || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return REPLACEMENT;
    low = hex4(*p + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return REPLACEMENT;
    *p += 6;
    return 0x10000u + ((unsigned)(high - 0xD800) << 10) +
           (unsigned)(low - 0xDC00);
}

/* *p is behind the backslash. */
static unsigned escape(const char **p, const char *end)
{
    static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char *found;
    char c;

    if (*p == end)
        return REPLACEMENT;
    c = *(*p)++;
    if (c == 'u')
        return unicode_escape(p, end);
    found = memchr(letters, c, sizeof letters - 1);
    return found ? (unsigned)means[found - letters] : REPLACEMENT;
}

size_t json_char(const char **p, const char *end, char out[4])
{
    size_t n;

    if (**p == '\\') {
        ++*p;
        return put_utf8(escape(p, end), out);
    }
    n = json_utf8(*p, end);
    if (n == 0) {
        ++*p;
        return put_utf8(REPLACEMENT, out);
    }
    memcpy(out, *p, n);
    *p += n;
    return n;
}

/* The digits of a number without its point: the first 768 that count, and a 1
   for any others that are not zero, which is enough to round correctly. */
struct decimal {
    char digits[800];
    size_t count;
    long shift;             /* the value is 0.digits times ten to the shift */
    bool point, rest;
};

static void add_digit(struct decimal *d, char c)
{
    if (!d->point)
        d->shift++;
    if (d->count == 0 && c == '0')
        d->shift--;
    else if (d->count < 768)
        d->digits[d->count++] = c;
    else
        d->rest |= c != '0';
}

static long exponent(const char *p, const char *end)
{
    bool minus = p < end && *p == '-';
    long e = 0;

    for (p += p < end && (*p == '-' || *p == '+'); p < end; p++)
        if (e < 1000000000)
            e = e * 10 + (*p - '0');
    return minus ? -e : e;
}

/* Up to 15 digits are a whole double, and so are powers of ten up to 22: then one
 * division or multiplication rounds once, as it must. */
static bool exact(const struct decimal *d, long e, double *value)
{
    static const double tens[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t n = 0;

    e += d->shift - (long)d->count;
    if (d->count > 15 || e < -22 || e > 22)
        return false;
    for (size_t i = 0; i < d->count; i++)
        n = n * 10 + (d->digits[i] - '0');
    *value = e < 0 ? (double)n / tens[-e] : (double)n * tens[e];
    return true;
}

/* strtod wants a NUL behind the number and reads the point as the locale of the
   process has it, which is the host's. So it gets a copy without a point, and
   the C locale. */
double json_double(const char *s, size_t len)
{
    struct decimal d;
    const char *p = s, *end = s + len;
    double value;
    locale_t c;

    d.count = 0;
    d.shift = 0;
    d.point = d.rest = false;
    for (p += p < end && *p == '-'; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.')
            d.point = true;
        else
            add_digit(&d, *p);
    }
    if (d.count == 0)
        return *s == '-' ? -0.0 : 0.0;
    if (exact(&d, p < end ? exponent(p + 1, end) : 0, &value))
        return *s == '-' ? -value : value;
    if (d.rest)
        d.digits[d.count++] = '1';
    d.shift += (p < end ? exponent(p + 1, end) : 0) - (long)d.count;
    snprintf(d.digits + d.count, sizeof d.digits - d.count, "e%ld", d.shift);
    c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    value = c ? strtod_l(d.digits, NULL, c) : strtod(d.digits, NULL);
    if (c)
        freelocale(c);
    return *s == '-' ? -value : value;
}

struct json_view json_view(const char *text, size_t len)
{
    struct json_view v = { .at = text };
    const char *end = text ? text + len : text;

    v.at = json_blank(text, end);
    while (end > v.at && memchr(" \n\t\r", end[-1], 4))
        end--;
    v.len = (size_t)(end - v.at);
    return v;
}

struct json_view json_view_get(struct json_view v, const char *key)
{
    struct json_view none = { 0 };
    size_t len = strlen(key);
    struct json_walk w;

    if (v.len == 0 || *v.at != '{')
        return none;
    json_walk_start(&w, v.at, v.len);
    while (json_walk_next(&w))
        if (w.key_len == len && memcmp(w.key, key, len) == 0)
            return w.value;
    return none;
}

struct json_view json_view_at(struct json_view v, size_t i)
{
    struct json_view none = { 0 };
    struct json_walk w;

    if (v.len == 0 || *v.at != '[' || i == 0)
        return none;
    json_walk_start(&w, v.at, v.len);
    while (json_walk_next(&w))
        if (--i == 0)
            return w.value;
    return none;
}

enum json_kind json_view_kind(struct json_view v)
{
    if (v.len == 0)
        return JSON_NULL;
    switch (*v.at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5':
    case '6': case '7': case '8': case '9':
        return JSON_NUMBER;
    default:
        return JSON_NULL;
    }
}

/* Text of a string as it is meant, cut at a whole character. */
static size_t decode(const char *p, const char *end, char *out, size_t size)
{
    size_t used = 0, n;
    char c[4];

    while (p < end && used < size) {
        n = (size_t)(json_ascii_run(p, end) - p);
        if (n > 0) {
            n = n < size - used ? n : size - used;
            memcpy(out + used, p, n);
            used += n;
            p += n;
            continue;
        }
        n = json_char(&p, end, c);
        if (n > size - used)
            break;
        memcpy(out + used, c, n);
        used += n;
    }
    return used;
}

size_t json_unescape(const char *text, size_t len, char *out)
{
    return decode(text, text + len, out, len);
}

size_t json_view_string(struct json_view v, char *out, size_t size)
{
    const char *end;
    size_t used = 0;

    if (size == 0)
        return 0;
    end = v.len > 0 && *v.at == '"' ? skip_string(v.at, v.at + v.len) : NULL;
    if (end)
        used = decode(v.at + 1, end - 1, out, size - 1);
    out[used] = '\0';
    return used;
}

double json_view_number(struct json_view v, double otherwise)
{
    double value;

    if (v.len == 0 || json_scan_number(v.at, v.at + v.len) != v.at + v.len)
        return otherwise;
    value = json_double(v.at, v.len);
    return isfinite(value) ? value : otherwise;
}
