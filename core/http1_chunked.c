/* SPDX-License-Identifier: Apache-2.0 */
#include "http1.h"

#include "http1_syntax.h"

#include <string.h>

/* 16 digits hold 64 bits; more are refused, leading zeros included. */
#define SIZE_DIGITS 16

/* What the next byte is. */
enum {
    SIZE,               /* a digit, or what follows them */
    EXT_NAME_FIRST,
    EXT_NAME,
    EXT_VALUE_FIRST,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,        /* behind a backslash */
    EXT_END,            /* behind the closing quote */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE
};

static enum http1_result bad(struct http1_fault *fault, int status,
                             const char *message)
{
    fault->status = status;
    fault->message = message;
    return HTTP1_BAD;
}

/* The state behind the byte ${b} of a chunk extension, or -1. */
static int after_extension(int state, char b)
{
    bool token = http1_syntax_is(b, HTTP1_TOKEN);

    switch (state) {
    case EXT_NAME_FIRST:
        return token ? EXT_NAME : -1;
    case EXT_VALUE_FIRST:
        return b == '"' ? EXT_QUOTED : token ? EXT_VALUE : -1;
    case EXT_QUOTED:
        if (b == '"')
            return EXT_END;
        if (b == '\\')
            return EXT_ESCAPED;
        return http1_syntax_is(b, HTTP1_LINE) ? EXT_QUOTED : -1;
    case EXT_ESCAPED:
        return http1_syntax_is(b, HTTP1_LINE) ? EXT_QUOTED : -1;
    default:
        break;
    }
    if (b == ';')
        return EXT_NAME_FIRST;
    if (b == '\r')
        return SIZE_LF;
    if (b == '=' && state == EXT_NAME)
        return EXT_VALUE_FIRST;
    return token && state != EXT_END ? state : -1;
}

/* The state behind the byte ${b} of the trailers, or -1. */
static int after_trailer(int state, char b)
{
    switch (state) {
    case TRAILER_FIRST:
        if (b == '\r')
            return LAST_LF;
        return http1_syntax_is(b, HTTP1_TOKEN) ? TRAILER_NAME : -1;
    case TRAILER_NAME:
        if (b == ':')
            return TRAILER_VALUE;
        return http1_syntax_is(b, HTTP1_TOKEN) ? TRAILER_NAME : -1;
    case TRAILER_VALUE:
        if (b == '\r')
            return TRAILER_LF;
        return http1_syntax_is(b, HTTP1_LINE) ? TRAILER_VALUE : -1;
    case TRAILER_LF:
        return b == '\n' ? TRAILER_FIRST : -1;
    default:
        return b == '\n' ? DONE : -1;
    }
}

/* The state behind a blank in a size line where one may stand, or -1. */
static int after_blank(int state)
{
    switch (state) {
    case SIZE:
    case EXT_VALUE:
        return EXT_END;
    case EXT_QUOTED:
    case EXT_ESCAPED:
        return EXT_QUOTED;
    default:
        return state < SIZE_LF ? state : -1;
    }
}

/* A byte of the size line before its LF. */
static enum http1_result size_byte(struct http1_chunked *c, char b,
                                   struct http1_fault *fault)
{
    int digit = http1_syntax_hex(b);

    c->line++;
    if (c->state != SIZE || (c->blanks && c->line > 1 && (b == ' ' || b == '\t'))) {
        c->state = c->blanks && (b == ' ' || b == '\t')
                       ? after_blank(c->state) : after_extension(c->state, b);
        if (c->state < 0)
            return bad(fault, 400, "a chunk extension is not well formed");
        if (c->line > CEIL_CHUNK_EXT)
            return bad(fault, 400, "a chunk extension is too long");
        return HTTP1_MORE;
    }
    if (digit >= 0 && c->line <= SIZE_DIGITS) {
        c->left = c->left << 4 | (unsigned)digit;
        return HTTP1_MORE;
    }
    if (c->line == 1 || (b != ';' && b != '\r'))
        return bad(fault, 400, "a chunk size is not a short hex number");
    c->state = b == ';' ? EXT_NAME_FIRST : SIZE_LF;
    return HTTP1_MORE;
}

static enum http1_result start_chunk(struct http1_chunked *c, char b,
                                     uint64_t max_body,
                                     struct http1_fault *fault)
{
    if (b != '\n')
        return bad(fault, 400, "a chunk size does not end in CRLF");
    if (c->left > max_body - c->total)
        return bad(fault, 413, "the body is too long");
    c->state = c->left ? DATA : TRAILER_FIRST;
    c->line = 0;
    return HTTP1_MORE;
}

/* One byte of anything but data. */
static enum http1_result framing(struct http1_chunked *c, char b,
                                 uint64_t max_body, struct http1_fault *fault)
{
    if (c->state < SIZE_LF)
        return size_byte(c, b, fault);
    if (c->state == SIZE_LF)
        return start_chunk(c, b, max_body, fault);
    if (c->state < TRAILER_FIRST) {
        if (b != (c->state == DATA_CR ? '\r' : '\n'))
            return bad(fault, 400, "a chunk does not end in CRLF");
        c->state = c->state == DATA_CR ? DATA_LF : SIZE;
        return HTTP1_MORE;
    }
    c->state = after_trailer(c->state, b);
    if (c->state < 0)
        return bad(fault, 400, "a trailer field is not well formed");
    if (++c->trailer > CEIL_TRAILER_BYTES)
        return bad(fault, 431, "the trailers are too long");
    return c->state == DONE ? HTTP1_DONE : HTTP1_MORE;
}

enum http1_result http1_chunked(struct http1_chunked *c, char *bytes,
                                size_t len, uint64_t max_body, size_t *used,
                                size_t *decoded, struct http1_fault *fault)
{
    enum http1_result got = HTTP1_MORE;
    size_t at = 0, out = 0, n;

    while (got == HTTP1_MORE && at < len) {
        if (c->state != DATA) {
            got = framing(c, bytes[at++], max_body, fault);
            continue;
        }
        n = c->left < len - at ? (size_t)c->left : len - at;
        memmove(bytes + out, bytes + at, n);
        at += n;
        out += n;
        c->total += n;
        c->left -= n;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    *used = at;
    *decoded = out;
    return got;
}
