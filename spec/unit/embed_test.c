/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the embedding API, leme_engine_* of leme.h, as a host sees it.
 */
#include "embed_rig.h"

#include <sched.h>
#include <signal.h>

static const char *config;      /* the usual one */

/* -- answers -------------------------------------------------------------------- */

static const struct {
    int line;
    const char *path, *body;
    int status;
    const char *text;           /* part of what data brings */
} questions[] = {
    {__LINE__, "/v1/chat/completions", "{\"model\":\"unary\",\"messages\":[]}", 200,
     "\"content\":\"hello\""},
    {__LINE__, "/chat/completions", "{\"model\":\"unary\",\"messages\":[]}", 200,
     "\"content\":\"hello\""},
    {__LINE__, "/v1/chat/completions",
     "{\"model\":\"stream\",\"stream\":true,\"messages\":[]}", 200,
     "data: [DONE]\n\n"},
    {__LINE__, "/v1/chat/completions", "{\"model\":\"bad\",\"messages\":[]}", 400,
     "no such thing"},
    {__LINE__, "/v1/chat/completions", "{\"model\":\"nobody\",\"messages\":[]}", 404,
     "model_not_found"},
    {__LINE__, "/v1/chat/completions", "{\"model\":", 400, "\"error\""},
    {__LINE__, "/v1/chat/completions", "", 400, "\"error\""},
    {__LINE__, "/v1/chat/completions", "[]", 400, "\"error\""},
};

static void a_request_ends_with_one_whole_answer(void)
{
    leme_engine *e = engine_on(config, NULL);

    for (size_t i = 0; e && i < sizeof questions / sizeof *questions; i++) {
        struct leme_error error = {.size = sizeof error};
        struct told t = {0};

        CHECK_ROW(questions[i].line,
                  submit(&t, e, questions[i].path, questions[i].body, NULL,
                         &error) == LEME_OK);
        CHECK_ROW(questions[i].line, t.heads + t.datas + t.ends == 0);
        UNTIL(e, t.ends == 1);
        settle(e);
        CHECK_ROW(questions[i].line, t.heads == 1 && t.ends == 1 && !t.disorder);
        CHECK_ROW(questions[i].line, t.status == questions[i].status && t.whole);
        CHECK_ROW(questions[i].line, strstr(t.text, questions[i].text));
        CHECK_ROW(questions[i].line, strstr(t.headers, "content-type: "));
    }
    leme_engine_free(e);
}

static void a_stream_comes_event_by_event(void)
{
    leme_engine *e = engine_on(config, NULL);
    struct told t = {0};

    CHECK(ask(&t, e, "first", true) == LEME_OK);
    UNTIL(e, t.datas > 0);
    CHECK(t.heads == 1 && t.status == 200 && t.ends == 0);
    CHECK(strstr(t.headers, "text/event-stream"));
    CHECK(strcmp(t.text, EVENT) == 0);
    leme_engine_cancel(e, t.id);
    leme_engine_free(e);
    CHECK(t.ends == 0);
}

static void a_stream_that_breaks_ends_once_with_an_error_event(void)
{
    leme_engine *e = engine_on(config, NULL);
    struct told t = {0};

    CHECK(ask(&t, e, "cut", true) == LEME_OK);
    UNTIL(e, t.ends == 1);
    settle(e);
    CHECK(t.heads == 1 && t.ends == 1 && !t.disorder);
    CHECK(strncmp(t.text, EVENT, strlen(EVENT)) == 0);
    CHECK(strstr(t.text, "provider_cut_stream"));
    leme_engine_free(e);
}

static void header_lines_are_read_without_case(void)
{
    static const char *const rows[] = {
        "x-request-id: mine-1\r\n", "X-Request-ID:mine-1\r\n",
        "x-request: no\r\nx-request-id:   mine-1", "a: b\r\nx-request-id: mine-1\r\n",
    };
    leme_engine *e = engine_on(config, NULL);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct told t = {0};

        submit(&t, e, "/v1/chat/completions", "{\"model\":\"unary\",\"messages\":[]}",
               rows[i], NULL);
        UNTIL(e, t.ends == 1);
        CHECK_ROW(i, strstr(t.headers, "x-request-id: mine-1\r\n"));
    }
    leme_engine_free(e);
}

static void callbacks_may_be_missing(void)
{
    struct leme_request r = {.size = sizeof r, .path = "/v1/chat/completions",
                             .body = "{\"model\":\"unary\",\"messages\":[]}",
                             .body_bytes = 31};
    struct leme_callbacks nobody = {0};
    leme_engine *e = engine_on(config, NULL);
    unsigned before = provider_asked;
    uint64_t id;

    CHECK(leme_engine_submit(e, &r, &nobody, &id, NULL) == LEME_OK);
    UNTIL(e, provider_asked > before);
    settle(e);
    leme_engine_free(e);
}

