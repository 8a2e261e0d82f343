/* SPDX-License-Identifier: Apache-2.0
 *
 * config_catalog: prices, limits and capabilities that nobody wrote, from price
 * lists: the operator's own, then the built-in one of the provider. A name is
 * found as it is or not at all, but for spellings that the provider itself calls
 * the same model: a similar name may well have another price. The lists are read
 * while a configuration is loaded, those of its providers only, and let go.
 */
#include "config_impl.h"

#include "modules.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "leme.prices."
#define NAME_BYTES (2 * CONFIG_NAME + 2)

struct row {
    const char *name;           /* "openai/gpt-4o"; first: it is looked up */
    int line;
    struct price_row about;
    struct prices price;
};
static_assert(offsetof(struct row, name) == 0, "config_index_find reads it");

/** One price list, with a loading of its own. */
struct price_list {
    struct price_list *next;
    char provider[CONFIG_NAME + 1]; /* of a built-in one; "": the operator's */
    struct config_options options;
    struct loader l;
    struct row *rows;
    size_t n;
    struct config_index index;
    char *date;
};

struct catalog {
    struct loader *l;
    struct price_list *own;         /* or NULL */
    struct price_list *built_in;    /* those that were asked for */
};

/* --- reading a list ------------------------------------------------------- */

static void list_free(struct price_list *p)
{
    if (!p)
        return;
    config_free(p->l.c);
    config_arena_free(&p->l.scratch);
    free(p);
}

static struct price_list *list_new(const struct loader *l, const char *path)
{
    struct price_list *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->options = *l->options;
    p->options.path = path;
    p->l.options = &p->options;
    p->l.tail = &p->l.blocks;
    p->l.first = SECTIONS;
    p->l.end = SECTIONS_ALL;
    p->l.scratch.ceiling = CONFIG_TREE_BYTES;
    p->l.c = config_make();
    if (!p->l.c) {
        free(p);
        return NULL;
    }
    p->l.store = p->l.c->arena;
    return p;
}

static void read_row(struct price_list *p, const struct block *b)
{
    char what[NAME_BYTES];
    struct config_spot s = {&p->l, config_what(b, what, sizeof what), b->line};
    struct row *r = &p->rows[p->n];
    const char *slash = strchr(b->name, '/');
    int other = config_index_find(&p->index, p->rows, sizeof *r, b->name,
                                  strlen(b->name));

    if (!b->body) {
        config_no_table(&s);
        return;
    }
    if (!config_name_ok(b->name) || !slash || slash == b->name || !slash[1])
        config_wrong(&p->l, b->line, NULL, "%.140s: a price is of "
                     "\"provider/model\"", s.what);
    else if (other >= 0)
        config_wrong(&p->l, b->line, NULL, "%s: the name is taken at line %d",
                     s.what, p->rows[other].line);
    *r = (struct row){.name = b->name, .line = b->line};
    config_price_init(&r->about.draft);
    if (b->body->kind != NODE_TABLE)
        return;
    config_fill(&s, &config_row_schema, b->body, &r->about);
    config_price_keep(&s, &r->about.draft, &r->price);
    config_index_add(&p->index, r->name, (unsigned)p->n++);
}

static void read_rows(struct price_list *p)
{
    size_t n = p->l.count[SECTION_PRICE];
    struct config_spot s = {&p->l, "catalog", 0};
    const struct block *b;

    p->rows = config_array(&p->l.scratch, n, sizeof *p->rows);
    if (!p->rows || config_index_init(&p->l.scratch, &p->index, n)) {
        p->l.memory = true;
        return;
    }
    for (b = p->l.blocks; b && !p->l.memory; b = b->next) {
        s.line = b->line;
        if (b->section == SECTION_PRICE)
            read_row(p, b);
        else if (b->body && b->body->kind == NODE_TABLE)
            config_fill(&s, &config_catalog_schema, b->body, &p->date);
    }
}

