/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of secrets from outside, and of several keys for one provider: the
 * accounts and pools they become.
 */
#include "config_test.h"

#define FIRST "sk-first-0123456789abcd"
#define SECOND "sk-second-0123456789abc"

static const struct target *target_of(const struct config *c, const char *name)
{
    int i = config_find_target(c, name, strlen(name));

    CHECK(i >= 0);
    return &c->targets[i < 0 ? 0 : i];
}

static const struct provider *provider_of(const struct config *c,
                                          const char *name)
{
    int i = config_find_provider(c, name, strlen(name));

    CHECK(i >= 0);
    return &c->providers[i < 0 ? 0 : i];
}

static const char *shown(const struct config *c, struct buf *b)
{
    buf_init(b, 1 << 20);
    CHECK(config_show(c, b) == 0 && buf_addc(b, '\0') == 0);
    return b->data ? b->data : "";
}

/* --- several keys --------------------------------------------------------- */

static const char two_keys[] =
    "provider 'openai' { keys = { spare = env 'WEB_KEY',\n"
    "                             main = env 'OPENAI_API_KEY' } }\n"
    "provider 'groq' { key = env 'OPENAI_API_KEY' }\n"
    "target 'openai/gpt' { rpm = 60, price = { input = 2 } }\n"
    "model 'fast' { 'groq/llama', 'openai/gpt' }\n";

static void each_key_is_an_account_and_gives_each_target_a_pool(void)
{
    struct messages m;
    struct config *c = load_text("keys.lua", two_keys, &m);
    const struct target *whole, *pool;

    CHECK(c && m.count == 0);
    if (!c)
        return;
    whole = target_of(c, "openai/gpt");
    CHECK(whole->npools == 2 && !whole->key);
    pool = target_of(c, "openai/gpt#main");
    CHECK(pool == &c->targets[whole->pools] && pool->npools == 0);
    CHECK(&c->targets[pool->of] == whole && strcmp(pool->key, "main") == 0);
    CHECK(strcmp(pool->model, "gpt") == 0 && pool->price.n == 1 && pool->price.list[0].input == 2);
    CHECK(strcmp(c->providers[pool->provider].key.bytes,
                 "sk-proj-abcdefghijklmnop7Qz1") == 0);
    CHECK(strcmp(c->providers[pool->provider].name, "openai") == 0);
    pool = target_of(c, "openai/gpt#spare");
    CHECK(strcmp(c->providers[pool->provider].key.bytes,
                 "web-0123456789abcdefghij") == 0);
    CHECK(!provider_of(c, "openai")->key.bytes);
    CHECK(target_of(c, "groq/llama")->npools == 0);
    config_free(c);
}

static void without_its_policy_a_model_goes_along_all_keys(void)
{
    struct messages m;
    struct config *c = load_text("keys.lua", two_keys, &m);
    static const char *const wanted[] = {"groq/llama", "openai/gpt#main",
                                         "openai/gpt#spare"};
    const struct model *fast;

    CHECK(c != NULL);
    if (!c)
        return;
    fast = &c->models[config_find_model(c, "fast", 4)];
    CHECK(fast->ntargets == 2 && fast->nfallback == 3);
    for (size_t i = 0; i < 3; i++)
        CHECK_ROW(i, strcmp(c->targets[fast->fallback[i]].name, wanted[i]) == 0);
    config_free(c);
}

static void keys_without_names_are_numbered_in_their_order(void)
{
    struct messages m;
    struct config *c = load_text("list.lua",
        "provider 'openai' { keys = { env 'WEB_KEY', env 'OPENAI_API_KEY' } }\n"
        MODEL, &m);

    CHECK(c && m.count == 0);
    if (!c)
        return;
    CHECK(strcmp(c->providers[target_of(c, "openai/gpt#1")->provider].key.bytes,
                 "web-0123456789abcdefghij") == 0);
    CHECK(target_of(c, "openai/gpt#2") != NULL);
    config_free(c);
}

static void an_unset_optional_key_is_left_out(void)
{
    struct messages m;
    struct config *c = load_text("optional.lua",
        "provider 'openai' { keys = { main = env 'WEB_KEY',\n"
        "  spare = env('NOT_SET', { optional = true }) } }\n" MODEL, &m);

    CHECK(c && m.count == 1 && says(&m, "2: warning: provider \"openai\": the "
                                        "key \"spare\" is left out"));
    buf_free(&m.text);
    if (!c)
        return;
    CHECK(target_of(c, "openai/gpt")->npools == 1);
    config_free(c);
}

static void keys_in_json_say_the_same(void)
{
    struct messages m;
    struct config *c = load_text("keys.json",
        "{\"providers\":{\"openai\":{\"keys\":{\"main\":{\"env\":\"WEB_KEY\"},"
        "\"spare\":{\"env\":\"OPENAI_API_KEY\"}}}},"
        "\"models\":{\"fast\":{\"targets\":[\"openai/gpt\"]}}}", &m);

    CHECK(c && m.count == 0);
    if (!c)
        return;
    CHECK(target_of(c, "openai/gpt")->npools == 2);
    config_free(c);
}

