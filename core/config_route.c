/* SPDX-License-Identifier: Apache-2.0
 *
 * config_route: targets and models: blocks to structs.
 */
#include "config_impl.h"

#include "buf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- targets -------------------------------------------------------------- */

void config_set_target_tags(const struct config_spot *s, const struct node *n,
                            void *base)
{
    struct target *t = base;

    config_texts(s, "tags", n, &t->tags, &t->ntags);
}

void config_set_caps(const struct config_spot *s, const struct node *n,
                     void *base)
{
    struct target *t = base;

    config_texts(s, "caps", n, &t->caps, &t->ncaps);
}

static const char *nearest_provider(struct loader *l, const char *name)
{
    const struct config *c = l->c;
    const char **names = config_array(&l->scratch, c->nproviders,
                                      sizeof *names);
    size_t i;

    if (!names) {
        l->memory = true;
        return NULL;
    }
    for (i = 0; i < c->nproviders; i++)
        names[i] = c->providers[i].name;
    return config_nearest(name, names, c->nproviders);
}

static bool is_model(const struct loader *l, const char *name)
{
    const struct block *b;

    for (b = l->blocks; b; b = b->next)
        if (b->section == SECTION_MODEL && strcmp(b->name, name) == 0)
            return true;
    return false;
}

/* The provider of "provider/model", or -1 with a report. */
static int provider_of(const struct config_spot *s, int line, const char *name)
{
    const struct config *c = s->l->c;
    const char *slash = strchr(name, '/'), *near;
    char provider[CONFIG_NAME + 1];
    int found;

    if (!config_name_ok(name) || !slash || slash == name || !slash[1]) {
        config_wrong(s->l, line, name, "%s: \"%.140s\" is no target%s", s->what,
                     name, !slash && is_model(s->l, name)
                           ? ": it is a model, and models do not nest"
                           : ": a target is \"provider/model\"");
        return -1;
    }
    found = config_find_provider(c, name, (size_t)(slash - name));
    if (found >= 0 && !c->providers[found].service)
        return found;
    snprintf(provider, sizeof provider, "%.*s", (int)(slash - name), name);
    if (found >= 0) {
        config_wrong(s->l, line, name, "%s: \"%s\": %s is a service, which "
                     "answers leme.fetch only", s->what, name, provider);
        return -1;
    }
    near = nearest_provider(s->l, provider);
    config_wrong(s->l, line, name,
                 "%s: \"%s\": no provider is called \"%s\"%s%s%s", s->what,
                 name, provider, near ? "; did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
    return -1;
}

/* Pools are made, not declared: a policy calls them. */
static bool names_key(const struct config_spot *s, int line, const char *name,
                      const struct provider *p)
{
    const char *key = strrchr(name, '#');

    if (!key || !config_key_of(s->l->c, p, key + 1))
        return false;
    config_wrong(s->l, line, name, "%s: \"%s\" is one key of a target: name "
                 "\"%.*s\" here, policies choose among its keys", s->what, name,
                 (int)(key - name), name);
    return true;
}

/* Index of the new target, or -1. */
static int add_target(const struct config_spot *s, int line, const char *name)
{
    struct loader *l = s->l;
    struct config *c = l->c;
    int provider = provider_of(s, line, name);
    struct target *t;

    if (provider < 0 || names_key(s, line, name, &c->providers[provider]))
        return -1;
    if (c->ntargets == CEIL_TARGETS) {
        config_wrong(l, line, name, "%s: there are more than %d targets",
                     s->what, CEIL_TARGETS);
        return -1;
    }
    t = &c->targets[c->ntargets];
    *t = (struct target){.provider = (unsigned)provider, .weight = 1,
                         .priority = 1};
    t->name = config_keep(l, name);
    t->model = config_keep(l, strchr(name, '/') + 1);
    t->where = config_here(l, line);
    if (l->memory)
        return -1;
    config_index_add(&l->store->targets, t->name, (unsigned)c->ntargets);
    return (int)c->ntargets++;
}

static void build_target(struct loader *l, const struct block *b)
{
    struct config *c = l->c;
    char what[2 * CONFIG_NAME];
    struct config_spot s = {l, config_what(b, what, sizeof what), b->line};
    int found = config_find_target(c, b->name, strlen(b->name));

    if (found >= 0) {
        config_wrong(l, b->line, NULL, "%s: the name is taken at line %d",
                     s.what, c->targets[found].where.line);
        return;
    }
    found = add_target(&s, b->line, b->name);
    if (!b->body)
        config_no_table(&s);
    else if (found >= 0)
        config_fill(&s, &config_schemas[SECTION_TARGET], b->body,
                    &c->targets[found]);
}

static size_t list_length(const struct node *list)
{
    const struct node *n;
    size_t count = 0;

    if (list && list->kind == NODE_TABLE)
        for (n = list->first; n; n = n->next)
            count++;
    return count;
}

/* An upper bound: every name written anywhere. */
static size_t targets_bound(const struct loader *l)
{
    const struct block *b;
    size_t n = l->count[SECTION_TARGET];

    for (b = l->blocks; b; b = b->next)
        if (b->section == SECTION_MODEL)
            n += list_length(b->body) +
                 list_length(config_member(b->body, "targets")) +
                 list_length(config_member(b->body, "default_route"));
    return n < CEIL_TARGETS ? n : CEIL_TARGETS;
}

/* --- lists of targets ----------------------------------------------------- */

static bool same_digits(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a && (*a < '0' || *a > '9'))
            a++;
        while (*b && (*b < '0' || *b > '9'))
            b++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

/* A target that only a model names, one or two letters beside a declared one.
 * Other digits are another model, so they do not count as a slip. */
static void suspect(const struct config_spot *s, int line, const char *name,
                    size_t declared)
{
    const struct config *c = s->l->c;
    const char *one, *near;
    size_t i;

    for (i = 0; i < declared; i++) {
        one = c->targets[i].name;
        if (strlen(name) < 10 || !same_digits(one, name) ||
            strncmp(one, name, (size_t)(strchr(name, '/') - name + 1)) != 0)
            continue;
        near = config_nearest(strchr(name, '/') + 1,
                              (const char *const *)&c->targets[i].model, 1);
        if (!near)
            continue;
        config_warn(s->l, line, name, "%s: \"%s\" is declared by no target; "
                    "did you mean \"%s\"?", s->what, name, one);
        return;
    }
}

static int target_named(const struct config_spot *s, const struct node *n,
                        size_t declared)
{
    struct config *c = s->l->c;
    char *name;
    int found;

    if (n->kind == NODE_POISON)
        return -1;
    if (n->kind != NODE_STRING || !n->len) {
        config_wrong(s->l, n->line, NULL,
                     "%s: a target is \"provider/model\", not %s", s->what,
                     n->kind == NODE_STRING ? "nothing" : config_kind(n));
        return -1;
    }
    name = config_text(s, "target", n, false);
    if (!name)
        return -1;
    found = config_find_target(c, name, strlen(name));
    if (found >= 0)
        return found;
    found = add_target(s, n->line, name);
    if (found >= 0)
        suspect(s, n->line, name, declared);
    return found;
}

static void add_to_list(const struct config_spot *s, struct model *m,
                        const struct node *n, int found)
{
    size_t i;

    for (i = 0; i < m->ntargets; i++)
        if (m->targets[i] == (unsigned)found) {
            config_wrong(s->l, n->line, s->l->c->targets[found].name,
                         "%s: \"%s\" is listed twice", s->what,
                         s->l->c->targets[found].name);
            return;
        }
    m->targets[m->ntargets++] = (unsigned)found;
}

/* Items of ${list}; members are the caller's business when ${mixed}. */
static void read_list(const struct config_spot *s, struct model *m,
                      const struct node *list, bool mixed, size_t declared)
{
    const struct node *n;
    int found;

    m->targets = config_keep_array(s->l, list_length(list), sizeof *m->targets);
    for (n = list->first; n && m->targets && !s->l->memory; n = n->next) {
        if (n->key && mixed)
            continue;
        if (n->key) {
            config_wrong(s->l, n->line, n->key,
                         "%s: a list of targets has no \"%s\"", s->what,
                         n->key);
            continue;
        }
        found = target_named(s, n, declared);
        if (found >= 0)
            add_to_list(s, m, n, found);
    }
}

/* --- models --------------------------------------------------------------- */

void config_set_targets(const struct config_spot *s, const struct node *n,
                        void *base)
{
    ((struct model_draft *)base)->list = n;
    if (n->kind != NODE_TABLE)
        config_wrong(s->l, n->line, "targets",
                     "%s: \"targets\" is %s, expected a list of targets",
                     s->what, config_kind(n));
}

void config_set_route(const struct config_spot *s, const struct node *n,
                      void *base)
{
    ((struct model_draft *)base)->route = n;
    if (n->kind != NODE_TABLE)
        config_wrong(s->l, n->line, "default_route",
                     "%s: \"default_route\" is %s, expected a list of targets",
                     s->what, config_kind(n));
}

static int knob(const struct config_spot *, const struct node *, struct buf *);

static int knob_table(const struct config_spot *s, const struct node *table,
                      struct buf *b)
{
    bool list = table->first && !table->first->key;
    const struct node *n;
    int bad = buf_addc(b, list ? '[' : '{');

    for (n = table->first; n; n = n->next) {
        if (list == (n->key != NULL)) {
            config_wrong(s->l, n->line, n->key,
                         "%s: \"knobs\" has a table that is a list and has "
                         "names as well", s->what);
            return 0;
        }
        if (n != table->first)
            bad |= buf_addc(b, ',');
        if (n->key) {
            bad |= buf_add_json(b, n->key, strlen(n->key));
            bad |= buf_addc(b, ':');
        }
        bad |= knob(s, n, b);
    }
    return bad | buf_addc(b, list ? ']' : '}');
}

static int knob(const struct config_spot *s, const struct node *n,
                struct buf *b)
{
    switch (n->kind) {
    case NODE_NULL:
        return buf_adds(b, "null");
    case NODE_BOOL:
        return buf_adds(b, n->truth ? "true" : "false");
    case NODE_INTEGER:
    case NODE_NUMBER:
        if (isfinite(n->number))
            return config_add_number(b, n->number);
        break;
    case NODE_STRING:
        return buf_add_json(b, n->text, n->len);
    case NODE_TABLE:
        return knob_table(s, n, b);
    case NODE_ENV:
    case NODE_FILE:
    case NODE_CREDENTIAL:
        config_wrong(s->l, n->line, n->key, "%s: \"knobs\" holds a secret, and "
                     "a policy never sees one", s->what);
        return 0;
    default:
        break;
    }
    config_wrong(s->l, n->line, n->key, "%s: \"knobs\" holds %s", s->what,
                 config_kind(n));
    return 0;
}

void config_set_knobs(const struct config_spot *s, const struct node *n,
                      void *base)
{
    struct model *m = &((struct model_draft *)base)->model;
    struct buf b;

    if (n->kind != NODE_TABLE || (n->first && !n->first->key)) {
        config_wrong(s->l, n->line, "knobs",
                     "%s: \"knobs\" is a table of names: { name = value }",
                     s->what);
        return;
    }
    buf_init(&b, CEIL_POLICY_FILE);
    if (knob_table(s, n, &b) || buf_addc(&b, '\0'))
        config_wrong(s->l, n->line, "knobs", "%s: \"knobs\" is larger than %d "
                     "bytes", s->what, (int)CEIL_POLICY_FILE);
    else
        m->knobs = config_keep(s->l, b.data);
    buf_free(&b);
}

static void check_policy(const struct config_spot *s, struct model *m)
{
    const struct config *c = s->l->c;
    size_t size = strlen(c->dir) + strlen(m->policy) + 2;
    struct stat st;

    m->policy_path = config_keep_array(s->l, size, 1);
    if (!m->policy_path)
        return;
    snprintf(m->policy_path, size, "%s%s%s", m->policy[0] == '/' ? "" : c->dir,
             m->policy[0] == '/' ? "" : "/", m->policy);
    /* A leading @ names a module of ours: the mock. */
    if (s->l->options->files && m->policy[0] != '@' &&
        (stat(m->policy_path, &st) || !S_ISREG(st.st_mode) ||
         access(m->policy_path, R_OK)))
        config_wrong(s->l, s->line, "policy",
                     "%s: the policy %s is not there or cannot be read",
                     s->what, m->policy);
}

/* What only makes sense beside a policy. */
static void check_plain(const struct config_spot *s,
                        const struct model_draft *d)
{
    const char *key = d->route ? "default_route"
                      : d->model.knobs ? "knobs"
                      : d->model.resume ? "resume"
                      : d->model.on_failure ? "on_failure" : NULL;

    if (key)
        config_wrong(s->l, s->line, key,
                     "%s: \"%s\" belongs to a policy, and there is none",
                     s->what, key);
}

static void check_attempts(const struct config_spot *s, const struct model *m)
{
    if (m->ntargets > m->max_attempts)
        config_warn(s->l, s->line, "max_attempts",
                    "%s: \"max_attempts\" is %u, so the last of %zu targets "
                    "are never reached", s->what, m->max_attempts, m->ntargets);
}

/* From the lists of the draft to indices. ${clean}: no key was wrong, so what
 * is missing was not merely misspelt. */
static void route_model(const struct config_spot *s, struct model_draft *d,
                        const struct node *body, size_t declared, bool clean)
{
    struct model *m = &d->model;
    bool items = body->first && !body->first->key;
    const struct node *list = m->policy ? d->route : items ? body : d->list;

    if (m->policy && (items || d->list))
        config_wrong(s->l, s->line, NULL,
                     "%s has a policy and a list of targets: the list belongs "
                     "into default_route", s->what);
    if (!m->policy && items && d->list)
        config_wrong(s->l, s->line, "targets",
                     "%s lists its targets twice", s->what);
    if (list && list->kind == NODE_TABLE)
        read_list(s, m, list, list == body, declared);
    if (!clean || (list && list->first))
        return;
    if (m->policy && m->policy[0] == '@')
        return;
    if (m->policy)
        config_wrong(s->l, s->line, "policy",
                     "%s: default_route = { \"provider/model\", ... } is "
                     "needed: it serves when the policy fails", s->what);
    else
        config_wrong(s->l, s->line, NULL,
                     "%s names nothing that could serve it: list its targets, "
                     "or write policy = \"...\"", s->what);
}

static void finish_model(const struct config_spot *s, struct model_draft *d,
                         const struct node *body, size_t declared, bool clean)
{
    struct model *m = &d->model;

    route_model(s, d, body, declared, clean);
    if (m->policy)
        check_policy(s, m);
    else if (!config_member(body, "policy"))
        check_plain(s, d);
    check_attempts(s, m);
    if (!m->knobs)
        m->knobs = config_keep(s->l, "{}");
    if (!m->total)
        m->total = s->l->c->settings.total_timeout;
}

static bool has_poison(const struct node *table)
{
    const struct node *n;

    for (n = table->first; n; n = n->next)
        if (n->kind == NODE_POISON)
            return true;
    return false;
}

static void build_model(struct loader *l, const struct block *b,
                        size_t declared)
{
    struct config *c = l->c;
    char what[2 * CONFIG_NAME];
    struct config_spot s = {l, config_what(b, what, sizeof what), b->line};
    struct model_draft d = {.model.max_attempts = CEIL_ATTEMPTS};
    size_t before = config_issues(l);
    int found = config_find_model(c, b->name, strlen(b->name));

    if (found >= 0) {
        config_wrong(l, b->line, NULL, "%s: the name is taken at line %d",
                     s.what, c->models[found].where.line);
        return;
    }
    if (!config_name_ok(b->name))
        config_wrong(l, b->line, NULL, "%s: a name has 1 to %d bytes and no "
                     "control bytes", s.what, CONFIG_NAME);
    d.model.name = config_keep(l, b->name);
    d.model.where = config_here(l, b->line);
    if (!d.model.name)
        return;
    if (!b->body) {
        config_no_table(&s);
    } else if (b->body->kind == NODE_TABLE) {
        config_fill(&s, &config_schemas[SECTION_MODEL], b->body, &d);
        finish_model(&s, &d, b->body, declared,
                     config_issues(l) == before && !has_poison(b->body));
    }
    config_index_add(&l->store->models, d.model.name, (unsigned)c->nmodels);
    c->models[c->nmodels++] = d.model;
}

/* With list_targets a client may name a target: it is a model of one. */
static void list_target(struct loader *l, unsigned target)
{
    struct config *c = l->c;
    struct target *t = &c->targets[target];
    struct model m = {.name = t->name, .max_attempts = CEIL_ATTEMPTS,
                      .ntargets = 1, .where = t->where};

    if (config_find_model(c, t->name, strlen(t->name)) >= 0)
        return;
    m.knobs = config_keep(l, "{}");
    m.targets = config_keep_array(l, 1, sizeof *m.targets);
    if (!m.knobs || !m.targets)
        return;
    m.targets[0] = target;
    config_index_add(&l->store->models, m.name, (unsigned)c->nmodels);
    c->models[c->nmodels++] = m;
}

void config_route(struct loader *l)
{
    struct config *c = l->c;
    struct config_arena *arena = &l->store->arena;
    size_t bound = targets_bound(l), declared;
    size_t models = l->count[SECTION_MODEL] +
                    (c->settings.list_targets ? bound : 0);
    const struct block *b;

    c->targets = config_keep_array(l, bound, sizeof *c->targets);
    c->models = config_keep_array(l, models, sizeof *c->models);
    if (config_index_init(arena, &l->store->targets, bound) ||
        config_index_init(arena, &l->store->models, models))
        l->memory = true;
    for (b = l->blocks; b && !l->memory; b = b->next)
        if (b->section == SECTION_TARGET)
            build_target(l, b);
    declared = c->ntargets;
    for (b = l->blocks; b && !l->memory; b = b->next)
        if (b->section == SECTION_MODEL)
            build_model(l, b, declared);
    for (unsigned i = 0; c->settings.list_targets && i < c->ntargets; i++)
        list_target(l, i);
}
