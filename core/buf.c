/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t ceiling)
{
    memset(b, 0, sizeof *b);
    b->ceiling = ceiling;
}

void buf_free(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = b->size = 0;
}

int buf_reserve(struct buf *b, size_t n)
{
    size_t want, size;
    char *data;

    if (n > b->ceiling || b->len > b->ceiling - n)
        return -1;
    want = b->len + n;
    if (want <= b->size)
        return 0;
    size = b->size ? b->size : 256;
    while (size < want)
        size *= 2;
    if (size > b->ceiling)
        size = b->ceiling;
    data = realloc(b->data, size);
    if (!data)
        return -1;
    b->data = data;
    b->size = size;
    return 0;
}

int buf_add_grown(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return 0;
    if (buf_reserve(b, n))
        return -1;
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
    return 0;
}

int buf_addi(struct buf *b, int64_t n)
{
    char text[20], *at = text + sizeof text;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (n < 0)
        *--at = '-';
    return buf_add(b, at, (size_t)(text + sizeof text - at));
}

/* Most texts fit into what is free: then one pass is enough. */
int buf_addf(struct buf *b, const char *format, ...)
{
    size_t free = b->size - b->len;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(free ? b->data + b->len : NULL, free, format, ap);
    va_end(ap);
    if (n < 0)
        return -1;
    if ((size_t)n >= free) {
        if (buf_reserve(b, (size_t)n + 1))
            return -1;
        va_start(ap, format);
        vsnprintf(b->data + b->len, (size_t)n + 1, format, ap);
        va_end(ap);
    }
    b->len += (size_t)n;
    return 0;
}

/* Length of the well-formed UTF-8 sequence at s, 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    size_t need, i;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    need = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (n < need)
        return 0;
    for (i = 1; i < need; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return need;
}

static int add_escaped(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        return buf_adds(b, "\\\"");
    case '\\':
        return buf_adds(b, "\\\\");
    case '\n':
        return buf_adds(b, "\\n");
    case '\r':
        return buf_adds(b, "\\r");
    case '\t':
        return buf_adds(b, "\\t");
    default:
        return buf_addf(b, "\\u%04x", c);
    }
}

/* Bytes of ${s} that stand for themselves in a JSON string, eight at a time as
 * long as that goes. */
static size_t plain_run(const unsigned char *s, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, high = ones << 7;
    uint64_t w, quote, slash, del;
    size_t i = 0;

    for (; n - i >= 8; i += 8) {
        memcpy(&w, s + i, 8);
        quote = w ^ ones * '"';
        slash = w ^ ones * '\\';
        del = w ^ ones * 0x7F;
        if ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones) |
             (del - ones)) & high)
            break;
    }
    while (i < n && s[i] >= 0x20 && s[i] < 0x7F && s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

int buf_add_json(struct buf *b, const char *bytes, size_t n)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t i = 0, from = 0, len;
    int bad = buf_addc(b, '"');

    for (;;) {
        i += plain_run(s + i, n - i);
        if (i == n || bad)
            break;
        len = utf8_length(s + i, n - i);
        if (len > 1) {
            i += len;
            continue;
        }
        bad |= buf_add(b, bytes + from, i - from);
        bad |= len ? add_escaped(b, s[i]) : buf_adds(b, "\xEF\xBF\xBD");
        from = ++i;
    }
    bad |= buf_add(b, bytes + from, i - from);
    return buf_addc(b, '"') | bad ? -1 : 0;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}
