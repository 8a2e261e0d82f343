/* SPDX-License-Identifier: Apache-2.0
 *
 * One forward scan over the text checks its structure and picks up what is
 * asked for on the way: a member function per kind of object (root, choice,
 * delta, usage) consumes the value of each key. Nothing is stored in the answer
 * before the whole text proved to be sound, so half an event leaves no trace.
 */
#include "answer.h"

#include <string.h>

#include "answer_scan.h"
#include "buf.h"
#include "ceilings.h"
#include "json.h"

/* What one choice said; ${index} is its position unless it names another. */
struct choice {
    int64_t index;
    struct piece finish;
};

struct reading {
    int64_t position;       /* of the next choice */
    struct choice choice;   /* being read */
    struct piece model;
    struct piece finish;    /* of choice 0 */
    struct usage usage;
    bool special_tier;
    bool usage_seen;
    bool usage_top;         /* from the root: the others must not replace it */
    bool choices;           /* an item in choices */
    bool data;              /* an item in data */
    bool content;
    struct piece text;      /* the first that is not empty */
    bool tool_calls;
    bool error;
    bool object_error;      /* "object": "error" */
    bool failed;            /* finish_reason error */
    bool starved;           /* finish_reason insufficient_system_resource */
};

static const struct usage usage_unknown = {-1, -1, -1, -1, -1, -1, -1, -1};

void answer_init(struct answer *a, enum answer_format format)
{
    memset(a, 0, sizeof *a);
    a->format = format;
    a->usage = usage_unknown;
    a->fresh = -1;
}

/* ---- values ---- */

/* Any value; sets *${filled} unless it is null, false, "", [] or {}. */
static bool presence(struct scan *s, bool *filled)
{
    const char *from = s->p;
    char first = *from++;

    if (!skip(s))
        return false;
    if (first == '{' || first == '[')
        while (is_blank(*from))
            from++;
    switch (first) {
    case 'n':
    case 'f':
        return true;
    case '"':
    case '{':
    case '[':
        *filled |= from < s->p - 1;
        return true;
    default:
        *filled = true;
        return true;
    }
}

/* Text of any shape: a string, or parts at any depth whose strings hold it. */
static bool speech(struct scan *s);

static bool speech_member(struct scan *s, struct piece key)
{
    if (IS(key, "type") || IS(key, "id") || IS(key, "index"))
        return skip(s);
    return speech(s);
}

static bool speech(struct scan *s)
{
    struct piece text;

    switch (*s->p) {
    case '"':
        if (!string(s, &text))
            return false;
        if (text.len && !s->to->text.len)
            s->to->text = text;
        s->to->content |= text.len > 0;
        return true;
    case '[':
        return items(s, speech);
    case '{':
        return members(s, speech_member);
    default:
        return skip(s);
    }
}

/* A count of tokens; a fraction is dropped, anything else leaves ${out}. */
static bool count(struct scan *s, int64_t *out)
{
    const char *from = s->p;
    int64_t n = 0;

    if (!skip(s))
        return false;
    if (*from < '0' || *from > '9')
        return true;
    for (; from < s->p && *from >= '0' && *from <= '9'; from++) {
        if (n > (INT64_MAX - 9) / 10)
            return true;
        n = n * 10 + (*from - '0');
    }
    if (from == s->p || *from == '.')
        *out = n;
    return true;
}

static bool scalar_piece(struct scan *s, struct piece *out)
{
    struct piece p = {s->p, 0, false};

    if (*p.at == '"')
        return string(s, out);
    if (!skip(s))
        return false;
    p.len = (size_t)(s->p - p.at);
    if ((*p.at >= '0' && *p.at <= '9') || *p.at == '-')
        *out = p;
    return true;
}

/* ---- usage ---- */

/* Vendors say the same count twice, and one of the two may be a default 0. */
static bool largest(struct scan *s, int64_t *out)
{
    int64_t n = -1;

    if (!count(s, &n))
        return false;
    if (n > *out)
        *out = n;
    return true;
}

static bool input_detail(struct scan *s, struct piece key)
{
    if (IS(key, "cached_tokens"))
        return largest(s, &s->to->usage.cache_read);
    if (IS(key, "cache_write_tokens") || IS(key, "cache_creation_tokens"))
        return largest(s, &s->to->usage.cache_write);
    if (IS(key, "cache_write_1h_tokens"))
        return largest(s, &s->to->usage.cache_write_1h);
    if (IS(key, "audio_tokens"))
        return largest(s, &s->to->usage.audio);
    return skip(s);
}

