/* SPDX-License-Identifier: Apache-2.0
 *
 * The overlay of edits, and the writer that splices it into the bytes.
 *
 * What stands between two items of a text (a gap: blanks and the comma) belongs
 * to the item before it. An item that goes takes its gap along, or the one
 * before it when it was the last; an item that comes brings a bare comma.
 * Everything else is copied.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "json_impl.h"

/* Storing */

/* How deep a value may be nested that is put under parent. */
static unsigned depth_left(const struct json_doc *doc, json_node parent)
{
    unsigned above = 1;

    for (; parent != JSON_ROOT; parent = json_parent(doc, parent))
        above++;
    return doc->depth - above;
}

/* A value to be copied into the edits. It may be a piece of them, and they move
   when they grow: so a piece of them is kept as an offset. */
struct source {
    const char *at;             /* NULL: in the edits */
    size_t offset, len;
};

static struct source source_of(const struct buf *edits, struct json_view v)
{
    struct source from = { .at = v.at, .len = v.len };

    if (edits->data && v.at >= edits->data && v.at < edits->data + edits->len) {
        from.at = NULL;
        from.offset = (size_t)(v.at - edits->data);
    }
    return from;
}

static int store(struct buf *edits, const struct source *from)
{
    if (buf_reserve(edits, from->len))
        return -1;
    return buf_add(edits, from->at ? from->at : edits->data + from->offset,
                   from->len);
}

static int store_key(struct buf *edits, const struct json_view *key,
                     struct json_info *info)
{
    size_t before = edits->len;

    if (buf_add_json(edits, key->at, key->len))
        return -1;
    info->flags |= NODE_MEMBER | NODE_ESCAPED;
    info->key_at = (uint32_t)before + 1;
    info->key_len = (uint32_t)(edits->len - before - 2);
    return buf_addc(edits, ':');
}

static void touch(struct json_state *state, json_node n)
{
    state->edited = true;
    while (n && !(state->nodes[n].flags & NODE_TOUCHED)) {
        state->nodes[n].flags |= NODE_TOUCHED;
        n = state->nodes[n].parent;
    }
}

/* A node under parent whose text is a copy of value, with "key": before it in
   the edits when there is a key; not yet in any list. */
static json_node make(struct json_doc *doc, json_node parent,
                      const struct json_view *key, const char *value,
                      size_t len)
{
    struct json_view v = json_view(value, len);
    struct json_info info = { .parent = parent, .len = (uint32_t)v.len,
                              .kind = (uint8_t)json_view_kind(v),
                              .flags = NODE_EDIT };
    struct json_state *state;
    struct json_fault fault;
    struct source from;
    size_t before;
    json_node n;

    if (json_check(v.at, v.len, depth_left(doc, parent), &fault) ||
        json_state_make(doc))
        return JSON_NONE;
    state = doc->state;
    before = state->edits.len;
    from = source_of(&state->edits, v);
    n = json_node_new(state);
    if (!n)
        return JSON_NONE;
    if (key && store_key(&state->edits, key, &info))
        goto fail;
    info.at = (uint32_t)state->edits.len;
    if (store(&state->edits, &from))
        goto fail;
    state->nodes[n] = info;
    return n;
fail:
    state->edits.len = before;
    state->nnodes--;
    return JSON_NONE;
}

/* Lists */

/* From here on the list is its own, not the nodes in a row. */
static int list_own(struct json_list *list, uint32_t size)
{
    uint32_t i, *items;

    if (list->items && size <= list->size)
        return 0;
    size += size / 2 + 4;
    items = realloc(list->items, size * sizeof *items);
    if (!items)
        return -1;
    if (!list->items)
        for (i = 0; i < list->count; i++)
            items[i] = list->first + i;
    list->items = items;
    list->size = size;
    return 0;
}

/* Make the new node n slot i of its parent. */
static json_node list_add(struct json_doc *doc, json_node n, uint32_t i)
{
    struct json_state *state = doc->state;
    json_node parent = state->nodes[n].parent;
    struct json_list *list = &state->lists[state->nodes[parent].list];

    if (list_own(list, list->count + 1))
        return JSON_NONE;
    memmove(list->items + i + 1, list->items + i,
            (list->count - i) * sizeof *list->items);
    list->items[i] = n;
    list->count++;
    state->nodes[n].flags |= NODE_ADDED;
    touch(state, parent);
    return n;
}

/* Editing */

json_node json_replace(struct json_doc *doc, json_node n, const char *value,
                       size_t len)
{
    struct json_state *state;
    json_node slot, fresh;

    if (n == JSON_ROOT || !json_live(doc, n))
        return JSON_NONE;
    fresh = make(doc, json_parent(doc, n), NULL, value, len);
    if (!fresh)
        return JSON_NONE;
    slot = json_slot_of(doc, n);
    state = doc->state;
    state->nodes[fresh].flags |= NODE_REPLACEMENT;
    state->nodes[fresh].other = slot;
    state->nodes[slot].other = fresh;
    touch(state, state->nodes[fresh].parent);
    return fresh;
}

