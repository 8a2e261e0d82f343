/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX 65536
#define LINE_MAX_BYTES 1024

void answer_reset(struct answer *a)
{
    a->phase = ANSWER_HEAD;
    a->line.len = a->body.len = 0;
    a->left = 0;
    a->status = 0;
    a->stream = a->closes = false;
}

void answer_free(struct answer *a)
{
    free(a->line.data);
    free(a->body.data);
    a->line.data = a->body.data = NULL;
}

static bool field_has(const char *head, size_t n, const char *name,
                      const char *word)
{
    size_t len;
    const char *value = wire_field(head, n, name, &len);

    for (size_t i = 0, w = strlen(word); value && i + w <= len; i++)
        if (strncasecmp(value + i, word, w) == 0)
            return true;
    return false;
}

static bool read_head(struct answer *a, const char *s, size_t n)
{
    size_t len;
    const char *length = wire_field(s, n, "Content-Length", &len);

    if (n < 16 || memcmp(s, "HTTP/1.", 7) != 0)
        return false;
    a->status = (int)wire_decimal(s + 9, 3);
    if (a->status < 100)
        return false;
    if (a->status < 200)
        return true;        /* an interim answer: the next head follows */
    a->stream = field_has(s, n, "Content-Type", "text/event-stream");
    a->closes = field_has(s, n, "Connection", "close");
    if (field_has(s, n, "Transfer-Encoding", "chunked")) {
        a->phase = ANSWER_SIZE;
    } else if (length) {
        a->left = wire_decimal(length, len);
        a->phase = a->left ? ANSWER_LENGTH : ANSWER_DONE;
    } else if (a->status == 204 || a->status == 304) {
        a->phase = ANSWER_DONE;
    } else {
        a->phase = ANSWER_UNTIL_CLOSE;
        a->closes = true;
    }
    return true;
}

/* Heads nearly always arrive in one piece and are then not copied. */
static size_t feed_head(struct answer *a, const char *s, size_t n, bool *good)
{
    size_t before = a->line.len, end;

    if (!before) {
        end = wire_head(s, n);
        if (end) {
            *good = read_head(a, s, end);
            return end;
        }
    }
    wire_add(&a->line, s, n);
    end = wire_head(a->line.data, a->line.len);
    if (!end) {
        *good = a->line.len <= HEAD_MAX;
        return n;
    }
    *good = read_head(a, a->line.data, end);
    a->line.len = 0;
    return end - before;
}

static void end_line(struct answer *a)
{
    size_t size;

    if (a->phase == ANSWER_TRAILER) {
        if (a->line.len == 1 || (a->line.len == 2 && a->line.data[0] == '\r'))
            a->phase = ANSWER_DONE;
        return;
    }
    a->line.data[a->line.len - 1] = 0;
    size = strtoul(a->line.data, NULL, 16);
    a->phase = size ? ANSWER_CHUNK : ANSWER_TRAILER;
    a->left = size ? size + 2 : 0;
}

static size_t feed_line(struct answer *a, const char *s, size_t n, bool *good)
{
    const char *stop = memchr(s, '\n', n);
    size_t take = stop ? (size_t)(stop - s) + 1 : n;

    wire_add(&a->line, s, take);
    *good = a->line.len <= LINE_MAX_BYTES;
    if (stop && *good) {
        end_line(a);
        a->line.len = 0;
    }
    return take;
}

/* Only what stands before the CRLF belongs to the body. */
static size_t feed_chunk(struct answer *a, const char *s, size_t n)
{
    size_t take = n < a->left ? n : a->left;
    size_t data = a->left > 2 ? a->left - 2 : 0;

    wire_add(&a->body, s, take < data ? take : data);
    a->left -= take;
    if (!a->left)
        a->phase = ANSWER_SIZE;
    return take;
}

static size_t feed_length(struct answer *a, const char *s, size_t n)
{
    size_t take = n < a->left ? n : a->left;

    wire_add(&a->body, s, take);
    a->left -= take;
    if (!a->left)
        a->phase = ANSWER_DONE;
    return take;
}

bool answer_feed(struct answer *a, const char *s, size_t n)
{
    bool good = true;

    while (n && good) {
        size_t taken = n;
        switch (a->phase) {
        case ANSWER_HEAD:
            taken = feed_head(a, s, n, &good);
            break;
        case ANSWER_LENGTH:
            taken = feed_length(a, s, n);
            break;
        case ANSWER_SIZE:
        case ANSWER_TRAILER:
            taken = feed_line(a, s, n, &good);
            break;
        case ANSWER_CHUNK:
            taken = feed_chunk(a, s, n);
            break;
        case ANSWER_UNTIL_CLOSE:
            wire_add(&a->body, s, n);
            break;
        case ANSWER_DONE:
            return false;
        }
        s += taken;
        n -= taken;
    }
    return good;
}

bool answer_closed(struct answer *a)
{
    if (a->phase != ANSWER_UNTIL_CLOSE)
        return false;
    a->phase = ANSWER_DONE;
    return true;
}
