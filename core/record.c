/* SPDX-License-Identifier: Apache-2.0
 *
 * An entry on the wire: kind (1 byte), then each field: i and d 8 bytes, b one
 * byte, s two bytes of length and the bytes.
 */
#include "record.h"

#include "ceilings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_ROOM (4 * KIB)      /* kept free for the end entry */
#define KEPT (8 * KIB)          /* a buffer kept between requests */
#define MAX_FIELDS 24

struct field {
    char name[16];
    char type;
};

static const struct {
    const char *name;
    const char *fields;
} kinds[] = {
#define X(kind, fields) {#kind, fields},
    RECORDS(X)
#undef X
};

/* One parsed value; text points into the blob. */
struct value {
    int64_t i;
    double d;
    const char *s;
    size_t len;
};

void record_init(struct record *r)
{
    buf_init(&r->bytes, CEIL_RECORD_BYTES);
    r->dropped = 0;
}

void record_free(struct record *r)
{
    buf_free(&r->bytes);
}

void record_reset(struct record *r)
{
    r->bytes.len = 0;
    r->dropped = 0;
    if (r->bytes.size > KEPT)
        buf_free(&r->bytes);
}

static void put(char **at, const void *bytes, size_t n)
{
    memcpy(*at, bytes, n);
    *at += n;
}

static void put_text(char **at, const char *text)
{
    size_t n = text ? strnlen(text, RECORD_TEXT) : 0;
    uint16_t len = (uint16_t)n;

    put(at, &len, sizeof len);
    if (n)
        put(at, text, n);
}

/* The type letters of a kind are the characters behind its colons. */
static const char *next_type(const char *spec)
{
    const char *colon = strchr(spec, ':');

    return colon ? colon + 1 : NULL;
}

static size_t entry_size(enum record_kind kind, va_list ap)
{
    const char *p = kinds[kind].fields;
    const char *text;
    size_t n = 1;

    while ((p = next_type(p))) {
        if (*p == 's') {
            text = va_arg(ap, const char *);
            n += 2 + (text ? strnlen(text, RECORD_TEXT) : 0);
        } else if (*p == 'b') {
            (void)va_arg(ap, int);
            n += 1;
        } else if (*p == 'd') {
            (void)va_arg(ap, double);
            n += 8;
        } else {
            (void)va_arg(ap, int64_t);
            n += 8;
        }
    }
    return n;
}

static void put_entry(char *at, enum record_kind kind, va_list ap)
{
    const char *p = kinds[kind].fields;

    *at++ = (char)kind;
    while ((p = next_type(p))) {
        if (*p == 's') {
            put_text(&at, va_arg(ap, const char *));
        } else if (*p == 'b') {
            *at++ = va_arg(ap, int) ? 1 : 0;
        } else if (*p == 'd') {
            double d = va_arg(ap, double);

            put(&at, &d, sizeof d);
        } else {
            int64_t i = va_arg(ap, int64_t);

            put(&at, &i, sizeof i);
        }
    }
}

void record_add(struct record *r, enum record_kind kind, ...)
{
    va_list ap, again;
    size_t n, room;

    va_start(ap, kind);
    va_copy(again, ap);
    n = entry_size(kind, ap);
    va_end(ap);
    room = kind == RECORD_end ? 0 : END_ROOM;
    if (n + room > r->bytes.ceiling - r->bytes.len ||
        buf_reserve(&r->bytes, n)) {
        r->dropped++;
    } else {
        put_entry(r->bytes.data + r->bytes.len, kind, again);
        r->bytes.len += n;
    }
    va_end(again);
}

struct record_blob *record_seal(const struct record *r)
{
    struct record_blob *b = malloc(sizeof *b + r->bytes.len);

    if (!b)
        return NULL;
    b->next = NULL;
    b->len = r->bytes.len;
    b->dropped = r->dropped;
    if (b->len)
        memcpy(b->bytes, r->bytes.data, b->len);
    return b;
}

/* -- reading --------------------------------------------------------------- */

static unsigned parse_fields(enum record_kind kind, struct field *f)
{
    const char *p = kinds[kind].fields, *colon;
    unsigned n = 0;

    while (n < MAX_FIELDS && (colon = strchr(p, ':'))) {
        size_t len = (size_t)(colon - p);

        memcpy(f[n].name, p, len);
        f[n].name[len] = '\0';
        f[n].type = colon[1];
        n++;
        p = colon + 2;
        while (*p == ' ')
            p++;
    }
    return n;
}

