/* SPDX-License-Identifier: Apache-2.0
 *
 * stencil: what is learned from one event, and what it is applied to.
 */
#include "stencil.h"

#include "test.h"

#include <string.h>

static struct stencil s;
static struct buf out;

static struct stencil_text t(const char *text)
{
    return (struct stencil_text){text, strlen(text)};
}

#define DATA(text) "{\"type\":\"delta\",\"index\":0,\"text\":\"" text "\"}"
#define OUT(text) "data: {\"id\":\"x\",\"content\":\"" text "\"}\n\n"

static void fresh(void)
{
    stencil_free(&s);
    stencil_init(&s);
    buf_free(&out);
    buf_init(&out, 1 << 20);
}

static void learn(const char *data, const char *made, const char *text)
{
    fresh();
    stencil_learn(&s, t("delta"), t(data), t(made), t(text));
}

static int apply(const char *name, const char *data)
{
    out.len = 0;
    return stencil_apply(&s, t(name), t(data), &out);
}

static bool gave(const char *text)
{
    return out.len == strlen(text) && !memcmp(out.data, text, out.len);
}

static void a_text_is_moved_as_it_is_written(void)
{
    static const char *const texts[] = {"world", " ", "\\n\\\"\\u00e9\\\\", "caf\xc3\xa9",
                                        "\\ud83d", "]}", "a:\\/b"};
    char data[200], made[200];

    learn(DATA("Hello"), OUT("Hello"), "Hello");
    CHECK(s.set);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(data, sizeof data, DATA("%s"), texts[i]);
        snprintf(made, sizeof made, OUT("%s"), texts[i]);
        CHECK_ROW(i, apply("delta", data) == 1);
        CHECK_ROW(i, gave(made));
    }
    CHECK(s.said.len && !memcmp(s.said.data, "world \\n", 8));
}

static void what_differs_elsewhere_is_another_event(void)
{
    static const struct {
        const char *name, *data;
    } rows[] = {
        {"delt", DATA("world")},
        {"", DATA("world")},
        {"delta", DATA("")},
        {"delta", "{\"type\":\"delta\",\"index\":1,\"text\":\"world\"}"},
        {"delta", "{\"type\":\"delta\",\"index\":0,\"text\":\"world\"} "},
        {"delta", "{\"type\":\"delta\",\"index\":0,\"text\":\"a\",\"b\":\"c\"}"},
        {"delta", "{\"type\":\"delta\",\"index\":0,\"text\":\"a\" \"}"},
        {"delta", DATA("a\\")},
        {"delta", DATA("a\\x")},
        {"delta", DATA("\\u12")},
        {"delta", DATA("a\tb")},
        {"delta", DATA("\xff")},
        {"delta", "{\"type\":\"delta\",\"index\":0,\"text\":\""},
        {"delta", ""},
    };

    learn(DATA("Hello"), OUT("Hello"), "Hello");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(i, apply(rows[i].name, rows[i].data) == 0 && out.len == 0);
    CHECK(s.said.len == 0);
}

static void a_doubtful_place_is_not_learned(void)
{
    static const struct {
        const char *data, *out, *text;
    } rows[] = {
        {DATA("text"), OUT("text"), "text"},            /* a key as well */
        {DATA("a\\nb"), OUT("a\\nb"), "a\nb"},          /* escapes */
        {DATA("a\\u0041"), OUT("aA"), "aA"},
        {DATA("Hello"), OUT("Hello") OUT("Hello"), "Hello"},
        {DATA("Hello"), OUT("Other"), "Hello"},
        {DATA("Hello"), OUT("Hello"), "Hell"},
        {DATA(""), OUT(""), ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        learn(rows[i].data, rows[i].out, rows[i].text);
        CHECK_ROW(i, !s.set && apply("delta", rows[i].data) == 0);
    }
}

static void it_can_be_learned_anew_and_forgotten(void)
{
    learn(DATA("Hello"), OUT("Hello"), "Hello");
    stencil_learn(&s, t("delta"), t("[\"a\"]"), t("<\"a\">"), t("a"));
    CHECK(apply("delta", DATA("world")) == 0);
    CHECK(apply("delta", "[\"b\"]") == 1 && gave("<\"b\">"));
    stencil_clear(&s);
    CHECK(apply("delta", "[\"b\"]") == 0);
    CHECK(s.said.len == 1);
}

static void a_full_buffer_takes_nothing(void)
{
    learn(DATA("Hello"), OUT("Hello"), "Hello");
    buf_free(&out);
    buf_init(&out, 30);
    CHECK(apply("delta", DATA("world")) == -1 && out.len == 0);
}

static void a_run_grows_by_what_stands_right_behind_it(void)
{
    struct stencil_run r = {0, 0};

    CHECK(stencil_run_left(&r, 0) == 0);
    stencil_run_add(&r, 100, 130);
    stencil_run_add(&r, 130, 150);
    CHECK(stencil_run_left(&r, 99) == 0);
    CHECK(stencil_run_left(&r, 100) == 50);
    CHECK(stencil_run_left(&r, 130) == 20);
    CHECK(stencil_run_left(&r, 150) == 0);
}

/* What stands between two of them says something else. */
static void a_gap_begins_another_run(void)
{
    struct stencil_run r = {0, 0};

    stencil_run_add(&r, 100, 130);
    stencil_run_add(&r, 160, 190);
    CHECK(stencil_run_left(&r, 100) == 0);
    CHECK(stencil_run_left(&r, 130) == 0);
    CHECK(stencil_run_left(&r, 160) == 30);
}

static void a_run_moves_with_what_is_taken(void)
{
    struct stencil_run r = {0, 0};

    stencil_run_add(&r, 100, 130);
    stencil_run_take(&r, 40);
    CHECK(stencil_run_left(&r, 60) == 30);
    stencil_run_take(&r, 70);
    CHECK(stencil_run_left(&r, 0) == 20);
    stencil_run_add(&r, 20, 25);
    CHECK(stencil_run_left(&r, 0) == 25);
    stencil_run_take(&r, 25);
    CHECK(stencil_run_left(&r, 0) == 0);
    stencil_run_add(&r, 40, 50);
    stencil_run_take(&r, 1000);
    CHECK(stencil_run_left(&r, 0) == 0);
    stencil_run_add(&r, 0, 10);
    CHECK(stencil_run_left(&r, 0) == 10);
}

int main(void)
{
    stencil_init(&s);
    buf_init(&out, 1 << 20);
    RUN(a_text_is_moved_as_it_is_written);
    RUN(what_differs_elsewhere_is_another_event);
    RUN(a_doubtful_place_is_not_learned);
    RUN(it_can_be_learned_anew_and_forgotten);
    RUN(a_full_buffer_takes_nothing);
    RUN(a_run_grows_by_what_stands_right_behind_it);
    RUN(a_gap_begins_another_run);
    RUN(a_run_moves_with_what_is_taken);
    stencil_free(&s);
    buf_free(&out);
    return test_end();
}
