/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream: what it sends, and how it judges answers. With a folder of raw
 * answers and their cases.json as the first argument those are tried too.
 */
#include "upstream_rig.h"

/* --- answers ------------------------------------------------------------- */

#define OK "HTTP/1.1 200 OK\r\n"
#define TEN "Content-Length: 10\r\n"
#define BODY "0123456789"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define R8(x) x x x x x x x x

struct answer_case {
    int line;
    const char *bytes;
    size_t len;             /* 0: strlen */
    enum error_type error;
    int status;             /* when it ended well */
    const char *body;
    bool reused;            /* by the next call, when the server allows it */
};

static const struct answer_case answers[] = {
#define GOOD(bytes, status, body, reused)                                      \
    {__LINE__, bytes, 0, ERROR_none, status, body, reused}
#define BAD(bytes)                                                             \
    {__LINE__, bytes, sizeof bytes - 1, ERROR_provider_bad_response, 0, NULL,  \
     false}
#define CUT(bytes)                                                             \
    {__LINE__, bytes, sizeof bytes - 1, ERROR_provider_cut_stream, 0, NULL,    \
     false}
    GOOD(OK TEN "\r\n" BODY, 200, BODY, true),
    GOOD("HTTP/1.1 429 No\r\n" TEN "\r\n" BODY, 429, BODY, true),
    GOOD("HTTP/1.1 200\r\n" TEN "\r\n" BODY, 200, BODY, true),
    GOOD(OK TEN TEN "\r\n" BODY, 200, BODY, true),
    GOOD(OK CHUNKED "\r\na\r\n" BODY "\r\n0\r\n\r\n", 200, BODY, true),
    GOOD(OK CHUNKED "\r\na\r\n" BODY "\r\n0\r\nX-T: 1\r\n\r\n", 200, BODY, true),
    GOOD(OK CHUNKED "\r\na ; x = y\r\n" BODY "\r\n0\r\n\r\n", 200, BODY, true),
    GOOD(OK CHUNKED "\r\na  \r\n" BODY "\r\n0 \r\n\r\n", 200, BODY, true),
    GOOD("HTTP/1.1 100 Go\r\n\r\n" OK TEN "\r\n" BODY, 200, BODY, true),
    GOOD("HTTP/1.1 103 E\r\nLink: a\r\n\r\n" OK TEN "\r\n" BODY, 200, BODY, true),
    GOOD("HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\n" TEN "\r\n" BODY,
         302, BODY, true),
    GOOD(OK CHUNKED "Content-Length: 3\r\n\r\na\r\n" BODY "\r\n0\r\n\r\n", 200,
         BODY, false),
    GOOD(OK "Content-Length: 10\n\r\n" BODY, 200, BODY, false),
    GOOD(OK TEN "\r\n" BODY "excess", 200, BODY, false),
    GOOD("HTTP/1.1 204 No\r\n\r\nsurprise", 204, "", false),
    GOOD(OK "Content-Length: 0\r\n\r\nsurprise", 200, "", false),
    BAD(OK TEN "Content-Length: 11\r\n\r\n" BODY),
    BAD(OK "Content-Length: -10\r\n\r\n" BODY),
    BAD(OK "Content-Length: +10\r\n\r\n" BODY),
    BAD(OK "Content-Length: 0xa\r\n\r\n" BODY),
    BAD(OK "Content-Length: 10, 10\r\n\r\n" BODY),
    BAD(OK "Content-Length:\r\n\r\n" BODY),
    BAD(OK "Content-Length: 99999999999999999999\r\n\r\n" BODY),
    BAD(OK "Content-Length : 10\r\n\r\n" BODY),
    BAD(OK "Transfer-Encoding: pigeons\r\n" TEN "\r\n" BODY),
    BAD(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    BAD(OK CHUNKED CHUNKED "\r\n0\r\n\r\n"),
    BAD(OK TEN "X: a\rb\r\n\r\n" BODY),
    BAD(OK TEN "X: a\0b\r\n\r\n" BODY),
    BAD(OK TEN "X: a\x1b[2J\r\n\r\n" BODY),
    BAD(OK "X: a\r\n folded\r\n" TEN "\r\n" BODY),
    BAD(OK "no colon\r\n" TEN "\r\n" BODY),
    BAD("HTTP/1.1 101 Switch\r\n\r\n" OK TEN "\r\n" BODY),
    BAD(R8(R8("HTTP/1.1 100 Go\r\n\r\n")) OK TEN "\r\n" BODY),
    BAD(OK R8(R8(R8("A: b\r\n"))) TEN "\r\n" BODY),
    BAD("HTTP/1.1 20000 OK\r\n" TEN "\r\n" BODY),
    BAD("HTTP/1.1 000 OK\r\n" TEN "\r\n" BODY),
    BAD("HTTP/1.1 2x0 OK\r\n" TEN "\r\n" BODY),
    BAD("HTTP/11.1 200 OK\r\n" TEN "\r\n" BODY),
    BAD("HTTP/2 200\r\n" TEN "\r\n" BODY),
    BAD("HTTP/1.2 200 OK\r\n" TEN "\r\n" BODY),
    BAD("{\"an\":\"HTTP/0.9 answer\"}"),
    BAD("SSH-2.0-x\r\n\r\n"),
    CUT(""),
    CUT("HTTP/1.1 200"),
    CUT(OK TEN),
    CUT(OK TEN "X: a"),
    CUT(OK TEN "\r\n" "01234"),
    CUT(OK CHUNKED "\r\na\r\n" BODY "\r\n"),
    CUT(OK CHUNKED "\r\nzz\r\n" BODY "\r\n"),
    CUT(OK CHUNKED "\r\n a\r\n" BODY "\r\n0\r\n\r\n"),
    CUT(OK CHUNKED "\r\n-a\r\n" BODY "\r\n"),
    CUT(OK CHUNKED "\r\na\r\n" BODY "x\r\n0\r\n\r\n"),
};

static void answer_once(const struct answer_case *row, size_t piece)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct call call = {.provider = &p};
    struct taker c;

    s->answer = row->bytes;
    s->answer_len = row->len ? row->len : strlen(row->bytes);
    s->piece = piece;
    s->close_after = row->error != ERROR_none;
    start(&c, &call);
    CHECK_ROW(row->line, await(&c));
    CHECK_ROW(row->line, c.state.error == row->error);
    CHECK_ROW(row->line, !c.state.error || c.state.detail[0]);
    CHECK_ROW(row->line, !strstr(c.state.detail, "127."));
    if (row->error == ERROR_none) {
        CHECK_ROW(row->line, c.state.head && c.state.status == row->status);
        CHECK_ROW(row->line, c.body && strcmp(c.body, row->body) == 0);
        end(&c);
        start(&c, &call);
        CHECK_ROW(row->line, await(&c));
        CHECK_ROW(row->line, c.state.reused == row->reused);
        CHECK_ROW(row->line, s->accepted == (row->reused ? 1u : 2u));
    }
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
}

