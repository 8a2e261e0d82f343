/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of a loaded configuration: finding, redacting, comparing, and the time
 * it takes to load a large one. The path of spec/config is the first argument.
 */
#include "config_test.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SLOW 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOW 1
#endif
#endif
#ifndef SLOW
#define SLOW 0
#endif

static void a_secret_file_loses_its_final_newline(void)
{
    struct messages m;
    struct config *c;
    char path[256];

    write_file("key", "sk-from-a-file-0123456789\r\n\n", 28, 0600, path);
    c = load_text("file.lua", "provider \"openai\" { key = file \"key\" }\n"
                  MODEL, &m);
    CHECK(c && m.count == 0);
    CHECK(c && strcmp(c->providers[0].key.bytes,
                      "sk-from-a-file-0123456789") == 0);
    config_free(c);
    buf_free(&m.text);
    chmod(path, 0604);
    c = load_text("file.lua", "provider \"openai\" { key = file \"key\" }\n"
                  MODEL, &m);
    CHECK(c && m.count == 1 && m.errors == 0);
    CHECK(says(&m, "1: warning: provider \"openai\": \"key\": everybody"));
    config_free(c);
    buf_free(&m.text);
}

static void redact_replaces_every_secret_and_never_grows(void)
{
    static const struct {
        int line;
        const char *in, *out;
    } rows[] = {
        {__LINE__, "", ""},
        {__LINE__, "nothing here", "nothing here"},
        {__LINE__, "sk-proj-abcdefghijklmnop7Qz1", "sk-...7Qz1"},
        {__LINE__, "a sk-proj-abcdefghijklmnop7Qz1 b", "a sk-...7Qz1 b"},
        {__LINE__, "sk-proj-abcdefghijklmnop7Qz1sk-proj-abcdefghijklmnop7Qz1",
         "sk-...7Qz1sk-...7Qz1"},
        {__LINE__, "sk-proj-abcdefghijklmnop7Qz", "sk-proj-abcdefghijklmnop7Qz"},
        {__LINE__, "Bearer literal-secret-0123456789", "...6789"},
        {__LINE__, "said literal-secret-0123456789.", "said ...6789."},
        {__LINE__, "adm-0123456789abcdefghij", "...ghij"},
        {__LINE__, "123456781234567812345678", "*********"},
        {__LINE__, "12345678901234567890AB", "...90AB"},
        {__LINE__, "1234567", "1234567"},
        {__LINE__, "?v=2026-01-01&key=query-secret-0123456789&x=1", "?...6789&x=1"},
        {__LINE__, "said query-secret-0123456789", "said ...6789"},
        {__LINE__, "v 2026-01-01", "v 2026-01-01"},
    };
    struct messages m;
    char text[128];
    size_t i, len;
    struct config *c = load_text("redact.lua",
        OPENAI MODEL
        "admin { \"unix:/a\", key = env \"ADMIN_KEY\" }\n"
        "provider \"x\" { base = \"http://127.0.0.1:1\", key = \"12345678\",\n"
        "  headers = { authorization2 = \"Bearer literal-secret-0123456789\",\n"
        "              [\"x-token\"] = \"12345678901234567890AB\",\n"
        "              [\"x-short-key\"] = \"1234567\" },\n"
        "  query = env \"QUERY\" }\n", &m);

    CHECK(c != NULL);
    for (i = 0; c && i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "%s", rows[i].in);
        len = config_redact(c, text, strlen(text));
        CHECK_ROW(rows[i].line, len <= strlen(rows[i].in));
        CHECK_ROW(rows[i].line, len == strlen(rows[i].out) &&
                                memcmp(text, rows[i].out, len) == 0);
    }
    for (i = 0; c && i < 24; i++) {
        memset(text, '-', i);
        snprintf(text + i, sizeof text - i, "literal-secret-0123456789%.*s",
                 (int)(i % 5), "____");
        CHECK_ROW(i, config_redact(c, text, strlen(text)) == i + i % 5 + 7);
    }
    config_free(c);
    buf_free(&m.text);
}

