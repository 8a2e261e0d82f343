/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of loading a configuration. The corpus spec/config holds wrong ones,
 * each with all the messages it must give, as "line: message"; its path is the
 * first argument.
 */
#include "config_test.h"

/* Every one of these stands somewhere in the corpus, and may not be shown. */
static const char *const hidden[] = {
    "sk-proj-abcdefghijklmnop7Qz1", "web-0123456789abcdefghij",
    "adm-0123456789abcdefghij", "hunter2", "two words", "literal-secret",
    "sk-very-secret", "sk-1234567890", "has a blank in it",
};

static void add_file(struct buf *b, const char *path)
{
    FILE *f = fopen(path, "r");
    char bytes[4096];
    size_t n;

    while (f && (n = fread(bytes, 1, sizeof bytes, f)) > 0)
        buf_add(b, bytes, n);
    if (f)
        fclose(f);
}

/* --- the corpus ----------------------------------------------------------- */

/* One wrong configuration beside its messages. */
static bool check_case(const char *name, const char *dot)
{
    struct messages m;
    struct buf expected;
    struct config *c;
    char path[512];
    size_t i;
    bool good;

    buf_init(&expected, 1 << 20);
    snprintf(path, sizeof path, "%s/%.*s.%s.txt", corpus, (int)(dot - name),
             name, dot + 1);
    add_file(&expected, path);
    snprintf(path, sizeof path, "%s/%s", corpus, name);
    c = load(path, &m);
    good = (c == NULL) == (m.errors > 0) && m.count > 0 &&
           m.text.len == expected.len &&
           memcmp(m.text.data, expected.data, m.text.len) == 0;
    for (i = 0; i < sizeof hidden / sizeof *hidden; i++)
        good = good && !says(&m, hidden[i]);
    if (!good)
        fprintf(stderr, "%s: got\n%.*sexpected\n%.*s", path, (int)m.text.len,
                m.text.data, (int)expected.len, expected.data);
    config_free(c);
    buf_free(&m.text);
    buf_free(&expected);
    return good;
}

static void every_wrong_configuration_gives_all_its_messages_with_lines(void)
{
    DIR *dir = opendir(corpus);
    struct dirent *entry;
    unsigned cases = 0;
    char path[512];

    CHECK(dir != NULL);
    snprintf(path, sizeof path, "%s/files/empty", corpus);
    chmod(path, 0600);
    snprintf(path, sizeof path, "%s/files/binary", corpus);
    chmod(path, 0600);
    while (dir && (entry = readdir(dir))) {
        const char *dot = strrchr(entry->d_name, '.');

        if (!dot || (strcmp(dot, ".lua") != 0 && strcmp(dot, ".json") != 0))
            continue;
        cases++;
        CHECK(check_case(entry->d_name, dot));
    }
    if (dir)
        closedir(dir);
    CHECK(cases >= 40);
}

static void faults_beyond_the_ceiling_are_counted(void)
{
    struct messages m;

    CHECK(!load_text("many.lua", "for i = 1, 1000 do provider('p' .. i) "
                                 "{ bsae = i } end", &m));
    CHECK(m.count == 201);
    CHECK(says(&m, "0: 801 more like these"));
    buf_free(&m.text);
}

/* --- a good one ----------------------------------------------------------- */

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

static const struct model *model_of(const struct config *c, const char *name)
{
    int i = config_find_model(c, name, strlen(name));

    CHECK(i >= 0);
    return &c->models[i < 0 ? 0 : i];
}

static void providers_hold_what_was_written(void)
{
    struct config *c = load_full("full.lua");
    const struct provider *p;

    if (!c)
        return;
    CHECK(c->nproviders == 5);
    p = provider_of(c, "openai");
    CHECK(strcmp(p->base, "https://api.openai.com/v1") == 0);
    CHECK(strcmp(p->key.bytes, "sk-proj-abcdefghijklmnop7Qz1") == 0);
    CHECK(strcmp(p->key.hint, "sk-...7Qz1") == 0);
    CHECK(p->auth == AUTH_BEARER && p->usage == USAGE_ASK && !p->mocked);
    CHECK(!p->proxy && !p->ca_file && !p->path && !p->query && !p->service);
    p = provider_of(c, "anthropic");
    CHECK(strcmp(p->dialect, "anthropic") == 0 && p->auth == AUTH_X_API_KEY);
    p = provider_of(c, "mine");
    CHECK(strcmp(p->base, "https://gateway.example.org:8443/llm/v1") == 0);
    CHECK(!p->key.bytes && p->mock == MOCK_WITHOUT_KEY && p->mocked);
    CHECK(p->auth == AUTH_API_KEY && p->usage == USAGE_NONE);
    CHECK(p->nheaders == 2 && strcmp(p->headers[1].value, "search") == 0);
    CHECK(strcmp(p->query, "api-version=2026-01-01") == 0);
    p = provider_of(c, "facts");
    CHECK(p->service && p->timeout == 250 * US_PER_MS);
    CHECK(p->where.line == 21 && strstr(p->where.file, "full.lua"));
    config_free(c);
}