static void malformed_answers_fail_and_doubtful_connections_are_not_reused(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        answer_once(&answers[i], 0);
}

static void libcurl_judges_alike(void)
{
    through_proxy = true;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        answer_once(&answers[i], 0);
        if (answers[i].reused)
            answer_once(&answers[i], 1);
    }
    through_proxy = false;
}

static void an_answer_in_single_bytes_is_judged_alike(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].error != ERROR_none || answers[i].reused)
            answer_once(&answers[i], 1);
}

static void a_head_above_its_ceiling_is_refused(void)
{
    size_t pad = 70000, len;
    char *text = malloc(pad + 256);
    struct answer_case row = {__LINE__, text, 0, ERROR_provider_bad_response, 0,
                              NULL, false};

    len = (size_t)sprintf(text, OK "X: ");
    memset(text + len, 'a', pad);
    strcpy(text + len + pad, "\r\n" TEN "\r\n" BODY);
    row.len = strlen(text);
    answer_once(&row, 0);
    free(text);
}

static void the_state_says_what_the_head_said(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct call call = {.provider = &p, .stream = true};
    struct taker c;

    server_answer(s, OK "Content-Type: text/event-stream; charset=utf-8\r\n"
                        "X-Request-ID: req_1\r\nContent-Encoding: gzip\r\n"
                        "Retry-After: 7\r\n" TEN "\r\n" BODY);
    start(&c, &call);
    CHECK(await(&c));
    CHECK(c.state.event_stream && c.state.encoded);
    CHECK(strcmp(c.state.content_type, "text/event-stream; charset=utf-8") == 0);
    CHECK(strcmp(c.state.request_id, "req_1") == 0);
    CHECK(c.state.retry_after == 7 * US_PER_S);
    CHECK(c.state.quota_tokens == -1 && c.state.received == 10);
    CHECK(c.state.started <= c.state.connected);
    CHECK(c.state.connected <= c.state.head_at);
    CHECK(c.state.head_at <= c.state.first_byte);
    end(&c);
    server_answer(s, OK "Content-Type: text/event-streams\r\n"
                        "Content-Encoding: identity\r\n" TEN "\r\n" BODY);
    start(&c, &call);
    CHECK(await(&c));
    CHECK(!c.state.event_stream && !c.state.encoded && !c.state.request_id[0]);
    CHECK(c.state.retry_after == -1 && c.state.reused);
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
}

