/* SPDX-License-Identifier: Apache-2.0
 *
 * answer_scan: JSON's grammar as inline functions that hand each member of an
 * object to a function of the caller. Only answer.c includes it: there the
 * compiler sees both sides, which is what makes it fast. Strict about
 * structure, tokens and escapes; does not look at UTF-8 (json_check does).
 *
 * All functions take the place of a token's first byte in ${s}->p, which is
 * inside the text, and leave it behind the token; false or -1 means broken.
 */
#ifndef LEME_ANSWER_SCAN_H
#define LEME_ANSWER_SCAN_H

#include "ceilings.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct reading;

struct scan {
    const char *p;          /* next byte */
    const char *end;
    unsigned depth;
    struct reading *to;     /* what the caller gathers */
};

/* A string between its quotes, still escaped; or a bare scalar. */
struct piece {
    const char *at;
    size_t len;
    bool escaped;
};

/* Consume the value of ${key}; p stands on its first byte. */
typedef bool member_fn(struct scan *s, struct piece key);
/* Consume one item of an array. */
typedef bool item_fn(struct scan *s);

static bool skip(struct scan *s);

static inline bool is(struct piece key, const char *name, size_t len)
{
    return key.len == len && !memcmp(key.at, name, len);
}
#define IS(key, name) is(key, name, sizeof name - 1)

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void blanks(struct scan *s)
{
    while (s->p < s->end && is_blank(*s->p))
        s->p++;
}

#define ONES 0x0101010101010101ull
#define HIGH 0x8080808080808080ull

/* Bytes that end a run of plain ones: a quote, a backslash, a control byte. The
 * lowest bit set is exact; those above it may be borrowed. */
static inline uint64_t special(uint64_t w)
{
    uint64_t quote = w ^ (ONES * '"'), slash = w ^ (ONES * '\\');

    return (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
            ((w - ONES * 0x20) & ~w)) & HIGH;
}

#ifdef __SSE2__
/* The same for 16 bytes at once; a bit a byte. */
static inline int special16(__m128i v)
{
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x20)), v);

    /* low is all ones where the byte is 0x20 or above. */
    return _mm_movemask_epi8(_mm_or_si128(quote, slash)) |
           (_mm_movemask_epi8(low) ^ 0xFFFF);
}
#endif

static inline void plain(struct scan *s)
{
    uint64_t w, hit;

#ifdef __SSE2__
    while (s->end - s->p >= 16) {
        int at = special16(_mm_loadu_si128((const __m128i *)(const void *)s->p));

        if (at) {
            s->p += __builtin_ctz((unsigned)at);
            return;
        }
        s->p += 16;
    }
#endif
    while (s->end - s->p >= 8) {
        memcpy(&w, s->p, 8);
        hit = special(le64toh(w));
        if (hit) {
            s->p += __builtin_ctzll(hit) >> 3;
            return;
        }
        s->p += 8;
    }
    while (s->p < s->end && *s->p != '"' && *s->p != '\\' &&
           (unsigned char)*s->p >= 0x20)
        s->p++;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool escape(struct scan *s)
{
    if (s->end - s->p < 2)
        return false;
    if (s->p[1] != 'u') {
        if (!s->p[1] || !strchr("\"\\/bfnrt", s->p[1]))
            return false;
        s->p += 2;
        return true;
    }
    if (s->end - s->p < 6)
        return false;
    for (int i = 2; i < 6; i++)
        if (!is_hex(s->p[i]))
            return false;
    s->p += 6;
    return true;
}

static inline bool string(struct scan *s, struct piece *out)
{
    out->at = ++s->p;
    out->escaped = false;
    for (;;) {
        plain(s);
        if (s->p == s->end)
            return false;
        if (*s->p == '"')
            break;
        if (*s->p != '\\' || !escape(s))
            return false;
        out->escaped = true;
    }
    out->len = (size_t)(s->p++ - out->at);
    return true;
}

static bool digits(struct scan *s)
{
    const char *from = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > from;
}

static bool number(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p | 32) == 'e') {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return digits(s);
    }
    return true;
}

static bool word(struct scan *s, const char *text, size_t len)
{
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, text, len))
        return false;
    s->p += len;
    return true;
}

/* After a value: 1 another follows, 0 this was the last, -1 broken. */
static inline int more(struct scan *s, char close)
{
    blanks(s);
    if (s->p == s->end)
        return -1;
    if (*s->p == close) {
        s->p++;
        s->depth--;
        return 0;
    }
    if (*s->p++ != ',')
        return -1;
    blanks(s);
    return s->p < s->end ? 1 : -1;
}

/* Step into the array or object at p: as more() says. */
static inline int enter(struct scan *s, char close)
{
    s->p++;
    if (++s->depth > CEIL_JSON_DEPTH)
        return -1;
    blanks(s);
    if (s->p == s->end)
        return -1;
    if (*s->p != close)
        return 1;
    s->p++;
    s->depth--;
    return 0;
}

static inline bool members(struct scan *s, member_fn *member)
{
    struct piece key;
    int left = enter(s, '}');

    while (left > 0) {
        if (*s->p != '"' || !string(s, &key))
            return false;
        blanks(s);
        if (s->p == s->end || *s->p++ != ':')
            return false;
        blanks(s);
        if (s->p == s->end || !member(s, key))
            return false;
        left = more(s, '}');
    }
    return left == 0;
}

static inline bool items(struct scan *s, item_fn *item)
{
    int left = enter(s, ']');

    while (left > 0) {
        if (!item(s))
            return false;
        left = more(s, ']');
    }
    return left == 0;
}

static bool skip_member(struct scan *s, struct piece key)
{
    (void)key;
    return skip(s);
}

/* Any one value; p stands on its first byte. */
static bool skip(struct scan *s)
{
    struct piece ignored;

    switch (*s->p) {
    case '"':
        return string(s, &ignored);
    case '{':
        return members(s, skip_member);
    case '[':
        return items(s, skip);
    case 't':
        return word(s, "true", 4);
    case 'f':
        return word(s, "false", 5);
    case 'n':
        return word(s, "null", 4);
    default:
        return number(s);
    }
}

#endif
