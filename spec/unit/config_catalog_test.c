/* SPDX-License-Identifier: Apache-2.0
 *
 * config_catalog: which price a target gets and which it does not; what recorded
 * answers cost by the built-in lists, each worked out by hand or told by the
 * provider itself.
 */
#include "config_test.h"

#include "ceilings.h"

#include "answer.h"

#include <math.h>

/* 2026-11-21 12:00 UTC: no hour of a price of its own. */
#define NOON (1795262400 * US_PER_S)

#define KEY_OF(name) \
    "provider \"" name "\" { key = \"k-0123456789abcdef-" name "\" }\n"
#define PROVIDERS                                                              \
    KEY_OF("openai") KEY_OF("anthropic") KEY_OF("google") KEY_OF("qwen")       \
    KEY_OF("mistral") KEY_OF("deepseek") KEY_OF("openrouter") KEY_OF("xai")    \
    KEY_OF("groq") KEY_OF("moonshot") KEY_OF("zai") KEY_OF("perplexity")       \
    KEY_OF("cohere")                                                           \
    "provider \"local\" { base = \"http://127.0.0.1:9/v1\", auth = \"none\" }\n" \
    "model \"m\" { \"local/x\" }\n"

/* A configuration with ${more}; faults are printed. */
static struct config *with(const char *more)
{
    struct messages m;
    struct config *c;
    struct buf b;

    buf_init(&b, MIB);
    buf_addf(&b, "%s%s%c", PROVIDERS, more, '\0');
    c = load_text("catalog.lua", b.data, &m);
    if (m.count)
        fprintf(stderr, "%.*s", (int)m.text.len, m.text.data);
    CHECK(c && m.count == 0);
    buf_free(&m.text);
    buf_free(&b);
    return c;
}

static const struct target *target(const struct config *c, const char *name)
{
    int found = c ? config_find_target(c, name, strlen(name)) : -1;

    return found < 0 ? NULL : &c->targets[found];
}

/* The input price of a target of that name alone; -1 none. */
static double input_of(const char *name, const char *more)
{
    struct config *c;
    const struct target *t;
    double input;
    struct buf b;

    buf_init(&b, MIB);
    buf_addf(&b, "%starget \"%s\" {}%c", more, name, '\0');
    c = with(b.data);
    t = target(c, name);
    input = t && t->price.n ? t->price.list[0].input : -1;
    config_free(c);
    buf_free(&b);
    return input;
}

