/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_syntax.h"

#include "http1.h"

#include <string.h>

#define T HTTP1_TOKEN
#define L HTTP1_LINE
#define A (HTTP1_LINE | HTTP1_REQUEST)
#define P (A | HTTP1_PATH | HTTP1_QUERY)
#define Q (A | HTTP1_QUERY)
#define LOW (P | T | HTTP1_NAME)
#define UPP (LOW | HTTP1_METHOD)
#define NUM (LOW | HTTP1_DIGIT)

/* clang-format off */
const uint8_t http1_syntax_class[256] = {
    ['\t'] = L, [' '] = A,
    ['!'] = P | T, ['"'] = A, ['#'] = A | T, ['$'] = P | T, ['%'] = A | T,
    ['&'] = P | T, ['\''] = P | T, ['('] = P, [')'] = P, ['*'] = P | T,
    ['+'] = P | T, [','] = P, ['-'] = UPP, ['.'] = LOW, ['/'] = P,
    ['0' ... '9'] = NUM,
    [':'] = P, [';'] = P, ['<'] = A, ['='] = P, ['>'] = A, ['?'] = Q,
    ['@'] = P,
    ['A' ... 'Z'] = UPP,
    ['['] = Q, ['\\'] = Q, [']'] = Q, ['^'] = Q | T, ['_'] = UPP,
    ['`'] = Q | T,
    ['a' ... 'z'] = LOW,
    ['{'] = Q, ['|'] = Q | T, ['}'] = Q, ['~'] = LOW,
    [0x80 ... 0xFF] = L
};
/* clang-format on */

int http1_syntax_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool http1_syntax_same(const char *text, size_t n, const char *word)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (lower(text[i]) != word[i] || word[i] == '\0')
            return false;
    return word[n] == '\0';
}

/* A byte after '%' in a path that changes what the path means. An escaped slash
 * does not: paths are compared as they stand, and SDKs send names with slashes
 * so. */
static bool disguised(int byte)
{
    return byte < 0x20 || byte == 0x7F || byte == '.' || byte == '\\';
}

size_t http1_syntax_escaped(const char *b, size_t from, size_t to,
                            unsigned class)
{
    int high, low;

    for (;;) {
        from = http1_syntax_skip(b, from, to, class);
        if (from == to || b[from] != '%')
            return from;
        if (to - from < 3)
            return 0;
        high = http1_syntax_hex(b[from + 1]);
        low = http1_syntax_hex(b[from + 2]);
        if (high < 0 || low < 0 || high + low == 0)
            return 0;
        if (class == HTTP1_PATH && disguised(high * 16 + low))
            return 0;
        from += 3;
    }
}

bool http1_syntax_odd_path(const char *b, size_t from, size_t to)
{
    size_t i, start = from + 1, n;

    for (i = from + 1; i <= to; i++) {
        if (i < to && b[i] != '/')
            continue;
        n = i - start;
        if ((n == 0 && i < to) || (n == 1 && b[start] == '.') ||
            (n == 2 && b[start] == '.' && b[start + 1] == '.'))
            return true;
        start = i + 1;
    }
    return false;
}

/* "[...]": hex digits, colons and, of an embedded IPv4 address, dots. Where it
 * ends, or 0. */
static size_t skip_ipv6(const char *b, size_t to)
{
    size_t i, colons = 0;

    for (i = 1; i < to && b[i] != ']'; i++) {
        colons += b[i] == ':';
        if (http1_syntax_hex(b[i]) < 0 && b[i] != ':' && b[i] != '.')
            return 0;
    }
    return i < to && colons >= 2 && colons <= 7 ? i + 1 : 0;
}

bool http1_syntax_host(const char *b, size_t n)
{
    size_t at;
    unsigned port = 0;

    if (n == 0)
        return false;
    at = b[0] == '[' ? skip_ipv6(b, n)
                     : http1_syntax_skip(b, 0, n, HTTP1_NAME);
    if (at == 0)
        return false;
    if (at == n)
        return true;
    if (b[at++] != ':')
        return false;
    for (; at < n && http1_syntax_is(b[at], HTTP1_DIGIT) && port <= 65535; at++)
        port = port * 10 + (unsigned)(b[at] - '0');
    return at == n && port <= 65535;
}

/* Length of a host without the port that http has anyway. */
static size_t without_port_80(const char *b, size_t n)
{
    if (n > 3 && memcmp(b + n - 3, ":80", 3) == 0)
        return n - 3;
    return n > 1 && b[n - 1] == ':' ? n - 1 : n;
}

bool http1_syntax_same_host(const char *a, size_t an, const char *b, size_t bn)
{
    size_t i, n = without_port_80(a, an);

    if (n != without_port_80(b, bn))
        return false;
    for (i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool http1_decode(const char *from, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)from[i];

        if (c == '%') {
            if (i + 2 >= len || http1_syntax_hex(from[i + 1]) < 0 ||
                http1_syntax_hex(from[i + 2]) < 0)
                return false;
            c = http1_syntax_hex(from[i + 1]) << 4 | http1_syntax_hex(from[i + 2]);
            i += 2;
        }
        if (c < 0x20 || n + 1 >= size)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}