static bool output_detail(struct scan *s, struct piece key)
{
    if (IS(key, "reasoning_tokens"))
        return largest(s, &s->to->usage.reasoning);
    return skip(s);
}

#define SPELLING(key, field)                                                   \
    {key, sizeof key - 1, offsetof(struct usage, field)}
static const struct {
    const char *key;
    size_t len;
    size_t offset;
} spellings[] = {
    SPELLING("prompt_tokens", input),
    SPELLING("completion_tokens", output),
    SPELLING("total_tokens", total),
    SPELLING("reasoning_tokens", reasoning),
    SPELLING("cached_tokens", cache_read),
    SPELLING("num_cached_tokens", cache_read),
    SPELLING("prompt_cache_hit_tokens", cache_read),
    SPELLING("cache_read_input_tokens", cache_read),
    SPELLING("cache_creation_input_tokens", cache_write),
};

static bool usage_member(struct scan *s, struct piece key)
{
    char *usage = (char *)&s->to->usage;

    if (IS(key, "prompt_tokens_details") && *s->p == '{')
        return members(s, input_detail);
    if (IS(key, "completion_tokens_details") && *s->p == '{')
        return members(s, output_detail);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (is(key, spellings[i].key, spellings[i].len))
            return largest(s, (int64_t *)(void *)(usage + spellings[i].offset));
    return skip(s);
}

/* Usage at the root wins over one in a choice (Moonshot) or in x_groq. */
static bool usage_object(struct scan *s, bool top)
{
    if (*s->p != '{' || (s->to->usage_top && !top))
        return skip(s);
    s->to->usage = usage_unknown;
    s->to->usage_seen = true;
    s->to->usage_top = top;
    return members(s, usage_member);
}

/* xAI leaves reasoning out of completion_tokens; only its total tells. */
static void usage_settle(struct usage *u)
{
    if (u->reasoning > 0 && u->input >= 0 && u->output >= 0 &&
        u->total >= u->reasoning &&
        u->total - u->reasoning - u->input == u->output)
        u->output += u->reasoning;
}

static void usage_merge(struct usage *to, const struct usage *from)
{
    int64_t *t = (int64_t *)(void *)to;
    const int64_t *f = (const int64_t *)(const void *)from;

    _Static_assert(sizeof *to == 8 * sizeof *t, "usage holds eight counts");
    for (int i = 0; i < 8; i++)
        if (f[i] >= 0)
            t[i] = f[i];
}

/* ---- choices ---- */

static bool delta_member(struct scan *s, struct piece key)
{
    bool calls = false, ok;

    switch (key.len) {
    case 5:
        if (IS(key, "audio"))
            return presence(s, &s->to->content);
        break;
    case 6:
        if (IS(key, "images"))
            return presence(s, &s->to->content);
        break;
    case 7:
        if (IS(key, "content") || IS(key, "refusal"))
            return speech(s);
        break;
    case 9:
        if (IS(key, "reasoning"))
            return speech(s);
        break;
    case 10:
    case 13:
        if (!IS(key, "tool_calls") && !IS(key, "function_call"))
            break;
        ok = presence(s, &calls);
        s->to->tool_calls |= calls;
        s->to->content |= calls;
        return ok;
    case 17:
        if (IS(key, "reasoning_content"))
            return speech(s);
        if (IS(key, "reasoning_details"))
            return presence(s, &s->to->content);
        break;
    }
    return skip(s);
}

static bool choice_member(struct scan *s, struct piece key)
{
    if ((IS(key, "delta") || IS(key, "message")) && *s->p == '{')
        return members(s, delta_member);
    if (IS(key, "text"))
        return speech(s);
    if (IS(key, "finish_reason"))
        return scalar_piece(s, &s->to->choice.finish);
    if (IS(key, "index"))
        return count(s, &s->to->choice.index);
    if (IS(key, "usage"))
        return usage_object(s, false);
    if (IS(key, "error"))
        return presence(s, &s->to->error);
    return skip(s);
}

