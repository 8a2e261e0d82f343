/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict reader: one pass, no recursion, no allocation. Strings are nearly
 * all of a prompt, so they are read 16 bytes at a time. json_open reads the root
 * itself, to note its members on the way.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "json_impl.h"

const char *json_fail(struct json_scan *s, const char *at, const char *message)
{
    s->at = at;
    s->message = message;
    return NULL;
}

size_t json_utf8(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = (size_t)(end - text), need, i;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    need = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (left < need)
        return 0;
    for (i = 1; i < need; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F))
        return 0;   /* written too long, or a surrogate */
    if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;   /* written too long, or beyond U+10FFFF */
    return need;
}

/* Sequences of three bytes in a row, the bulk of CJK text; stops at the first
   that is anything else or needs a closer look. */
static const char *three_byte_run(const char *text, const char *end)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t left = (size_t)(end - text);

    for (; left >= 3; p += 3, left -= 3)
        if (p[0] <= 0xE0 || p[0] > 0xEF || p[0] == 0xED ||
            (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
            break;
    return (const char *)p;
}

static const char *utf8_run(struct json_scan *s, const char *p)
{
    size_t n;

    for (;;) {
        p = three_byte_run(p, s->end);
        if (p == s->end || (unsigned char)*p < 0x80)
            return p;
        n = json_utf8(p, s->end);
        if (n == 0)
            return json_fail(s, p, "invalid UTF-8");
        p += n;
    }
}

/* The first byte that is not ASCII, at most ${end}. */
static const char *ascii_run(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16)
        if (_mm_movemask_epi8(_mm_loadu_si128((const void *)p)))
            break;
#endif
    while (p < end && (unsigned char)*p < 0x80)
        p++;
    return p;
}

bool json_is_utf8(const char *text, size_t len)
{
    struct json_scan s = {.end = text + len};
    const char *p = ascii_run(text, s.end);

    while (p && p < s.end) {
        p = utf8_run(&s, p);
        if (p)
            p = ascii_run(p, s.end);
    }
    return p;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static const char *scan_escape(struct json_scan *s, const char *p)
{
    s->escaped = true;
    if (s->end - p < 2)
        return json_fail(s, p, "unclosed string");
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r':
    case 't':
        return p + 2;
    case 'u':
        if (s->end - p >= 6 && is_hex(p[2]) && is_hex(p[3]) && is_hex(p[4]) &&
            is_hex(p[5]))
            return p + 6;
        break;
    default:
        break;
    }
    return json_fail(s, p, "invalid escape");
}

/* p is behind the opening quote. */
static const char *scan_string(struct json_scan *s, const char *p)
{
    while (p) {
        p = json_ascii_run(p, s->end);
        if (p == s->end)
            return json_fail(s, p, "unclosed string");
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p = scan_escape(s, p);
        else if ((unsigned char)*p >= 0x80)
            p = utf8_run(s, p);
        else
            p = json_fail(s, p, "control character in a string");
    }
    return NULL;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

const char *json_scan_number(const char *p, const char *end)
{
    const char *from;

    if (p < end && *p == '-')
        p++;
    from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        return NULL;
    if (p < end && *p == '.') {
        from = ++p;
        p = digits(p, end);
        if (p == from)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = digits(p, end);
        if (p == from)
            return NULL;
    }
    return p;
}

static const char *scan_word(struct json_scan *s, const char *p,
                             const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - p) < n || memcmp(p, word, n) != 0)
        return json_fail(s, p, "value expected");
    return p + n;
}

static const char *scan_scalar(struct json_scan *s, const char *p)
{
    const char *behind;

    switch (*p) {
    case '"':
        return scan_string(s, p + 1);
    case 't':
        return scan_word(s, p, "true");
    case 'f':
        return scan_word(s, p, "false");
    case 'n':
        return scan_word(s, p, "null");
    case '-': case '0': case '1': case '2': case '3': case '4': case '5':
    case '6': case '7': case '8': case '9':
        behind = json_scan_number(p, s->end);
        return behind ? behind : json_fail(s, p, "invalid number");
    default:
        return json_fail(s, p, "value expected");
    }
}

const char *json_scan_key(struct json_scan *s, const char *p)
{
    if (p == s->end || *p != '"')
        return json_fail(s, p, "key expected");
    p = scan_string(s, p + 1);
    if (!p)
        return NULL;
    s->key_end = p - 1;
    p = json_blank(p, s->end);
    if (p == s->end || *p != ':')
        return json_fail(s, p, "':' expected");
    return json_blank(p + 1, s->end);
}

