/* SPDX-License-Identifier: Apache-2.0
 *
 * However an event stream is cut, the events are the same, and they are those
 * that a plain reading of the standard, line by line, finds. Input: one byte
 * that seeds the cuts, one for the ceiling, then the stream.
 */
#include "../../core/sse.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(struct buf *out, const char *name, size_t name_len,
                 const char *data, size_t data_len, const char *id,
                 size_t id_len)
{
    buf_addf(out, "%zu %zu %zu ", name_len, data_len, id_len);
    buf_add(out, name, name_len);
    buf_add(out, data, data_len);
    buf_add(out, id, id_len);
}

static size_t piece(unsigned *seed, size_t left)
{
    size_t n;

    if (*seed == 0)
        return left;
    *seed = *seed * 1103515245u + 12345u;
    n = *seed >> 16 & 1 ? 1 : (*seed >> 17) % 29 + 1;
    return n < left ? n : left;
}

/* The events of the reader under test; false: an event was too long. */
static bool read_events(struct buf *out, const char *b, size_t n, size_t ceiling,
                        unsigned seed)
{
    enum sse_result got = SSE_MORE;
    struct sse_event e;
    size_t from = 0, to = 0;
    struct sse s;
    char *copy;

    sse_init(&s, ceiling);
    while (got != SSE_TOO_LONG && (to < n || got == SSE_EVENT)) {
        if (got == SSE_MORE)
            to += piece(&seed, n - to);
        copy = malloc(to - from + 1);
        memcpy(copy, b + from, to - from);
        got = sse_next(&s, copy, to - from, &e);
        if (got == SSE_EVENT) {
            assert(e.raw == copy && e.raw_len > 0 && e.raw_len <= to - from);
            assert(e.retry >= -1);
            if (e.has_data)
                show(out, e.name, e.name_len, e.data, e.data_len, e.id,
                     e.id_len);
            from += e.raw_len;
        }
        free(copy);
    }
    if (got == SSE_MORE && sse_rest(&s, b + from, n - from, &e) == SSE_EVENT)
        assert(e.has_data && e.raw_len == n - from);
    sse_free(&s);
    return got != SSE_TOO_LONG;
}

struct plain {
    struct buf data, name, id;
};

static void plain_line(struct plain *p, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    size_t name = colon ? (size_t)(colon - line) : n;
    size_t at = colon ? name + 1 : n;

    if (at < n && line[at] == ' ')
        at++;
    if (name == 4 && memcmp(line, "data", 4) == 0) {
        buf_add(&p->data, line + at, n - at);
        buf_addc(&p->data, '\n');
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        p->name.len = 0;
        buf_add(&p->name, line + at, n - at);
    } else if (name == 2 && memcmp(line, "id", 2) == 0 &&
               !memchr(line + at, '\0', n - at)) {
        p->id.len = 0;
        buf_add(&p->id, line + at, n - at);
    }
}

static void plain_events(struct buf *out, const char *b, size_t n)
{
    struct plain p;
    size_t i, line = 0;

    buf_init(&p.data, SIZE_MAX / 4);
    buf_init(&p.name, SIZE_MAX / 4);
    buf_init(&p.id, SIZE_MAX / 4);
    if (n >= 3 && memcmp(b, "\xEF\xBB\xBF", 3) == 0)
        line = 3;
    for (i = line; i < n; i++) {
        if (b[i] != '\r' && b[i] != '\n')
            continue;
        if (i > line) {
            plain_line(&p, b + line, i - line);
        } else {
            if (p.data.len)
                show(out, p.name.data, p.name.len, p.data.data, p.data.len - 1,
                     p.id.data, p.id.len);
            p.data.len = p.name.len = 0;
        }
        if (b[i] == '\r' && i + 1 < n && b[i + 1] == '\n')
            i++;
        line = i + 1;
    }
    buf_free(&p.data);
    buf_free(&p.name);
    buf_free(&p.id);
}

static void check_same(const struct buf *a, const struct buf *b)
{
    assert(a->len == b->len);
    assert(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut, plain;
    const char *b = (const char *)data + 2;
    size_t ceiling;
    bool fits;

    if (size < 3)
        return 0;
    size -= 2;
    ceiling = data[1] & 1 ? data[1] / 2 + 3u : size + 1;
    buf_init(&whole, SIZE_MAX / 4);
    buf_init(&cut, SIZE_MAX / 4);
    buf_init(&plain, SIZE_MAX / 4);
    fits = read_events(&whole, b, size, ceiling, 0);
    assert(fits == read_events(&cut, b, size, ceiling, data[0] + 1u));
    check_same(&whole, &cut);
    if (fits) {
        plain_events(&plain, b, size);
        check_same(&whole, &plain);
    } else {
        assert(ceiling < size);
    }
    buf_free(&whole);
    buf_free(&cut);
    buf_free(&plain);
    return 0;
}