static bool choice_item(struct scan *s)
{
    struct piece *finish = &s->to->choice.finish;

    s->to->choices = true;
    s->to->choice = (struct choice){.index = s->to->position++};
    if (*s->p != '{')
        return skip(s);
    if (!members(s, choice_member))
        return false;
    if (finish->len == 0 || IS(*finish, "null"))
        return true;
    s->to->content = true;
    s->to->failed |= IS(*finish, "error");
    s->to->starved |= IS(*finish, "insufficient_system_resource");
    if (s->to->choice.index == 0)
        s->to->finish = *finish;
    return true;
}

/* ---- the root ---- */

static bool groq_member(struct scan *s, struct piece key)
{
    if (IS(key, "usage"))
        return usage_object(s, false);
    if (IS(key, "error"))
        return presence(s, &s->to->error);
    return skip(s);
}

static bool object_name(struct scan *s)
{
    struct piece name = {NULL, 0, false};

    if (!scalar_piece(s, &name))
        return false;
    s->to->object_error = IS(name, "error") || IS(name, "Error");
    return true;
}

/* Work that may wait costs half, work that may not costs more. */
static bool service_tier(struct scan *s)
{
    static const char *const special[] = {"flex", "batch", "priority", "fast"};
    struct piece tier = {NULL, 0, false};

    if (!scalar_piece(s, &tier))
        return false;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        s->to->special_tier |= is(tier, special[i], strlen(special[i]));
    return true;
}

static bool root_member(struct scan *s, struct piece key)
{
    switch (key.len) {
    case 4:
        if (IS(key, "data"))
            return presence(s, &s->to->data);
        break;
    case 5:
        if (IS(key, "model"))
            return scalar_piece(s, &s->to->model);
        if (IS(key, "usage"))
            return usage_object(s, true);
        if (IS(key, "error"))
            return presence(s, &s->to->error);
        break;
    case 6:
        if (IS(key, "object"))
            return object_name(s);
        if (IS(key, "x_groq") && *s->p == '{')
            return members(s, groq_member);
        break;
    case 7:
        if (IS(key, "choices") && *s->p == '[')
            return items(s, choice_item);
        break;
    case 12:
        if (IS(key, "service_tier"))
            return service_tier(s);
        break;
    }
    return skip(s);
}

static bool root_item(struct scan *s)
{
    return *s->p == '{' ? members(s, root_member) : skip(s);
}

/* An object; or an array of them, as Google's compatible face wraps errors. */
static bool root(struct scan *s)
{
    bool ok = false;

    if (*s->p == '{')
        ok = members(s, root_member);
    else if (*s->p == '[')
        ok = items(s, root_item);
    return ok && s->p == s->end;
}

static void keep(char *out, size_t size, struct piece p)
{
    struct json_view quoted;

    if (p.escaped) {
        quoted = (struct json_view){p.at - 1, p.len + 2};
        json_view_string(quoted, out, size);
        return;
    }
    if (p.len > size - 1)
        for (p.len = size - 1; p.len && (p.at[p.len] & 0xC0) == 0x80;)
            p.len--;
    memcpy(out, p.at, p.len);
    out[p.len] = '\0';
}

static bool is_error(const struct reading *r)
{
    return r->error || r->failed || r->starved ||
           (r->object_error && !r->choices);
}

/* Add a sound text to the answer; true when it was an error. */
static bool commit(struct answer *a, struct reading *r, const char *text,
                   size_t len)
{
    if (r->usage_seen) {
        usage_settle(&r->usage);
        usage_merge(&a->usage, &r->usage);
    }
    if (!a->model[0] && r->model.len)
        keep(a->model, sizeof a->model, r->model);
    if (r->finish.len)
        keep(a->finish, sizeof a->finish, r->finish);
    a->tool_calls |= r->tool_calls;
    a->special_tier |= r->special_tier;
    if (!is_error(r))
        return false;
    if (r->error || r->object_error)
        a->error = answer_classify(0, text, len);
    else
        a->error = r->starved ? ERROR_provider_overloaded
                              : ERROR_provider_server_error;
    return true;
}

static struct scan start(struct reading *r, const char *text, size_t len)
{
    struct scan s = {text, text + len, 0, r};

    memset(r, 0, sizeof *r);
    blanks(&s);
    while (s.end > s.p && is_blank(s.end[-1]))
        s.end--;
    return s;
}

/* ---- one text after another ---- */

/* Events of a stream differ in a text and in nothing else, nearly all of them.
 * Where the bytes around the text are those of an event that said nothing but
 * its text, and the text needs no closer look, the event says the same. */