static void a_model_is_known_by_its_own_name_only(void)
{
    static const struct {
        int line;
        const char *name;
        double input;
    } rows[] = {
        {__LINE__, "openai/gpt-4o", 2.5},
        {__LINE__, "openai/gpt-4o-mini", 0.15},
        /* A snapshot with a price of its own, and one without. */
        {__LINE__, "openai/gpt-4o-2024-05-13", 5},
        {__LINE__, "openai/gpt-4o-mini-2024-07-18", 0.15},
        {__LINE__, "anthropic/claude-haiku-4-5-20251001", 1},
        {__LINE__, "anthropic/claude-sonnet-4-20250514", 3},
        {__LINE__, "anthropic/claude-opus-4-6-20260205", 5},
        /* One that is newer than the list may cost anything. */
        {__LINE__, "openai/gpt-4o-mini-2027-01-01", -1},
        {__LINE__, "anthropic/claude-haiku-4-5-20270101", -1},
        /* Neighbours. */
        {__LINE__, "openai/gpt-4o-mega", -1},
        {__LINE__, "openai/gpt-4o-", -1},
        {__LINE__, "openai/gpt-4", 30},
        {__LINE__, "openai/gpt-4-0613", -1},
        {__LINE__, "openai/gpt-4o-audio-preview-2024-12-17", -1},
        {__LINE__, "openai/gpt", -1},
        {__LINE__, "anthropic/claude-sonnet-5-5", -1},
        {__LINE__, "anthropic/gpt-4o", -1},
        {__LINE__, "openai/openai/gpt-4o", -1},
        {__LINE__, "mistral/mistral-large-latest-2024-05-13", -1},
        {__LINE__, "qwen/qwen-plus-2025-07-28", -1},
        {__LINE__, "qwen/qwen-plus-latest", -1},
        /* Spellings of one model. */
        {__LINE__, "google/models/gemini-2.5-flash", 0.3},
        {__LINE__, "qwen/qwen2.5-72b-instruct", 1.4},
        {__LINE__, "zai/glm-5.3", 1.4},
        {__LINE__, "zai/GLM-5.3", 1.4},
        /* Names with a slash; a variant is routed at another price. */
        {__LINE__, "openrouter/openai/gpt-4o", 2.5},
        {__LINE__, "openrouter/openai/gpt-4o:nitro", -1},
        {__LINE__, "openrouter/openai/gpt-oss-20b:free", -1},
        {__LINE__, "groq/openai/gpt-oss-120b", 0.15},
        {__LINE__, "local/gpt-4o", -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line, input_of(rows[i].name, "") == rows[i].input);
}

static void the_address_says_whose_prices_hold(void)
{
    static const struct {
        int line;
        const char *provider;
        double input;
    } rows[] = {
        {__LINE__, "base = \"https://api.openai.com/v1\"", 0.15},
        {__LINE__, "base = \"https://api.openai.com:443\"", 0.15},
        {__LINE__, "base = \"https://api.openai.com.example/v1\"", -1},
        {__LINE__, "base = \"https://example/api.openai.com\"", -1},
        {__LINE__, "base = \"http://10.0.0.1/v1\"", -1},
        {__LINE__, "base = \"http://10.0.0.1/v1\", catalog = \"openai\"", 0.15},
        {__LINE__, "base = \"https://api.openai.com/v1\", catalog = \"none\"", -1},
        {__LINE__, "base = \"https://api.openai.com/v1\", price_factor = 0.5",
         0.075},
        {__LINE__, "base = \"http://10.0.0.1/v1\", price = { input = 7 }", 7},
    };
    char more[300];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(more, sizeof more, "provider \"p\" { key = "
                 "\"k-0123456789abcdef-p\", %s }\n", rows[i].provider);
        CHECK_ROW(rows[i].line, input_of("p/gpt-4o-mini", more) == rows[i].input);
    }
    CHECK(input_of("p/qwen-plus", "provider \"p\" { key = "
                   "\"k-0123456789abcdef-p\", base = "
                   "\"https://dashscope.aliyuncs.com/compatible-mode/v1\" }\n") ==
          0.115);
    CHECK(input_of("p/qwen-plus", "provider \"p\" { key = "
                   "\"k-0123456789abcdef-p\", base = "
                   "\"https://dashscope-us.aliyuncs.com/compatible-mode/v1\" }\n") ==
          -1);
}

static void what_is_written_wins_over_every_list(void)
{
    struct config *c = with(
        "target \"openai/gpt-4o\" { price = { input = 1, when = { "
        "{ above = 5, output = 9 } } }, context = 7, caps = {} }\n"
        "target \"openai/o3\" { max_output = 5 }\n"
        "target \"local/y\" { catalog = \"mistral/mistral-embed\" }\n"
        "target \"openai/gpt-4.1\" { catalog = \"none\" }");
    const struct target *a = target(c, "openai/gpt-4o"),
                        *b = target(c, "openai/o3"), *y = target(c, "local/y"),
                        *none = target(c, "openai/gpt-4.1");

    CHECK(a && a->price.n == 2 && a->price.list[0].output == -1 && !a->listed);
    CHECK(a && a->price.list[1].input == 1 && a->price.list[1].output == 9);
    CHECK(a && a->context == 7 && a->ncaps == 0 && a->max_output == 16384);
    CHECK(b && b->max_output == 5 && b->context == 200000 && b->listed);
    CHECK(b && strcmp(b->price.date, "2026-09-23") == 0 && b->ncaps > 2);
    CHECK(y && y->price.list[0].input == 0.1 && y->context == 8000);
    CHECK(y && strcmp(y->caps[0], "embedding") == 0);
    CHECK(none && none->price.n == 0 && none->context == 0);
    config_free(c);
}

