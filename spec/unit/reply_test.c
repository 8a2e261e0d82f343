/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of reply, over a socketpair whose other end is read here.
 */
#include "reply.h"

#include "ceilings.h"
#include "test.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
    struct reply_loop loop;
    struct reply reply;
    int ours, theirs;
    char *got;              /* what the client has read; owned */
    size_t len;
};

static void rig_open(struct rig *g)
{
    int pair[2];

    memset(g, 0, sizeof *g);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
        abort();
    g->ours = pair[0];
    g->theirs = pair[1];
    reply_loop_init(&g->loop, NULL);
    reply_init(&g->reply, &g->loop, g->ours);
    g->got = calloc(1, 1);
}

static void rig_close(struct rig *g)
{
    reply_free(&g->reply);
    reply_loop_free(&g->loop);
    close(g->ours);
    if (g->theirs >= 0)
        close(g->theirs);
    free(g->got);
}

/* The client reads at most ${most} bytes; how many there were. */
static size_t client_reads(struct rig *g, size_t most)
{
    char bytes[4096];
    size_t all = 0;
    ssize_t n = 1;

    while (all < most && n > 0) {
        n = read(g->theirs, bytes, most - all < sizeof bytes ? most - all
                                                             : sizeof bytes);
        if (n <= 0)
            break;
        g->got = realloc(g->got, g->len + (size_t)n + 1);
        memcpy(g->got + g->len, bytes, (size_t)n);
        g->len += (size_t)n;
        g->got[g->len] = '\0';
        all += (size_t)n;
    }
    return all;
}

/* What came, with the value of date taken out; valid until the next call. */
static const char *wire(struct rig *g)
{
    char *date, *end;

    client_reads(g, SIZE_MAX);
    date = strstr(g->got, "date: ");
    end = date ? strstr(date, "\r\n") : NULL;
    if (end) {
        memmove(date + 6, end, g->len - (size_t)(end - g->got) + 1);
        g->len -= (size_t)(end - date) - 6;
    }
    return g->got;
}

/* -- heads and framing ------------------------------------------------------ */

