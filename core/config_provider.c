/* SPDX-License-Identifier: Apache-2.0
 *
 * config_provider: providers and services: blocks to structs.
 */
#include "config_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    if (!*text)
        return false;
    for (; *text; text++)
        if (!(*text >= 'a' && *text <= 'z') &&
            !(*text >= 'A' && *text <= 'Z') &&
            !(*text >= '0' && *text <= '9') && !strchr(others, *text))
            return false;
    return true;
}

/* Header names that we write ourselves, or that concern one connection only. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        "host", "content-length", "content-type", "accept-encoding", "expect",
    };
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool value_ok(const char *text)
{
    size_t len = strlen(text);

    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7F)
            return false;
    return len == 0 || (text[-1] != ' ' && text[-1] != '\t');
}

/* The value of a header or a query. What comes from outside of the file is a
 * secret; so is what stands in a header that by its name carries keys. */
static char *maybe_secret(const struct config_spot *s, const char *key,
                          const struct node *n, bool always)
{
    struct secret secret;

    if (!always && n->kind == NODE_STRING)
        return config_text(s, key, n, false);
    if (config_secret(s, key, n, SECRET_IN_TEXT, &secret))
        return NULL;
    return secret.bytes;
}

static bool carries_key(const char *name)
{
    static const char *const parts[] = {"auth", "key", "token", "secret",
                                        "cookie"};
    size_t i;

    for (i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasestr(name, parts[i]))
            return true;
    return false;
}

static void add_header(const struct config_spot *s, const struct node *n,
                       struct provider *p)
{
    struct header_pair *h = &p->headers[p->nheaders];
    size_t i;

    if (!n->key || !is_token(n->key)) {
        config_wrong(s->l, n->line, n->key, "%s: \"headers\" has a name that "
                     "no header can have", s->what);
        return;
    }
    if (is_ours(n->key)) {
        config_wrong(s->l, n->line, n->key,
                     "%s: the header \"%s\" is not free to set", s->what,
                     n->key);
        return;
    }
    for (i = 0; i < p->nheaders; i++)
        if (strcasecmp(p->headers[i].name, n->key) == 0)
            config_wrong(s->l, n->line, n->key,
                         "%s: the header \"%s\" is written twice", s->what,
                         n->key);
    h->name = config_keep(s->l, n->key);
    h->value = maybe_secret(s, n->key, n, carries_key(n->key));
    if (!h->name || !h->value)
        return;
    if (!value_ok(h->value))
        config_wrong(s->l, n->line, n->key,
                     "%s: the value of the header \"%s\" holds a control byte "
                     "or ends with a blank", s->what, n->key);
    else
        p->nheaders++;
}

void config_set_headers(const struct config_spot *s, const struct node *list,
                        void *base)
{
    struct provider *p = &((struct provider_draft *)base)->provider;
    const struct node *n;
    size_t count = 0;

    if (list->kind != NODE_TABLE) {
        config_wrong(s->l, list->line, "headers",
                     "%s: \"headers\" is %s, expected { [\"name\"] = \"value\" "
                     "}", s->what, config_kind(list));
        return;
    }
    for (n = list->first; n; n = n->next)
        count++;
    p->headers = config_keep_array(s->l, count, sizeof *p->headers);
    for (n = list->first; n && p->headers; n = n->next)
        add_header(s, n, p);
}

void config_set_query(const struct config_spot *s, const struct node *n,
                      void *base)
{
    struct provider *p = &((struct provider_draft *)base)->provider;
    const char *c;

    p->query = maybe_secret(s, "query", n, false);
    for (c = p->query; c && *c; c++)
        if (*c <= 0x20 || *c >= 0x7F || *c == '#' ||
            (*c == '?' && c == p->query)) {
            config_wrong(s->l, n->line, "query",
                         "%s: \"query\" is name=value&name=value, encoded, "
                         "without the ?", s->what);
            return;
        }
}

void config_set_key(const struct config_spot *s, const struct node *n,
                    void *base)
{
    struct provider_draft *d = base;
    const struct node *optional = config_member(n, "optional");

    d->optional_key = n->optional ||
                      (optional && optional->kind == NODE_BOOL &&
                       optional->truth);
    config_secret(s, "key", n, SECRET_KEPT, &d->provider.key);
}

