/* SPDX-License-Identifier: Apache-2.0
 *
 * The index: the root's members from the one strict pass, everything else found
 * when it is first asked for. Node 1 is the root and its members follow it, with
 * a state or without; so a node id means the same before and after the first
 * allocation.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "ceilings.h"
#include "json_impl.h"

/* Nodes and lists */

/* Room for one more in a table that grows up to ceiling. 0 or -1. */
static int grow(void **table, uint32_t *size, uint32_t used, size_t each,
                uint32_t ceiling)
{
    uint32_t want = *size ? *size * 2 : 16;
    void *bigger;

    if (used < *size)
        return 0;
    if (used >= ceiling)
        return -1;
    if (want > ceiling)
        want = ceiling;
    bigger = realloc(*table, want * each);
    if (!bigger)
        return -1;
    *table = bigger;
    *size = want;
    return 0;
}

json_node json_node_new(struct json_state *state)
{
    void *table = state->nodes;

    if (grow(&table, &state->nodes_size, state->nnodes, sizeof *state->nodes,
             CEIL_JSON_NODES))
        return JSON_NONE;
    state->nodes = table;
    memset(&state->nodes[state->nnodes], 0, sizeof *state->nodes);
    return state->nnodes++;
}

static uint32_t list_new(struct json_state *state)
{
    void *table = state->lists;

    if (grow(&table, &state->lists_size, state->nlists, sizeof *state->lists,
             CEIL_JSON_NODES))
        return 0;
    state->lists = table;
    memset(&state->lists[state->nlists], 0, sizeof *state->lists);
    return state->nlists++;
}

static void state_free(struct json_state *state)
{
    uint32_t i;

    if (!state)
        return;
    for (i = 0; i < state->nlists; i++)
        free(state->lists[i].items);
    free(state->lists);
    free(state->nodes);
    buf_free(&state->edits);
    free(state);
}

static struct json_info root_info(const struct json_doc *doc)
{
    struct json_view v = json_view(doc->text, doc->len);
    struct json_info info = { .kind = JSON_OBJECT, .len = (uint32_t)v.len,
                              .at = (uint32_t)(v.at - doc->text) };

    return info;
}

static struct json_info top_info(const struct json_top *top)
{
    struct json_info info = {
        .at = top->at, .len = top->len, .kind = top->kind, .parent = JSON_ROOT,
        .key_at = top->key_at, .key_len = top->key_len,
        .flags = (uint8_t)(NODE_MEMBER | (top->escaped ? NODE_ESCAPED : 0))
    };

    return info;
}

/* A node for a member of the root that was just read. */
static int add_top(struct json_state *state, const struct json_top *top)
{
    json_node n = json_node_new(state);

    if (!n)
        return -1;
    state->nodes[n] = top_info(top);
    state->lists[1].found++;
    state->lists[1].count++;
    return 0;
}

int json_state_make(struct json_doc *doc)
{
    struct json_state *state;
    uint32_t i;
    int bad;

    if (doc->state)
        return 0;
    state = calloc(1, sizeof *state);
    if (!state)
        return -1;
    buf_init(&state->edits, doc->max_edits);
    /* 0 means none of either; these four must be the first. */
    bad = list_new(state) != 0;
    bad |= json_node_new(state) != JSON_NONE || !state->nodes;
    bad |= !bad && list_new(state) != 1;
    bad |= !bad && json_node_new(state) != JSON_ROOT;
    if (!bad) {
        state->nodes[JSON_ROOT] = root_info(doc);
        state->nodes[JSON_ROOT].list = 1;
        state->lists[1].first = JSON_ROOT + 1;
    }
    for (i = 0; i < doc->root_count && i < JSON_TOPS && !bad; i++)
        bad = add_top(state, &doc->top[i]);
    if (bad) {
        state_free(state);
        return -1;
    }
    doc->state = state;
    return 0;
}

struct json_info json_look(const struct json_doc *doc, json_node n)
{
    const struct json_state *state = doc->state;
    struct json_info none = { 0 };

    if (state)
        return n && n < state->nnodes ? state->nodes[n] : none;
    if (n == JSON_ROOT)
        return root_info(doc);
    if (n > JSON_ROOT && n - JSON_ROOT <= doc->root_count)
        return top_info(&doc->top[n - JSON_ROOT - 1]);
    return none;
}

const char *json_text(const struct json_doc *doc, const struct json_info *info)
{
    return info->flags & NODE_EDIT ? json_state(doc)->edits.data : doc->text;
}

int json_add_member(struct json_doc *doc, const struct json_top *top)
{
    if (doc->root_count < JSON_TOPS) {
        doc->top[doc->root_count++] = *top;
        return 0;
    }
    if (json_state_make(doc) || add_top(doc->state, top))
        return -1;
    doc->root_count++;
    return 0;
}

