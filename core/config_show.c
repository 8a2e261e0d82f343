/* SPDX-License-Identifier: Apache-2.0
 *
 * config_show: the effective configuration as JSON, and what differs between
 * two of them. Credentials show their hint only.
 */
#include "config_impl.h"

#include "buf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A comma of the host's locale is no JSON. */
int config_add_number(struct buf *b, double number)
{
    char text[40], *c;

    if (floor(number) == number && fabs(number) < 9e15)
        return buf_addf(b, "%.0f", number);
    snprintf(text, sizeof text, "%.15g", number);
    for (c = text; *c; c++)
        if (!strchr("+-0123456789eE", *c))
            *c = '.';
    return buf_adds(b, text);
}

/* What is being written; commas come by themselves. */
struct show {
    struct buf *b;
    const struct config_store *store;
    bool first;
    int bad;
};

static void separate(struct show *s)
{
    if (!s->first)
        s->bad |= buf_addc(s->b, ',');
    s->first = false;
}

static void text(struct show *s, const char *value)
{
    s->bad |= buf_add_json(s->b, value, strlen(value));
}

static void name(struct show *s, const char *key)
{
    separate(s);
    text(s, key);
    s->bad |= buf_addc(s->b, ':');
}

static void begin(struct show *s, char bracket)
{
    s->bad |= buf_addc(s->b, bracket);
    s->first = true;
}

static void end(struct show *s, char bracket)
{
    s->bad |= buf_addc(s->b, bracket);
    s->first = false;
}

static void member_text(struct show *s, const char *key, const char *value)
{
    if (!value)
        return;
    name(s, key);
    text(s, value);
}

static void member_number(struct show *s, const char *key, double value)
{
    name(s, key);
    s->bad |= config_add_number(s->b, value);
}

static void member_some(struct show *s, const char *key, double value)
{
    if (value > 0)
        member_number(s, key, value);
}

static void member_bool(struct show *s, const char *key, bool value)
{
    name(s, key);
    s->bad |= buf_adds(s->b, value ? "true" : "false");
}

static void member_seconds(struct show *s, const char *key, us_t value)
{
    member_number(s, key, (double)value / 1e6);
}

static void member_texts(struct show *s, const char *key, char **list, size_t n)
{
    size_t i;

    if (!n)
        return;
    name(s, key);
    begin(s, '[');
    for (i = 0; i < n; i++) {
        separate(s);
        text(s, list[i]);
    }
    end(s, ']');
}

static void member_secret(struct show *s, const char *key,
                          const struct secret *secret)
{
    if (secret->bytes)
        member_text(s, key, secret->hint);
}

/* A header or a query, which may be a secret. */
static void member_guarded(struct show *s, const char *key, const char *value)
{
    if (value && config_is_secret(s->store, value))
        member_text(s, key, "***");
    else
        member_text(s, key, value);
}

static void listeners(struct show *s, const char *key,
                      const struct listener *list, size_t n,
                      const struct secret *secret)
{
    size_t i;

    name(s, key);
    begin(s, '[');
    for (i = 0; i < n; i++) {
        separate(s);
        begin(s, '{');
        member_text(s, "address", list[i].address);
        if (list[i].half_close_answer)
            member_text(s, "half_close", "answer");
        if (secret)
            member_secret(s, "key", secret);
        end(s, '}');
    }
    end(s, ']');
}

static void clients(struct show *s, const struct config *c)
{
    size_t i;

    name(s, "clients");
    begin(s, '[');
    for (i = 0; i < c->nclients; i++) {
        const struct client *one = &c->clients[i];

        separate(s);
        begin(s, '{');
        member_text(s, "name", one->name);
        if (one->has_key)
            member_text(s, "key", "***");
        member_texts(s, "tags", one->tags, one->ntags);
        member_some(s, "max_in_flight", one->max_in_flight);
        end(s, '}');
    }
    end(s, ']');
}

static void headers(struct show *s, const struct provider *p)
{
    size_t i;

    if (!p->nheaders)
        return;
    name(s, "headers");
    begin(s, '{');
    for (i = 0; i < p->nheaders; i++)
        member_guarded(s, p->headers[i].name, p->headers[i].value);
    end(s, '}');
}

static void keys(struct show *s, const struct config *c,
                 const struct provider *p)
{
    if (!p->nkeys)
        return;
    name(s, "keys");
    begin(s, '{');
    for (unsigned i = 0; i < p->nkeys; i++)
        member_secret(s, c->providers[p->keys + i].key_name,
                      &c->providers[p->keys + i].key);
    end(s, '}');
}

