/* SPDX-License-Identifier: Apache-2.0
 *
 * config_build: settings, clients and listeners: blocks to structs.
 */
#include "config_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert(offsetof(struct provider, name) == 0 &&
              offsetof(struct target, name) == 0 &&
              offsetof(struct model, name) == 0 &&
              offsetof(struct client, name) == 0,
              "config_index_find reads the name at the start of a struct");

const char *config_what(const struct block *b, char *out, size_t size)
{
    if (b->name)
        snprintf(out, size, "%s \"%s\"", config_word(b->section), b->name);
    else
        snprintf(out, size, "%s", config_word(b->section));
    return out;
}

/* A run that was stopped may have stopped within this table. */
void config_no_table(const struct config_spot *s)
{
    if (!s->l->partial)
        config_wrong(s->l, s->line, NULL, "%s has no table: write %s { ... }",
                     s->what, s->what);
}

bool config_name_ok(const char *name)
{
    size_t len = strlen(name), i;

    if (len == 0 || len > CONFIG_NAME)
        return false;
    for (i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return true;
}

char *config_keep(struct loader *l, const char *text)
{
    char *copy = config_copy(&l->store->arena, text, strlen(text));

    if (!copy)
        l->memory = true;
    return copy;
}

void *config_keep_array(struct loader *l, size_t n, size_t size)
{
    void *array = config_array(&l->store->arena, n, size);

    if (!array)
        l->memory = true;
    return array;
}

struct config_where config_here(const struct loader *l, int line)
{
    return (struct config_where){l->c->path, line};
}

/* --- settings ------------------------------------------------------------- */

static void check_settings(const struct config_spot *s)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct settings *set = &s->l->c->settings;
    size_t i;

    if (!set->log)
        set->log = config_keep(s->l, "stderr");
    if (!set->log_level)
        set->log_level = config_keep(s->l, "info");
    if (s->l->memory)
        return;
    if (set->memory_max < set->body_max)
        config_wrong(s->l, s->line, "memory_max",
                     "settings: \"memory_max\" is smaller than \"body_max\": "
                     "the largest body could never be taken");
    if (set->lua_state_max < set->lua_request_max)
        config_wrong(s->l, s->line, "lua_state_max",
                     "settings: \"lua_state_max\" is smaller than "
                     "\"lua_request_max\"");
    for (i = 0; i < 4; i++)
        if (strcmp(set->log_level, levels[i]) == 0)
            return;
    config_wrong(s->l, s->line, "log_level",
                 "settings: \"log_level\" is none of debug, info, warn, error");
}

static void build_settings(struct loader *l)
{
    struct config_spot s = {l, "settings", 1};
    const struct block *b;
    const struct block *first = NULL;

    for (b = l->blocks; b; b = b->next) {
        if (b->section != SECTION_SETTINGS || !b->body)
            continue;
        if (first)
            config_wrong(l, b->line, NULL, "settings stand at line %d already",
                         first->line);
        else
            first = b;
        s.line = b->line;
        config_fill(&s, &config_schemas[SECTION_SETTINGS], b->body,
                    &l->c->settings);
    }
    check_settings(&s);
}

/* --- clients -------------------------------------------------------------- */

void config_set_client_key(const struct config_spot *s, const struct node *n,
                           void *base)
{
    struct client_draft *d = base;
    struct secret key;

    d->wrote_key = true;
    if (n->optional || config_member(n, "optional")) {
        /* Else an unset variable would open the door. */
        config_wrong(s->l, n->line, "key",
                     "%s: the key of a client is not optional", s->what);
        return;
    }
    if (config_secret(s, "key", n, SECRET_PASSING, &key))
        return;
    if (key.len > CONFIG_KEY)
        config_wrong(s->l, n->line, "key",
                     "%s: \"key\" is longer than %d bytes", s->what,
                     CONFIG_KEY);
    config_digest(key.bytes, key.len, d->client.digest);
    d->client.has_key = true;
    explicit_bzero(key.bytes, key.len);
}

void config_set_client_tags(const struct config_spot *s, const struct node *n,
                            void *base)
{
    struct client *c = &((struct client_draft *)base)->client;

    config_texts(s, "tags", n, &c->tags, &c->ntags);
}

static void build_client(struct loader *l, const struct block *b,
                         struct config_index *names)
{
    struct config *c = l->c;
    const struct node *name = config_member(b->body, "name");
    char what[CONFIG_NAME + 32] = "client";
    struct config_spot s = {l, what, b->line};
    size_t before = config_issues(l);
    struct client_draft d;
    int other;