void json_close(struct json_doc *doc)
{
    state_free(doc->state);
    doc->state = NULL;
}

/* Children */

static bool is_container(const struct json_info *info)
{
    return info->kind == JSON_OBJECT || info->kind == JSON_ARRAY;
}

/* A node for what the walk has just found in n. */
static int add_child(struct json_doc *doc, json_node n,
                     const struct json_walk *w, const char *base)
{
    struct json_state *state = doc->state;
    json_node child = json_node_new(state);
    struct json_info *info = state->nodes + child;

    if (!child)
        return -1;
    info->parent = n;
    info->at = (uint32_t)(w->value.at - base);
    info->len = (uint32_t)w->value.len;
    info->kind = (uint8_t)json_view_kind(w->value);
    info->flags = state->nodes[n].flags & NODE_EDIT;
    if (w->key) {
        info->key_at = (uint32_t)(w->key - base);
        info->key_len = (uint32_t)w->key_len;
        info->flags |= NODE_MEMBER;
        if (memchr(w->key, '\\', w->key_len))
            info->flags |= NODE_ESCAPED;
    }
    return 0;
}

int json_expand(struct json_doc *doc, json_node n)
{
    struct json_info info = json_look(doc, n);
    struct json_state *state;
    struct json_walk w;
    const char *base;
    uint32_t first, list;

    if (!is_container(&info))
        return -1;
    if (info.list || (!doc->state && n == JSON_ROOT))
        return 0;
    if (json_state_make(doc))
        return -1;
    state = doc->state;
    first = state->nnodes;
    base = json_text(doc, &info);
    json_walk_start(&w, base + info.at, info.len);
    while (json_walk_next(&w))
        if (add_child(doc, n, &w, base)) {
            state->nnodes = first;
            return -1;
        }
    list = list_new(state);
    if (!list) {
        state->nnodes = first;
        return -1;
    }
    state->lists[list].first = first;
    state->lists[list].found = state->nnodes - first;
    state->lists[list].count = state->nnodes - first;
    state->nodes[n].list = list;
    return 0;
}

uint32_t json_slots(const struct json_doc *doc, json_node n)
{
    const struct json_state *state = doc->state;

    if (!state)
        return doc->root_count;
    return state->lists[state->nodes[n].list].count;
}

json_node json_slot(const struct json_doc *doc, json_node n, uint32_t i)
{
    const struct json_state *state = doc->state;
    const struct json_list *list;

    if (!state)
        return JSON_ROOT + 1 + i;
    list = &state->lists[state->nodes[n].list];
    return list->items ? list->items[i] : list->first + i;
}

json_node json_slot_of(const struct json_doc *doc, json_node n)
{
    struct json_info info = json_look(doc, n);

    return info.flags & NODE_REPLACEMENT ? info.other : n;
}

json_node json_current(const struct json_doc *doc, json_node slot)
{
    struct json_info info = json_look(doc, slot);

    return info.other ? info.other : slot;
}

bool json_key_is(const struct json_doc *doc, const struct json_info *slot,
                 const char *key, size_t key_len)
{
    const char *p = json_text(doc, slot) + slot->key_at;
    const char *end = p + slot->key_len;
    size_t n;
    char c[4];

    if (!(slot->flags & NODE_ESCAPED))
        return slot->key_len == key_len && memcmp(p, key, key_len) == 0;
    while (p < end) {
        n = json_char(&p, end, c);
        if (n > key_len || memcmp(key, c, n) != 0)
            return false;
        key += n;
        key_len -= n;
    }
    return key_len == 0;
}

/* A member of the root while nothing was edited or opened. */
static json_node find_top(const struct json_doc *doc, const char *key,
                          size_t key_len)
{
    struct json_info info;

    for (uint32_t i = 0; i < doc->root_count; i++) {
        const struct json_top *top = &doc->top[i];

        if (top->escaped) {
            info = top_info(top);
            if (json_key_is(doc, &info, key, key_len))
                return JSON_ROOT + 1 + i;
        } else if (top->key_len == key_len &&
                   !memcmp(doc->text + top->key_at, key, key_len)) {
            return JSON_ROOT + 1 + i;
        }
    }
    return JSON_NONE;
}

json_node json_find(const struct json_doc *doc, json_node n, const char *key,
                    size_t key_len, bool *duplicate)
{
    uint32_t i, count;
    json_node slot, found = JSON_NONE;
    struct json_info info;

    if (!doc->state && n == JSON_ROOT)
        return find_top(doc, key, key_len);
    count = json_slots(doc, n);
    for (i = 0; i < count; i++) {
        slot = json_slot(doc, n, i);
        info = json_look(doc, slot);
        if (!json_key_is(doc, &info, key, key_len))
            continue;
        if (found) {
            *duplicate = true;
            return found;
        }
        found = slot;
        if (n == JSON_ROOT)
            return found;   /* no key stands there twice */
    }
    return found;
}

