/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers in the formats of clients that are not OpenAI's chat completions, for
 * when client and provider speak the same one and its bytes pass as they are.
 * What a format calls things stands in the tables; the code below is one for
 * all of them.
 */
#include "answer.h"

#include <stddef.h>
#include <string.h>

#include "buf.h"
#include "ceilings.h"
#include "json.h"

#define MOST 5

/* What an event is, by its type; the first row that fits counts. */
struct event_row {
    const char *type;           /* a star stands for any text */
    enum answer_event kind;
    const char *says[MOST];     /* quiet unless one of these holds something */
    bool bare;                  /* there is nothing else in it to be read */
};

/* Where a count of usage stands. */
struct count_row {
    const char *path;
    size_t offset;              /* into struct answer */
};

struct word_row {
    const char *theirs, *ours;
};

struct format {
    const char *holder;         /* the message stands here in some events */
    const char *list;           /* of what a whole message says */
    const char *parts;          /* of an item of it that has such; or NULL */
    const char *speech;         /* type of an event of text, */
    const char *piece;          /* and where it is */
    const char *item;           /* in the event that begins one; NULL: only the
                                   finish tells of calls */
    const char *finish[2];      /* first filled one */
    const char *otherwise;      /* finish for a word nobody knows; NULL: none */
    const struct event_row *events;
    const struct count_row *counts;
    const struct word_row *words;
    const char *ending;         /* of a stream that said why it finished */
};

#define COUNT(path, field) {path, offsetof(struct answer, field)}

static const struct event_row messages_events[] = {
    {"content_block_delta", ANSWER_CONTENT,
     {"delta.text", "delta.thinking", "delta.partial_json", "delta.citation"},
     true},
    {"content_block_start", ANSWER_CONTENT,
     {"content_block.text", "content_block.thinking", "content_block.id",
      "content_block.data", "content_block.content"}, false},
    {"message_stop", ANSWER_DONE, {NULL}, false},
    {"error", ANSWER_ERROR, {NULL}, false},
    {NULL, ANSWER_QUIET, {NULL}, false},
};

/* Cached tokens are counted beside the others, not among them. */
static const struct count_row messages_counts[] = {
    COUNT("usage.input_tokens", fresh),
    COUNT("usage.output_tokens", usage.output),
    COUNT("usage.cache_read_input_tokens", usage.cache_read),
    COUNT("usage.cache_creation_input_tokens", usage.cache_write),
    COUNT("usage.cache_creation.ephemeral_1h_input_tokens",
          usage.cache_write_1h),
    COUNT("usage.output_tokens_details.thinking_tokens", usage.reasoning),
    {NULL, 0},
};

static const struct word_row messages_words[] = {
    {"end_turn", "stop"}, {"stop_sequence", "stop"}, {"pause_turn", "stop"},
    {"max_tokens", "length"}, {"model_context_window_exceeded", "length"},
    {"tool_use", "tool_calls"}, {"refusal", "content_filter"}, {NULL, NULL},
};

static const struct event_row responses_events[] = {
    {"response.*.delta", ANSWER_CONTENT, {"delta"}, true},
    {"response.output_item.added", ANSWER_CONTENT, {"item.call_id"}, false},
    {"response.*_call.in_progress", ANSWER_CONTENT, {NULL}, false},
    {"response.completed", ANSWER_DONE, {NULL}, false},
    {"response.incomplete", ANSWER_DONE, {NULL}, false},
    {"response.failed", ANSWER_ERROR, {NULL}, false},
    {"error", ANSWER_ERROR, {NULL}, false},
    {NULL, ANSWER_QUIET, {NULL}, false},
};

static const struct count_row responses_counts[] = {
    COUNT("usage.input_tokens", usage.input),
    COUNT("usage.output_tokens", usage.output),
    COUNT("usage.total_tokens", usage.total),
    COUNT("usage.input_tokens_details.cached_tokens", usage.cache_read),
    COUNT("usage.input_tokens_details.cache_write_tokens", usage.cache_write),
    COUNT("usage.output_tokens_details.reasoning_tokens", usage.reasoning),
    {NULL, 0},
};

static const struct word_row responses_words[] = {
    {"completed", "stop"}, {"max_output_tokens", "length"},
    {"content_filter", "content_filter"}, {NULL, NULL},
};

