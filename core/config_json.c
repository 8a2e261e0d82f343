/* SPDX-License-Identifier: Apache-2.0
 *
 * config_json: a configuration written as JSON to blocks: the same tree as in
 * Lua, {"providers": {"openai": {...}}, "settings": {...}}. Lines are exact.
 */
#include "config_impl.h"

#include "json.h"

#include <string.h>

/* Over a text that json_check has accepted. */
struct cursor {
    struct loader *l;
    const char *at, *end;
    int line;
};

static void skip_blanks(struct cursor *c)
{
    for (; c->at < c->end && strchr(" \t\r\n", *c->at); c->at++)
        c->line += *c->at == '\n';
}

/* Skip blanks and one of ${bytes}. */
static bool take(struct cursor *c, char byte)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != byte)
        return false;
    c->at++;
    skip_blanks(c);
    return true;
}

/* A string, decoded; NULL when memory is short. */
static const char *take_string(struct cursor *c, size_t *len)
{
    struct json_view view = {.at = c->at};
    char *text;

    for (c->at++; c->at < c->end && *c->at != '"'; c->at++)
        if (*c->at == '\\')
            c->at++;
    c->at++;
    view.len = (size_t)(c->at - view.at);
    text = config_alloc(&c->l->scratch, view.len + 1);
    if (!text) {
        c->l->memory = true;
        return NULL;
    }
    *len = json_view_string(view, text, view.len + 1);
    return text;
}

static struct node *take_number(struct cursor *c)
{
    struct node *n = config_node(c->l, NODE_INTEGER, c->line);
    struct json_view view = {.at = c->at};

    for (; c->at < c->end && strchr("+-.eE0123456789", *c->at); c->at++)
        if (n && strchr(".eE", *c->at))
            n->kind = NODE_NUMBER;
    view.len = (size_t)(c->at - view.at);
    if (n)
        n->number = json_view_number(view, 0);
    return n;
}

static struct node *take_literal(struct cursor *c)
{
    struct node *n = config_node(c->l, NODE_NULL, c->line);

    if (n && *c->at != 'n') {
        n->kind = NODE_BOOL;
        n->truth = *c->at == 't';
    }
    while (c->at < c->end && *c->at >= 'a' && *c->at <= 'z')
        c->at++;
    return n;
}

static struct node *take_value(struct cursor *c);

/* "key": before a value. */
static const char *take_key(struct cursor *c)
{
    size_t len;
    const char *key = take_string(c, &len);

    if (key && strlen(key) != len) {
        config_wrong(c->l, c->line, NULL, "a key holds a zero byte");
        key = "";
    }
    take(c, ':');
    return key;
}

static struct node *take_table(struct cursor *c)
{
    struct node *table = config_node(c->l, NODE_TABLE, c->line), *n, **tail;
    bool object = *c->at == '{';
    const char *key = NULL;
    int line;

    if (!table)
        return NULL;
    tail = &table->first;
    c->at++;
    skip_blanks(c);
    while (*c->at != '}' && *c->at != ']') {
        line = c->line;
        if (object && !(key = take_key(c)))
            return NULL;
        n = take_value(c);
        if (!n)
            return NULL;
        n->key = key;
        n->line = line;
        *tail = n;
        tail = &n->next;
        take(c, ',');
        skip_blanks(c);
    }
    c->at++;
    config_sort_members(c->l, table);
    return table;
}

/* NULL when memory is short. */
static struct node *take_value(struct cursor *c)
{
    struct node *n;

    switch (*c->at) {
    case '{': case '[':
        return take_table(c);
    case '"':
        n = config_node(c->l, NODE_STRING, c->line);
        if (n)
            n->text = take_string(c, &n->len);
        return n && n->text ? n : NULL;
    case 't': case 'f': case 'n':
        return take_literal(c);
    default:
        return take_number(c);
    }
}

/* --- the tree to blocks --------------------------------------------------- */