/* One answer with the body in two pieces. */
static const struct {
    int line;
    int status;
    const char *headers;
    long long length;
    bool minor0, head_only, close;
    const char *body[2];
    const char *wire;
    bool keep;              /* the connection may be used again */
} answers[] = {
    {__LINE__, 200, "", 5, false, false, false, {"he", "llo"},
     "HTTP/1.1 200 OK\r\ndate: \r\ncontent-length: 5\r\n\r\nhello", true},
    {__LINE__, 200, "x-a: 1\r\nx-b: 2\r\n", 0, false, false, false, {"", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\nx-a: 1\r\nx-b: 2\r\ncontent-length: 0\r\n\r\n",
     true},
    {__LINE__, 404, "", 2, false, false, false, {"{}", ""},
     "HTTP/1.1 404 Not Found\r\ndate: \r\ncontent-length: 2\r\n\r\n{}", true},
    {__LINE__, 299, "", 0, false, false, false, {"", ""},
     "HTTP/1.1 299 Status\r\ndate: \r\ncontent-length: 0\r\n\r\n", true},
    {__LINE__, 204, "", -1, false, false, false, {"", ""},
     "HTTP/1.1 204 No Content\r\ndate: \r\n\r\n", true},
    {__LINE__, 200, "", -1, false, false, false, {"hello", "0123456789abcdef"},
     "HTTP/1.1 200 OK\r\ndate: \r\ntransfer-encoding: chunked\r\n\r\n"
     "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n", true},
    {__LINE__, 200, "", -1, false, false, false, {"", "x"},
     "HTTP/1.1 200 OK\r\ndate: \r\ntransfer-encoding: chunked\r\n\r\n"
     "1\r\nx\r\n0\r\n\r\n", true},
    {__LINE__, 200, "", -1, false, false, false, {"", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
     true},
    {__LINE__, 200, "", 2, false, false, true, {"ok", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ncontent-length: 2\r\n"
     "connection: close\r\n\r\nok", false},
    {__LINE__, 200, "", -1, false, false, true, {"ok", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ntransfer-encoding: chunked\r\n"
     "connection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n", false},
    /* HTTP/1.0 knows no chunks: the end of the connection ends the answer. */
    {__LINE__, 200, "", 2, true, false, false, {"ok", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ncontent-length: 2\r\n"
     "connection: keep-alive\r\n\r\nok", true},
    {__LINE__, 200, "", -1, true, false, false, {"o", "k"},
     "HTTP/1.1 200 OK\r\ndate: \r\nconnection: close\r\n\r\nok", false},
    {__LINE__, 200, "", -1, true, false, true, {"o", "k"},
     "HTTP/1.1 200 OK\r\ndate: \r\nconnection: close\r\n\r\nok", false},
    /* HEAD: the head of the answer to GET, and nothing behind it. */
    {__LINE__, 200, "", 5, false, true, false, {"hello", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ncontent-length: 5\r\n\r\n", true},
    {__LINE__, 200, "", -1, false, true, false, {"hello", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ntransfer-encoding: chunked\r\n\r\n", true},
    {__LINE__, 200, "", 9007199254740993, false, true, false, {"", ""},
     "HTTP/1.1 200 OK\r\ndate: \r\ncontent-length: 9007199254740993\r\n\r\n",
     true},
};

static void an_answer_is_framed_as_the_client_can_read_it(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct rig g;

        rig_open(&g);
        g.reply.minor0 = answers[i].minor0;
        g.reply.head_only = answers[i].head_only;
        g.reply.keep_alive = !answers[i].close;
        reply_head(&g.reply, answers[i].status, answers[i].headers,
                   strlen(answers[i].headers), answers[i].length);
        for (int k = 0; k < 2; k++)
            reply_body(&g.reply, answers[i].body[k], strlen(answers[i].body[k]));
        CHECK_ROW(answers[i].line, !g.reply.finished);
        reply_finish(&g.reply);
        reply_finish(&g.reply);
        CHECK_ROW(answers[i].line, g.reply.finished);
        CHECK_ROW(answers[i].line, reply_flush(&g.reply) == 0);
        CHECK_ROW(answers[i].line, g.reply.sent > g.len);
        CHECK_ROW(answers[i].line, strcmp(wire(&g), answers[i].wire) == 0);
        CHECK_ROW(answers[i].line, g.reply.keep_alive == answers[i].keep);
        CHECK_ROW(answers[i].line, g.reply.status == answers[i].status);
        rig_close(&g);
    }
}

static void the_date_is_a_http_date(void)
{
    struct rig g;
    int day, year, hour, minute, second;
    char name[4], month[4];
    const char *date;

    rig_open(&g);
    reply_head(&g.reply, 200, "", 0, 0);
    reply_flush(&g.reply);
    client_reads(&g, SIZE_MAX);
    date = strstr(g.got, "date: ");
    CHECK(date && sscanf(date, "date: %3s, %2d %3s %4d %2d:%2d:%2d GMT\r\n", name,
                         &day, month, &year, &hour, &minute, &second) == 7);
    rig_close(&g);
}

static void every_status_has_a_reason(void)
{
    CHECK(strcmp(reply_reason(200), "OK") == 0);
    CHECK(strcmp(reply_reason(429), "Too Many Requests") == 0);
    CHECK(strcmp(reply_reason(504), "Gateway Timeout") == 0);
    CHECK(reply_reason(777)[0] != '\0');
}

static void nothing_is_sent_before_the_flush(void)
{
    struct rig g;

    rig_open(&g);
    reply_head(&g.reply, 200, "", 0, -1);
    reply_body(&g.reply, "x", 1);
    CHECK(client_reads(&g, SIZE_MAX) == 0 && g.reply.sent == 0);
    reply_flush(&g.reply);
    CHECK(client_reads(&g, SIZE_MAX) == g.reply.sent);
    rig_close(&g);
}

static void answers_of_one_connection_follow_each_other(void)
{
    struct rig g;

    rig_open(&g);
    g.reply.head_only = true;
    reply_head(&g.reply, 200, "", 0, -1);
    reply_finish(&g.reply);
    reply_flush(&g.reply);
    wire(&g);
    g.len = 0;
    reply_reset(&g.reply);
    CHECK(g.reply.status == 0 && g.reply.sent == 0 && g.reply.keep_alive);
    CHECK(!g.reply.finished && !g.reply.head_only && !g.reply.chunked);
    reply_head(&g.reply, 500, "", 0, 2);
    reply_body(&g.reply, "{}", 2);
    reply_finish(&g.reply);
    reply_flush(&g.reply);
    CHECK(strcmp(wire(&g), "HTTP/1.1 500 Internal Server Error\r\ndate: \r\n"
                           "content-length: 2\r\n\r\n{}") == 0);
    rig_close(&g);
}

/* -- slow clients ----------------------------------------------------------- */

static char *pattern(size_t n)
{
    char *bytes = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)('a' + (i * 7 + i / 251) % 26);
    bytes[n] = '\0';
    return bytes;
}

static void make_slow(struct rig *g)
{
    int small = 1;

    setsockopt(g->ours, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

static void a_slow_client_gets_everything_in_order(void)
{
    enum { N = 300000 };
    char *bytes = pattern(N), *body;
    size_t at = 0, piece = 1, queued = 0, most = 0;
    struct rig g;

    rig_open(&g);
    make_slow(&g);
    reply_head(&g.reply, 200, "", 0, N);
    while (at < N || queued) {
        size_t n = piece < N - at ? piece : N - at;

        reply_body(&g.reply, bytes + at, n);
        at += n;
        piece = piece * 5 % 9973 + 1;
        if (at == N)
            reply_finish(&g.reply);
        queued = reply_flush(&g.reply);
        CHECK(queued == reply_queued(&g.reply));
        most = queued > most ? queued : most;
        client_reads(&g, 1 + piece % 3000);
    }
    client_reads(&g, SIZE_MAX);
    CHECK(most > 0);
    CHECK(g.reply.out.data == NULL);
    CHECK(g.reply.sent == g.len);
    body = strstr(g.got, "\r\n\r\n");
    CHECK(body && strcmp(body + 4, bytes) == 0);
    free(bytes);
    rig_close(&g);
}

/* Chunks as a client decodes them; the body's bytes, or -1. */
static long decode(const char *at, char *out)
{
    long len = 0;

    for (;;) {
        char *end;
        long n = strtol(at, &end, 16);

        if (end == at || strncmp(end, "\r\n", 2) != 0)
            return -1;
        memcpy(out + len, end + 2, (size_t)n);
        len += n;
        at = end + 2 + n;
        if (strncmp(at, "\r\n", 2) != 0)
            return -1;
        at += 2;
        if (n == 0)
            return *at ? -1 : len;
    }
}

static void chunks_survive_short_writes(void)
{
    enum { N = 120000 };
    char *bytes = pattern(N), *body, *out = malloc(N + 1);
    struct rig g;
    long len;

    rig_open(&g);
    make_slow(&g);
    reply_head(&g.reply, 200, "", 0, -1);
    for (size_t at = 0; at < N; at += 1000) {
        reply_body(&g.reply, bytes + at, 1000);
        reply_flush(&g.reply);
        client_reads(&g, 700);
    }
    reply_finish(&g.reply);
    while (reply_flush(&g.reply))
        client_reads(&g, 100);
    client_reads(&g, SIZE_MAX);
    body = strstr(g.got, "\r\n\r\n");
    len = body ? decode(body + 4, out) : -1;
    CHECK(len == N && memcmp(out, bytes, N) == 0);
    free(out);
    free(bytes);
    rig_close(&g);
}

static void the_next_answer_waits_behind_the_one_before(void)
{
    enum { N = 50000 };
    char *bytes = pattern(N), *second;
    struct rig g;

    rig_open(&g);
    make_slow(&g);
    reply_head(&g.reply, 200, "", 0, N);
    reply_body(&g.reply, bytes, N);
    reply_finish(&g.reply);
    CHECK(reply_flush(&g.reply) > 0);
    reply_reset(&g.reply);
    reply_head(&g.reply, 201, "", 0, 1);
    reply_body(&g.reply, "!", 1);
    reply_finish(&g.reply);
    while (reply_flush(&g.reply))
        client_reads(&g, 4096);
    client_reads(&g, SIZE_MAX);
    second = strstr(g.got, "HTTP/1.1 201 Created");
    CHECK(second && memcmp(second - N, bytes, N) == 0);
    CHECK(g.len > 0 && g.got[g.len - 1] == '!');
    free(bytes);
    rig_close(&g);
}

static void an_idle_stream_holds_no_memory(void)
{
    struct rig g;

    rig_open(&g);
    reply_head(&g.reply, 200, "", 0, -1);
    for (int i = 0; i < 100; i++) {
        reply_body(&g.reply, "data: x\n\n", 9);
        CHECK_ROW(i, reply_flush(&g.reply) == 0);
        CHECK_ROW(i, g.reply.out.data == NULL);
        client_reads(&g, SIZE_MAX);
    }
    rig_close(&g);
}

static void a_large_answer_leaves_no_large_scratch(void)
{
    enum { N = 2 * 1024 * 1024 };
    char *bytes = pattern(N);
    struct rig g;

    rig_open(&g);
    reply_head(&g.reply, 200, "", 0, N);
    reply_body(&g.reply, bytes, N);
    reply_finish(&g.reply);
    while (reply_flush(&g.reply))
        client_reads(&g, SIZE_MAX);
    CHECK(g.loop.scratch.size <= 256 * KIB);
    CHECK(g.reply.out.data == NULL);
    free(bytes);
    rig_close(&g);
}

/* -- broken clients --------------------------------------------------------- */

static void a_client_that_left_breaks_the_reply_and_raises_no_signal(void)
{
    struct rig g;

    rig_open(&g);
    close(g.theirs);
    g.theirs = -1;
    reply_head(&g.reply, 200, "", 0, -1);
    reply_body(&g.reply, "x", 1);
    CHECK(reply_flush(&g.reply) == 0 && g.reply.broken);
    reply_body(&g.reply, "y", 1);
    reply_finish(&g.reply);
    CHECK(reply_flush(&g.reply) == 0 && reply_queued(&g.reply) == 0);
    CHECK(g.reply.finished && g.reply.sent == 0);
    rig_close(&g);
}

static void a_client_that_leaves_meanwhile_frees_what_waited(void)
{
    enum { N = 100000 };
    char *bytes = pattern(N);
    struct rig g;

    rig_open(&g);
    make_slow(&g);
    reply_head(&g.reply, 200, "", 0, N);
    reply_body(&g.reply, bytes, N);
    CHECK(reply_flush(&g.reply) > 0);
    close(g.theirs);
    g.theirs = -1;
    CHECK(reply_flush(&g.reply) == 0 && g.reply.broken);
    CHECK(g.reply.out.data == NULL);
    free(bytes);
    rig_close(&g);
}

/* Replies of a loop share the scratch: what could not be sent must not reach
 * another client. */
static void a_broken_reply_leaves_nothing_for_the_next_client(void)
{
    static char big[1 << 20];
    struct reply other;
    struct rig g;
    int pair[2];

    rig_open(&g);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
        abort();
    reply_init(&other, &g.loop, pair[0]);
    reply_head(&other, 200, "x-secret: 1\r\n", 13, -1);
    for (int i = 0; i < 64 && !other.broken; i++)   /* above every ceiling */
        reply_body(&other, big, sizeof big);
    CHECK(other.broken);
    CHECK(reply_flush(&other) == 0);
    reply_head(&g.reply, 200, "", 0, 0);
    reply_finish(&g.reply);
    reply_flush(&g.reply);
    CHECK(strcmp(wire(&g),
                 "HTTP/1.1 200 OK\r\ndate: \r\ncontent-length: 0\r\n\r\n") == 0);
    reply_free(&other);
    close(pair[0]);
    close(pair[1]);
    rig_close(&g);
}

/* -- a host's sink ------------------------------------------------------------ */

static char told[256];

static void sink_head(void *arg, int status, const char *headers, size_t len)
{
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s head %d %.*s;",
             (const char *)arg, status, (int)len, headers);
}

static void sink_data(void *arg, const char *bytes, size_t len)
{
    (void)arg;
    snprintf(told + strlen(told), sizeof told - strlen(told), "data %.*s;",
             (int)len, bytes);
}

static void sink_end(void *arg, bool whole)
{
    (void)arg;
    snprintf(told + strlen(told), sizeof told - strlen(told), "end %d;", whole);
}

static void a_sink_gets_the_answer_without_framing(void)
{
    static const struct reply_sink sink = {sink_head, sink_data, sink_end};
    static char name[] = "me";
    struct reply_loop loop;
    struct reply r;

    reply_loop_init(&loop, NULL);
    reply_init(&r, &loop, -1);
    r.sink = &sink;
    r.sink_arg = name;
    reply_head(&r, 200, "a: b\r\n", 6, -1);
    reply_body(&r, "one", 3);
    reply_body(&r, "", 0);
    reply_body(&r, "two", 3);
    reply_finish(&r);
    reply_finish(&r);
    CHECK(reply_flush(&r) == 0 && r.sent == 6 && r.status == 200);
    CHECK(strcmp(told, "me head 200 a: b\r\n;data one;data two;end 1;") == 0);
    reply_free(&r);
    reply_loop_free(&loop);
}

int main(void)
{
    RUN(an_answer_is_framed_as_the_client_can_read_it);
    RUN(the_date_is_a_http_date);
    RUN(every_status_has_a_reason);
    RUN(nothing_is_sent_before_the_flush);
    RUN(answers_of_one_connection_follow_each_other);
    RUN(a_slow_client_gets_everything_in_order);
    RUN(chunks_survive_short_writes);
    RUN(the_next_answer_waits_behind_the_one_before);
    RUN(an_idle_stream_holds_no_memory);
    RUN(a_large_answer_leaves_no_large_scratch);
    RUN(a_client_that_left_breaks_the_reply_and_raises_no_signal);
    RUN(a_client_that_leaves_meanwhile_frees_what_waited);
    RUN(a_broken_reply_leaves_nothing_for_the_next_client);
    RUN(a_sink_gets_the_answer_without_framing);
    return test_end();
}