static void the_operators_list_is_asked_first(void)
{
    static const char list[] =
        "catalog { date = \"2026-11-20\" }\n"
        "price \"openai/gpt-4o\" { input = 2, output = 8 }\n"
        "price \"local/x\" { input = 0.01, output = 0.02, context = 4096,\n"
        "  caps = { \"tools\" }, date = \"2026-11-01\" }\n"
        "price \"house/llama\" { input = 3 }\n";
    struct config *c;
    const struct target *t;
    char path[256];

    write_file("prices.lua", list, sizeof list - 1, 0600, path);
    c = with("settings { catalog = \"prices.lua\" }\n"
             "provider \"azure\" { base = \"http://10.0.0.1\", key = "
             "\"k-0123456789abcdef\", catalog = \"house\" }\n"
             "target \"openai/gpt-4o\" {}\ntarget \"azure/llama\" {}");
    t = target(c, "openai/gpt-4o");
    CHECK(t && t->price.list[0].input == 2 && !t->listed);
    CHECK(t && strcmp(t->price.date, "2026-11-20") == 0);
    /* What it does not say the built-in list does. */
    CHECK(t && t->context == 128000 && t->ncaps == 4);
    t = target(c, "local/x");
    CHECK(t && t->price.list[0].output == 0.02 && t->context == 4096);
    CHECK(t && t->ncaps == 1 && strcmp(t->price.date, "2026-11-01") == 0);
    t = target(c, "azure/llama");
    CHECK(t && t->price.list[0].input == 3);
    config_free(c);
}

static void an_operators_list_may_be_json(void)
{
    static const char list[] =
        "{\"catalog\": {\"date\": \"2026-11-20\"}, \"prices\": {\n"
        "\"local/x\": {\"input\": 4, \"when\": [{\"above\": 9, \"input\": 8}]}}}";
    struct config *c;
    const struct target *t;
    char path[256];

    write_file("prices.json", list, sizeof list - 1, 0600, path);
    c = with("settings { catalog = \"prices.json\" }");
    t = target(c, "local/x");
    CHECK(t && t->price.n == 2 && t->price.list[1].input == 8);
    CHECK(t && t->price.list[1].above == 9);
    config_free(c);
}

static void a_wrong_list_is_refused_with_file_and_line(void)
{
    static const char list[] =
        "catalog { date = \"2026-02-30\" }\n"
        "price \"local/x\" { inptu = 1 }\n"
        "price \"local/x\" { input = -1 }\n"
        "price \"gpt-4o\" { input = 1 }\n"
        "price \"local/a\" { input = 1, when = { { input = 2 } } }\n"
        "price \"local/b\" { input = 1, when = { { from = \"01:00\" } } }\n"
        "price \"local/c\" { input = 1, when = { { from = \"1:00\", to = \"25:00\" } } }\n"
        "price \"local/d\" { input = 1, when = { { since = \"soon\" } } }\n"
        "price \"local/e\" { when = 5 }\n"
        "model \"m\" {}\n"
        "pricee \"local/f\" {}\n";
    static const char *const parts[] = {
        "1: catalog: \"date\" is a day like",
        "2: price \"local/x\": unknown key \"inptu\"; did you mean \"input\"?",
        "3: price \"local/x\": the name is taken at line 2",
        "3: price \"local/x\": \"input\" is -1, expected",
        "4: price \"gpt-4o\": a price is of \"provider/model\"",
        "5: price \"local/a\": a price of \"when\" says above, since",
        "6: price \"local/b\": \"from\" and \"to\" stand together",
        "7: price \"local/c\": \"from\" is a time of the day",
        "7: price \"local/c\": \"to\" is a time of the day",
        "8: price \"local/d\": \"since\" is a day like",
        "9: price \"local/e\": \"when\" is a list",
        "10: nothing is called \"model\"",
        "11: nothing is called \"pricee\"; did you mean \"price\"?",
    };
    struct messages m;
    char path[256];

    write_file("wrong.lua", list, sizeof list - 1, 0600, path);
    CHECK(!load_text("with_wrong.lua",
                     PROVIDERS "settings { catalog = \"wrong.lua\" }", &m));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!says(&m, parts[i])) {
            fprintf(stderr, "missing: %s\n", parts[i]);
            CHECK(!"a message");
        }
    CHECK(m.errors == sizeof parts / sizeof *parts);
    if (test_bad)
        fprintf(stderr, "%.*s", (int)m.text.len, m.text.data);
    buf_free(&m.text);
    CHECK(!load_text("no_list.lua",
                     PROVIDERS "settings { catalog = \"nowhere.lua\" }", &m));
    CHECK(says(&m, "0: cannot be read"));
    buf_free(&m.text);
}