void config_set_native(const struct config_spot *s, const struct node *n,
                       void *base)
{
    struct provider_draft *d = base;
    struct config_advice advice;
    char **names = NULL;
    size_t count = 0, known;

    d->native = true;
    config_texts(s, "native", n, &names, &count);
    for (size_t i = 0; i < count; i++) {
        for (known = 0; config_natives[known]; known++)
            if (strcmp(names[i], config_natives[known]) == 0)
                break;
        d->provider.native |= 1u << known;
        if (config_natives[known])
            continue;
        config_advise(&advice, names[i], config_natives, known);
        config_wrong(s->l, n->line, names[i], "%s: \"native\" lists formats of "
                     "clients, and none is called \"%s\"%s", s->what, names[i],
                     advice.text);
    }
}

static const char *header_of(const struct provider *p, const char *name)
{
    size_t i;

    for (i = 0; i < p->nheaders; i++)
        if (strcasecmp(p->headers[i].name, name) == 0)
            return p->headers[i].name;
    return NULL;
}

/* The header that carries the key, when headers has it as well. */
static void check_auth(const struct config_spot *s,
                       const struct provider_draft *d)
{
    static const char *const names[] = {
        [AUTH_BEARER] = "authorization", [AUTH_X_API_KEY] = "x-api-key",
        [AUTH_API_KEY] = "api-key",      [AUTH_NONE] = NULL,
        [AUTH_X_GOOG] = "x-goog-api-key"};
    const char *name = names[d->provider.auth];
    const char *header = name ? header_of(&d->provider, name) : NULL;

    if (header && (d->provider.key.bytes || d->nkeyed))
        config_wrong(s->l, s->line, header,
                     "%s: the header \"%s\" is set twice: by \"headers\" and "
                     "by \"%s\" with auth", s->what, name,
                     d->nkeyed ? "keys" : "key");
}

static void check_key(const struct config_spot *s, struct provider_draft *d,
                      bool needs)
{
    struct provider *p = &d->provider;

    p->mocked = p->mock == MOCK_ALWAYS ||
                (p->mock == MOCK_WITHOUT_KEY && !p->key.bytes && !d->nkeyed);
    if (p->key.bytes || d->nkeyed || p->mocked || p->auth == AUTH_NONE)
        return;
    if (d->optional_key)
        config_warn(s->l, s->line, "key", "%s has no key: the variable is not "
                    "set", s->what);
    else if (needs && !p->nheaders)
        config_wrong(s->l, s->line, NULL, "%s needs key = env \"NAME\" or "
                     "file \"/path\" (or mock = \"without_key\")", s->what);
}

static void check_urls(const struct config_spot *s, struct provider *p)
{
    const char *fault = p->base ? config_url(p->base) : NULL;

    if (fault)
        config_wrong(s->l, s->line, "base", "%s: \"base\" %s", s->what, fault);
    fault = p->proxy ? config_url(p->proxy) : NULL;
    if (fault)
        config_wrong(s->l, s->line, "proxy", "%s: \"proxy\" %s", s->what,
                     fault);
    if (p->path && (p->path[0] != '/' || strpbrk(p->path, " ?#\t\r\n")))
        config_wrong(s->l, s->line, "path",
                     "%s: \"path\" begins with / and has no blank, ? or #",
                     s->what);
}

/* Like all files it stands beside the configuration unless it says where; a
 * handshake would fail for want of it, and not say so. */
static void find_ca_file(const struct config_spot *s, struct provider *p)
{
    const char *dir = s->l->c->dir;
    size_t size;
    char *path;

    if (!p->ca_file)
        return;
    if (p->ca_file[0] != '/') {
        size = strlen(dir) + strlen(p->ca_file) + 2;
        path = config_keep_array(s->l, size, 1);
        if (!path)
            return;
        snprintf(path, size, "%s/%s", dir, p->ca_file);
        p->ca_file = path;
    }
    if (access(p->ca_file, R_OK))
        config_wrong(s->l, s->line, "ca_file", "%s: \"ca_file\": cannot read "
                     "%s: %s", s->what, p->ca_file, strerror(errno));
}