static void a_request_without_a_body_is_answered(void)
{
    struct told t = {0};
    struct leme_request r = {.size = sizeof r, .path = "/v1/chat/completions"};
    struct leme_callbacks to = {told_head, told_data, told_end, &t};
    leme_engine *e = engine_on(config, NULL);
    uint64_t id;

    CHECK(leme_engine_submit(e, &r, &to, &id, NULL) == LEME_OK);
    UNTIL(e, t.ends == 1);
    CHECK(t.status == 400);
    leme_engine_free(e);
}

static void many_requests_end_once_each(void)
{
    enum { N = 60 };
    static struct told t[N];
    leme_engine *e = engine_on(config, NULL);
    unsigned ends = 0;

    memset(t, 0, sizeof t);
    for (int i = 0; i < N; i++) {
        CHECK_ROW(i, ask(&t[i], e, i % 3 ? "unary" : "stream", i % 3 == 0) == 0);
        CHECK_ROW(i, i == 0 || t[i].id != t[i - 1].id);
    }
    for (int i = 0; i < N; i++)
        UNTIL(e, t[i].ends == 1);
    settle(e);
    for (int i = 0; i < N; i++)
        ends += t[i].ends == 1 && t[i].whole && t[i].status == 200 && !t[i].disorder;
    CHECK(ends == N);
    leme_engine_free(e);
}

static void a_request_may_begin_in_the_end_of_another(void)
{
    leme_engine *e = engine_on(config, NULL);
    struct told second = {0}, first = {.follows = &second};

    ask(&first, e, "unary", false);
    UNTIL(e, second.ends == 1);
    CHECK(first.ends == 1 && second.status == 200);
    leme_engine_free(e);
}

static void a_turn_ends_when_something_has_happened(void)
{
    leme_engine *e = engine_on(config, NULL);
    struct told t = {0};
    double began = now_ms();

    ask(&t, e, "nobody", false);
    for (int i = 0; i < 50 && !t.ends && now_ms() < began + 1900; i++)
        leme_engine_turn(e, 2000);
    CHECK(t.ends == 1 && now_ms() - began < 1500);
    began = now_ms();
    leme_engine_turn(e, 20);
    CHECK(now_ms() - began < 1000);
    leme_engine_turn(e, 0);
    leme_engine_free(e);
}

/* -- giving up -------------------------------------------------------------------- */

static void cancelled_before_it_begins_nothing_happens(void)
{
    leme_engine *e = engine_on(config, NULL);
    unsigned before = provider_asked;
    struct told t = {0};

    ask(&t, e, "unary", false);
    leme_engine_cancel(e, t.id);
    leme_engine_cancel(e, t.id);
    settle(e);
    CHECK(t.heads + t.datas + t.ends == 0 && provider_asked == before);
    leme_engine_free(e);
    CHECK(t.ends == 0);
}

static void cancelled_in_flight_the_provider_is_let_go(void)
{
    static const char *const models[] = {"silent", "first"};

    for (int i = 0; i < 2; i++) {
        leme_engine *e = engine_on(config, NULL);
        unsigned asked = provider_asked, left = provider_left, seen;
        struct told t = {0};

        ask(&t, e, models[i], true);
        UNTIL(e, provider_asked > asked && (i == 0 || t.datas > 0));
        seen = t.heads + t.datas;
        leme_engine_cancel(e, t.id);
        UNTIL(e, provider_left > left);
        settle(e);
        CHECK_ROW(i, t.heads + t.datas == seen && t.ends == 0);
        leme_engine_cancel(e, t.id);
        leme_engine_free(e);
        CHECK_ROW(i, t.ends == 0);
    }
}