static void a_list_or_row_that_is_not_there_is_refused(void)
{
    struct messages m;

    CHECK(!load_text("rows.lua", PROVIDERS
                     "provider \"p\" { base = \"http://10.0.0.1\", key = "
                     "\"k-0123456789abcdef\", catalog = \"opnai\" }\n"
                     "target \"local/y\" { catalog = \"openai/gpt-4oo\" }", &m));
    CHECK(says(&m, "provider \"p\": \"catalog\": no price list has that name; "
                   "did you mean \"openai\"?"));
    CHECK(says(&m, "target \"local/y\": \"catalog\": no price list has that row; "
                   "did you mean \"openai/gpt-4o\"?"));
    CHECK(m.errors == 2);
    buf_free(&m.text);
}

/* What a recorded answer said of itself, priced by the built-in lists. */
static void recorded_answers_cost_what_hand_or_provider_says(void)
{
    static const struct {
        int line;
        const char *name;
        const char *usage;
        double millionths;
    } rows[] = {
        /* 375 * 0.25 + 372 * 2, thoughts among the latter */
        {__LINE__, "openai/gpt-5-mini-2025-08-07",
         "{\"prompt_tokens\":375,\"completion_tokens\":372,\"total_tokens\":747,"
         "\"prompt_tokens_details\":{\"audio_tokens\":0,\"cached_tokens\":0},"
         "\"completion_tokens_details\":{\"reasoning_tokens\":256}}", 837.75},
        /* (3000 - 2560) * 1.25 + 2560 * 0.125 + 400 * 10 */
        {__LINE__, "openai/gpt-5",
         "{\"prompt_tokens\":3000,\"completion_tokens\":400,"
         "\"prompt_tokens_details\":{\"cached_tokens\":2560},"
         "\"completion_tokens_details\":{\"reasoning_tokens\":320}}", 4870},
        /* (976 - 896) * 0.22 + 896 * 0.007 + 61 * 0.66 */
        {__LINE__, "deepseek/deepseek-v4-flash",
         "{\"prompt_tokens\":976,\"completion_tokens\":61,\"total_tokens\":1037,"
         "\"prompt_tokens_details\":{\"cached_tokens\":896},"
         "\"completion_tokens_details\":{\"reasoning_tokens\":25},"
         "\"prompt_cache_hit_tokens\":896,\"prompt_cache_miss_tokens\":80}",
         64.132},
        /* 24 * 1.2 + 1668 * 6 */
        {__LINE__, "qwen/qwen3-max",
         "{\"prompt_tokens\":24,\"completion_tokens\":1668,\"total_tokens\":1692,"
         "\"completion_tokens_details\":{\"reasoning_tokens\":1353},"
         "\"prompt_tokens_details\":{\"cached_tokens\":0}}", 10036.8},
        /* Thinking: 20 * 0.4 + 100 * 4; not thinking: 20 * 0.4 + 100 * 1.2 */
        {__LINE__, "qwen/qwen-plus",
         "{\"prompt_tokens\":20,\"completion_tokens\":100,"
         "\"completion_tokens_details\":{\"reasoning_tokens\":80}}", 408},
        {__LINE__, "qwen/qwen-plus",
         "{\"prompt_tokens\":20,\"completion_tokens\":100}", 128},
        /* 256,000 * 0.5 + 10 * 3; one more and it is * 2 and * 6 */
        {__LINE__, "qwen/qwen3.7-plus",
         "{\"prompt_tokens\":256000,\"completion_tokens\":10}", 128030},
        {__LINE__, "qwen/qwen3.7-plus",
         "{\"prompt_tokens\":256001,\"completion_tokens\":10}", 512062},
        /* The provider's own words: cost 0.00341475 */
        {__LINE__, "openrouter/anthropic/claude-sonnet-4.6",
         "{\"completion_tokens\":100,\"cost\":0.00341475,\"prompt_tokens\":2572,"
         "\"prompt_tokens_details\":{\"audio_tokens\":0,"
         "\"cache_write_tokens\":329,\"cached_tokens\":2240},"
         "\"total_tokens\":2672}", 3414.75},
        /* The provider's own words: 1,777,000 ticks, 10,000 a millionth */
        {__LINE__, "xai/grok-3-mini",
         "{\"prompt_tokens\":307,\"completion_tokens\":26,\"total_tokens\":588,"
         "\"prompt_tokens_details\":{\"cached_tokens\":244,\"audio_tokens\":0},"
         "\"completion_tokens_details\":{\"reasoning_tokens\":255},"
         "\"cost_in_usd_ticks\":1777000}", 177.7},
        /* (20 - 10) * 0.95 + 10 * 0.16 + 30 * 4 */
        {__LINE__, "moonshot/kimi-k2.6",
         "{\"prompt_tokens\":20,\"completion_tokens\":30,\"total_tokens\":50,"
         "\"cached_tokens\":10,\"completion_tokens_details\":"
         "{\"reasoning_tokens\":22}}", 131.1},
        /* (50 - 30) * 8 + 30 * 3 + 10 * 2 */
        {__LINE__, "perplexity/sonar-deep-research",
         "{\"prompt_tokens\":10,\"completion_tokens\":50,"
         "\"completion_tokens_details\":{\"reasoning_tokens\":30}}", 270},
        /* A batch of embeddings: 1,200 * 0.13 */
        {__LINE__, "openai/text-embedding-3-large",
         "{\"prompt_tokens\":1200,\"total_tokens\":1200}", 156},
        /* Free of charge is a price. */
        {__LINE__, "zai/glm-4.7-flash",
         "{\"prompt_tokens\":173,\"completion_tokens\":89}", 0},
        {__LINE__, "openai/gpt-99",
         "{\"prompt_tokens\":173,\"completion_tokens\":89}", -1e6},
    };
    struct answer a;
    char text[700], more[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config *c;
        const struct target *t;
        double got;

        snprintf(more, sizeof more, "target \"%s\" {}", rows[i].name);
        c = with(more);
        t = target(c, rows[i].name);
        answer_init(&a, ANSWER_CHAT);
        snprintf(text, sizeof text, "{\"data\":[{}],\"usage\":%s}", rows[i].usage);
        CHECK_ROW(rows[i].line,
                  answer_body(&a, text, strlen(text)) == ANSWER_CONTENT);
        got = t ? price_cost(&t->price, &a.usage, NOON) * 1e6 : 0;
        CHECK_ROW(rows[i].line, fabs(got - rows[i].millionths) < 1e-6);
        config_free(c);
    }
}

