/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/http1.h"

#include "test.h"

#include <stdlib.h>

#define MAX_HEAD CEIL_HEAD_BYTES
#define MAX_BODY 1000u

static struct http1_head head;
static struct http1_scan scan;
static struct http1_fault fault;

/* Feed ${n} bytes in pieces of ${piece}; the verdict. */
static enum http1_result feed(const char *bytes, size_t n, size_t piece)
{
    enum http1_result got = HTTP1_MORE;
    size_t len = 0;

    memset(&scan, 0, sizeof scan);
    memset(&head, 0xA5, sizeof head);
    fault.status = 0;
    while (got == HTTP1_MORE && len < n) {
        len = n - len < piece ? n : len + piece;
        got = http1_head(bytes, len, MAX_HEAD, MAX_BODY, &scan, &head, &fault);
    }
    return got;
}

static bool span_is(const char *bytes, struct http1_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(bytes + s.at, text, s.len) == 0;
}

#define H "Host: h\r\n"
#define LINE(target) "GET " target " HTTP/1.1\r\n" H "\r\n"
#define FIELD(line) "GET / HTTP/1.1\r\n" H line "\r\n\r\n"
#define POST(line) "POST / HTTP/1.1\r\n" H line "\r\n\r\n"
#define HOST(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"

/* status 0: accepted; -1: more is wanted. */
static const struct row {
    int line;
    int status;
    const char *bytes;
    size_t len;
} rows[] = {
#define ROW(status, bytes) {__LINE__, status, bytes, sizeof bytes - 1}
    ROW(0, LINE("/")),
    ROW(0, LINE("/v1/models?a[]=1&b={x}|y")),
    ROW(0, LINE("/v1/models/gpt%20x:y@z;p,q!$&'()*+=~")),
    ROW(0, LINE("/v1/")),
    ROW(0, LINE("/v1/...")),
    ROW(0, LINE("/v1?p=/../%2e%2f")),
    ROW(0, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n" LINE("/")),
    ROW(0, "GET http://h/x HTTP/1.1\r\n" H "\r\n"),
    ROW(0, "GET HTTP://H:80/x HTTP/1.1\r\n" H "\r\n"),
    ROW(0, "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    ROW(0, "M-SEARCH / HTTP/1.1\r\n" H "\r\n"),
    ROW(0, "GET / HTTP/1.0\r\n\r\n"),
    ROW(0, HOST("[::1]:8080")),
    ROW(0, HOST("a-b_c.d~e:65535")),
    ROW(0, HOST("h:")),
    ROW(0, HOST("\th\t ")),
    ROW(0, FIELD("X: \xFF\xFE\t.")),
    ROW(0, FIELD("X:")),
    ROW(0, FIELD("Content_Length: x")),
    ROW(0, FIELD("Expect: banana")),
    ROW(0, FIELD("Content-Length: 1000")),
    ROW(0, POST("Content-Length: \t0057\t")),
    ROW(0, POST("transfer-ENCODING: Chunked")),
    ROW(0, POST("Content-Length: 0")),

    /* Not the start of a request: refused at once. */
    ROW(400, "\x16"), ROW(400, " "), ROW(400, "\t"), ROW(400, "\n"),
    ROW(400, "g"), ROW(400, "*"), ROW(400, "1"), ROW(400, "GET\t"),
    ROW(400, "GEt"), ROW(400, "GET\r"), ROW(400, "\r "), ROW(400, "G\0"),
    ROW(400, "GET /\t"), ROW(400, "GET /\x80"), ROW(400, "GET /\x7F"),
    ROW(400, "GET / HTTP/1.1\n"), ROW(400, "GET / HTTP/1.1\rX"),
    ROW(400, "GET /\r\n"), ROW(400, "GET / \r\n"),
    ROW(400, "GET / HTTP/1.1 \r\n"), ROW(400, "GET  / HTTP/1.1\r\n"),
    ROW(400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"),
    ROW(501, "AAAAAAAAAAAAAAAAAAAAAAAAA"),
    ROW(505, "PRI * HTTP/2.0\r\n"),
    ROW(505, "GET / HTTP/0.9\r\n"), ROW(505, "GET / HTTP/1.2\r\n"),
    ROW(400, "GET / HTTP/1.\r\n"), ROW(400, "GET / HTTP/01.1\r\n"),
    ROW(400, "GET / HTTP/1.10\r\n"), ROW(400, "GET / http/1.1\r\n"),

    /* Targets. */
    ROW(400, LINE("x")), ROW(400, LINE("*")), ROW(400, LINE("h:80")),
    ROW(400, "OPTIONS */x HTTP/1.1\r\n"),
    ROW(400, "CONNECT h:80 HTTP/1.1\r\n"),
    ROW(400, LINE("https://h/")), ROW(400, LINE("ftp://h/")),
    ROW(400, LINE("http://h")), ROW(400, LINE("http:///")),
    ROW(400, LINE("http://other/")), ROW(400, LINE("http://u@h/")),
    ROW(400, LINE("http://h:81/")), ROW(400, LINE("http://h?x/")),
    ROW(400, LINE("//")), ROW(400, LINE("/a//b")), ROW(400, LINE("/a//")),
    ROW(400, LINE("/.")), ROW(400, LINE("/..")), ROW(400, LINE("/a/./b")),
    ROW(400, LINE("/a/../b")), ROW(400, LINE("/%2e%2e/")),
    ROW(0, LINE("/v1/models/a%2Fb")), ROW(400, LINE("/a%5cb")),
    ROW(400, LINE("/a%00")), ROW(400, LINE("/a%0d")), ROW(400, LINE("/a%7f")),
    ROW(400, LINE("/%")), ROW(400, LINE("/%1")), ROW(400, LINE("/%g1")),
    ROW(400, LINE("/%1g")), ROW(400, LINE("/?%")), ROW(400, LINE("/?%00")),
    ROW(400, LINE("/#f")), ROW(400, LINE("/?a#f")), ROW(400, LINE("/a\\b")),
    ROW(400, LINE("/a\"b")), ROW(400, LINE("/?a<b")),

    /* Host. */
    ROW(400, "GET / HTTP/1.1\r\n\r\n"), ROW(400, FIELD("host: h")),
    ROW(400, HOST("")), ROW(400, HOST("a b")), ROW(400, HOST("a,b")),
    ROW(400, HOST("u@h")), ROW(400, HOST("h/")), ROW(400, HOST("h:99999")),
    ROW(400, HOST("h:-1")), ROW(400, HOST("h:1:2")), ROW(400, HOST(":80")),
    ROW(400, HOST("h:18446744073709551696")),
    ROW(400, HOST("[::1")), ROW(400, HOST("[]")), ROW(400, HOST("[::g]")),
    ROW(400, HOST("[::1]x")), ROW(400, HOST("h\xFF")), ROW(400, HOST("h%41")),
    ROW(400, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    ROW(400, "GET / HTTP/1.0\r\n" H H "\r\n"),

    /* Fields. */
    ROW(400, FIELD("A : b")), ROW(400, FIELD("A\t: b")), ROW(400, FIELD("A")),
    ROW(400, FIELD(": b")), ROW(400, FIELD("A b: c")), ROW(400, FIELD("A@: b")),
    ROW(400, FIELD("A\xFF: b")), ROW(400, FIELD("A: b\r\n c")),
    ROW(400, FIELD("A: b\r\n\tc")), ROW(400, FIELD("A: b\0c")),
    ROW(400, FIELD("A: b\rc")), ROW(400, FIELD("A: b\nc")),
    ROW(400, FIELD("A: b\x1B[")), ROW(400, FIELD("A: b\x7F")),
    ROW(400, "GET / HTTP/1.1\r\n A: b\r\n"),
    ROW(400, FIELD("Authorization: a\r\nauthorization: a")),
    ROW(400, FIELD("X-Api-Key: a\r\nx-api-key: b")),

    /* Lengths. */
    ROW(411, "POST / HTTP/1.1\r\n" H "\r\n"),
    ROW(411, "PUT / HTTP/1.0\r\n\r\n"),
    ROW(411, "PATCH / HTTP/1.1\r\n" H "\r\n"),
    ROW(413, POST("Content-Length: 1001")),
    ROW(413, POST("Content-Length: 18446744073709551616")),
    ROW(413, POST("Content-Length: 99999999999999999999999999999")),
    ROW(400, POST("Content-Length:")), ROW(400, POST("Content-Length: +5")),
    ROW(400, POST("Content-Length: -5")), ROW(400, POST("Content-Length: 5,5")),
    ROW(400, POST("Content-Length: 0x5")), ROW(400, POST("Content-Length: 5 5")),
    ROW(400, POST("Content-Length: 5.0")),
    ROW(400, POST("Content-Length: 5\r\nContent-Length: 5")),
    ROW(400, POST("Content-Length: 5\r\nTransfer-Encoding: chunked")),
    ROW(400, POST("Transfer-Encoding: chunked\r\nContent-Length: 5")),
    ROW(400, POST("Transfer-Encoding:")),
    ROW(400, POST("Transfer-Encoding: identity")),
    ROW(400, POST("Transfer-Encoding: gzip, chunked")),
    ROW(400, POST("Transfer-Encoding: chunked, chunked")),
    ROW(400, POST("Transfer-Encoding: xchunked")),
    ROW(400, POST("Transfer-Encoding: chunkedx")),
    ROW(400, POST("Transfer-Encoding: chunked;q=1")),
    ROW(400, POST("Transfer-Encoding: \xA0" "chunked")),
    ROW(400, POST("Transfer-Encoding: chunked\r\n"
                  "Transfer-Encoding: chunked")),
    ROW(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),

    ROW(-1, "G"), ROW(-1, "\r"), ROW(-1, "\r\n\r\n"), ROW(-1, "GET "),
    ROW(-1, "GET / HTTP/1.1\r"), ROW(-1, "GET / HTTP/1.1\r\nHost"),
    ROW(-1, "GET / HTTP/1.1\r\n" H "\r"),
#undef ROW
};

static int verdict(const struct row *r, size_t piece)
{
    /* A copy of exact size: a sanitizer sees a byte read too many. */
    char *copy = malloc(r->len);
    enum http1_result got;

    memcpy(copy, r->bytes, r->len);
    got = feed(copy, r->len, piece);
    free(copy);
    return got == HTTP1_DONE ? 0 : got == HTTP1_MORE ? -1 : fault.status;
}

static void heads_get_the_same_verdict_however_they_are_cut(void)
{
    size_t i, piece;

    for (i = 0; i < sizeof rows / sizeof *rows; i++)
        for (piece = 1; piece <= 70; piece = piece < 8 ? piece + 1 : piece * 3)
            CHECK_ROW(rows[i].line, verdict(&rows[i], piece) == rows[i].status);
}

static void a_refusal_says_why(void)
{
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        fault.message = NULL;
        if (verdict(&rows[i], 4096) > 0)
            CHECK_ROW(rows[i].line, fault.message && *fault.message);
    }
}

static void a_head_is_taken_apart(void)
{
    static const char b[] = "\r\nPOST http://h:80/v1/x?y=1 HTTP/1.1\r\n"
                            "Host: h\r\nContent-Length: 12\r\nX-A:  b c \t\r\n"
                            "x-a: second\r\nExpect: 100-Continue\r\n\r\nbody";
    const struct http1_field *f;
    size_t piece;

    for (piece = 1; piece <= sizeof b; piece += 5) {
        CHECK(feed(b, sizeof b - 1, piece) == HTTP1_DONE);
        CHECK(head.method == HTTP1_POST && head.minor == 1);
        CHECK(span_is(b, head.target, "/v1/x?y=1"));
        CHECK(span_is(b, head.path, "/v1/x"));
        CHECK(head.has_length && head.content_length == 12 && !head.chunked);
        CHECK(head.keep_alive && head.expect_continue);
        CHECK(head.bytes == sizeof b - 1 - 4 && head.nfields == 5);
        f = http1_find(b, &head, "x-a");
        CHECK(f && span_is(b, f->name, "X-A") && span_is(b, f->value, "b c"));
        CHECK(http1_count(b, &head, "x-a") == 2);
        CHECK(!http1_find(b, &head, "x-") && !http1_count(b, &head, "x-ab"));
    }
}

static void methods_are_told_apart(void)
{
    static const struct {
        const char *name;
        enum http1_method method;
    } m[] = {{"GET", HTTP1_GET},       {"HEAD", HTTP1_HEAD},
             {"POST", HTTP1_POST},     {"PUT", HTTP1_PUT},
             {"PATCH", HTTP1_PATCH},   {"DELETE", HTTP1_DELETE},
             {"OPTIONS", HTTP1_OPTIONS}, {"TRACE", HTTP1_OTHER},
             {"GE", HTTP1_OTHER},      {"GETS", HTTP1_OTHER}};
    char b[100];
    size_t i;
    int n;

    for (i = 0; i < sizeof m / sizeof *m; i++) {
        n = snprintf(b, sizeof b,
                     "%s / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
                     m[i].name);
        CHECK(feed(b, (size_t)n, 1000) == HTTP1_DONE);
        CHECK(head.method == m[i].method);
    }
}

static void keep_alive_follows_version_and_connection(void)
{
    static const struct {
        int line;
        int minor;
        const char *fields;
        bool keep;
    } k[] = {
        {__LINE__, 1, "", true},
        {__LINE__, 0, "", false},
        {__LINE__, 0, "Connection: Keep-Alive\r\n", true},
        {__LINE__, 1, "Connection: a ,\tCLOSE\r\n", false},
        {__LINE__, 1, "Connection: closed, not-close\r\n", true},
        {__LINE__, 0, "Connection: keep-alive\r\nconnection: close\r\n", false},
        {__LINE__, 1, "Connection: ,,\r\n", true},
    };
    char b[200];
    size_t i;
    int n;

    for (i = 0; i < sizeof k / sizeof *k; i++) {
        n = snprintf(b, sizeof b, "GET / HTTP/1.%d\r\n" H "%s\r\n", k[i].minor,
                     k[i].fields);
        CHECK_ROW(k[i].line, feed(b, (size_t)n, 1000) == HTTP1_DONE);
        CHECK_ROW(k[i].line, head.keep_alive == k[i].keep);
    }
}

static void http_1_0_is_never_sent_100_continue(void)
{
    static const char b[] = "POST / HTTP/1.0\r\nContent-Length: 1\r\n"
                            "Expect: 100-continue\r\n\r\n";

    CHECK(feed(b, sizeof b - 1, 1000) == HTTP1_DONE && !head.expect_continue);
}

/* ${before}, ${n} times ${c}, ${after}: the verdict, whole and cut. */
static int long_verdict(const char *before, size_t n, const char *after)
{
    size_t a = strlen(before), len = a + n + strlen(after);
    struct row r = {0, 0, NULL, len};
    char *b = malloc(len + 1);
    int whole, cut;

    memcpy(b, before, a);
    memset(b + a, 'a', n);
    memcpy(b + a + n, after, strlen(after) + 1);
    r.bytes = b;
    whole = verdict(&r, len);
    cut = verdict(&r, 1);
    free(b);
    return whole == cut ? whole : -2;
}

static void what_is_too_long_is_refused_at_its_ceiling(void)
{
    size_t line = CEIL_REQUEST_LINE - strlen("GET / HTTP/1.1");
    size_t value = CEIL_FIELD_BYTES - strlen("A:");

    CHECK(long_verdict("GET /", line, " HTTP/1.1\r\n" H "\r\n") == 0);
    CHECK(long_verdict("GET /", line + 1, " HTTP/1.1\r\n" H "\r\n") == 414);
    CHECK(long_verdict("GET /", CEIL_REQUEST_LINE, "") == 414);
    CHECK(long_verdict("GET / HTTP/1.1\r\n" H "A:", value, "\r\n\r\n") == 0);
    CHECK(long_verdict("GET / HTTP/1.1\r\n" H "A:", value + 1, "\r\n\r\n") ==
          431);
    CHECK(long_verdict("GET / HTTP/1.1\r\n" H "A:", 100000, "") == 431);
}

static void too_many_fields_are_refused(void)
{
    char b[4096] = "GET / HTTP/1.1\r\n" H;
    size_t i, n = strlen(b);

    for (i = 1; i < CEIL_HEAD_FIELDS; i++, n += 6)
        memcpy(b + n, "A: 1\r\n", 6);
    memcpy(b + n, "\r\n", 2);
    CHECK(feed(b, n + 2, n) == HTTP1_DONE);
    CHECK(head.nfields == CEIL_HEAD_FIELDS);
    memcpy(b + n, "A: 1\r\n\r\n", 8);
    CHECK(feed(b, n + 8, n) == HTTP1_BAD && fault.status == 431);
}

static void a_head_above_its_ceiling_is_refused(void)
{
    static const char b[] = FIELD("A: b") "body";
    size_t n = sizeof b - 1 - 4, max;
    enum http1_result got;

    for (max = n - 2; max <= n; max++) {
        memset(&scan, 0, sizeof scan);
        got = http1_head(b, sizeof b - 1, max, 0, &scan, &head, &fault);
        CHECK(max == n ? got == HTTP1_DONE
                       : got == HTTP1_BAD && fault.status == 431);
    }
    memset(&scan, 0, sizeof scan);
    got = http1_head(b, n - 1, n, 0, &scan, &head, &fault);
    CHECK(got == HTTP1_MORE);
    got = http1_head(b, n - 1, n - 1, 0, &scan, &head, &fault);
    CHECK(got == HTTP1_BAD && fault.status == 431);
}

static void no_byte_of_a_head_is_read_again_and_again(void)
{
    static const char b[] = "\r\nGET /abc?d HTTP/1.1\r\n" H "A: b\r\n\r\n";
    size_t n;

    memset(&scan, 0, sizeof scan);
    for (n = 1; n < sizeof b - 1; n++) {
        CHECK(http1_head(b, n, MAX_HEAD, MAX_BODY, &scan, &head, &fault) ==
              HTTP1_MORE);
        CHECK(scan.looked + 1 >= n);
    }
}

/* -- chunked --------------------------------------------------------------- */

static struct http1_chunked chunked;

/* Decode ${n} bytes in pieces: the verdict as above, the text in ${out}. */
static int decode(const char *bytes, size_t n, size_t piece, char *out,
                  size_t *left)
{
    enum http1_result got = HTTP1_MORE;
    size_t at = 0, len, used, decoded;
    char *copy;

    memset(&chunked, 0, sizeof chunked);
    while (got == HTTP1_MORE && at < n) {
        len = n - at < piece ? n - at : piece;
        copy = malloc(len);
        memcpy(copy, bytes + at, len);
        got = http1_chunked(&chunked, copy, len, MAX_BODY, &used, &decoded,
                            &fault);
        memcpy(out, copy, decoded);
        out += decoded;
        free(copy);
        CHECK(got != HTTP1_MORE || used == len);
        at += used;
    }
    *out = '\0';
    *left = n - at;
    return got == HTTP1_DONE ? 0 : got == HTTP1_MORE ? -1 : fault.status;
}

static const struct chunk_row {
    int line;
    int status;
    const char *body;       /* when 0 */
    const char *bytes;
    size_t len;
} chunk_rows[] = {
#define ROW(status, body, bytes)                                               \
    {__LINE__, status, body, bytes, sizeof bytes - 1}
    ROW(0, "", "0\r\n\r\n"),
    ROW(0, "", "000\r\n\r\n"),
    ROW(0, "abc", "3\r\nabc\r\n0\r\n\r\n"),
    ROW(0, "abcdefghijk", "1\r\na\r\nA\r\nbcdefghijk\r\n0\r\n\r\n"),
    ROW(0, "ab", "0000000000000002\r\nab\r\n0\r\n\r\n"),
    ROW(0, "ab", "2;a=b;c=\"d \\\"e\";f\r\nab\r\n0;x\r\n\r\n"),
    ROW(0, "ab", "2\r\nab\r\n0\r\nHost: evil\r\nX:\r\n\r\n"),
    ROW(0, "\r\n0\r\n\r\n", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    ROW(-1, "", "2\r\nab\r\n0\r\n\r"),
    ROW(-1, "", "3\r\nab"),
    ROW(400, "", "\r\n"), ROW(400, "", ";a\r\n"), ROW(400, "", " 1\r\n"),
    ROW(400, "", "\t1\r\n"), ROW(400, "", "+1\r\n"), ROW(400, "", "-1\r\n"),
    ROW(400, "", "0x1\r\n"), ROW(400, "", "0_1\r\n"), ROW(400, "", "1.0\r\n"),
    ROW(400, "", "1 \r\n"), ROW(400, "", "G\r\n"), ROW(400, "", "1\n"),
    ROW(400, "", "1\rX"), ROW(400, "", "00000000000000001\r\n"),
    ROW(400, "", "10000000000000001\r\n"),
    ROW(413, "", "ffffffffffffffff\r\n"), ROW(413, "", "3E9\r\n"),
    ROW(413, "", "8000000000000000\r\n"),
    ROW(400, "", "1;\r\n"), ROW(400, "", "1;a=\r\n"), ROW(400, "", "1; a\r\n"),
    ROW(400, "", "1;a=\"b\"c\r\n"), ROW(400, "", "1;a=\"\r\n"),
    ROW(400, "", "1;a=\"\\\r\n"), ROW(400, "", "1;a\n"),
    ROW(400, "", "1;a\x01\r\n"), ROW(400, "", "1;=b\r\n"),
    ROW(400, "", "1;a=b=c\r\n"), ROW(400, "", "1;a==\r\n"),
    ROW(400, "", "1\r\na0\r\n"), ROW(400, "", "1\r\na\n0\r\n"),
    ROW(400, "", "1\r\na\r0\r\n"), ROW(400, "", "1\r\na\r\n\r\n"),
    ROW(400, "", "0\r\nBad Trailer\r\n"), ROW(400, "", "0\r\n: x\r\n"),
    ROW(400, "", "0\r\nA\r\n"), ROW(400, "", "0\r\nA: b\n"),
    ROW(400, "", "0\r\nA: b\r\r\n"), ROW(400, "", "0\r\nA: b\0\r\n"),
    ROW(400, "", "0\r\n A: b\r\n"), ROW(400, "", "0\r\n\n"),
    ROW(400, "", "0\r\n\rX"),
#undef ROW
};

static void chunked_bodies_decode_the_same_however_they_are_cut(void)
{
    const struct chunk_row *r;
    char out[64];
    size_t i, piece, left;
    int status;

    for (i = 0; i < sizeof chunk_rows / sizeof *chunk_rows; i++)
        for (piece = 1; piece < 40; piece++) {
            r = &chunk_rows[i];
            status = decode(r->bytes, r->len, piece, out, &left);
            CHECK_ROW(r->line, status == r->status);
            CHECK_ROW(r->line, status || strcmp(out, r->body) == 0);
        }
}

static void bytes_behind_a_chunked_body_are_not_consumed(void)
{
    static const char b[] = "2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1";
    char out[8];
    size_t left;

    CHECK(decode(b, sizeof b - 1, 100, out, &left) == 0);
    CHECK(left == strlen("GET / HTTP/1.1") && strcmp(out, "ab") == 0);
}

static void the_sum_of_the_chunks_is_bounded(void)
{
    char b[2400], out[2400];
    size_t left;
    int n = snprintf(b, sizeof b, "1F4\r\n%500d\r\n1F4\r\n%500d\r\n", 1, 2);

    CHECK(n > 0);
    memcpy(b + n, "0\r\n\r\n", 5);
    CHECK(decode(b, (size_t)n + 5, 7, out, &left) == 0);
    CHECK(strlen(out) == MAX_BODY);
    memcpy(b + n, "1\r\nx\r\n", 6);
    CHECK(decode(b, (size_t)n + 6, 7, out, &left) == 413);
}

static void extensions_and_trailers_are_bounded(void)
{
    static const size_t pieces[] = {1, 100, 100000};
    static char b[20000];
    char out[8];
    size_t i, left;

    for (i = 0; i < 3; i++) {
        memset(b, 'a', sizeof b);
        memcpy(b, "1;", 2);
        CHECK(decode(b, sizeof b, pieces[i], out, &left) == 400);
        CHECK(chunked.line == CEIL_CHUNK_EXT + 1);
        memcpy(b, "0\r\nX:", 5);
        CHECK(decode(b, sizeof b, pieces[i], out, &left) == 431);
        CHECK(chunked.trailer == CEIL_TRAILER_BYTES + 1);
    }
}

int main(void)
{
    RUN(heads_get_the_same_verdict_however_they_are_cut);
    RUN(a_refusal_says_why);
    RUN(a_head_is_taken_apart);
    RUN(methods_are_told_apart);
    RUN(keep_alive_follows_version_and_connection);
    RUN(http_1_0_is_never_sent_100_continue);
    RUN(what_is_too_long_is_refused_at_its_ceiling);
    RUN(too_many_fields_are_refused);
    RUN(a_head_above_its_ceiling_is_refused);
    RUN(no_byte_of_a_head_is_read_again_and_again);
    RUN(chunked_bodies_decode_the_same_however_they_are_cut);
    RUN(bytes_behind_a_chunked_body_are_not_consumed);
    RUN(the_sum_of_the_chunks_is_bounded);
    RUN(extensions_and_trailers_are_bounded);
    return test_end();
}