static void digest_is_sha256(void)
{
    static const struct {
        int line;
        const char *text;
        size_t times;
        unsigned char first[4];
    } rows[] = {
        {__LINE__, "", 1, {0xe3, 0xb0, 0xc4, 0x42}},
        {__LINE__, "abc", 1, {0xba, 0x78, 0x16, 0xbf}},
        {__LINE__, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         1, {0x24, 0x8d, 0x6a, 0x61}},
        {__LINE__, "a", 1000000, {0xcd, 0xc7, 0x6e, 0x5c}},
        {__LINE__, "a", 55, {0x9f, 0x43, 0x90, 0xf8}},
        {__LINE__, "a", 56, {0xb3, 0x54, 0x39, 0xa4}},
        {__LINE__, "a", 64, {0xff, 0xe0, 0x54, 0xfe}},
    };
    unsigned char digest[32];
    struct buf b;
    size_t i, j;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_init(&b, 2 << 20);
        for (j = 0; j < rows[i].times; j++)
            buf_adds(&b, rows[i].text);
        config_digest(b.data, b.len, digest);
        CHECK_ROW(rows[i].line, memcmp(digest, rows[i].first, 4) == 0);
        buf_free(&b);
    }
}

static void names_are_found_and_others_are_not(void)
{
    struct config *c = load_full("full.lua");

    if (!c)
        return;
    CHECK(config_find_model(c, "fast-and-more", 4) >= 0);
    CHECK(config_find_model(c, "fas", 3) == -1);
    CHECK(config_find_model(c, "", 0) == -1);
    CHECK(config_find_target(c, "openai/gpt", 10) == -1);
    CHECK(config_find_provider(c, "OpenAI", 6) == -1);
    config_free(c);
}

/* Enough clients for several buckets. */
static void each_client_is_found_by_its_key_alone(void)
{
    struct messages m;
    unsigned char digest[32];
    char key[40];
    int i;
    struct config *c = load_text("clients.lua", OPENAI MODEL
        "for i = 0, 999 do client { name = 'c' .. i, key = 'key-number-' .. i } "
        "end client { name = 'open' }", &m);

    CHECK(c && c->nclients == 1001);
    for (i = 0; c && i < 1000; i++) {
        snprintf(key, sizeof key, "key-number-%d", i);
        config_digest(key, strlen(key), digest);
        CHECK_ROW(i, config_find_client(c, digest) == i);
        digest[31] ^= 1;
        CHECK_ROW(i, config_find_client(c, digest) == -1);
    }
    memset(digest, 0, sizeof digest);
    CHECK(c && config_find_client(c, digest) == -1);
    config_free(c);
    buf_free(&m.text);
}

static void nearest_knows_slips_and_leaves_other_words_alone(void)
{
    static const char *const names[] = {"model", "provider", "listen", "key",
                                        "default_route"};
    static const struct {
        int line;
        const char *word, *nearest;
    } rows[] = {
        {__LINE__, "modle", "model"},       {__LINE__, "modell", "model"},
        {__LINE__, "providers", "provider"}, {__LINE__, "listne", "listen"},
        {__LINE__, "kye", "key"},           {__LINE__, "later", NULL},
        {__LINE__, "kxx", NULL},            {__LINE__, "k", NULL},
        {__LINE__, "", NULL},               {__LINE__, "model", NULL},
        {__LINE__, "defualt_rout", "default_route"},
        {__LINE__, "xylophone", NULL},
    };
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *found = config_nearest(rows[i].word, names, 5);

        CHECK_ROW(rows[i].line,
                  found == rows[i].nearest ||
                      (found && rows[i].nearest &&
                       strcmp(found, rows[i].nearest) == 0));
    }
}

