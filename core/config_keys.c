/* SPDX-License-Identifier: Apache-2.0
 *
 * config_keys: several keys of one provider. Each becomes an account of its own
 * (a provider that differs in its key only), and each target there gets a pool
 * for each of them, so that nothing below has to know that keys are many.
 */
#include "config_impl.h"

#include <stdio.h>
#include <string.h>

#define KEY_NAME 32             /* bytes of a name */

/* --- accounts ------------------------------------------------------------- */

static bool key_name_ok(const char *name)
{
    return name[0] && strlen(name) <= KEY_NAME &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
                              "VWXYZ0123456789._-")];
}

static bool is_optional(const struct node *n)
{
    const struct node *said = config_member(n, "optional");

    return n->optional || (said && said->kind == NODE_BOOL && said->truth);
}

static bool same(const struct secret *a, const struct secret *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void check_twice(const struct config_spot *s, const struct node *n,
                        const struct provider_draft *d)
{
    const struct keyed *last = &d->keyed[d->nkeyed - 1], *k;

    for (k = d->keyed; k < last; k++)
        if (same(&k->secret, &last->secret))
            config_warn(s->l, n->line, last->name, "%s: \"keys\": \"%s\" is the "
                        "same key as \"%s\": they share one limit at the "
                        "provider", s->what, last->name, k->name);
}

static void add_key(const struct config_spot *s, const struct node *n,
                    unsigned number, struct provider_draft *d)
{
    struct keyed *k = &d->keyed[d->nkeyed];
    char name[KEY_NAME + 1], what[64];

    if (n->key && !key_name_ok(n->key)) {
        config_wrong(s->l, n->line, n->key, "%s: \"keys\": a name has 1 to %d "
                     "letters, digits and -_.", s->what, KEY_NAME);
        return;
    }
    snprintf(name, sizeof name, "%u", number);
    k->name = config_keep(s->l, n->key ? n->key : name);
    if (!k->name)
        return;
    snprintf(what, sizeof what, "keys.%s", k->name);
    d->optional_key |= is_optional(n);
    if (config_secret(s, what, n, SECRET_KEPT, &k->secret) == 0) {
        d->nkeyed++;
        check_twice(s, n, d);
    } else if (is_optional(n)) {
        config_warn(s->l, n->line, k->name, "%s: the key \"%s\" is left out: "
                    "its variable is not set", s->what, k->name);
    }
}

static size_t length(const struct node *table)
{
    const struct node *n;
    size_t count = 0;

    if (table && table->kind == NODE_TABLE)
        for (n = table->first; n; n = n->next)
            count++;
    return count;
}

void config_set_keys(const struct config_spot *s, const struct node *list,
                     void *base)
{
    struct provider_draft *d = base;
    const struct node *n;
    unsigned number = 0;

    if (list->kind == NODE_POISON)
        return;
    if (!length(list)) {
        config_wrong(s->l, list->line, "keys", "%s: \"keys\" is %s, expected "
                     "{ main = env \"NAME\", spare = file \"/path\" }", s->what,
                     list->kind == NODE_TABLE ? "empty" : config_kind(list));
        return;
    }
    d->keyed = config_keep_array(s->l, length(list), sizeof *d->keyed);
    for (n = list->first; n && d->keyed && !s->l->memory; n = n->next)
        add_key(s, n, ++number, d);
}

size_t config_accounts_bound(const struct block *b)
{
    return length(config_member(b->body, "keys"));
}

void config_accounts(struct loader *l, const struct provider_draft *d,
                     struct provider *p)
{
    struct config *c = l->c;

    if (d->nkeyed && p->key.bytes)
        config_wrong(l, p->where.line, "keys", "provider \"%s\": \"key\" and "
                     "\"keys\" are both written: all keys stand in \"keys\"",
                     p->name);
    p->keys = (unsigned)c->nproviders;
    p->nkeys = (unsigned)d->nkeyed;
    for (size_t i = 0; i < d->nkeyed; i++) {
        struct provider *one = &c->providers[c->nproviders++];

        *one = d->provider;
        one->key = d->keyed[i].secret;
        one->key_name = d->keyed[i].name;
    }
}

bool config_key_of(const struct config *c, const struct provider *p,
                   const char *name)
{
    for (unsigned i = 0; i < p->nkeys; i++)
        if (strcmp(c->providers[p->keys + i].key_name, name) == 0)
            return true;
    return false;
}

/* --- pools ---------------------------------------------------------------- */

static size_t count_pools(const struct config *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->ntargets; i++)
        n += c->providers[c->targets[i].provider].nkeys;
    return n;
}

static void add_pools(struct loader *l, unsigned target)
{
    struct config *c = l->c;
    struct target *t = &c->targets[target];
    const struct provider *p = &c->providers[t->provider];

    t->of = target;
    t->pools = (unsigned)c->ntargets;
    t->npools = p->nkeys;
    for (unsigned i = 0; i < p->nkeys && !l->memory; i++) {
        struct target *pool = &c->targets[c->ntargets];
        const char *key = c->providers[p->keys + i].key_name;
        size_t size = strlen(t->name) + strlen(key) + 2;

        *pool = *t;
        pool->npools = 0;
        pool->provider = p->keys + i;
        pool->key = c->providers[pool->provider].key_name;
        pool->name = config_alloc(&l->store->arena, size);
        if (!pool->name) {
            l->memory = true;
            return;
        }
        snprintf(pool->name, size, "%s#%s", t->name, key);
        config_index_add(&l->store->targets, pool->name,
                         (unsigned)c->ntargets++);
    }
}

/* Targets of ${m} with those that have keys replaced by their pools. */
static void spread(struct loader *l, struct model *m, size_t most)
{
    const struct config *c = l->c;

    m->fallback = config_keep_array(l, m->ntargets + most,
                                    sizeof *m->fallback);
    for (size_t i = 0; m->fallback && i < m->ntargets; i++) {
        const struct target *t = &c->targets[m->targets[i]];

        if (!t->npools)
            m->fallback[m->nfallback++] = m->targets[i];
        for (unsigned k = 0; k < t->npools; k++)
            m->fallback[m->nfallback++] = t->pools + k;
    }
}

static void index_again(struct loader *l, size_t n)
{
    struct config *c = l->c;

    if (config_index_init(&l->store->arena, &l->store->targets, n)) {
        l->memory = true;
        return;
    }
    for (unsigned i = 0; i < c->ntargets; i++)
        config_index_add(&l->store->targets, c->targets[i].name, i);
}

void config_pools(struct loader *l)
{
    struct config *c = l->c;
    size_t n = count_pools(c), declared = c->ntargets;
    struct target *all;

    for (unsigned i = 0; i < declared; i++)
        c->targets[i].of = i;
    if (n && declared + n > CEIL_TARGETS) {
        config_wrong(l, 0, NULL, "targets and their keys are more than %d in "
                     "all", CEIL_TARGETS);
        return;
    }
    all = n ? config_keep_array(l, declared + n, sizeof *all) : NULL;
    if (all) {
        memcpy(all, c->targets, declared * sizeof *all);
        c->targets = all;
        index_again(l, declared + n);
    }
    for (unsigned i = 0; all && i < declared && !l->memory; i++)
        add_pools(l, i);
    for (size_t i = 0; i < c->nmodels && !l->memory; i++)
        spread(l, &c->models[i], c->ntargets - declared);
}