/* What was found in lists is shown as if it had been written. */
static void what_is_shown_can_be_read_again(void)
{
    struct config *c[2] = {NULL, NULL};
    struct messages m;
    struct buf shown[2];

    c[0] = load_text("shown.lua",
                     "provider \"p\" { base = \"http://10.0.0.1\", auth = "
                     "\"none\", catalog = \"deepseek\", price_factor = 0.5 }\n"
                     "provider \"q\" { base = \"http://10.0.0.1\", auth = "
                     "\"none\", price = { input = 1, when = { { since = "
                     "\"2027-01-01\", above = 5, input = 2 } } } }\n"
                     "target \"p/deepseek-v4-pro\" {}\ntarget \"q/x\" {}\n"
                     "target \"q/y\" { catalog = \"anthropic/claude-sonnet-4-5\" }\n"
                     "model \"m\" { \"p/deepseek-v4-pro\", \"q/x\" }", &m);
    CHECK(c[0] && m.count == 0);
    buf_free(&m.text);
    for (int i = 0; i < 2 && c[i]; i++) {
        buf_init(&shown[i], MIB);
        CHECK(config_show(c[i], &shown[i]) == 0 && buf_addc(&shown[i], '\0') == 0);
        if (i == 0) {
            c[1] = load_text("shown.json", shown[0].data, &m);
            CHECK(c[1] && m.count == 0);
            buf_free(&m.text);
        }
    }
    if (c[0] && c[1])
        CHECK(strcmp(shown[0].data, shown[1].data) == 0 &&
              strstr(shown[0].data, "\"input\":0.33,") != NULL &&
              strstr(shown[0].data, "\"above\":5,\"since\":\"2027-01-01\"") != NULL);
    for (int i = 0; i < 2; i++) {
        if (c[i])
            buf_free(&shown[i]);
        config_free(c[i]);
    }
}