/* Behind a value inside containers: closes what closes here and steps over the
   comma, to the next value. With no container open any more, stays there. */
static const char *scan_on(struct json_scan *s, const char *p,
                           const char *closers, unsigned *level)
{
    while (*level) {
        p = json_blank(p, s->end);
        if (p == s->end)
            return json_fail(s, p, "',' or end of container expected");
        if (*p == ',') {
            p = json_blank(p + 1, s->end);
            return closers[*level - 1] == '}' ? json_scan_key(s, p) : p;
        }
        if (*p != closers[*level - 1])
            return json_fail(s, p, "',' or end of container expected");
        p++;
        --*level;
    }
    return p;
}

const char *json_scan_value(struct json_scan *s, const char *p, unsigned depth)
{
    char closers[JSON_LEVELS];
    unsigned level = 0;

    if (depth > JSON_LEVELS)
        depth = JSON_LEVELS;
    do {
        if (p == s->end)
            return json_fail(s, p, "value expected");
        if (*p == '{' || *p == '[') {
            if (level == depth)
                return json_fail(s, p, "nested too deep");
            closers[level++] = *p == '{' ? '}' : ']';
            p = json_blank(p + 1, s->end);
            if (p == s->end || *p != closers[level - 1]) {
                if (closers[level - 1] == '}')
                    p = json_scan_key(s, p);
                continue;
            }
            p++;
            level--;
        } else {
            p = scan_scalar(s, p);
        }
        if (p)
            p = scan_on(s, p, closers, &level);
    } while (p && level);
    return p;
}

const char *json_scan_end(struct json_scan *s, const char *p)
{
    p = json_blank(p, s->end);
    return p == s->end ? p : json_fail(s, p, "text behind the value");
}

int json_check(const char *text, size_t len, unsigned depth,
               struct json_fault *fault)
{
    struct json_scan s = { 0 };
    const char *p;

    if (!text)
        text = "";
    s.end = text + len;
    p = json_scan_value(&s, json_blank(text, s.end), depth);
    if (p)
        p = json_scan_end(&s, p);
    if (p)
        return 0;
    fault->at = (size_t)(s.at - text);
    fault->message = s.message;
    return -1;
}

bool json_check_inside(const char *text, size_t len)
{
    struct json_scan s = { .end = text + len + 1 };

    return text[len] == '"' && scan_string(&s, text) == s.end;
}

/* Opening: the root */

/* One member of the root, from its key to behind its value. */
static const char *scan_member(struct json_doc *doc, struct json_scan *s,
                               const char *p)
{
    const char *key = p, *value;
    struct json_top top;
    struct json_view v;

    s->escaped = false;
    value = json_scan_key(s, key);
    if (!value)
        return NULL;
    top.escaped = s->escaped;
    top.key_at = (uint32_t)(key + 1 - doc->text);
    top.key_len = (uint32_t)(s->key_end - key - 1);
    p = json_scan_value(s, value, doc->depth - 1);
    if (!p)
        return NULL;
    v.at = value;
    v.len = (size_t)(p - value);
    top.at = (uint32_t)(value - doc->text);
    top.len = (uint32_t)v.len;
    top.kind = (uint8_t)json_view_kind(v);
    if (json_add_member(doc, &top))
        return json_fail(s, key, "too many members");
    return p;
}

static const char *scan_root(struct json_doc *doc, struct json_scan *s)
{
    const char *p = json_blank(doc->text, s->end);

    if (p == s->end || *p != '{')
        return json_fail(s, p, "object expected");
    if (doc->depth == 0)
        return json_fail(s, p, "nested too deep");
    p = json_blank(p + 1, s->end);
    if (p < s->end && *p == '}')
        return p + 1;
    for (;;) {
        p = scan_member(doc, s, p);
        if (!p)
            return NULL;
        p = json_blank(p, s->end);
        if (p < s->end && *p == '}')
            return p + 1;
        if (p == s->end || *p != ',')
            return json_fail(s, p, "',' or '}' expected");
        p = json_blank(p + 1, s->end);
    }
}