/* Its faults are those of the configuration. */
static void read_list(struct loader *l, struct price_list *p, bool file)
{
    struct loader *own = &p->l;

    own->issues = l->issues;
    own->nissues = l->nissues;
    own->dropped = l->dropped;
    if (!file || config_read_file(own) == 0) {
        own->json = config_is_json(own->options->path);
        if (own->json)
            config_json_read(own);
        else
            config_lua_read(own);
        if (!own->memory)
            read_rows(p);
    }
    l->nissues = own->nissues;
    l->dropped = own->dropped;
    l->failed |= own->failed;
    l->memory |= own->memory;
}

static void read_own(struct catalog *k)
{
    struct loader *l = k->l;
    struct config *c = l->c;
    const char *name = c->settings.catalog;
    size_t size = strlen(c->dir) + strlen(name) + 2;

    c->catalog_path = config_keep_array(l, size, 1);
    if (!c->catalog_path)
        return;
    snprintf(c->catalog_path, size, "%s%s%s", name[0] == '/' ? "" : c->dir,
             name[0] == '/' ? "" : "/", name);
    k->own = list_new(l, c->catalog_path);
    if (!k->own) {
        l->memory = true;
        return;
    }
    read_list(l, k->own, true);
    if (k->own->l.c->source)
        config_digest(k->own->l.c->source, k->own->l.c->source_len,
                      c->catalog_digest);
}

static const struct module *module_of(const char *provider, size_t len)
{
    const struct module *m;

    for (m = modules_embedded; m->name; m++)
        if (strncmp(m->name, MODULE, strlen(MODULE)) == 0 &&
            strlen(m->name + strlen(MODULE)) == len &&
            memcmp(m->name + strlen(MODULE), provider, len) == 0)
            return m;
    return NULL;
}

/* The built-in list of ${provider}, read when it is first asked for; NULL when
 * there is none. */
static struct price_list *built_in(struct catalog *k, const char *provider,
                                   size_t len)
{
    const struct module *m;
    struct price_list *p;

    for (p = k->built_in; p; p = p->next)
        if (strlen(p->provider) == len && memcmp(p->provider, provider, len) == 0)
            return p;
    m = module_of(provider, len);
    if (!m)
        return NULL;
    p = list_new(k->l, m->file);
    if (!p) {
        k->l->memory = true;
        return NULL;
    }
    snprintf(p->provider, sizeof p->provider, "%.*s", (int)len, provider);
    p->l.c->source = config_copy(&p->l.store->arena, m->text, m->len);
    p->l.c->source_len = m->len;
    if (p->l.c->source)
        read_list(k->l, p, false);
    else
        k->l->memory = true;
    p->next = k->built_in;
    k->built_in = p;
    return p;
}

/* --- whose list ----------------------------------------------------------- */

/* A name alone is no address: only these are known to charge list prices in
 * US dollars. One that begins with a dot stands for all below it. */
static const char *const hosts[][2] = {
    {"api.openai.com", "openai"},
    {"api.anthropic.com", "anthropic"},
    {"generativelanguage.googleapis.com", "google"},
    {"api.mistral.ai", "mistral"},
    {"api.deepseek.com", "deepseek"},
    {"dashscope-intl.aliyuncs.com", "dashscope-intl"},
    {".ap-southeast-1.maas.aliyuncs.com", "dashscope-intl"},
    {"dashscope.aliyuncs.com", "dashscope-cn"},
    {".cn-beijing.maas.aliyuncs.com", "dashscope-cn"},
    {"openrouter.ai", "openrouter"},
    {"api.groq.com", "groq"},
    {"api.x.ai", "xai"},
    {"api.perplexity.ai", "perplexity"},
    {"api.moonshot.ai", "moonshotai"},
    {"api.z.ai", "zai"},
    {"api.cohere.ai", "cohere"},
    {"api.cohere.com", "cohere"},
};

static bool is_host(const char *host, size_t len, const char *known)
{
    size_t n = strlen(known);

    if (known[0] == '.')
        return len > n && memcmp(host + len - n, known, n) == 0;
    return len == n && memcmp(host, known, n) == 0;
}