static void what_is_shown_has_hints_and_no_pools(void)
{
    struct messages m;
    struct config *c = load_text("keys.lua", two_keys, &m);
    struct buf b;
    const char *text;

    CHECK(c != NULL);
    if (!c)
        return;
    text = shown(c, &b);
    CHECK(strstr(text, "\"keys\":{\"main\":\"sk-...7Qz1\",\"spare\":\"...ghij\"}"));
    CHECK(!strstr(text, "#main") && !strstr(text, "web-0123456789abcdefghij"));
    buf_free(&b);
    config_free(c);
}

/* The names of both headers and modes stood in lists that ended before the one
 * of Google: what lay behind was read. */
static void googles_way_of_sending_a_key_is_shown_and_checked(void)
{
    struct messages m;
    struct config *c = load_text("google.lua",
        "provider 'g' { base = 'https://google.example.org',\n"
        "  dialect = 'gemini', auth = 'x-goog-api-key', key = env 'WEB_KEY' }\n"
        "model 'fast' { 'g/flash' }\n", &m);
    struct buf b;

    CHECK(c && m.count == 0);
    if (c) {
        CHECK(strstr(shown(c, &b), "\"auth\":\"x-goog-api-key\""));
        buf_free(&b);
        config_free(c);
    }
    CHECK(!load_text("google.lua",
        "provider 'g' { base = 'https://google.example.org',\n"
        "  dialect = 'gemini', auth = 'x-goog-api-key', key = env 'WEB_KEY',\n"
        "  headers = { ['X-Goog-Api-Key'] = env 'WEB_KEY' } }\n"
        "model 'fast' { 'g/flash' }\n", &m));
    CHECK(says(&m, "the header \"x-goog-api-key\" is set twice"));
    buf_free(&m.text);
}

/* --- where keys come from ------------------------------------------------- */

static struct config *load_one(const char *key, struct messages *m)
{
    char text[400];

    snprintf(text, sizeof text, "provider 'openai' { key = %s }\n" MODEL, key);
    return load_text("one.lua", text, m);
}

static void a_credential_of_systemd_is_a_key(void)
{
    struct messages m;
    char path[256];
    struct config *c;

    /* Access lists show up as rights of the group: no reason to warn. */
    write_file("openai_key", FIRST "\r\n", strlen(FIRST "\r\n"), 0440, path);
    credentials = folder;
    c = load_one("credential 'openai_key'", &m);
    CHECK(c && m.count == 0);
    if (c)
        CHECK(strcmp(provider_of(c, "openai")->key.bytes, FIRST) == 0);
    config_free(c);
    CHECK(!load_one("credential 'absent'", &m));
    CHECK(says(&m, "1: provider \"openai\": \"key\": cannot read absent"));
    buf_free(&m.text);
    credentials = NULL;
}

static void a_credential_in_json_is_the_same(void)
{
    struct messages m;
    char path[256];
    struct config *c;

    write_file("openai_key", SECOND, strlen(SECOND), 0400, path);
    credentials = folder;
    c = load_text("one.json",
        "{\"providers\":{\"openai\":{\"key\":{\"credential\":\"openai_key\"}}},"
        "\"models\":{\"fast\":{\"targets\":[\"openai/gpt\"]}}}", &m);
    CHECK(c && m.count == 0);
    if (c)
        CHECK(strcmp(provider_of(c, "openai")->key.bytes, SECOND) == 0);
    config_free(c);
    credentials = NULL;
}

static void a_file_that_others_may_read_is_warned_of(void)
{
    static const struct {
        mode_t mode;
        const char *said;
    } rows[] = {
        {0600, NULL},
        {0640, "1: warning: provider \"openai\": \"key\": its whole group may "
               "read key.txt; chmod 600"},
        {0644, "1: warning: provider \"openai\": \"key\": everybody on this "
               "machine may read key.txt; chmod 600"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct messages m;
        char path[256];
        struct config *c;

        write_file("key.txt", FIRST "\n", strlen(FIRST "\n"), rows[i].mode, path);
        c = load_one("file 'key.txt'", &m);
        CHECK_ROW(i, c && m.count == (rows[i].said ? 1 : 0));
        CHECK_ROW(i, !rows[i].said || says(&m, rows[i].said));
        config_free(c);
        buf_free(&m.text);
    }
}

int main(int argc, char **argv)
{
    if (set_up(argc, argv))
        return 1;
    RUN(each_key_is_an_account_and_gives_each_target_a_pool);
    RUN(without_its_policy_a_model_goes_along_all_keys);
    RUN(keys_without_names_are_numbered_in_their_order);
    RUN(an_unset_optional_key_is_left_out);
    RUN(keys_in_json_say_the_same);
    RUN(what_is_shown_has_hints_and_no_pools);
    RUN(googles_way_of_sending_a_key_is_shown_and_checked);
    RUN(a_credential_of_systemd_is_a_key);
    RUN(a_credential_in_json_is_the_same);
    RUN(a_file_that_others_may_read_is_warned_of);
    clean_up();
    return test_end();
}