static const char *get_value(const char *p, char type, struct value *v)
{
    uint16_t len;

    memset(v, 0, sizeof *v);
    if (type == 's') {
        memcpy(&len, p, sizeof len);
        v->s = p + sizeof len;
        v->len = len;
        return v->s + len;
    }
    if (type == 'b') {
        v->i = *p;
        return p + 1;
    }
    if (type == 'd')
        memcpy(&v->d, p, sizeof v->d);
    else
        memcpy(&v->i, p, sizeof v->i);
    return p + 8;
}

/* Parse the entry at ${p}: kind, fields and values; returns what follows. */
static const char *get_entry(const char *p, enum record_kind *kind,
                             struct field *f, struct value *v, unsigned *n)
{
    *kind = (enum record_kind)*p++;
    *n = parse_fields(*kind, f);
    for (unsigned i = 0; i < *n; i++)
        p = get_value(p, f[i].type, &v[i]);
    return p;
}

/* The values of the first entry of ${kind}; how many, 0 when there is none. */
static unsigned find_entry(const struct record_blob *b, enum record_kind want,
                           struct value *v)
{
    const char *p = b->bytes, *end = p + b->len;
    struct field f[MAX_FIELDS];
    enum record_kind kind;
    unsigned n;

    while (p < end) {
        p = get_entry(p, &kind, f, v, &n);
        if (kind == want)
            return n;
    }
    return 0;
}

static int add_value(struct buf *out, char type, const struct value *v)
{
    if (type == 's')
        return buf_add_json(out, v->s, v->len);
    if (type == 'b')
        return buf_adds(out, v->i ? "true" : "false");
    if (type == 'd')
        return buf_addf(out, "%.12g", v->d);
    return buf_addf(out, "%lld", (long long)v->i);
}

int record_json(const struct record_blob *b, struct buf *out)
{
    const char *p = b->bytes, *end = p + b->len;
    struct field f[MAX_FIELDS];
    struct value v[MAX_FIELDS];
    enum record_kind kind;
    bool first = true;
    unsigned n;
    int bad = buf_adds(out, "{\"v\":1,\"entries\":[");

    while (p < end) {
        p = get_entry(p, &kind, f, v, &n);
        bad |= buf_addf(out, "%s{\"kind\":\"%s\"", first ? "" : ",",
                        kinds[kind].name);
        first = false;
        for (unsigned i = 0; i < n; i++) {
            bad |= buf_addf(out, ",\"%s\":", f[i].name);
            bad |= add_value(out, f[i].type, &v[i]);
        }
        bad |= buf_addc(out, '}');
    }
    return bad | buf_addf(out, "],\"dropped\":%u}", b->dropped) ? -1 : 0;
}

void record_id(const struct record_blob *b, char *out, size_t size)
{
    struct value v[MAX_FIELDS];
    size_t n;

    out[0] = '\0';
    if (!find_entry(b, RECORD_begin, v))
        return;
    n = v[0].len < size - 1 ? v[0].len : size - 1;
    memcpy(out, v[0].s, n);
    out[n] = '\0';
}

static int add_text(struct buf *out, const char *name, const struct value *v)
{
    return buf_addf(out, ",\"%s\":", name) | buf_add_json(out, v->s, v->len);
}

static int add_ms(struct buf *out, const char *name, int64_t us)
{
    if (us < 0)
        return 0;
    return buf_addf(out, "%s\"%s\":%.3f",
                    out->data[out->len - 1] == '{' ? "" : ",", name,
                    (double)us / 1000.0);
}

static int add_count(struct buf *out, const char *name, int64_t n)
{
    if (n < 0)
        return 0;
    return buf_addf(out, "%s\"%s\":%lld",
                    out->data[out->len - 1] == '{' ? "" : ",", name,
                    (long long)n);
}

static int add_time(struct buf *out, int64_t wall_us)
{
    time_t t = (time_t)(wall_us / US_PER_S);
    char text[32];
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    return buf_addf(out, "{\"ts\":\"%s.%03dZ\"", text,
                    (int)(wall_us % US_PER_S / 1000));
}

/* Indices of the fields of the two entries, in the order of RECORDS. */
enum { B_ID, B_TS, B_CLIENT, B_OP, B_MODEL, B_STREAM, B_POLICY, B_REVISION,
       B_SEED, B_BYTES, B_TRACE };