/* The list that holds for ${p}, or NULL. */
static const char *catalog_of(const struct provider *p)
{
    const char *host = p->base ? strstr(p->base, "://") : NULL;
    size_t i, len;

    if (p->catalog)
        return strcmp(p->catalog, "none") == 0 ? NULL : p->catalog;
    if (!host)
        return NULL;
    host += 3;
    len = strcspn(host, ":/");
    for (i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (is_host(host, len, hosts[i][0]))
            return hosts[i][1];
    return NULL;
}

static bool own_has(const struct price_list *p, const char *provider)
{
    size_t i, len = strlen(provider);

    for (i = 0; p && i < p->n; i++)
        if (strncmp(p->rows[i].name, provider, len) == 0 &&
            p->rows[i].name[len] == '/')
            return true;
    return false;
}

static void check_provider(const struct catalog *k, const struct provider *p)
{
    const char *names[64], *near;
    const struct module *m;
    size_t n = 0;

    if (!p->catalog || strcmp(p->catalog, "none") == 0 ||
        module_of(p->catalog, strlen(p->catalog)) || own_has(k->own, p->catalog))
        return;
    for (m = modules_embedded; m->name && n < 64; m++)
        if (strncmp(m->name, MODULE, strlen(MODULE)) == 0)
            names[n++] = m->name + strlen(MODULE);
    near = config_nearest(p->catalog, names, n);
    config_wrong(k->l, p->where.line, "catalog", "provider \"%s\": \"catalog\": "
                 "no price list has that name%s%s%s", p->name,
                 near ? "; did you mean \"" : ": it is openai, anthropic, ... or "
                                              "\"none\"",
                 near ? near : "", near ? "\"?" : "");
}

/* --- a model's row -------------------------------------------------------- */

static struct row *find(const struct price_list *p, const char *name)
{
    int found = p ? config_index_find(&p->index, p->rows, sizeof *p->rows, name,
                                      strlen(name)) : -1;

    return found < 0 ? NULL : &p->rows[found];
}

static const char *date_of(const struct price_list *p, const struct row *r)
{
    return r->price.date ? r->price.date : p->date;
}

/* The day of a dated snapshot, "gpt-4o-mini-2024-07-18" or
 * "claude-x-20250514", as "2024-07-18"; the length without it, or 0. */
static size_t snapshot(const char *name, const char *catalog, char day[11])
{
    bool dashed = strcmp(catalog, "openai") == 0;
    const char *form = dashed ? "-0000-00-00" : "-00000000", *at;
    size_t len = strlen(name), n = strlen(form), i;

    if ((!dashed && strcmp(catalog, "anthropic") != 0) || len <= n)
        return 0;
    at = name + len - n;
    for (i = 0; i < n; i++)
        if (form[i] == '-' ? at[i] != '-' : at[i] < '0' || at[i] > '9')
            return 0;
    if (dashed)
        snprintf(day, 11, "%s", at + 1);
    else
        snprintf(day, 11, "%.4s-%.2s-%.2s", at + 1, at + 5, at + 7);
    return len - n;
}

/* A snapshot costs what its name without the day does, if that name was priced
 * later: the list would name a snapshot with a price of its own. */
static struct row *find_undated(const struct price_list *p, char *name,
                                const char *catalog)
{
    char day[11];
    size_t len = snapshot(name, catalog, day);
    struct row *r;
    const char *date;

    if (!len)
        return NULL;
    name[len] = '\0';
    r = find(p, name);
    date = r ? date_of(p, r) : NULL;
    return date && strcmp(day, date) <= 0 ? r : NULL;
}

static struct row *find_model(const struct price_list *p, const char *catalog,
                              const char *model)
{
    char name[NAME_BYTES];
    struct row *r;
    char *c;

    if (!p)
        return NULL;
    /* How Google's own interfaces write the names of its models. */
    if (strcmp(catalog, "google") == 0 && strncmp(model, "models/", 7) == 0)
        model += 7;
    else if (strcmp(catalog, "google") == 0 && strncmp(model, "google/", 7) == 0)
        model += 7;
    snprintf(name, sizeof name, "%s/%s", catalog, model);
    r = find(p, name);
    for (c = name; !r && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    if (!r)
        r = find(p, name);
    return r ? r : find_undated(p, name, catalog);
}

/* --- to the target -------------------------------------------------------- */

static void scale(struct price *p, double factor)
{
    double *const rates[] = {&p->input, &p->output, &p->cached, &p->cache_write,
                             &p->cache_write_1h, &p->audio, &p->reasoning,
                             &p->thinking};
    size_t i;

    for (i = 0; i < sizeof rates / sizeof *rates; i++)
        if (*rates[i] > 0)
            *rates[i] *= factor;
}

static void take_price(struct loader *l, struct target *t,
                       const struct price_list *p, const struct row *r)
{
    const char *date = date_of(p, r);
    size_t i;

    t->price.list = config_keep_array(l, r->price.n, sizeof *t->price.list);
    if (!t->price.list)
        return;
    for (i = 0; i < r->price.n; i++) {
        t->price.list[i] = r->price.list[i];
        scale(&t->price.list[i], l->c->providers[t->provider].price_factor);
    }
    t->price.n = r->price.n;
    t->price.date = date ? config_keep(l, date) : NULL;
    t->listed = p->provider[0] != '\0';
}

/* What the target lacks. */
static void take(struct loader *l, struct target *t, const struct price_list *p,
                 const struct row *r)
{
    size_t i;

    if (!r)
        return;
    if (!t->price.n && r->price.n)
        take_price(l, t, p, r);
    if (!t->context)
        t->context = r->about.context;
    if (!t->max_output)
        t->max_output = r->about.max_output;
    if (t->caps || !r->about.ncaps)
        return;
    t->caps = config_keep_array(l, r->about.ncaps, sizeof *t->caps);
    for (i = 0; t->caps && i < r->about.ncaps && !l->memory; i++)
        t->caps[t->ncaps++] = config_keep(l, r->about.caps[i]);
}

static const char *nearest_row(struct loader *l, const struct price_list *p,
                               const char *name)
{
    const char **names;
    size_t i;

    if (!p || !p->rows)
        return NULL;
    names = config_array(&l->scratch, p->n, sizeof *names);
    if (!names)
        return NULL;
    for (i = 0; i < p->n; i++)
        names[i] = p->rows[i].name;
    return config_nearest(name, names, p->n);
}

/* catalog = "openai/gpt-4o" of a target: that row and no other. */
static void fill_by_row(struct catalog *k, struct target *t)
{
    const struct price_list *p = built_in(k, t->catalog,
                                          strcspn(t->catalog, "/"));
    const struct row *own = find(k->own, t->catalog), *r = find(p, t->catalog);
    const char *near;

    if (strcmp(t->catalog, "none") == 0)
        return;
    take(k->l, t, k->own, own);
    take(k->l, t, p, r);
    if (own || r)
        return;
    near = nearest_row(k->l, k->own, t->catalog);
    if (!near)
        near = nearest_row(k->l, p, t->catalog);
    config_wrong(k->l, t->where.line, "catalog", "target \"%s\": \"catalog\": no "
                 "price list has that row%s%s%s", t->name,
                 near ? "; did you mean \"" : "", near ? near : "",
                 near ? "\"?" : "");
}

static void fill(struct catalog *k, struct target *t)
{
    const struct provider *provider = &k->l->c->providers[t->provider];
    const char *catalog = catalog_of(provider);
    const struct price_list *p;

    if (!t->price.n)
        t->price = provider->price;
    if (t->catalog) {
        fill_by_row(k, t);
        return;
    }
    take(k->l, t, k->own, find(k->own, t->name));
    if (!catalog)
        return;
    p = built_in(k, catalog, strlen(catalog));
    take(k->l, t, k->own, find_model(k->own, catalog, t->model));
    take(k->l, t, p, find_model(p, catalog, t->model));
}

void config_catalog(struct loader *l)
{
    struct catalog k = {.l = l};
    struct config *c = l->c;
    struct price_list *p;
    size_t i;

    if (c->settings.catalog)
        read_own(&k);
    for (i = 0; i < c->nproviders; i++)
        check_provider(&k, &c->providers[i]);
    for (i = 0; i < c->ntargets && !l->memory; i++)
        fill(&k, &c->targets[i]);
    list_free(k.own);
    while ((p = k.built_in)) {
        k.built_in = p->next;
        list_free(p);
    }
}