/* --- what we send -------------------------------------------------------- */

static void check_request(struct call *call, const char *format)
{
    struct server *s = server_open(base);
    struct provider p = *call->provider;
    char want[1024], at[64];
    struct taker c;

    snprintf(at, sizeof at, "http://127.0.0.1:%u/v1", s->port);
    p.base = at;
    call->provider = &p;
    snprintf(want, sizeof want, format, s->port);
    server_answer(s, OK TEN "\r\n" BODY);
    start(&c, call);
    CHECK(await(&c) && c.state.error == ERROR_none);
    CHECK(s->request && strcmp(s->request, want) == 0);
    if (s->request && strcmp(s->request, want) != 0)
        fprintf(stderr, "%s\n", s->request);
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
}

static void the_request_head_holds_our_headers_and_nothing_else(void)
{
    struct provider p = {.key = {.bytes = (char *)"sk-1", .len = 4}};
    struct call call = {.provider = &p, .stream = true};

    check_request(&call, "POST /v1/chat/completions HTTP/1.1\r\n"
                         "Host: 127.0.0.1:%u\r\n"
                         "Content-Type: application/json\r\n"
                         "Accept: text/event-stream\r\n"
                         "Accept-Encoding: identity\r\n"
                         "Authorization: Bearer sk-1\r\n"
                         "User-Agent: leme\r\n"
                         "Content-Length: 2\r\n\r\n{}");
}

static void headers_of_provider_and_call_join_ours(void)
{
    struct header_pair pairs[] = {{(char *)"accept", (char *)"x/y"},
                                  {(char *)"X-Empty", (char *)""}};
    const char *const own[] = {"X-Own:  1 ", "ACCEPT: z/z", "x-api-key: evil",
                               NULL};
    struct provider p = {.key = {.bytes = (char *)"sk-1", .len = 4},
                         .auth = AUTH_X_API_KEY,
                         .headers = pairs,
                         .nheaders = 2,
                         .path = (char *)"/other?a=b",
                         .query = (char *)"c=d"};
    struct call call = {.provider = &p, .method = "GET", .headers = own};

    check_request(&call, "GET /v1/other?a=b&c=d HTTP/1.1\r\n"
                         "Host: 127.0.0.1:%u\r\n"
                         "accept: x/y\r\n"
                         "X-Empty:\r\n"
                         "Accept-Encoding: identity\r\n"
                         "x-api-key: sk-1\r\n"
                         "User-Agent: leme\r\n"
                         "X-Own: 1 \r\n\r\n");
}

