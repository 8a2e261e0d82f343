/* SPDX-License-Identifier: Apache-2.0
 *
 * buf: a growing byte buffer with a ceiling. Pure; everybody may call it.
 */
#ifndef LEME_BUF_H
#define LEME_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * Zero is a valid empty buffer with no ceiling set: call buf_init first.
 * ${data} is owned, not NUL-terminated, NULL while nothing was added.
 */
struct buf {
    char *data;
    size_t len;
    size_t size;
    size_t ceiling;
};

/** An empty buffer that never grows above ${ceiling} bytes. */
void buf_init(struct buf *, size_t ceiling);
/** Release the memory; the buffer is empty and usable again. */
void buf_free(struct buf *);
/** Room for ${n} more bytes at data + len. 0, or -1: ceiling or memory. */
int buf_reserve(struct buf *, size_t n);
/** buf_add when there is no room yet. */
int buf_add_grown(struct buf *, const void *bytes, size_t n);

/** Append. 0, or -1 with nothing added. */
static inline int buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n >= b->size - b->len)
        return buf_add_grown(b, bytes, n);
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
    return 0;
}

static inline int buf_adds(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

static inline int buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

/** Append ${n} in decimal. */
int buf_addi(struct buf *, int64_t n);
int buf_addf(struct buf *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Append as a JSON string with its quotes; bad UTF-8 becomes U+FFFD. */
int buf_add_json(struct buf *, const char *bytes, size_t n);
/** Copy ${n} bytes of text, or what fits of them, and a NUL. */
static inline void text_copy(char *to, size_t size, const char *text, size_t n)
{
    if (n >= size)
        n = size - 1;
    memcpy(to, text, n);
    to[n] = '\0';
}
/** Drop ${n} bytes from the front. */
void buf_drop(struct buf *, size_t n);

#endif