static void check_dialect(const struct config_spot *s, const char *dialect)
{
    const char *near;
    size_t n;

    for (n = 0; config_dialects[n]; n++)
        if (strcmp(dialect, config_dialects[n]) == 0)
            return;
    near = config_nearest(dialect, config_dialects, n);
    config_wrong(s->l, s->line, "dialect",
                 "%s: no dialect has that name%s%s%s", s->what,
                 near ? "; did you mean \"" : ": it is openai, anthropic, ...",
                 near ? near : "", near ? "\"?" : "");
}

/* ${clean}: no key was wrong, so what is missing was not merely misspelt. */
static void apply_known(const struct config_spot *s, struct provider_draft *d,
                        const struct config_known *known, bool clean)
{
    struct provider *p = &d->provider;
    bool own_base = p->base != NULL;

    if (d->api && p->dialect)
        config_wrong(s->l, s->line, "api",
                     "%s: \"api\" is another word for \"dialect\": write one",
                     s->what);
    if (!p->dialect)
        p->dialect = d->api;
    if (!p->dialect)
        p->dialect = config_keep(s->l, known ? known->dialect : "openai");
    else if (!s->l->options->any_dialect)
        check_dialect(s, p->dialect);
    if (!own_base && known)
        p->base = config_keep(s->l, known->base);
    else if (!own_base && clean)
        config_wrong(s->l, s->line, NULL,
                     "%s needs base = \"https://...\": only the addresses of "
                     "well-known providers are built in", s->what);
    p->auth = d->auth ? d->auth - 1 : known ? known->auth : AUTH_BEARER;
    if (!d->native)
        p->native = config_dialect_native(p->dialect) |
                    (known && !own_base ? known->native : 0);
    p->usage = d->usage ? d->usage - 1 : known ? known->usage : USAGE_ASK;
    check_urls(s, p);
    find_ca_file(s, p);
    check_auth(s, d);
    check_key(s, d, clean && known && !known->keyless && !own_base);
}

static void build_provider(struct loader *l, const struct block *b)
{
    struct config *c = l->c;
    char what[CONFIG_NAME + 32];
    struct config_spot s = {l, config_what(b, what, sizeof what), b->line};
    size_t before = config_issues(l);
    struct provider_draft d;
    int other;

    memset(&d, 0, sizeof d);
    d.provider.price_factor = 1;
    d.provider.name = config_keep(l, b->name);
    d.provider.where = config_here(l, b->line);
    d.provider.service = b->section == SECTION_SERVICE;
    if (!d.provider.name)
        return;
    if (!is_token(b->name) || strlen(b->name) > 64)
        config_wrong(l, b->line, NULL, "%s: a name has 1 to 64 letters, digits "
                     "and -_.", s.what);
    other = config_find_provider(c, b->name, strlen(b->name));
    if (other >= 0) {
        config_wrong(l, b->line, NULL, "%s: the name is taken at line %d",
                     s.what, c->providers[other].where.line);
        return;
    }
    if (!b->body)
        config_no_table(&s);
    else if (b->body->kind == NODE_TABLE) {
        config_fill(&s, &config_schemas[b->section], b->body, &d);
        if (!l->memory)
            apply_known(&s, &d,
                        d.provider.service ? NULL : config_known(b->name),
                        config_issues(l) == before);
    }
    config_index_add(&l->store->providers, d.provider.name,
                     (unsigned)c->nproviders);
    c->providers[c->nproviders++] = d.provider;
    config_accounts(l, &d, &c->providers[c->nproviders - 1]);
}

void config_providers(struct loader *l)
{
    size_t n = l->count[SECTION_PROVIDER] + l->count[SECTION_SERVICE];
    const struct block *b;

    for (b = l->blocks; b; b = b->next)
        if (b->section == SECTION_PROVIDER)
            n += config_accounts_bound(b);
    l->c->providers = config_keep_array(l, n, sizeof *l->c->providers);
    if (config_index_init(&l->store->arena, &l->store->providers, n))
        l->memory = true;
    for (b = l->blocks; b && !l->memory; b = b->next)
        if (b->section == SECTION_PROVIDER || b->section == SECTION_SERVICE)
            build_provider(l, b);
}