enum { E_CODE, E_ERROR, E_END, E_ATTEMPTS, E_TARGET, E_RESP_MODEL, E_FALLBACK,
       E_RECV, E_POLICY, E_CONNECT, E_FIRST, E_TOTAL, E_OVERHEAD, E_IN, E_OUT,
       E_CACHE_READ, E_CACHE_WRITE, E_REASONING, E_USD, E_BYTES_IN, E_BYTES_OUT,
       E_IP, E_UA, E_FINISH };

static int line_head(struct buf *out, const struct value *b)
{
    int bad = add_time(out, b[B_TS].i);

    bad |= buf_adds(out, ",\"level\":\"info\",\"msg\":\"request\",\"v\":1");
    bad |= add_text(out, "id", &b[B_ID]);
    if (b[B_TRACE].len >= 35) {
        struct value trace = {.s = b[B_TRACE].s + 3, .len = 32};

        bad |= add_text(out, "trace", &trace);
    }
    bad |= add_text(out, "client", &b[B_CLIENT]);
    bad |= add_text(out, "op", &b[B_OP]);
    bad |= buf_addf(out, ",\"stream\":%s", b[B_STREAM].i ? "true" : "false");
    bad |= add_text(out, "model", &b[B_MODEL]);
    return bad;
}

static int line_outcome(struct buf *out, const struct value *b,
                        const struct value *e)
{
    int bad = add_text(out, "target", &e[E_TARGET]);

    bad |= add_text(out, "resp_model", &e[E_RESP_MODEL]);
    bad |= buf_addf(out, ",\"code\":%d", (int)e[E_CODE].i);
    bad |= add_text(out, "error_type", &e[E_ERROR]);
    bad |= add_text(out, "end", &e[E_END]);
    bad |= buf_addf(out, ",\"attempts\":%d", (int)e[E_ATTEMPTS].i);
    if (e[E_FALLBACK].len)
        bad |= add_text(out, "fallback", &e[E_FALLBACK]);
    bad |= buf_addf(out, ",\"policy\":\"%.*s@%.*s\"", (int)b[B_POLICY].len,
                    b[B_POLICY].s, (int)b[B_REVISION].len, b[B_REVISION].s);
    if (e[E_FINISH].len)
        bad |= add_text(out, "finish", &e[E_FINISH]);
    return bad;
}

static int line_numbers(struct buf *out, const struct value *e)
{
    int bad = buf_adds(out, ",\"t\":{");

    bad |= add_ms(out, "recv", e[E_RECV].i);
    bad |= add_ms(out, "policy", e[E_POLICY].i);
    bad |= add_ms(out, "connect", e[E_CONNECT].i);
    bad |= add_ms(out, "first", e[E_FIRST].i);
    bad |= add_ms(out, "total", e[E_TOTAL].i);
    bad |= add_ms(out, "overhead", e[E_OVERHEAD].i);
    bad |= buf_adds(out, "},\"tok\":{");
    bad |= add_count(out, "in", e[E_IN].i);
    bad |= add_count(out, "out", e[E_OUT].i);
    bad |= add_count(out, "cache_read", e[E_CACHE_READ].i);
    bad |= add_count(out, "cache_write", e[E_CACHE_WRITE].i);
    bad |= add_count(out, "reasoning", e[E_REASONING].i);
    bad |= buf_addc(out, '}');
    if (e[E_USD].d >= 0)
        bad |= buf_addf(out, ",\"usd\":%.9g", e[E_USD].d);
    bad |= buf_addf(out, ",\"bytes\":{\"in\":%lld,\"out\":%lld}",
                    (long long)e[E_BYTES_IN].i, (long long)e[E_BYTES_OUT].i);
    return bad;
}

int record_line(const struct record_blob *blob, struct buf *out)
{
    struct value b[MAX_FIELDS], e[MAX_FIELDS];
    int bad;

    if (!find_entry(blob, RECORD_begin, b) || !find_entry(blob, RECORD_end, e))
        return 0;
    bad = line_head(out, b);
    bad |= line_outcome(out, b, e);
    bad |= line_numbers(out, e);
    bad |= add_text(out, "ip", &e[E_IP]);
    bad |= add_text(out, "ua", &e[E_UA]);
    return bad | buf_adds(out, "}\n") ? -1 : 0;
}