json_node json_set(struct json_doc *doc, json_node n, const char *key,
                   size_t key_len, const char *value, size_t len)
{
    struct json_view name = { .at = key, .len = key_len };
    bool duplicate;
    json_node there, fresh;

    if (json_kind(doc, n) != JSON_OBJECT || !json_live(doc, n) ||
        !json_is_utf8(key, key_len) || json_expand(doc, n))
        return JSON_NONE;
    there = json_member(doc, n, key, key_len, &duplicate);
    if (duplicate)
        return JSON_NONE;
    if (there)
        return json_replace(doc, there, value, len);
    fresh = make(doc, n, &name, value, len);
    return fresh ? list_add(doc, fresh, json_slots(doc, n)) : JSON_NONE;
}

json_node json_insert(struct json_doc *doc, json_node n, size_t i,
                      const char *value, size_t len)
{
    json_node fresh;

    if (json_kind(doc, n) != JSON_ARRAY || !json_live(doc, n) ||
        json_expand(doc, n) || i == 0 || i > json_count(doc, n) + 1)
        return JSON_NONE;
    fresh = make(doc, n, NULL, value, len);
    return fresh ? list_add(doc, fresh, (uint32_t)(i - 1)) : JSON_NONE;
}

int json_remove(struct json_doc *doc, json_node n)
{
    json_node slot = json_slot_of(doc, n), parent = json_parent(doc, n);
    struct json_state *state;
    struct json_list *list;
    uint32_t i = 0;

    if (n == JSON_ROOT || !json_live(doc, n) || json_state_make(doc))
        return -1;
    state = doc->state;
    list = &state->lists[state->nodes[parent].list];
    if (list_own(list, list->count))
        return -1;
    while (list->items[i] != slot)
        i++;
    list->count--;
    memmove(list->items + i, list->items + i + 1,
            (list->count - i) * sizeof *list->items);
    state->nodes[slot].flags |= NODE_REMOVED;
    touch(state, parent);
    return 0;
}

bool json_edited(const struct json_doc *doc)
{
    return doc->state && json_state(doc)->edited;
}

/* Writing */

/* Pieces that follow each other in the text are copied at once. */
struct writer {
    const struct json_doc *doc;
    struct buf *out;
    const char *from, *to;      /* to be copied */
    const struct json_extra *extra;
    size_t nextra;
};

static int flush(struct writer *w)
{
    const char *from = w->from;

    w->from = NULL;
    return from ? buf_add(w->out, from, (size_t)(w->to - from)) : 0;
}

/* A piece of the body or of the edits. */
static int copy(struct writer *w, const char *base, size_t from, size_t to)
{
    if (w->from && w->to == base + from) {
        w->to = base + to;
        return 0;
    }
    if (flush(w))
        return -1;
    w->from = base + from;
    w->to = base + to;
    return 0;
}

static int put(struct writer *w, const char *text, size_t len)
{
    return flush(w) || buf_add(w->out, text, len) ? -1 : 0;
}

static uint32_t slot_start(const struct json_info *slot)
{
    return slot->flags & NODE_MEMBER ? slot->key_at - 1 : slot->at;
}

static const struct json_extra *extra_for(const struct writer *w,
                                          const struct json_info *slot)
{
    const struct json_extra *extra;

    for (extra = w->extra; extra < w->extra + w->nextra; extra++)
        if (json_key_is(w->doc, slot, extra->key, strlen(extra->key)))
            return extra;
    return NULL;
}

/* Where a container's text starts, where the slots it has itself start and end,
   and where it ends. Without any, they start and end at the closing bracket. */
struct frame {
    const char *base;
    uint32_t at, first_at, last_behind, behind;
};

static struct frame frame_of(const struct json_doc *doc, json_node n)
{
    struct json_info info = json_look(doc, n), slot;
    struct frame f = { .base = json_text(doc, &info), .at = info.at,
                       .behind = info.at + info.len };
    const struct json_list *list;
    uint32_t first = JSON_ROOT + 1, found = doc->root_count;

    if (doc->state) {
        list = &json_state(doc)->lists[info.list];
        first = list->first;
        found = list->found;
    }
    f.first_at = f.last_behind = f.behind - 1;
    if (found) {
        slot = json_look(doc, first);
        f.first_at = slot_start(&slot);
        slot = json_look(doc, first + found - 1);
        f.last_behind = slot.at + slot.len;
    }
    return f;
}

/* What comes before slot: the gap of the last slot of the text that was written,
   or a comma. */
static int write_gap(struct writer *w, const struct frame *f,
                     const struct json_info *slot, json_node *gap)
{
    struct json_info before, next;

    if (slot->flags & NODE_ADDED || !*gap)
        return put(w, ",", 1);
    before = json_look(w->doc, *gap);
    next = json_look(w->doc, *gap + 1);
    return copy(w, f->base, before.at + before.len, slot_start(&next));
}

