/* SPDX-License-Identifier: Apache-2.0
 *
 * config_check: blocks against each other: who may reach what.
 */
#include "config_impl.h"

#include <string.h>

static const struct listener *public_listener(const struct config *c)
{
    size_t i;

    for (i = 0; i < c->nlisteners; i++)
        if (config_address(c->listeners[i].address) == REACH_PUBLIC)
            return &c->listeners[i];
    return NULL;
}

static bool any_port(const char *address)
{
    size_t len = strlen(address);

    return len > 2 && strcmp(address + len - 2, ":0") == 0;
}

static void check_addresses(struct loader *l)
{
    const struct config *c = l->c;
    size_t n = c->nlisteners + c->nadmins, i, j;

    for (i = 1; i < n; i++) {
        const struct listener *b = i < c->nlisteners
                                       ? &c->listeners[i]
                                       : &c->admins[i - c->nlisteners];

        for (j = 0; j < i; j++) {
            const struct listener *a = j < c->nlisteners
                                           ? &c->listeners[j]
                                           : &c->admins[j - c->nlisteners];

            if (strcmp(a->address, b->address) != 0 || any_port(a->address))
                continue;
            config_wrong(l, b->where.line, b->address,
                         "the address \"%s\" is taken at line %d", b->address,
                         a->where.line);
            break;
        }
    }
}

static void check_admin(struct loader *l)
{
    const struct config *c = l->c;
    size_t i;

    for (i = 0; i < c->nadmins; i++)
        if (strncmp(c->admins[i].address, "unix:", 5) != 0 &&
            !c->admin_key.bytes)
            config_wrong(l, c->admins[i].where.line, c->admins[i].address,
                         "admin: \"%s\" is reached over TCP and needs key = "
                         "env \"...\", or listen at \"unix:/path\"",
                         c->admins[i].address);
}

static void check_public(struct loader *l)
{
    const struct config *c = l->c;
    const struct listener *open = public_listener(c);
    size_t i;

    if (!open)
        return;
    if (l->count[SECTION_CLIENT] == 0)
        config_wrong(l, open->where.line, open->address,
                     "listen: \"%s\" is reached from other machines, and no "
                     "client { name = ..., key = ... } is declared: anybody "
                     "could spend your money", open->address);
    for (i = 0; i < c->nclients; i++)
        if (!c->clients[i].has_key)
            config_wrong(l, c->clients[i].where.line, NULL,
                         "client \"%s\" has no key, which only loopback and "
                         "unix listeners allow (\"%s\" is neither)",
                         c->clients[i].name, open->address);
    for (i = 0; i < c->nproviders; i++)
        if (c->providers[i].mock != MOCK_NEVER)
            config_wrong(l, c->providers[i].where.line, "mock",
                         "%s \"%s\": \"mock\" is refused, for \"%s\" is "
                         "reached from other machines",
                         c->providers[i].service ? "service" : "provider",
                         c->providers[i].name, open->address);
}

static void check_keyless(struct loader *l)
{
    const struct config *c = l->c;
    const struct client *first = NULL;
    size_t i;

    for (i = 0; i < c->nclients; i++) {
        if (c->clients[i].has_key)
            continue;
        if (first)
            config_wrong(l, c->clients[i].where.line, NULL,
                         "client \"%s\" has no key, nor has \"%s\" (line %d): "
                         "they could not be told apart", c->clients[i].name,
                         first->name, first->where.line);
        else
            first = &c->clients[i];
    }
}

static void same_key(struct loader *l, unsigned a, unsigned b)
{
    const struct client *x = &l->c->clients[a < b ? a : b];
    const struct client *y = &l->c->clients[a < b ? b : a];

    config_wrong(l, y->where.line, "key",
                 "client \"%s\" has the key of \"%s\" (line %d)", y->name,
                 x->name, x->where.line);
}

static void check_keys(struct loader *l)
{
    const struct config *c = l->c;
    const struct config_store *store = l->store;
    unsigned char digest[32];
    uint32_t bucket, i, j;
    int found;

    for (bucket = 0; bucket <= store->bucket_mask; bucket++)
        for (i = store->buckets[bucket]; i < store->buckets[bucket + 1]; i++)
            for (j = store->buckets[bucket]; j < i; j++)
                if (memcmp(store->digests[i].bytes, store->digests[j].bytes,
                           32) == 0) {
                    same_key(l, store->digests[i].client,
                             store->digests[j].client);
                    break;
                }
    if (!c->admin_key.bytes)
        return;
    config_digest(c->admin_key.bytes, c->admin_key.len, digest);
    found = config_find_client(c, digest);
    if (found >= 0)
        config_wrong(l, c->clients[found].where.line, "key",
                     "client \"%s\" has the key of admin: it would rule the "
                     "gateway", c->clients[found].name);
}

static void check_models(struct loader *l)
{
    if (l->count[SECTION_MODEL] == 0 &&
        !(l->c->settings.list_targets && l->c->ntargets))
        config_wrong(l, 0, NULL,
                     "no model is declared: nothing could be answered; write "
                     "model \"name\" { \"provider/model\" }");
}

void config_check(struct loader *l)
{
    check_addresses(l);
    check_admin(l);
    check_public(l);
    check_keyless(l);
    check_keys(l);
    check_models(l);
}
