/* SPDX-License-Identifier: Apache-2.0
 *
 * config_price: prices as they are written: on a target, on a provider, in a row
 * of a price list.
 */
#include "config_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PRICE(field) offsetof(struct price_draft, price.field)
#define RATE(field)                                                            \
    {.name = #field, .type = KEY_NUMBER, .max = 1e6, .offset = PRICE(field)}
#define RATES                                                                  \
    RATE(input), RATE(output), RATE(cached), RATE(cache_write),                \
    RATE(cache_write_1h), RATE(audio), RATE(reasoning), RATE(thinking)
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void set_when(const struct config_spot *s, const struct node *n,
                     void *base)
{
    ((struct price_draft *)base)->when = n;
    if (n->kind != NODE_TABLE || (n->first && n->first->key))
        config_wrong(s->l, n->line, "when", "%s: \"when\" is a list: { { above "
                     "= 200000, input = ... } }", s->what);
}

/* Seconds since 1970 of "2026-11-21", or -1. */
static int64_t day_of(const char *text)
{
    struct tm tm = {0}, same;
    char after;
    time_t t;

    if (strlen(text) != 10 ||
        sscanf(text, "%4d-%2d-%2d%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &after) != 3)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    same = tm;
    t = timegm(&same);
    return same.tm_mday == tm.tm_mday && same.tm_mon == tm.tm_mon ? t : -1;
}

/* Seconds of the day of "04:30" or "24:00", or -1. */
static int32_t second_of(const char *text)
{
    int hours = 0, minutes = 0;
    char after;

    if (strlen(text) != 5 ||
        sscanf(text, "%2d:%2d%c", &hours, &minutes, &after) != 2 || hours < 0 ||
        minutes < 0 || minutes > 59 || hours * 60 + minutes > 24 * 60)
        return -1;
    return hours * 3600 + minutes * 60;
}

static void set_date(const struct config_spot *s, const struct node *n,
                     void *base)
{
    char **date = base;
    char *text = config_text(s, "date", n, false);

    if (text && day_of(text) < 0)
        config_wrong(s->l, n->line, "date",
                     "%s: \"date\" is a day like \"2026-11-21\"", s->what);
    else
        *date = text;
}

static void set_price_date(const struct config_spot *s, const struct node *n,
                           void *base)
{
    set_date(s, n, &((struct price_draft *)base)->date);
}

static void set_since(const struct config_spot *s, const struct node *n,
                      void *base)
{
    struct price_draft *d = base;
    char *text = config_text(s, "since", n, false);

    d->conditions++;
    d->price.since = text ? day_of(text) : 0;
    if (d->price.since < 0)
        config_wrong(s->l, n->line, "since",
                     "%s: \"since\" is a day like \"2027-01-01\"", s->what);
}

static void set_above(const struct config_spot *s, const struct node *n,
                      void *base)
{
    static const struct config_key key = {
        .name = "above", .type = KEY_NUMBER, .max = 1e9, .offset = PRICE(above)};
    static const struct config_schema schema = {&key, 1, false};
    struct node alone = *n, table = {.kind = NODE_TABLE, .first = &alone};

    alone.next = NULL;
    ((struct price_draft *)base)->conditions++;
    config_fill(s, &schema, &table, base);
}

static int32_t hour(const struct config_spot *s, const struct node *n)
{
    char *text = config_text(s, n->key, n, false);
    int32_t second = text ? second_of(text) : 0;

    if (second < 0)
        config_wrong(s->l, n->line, n->key, "%s: \"%s\" is a time of the day in "
                     "UTC like \"06:30\"", s->what, n->key);
    return second;
}

static void set_from(const struct config_spot *s, const struct node *n,
                     void *base)
{
    struct price_draft *d = base;

    d->hours++;
    d->price.from = hour(s, n);
}

static void set_to(const struct config_spot *s, const struct node *n,
                   void *base)
{
    struct price_draft *d = base;

    d->hours += 2;
    d->price.to = hour(s, n);
}

static const struct config_key when_keys[] = {
    RATES,
    {.name = "above", .type = KEY_OTHER, .set = set_above},
    {.name = "since", .type = KEY_OTHER, .set = set_since},
    {.name = "from", .type = KEY_OTHER, .set = set_from},
    {.name = "to", .type = KEY_OTHER, .set = set_to},
};
static const struct config_schema when_schema = {when_keys, LENGTH(when_keys),
                                                 false};

static void read_when(const struct config_spot *s, const struct node *n,
                      struct price *out)
{
    struct price_draft d = {.price = *out};

    if (n->kind != NODE_TABLE) {
        config_wrong(s->l, n->line, "when",
                     "%s: \"when\" lists tables, not %s", s->what,
                     config_kind(n));
        return;
    }
    config_fill(s, &when_schema, n, &d);
    if (d.hours == 1 || d.hours == 2)
        config_wrong(s->l, n->line, d.hours == 1 ? "from" : "to",
                     "%s: \"from\" and \"to\" stand together", s->what);
    else if (!d.conditions && !d.hours)
        config_wrong(s->l, n->line, "when", "%s: a price of \"when\" says above, "
                     "since, or from and to: when it holds", s->what);
    *out = d.price;
}

static const struct config_key price_keys[] = {
    RATES,
    {.name = "when", .type = KEY_OTHER, .set = set_when},
    {.name = "date", .type = KEY_OTHER, .set = set_price_date},
};
static const struct config_schema price_schema = {price_keys,
                                                  LENGTH(price_keys), false};

static const struct price unknown = PRICE_UNKNOWN;

void config_price_init(struct price_draft *d)
{
    *d = (struct price_draft){.price = unknown};
}

static bool any_rate(const struct price *p)
{
    return p->input >= 0 || p->output >= 0 || p->cached >= 0 ||
           p->cache_write >= 0 || p->cache_write_1h >= 0 || p->audio >= 0 ||
           p->reasoning >= 0 || p->thinking >= 0;
}

void config_price_keep(const struct config_spot *s, const struct price_draft *d,
                       struct prices *out)
{
    const struct node *first = d->when && d->when->kind == NODE_TABLE
                                   ? d->when->first : NULL, *n;
    size_t count = 1;

    *out = (struct prices){.date = d->date};
    if (!any_rate(&d->price) && !first)
        return;
    for (n = first; n; n = n->next)
        count++;
    out->list = config_keep_array(s->l, count, sizeof *out->list);
    if (!out->list)
        return;
    out->list[out->n++] = d->price;
    for (n = first; n; n = n->next) {
        out->list[out->n] = d->price;
        read_when(s, n, &out->list[out->n++]);
    }
}

static void set_prices(const struct config_spot *s, const struct node *n,
                       struct prices *out)
{
    struct price_draft d;

    config_price_init(&d);
    if (n->kind != NODE_TABLE) {
        config_wrong(s->l, n->line, "price",
                     "%s: \"price\" is { input = ..., output = ... } in US "
                     "dollars per million tokens", s->what);
        return;
    }
    config_fill(s, &price_schema, n, &d);
    config_price_keep(s, &d, out);
}

void config_set_price(const struct config_spot *s, const struct node *n,
                      void *base)
{
    set_prices(s, n, &((struct target *)base)->price);
}

void config_set_provider_price(const struct config_spot *s,
                               const struct node *n, void *base)
{
    set_prices(s, n, &((struct provider_draft *)base)->provider.price);
}

/* --- rows of a price list ------------------------------------------------- */

static void set_row_caps(const struct config_spot *s, const struct node *n,
                         void *base)
{
    struct price_row *r = base;

    config_texts(s, "caps", n, &r->caps, &r->ncaps);
}

static const struct config_key catalog_keys[] = {
    {.name = "date", .type = KEY_OTHER, .set = set_date},
};

static const struct config_key row_keys[] = {
    RATES,
    {.name = "when", .type = KEY_OTHER, .set = set_when},
    {.name = "date", .type = KEY_OTHER, .set = set_price_date},
    {.name = "context", .type = KEY_COUNT, .min = 1, .max = 2147483647,
     .offset = offsetof(struct price_row, context)},
    {.name = "max_output", .type = KEY_COUNT, .min = 1, .max = 2147483647,
     .offset = offsetof(struct price_row, max_output)},
    {.name = "caps", .type = KEY_OTHER, .set = set_row_caps},
};

const struct config_schema config_catalog_schema = {
    catalog_keys, LENGTH(catalog_keys), false};
const struct config_schema config_row_schema = {row_keys, LENGTH(row_keys),
                                                false};