static void peak_hours_and_announced_prices_are_known(void)
{
    struct config *c = with("target \"deepseek/deepseek-v4-pro\" {}\n"
                            "target \"google/gemini-3.8-flash\" {}");
    const struct target *d = target(c, "deepseek/deepseek-v4-pro");
    const struct target *g = target(c, "google/gemini-3.8-flash");

    CHECK(d && price_at(&d->price, 0, NOON)->input == 0.66);
    CHECK(d && price_at(&d->price, 0, NOON - 9 * 3600 * US_PER_S)->input == 1.32);
    CHECK(g && price_at(&g->price, 0, NOON)->output == 3.75);
    CHECK(g && price_at(&g->price, 0, NOON + 60 * 86400 * US_PER_S)->output == 7.5);
    config_free(c);
}

static void every_built_in_list_is_sound(void)
{
    static const char *const lists[] = {
        "anthropic", "cohere", "dashscope-cn", "dashscope-intl", "deepseek",
        "google", "groq", "mistral", "moonshotai", "openai", "openrouter",
        "perplexity", "xai", "zai"};
    char more[300];

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        snprintf(more, sizeof more, "provider \"p\" { base = \"http://10.0.0.1\", "
                 "key = \"k-0123456789abcdef\", catalog = \"%s\" }\n"
                 "target \"p/none\" {}", lists[i]);
        config_free(with(more));
    }
}

int main(int argc, char **argv)
{
    if (set_up(argc, argv))
        return 1;
    RUN(a_model_is_known_by_its_own_name_only);
    RUN(the_address_says_whose_prices_hold);
    RUN(what_is_written_wins_over_every_list);
    RUN(the_operators_list_is_asked_first);
    RUN(an_operators_list_may_be_json);
    RUN(a_wrong_list_is_refused_with_file_and_line);
    RUN(a_list_or_row_that_is_not_there_is_refused);
    RUN(recorded_answers_cost_what_hand_or_provider_says);
    RUN(what_is_shown_can_be_read_again);
    RUN(peak_hours_and_announced_prices_are_known);
    RUN(every_built_in_list_is_sound);
    clean_up();
    return test_end();
}
