/* SPDX-License-Identifier: Apache-2.0
 *
 * http1_syntax: which bytes may stand where in a request. Internal to http1:
 * nobody else includes it.
 */
#ifndef LEME_HTTP1_SYNTAX_H
#define LEME_HTTP1_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Classes of bytes, one bit each. */
enum {
    HTTP1_TOKEN = 1,    /* field names, chunk extensions */
    HTTP1_LINE = 2,     /* field values: blanks, printable, obs-text */
    HTTP1_METHOD = 4,   /* upper case, '-', '_' */
    HTTP1_REQUEST = 8,  /* request line: printable ASCII and space */
    HTTP1_PATH = 16,    /* pchar and '/', without '%' */
    HTTP1_QUERY = 32,   /* what browsers leave unescaped, without '%' */
    HTTP1_NAME = 64,    /* of a host: a name or an IPv4 address */
    HTTP1_DIGIT = 128
};

extern const uint8_t http1_syntax_class[256];

static inline bool http1_syntax_is(char c, unsigned class)
{
    return http1_syntax_class[(unsigned char)c] & class;
}

/** The first place in [from, to) that is not of ${class}; or ${to}. */
static inline size_t http1_syntax_skip(const char *bytes, size_t from,
                                       size_t to, unsigned class)
{
    while (from < to && http1_syntax_is(bytes[from], class))
        from++;
    return from;
}

/** The value of a hexadecimal digit, or -1. */
int http1_syntax_hex(char c);

/** Is ${text}, of ${n} bytes and any case, the lower-case ${word}? */
bool http1_syntax_same(const char *text, size_t n, const char *word);

/**
 * Where bytes of ${class} (HTTP1_PATH, HTTP1_QUERY) and good escapes end, or 0
 * at a bad escape: not two digits, a NUL, or in a path one that hides a dot, a
 * slash or a control byte.
 */
size_t http1_syntax_escaped(const char *bytes, size_t from, size_t to,
                            unsigned class);

/**
 * Does the path [from, to), which starts with '/', have an empty segment (other
 * than the last), "." or ".."?
 */
bool http1_syntax_odd_path(const char *bytes, size_t from, size_t to);

/**
 * uri-host [":" port], narrower than the RFC: not empty, no escapes, no
 * sub-delims, no port above 65535.
 */
bool http1_syntax_host(const char *bytes, size_t n);

/** Do two good hosts mean the same under http? */
bool http1_syntax_same_host(const char *a, size_t an, const char *b,
                            size_t bn);

#endif