static void what_needs_a_restart_is_named(void)
{
    static const struct {
        int line;
        const char *a, *b, *key;
    } rows[] = {
        {__LINE__, "", "", NULL},
        {__LINE__, "listen { \"127.0.0.1:1\" }", "", "listen"},
        {__LINE__, "listen { \"127.0.0.1:1\" }", "listen { \"127.0.0.1:2\" }",
         "listen"},
        {__LINE__, "listen { \"127.0.0.1:1\" }",
         "listen { \"127.0.0.1:1\", half_close = \"answer\" }", "listen"},
        {__LINE__, "admin { \"unix:/a\" }", "admin { \"unix:/b\" }", "admin"},
        {__LINE__, "admin { \"unix:/a\", key = \"x\" }",
         "admin { \"unix:/a\", key = \"y\" }", "admin"},
        {__LINE__, "settings { workers = 1 }", "settings { workers = 2 }",
         "settings.workers"},
        {__LINE__, "settings { log = \"stderr\" }", "settings { log = \"x\" }",
         "settings.log"},
        {__LINE__, "settings { memory_max = 2^30 }", "", "settings.memory_max"},
        {__LINE__, "settings { body_max = 2^20 }", "", "settings.body_max"},
        {__LINE__, "settings { head_max = 2^14 }", "", "settings.head_max"},
        {__LINE__, "settings { max_connections = 5 }", "",
         "settings.max_connections"},
        {__LINE__, "settings { lua_state_max = 2^26 }", "",
         "settings.lua_state_max"},
        {__LINE__, "settings { idle_timeout = 5 }", "", NULL},
        {__LINE__, "settings { log_level = \"debug\" }", "", NULL},
        {__LINE__, "client { name = \"a\" }", "", NULL},
    };
    struct messages m, n;
    char text[512];
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config *a, *b;
        const char *key;

        snprintf(text, sizeof text, OPENAI MODEL "%s\n", rows[i].a);
        a = load_text("a.lua", text, &m);
        snprintf(text, sizeof text, OPENAI MODEL "%s\n", rows[i].b);
        b = load_text("b.lua", text, &n);
        CHECK_ROW(rows[i].line, a && b);
        key = a && b ? config_start_only(a, b) : "";
        CHECK_ROW(rows[i].line,
                  key == rows[i].key ||
                      (key && rows[i].key && strcmp(key, rows[i].key) == 0));
        config_free(a);
        config_free(b);
        buf_free(&m.text);
        buf_free(&n.text);
    }
}

static void a_thousand_targets_and_many_clients_load_within_two_seconds(void)
{
    int nclients = SLOW ? 5000 : 100000, i;
    struct messages m;
    struct config *c;
    char path[256];
    us_t started;
    struct buf b;

    buf_init(&b, 64u << 20);
    buf_adds(&b, "provider \"p\" { base = \"http://127.0.0.1:1\" }\n");
    for (i = 0; i < 1000; i++)
        buf_addf(&b, "target \"p/m%d\" { price = { input = %d } }\n"
                     "model \"m%d\" { policy = \"p%d.lua\", knobs = { a = %d },"
                     " default_route = { \"p/m%d\", \"p/m%d\" } }\n",
                 i, i, i, i, i, i, (i + 1) % 1000);
    for (i = 0; i < nclients; i++)
        buf_addf(&b, "client { name = \"client-%d\", key = \"key-%032d\", "
                     "tags = { team = \"t%d\" } }\n", i, i, i % 100);
    write_file("large.lua", b.data, b.len, 0600, path);
    buf_free(&b);
    started = clock_now();
    c = load(path, &m);
    CHECK(c && c->nmodels == 1000 && c->ntargets == 1000);
    CHECK(c && c->nclients == (size_t)nclients);
    if (!SLOW)
        CHECK(clock_now() - started < 2 * US_PER_S);
    config_free(c);
    buf_free(&m.text);
}

int main(int argc, char **argv)
{
    if (set_up(argc, argv))
        return 1;
    RUN(a_secret_file_loses_its_final_newline);
    RUN(redact_replaces_every_secret_and_never_grows);
    RUN(digest_is_sha256);
    RUN(names_are_found_and_others_are_not);
    RUN(each_client_is_found_by_its_key_alone);
    RUN(nearest_knows_slips_and_leaves_other_words_alone);
    RUN(what_needs_a_restart_is_named);
    RUN(a_thousand_targets_and_many_clients_load_within_two_seconds);
    clean_up();
    return test_end();
}