static int write_value(struct writer *w, json_node n);

static int write_slot(struct writer *w, json_node slot,
                      const struct json_info *info,
                      const struct json_extra *extra)
{
    if (copy(w, json_text(w->doc, info), slot_start(info), info->at))
        return -1;
    if (extra)
        return put(w, extra->value, extra->len);
    return write_value(w, json_current(w->doc, slot));
}

static int write_new_extras(struct writer *w, bool *first)
{
    const struct json_extra *extra;
    bool duplicate;

    for (extra = w->extra; extra < w->extra + w->nextra; extra++) {
        if (!extra->value || json_find(w->doc, JSON_ROOT, extra->key,
                                       strlen(extra->key), &duplicate))
            continue;
        if ((!*first && put(w, ",", 1)) || flush(w) ||
            buf_add_json(w->out, extra->key, strlen(extra->key)) ||
            put(w, ":", 1) || put(w, extra->value, extra->len))
            return -1;
        *first = false;
    }
    return 0;
}

/* Recursion ends: no edit nests deeper than the depth given to json_open. */
static int write_container(struct writer *w, json_node n)
{
    struct frame f = frame_of(w->doc, n);
    const struct json_extra *extra = NULL;
    uint32_t i, count = json_slots(w->doc, n);
    bool first = true, top = n == JSON_ROOT && w->nextra;
    json_node slot, gap = JSON_NONE;
    struct json_info info;

    if (copy(w, f.base, f.at, f.first_at))
        return -1;
    for (i = 0; i < count; i++) {
        slot = json_slot(w->doc, n, i);
        info = json_look(w->doc, slot);
        if (top)
            extra = extra_for(w, &info);
        if (extra && !extra->value)
            continue;
        if (!first && write_gap(w, &f, &info, &gap))
            return -1;
        if (write_slot(w, slot, &info, extra))
            return -1;
        first = false;
        if (!(info.flags & NODE_ADDED))
            gap = slot;
    }
    if (top && write_new_extras(w, &first))
        return -1;
    return copy(w, f.base, f.last_behind, f.behind);
}

static int write_value(struct writer *w, json_node n)
{
    struct json_info info = json_look(w->doc, n);

    if (info.flags & NODE_TOUCHED || (n == JSON_ROOT && w->nextra))
        return write_container(w, n);
    return copy(w, json_text(w->doc, &info), info.at, info.at + info.len);
}

static const struct json_extra *extra_at(const struct json_extra *extra,
                                         size_t n, const char *key, size_t len)
{
    for (; n; n--, extra++)
        if (strlen(extra->key) == len && !memcmp(extra->key, key, len))
            return extra;
    return NULL;
}

/* The usual case in one pass: nothing was edited, and each extra takes the place
 * of a value that is there. 1 when that is so and done, 0, or -1. */
static int splice(const struct json_doc *doc, const struct json_extra *extra,
                  size_t nextra, struct buf *out)
{
    const struct json_extra *new[JSON_TOPS];
    size_t at = 0, found = 0, size = doc->len;
    uint32_t i;

    if (doc->state || doc->root_count > JSON_TOPS)
        return 0;
    for (i = 0; i < doc->root_count; i++) {
        const struct json_top *top = &doc->top[i];

        new[i] = top->escaped ? NULL
                              : extra_at(extra, nextra, doc->text + top->key_at,
                                         top->key_len);
        if (!new[i])
            continue;
        if (!new[i]->value)
            return 0;
        found++;
        size += new[i]->len - top->len;
    }
    if (found < nextra)
        return 0;
    if (buf_reserve(out, size))
        return -1;
    for (i = 0; i < doc->root_count; i++) {
        if (!new[i])
            continue;
        buf_add(out, doc->text + at, doc->top[i].at - at);
        buf_add(out, new[i]->value, new[i]->len);
        at = doc->top[i].at + doc->top[i].len;
    }
    buf_add(out, doc->text + at, doc->len - at);
    return 1;
}

int json_write(const struct json_doc *doc, const struct json_extra *extra,
               size_t nextra, struct buf *out)
{
    struct writer w = { .doc = doc, .out = out, .extra = extra,
                        .nextra = nextra };
    struct json_info root;
    size_t before = out->len;
    int done = splice(doc, extra, nextra, out);

    if (done)
        return done < 0 ? -1 : 0;
    root = json_look(doc, JSON_ROOT);
    if (copy(&w, doc->text, 0, root.at) || write_value(&w, JSON_ROOT) ||
        copy(&w, doc->text, root.at + root.len, doc->len) || flush(&w)) {
        out->len = before;
        return -1;
    }
    return 0;
}

int json_write_node(const struct json_doc *doc, json_node n, struct buf *out)
{
    struct writer w = { .doc = doc, .out = out };
    struct json_info info = json_look(doc, n);
    size_t before = out->len;

    if (info.len == 0 || write_value(&w, n) || flush(&w)) {
        out->len = before;
        return -1;
    }
    return 0;
}