static void a_request_may_cancel_itself_in_its_callbacks(void)
{
    static const struct {
        int in;
        const char *model;
    } rows[] = {{'h', "stream"}, {'d', "stream"}, {'h', "unary"}, {'d', "unary"},
                {'h', "nobody"}, {'d', "nobody"}, {'h', "first"}, {'d', "cut"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        leme_engine *e = engine_on(config, NULL);
        struct told t = {.cancel_in = rows[i].in}, next = {0};

        ask(&t, e, rows[i].model, strcmp(rows[i].model, "unary") != 0);
        UNTIL(e, t.heads == 1 && (rows[i].in == 'h' || t.datas == 1));
        settle(e);
        CHECK_ROW(i, t.heads == 1 && t.datas == (rows[i].in == 'd'));
        CHECK_ROW(i, t.ends == 0);
        ask(&next, e, "unary", false);
        UNTIL(e, next.ends == 1);
        CHECK_ROW(i, next.status == 200);
        leme_engine_free(e);
    }
}

static void cancelling_what_is_over_or_unknown_does_nothing(void)
{
    leme_engine *e = engine_on(config, NULL);
    struct told t = {0};

    leme_engine_cancel(e, 0);
    leme_engine_cancel(e, UINT64_MAX);
    ask(&t, e, "unary", false);
    leme_engine_cancel(e, t.id + 1);
    UNTIL(e, t.ends == 1);
    leme_engine_cancel(e, t.id);
    settle(e);
    CHECK(t.ends == 1 && t.whole);
    leme_engine_free(e);
}

static void freeing_ends_what_runs(void)
{
    leme_engine *e = engine_on(config, NULL);
    struct told silent = {0}, first = {0}, waiting = {0}, over = {0};
    unsigned left = provider_left;

    ask(&over, e, "unary", false);
    ask(&silent, e, "silent", false);
    ask(&first, e, "first", true);
    UNTIL(e, over.ends == 1 && first.datas > 0);
    ask(&waiting, e, "unary", false);
    leme_engine_free(e);
    CHECK(silent.ends == 1 && !silent.whole && silent.heads == 0);
    CHECK(first.ends == 1 && !first.whole && !first.disorder);
    CHECK(waiting.ends == 1 && !waiting.whole && waiting.heads == 0);
    CHECK(over.ends == 1 && over.whole);
    for (double until = now_ms() + 5000;
         provider_left < left + 2 && now_ms() < until;)
        sched_yield();
    CHECK(provider_left >= left + 2);
    leme_engine_free(NULL);
}

/* -- reloading --------------------------------------------------------------------- */

static void a_reload_serves_the_new_and_finishes_the_old(void)
{
    const char *path = config_with("reload.lua", "");
    struct leme_error error = {.size = sizeof error};
    leme_engine *e = engine_on(path, NULL);
    struct told old = {0}, before = {0}, after = {0}, broken = {0};

    ask(&old, e, "first", true);
    ask(&before, e, "new", false);
    UNTIL(e, before.ends == 1 && old.datas > 0);
    CHECK(before.status == 404);
    config_with("reload.lua", "model \"new\" { \"p/unary\" }\n");
    CHECK(leme_engine_reload(e, &error) == LEME_OK);
    ask(&after, e, "new", false);
    UNTIL(e, after.ends == 1);
    CHECK(after.status == 200 && old.ends == 0);
    config_with("reload.lua", "model \"new\" { nonsense = 1 }\n");
    CHECK(leme_engine_reload(e, &error) == LEME_BAD_CONFIG);
    CHECK(error.code == LEME_BAD_CONFIG && strstr(error.message, "nonsense"));
    CHECK(strstr(error.where, "reload.lua:9"));
    CHECK(leme_engine_reload(e, NULL) == LEME_BAD_CONFIG);
    ask(&broken, e, "new", false);
    UNTIL(e, broken.ends == 1);
    CHECK(broken.status == 200 && old.ends == 0);
    leme_engine_free(e);
    CHECK(old.ends == 1);
}

static void a_hundred_reloads_leave_nothing(void)
{
    leme_engine *e = engine_on(config, NULL);

    for (int i = 0; i < 100; i++) {
        struct told t = {0};

        CHECK_ROW(i, leme_engine_reload(e, NULL) == LEME_OK);
        if (i % 10)
            continue;
        ask(&t, e, "unary", false);
        UNTIL(e, t.ends == 1);
        CHECK_ROW(i, t.status == 200);
    }
    leme_engine_free(e);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);       /* as leme.h asks of a host */
    if (!mkdtemp(folder))
        return 1;
    provider_open();
    config = strdup(config_with("leme.lua", ""));
    RUN(a_request_ends_with_one_whole_answer);
    RUN(a_stream_comes_event_by_event);
    RUN(a_stream_that_breaks_ends_once_with_an_error_event);
    RUN(header_lines_are_read_without_case);
    RUN(callbacks_may_be_missing);
    RUN(a_request_without_a_body_is_answered);
    RUN(many_requests_end_once_each);
    RUN(a_request_may_begin_in_the_end_of_another);
    RUN(a_turn_ends_when_something_has_happened);
    RUN(cancelled_before_it_begins_nothing_happens);
    RUN(cancelled_in_flight_the_provider_is_let_go);
    RUN(a_request_may_cancel_itself_in_its_callbacks);
    RUN(cancelling_what_is_over_or_unknown_does_nothing);
    RUN(freeing_ends_what_runs);
    RUN(a_reload_serves_the_new_and_finishes_the_old);
    RUN(a_hundred_reloads_leave_nothing);
    provider_close();
    clean_up();
    free((void *)(uintptr_t)config);
    return test_end();
}