static void own_headers_last_for_one_call(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    const char *const own[] = {"X-Own: 1", NULL};
    struct call call = {.provider = &p, .headers = own};
    struct taker c;

    server_answer(s, OK TEN "\r\n" BODY);
    for (int i = 0; i < 4; i++) {
        call.headers = i % 2 ? NULL : own;
        start(&c, &call);
        CHECK(await(&c) && c.state.error == ERROR_none);
        CHECK((strstr(s->request, "X-Own: 1") != NULL) == (i % 2 == 0));
        end(&c);
    }
    upstream_forget(up, &p);
    server_close(s);
}

static void a_header_that_could_split_or_frame_the_request_is_refused(void)
{
    static const char *const lines[] = {
        "X: a\r\nY: b", "X: a\x01", "X y: a", ": a", "X", "",
        "Content-Length: 3", "Host: a", "transfer-encoding: chunked",
    };
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *const own[] = {lines[i], NULL};
        struct call call = {.provider = &p, .headers = own};

        start(&c, &call);
        CHECK_ROW(i, await(&c) && c.state.error == ERROR_gateway_internal);
        end(&c);
    }
    p.key.bytes = (char *)"sk\r\nX: y";
    p.key.len = 8;
    upstream_forget(up, &p);
    start(&c, &(struct call){.provider = &p});
    CHECK(await(&c) && c.state.error == ERROR_gateway_internal);
    CHECK(!strstr(c.state.detail, "sk"));
    end(&c);
    CHECK(s->accepted == 0);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_base_that_is_no_http_url_is_refused(void)
{
    static const char *const bases[] = {"file:///etc", "127.0.0.1", "http://",
                                        "http://u:p@127.0.0.1", "gopher://a",
                                        "http://a b"};
    struct taker c;

    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        struct provider p = {.base = (char *)(uintptr_t)bases[i]};

        start(&c, &(struct call){.provider = &p});
        CHECK_ROW(i, await(&c) && c.state.error != ERROR_none);
        CHECK_ROW(i, !strstr(c.state.detail, "u:p"));
        end(&c);
        upstream_forget(up, &p);
    }
}

static void a_large_body_arrives_whole(void)
{
    static const size_t sizes[] = {0, 1, 65535, 65537, 262145, 2097152};
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    char *body = malloc(2097152);
    struct taker c;

    for (size_t i = 0; i < 2097152; i++)
        body[i] = (char)('a' + i % 23);
    server_answer(s, OK TEN "\r\n" BODY);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        start(&c, &(struct call){.provider = &p,
                                 .body = body,
                                 .body_bytes = sizes[i]});
        CHECK_ROW(i, await(&c) && c.state.error == ERROR_none);
        CHECK_ROW(i, s->request_body == sizes[i] &&
                         !memcmp(s->request + s->request_head, body, sizes[i]));
        CHECK_ROW(i, !strstr(s->request, "Expect"));
        end(&c);
    }
    CHECK(s->accepted == 1);
    free(body);
    upstream_forget(up, &p);
    server_close(s);
}

/* --- raw answers from files ---------------------------------------------- */

/* More than the sockets hold: the server never takes it all. */
static void an_answer_before_the_body_was_read_counts(void)
{
    enum { LARGE = 32 << 20 };
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    char *body = calloc(1, LARGE);
    struct call call = {.provider = &p, .body = body, .body_bytes = LARGE};
    struct taker c;

    s->early = true;
    server_answer(s, "HTTP/1.1 413 Too large\r\n" TEN "\r\n" BODY);
    start(&c, &call);
    CHECK(await(&c) && c.state.error == ERROR_none);
    CHECK(c.state.status == 413 && c.body && !strcmp(c.body, BODY));
    end(&c);
    call.body_bytes = 2;
    start(&c, &call);
    CHECK(await(&c) && !c.state.reused);
    end(&c);
    free(body);
    upstream_forget(up, &p);
    server_close(s);
}