static void targets_and_models_hold_what_was_written(void)
{
    struct config *c = load_full("full.lua");
    const struct target *t;
    const struct model *m;

    if (!c)
        return;
    t = target_of(c, "openai/gpt-4o");
    CHECK(strcmp(t->model, "gpt-4o") == 0);
    CHECK(strcmp(c->providers[t->provider].name, "openai") == 0);
    CHECK(t->weight == 2.5 && t->price.n == 1);
    CHECK(t->price.list[0].input == 2.5 && t->price.list[0].output == 10);
    CHECK(t->price.list[0].cached == 1.25 && t->context == 128000 && t->rpm == 500);
    CHECK(t->max_output == 16384 && t->priority == 2 && t->max_in_flight == 8);
    CHECK(t->ntags == 2 && strcmp(t->tags[1], "dear") == 0 && t->ncaps == 2);
    t = target_of(c, "mine/meta/llama-3");
    CHECK(strcmp(t->model, "meta/llama-3") == 0 && t->price.n == 1);
    CHECK(t->price.list[0].input == 0 && t->price.list[0].output == -1 && t->weight == 1 && t->priority == 1);
    /* list_targets is on: each target is a model too. */
    CHECK(c->ntargets == 4 && c->nmodels == 2 + 4);
    m = model_of(c, "fast");
    CHECK(m->ntargets == 2 && m->max_attempts == 2 && !m->policy);
    CHECK(strcmp(c->targets[m->targets[0]].name, "openai/gpt-4o-mini") == 0);
    CHECK(m->total == 30 * US_PER_S && m->early_headers == 5 * US_PER_S);
    m = model_of(c, "chat");
    CHECK(strcmp(m->knobs, "{\"budget\":20,\"deep\":{\"on\":true},"
                           "\"names\":[\"a\",\"b\"],\"ratio\":0.5}") == 0);
    CHECK(strstr(m->policy_path, "/good/policies/chat.lua"));
    CHECK(m->resume && m->ntargets == 2 && m->max_attempts == 4);
    CHECK(m->on_failure == FAILURE_REFUSE && !model_of(c, "fast")->on_failure);
    CHECK(m->total == 12 * US_PER_S);
    config_free(c);
}

static void clients_listeners_and_settings_hold_what_was_written(void)
{
    struct config *c = load_full("full.lua");

    if (!c)
        return;
    CHECK(c->nlisteners == 3 && c->nadmins == 1 && c->admin_key.bytes);
    CHECK(strcmp(c->listeners[1].address, "[::1]:0") == 0);
    CHECK(!c->listeners[0].half_close_answer);
    CHECK(c->listeners[2].half_close_answer);
    CHECK(c->nclients == 2 && c->clients[0].has_key && !c->clients[1].has_key);
    CHECK(c->clients[0].ntags == 2 && c->clients[0].max_in_flight == 20);
    CHECK(strcmp(c->clients[0].tags[0], "team=search") == 0);
    CHECK(c->settings.workers == 2 && c->settings.body_max == 1048576);
    CHECK(c->settings.connect_timeout == 1500 * US_PER_MS);
    CHECK(c->settings.step_limit == 20 * US_PER_MS);
    CHECK(c->settings.watch && c->settings.list_targets);
    CHECK(strcmp(c->settings.log_level, "warn") == 0);
    config_free(c);
}

