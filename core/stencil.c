/* SPDX-License-Identifier: Apache-2.0 */
#include "stencil.h"

#include "json.h"

#include <string.h>

void stencil_init(struct stencil *s)
{
    buf_init(&s->name, CEIL_EVENT_BYTES);
    buf_init(&s->before, CEIL_EVENT_BYTES);
    buf_init(&s->after, CEIL_EVENT_BYTES);
    buf_init(&s->out_before, CEIL_EVENT_BYTES);
    buf_init(&s->out_after, CEIL_EVENT_BYTES);
    buf_init(&s->said, CEIL_ANSWER_BYTES);
    s->set = false;
}

void stencil_free(struct stencil *s)
{
    buf_free(&s->name);
    buf_free(&s->before);
    buf_free(&s->after);
    buf_free(&s->out_before);
    buf_free(&s->out_after);
    buf_free(&s->said);
    s->set = false;
}

void stencil_clear(struct stencil *s)
{
    s->set = false;
}

/* Where ${text} stands between quotes in ${in}; NULL unless exactly once. */
static const char *only_place(struct stencil_text in, const struct buf *quoted)
{
    const char *at = memmem(in.at, in.len, quoted->data, quoted->len), *rest;

    if (!at)
        return NULL;
    rest = at + 1;
    if (memmem(rest, in.len - (size_t)(rest - in.at), quoted->data, quoted->len))
        return NULL;
    return at;
}

static int set_text(struct buf *b, const char *from, const char *to)
{
    b->len = 0;
    return buf_add(b, from, (size_t)(to - from));
}

/* ${at}: the opening quote. Both quotes belong to what stands around. */
static int split(struct stencil_text whole, const char *at, size_t text,
                 struct buf *before, struct buf *after)
{
    return set_text(before, whole.at, at + 1) |
           set_text(after, at + 1 + text, whole.at + whole.len);
}

void stencil_learn(struct stencil *s, struct stencil_text name,
                   struct stencil_text data, struct stencil_text out,
                   struct stencil_text text)
{
    const char *in_data = NULL, *in_out = NULL;
    struct buf quoted;

    s->set = false;
    if (text.len == 0 || memchr(data.at, '\\', data.len))
        return;
    buf_init(&quoted, CEIL_EVENT_BYTES);
    if (buf_add_json(&quoted, text.at, text.len) == 0) {
        in_data = only_place(data, &quoted);
        in_out = only_place(out, &quoted);
    }
    buf_free(&quoted);
    if (in_data && in_out)
        s->set = !(set_text(&s->name, name.at, name.at + name.len) |
                   split(data, in_data, text.len, &s->before, &s->after) |
                   split(out, in_out, text.len, &s->out_before, &s->out_after));
    /* Most answers are long enough to fill it: it does not grow step by step. */
    if (s->set && !s->said.size)
        buf_reserve(&s->said, STENCIL_SAID);
}

static bool same(const struct buf *b, const char *at)
{
    return b->len == 0 || !memcmp(b->data, at, b->len);
}

int stencil_apply(struct stencil *s, struct stencil_text name,
                  struct stencil_text data, struct buf *out)
{
    size_t around = s->before.len + s->after.len, n;
    const char *text;
    char *to;

    if (!s->set || name.len != s->name.len || !same(&s->name, name.at) ||
        data.len <= around || !same(&s->before, data.at) ||
        !same(&s->after, data.at + data.len - s->after.len))
        return 0;
    n = data.len - around;
    text = data.at + s->before.len;
    if (!json_check_inside(text, n))
        return 0;
    if (buf_reserve(out, s->out_before.len + n + s->out_after.len) ||
        buf_add(&s->said, text, n))
        return -1;
    to = out->data + out->len;
    memcpy(to, s->out_before.data, s->out_before.len);
    memcpy(to + s->out_before.len, text, n);
    memcpy(to + s->out_before.len + n, s->out_after.data, s->out_after.len);
    out->len += s->out_before.len + n + s->out_after.len;
    return 1;
}

void stencil_run_add(struct stencil_run *r, size_t from, size_t to)
{
    if (r->at + r->len != from)
        r->at = from;
    r->len = to - r->at;
}

void stencil_run_take(struct stencil_run *r, size_t n)
{
    size_t inside = n > r->at ? n - r->at : 0;

    r->at -= n - inside;
    r->len -= inside < r->len ? inside : r->len;
}

size_t stencil_run_left(const struct stencil_run *r, size_t at)
{
    return at >= r->at && at - r->at < r->len ? r->len - (at - r->at) : 0;
}
