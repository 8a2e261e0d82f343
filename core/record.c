/* SPDX-License-Identifier: Apache-2.0
 *
 * An entry on the wire: kind (1 byte), then each field: i and d 8 bytes, b one
 * byte, s two bytes of length and the bytes.
 */
#include "record.h"

#include "ceilings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_ROOM (4 * KIB)      /* kept free for the end entry */
#define USUAL (1 * KIB)         /* what most requests need */
#define KEPT (8 * KIB)          /* a buffer kept between requests */
#define MAX_FIELDS 25
#define FIXED_BYTES (1 + MAX_FIELDS * 8)    /* of an entry, but for its texts */

/* Of each kind a letter a field, and the fields' names, a blank behind each. */
static const char *const types[] = {
#define I(name) "i"
#define D(name) "d"
#define B(name) "b"
#define S(name) "s"
#define X(kind, fields) fields,
    RECORDS(X)
#undef I
#undef D
#undef B
#undef S
};

static const struct {
    const char *name;
    const char *fields;
} kinds[] = {
#define I(name) #name " "
#define D(name) #name " "
#define B(name) #name " "
#define S(name) #name " "
#undef X
#define X(kind, fields) {#kind, fields},
    RECORDS(X)
#undef X
#undef I
#undef D
#undef B
#undef S
};

_Static_assert(sizeof types / sizeof *types == RECORD_KINDS, "types");
_Static_assert(sizeof kinds / sizeof *kinds == RECORD_KINDS, "kinds");