static void lua_and_json_give_the_same_configuration(void)
{
    struct config *a = load_full("full.lua"), *b = load_full("full.json");
    struct buf x, y;

    buf_init(&x, 1 << 20);
    buf_init(&y, 1 << 20);
    if (a && b) {
        CHECK(config_show(a, &x) == 0 && config_show(b, &y) == 0);
        CHECK(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
        CHECK(config_start_only(a, b) == NULL);
    }
    buf_free(&x);
    buf_free(&y);
    config_free(a);
    config_free(b);
}

static void show_gives_hints_and_no_secret(void)
{
    struct config *c = load_full("full.lua");
    struct buf b;
    size_t i;

    if (!c)
        return;
    buf_init(&b, 1 << 20);
    CHECK(config_show(c, &b) == 0);
    buf_addc(&b, '\0');
    CHECK(strstr(b.data, "\"key\":\"sk-...7Qz1\""));
    CHECK(strstr(b.data, "\"Authorization\":\"***\""));
    CHECK(strstr(b.data, "\"query\":\"***\""));
    for (i = 0; i < sizeof hidden / sizeof *hidden; i++)
        CHECK_ROW(i, !strstr(b.data, hidden[i]));
    buf_free(&b);
    buf_init(&b, 100);
    CHECK(config_show(c, &b) == -1);
    buf_free(&b);
    config_free(c);
}

static void defaults_come_from_the_ceilings(void)
{
    struct messages m;
    struct config *c = load_text("least.lua", OPENAI MODEL, &m);

    CHECK(c && m.count == 0);
    if (c) {
        CHECK(c->settings.total_timeout == 600 * US_PER_S);
        CHECK(c->settings.keepalive_comment == 15 * US_PER_S);
        CHECK(strcmp(c->settings.log, "stderr") == 0);
        CHECK(c->models[0].max_attempts == 4 && c->models[0].resume == false);
        CHECK(strcmp(c->models[0].knobs, "{}") == 0);
        CHECK(strcmp(c->dir, folder) == 0);
        CHECK(c->source_len == strlen(OPENAI MODEL));
    }
    config_free(c);
    buf_free(&m.text);
}

/* --- hostile and large files ---------------------------------------------- */

static void a_file_that_is_none_is_refused(void)
{
    struct messages m;

    CHECK(!load("/tmp/there/is/no/such.lua", &m) && m.errors == 1);
    CHECK(says(&m, "0: cannot be read: No such file"));
    buf_free(&m.text);
    CHECK(!load(folder, &m) && says(&m, "is no plain file"));
    buf_free(&m.text);
    CHECK(!load_text("empty.lua", "", &m) && says(&m, "no model is declared"));
    buf_free(&m.text);
    CHECK(!load_text("empty.json", "", &m) && says(&m, "not JSON"));
    buf_free(&m.text);
}

static void tables_that_grow_without_bound_are_refused(void)
{
    struct messages m;

    /* 10 to the 16th nodes, were they all copied. */
    CHECK(!load_text("wide.lua", "local t = {}\nfor i = 1, 10 do t[i] = t end\n"
                     "provider \"x\" { headers = t }", &m));
    CHECK(m.errors >= 1 && m.errors <= 2);
    buf_free(&m.text);
    CHECK(!load_text("deep.json", "{\"settings\":[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]"
                     "]]]]]]]]]]]]]]]]]]]}", &m));
    CHECK(says(&m, "not JSON"));
    buf_free(&m.text);
}

static void every_way_to_send_a_key_is_checked_and_shown(void)
{
    static const char *const ways[][2] = {
        {"bearer", "authorization"}, {"x-api-key", "x-api-key"},
        {"api-key", "api-key"},      {"x-goog-api-key", "x-goog-api-key"}};
    struct messages m;
    struct config *c;
    struct buf b;
    char text[300], shown[60];

    for (size_t i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "provider \"x\" { base = \"http://10.0.0.1\", "
                 "key = \"k-0123456789abcdef\", auth = \"%s\" }\n"
                 "model \"m\" { \"x/y\" }", ways[i][0]);
        c = load_text("auth.lua", text, &m);
        buf_free(&m.text);
        buf_init(&b, 1 << 20);
        CHECK(c && config_show(c, &b) == 0 && buf_addc(&b, '\0') == 0);
        snprintf(shown, sizeof shown, "\"auth\":\"%s\"", ways[i][0]);
        CHECK(c && strstr(b.data, shown));
        buf_free(&b);
        config_free(c);
        snprintf(text, sizeof text, "provider \"x\" { base = \"http://10.0.0.1\", "
                 "key = \"k-0123456789abcdef\", auth = \"%s\", headers = { "
                 "[\"%s\"] = \"z\" } }", ways[i][0], ways[i][1]);
        CHECK(!load_text("twice.lua", text, &m));
        CHECK(says(&m, "is set twice"));
        buf_free(&m.text);
    }
}

static void nobody_listening_to_faults_is_allowed(void)
{
    struct config_options options = {.path = "/tmp/no/such/file.lua"};

    CHECK(config_load(&options, NULL, NULL) == NULL);
    config_free(NULL);
}

int main(int argc, char **argv)
{
    if (set_up(argc, argv))
        return 1;
    RUN(every_wrong_configuration_gives_all_its_messages_with_lines);
    RUN(faults_beyond_the_ceiling_are_counted);
    RUN(providers_hold_what_was_written);
    RUN(targets_and_models_hold_what_was_written);
    RUN(clients_listeners_and_settings_hold_what_was_written);
    RUN(lua_and_json_give_the_same_configuration);
    RUN(show_gives_hints_and_no_secret);
    RUN(defaults_come_from_the_ceilings);
    RUN(a_file_that_is_none_is_refused);
    RUN(tables_that_grow_without_bound_are_refused);
    RUN(every_way_to_send_a_key_is_checked_and_shown);
    RUN(nobody_listening_to_faults_is_allowed);
    clean_up();
    return test_end();
}