json_node json_member(struct json_doc *doc, json_node n, const char *key,
                      size_t key_len, bool *duplicate)
{
    json_node slot;

    *duplicate = false;
    if (!doc->state && n == JSON_ROOT)
        return find_top(doc, key, key_len);
    if (json_kind(doc, n) != JSON_OBJECT || json_expand(doc, n))
        return JSON_NONE;
    slot = json_find(doc, n, key, key_len, duplicate);
    return slot ? json_current(doc, slot) : JSON_NONE;
}

json_node json_item(struct json_doc *doc, json_node n, size_t i)
{
    if (i == 0 || i > json_count(doc, n))
        return JSON_NONE;
    return json_current(doc, json_slot(doc, n, (uint32_t)(i - 1)));
}

size_t json_count(struct json_doc *doc, json_node n)
{
    return json_expand(doc, n) ? 0 : json_slots(doc, n);
}

/* Reading one node */

enum json_kind json_kind(const struct json_doc *doc, json_node n)
{
    return (enum json_kind)json_look(doc, n).kind;
}

bool json_live(const struct json_doc *doc, json_node n)
{
    struct json_info info = json_look(doc, n);
    json_node slot;

    while (info.len && n != JSON_ROOT) {
        slot = json_slot_of(doc, n);
        if (json_current(doc, slot) != n ||
            json_look(doc, slot).flags & NODE_REMOVED)
            return false;
        n = info.parent;
        info = json_look(doc, n);
    }
    return n == JSON_ROOT;
}

json_node json_parent(const struct json_doc *doc, json_node n)
{
    return json_look(doc, n).parent;
}

/* Text without its escapes, whole runs at a time. */
static int add_decoded(struct buf *out, const char *p, const char *end)
{
    const char *slash;
    size_t n;
    char c[4];

    while (p < end) {
        slash = memchr(p, '\\', (size_t)(end - p));
        if (!slash)
            slash = end;
        if (buf_add(out, p, (size_t)(slash - p)))
            return -1;
        p = slash;
        if (p == end)
            break;
        n = json_char(&p, end, c);
        if (buf_add(out, c, n))
            return -1;
    }
    return 0;
}

int json_key(const struct json_doc *doc, json_node n, struct buf *out)
{
    struct json_info slot = json_look(doc, json_slot_of(doc, n));
    const char *key;

    if (!(slot.flags & NODE_MEMBER))
        return -1;
    key = json_text(doc, &slot) + slot.key_at;
    return add_decoded(out, key, key + slot.key_len);
}

const char *json_raw(const struct json_doc *doc, json_node n, size_t *len)
{
    struct json_info info = json_look(doc, n);

    *len = 0;
    if (info.len == 0 || info.flags & NODE_TOUCHED)
        return NULL;
    *len = info.len;
    return json_text(doc, &info) + info.at;
}

int json_string(const struct json_doc *doc, json_node n, struct buf *out)
{
    struct json_info info = json_look(doc, n);
    const char *at;

    if (info.kind != JSON_STRING)
        return -1;
    at = json_text(doc, &info) + info.at;
    return add_decoded(out, at + 1, at + info.len - 1);
}

const char *json_plain(const struct json_doc *doc, json_node n, size_t *len)
{
    struct json_info info = json_look(doc, n);
    const char *at;

    *len = 0;
    if (info.kind != JSON_STRING)
        return NULL;
    at = json_text(doc, &info) + info.at + 1;
    if (memchr(at, '\\', info.len - 2))
        return NULL;
    *len = info.len - 2;
    return at;
}

/* Digits with a minus perhaps, as a 64-bit integer. False: not that, too big,
   or -0, which an integer cannot tell from 0. */
static bool to_integer(const char *s, size_t len, int64_t *i)
{
    bool minus = *s == '-';
    uint64_t value = 0, most = (uint64_t)INT64_MAX + minus;
    size_t k;

    for (k = minus; k < len; k++) {
        uint64_t digit = (uint64_t)s[k] - '0';

        if (digit > 9 || value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (minus && value == 0)
        return false;
    *i = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

int json_number(const struct json_doc *doc, json_node n, int64_t *i, double *d)
{
    struct json_info info = json_look(doc, n);
    const char *at;

    if (info.kind != JSON_NUMBER)
        return -1;
    at = json_text(doc, &info) + info.at;
    if (to_integer(at, info.len, i))
        return 1;
    *d = json_double(at, info.len);
    return 0;
}