    memset(&d, 0, sizeof d);
    d.client.where = config_here(l, b->line);
    if (name && name->kind == NODE_STRING && name->len <= CONFIG_NAME)
        snprintf(what, sizeof what, "client \"%s\"", name->text);
    config_fill(&s, &config_schemas[SECTION_CLIENT], b->body, &d);
    if (!name && config_issues(l) == before)
        config_wrong(l, b->line, NULL, "client needs name = \"...\"");
    if (!d.client.name)
        return;
    if (!config_name_ok(d.client.name))
        config_wrong(l, b->line, "name", "client: a name has 1 to %d bytes and "
                     "no control bytes", CONFIG_NAME);
    other = config_index_find(names, c->clients, sizeof *c->clients,
                              d.client.name, strlen(d.client.name));
    if (other >= 0)
        config_wrong(l, b->line, NULL, "%s: the name is taken at line %d",
                     s.what, c->clients[other].where.line);
    else
        config_index_add(names, d.client.name, (unsigned)c->nclients);
    /* A key that could not be read is reported; that there is none, or that
       two are the same, would be said for nothing. */
    if (d.wrote_key && !d.client.has_key)
        config_digest(d.client.name, strlen(d.client.name), d.client.digest);
    d.client.has_key = d.wrote_key;
    c->clients[c->nclients++] = d.client;
}

static void build_clients(struct loader *l)
{
    struct config_index names;
    const struct block *b;

    l->c->clients = config_keep_array(l, l->count[SECTION_CLIENT],
                               sizeof *l->c->clients);
    if (config_index_init(&l->scratch, &names, l->count[SECTION_CLIENT]))
        l->memory = true;
    for (b = l->blocks; b && !l->memory; b = b->next)
        if (b->section == SECTION_CLIENT && b->body)
            build_client(l, b, &names);
}

/* --- listeners ------------------------------------------------------------ */

static void add_listener(const struct config_spot *s, const struct node *n,
                         const struct listen_draft *d, struct listener *list,
                         size_t *count)
{
    struct listener *one = &list[*count];

    one->address = n ? config_text(s, "address", n, true) : d->address;
    one->half_close_answer = d->half_close == 1;
    one->where = config_here(s->l, s->line);
    if (!one->address)
        return;
    if (config_address(one->address) == REACH_BAD)
        config_wrong(s->l, s->line, one->address,
                     "%s: \"%.60s\" is none of \"127.0.0.1:8080\", "
                     "\"[::1]:8080\", \"unix:/path\"", s->what,
                     n && n->kind == NODE_STRING ? one->address : "address");
    else
        ++*count;
}

static void set_admin_key(const struct config_spot *s,
                          const struct listen_draft *d)
{
    struct secret *key = &s->l->c->admin_key;

    if (!d->key.bytes)
        return;
    if (key->bytes && strcmp(key->bytes, d->key.bytes) != 0)
        config_wrong(s->l, s->line, "key",
                     "admin: all admin addresses share one key; another one "
                     "stands before");
    *key = d->key;
}

static void build_listen(struct loader *l, const struct block *b)
{
    struct config *c = l->c;
    bool admin = b->section == SECTION_ADMIN;
    struct config_spot s = {l, config_word(b->section), b->line};
    struct listener *list = admin ? c->admins : c->listeners;
    size_t *count = admin ? &c->nadmins : &c->nlisteners;
    struct listen_draft d;
    const struct node *n;
    bool any = false;

    memset(&d, 0, sizeof d);
    config_fill(&s, &config_schemas[b->section], b->body, &d);
    if (d.address)
        add_listener(&s, NULL, &d, list, count);
    for (n = b->body->first; n && !n->key; n = n->next) {
        any = true;
        if (n->kind != NODE_POISON)
            add_listener(&s, n, &d, list, count);
    }
    if (!any && !config_member(b->body, "address"))
        config_wrong(l, b->line, NULL,
                     "%s names no address: write %s { \"127.0.0.1:8080\" }",
                     s.what, s.what);
    if (admin)
        set_admin_key(&s, &d);
}

static size_t addresses(const struct loader *l, enum section section)
{
    const struct block *b;
    const struct node *n;
    size_t count = 0;

    for (b = l->blocks; b; b = b->next)
        if (b->section == section && b->body)
            for (n = b->body->first; n; n = n->next)
                count++;
    return count;
}

static void build_listeners(struct loader *l)
{
    const struct block *b;

    l->c->listeners = config_keep_array(l, addresses(l, SECTION_LISTEN),
                                 sizeof *l->c->listeners);
    l->c->admins = config_keep_array(l, addresses(l, SECTION_ADMIN),
                              sizeof *l->c->admins);
    for (b = l->blocks; b && !l->memory; b = b->next)
        if ((b->section == SECTION_LISTEN || b->section == SECTION_ADMIN) &&
            b->body && b->body->kind == NODE_TABLE)
            build_listen(l, b);
}

void config_build(struct loader *l)
{
    build_settings(l);
    if (!l->memory)
        config_providers(l);
    if (!l->memory)
        build_clients(l);
    if (!l->memory)
        build_listeners(l);
}