/* Two keys of the root, once escapes are decoded. */
static bool same_key(const struct json_doc *doc, json_node a, json_node b)
{
    struct json_info x = json_look(doc, a), y = json_look(doc, b);
    const char *p = doc->text + x.key_at, *q = doc->text + y.key_at;
    const char *p_end = p + x.key_len, *q_end = q + y.key_len;
    char c[4], d[4];

    if (!((x.flags | y.flags) & NODE_ESCAPED))
        return x.key_len == y.key_len && memcmp(p, q, x.key_len) == 0;
    while (p < p_end && q < q_end) {
        size_t n = json_char(&p, p_end, c);

        if (json_char(&q, q_end, d) != n || memcmp(c, d, n) != 0)
            return false;
    }
    return p == p_end && q == q_end;
}

/* A polynomial over the decoded bytes, modulo the prime 2^31 - 1: for a point
   the sender cannot know, no choice of keys makes many of them collide. */
static uint64_t hash_on(uint64_t hash, uint64_t point, const char *p, size_t n)
{
    for (; n > 0; n--, p++)
        hash = (hash * point + (unsigned char)*p + 1) % 0x7FFFFFFF;
    return hash;
}

static uint32_t key_hash(const struct json_doc *doc, json_node n,
                         uint64_t point)
{
    struct json_info info = json_look(doc, n);
    const char *p = doc->text + info.key_at, *end = p + info.key_len;
    uint64_t hash = 0;
    size_t len;
    char c[4];

    if (!(info.flags & NODE_ESCAPED))
        return (uint32_t)hash_on(0, point, p, info.key_len);
    while (p < end) {
        len = json_char(&p, end, c);
        hash = hash_on(hash, point, c, len);
    }
    return (uint32_t)hash;
}

/* The first member whose key stood before it already, by a table of members;
   JSON_NONE when there is none. */
static json_node hashed_duplicate(const struct json_doc *doc, uint32_t *table,
                                  uint32_t mask)
{
    /* Where memory lies differs from process to process. */
    uint64_t point = (uint64_t)(uintptr_t)table * 0x9E3779B97F4A7C15u;
    json_node n, last = JSON_ROOT + doc->root_count;
    uint32_t at;

    point = (point >> 33) | 0x10000;
    for (n = JSON_ROOT + 1; n <= last; n++) {
        at = key_hash(doc, n, point) * 0x9E3779B1u >> 7 & mask;
        for (; table[at]; at = (at + 1) & mask)
            if (same_key(doc, table[at], n))
                return n;
        table[at] = n;
    }
    return JSON_NONE;
}

/* Two members of the root noted in the document itself. */
static bool same_top(const struct json_doc *doc, uint32_t a, uint32_t b)
{
    const struct json_top *x = &doc->top[a], *y = &doc->top[b];

    if (x->escaped || y->escaped)
        return same_key(doc, JSON_ROOT + 1 + a, JSON_ROOT + 1 + b);
    return x->key_len == y->key_len &&
           !memcmp(doc->text + x->key_at, doc->text + y->key_at, x->key_len);
}

static const char *check_keys(const struct json_doc *doc, struct json_scan *s)
{
    json_node bad = JSON_NONE;
    uint32_t size = 64, *table;

    if (doc->root_count <= JSON_TOPS) {
        for (uint32_t i = 1; i < doc->root_count && !bad; i++)
            for (uint32_t j = 0; j < i && !bad; j++)
                if (same_top(doc, j, i))
                    bad = JSON_ROOT + 1 + i;
    } else {
        while (size < doc->root_count * 2)
            size *= 2;
        table = calloc(size, sizeof *table);
        if (!table)
            return json_fail(s, s->end, "out of memory");
        bad = hashed_duplicate(doc, table, size - 1);
        free(table);
    }
    if (bad)
        return json_fail(s, doc->text + json_look(doc, bad).key_at - 1,
                         "duplicate key");
    return s->end;
}

int json_open(struct json_doc *doc, const char *text, size_t len,
              unsigned depth, size_t max_edits, struct json_fault *fault)
{
    struct json_scan s = { 0 };
    const char *p;

    doc->text = text ? text : "";
    doc->len = len;
    doc->state = NULL;
    doc->max_edits = max_edits < UINT32_MAX ? max_edits : UINT32_MAX;
    doc->depth = depth < JSON_LEVELS ? depth : JSON_LEVELS;
    doc->root_count = 0;
    s.end = doc->text + len;
    p = len < UINT32_MAX ? scan_root(doc, &s)
                         : json_fail(&s, doc->text, "text too long");
    if (p)
        p = json_scan_end(&s, p);
    if (p)
        p = check_keys(doc, &s);
    if (p)
        return 0;
    json_close(doc);
    fault->at = (size_t)(s.at - doc->text);
    fault->message = s.message;
    return -1;
}