static const struct format formats[] = {
    [ANSWER_MESSAGES] = {
        .list = "content", .holder = "message", .speech = "content_block_delta",
        .piece = "delta.text",
        .finish = {"delta.stop_reason", "stop_reason"}, .otherwise = "stop",
        .events = messages_events, .counts = messages_counts,
        .words = messages_words,
        .ending = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
    [ANSWER_RESPONSES] = {
        .list = "output", .parts = "content", .holder = "response",
        .speech = "response.output_text.delta", .piece = "delta",
        .item = "item",
        .finish = {"incomplete_details.reason", "status"},
        .events = responses_events, .counts = responses_counts,
        .words = responses_words, .ending = ""},
    /* Read by answer_gemini.c; nothing in it is the message but itself. */
    [ANSWER_GEMINI] = {.holder = "candidates", .ending = ""},
};
_Static_assert(sizeof formats / sizeof *formats == ANSWER_FORMATS,
               "a row for each format");

/* ---- looking ---- */

/* The value at a path of members, "a.b.c". */
static struct json_view at_path(struct json_view v, const char *path)
{
    char name[48];
    size_t n;

    for (; *path; path += n + (path[n] == '.')) {
        n = strcspn(path, ".");
        memcpy(name, path, n);
        name[n] = '\0';
        v = json_view_get(v, name);
    }
    return v;
}

/* Neither null nor false, "", [] or {}. */
static bool filled(struct json_view v)
{
    switch (json_view_kind(v)) {
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_STRING:
        return v.len > 2;
    case JSON_ARRAY:
    case JSON_OBJECT:
        for (size_t i = 1; i + 1 < v.len; i++)
            if (!strchr(" \t\r\n", v.at[i]))
                return true;
        return false;
    default:
        return true;
    }
}

static bool is_text(struct json_view v, const char *text)
{
    size_t n = strlen(text);

    return v.len == n + 2 && *v.at == '"' && memcmp(v.at + 1, text, n) == 0;
}

/* ${pattern} has one star at most. */
static bool fits(struct json_view type, const char *pattern)
{
    const char *star = strchr(pattern, '*');
    size_t head = star ? (size_t)(star - pattern) : 0;
    size_t tail = star ? strlen(star + 1) : 0;

    if (!star)
        return is_text(type, pattern);
    return type.len >= head + tail + 2 && *type.at == '"' &&
           memcmp(type.at + 1, pattern, head) == 0 &&
           memcmp(type.at + type.len - 1 - tail, star + 1, tail) == 0;
}

/* What the client is to answer: calls of the provider's own tools have no id of a
 * call, and results of them are no calls. */
static bool is_call(struct json_view item)
{
    return filled(json_view_get(item, "call_id")) &&
           fits(json_view_get(item, "type"), "*_call");
}

static struct json_view holder(const struct format *f, struct json_view v)
{
    struct json_view inner = json_view_get(v, f->holder);

    return json_view_kind(inner) == JSON_OBJECT ? inner : v;
}

/* ---- what a message says of itself ---- */

static void take_usage(struct answer *a, const struct format *f,
                       struct json_view v)
{
    struct usage *u = &a->usage;

    for (const struct count_row *row = f->counts; row->path; row++) {
        double n = json_view_number(at_path(v, row->path), -1);

        if (n >= 0 && n < 1e15)
            *(int64_t *)(void *)((char *)a + row->offset) = (int64_t)n;
    }
    if (a->fresh >= 0)
        u->input = a->fresh + (u->cache_read > 0 ? u->cache_read : 0) +
                   (u->cache_write > 0 ? u->cache_write : 0);
}

static const char *word_of(const struct format *f, struct json_view v)
{
    struct json_view theirs = at_path(v, f->finish[0]);

    if (!filled(theirs))
        theirs = at_path(v, f->finish[1]);
    if (!filled(theirs))
        return NULL;
    for (const struct word_row *row = f->words; row->theirs; row++)
        if (is_text(theirs, row->theirs))
            return row->ours;
    return f->otherwise;
}

/* ${v}: an event, or a whole message. */
static void take_facts(struct answer *a, const struct format *f,
                       struct json_view v)
{
    const char *finish;

    v = holder(f, v);
    if (!a->model[0])
        json_view_string(json_view_get(v, "model"), a->model, sizeof a->model);
    take_usage(a, f, v);
    finish = word_of(f, v);
    if (!finish)
        return;
    if (strcmp(finish, "stop") == 0 && a->tool_calls)
        finish = "tool_calls";
    strcpy(a->finish, finish);
    a->tool_calls |= strcmp(finish, "tool_calls") == 0;
}

/* It finished because of what it would have said, and said nothing. */
static bool withheld(struct answer *a)
{
    if (a->content || strcmp(a->finish, "content_filter") != 0)
        return false;
    a->error = ERROR_provider_content_filtered;
    return true;
}

static enum answer_event failed(struct answer *a, const char *data, size_t len)
{
    struct json_view part = answer_fault(a->format, data, len);

    a->error = answer_classify(0, part.at, part.len);
    return ANSWER_ERROR;
}

/* ---- events ---- */

static const struct event_row *row_of(const struct format *f,
                                      struct json_view v)
{
    const struct event_row *row = f->events;
    struct json_view type = json_view_get(v, "type");

    while (row->type && !fits(type, row->type))
        row++;
    return row;
}

static enum answer_event kind_of(const struct event_row *row,
                                 struct json_view v)
{
    if (!row->says[0])
        return row->kind;
    for (size_t i = 0; i < MOST && row->says[i]; i++)
        if (filled(at_path(v, row->says[i])))
            return row->kind;
    return ANSWER_QUIET;
}

enum answer_event answer_native_event(struct answer *a, const char *data,
                                      size_t len)
{
    const struct format *f = &formats[a->format];
    struct json_view v = json_view(data, len);
    const struct event_row *row;
    struct json_fault fault;
    enum answer_event kind;
    bool finished;

    if (a->format == ANSWER_GEMINI)
        return answer_gemini(a, data, len);
    if (v.len == 0)
        return ANSWER_QUIET;
    if (json_check(data, len, CEIL_JSON_DEPTH, &fault) ||
        json_view_kind(v) != JSON_OBJECT)
        return ANSWER_BROKEN;
    row = row_of(f, v);
    kind = kind_of(row, v);
    if (kind == ANSWER_ERROR)
        return failed(a, data, len);
    a->content |= kind == ANSWER_CONTENT;
    if (row->bare)
        return kind;
    finished = a->finish[0] != '\0';
    a->tool_calls |= f->item && is_call(json_view_get(v, f->item));
    take_facts(a, f, v);
    if (withheld(a))
        return ANSWER_ERROR;
    a->done |= kind == ANSWER_DONE;
    a->content |= a->finish[0] != '\0';
    return kind == ANSWER_QUIET && a->finish[0] && !finished ? ANSWER_CONTENT
                                                             : kind;
}

/* ---- whole messages ---- */

static bool any_call(const struct format *f, struct json_view v)
{
    struct json_view item, list = json_view_get(v, f->list);

    for (size_t i = 1; (item = json_view_at(list, i)).len; i++)
        if (is_call(item))
            return true;
    return false;
}

enum answer_event answer_native_body(struct answer *a, const char *body,
                                     size_t len)
{
    const struct format *f = &formats[a->format];
    struct json_view v = json_view(body, len);
    struct json_fault fault;

    /* A blank event is nothing yet, a blank body is no answer. */
    if (a->format == ANSWER_GEMINI)
        return v.len ? answer_gemini(a, body, len) : ANSWER_BROKEN;
    if (json_check(body, len, CEIL_JSON_DEPTH, &fault) ||
        json_view_kind(v) != JSON_OBJECT)
        return ANSWER_BROKEN;
    if (filled(json_view_get(v, "error")))
        return failed(a, body, len);
    if (json_view_kind(json_view_get(v, f->list)) != JSON_ARRAY)
        return ANSWER_QUIET;
    a->tool_calls = f->item && any_call(f, v);
    a->content = filled(json_view_get(v, f->list));
    take_facts(a, f, v);
    if (withheld(a))
        return ANSWER_ERROR;
    a->content = true;
    return ANSWER_CONTENT;
}

struct json_view answer_fault(enum answer_format format, const char *data,
                              size_t len)
{
    struct json_view v = json_view(data, len);

    return format == ANSWER_CHAT ? v : holder(&formats[format], v);
}

const char *answer_ending(enum answer_format format)
{
    return format == ANSWER_CHAT ? "data: [DONE]\n\n" : formats[format].ending;
}

/* ---- text ---- */

static int add_text(struct json_view v, struct buf *out)
{
    if (json_view_kind(v) != JSON_STRING)
        return 0;
    if (buf_reserve(out, v.len + 1))
        return -1;
    out->len += json_view_string(v, out->data + out->len, v.len + 1);
    return 0;
}

static int add_item(const struct format *f, struct json_view item,
                    struct buf *out)
{
    struct json_view part, parts;
    int bad = 0;

    if (!f->parts)
        return add_text(json_view_get(item, "text"), out);
    parts = json_view_get(item, f->parts);
    if (!is_text(json_view_get(item, "type"), "message"))
        return 0;
    for (size_t i = 1; (part = json_view_at(parts, i)).len; i++)
        bad |= add_text(json_view_get(part, "text"), out);
    return bad;
}

int answer_native_text(enum answer_format format, const char *json, size_t len,
                       struct buf *out)
{
    const struct format *f = &formats[format];
    struct json_view v = json_view(json, len), item, list;
    int bad = 0;

    if (format == ANSWER_GEMINI)
        return answer_gemini_text(json, len, out);
    list = json_view_get(v, f->list);
    if (fits(json_view_get(v, "type"), f->speech))
        return add_text(at_path(v, f->piece), out);
    for (size_t i = 1; (item = json_view_at(list, i)).len; i++)
        bad |= add_item(f, item, out);
    return bad;
}
