/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/sse.h"

#include "test.h"

#include <stdlib.h>

#define MAX_EVENT 200

/* The events of a stream as text: "name|data|id|retry\n" each; "-" for a block
 * without data, "(rest)" before what sse_rest gives, "long" at the ceiling. */
struct run {
    char text[8192];
    size_t len;
    size_t raw;             /* bytes of all events */
    size_t events;
};

static void note(struct run *r, const struct sse_event *e)
{
    r->raw += e->raw_len;
    r->events++;
    if (!e->has_data && e->retry < 0)
        return;
    r->len += (size_t)snprintf(
        r->text + r->len, sizeof r->text - r->len, "%.*s|%.*s|%.*s|%lld\n",
        (int)e->name_len, e->name, e->has_data ? (int)e->data_len : 1,
        e->has_data ? e->data : "-", (int)e->id_len, e->id, e->retry);
}

static void note_text(struct run *r, const char *text)
{
    r->len += (size_t)snprintf(r->text + r->len, sizeof r->text - r->len, "%s",
                               text);
}

/* Feed the bytes in pieces; each call sees an exact copy of what is pending. */
static void run_events(struct run *r, const char *bytes, size_t n, size_t piece)
{
    enum sse_result got = SSE_MORE;
    struct sse_event e;
    size_t from = 0, to = 0;
    struct sse s;
    char *copy;

    memset(r, 0, sizeof *r);
    sse_init(&s, MAX_EVENT);
    while (got != SSE_TOO_LONG && (to < n || got == SSE_EVENT)) {
        if (got == SSE_MORE)
            to = n - to < piece ? n : to + piece;
        copy = malloc(to - from);
        if (to > from)
            memcpy(copy, bytes + from, to - from);
        got = sse_next(&s, copy, to - from, &e);
        if (got == SSE_EVENT) {
            note(r, &e);
            CHECK(e.raw == copy);
            from += e.raw_len;
        }
        free(copy);
    }
    if (got == SSE_TOO_LONG)
        note_text(r, "long");
    else if (sse_rest(&s, bytes + from, n - from, &e) == SSE_EVENT) {
        note_text(r, "(rest)");
        CHECK(e.raw_len == n - from);
        note(r, &e);
        CHECK(sse_rest(&s, bytes + n, 0, &e) == SSE_MORE);
    }
    sse_free(&s);
}

#define S10 "0123456789"
#define S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 S10

static const struct row {
    int line;
    const char *bytes;
    size_t len;
    const char *events;
} rows[] = {
#define ROW(bytes, events) {__LINE__, bytes, sizeof bytes - 1, events}
    ROW("", ""),
    ROW("data: x\n\n", "|x||-1\n"),
    ROW("data:x\r\rdata:  y\r\r", "|x||-1\n| y||-1\n"),
    ROW("data: x\r\n\r\ndata: y\r\n\r\n", "|x||-1\n|y||-1\n"),
    ROW("data: x\r\n\ndata: y\n\rdata: z\n\r\n", "|x||-1\n|y||-1\n|z||-1\n"),
    ROW("data: a\ndata\ndata:b\rdata:c\r\n\n", "|a\n\nb\nc||-1\n"),
    ROW("data: a\ndata: b\n\ndata: c\ndata: d\n\n",
        "|a\nb||-1\n|c\nd||-1\n"),
    ROW("data\n\ndata:\n\ndata: \n\n", "|||-1\n|||-1\n|||-1\n"),
    ROW("data: {\"a\":\"b: c\"}\n\n", "|{\"a\":\"b: c\"}||-1\n"),

    /* The byte-order mark goes at the start, and only there. */
    ROW("\xEF\xBB\xBF" "data: x\n\n\xEF\xBB\xBF" "data: y\n\n", "|x||-1\n"),
    ROW("\xEF\xBB\xBF\xEF\xBB\xBF" "data: x\n\n", ""),
    ROW("\xEF\xBB" "data: x\n\n", ""),
    ROW("\xEF\xBB\xBF\n\ndata:y\n\n", "|y||-1\n"),

    /* Fields. */
    ROW("event: a\ndata: x\n\ndata: y\n\n", "a|x||-1\n|y||-1\n"),
    ROW("event: a\nevent: b\ndata: x\n\n", "b|x||-1\n"),
    ROW("event: a\nevent\ndata: x\n\n", "|x||-1\n"),
    ROW("event: a\n\ndata: x\n\n", "|x||-1\n"),
    ROW("id: 1\ndata: x\n\ndata: y\n\nid\ndata: z\n\n",
        "|x|1|-1\n|y|1|-1\n|z||-1\n"),
    ROW("id: 7\n\ndata: x\n\n", "|x|7|-1\n"),
    ROW("id: 1\nid: 2\0\ndata: x\n\n", "|x|1|-1\n"),
    ROW("retry: 12\ndata: x\n\ndata: y\n\n", "|x||12\n|y||-1\n"),
    ROW("retry: 12x\nretry:\nretry: -1\nretry: 1 \ndata: x\n\n", "|x||-1\n"),
    ROW("retry: 0\n\n", "|-||0\n"),
    ROW("retry: 99999999999999999999999\ndata: x\n\n",
        "|x||999999999999999999\n"),
    ROW("Data: x\nDATA: x\n data: x\ndata : x\ndatax: x\ndat: x\n\n", ""),
    ROW(": data: x\n:\n::\n\n", ""),
    ROW("data\0: x\ndata: y\n\n", "|y||-1\n"),
    ROW(": a\ndata: x\nfoo: bar\ndata: y\n: b\n\n", "|x\ny||-1\n"),
    ROW("\n\n\r\r\n\n\rdata: x\n\n", "|x||-1\n"),

    /* The end of the stream. */
    ROW("data: x\n\ndata: y\n", "|x||-1\n(rest)|y||-1\n"),
    ROW("data: x\n\ndata: y\r\n", "|x||-1\n(rest)|y||-1\n"),
    ROW("data: x\n\ndata: y\r", "|x||-1\n(rest)|y||-1\n"),
    ROW("data: x\n\ndata: y", "|x||-1\n"),
    ROW("data: x\n\ndata: y\ndata: z", "|x||-1\n"),
    ROW("data: x\r\n\r\n", "|x||-1\n"),
    ROW("data: x\n\n: y\n", "|x||-1\n"),
    ROW("data: x\n\nid: y\n", "|x||-1\n"),
    ROW("\xEF\xBB", ""),

    /* 200 bytes are allowed, whatever the line ends. */
    ROW("data:" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "012\n\n" "data:y\n\n",
        "|" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "012||-1\n|y||-1\n"),
    ROW("data:" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "0123\n\n", "long"),
    ROW("data:" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "01\r\n\r\n"
        "data:" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "01\r\n\r\n",
        "|" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "01||-1\n"
        "|" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "01||-1\n"),
    ROW("data:" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "012\r\n\r\n", "long"),
    ROW("data:" S100 S10 S10 S10 S10 S10 S10 S10 S10 S10 "0123\r\n\n", "long"),
    ROW("data: x\n\n: " S100 S100, "|x||-1\nlong"),
#undef ROW
};