static bool like_last(const struct answer *a, const char *data, size_t len)
{
    size_t around = (size_t)a->before + a->behind;
    struct scan text;

    if (!a->before || len <= around ||
        memcmp(data, a->around, a->before) != 0 ||
        memcmp(data + len - a->behind, a->around + a->before, a->behind) != 0)
        return false;
    text = (struct scan){data + a->before, data + len - a->behind, 0, NULL};
    plain(&text);
    return text.p == text.end;
}

static void remember(struct answer *a, const struct reading *r,
                     const char *data, size_t len)
{
    size_t before, behind;

    a->before = 0;
    if (!r->text.len || r->usage_seen || r->finish.len || r->choice.finish.len ||
        r->tool_calls || r->special_tier)
        return;
    before = (size_t)(r->text.at - data);
    behind = len - before - r->text.len;
    if (before + behind > sizeof a->around)
        return;
    memcpy(a->around, data, before);
    memcpy(a->around + before, data + len - behind, behind);
    a->before = (unsigned short)before;
    a->behind = (unsigned short)behind;
}

enum answer_event answer_event(struct answer *a, const char *name,
                               size_t name_len, const char *data, size_t len)
{
    struct reading r;
    struct scan s;

    if (a->format != ANSWER_CHAT)
        return answer_native_event(a, data, len);
    if (name_len != 5 && like_last(a, data, len))
        return ANSWER_CONTENT;
    s = start(&r, data, len);
    if (s.p == s.end)
        return ANSWER_QUIET;
    if (s.end - s.p == 6 && !memcmp(s.p, "[DONE]", 6)) {
        a->done = true;
        return ANSWER_DONE;
    }
    if (name_len == 5 && !memcmp(name, "error", 5)) {
        a->error = answer_classify(0, data, len);
        return ANSWER_ERROR;
    }
    if (!root(&s))
        return ANSWER_BROKEN;
    if (commit(a, &r, data, len))
        return ANSWER_ERROR;
    a->content |= r.content;
    remember(a, &r, data, len);
    if (r.content)
        return ANSWER_CONTENT;
    return r.usage_seen && !r.choices ? ANSWER_USAGE : ANSWER_QUIET;
}

enum answer_event answer_body(struct answer *a, const char *body, size_t len)
{
    struct reading r;
    struct scan s = start(&r, body, len);

    if (a->format != ANSWER_CHAT)
        return answer_native_body(a, body, len);
    if (s.p == s.end || !json_is_utf8(body, len) || !root(&s))
        return ANSWER_BROKEN;
    if (commit(a, &r, body, len))
        return ANSWER_ERROR;
    if (!r.choices && !r.data)
        return ANSWER_QUIET;
    a->content = true;
    return ANSWER_CONTENT;
}

/* ---- text ---- */

static int add_string(struct json_view v, struct buf *out)
{
    /* Text is never longer than its escapes, but each byte that is not UTF-8
       becomes three: those may be cut. */
    if (buf_reserve(out, v.len + 1))
        return -1;
    out->len += json_view_string(v, out->data + out->len, v.len + 1);
    return 0;
}

static int add_content(struct json_view v, struct buf *out)
{
    struct json_view part;

    if (json_view_kind(v) == JSON_STRING)
        return add_string(v, out);
    if (json_view_kind(v) != JSON_ARRAY)
        return 0;
    for (size_t i = 1; (part = json_view_at(v, i)).len; i++) {
        part = json_view_get(part, "text");
        if (json_view_kind(part) == JSON_STRING && add_string(part, out))
            return -1;
    }
    return 0;
}

int answer_text(enum answer_format format, const char *json, size_t len,
                struct buf *out)
{
    struct json_view choices = json_view_get(json_view(json, len), "choices");
    struct json_view choice, said;

    if (format != ANSWER_CHAT)
        return answer_native_text(format, json, len, out);
    for (size_t i = 1; (choice = json_view_at(choices, i)).len; i++) {
        if (json_view_number(json_view_get(choice, "index"),
                             (double)(i - 1)) > 0)
            continue;
        said = json_view_get(choice, "delta");
        if (json_view_kind(said) != JSON_OBJECT)
            said = json_view_get(choice, "message");
        if (json_view_kind(said) == JSON_OBJECT)
            return add_content(json_view_get(said, "content"), out);
        return add_content(json_view_get(choice, "text"), out);
    }
    return 0;
}