static char *read_file(const char *folder, const char *name, size_t *len)
{
    char path[4096];
    FILE *f;
    char *bytes = calloc(1, 1 << 20);

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f) {
        free(bytes);
        return NULL;
    }
    *len = fread(bytes, 1, (1 << 20) - 1, f);
    fclose(f);
    return bytes;
}

/* The part of a verdict that does not need to understand events or JSON: an
 * error object in a well-formed answer is the owner's to find. */
static bool failed(const struct taker *c)
{
    return c->state.error != ERROR_none || c->state.status != 200 ||
           c->state.encoded || c->len == 0 || strstr(c->body, "\"error\"");
}

static bool judged(const struct taker *c, const char *outcome)
{
    if (strcmp(outcome, "ok") == 0)
        return !failed(c);
    if (strcmp(outcome, "bad-gateway") == 0)
        return failed(c);
    if (strcmp(outcome, "stream-error") == 0)
        return c->state.status == 200 && c->state.event_stream && c->len > 0;
    if (strcmp(outcome, "retry-after") == 0)
        return c->state.status == 429 && c->state.retry_after >= -1 &&
               c->state.retry_after <= 86400 * US_PER_S;
    return c->state.ended;
}

static void run_file(const char *folder, const char *id, const char *outcome)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    char name[80];
    char *bytes;
    struct taker c;

    snprintf(name, sizeof name, "%s.raw", id);
    bytes = read_file(folder, name, &s->answer_len);
    s->answer = bytes;
    s->close_after = true;
    start(&c, &(struct call){.provider = &p, .stream = true});
    CHECK(bytes && await(&c));
    CHECK(judged(&c, outcome));
    CHECK(s->accepted == 1);
    if (!judged(&c, outcome))
        fprintf(stderr, "%s: %s, got %d %d %s\n", id, outcome, c.state.status,
                (int)c.state.error, c.state.detail);
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
    free(bytes);
}

static const char *folder;

static void raw_answers_are_judged_as_their_list_says(void)
{
    size_t len;
    char *list = read_file(folder, "cases.json", &len), *line, *rest = list;
    char id[32], outcome[32];
    int n = 0;

    CHECK(list != NULL);
    while (list && (line = strsep(&rest, "\n"))) {
        char *where = strstr(line, "\"outcome\": \"");

        if (!where || sscanf(line, "{\"id\": \"%31[^\"]", id) != 1 ||
            sscanf(where, "\"outcome\": \"%31[^\"]", outcome) != 1)
            continue;
        run_file(folder, id, outcome);
        n++;
    }
    printf("raw answers: %d\n", n);
    CHECK(n > 0);
    free(list);
}

int main(int argc, char **argv)
{
    rig_open();
    RUN(malformed_answers_fail_and_doubtful_connections_are_not_reused);
    RUN(an_answer_in_single_bytes_is_judged_alike);
    RUN(libcurl_judges_alike);
    RUN(a_head_above_its_ceiling_is_refused);
    RUN(the_state_says_what_the_head_said);
    RUN(the_request_head_holds_our_headers_and_nothing_else);
    RUN(headers_of_provider_and_call_join_ours);
    RUN(own_headers_last_for_one_call);
    RUN(a_header_that_could_split_or_frame_the_request_is_refused);
    RUN(a_base_that_is_no_http_url_is_refused);
    RUN(a_large_body_arrives_whole);
    RUN(an_answer_before_the_body_was_read_counts);
    folder = argc > 1 ? argv[1] : NULL;
    if (folder)
        RUN(raw_answers_are_judged_as_their_list_says);
    else
        printf("raw answers: skipped, no folder given\n");
    rig_close();
    return test_end();
}