struct field {
    char name[16];
    char type;
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

/* Room for ${n} bytes of text and all of an entry that is not text. */
static bool room(struct buf *b, size_t n, size_t limit)
{
    n += FIXED_BYTES;
    if (b->len + n > limit)
        return false;
    return b->len + n <= b->size || !buf_reserve(b, b->size ? n : USUAL);
}

/* ${p} is where the next field comes; the length of ${b} follows at the end. */
static char *add_text(struct buf *b, char *p, const char *text, size_t limit)
{
    size_t n = text && *text ? strnlen(text, RECORD_TEXT) : 0;
    uint16_t len = (uint16_t)n;

    if (n) {
        b->len = (size_t)(p - b->data);
        if (!room(b, n, limit))
            return NULL;
        p = b->data + b->len;
        memcpy(p + sizeof len, text, n);
    }
    memcpy(p, &len, sizeof len);
    return p + sizeof len + n;
}

static bool add_fields(struct buf *b, const char *type, va_list ap, size_t limit)
{
    char *p = b->data + b->len;

    for (; *type; type++) {
        if (*type == 's') {
            p = add_text(b, p, va_arg(ap, const char *), limit);
            if (!p)
                return false;
        } else if (*type == 'b') {
            *p++ = va_arg(ap, int) ? 1 : 0;
        } else if (*type == 'd') {
            double d = va_arg(ap, double);

            memcpy(p, &d, 8);
            p += 8;
        } else {
            int64_t i = va_arg(ap, int64_t);

            memcpy(p, &i, 8);
            p += 8;
        }
    }
    b->len = (size_t)(p - b->data);
    return true;
}

/* In one pass: room for all that is not text is made before, for a text when it
 * comes; an entry that does not fit is taken back. The end entry may use what
 * the others leave free. */
void record_add(struct record *r, enum record_kind kind, ...)
{
    struct buf *b = &r->bytes;
    size_t limit = b->ceiling - (kind == RECORD_end ? 0 : END_ROOM);
    size_t before = b->len;
    bool fits = room(b, 0, limit);
    va_list ap;

    if (fits) {
        b->data[b->len++] = (char)kind;
        va_start(ap, kind);
        fits = add_fields(b, types[kind], ap, limit);
        va_end(ap);
    }
    if (!fits) {
        b->len = before;
        r->dropped++;
    }
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
    const char *p = kinds[kind].fields, *blank;
    unsigned n = 0;

    for (; n < MAX_FIELDS && (blank = strchr(p, ' ')); n++, p = blank + 1) {
        memcpy(f[n].name, p, (size_t)(blank - p));
        f[n].name[blank - p] = '\0';
        f[n].type = types[kind][n];
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

static const char *skip_values(const char *p, const char *type)
{
    uint16_t len;

    for (; *type; type++) {
        if (*type == 's') {
            memcpy(&len, p, sizeof len);
            p += sizeof len + len;
        } else {
            p += *type == 'b' ? 1 : 8;
        }
    }
    return p;
}

/* The values of the first entry of ${want}; how many, 0 when there is none. */
static unsigned find_entry(const struct record_blob *b, enum record_kind want,
                           struct value *v)
{
    const char *p = b->bytes, *end = p + b->len, *type;
    unsigned n = 0;

    while (p < end && (unsigned char)*p != want)
        p = skip_values(p + 1, types[(unsigned char)*p]);
    if (p == end)
        return 0;
    p++;
    for (type = types[want]; *type; type++)
        p = get_value(p, *type, &v[n++]);
    return n;
}

static int add_value(struct buf *out, char type, const struct value *v)
{
    if (type == 's')
        return buf_add_json(out, v->s, v->len);
    if (type == 'b')
        return buf_adds(out, v->i ? "true" : "false");
    /* JSON has no word for what is not a finite number. */
    if (type == 'd')
        return isfinite(v->d) ? buf_addf(out, "%.12g", v->d)
                              : buf_adds(out, "null");
    return buf_addi(out, v->i);
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

/* A literal, whose length the compiler knows. */
#define SAY(out, text) buf_add(out, text, sizeof text - 1)
#define SAY_TEXT(out, name, v) \
    (SAY(out, ",\"" name "\":") | buf_add_json(out, (v)->s, (v)->len))
#define SAY_NUMBER(out, name, n) (SAY(out, ",\"" name "\":") | buf_addi(out, n))
/* Members of an object that may leave any of them out: each with a comma behind
 * it, until close_object. */
#define SAY_MS(out, name, us) \
    ((us) < 0 ? 0 : SAY(out, "\"" name "\":") | add_ms(out, us) | buf_addc(out, ','))
#define SAY_COUNT(out, name, n) \
    ((n) < 0 ? 0 : SAY(out, "\"" name "\":") | buf_addi(out, n) | buf_addc(out, ','))

static int close_object(struct buf *out)
{
    if (out->len && out->data[out->len - 1] == ',')
        out->len--;
    return buf_addc(out, '}');
}

/* A point and three digits. */
static int add_fraction(struct buf *out, int64_t thousandths)
{
    int n = (int)thousandths;
    const char text[] = {'.', (char)('0' + n / 100), (char)('0' + n / 10 % 10),
                         (char)('0' + n % 10)};

    return buf_add(out, text, sizeof text);
}

static int add_ms(struct buf *out, int64_t us)
{
    return buf_addi(out, us / 1000) | add_fraction(out, us % 1000);
}

/* Lines of the same second share its text. */
static int add_time(struct buf *out, int64_t wall_us)
{
    static _Thread_local char text[32];
    static _Thread_local time_t second = -1;
    time_t t = (time_t)(wall_us / US_PER_S);
    struct tm tm;

    if (t != second) {
        gmtime_r(&t, &tm);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
        second = t;
    }
    return SAY(out, "{\"ts\":\"") | buf_adds(out, text) |
           add_fraction(out, wall_us % US_PER_S / 1000) | SAY(out, "Z\"");
}

/* Indices of the fields of the two entries, in the order of RECORDS. */
enum { B_ID, B_TS, B_CLIENT, B_OP, B_MODEL, B_STREAM, B_POLICY, B_REVISION,
       B_SEED, B_BYTES, B_TRACE };
enum { E_CODE, E_ERROR, E_END, E_ATTEMPTS, E_TARGET, E_RESP_MODEL, E_FALLBACK,
       E_RECV, E_POLICY, E_CONNECT, E_FIRST, E_TOTAL, E_OVERHEAD, E_IN, E_OUT,
       E_CACHE_READ, E_CACHE_WRITE, E_REASONING, E_USD, E_BYTES_IN, E_BYTES_OUT,
       E_IP, E_UA, E_FINISH, E_KEY };

static int line_head(struct buf *out, const struct value *b)
{
    int bad = add_time(out, b[B_TS].i);

    bad |= SAY(out, ",\"level\":\"info\",\"msg\":\"request\",\"v\":1");
    bad |= SAY_TEXT(out, "id", &b[B_ID]);
    if (b[B_TRACE].len >= 35) {
        struct value trace = {.s = b[B_TRACE].s + 3, .len = 32};

        bad |= SAY_TEXT(out, "trace", &trace);
    }
    bad |= SAY_TEXT(out, "client", &b[B_CLIENT]);
    bad |= SAY_TEXT(out, "op", &b[B_OP]);
    bad |= b[B_STREAM].i ? SAY(out, ",\"stream\":true")
                         : SAY(out, ",\"stream\":false");
    return bad | SAY_TEXT(out, "model", &b[B_MODEL]);
}

/* Names of policies need no escaping; a request refused before has none. */
static int line_policy(struct buf *out, const struct value *b)
{
    int bad = SAY(out, ",\"policy\":\"");

    if (b[B_POLICY].len)
        bad |= buf_add(out, b[B_POLICY].s, b[B_POLICY].len) |
               buf_addc(out, '@') |
               buf_add(out, b[B_REVISION].s, b[B_REVISION].len);
    return bad | buf_addc(out, '"');
}

static int line_outcome(struct buf *out, const struct value *b,
                        const struct value *e)
{
    int bad = SAY_TEXT(out, "target", &e[E_TARGET]);

    if (e[E_KEY].len)
        bad |= SAY_TEXT(out, "key", &e[E_KEY]);
    bad |= SAY_TEXT(out, "resp_model", &e[E_RESP_MODEL]);
    bad |= SAY_NUMBER(out, "code", e[E_CODE].i);
    bad |= SAY_TEXT(out, "error_type", &e[E_ERROR]);
    bad |= SAY_TEXT(out, "end", &e[E_END]);
    bad |= SAY_NUMBER(out, "attempts", e[E_ATTEMPTS].i);
    if (e[E_FALLBACK].len)
        bad |= SAY_TEXT(out, "fallback", &e[E_FALLBACK]);
    bad |= line_policy(out, b);
    if (e[E_FINISH].len)
        bad |= SAY_TEXT(out, "finish", &e[E_FINISH]);
    return bad;
}

static int line_times(struct buf *out, const struct value *e)
{
    return SAY(out, ",\"t\":{") | SAY_MS(out, "recv", e[E_RECV].i) |
           SAY_MS(out, "policy", e[E_POLICY].i) |
           SAY_MS(out, "connect", e[E_CONNECT].i) |
           SAY_MS(out, "first", e[E_FIRST].i) |
           SAY_MS(out, "total", e[E_TOTAL].i) |
           SAY_MS(out, "overhead", e[E_OVERHEAD].i) | close_object(out);
}

static int line_amounts(struct buf *out, const struct value *e)
{
    int bad = SAY(out, ",\"tok\":{") | SAY_COUNT(out, "in", e[E_IN].i) |
              SAY_COUNT(out, "out", e[E_OUT].i) |
              SAY_COUNT(out, "cache_read", e[E_CACHE_READ].i) |
              SAY_COUNT(out, "cache_write", e[E_CACHE_WRITE].i) |
              SAY_COUNT(out, "reasoning", e[E_REASONING].i) | close_object(out);

    if (e[E_USD].d >= 0 && isfinite(e[E_USD].d))
        bad |= buf_addf(out, ",\"usd\":%.9g", e[E_USD].d);
    return bad | SAY(out, ",\"bytes\":{") |
           SAY_COUNT(out, "in", e[E_BYTES_IN].i) |
           SAY_COUNT(out, "out", e[E_BYTES_OUT].i) | close_object(out);
}

int record_line(const struct record_blob *blob, struct buf *out)
{
    struct value b[MAX_FIELDS], e[MAX_FIELDS];
    int bad;

    if (!find_entry(blob, RECORD_begin, b) || !find_entry(blob, RECORD_end, e))
        return 0;
    bad = line_head(out, b);
    bad |= line_outcome(out, b, e);
    bad |= line_times(out, e);
    bad |= line_amounts(out, e);
    bad |= SAY_TEXT(out, "ip", &e[E_IP]);
    bad |= SAY_TEXT(out, "ua", &e[E_UA]);
    return bad | SAY(out, "}\n") ? -1 : 0;
}

bool record_matches(const struct record_blob *blob, const char *field,
                    const char *want, size_t len)
{
    static const struct {
        const char *name;
        enum record_kind kind;
        unsigned at;
    } fields[] = {{"client", RECORD_begin, B_CLIENT},
                  {"model", RECORD_begin, B_MODEL},
                  {"target", RECORD_end, E_TARGET},
                  {"error_type", RECORD_end, E_ERROR}};
    struct value v[MAX_FIELDS];

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].name, field) == 0)
            return find_entry(blob, fields[i].kind, v) &&
                   v[fields[i].at].len == len &&
                   memcmp(v[fields[i].at].s, want, len) == 0;
    return false;
}

bool record_reaches(const struct record_blob *blob, us_t since, us_t least)
{
    struct value b[MAX_FIELDS], e[MAX_FIELDS];

    return find_entry(blob, RECORD_begin, b) && find_entry(blob, RECORD_end, e) &&
           b[B_TS].i >= since && e[E_TOTAL].i >= least;
}