static bool add_block(struct loader *l, enum section s, const char *name,
                      struct node *body)
{
    struct block *b = config_block(l, s, name, body->line);

    if (b)
        b->body = body;
    return b != NULL;
}

/* One entry of "listen" or "clients": an object, or the text of an address. */
static void add_item(struct loader *l, enum section s, const struct node *item)
{
    struct node *body = config_node(l, NODE_TABLE, item->line);
    struct node *copy = config_node(l, item->kind, item->line);

    if (!body || !copy)
        return;
    *copy = *item;
    copy->next = NULL;
    if (item->kind == NODE_TABLE)
        body = copy;
    else if (item->kind == NODE_STRING && s != SECTION_CLIENT)
        body->first = copy;
    else {
        config_wrong(l, item->line, NULL, "\"%s\" lists objects, not %s",
                     config_plural(s), config_kind(item));
        return;
    }
    add_block(l, s, NULL, body);
}

static void add_list(struct loader *l, enum section s, const struct node *entry)
{
    const struct node *n;

    if (entry->kind != NODE_TABLE || (entry->first && entry->first->key)) {
        config_wrong(l, entry->line, NULL, "\"%s\" is a list", entry->key);
        return;
    }
    for (n = entry->first; n; n = n->next)
        add_item(l, s, n);
}

static void add_map(struct loader *l, enum section s, const struct node *entry)
{
    struct node *n;

    if (entry->kind != NODE_TABLE || (entry->first && !entry->first->key)) {
        config_wrong(l, entry->line, NULL,
                     "\"%s\" is an object of names: {\"name\": {...}}",
                     entry->key);
        return;
    }
    for (n = entry->first; n; n = n->next)
        if (n->kind == NODE_TABLE)
            add_block(l, s, n->key, n);
        else
            config_wrong(l, n->line, NULL, "%s \"%s\" is an object, not %s",
                         config_word(s), n->key, config_kind(n));
}

static void add_entry(struct loader *l, struct node *entry)
{
    struct config_advice advice;
    enum section s;

    for (s = l->first; s < l->end; s++)
        if (strcmp(entry->key, config_plural(s)) == 0)
            break;
    if (s == l->end) {
        config_advise_root(&advice, entry->key, l);
        config_wrong(l, entry->line, NULL, "unknown key \"%s\"%s", entry->key,
                     advice.text);
    } else if (s == SECTION_LISTEN || s == SECTION_ADMIN ||
               s == SECTION_CLIENT) {
        add_list(l, s, entry);
    } else if (s != SECTION_SETTINGS && s != SECTION_CATALOG) {
        add_map(l, s, entry);
    } else if (entry->kind == NODE_TABLE) {
        add_block(l, s, NULL, entry);
    } else {
        config_wrong(l, entry->line, NULL, "\"%s\" is an object",
                     config_plural(s));
    }
}

static int line_at(const struct config *c, size_t offset)
{
    size_t i;
    int line = 1;

    for (i = 0; i < offset && i < c->source_len; i++)
        line += c->source[i] == '\n';
    return line;
}

void config_json_read(struct loader *l)
{
    const struct config *c = l->c;
    struct cursor cursor = {l, c->source, c->source + c->source_len, 1};
    struct json_fault fault;
    struct node *root, *n, *next;

    if (json_check(c->source, c->source_len, CONFIG_DEPTH, &fault)) {
        config_wrong(l, line_at(c, fault.at), NULL, "not JSON: %s",
                     fault.message);
        l->partial = true;
        return;
    }
    skip_blanks(&cursor);
    root = *cursor.at == '{' ? take_value(&cursor) : NULL;
    if (!root) {
        if (!l->memory)
            config_wrong(l, 1, NULL, "a %s is one JSON object",
                         l->first ? "price list" : "configuration");
        l->partial = true;
        return;
    }
    for (n = root->first; n; n = next) {
        next = n->next;
        add_entry(l, n);
    }
}