static void events_are_the_same_however_they_are_cut(void)
{
    static struct run r;
    size_t i, piece;

    for (i = 0; i < sizeof rows / sizeof *rows; i++)
        for (piece = 1; piece < 260; piece += piece < 12 ? 1 : 40) {
            run_events(&r, rows[i].bytes, rows[i].len, piece);
            CHECK_ROW(rows[i].line, strcmp(r.text, rows[i].events) == 0);
        }
}

static void events_and_the_rest_cover_every_byte_once(void)
{
    static const char b[] = "\xEF\xBB\xBF\r\ndata: x\r\n\r\n\n: c\r\rdata: y\r\n"
                            "\r\n\r\n\r\ndata: z\n";
    static struct run r;
    size_t piece;

    for (piece = 1; piece < sizeof b; piece++) {
        run_events(&r, b, sizeof b - 1, piece);
        CHECK(r.raw == sizeof b - 1);
    }
}

static void a_single_data_line_is_not_copied(void)
{
    static const char b[] = ": c\nevent: e\ndata: xyz\n\n";
    struct sse_event e;
    struct sse s;

    sse_init(&s, MAX_EVENT);
    CHECK(sse_next(&s, b, sizeof b - 1, &e) == SSE_EVENT);
    CHECK(e.data == b + 19 && e.data_len == 3 && e.name == b + 11);
    CHECK(!s.joined.data);
    sse_free(&s);
}

static void a_blank_line_of_cr_gives_the_event_at_once(void)
{
    static const char b[] = "data: x\r\n\r";
    struct sse_event e;
    struct sse s;

    sse_init(&s, MAX_EVENT);
    CHECK(sse_next(&s, b, sizeof b - 1, &e) == SSE_EVENT && e.has_data);
    CHECK(e.raw_len == sizeof b - 1);
    CHECK(sse_next(&s, "\n", 1, &e) == SSE_MORE);
    CHECK(sse_next(&s, "\n\n", 2, &e) == SSE_EVENT && e.raw_len == 2);
    sse_free(&s);
}

static void blocks_without_data_are_reported_with_their_bytes(void)
{
    static const char b[] = ": keep-alive\n\n";
    struct sse_event e;
    struct sse s;

    sse_init(&s, MAX_EVENT);
    CHECK(sse_next(&s, b, sizeof b - 1, &e) == SSE_EVENT && !e.has_data);
    CHECK(e.raw == b && e.raw_len == sizeof b - 1);
    CHECK(e.data_len == 0 && e.name_len == 0 && e.id_len == 0);
    sse_free(&s);
}

static void no_byte_is_searched_again_and_again(void)
{
    static const char b[] = "data: abc\r\ndata: d\n: e\r\r";
    struct sse_event e;
    struct sse s;
    size_t n;

    sse_init(&s, MAX_EVENT);
    for (n = 3; n < sizeof b - 1; n++) {
        CHECK(sse_next(&s, b, n, &e) == SSE_MORE);
        CHECK(s.looked + 1 >= n);
    }
    sse_free(&s);
}

static void lines_longer_than_a_search_piece_are_found(void)
{
    static const char *const ends[] = {"\n\n", "\r\r", "\r\n\r\n"};
    static char b[9000];
    struct sse_event e;
    struct sse s;
    size_t n, i;

    sse_init(&s, sizeof b);
    for (n = 1000; n < 8200; n += 13)
        for (i = 0; i < 3; i++) {
            memset(b, 'a', sizeof b);
            memcpy(b, "data:", 5);
            memcpy(b + n, ends[i], strlen(ends[i]));
            CHECK(sse_next(&s, b, sizeof b, &e) == SSE_EVENT);
            CHECK(e.data_len == n - 5 && e.raw_len == n + strlen(ends[i]));
        }
    sse_free(&s);
}

int main(void)
{
    RUN(events_are_the_same_however_they_are_cut);
    RUN(events_and_the_rest_cover_every_byte_once);
    RUN(a_single_data_line_is_not_copied);
    RUN(a_blank_line_of_cr_gives_the_event_at_once);
    RUN(blocks_without_data_are_reported_with_their_bytes);
    RUN(no_byte_is_searched_again_and_again);
    RUN(lines_longer_than_a_search_piece_are_found);
    return test_end();
}