static void rates(struct show *s, const struct price *p)
{
    const struct {
        const char *key;
        double value;
    } all[] = {
        {"input", p->input},       {"output", p->output},
        {"cached", p->cached},     {"cache_write", p->cache_write},
        {"cache_write_1h", p->cache_write_1h},
        {"audio", p->audio},       {"reasoning", p->reasoning},
        {"thinking", p->thinking}, {"above", p->above},
    };
    size_t i;

    for (i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value >= 0)
            member_number(s, all[i].key, all[i].value);
}

static void member_hour(struct show *s, const char *key, int32_t second)
{
    char at[8];

    snprintf(at, sizeof at, "%02u:%02u", (unsigned)second / 3600 % 100,
             (unsigned)second / 60 % 60);
    member_text(s, key, at);
}

static void band(struct show *s, const struct price *p)
{
    time_t since = (time_t)p->since;
    struct tm tm;
    char day[16] = "";

    separate(s);
    begin(s, '{');
    rates(s, p);
    if (since && gmtime_r(&since, &tm) &&
        strftime(day, sizeof day, "%Y-%m-%d", &tm))
        member_text(s, "since", day);
    if (p->from != p->to) {
        member_hour(s, "from", p->from);
        member_hour(s, "to", p->to);
    }
    end(s, '}');
}

static void price(struct show *s, const struct prices *p)
{
    size_t i;

    if (!p->n)
        return;
    name(s, "price");
    begin(s, '{');
    rates(s, &p->list[0]);
    member_text(s, "date", p->date);
    if (p->n > 1) {
        name(s, "when");
        begin(s, '[');
        for (i = 1; i < p->n; i++)
            band(s, &p->list[i]);
        end(s, ']');
    }
    end(s, '}');
}

static void natives(struct show *s, unsigned bits)
{
    name(s, "native");
    begin(s, '[');
    for (size_t i = 0; config_natives[i]; i++)
        if (bits & 1u << i) {
            separate(s);
            text(s, config_natives[i]);
        }
    end(s, ']');
}

static void provider(struct show *s, const struct config *c,
                     const struct provider *p)
{
    static const char *const auth[] = {"bearer", "x-api-key", "api-key",
                                       "none", "x-goog-api-key"};
    static const char *const usage[] = {"ask", "comes", "none"};
    static const char *const mock[] = {"never", "without_key", "always"};

    name(s, p->name);
    begin(s, '{');
    member_text(s, "base", p->base);
    member_secret(s, "key", &p->key);
    keys(s, c, p);
    member_text(s, "auth", auth[p->auth]);
    if (!p->service) {
        member_text(s, "dialect", p->dialect);
        member_text(s, "usage", usage[p->usage]);
        natives(s, p->native);
    }
    headers(s, p);
    member_text(s, "path", p->path);
    member_guarded(s, "query", p->query);
    member_text(s, "proxy", p->proxy);
    member_text(s, "ca_file", p->ca_file);
    if (p->timeout)
        member_seconds(s, "timeout", p->timeout);
    if (p->mock != MOCK_NEVER)
        member_text(s, "mock", mock[p->mock]);
    price(s, &p->price);
    if (!p->service && p->price_factor != 1)
        member_number(s, "price_factor", p->price_factor);
    member_text(s, "catalog", p->catalog);
    end(s, '}');
}

static void providers(struct show *s, const struct config *c, bool services)
{
    size_t i;

    name(s, services ? "services" : "providers");
    begin(s, '{');
    for (i = 0; i < c->nproviders; i++)
        if (c->providers[i].service == services && !c->providers[i].key_name)
            provider(s, c, &c->providers[i]);
    end(s, '}');
}

static void target_modes(struct show *s, const struct target *t)
{
    static const char *const unsupported[] = {"map", "drop", "refuse"};
    static const char *const stream[] = {"auto", "both", "only", "never"};
    static const char *const max_tokens[] = {"clamp", "refuse", "skip"};

    member_text(s, "unsupported", unsupported[t->unsupported]);
    member_text(s, "stream", stream[t->stream]);
    member_text(s, "max_tokens", max_tokens[t->max_tokens]);
}

static void targets(struct show *s, const struct config *c)
{
    size_t i;

    name(s, "targets");
    begin(s, '{');
    for (i = 0; i < c->ntargets; i++) {
        const struct target *t = &c->targets[i];

        if (t->key)
            continue;
        name(s, t->name);
        begin(s, '{');
        member_number(s, "weight", t->weight);
        price(s, &t->price);
        member_text(s, "catalog", t->catalog);
        member_some(s, "context", t->context);
        member_some(s, "max_output", t->max_output);
        member_number(s, "priority", t->priority);
        member_some(s, "max_in_flight", t->max_in_flight);
        member_some(s, "rpm", t->rpm);
        member_texts(s, "tags", t->tags, t->ntags);
        member_texts(s, "caps", t->caps, t->ncaps);
        target_modes(s, t);
        member_text(s, "region", t->region);
        end(s, '}');
    }
    end(s, '}');
}

static void model(struct show *s, const struct config *c, const struct model *m)
{
    size_t i;

    name(s, m->name);
    begin(s, '{');
    member_text(s, "policy", m->policy);
    if (m->policy) {
        name(s, "knobs");
        s->bad |= buf_adds(s->b, m->knobs);
    }
    name(s, m->policy ? "default_route" : "targets");
    begin(s, '[');
    for (i = 0; i < m->ntargets; i++) {
        separate(s);
        text(s, c->targets[m->targets[i]].name);
    }
    end(s, ']');
    member_number(s, "max_attempts", m->max_attempts);
    if (m->early_headers)
        member_seconds(s, "early_headers", m->early_headers);
    member_seconds(s, "total", m->total);
    if (m->resume)
        member_bool(s, "resume", true);
    if (m->on_failure == FAILURE_REFUSE)
        member_text(s, "on_failure", "refuse");
    end(s, '}');
}

static void setting(struct show *s, const struct config_key *k, const void *at)
{
    switch (k->type) {
    case KEY_COUNT:
        member_number(s, k->name, *(const unsigned *)at);
        break;
    case KEY_BYTES:
        member_number(s, k->name, (double)*(const size_t *)at);
        break;
    case KEY_SECONDS:
        member_seconds(s, k->name, *(const us_t *)at);
        break;
    case KEY_SWITCH:
        member_bool(s, k->name, *(const bool *)at);
        break;
    default:
        member_text(s, k->name, *(char *const *)at);
    }
}

static void settings(struct show *s, const struct config *c)
{
    const struct config_schema *schema = &config_schemas[SECTION_SETTINGS];
    size_t i;

    name(s, "settings");
    begin(s, '{');
    for (i = 0; i < schema->n; i++)
        setting(s, &schema->keys[i],
                (const char *)&c->settings + schema->keys[i].offset);
    end(s, '}');
}

int config_show(const struct config *c, struct buf *out)
{
    struct show s = {out, c->arena, true, 0};
    size_t i, from = out->len;

    begin(&s, '{');
    listeners(&s, "listen", c->listeners, c->nlisteners, NULL);
    listeners(&s, "admin", c->admins, c->nadmins, &c->admin_key);
    clients(&s, c);
    providers(&s, c, false);
    providers(&s, c, true);
    targets(&s, c);
    name(&s, "models");
    begin(&s, '{');
    for (i = 0; i < c->nmodels; i++)
        model(&s, c, &c->models[i]);
    end(&s, '}');
    settings(&s, c);
    end(&s, '}');
    /* A key may have been given as a name or a path as well. */
    if (out->data)
        out->len = from + config_redact(c, out->data + from, out->len - from);
    return s.bad ? -1 : 0;
}

/* --- what needs a restart ------------------------------------------------- */

static bool same_addresses(const struct listener *a, size_t na,
                           const struct listener *b, size_t nb)
{
    size_t i;

    if (na != nb)
        return false;
    for (i = 0; i < na; i++)
        if (strcmp(a[i].address, b[i].address) != 0 ||
            a[i].half_close_answer != b[i].half_close_answer)
            return false;
    return true;
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
    return a->len == b->len &&
           (!a->len || memcmp(a->bytes, b->bytes, a->len) == 0);
}

static bool same_setting(const struct config_key *k, const void *a,
                         const void *b)
{
    switch (k->type) {
    case KEY_COUNT:
        return *(const unsigned *)a == *(const unsigned *)b;
    case KEY_BYTES:
        return *(const size_t *)a == *(const size_t *)b;
    case KEY_SECONDS:
        return *(const us_t *)a == *(const us_t *)b;
    case KEY_SWITCH:
        return *(const bool *)a == *(const bool *)b;
    default:
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    }
}

const char *config_start_only(const struct config *a, const struct config *b)
{
    const struct config_schema *schema = &config_schemas[SECTION_SETTINGS];
    const struct config_key *k;

    if (!same_addresses(a->listeners, a->nlisteners, b->listeners,
                        b->nlisteners))
        return "listen";
    if (!same_addresses(a->admins, a->nadmins, b->admins, b->nadmins) ||
        !same_secret(&a->admin_key, &b->admin_key))
        return "admin";
    for (k = schema->keys; k < schema->keys + schema->n; k++)
        if (k->start && !same_setting(k, (const char *)&a->settings + k->offset,
                                      (const char *)&b->settings + k->offset))
            return k->path;
    return NULL;
}
