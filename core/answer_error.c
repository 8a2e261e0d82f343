/* SPDX-License-Identifier: Apache-2.0
 *
 * Providers' error bodies: what they mean and what they say. Every vendor wraps
 * the same few facts differently; they are first gathered into one struct, then
 * looked up in tables: words a vendor uses as a code, then phrases, then the
 * status. The body comes first because vendors reuse statuses (an unpaid bill
 * is a 400, 402, 403 or 429).
 */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "answer_words.h"
#include "json.h"

#define NESTED 7            /* errors in errors, and messages that are JSON */
#define MARKS 12
#define TEXT 4096           /* of a message that is looked at */

struct wrong {
    char message[TEXT];
    char code[128];
    char param[128];
    char marks[MARKS][64];  /* codes, types, reasons: what names the error */
    unsigned nmarks;
    int status;             /* a code that is an HTTP status; 0 */
    bool flagged;           /* a moderation list is there */
    bool daily;             /* a quota that heals tomorrow */
    bool recognised;        /* some error shape was found */
};

static void read_value(struct wrong *w, struct json_view v, unsigned level);

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text | 32);
}

/* ---- gathering ---- */

static struct json_view get_string(struct json_view v, const char *key)
{
    struct json_view s = json_view_get(v, key);

    if (json_view_kind(s) != JSON_STRING)
        s.len = 0;
    return s;
}

static void add_mark(struct wrong *w, struct json_view v)
{
    if (json_view_kind(v) != JSON_STRING || v.len <= 2 || w->nmarks == MARKS)
        return;
    json_view_string(v, w->marks[w->nmarks], sizeof w->marks[0]);
    lower(w->marks[w->nmarks++]);
}

/* The same key again further in says it more exactly. */
static void take(char *out, size_t size, struct json_view v)
{
    if (json_view_kind(v) == JSON_STRING && v.len > 2)
        json_view_string(v, out, size);
}

static void take_status(struct wrong *w, double n)
{
    if (n >= 400 && n < 600)
        w->status = (int)n;
}

static void take_code(struct wrong *w, struct json_view v)
{
    double n;

    add_mark(w, v);
    take(w->code, sizeof w->code, v);
    if (json_view_kind(v) == JSON_STRING) {
        /* "401" from Azure, "400" from LiteLLM. */
        if (strlen(w->code) == 3 && strspn(w->code, "0123456789") == 3)
            take_status(w, (w->code[0] - '0') * 100 + (w->code[1] - '0') * 10 +
                               (w->code[2] - '0'));
        return;
    }
    n = json_view_number(v, 0);
    take_status(w, n);
    if (n > 0 && n < 1e9)
        snprintf(w->code, sizeof w->code, "%ld", (long)n);
}

/* Google's details: reasons, and quotas counted by the day. Anthropic's: the word
 * that its clients act on. */
static void take_details(struct wrong *w, struct json_view list)
{
    struct json_view item, quota;

    if (json_view_kind(list) == JSON_OBJECT) {
        item = json_view_get(list, "error_code");
        add_mark(w, item);
        take(w->code, sizeof w->code, item);
    }
    for (size_t i = 1; i <= 8 && (item = json_view_at(list, i)).len; i++) {
        add_mark(w, json_view_get(item, "reason"));
        quota = json_view_get(item, "violations");
        if (quota.len && memmem(quota.at, quota.len, "PerDay", 6))
            w->daily = true;
    }
}

static void append(struct wrong *w, struct json_view v)
{
    size_t at = strlen(w->message);

    if (at && at < TEXT - 3) {
        memcpy(w->message + at, "; ", 3);
        at += 2;
    }
    json_view_string(v, w->message + at, TEXT - at);
}

/* Lists of complaints (pydantic and its like): their sentences, joined. */
static void join(struct wrong *w, struct json_view v, unsigned level)
{
    static const char *const keys[] = {"msg", "message", "detail"};
    struct json_view item;

    if (json_view_kind(v) == JSON_STRING)
        append(w, v);
    if (level == 0)
        return;
    if (json_view_kind(v) == JSON_ARRAY)
        for (size_t i = 1; i <= 8 && (item = json_view_at(v, i)).len; i++)
            join(w, item, level - 1);
    if (json_view_kind(v) != JSON_OBJECT)
        return;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        item = json_view_get(v, keys[i]);
        if (item.len) {
            join(w, item, level - 1);
            return;
        }
    }
}

static bool take_message(struct wrong *w, struct json_view v)
{
    enum json_kind kind = json_view_kind(v);
    char before = w->message[0];

    if (kind != JSON_STRING && kind != JSON_ARRAY && kind != JSON_OBJECT)
        return false;
    w->message[0] = '\0';
    join(w, v, 3);
    if (w->message[0])
        return true;
    w->message[0] = before;
    return false;
}

/* The fields around a message, wherever the vendor put them. */
static void take_fields(struct wrong *w, struct json_view v)
{
    static const char *const names[] = {"status", "type", "error_type",
                                        "error_code"};
    struct json_view code = json_view_get(v, "code");

    take_code(w, code);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_mark(w, json_view_get(v, names[i]));
    if (json_view_kind(code) != JSON_STRING) {
        take(w->code, sizeof w->code, json_view_get(v, "status"));
        take(w->code, sizeof w->code, json_view_get(v, "error_type"));
        take(w->code, sizeof w->code, json_view_get(v, "error_code"));
    }
    take(w->param, sizeof w->param, json_view_get(v, "param"));
    take_details(w, json_view_get(v, "details"));
    add_mark(w, json_view_get(json_view_get(v, "innererror"), "code"));
}

static bool opens(const char *text)
{
    text += strspn(text, " \t\r\n");
    return *text == '{' || *text == '[';
}

/* A message that is an error object itself (SDKs and gateways do this). Not
 * inlined: the copy must not be part of every frame of the recursion. */
static __attribute__((noinline)) void unwrap(struct wrong *w, unsigned level)
{
    char inner[TEXT];
    size_t len = strlen(w->message);

    if (level == 0 || !opens(w->message))
        return;
    memcpy(inner, w->message, len);
    read_value(w, json_view(inner, len), level - 1);
}

/* OpenRouter: the real provider's words, and why moderation refused. */
static void take_metadata(struct wrong *w, struct json_view meta,
                          unsigned level)
{
    struct json_view raw = get_string(meta, "raw");
    struct json_view reasons = json_view_get(meta, "reasons");

    if (json_view_kind(reasons) == JSON_ARRAY && json_view_at(reasons, 1).len)
        w->flagged = true;
    if (raw.len <= 2)
        return;
    json_view_string(raw, w->message, sizeof w->message);
    unwrap(w, level);
}

static void read_object(struct wrong *w, struct json_view v, unsigned level)
{
    static const char *const keys[] = {"message", "detail", "error_msg", "msg",
                                       "errors"};
    struct json_view error = json_view_get(v, "error");

    take_fields(w, v);
    if (json_view_get(json_view_get(v, "promptFeedback"), "blockReason").len)
        w->flagged = w->recognised = true;
    if (error.len && json_view_kind(error) != JSON_NULL) {
        w->recognised = true;
        if (level > 0)
            read_value(w, error, level - 1);
        return;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (take_message(w, json_view_get(v, keys[i]))) {
            w->recognised = true;
            break;
        }
    unwrap(w, level);
    take_metadata(w, json_view_get(v, "metadata"), level);
}

static void read_value(struct wrong *w, struct json_view v, unsigned level)
{
    if (json_view_kind(v) == JSON_ARRAY)
        v = json_view_at(v, 1);
    if (json_view_kind(v) == JSON_OBJECT)
        read_object(w, v, level);
    if (json_view_kind(v) != JSON_STRING)
        return;
    take(w->message, sizeof w->message, v);
    unwrap(w, level);
}

static void take_text(struct wrong *w, const char *text, size_t len)
{
    if (len > sizeof w->message - 1)
        len = sizeof w->message - 1;
    memcpy(w->message, text, len);
    w->message[len] = '\0';
}

static bool is_title(const char *p)
{
    char tag[8];

    memcpy(tag, p, 7);
    tag[7] = '\0';
    lower(tag);
    return !strcmp(tag, "<title>");
}

/* All that a page says to a program. */
static void read_title(struct wrong *w, const char *text, size_t len)
{
    const char *end = text + len, *to;

    while (end - text >= 7 && !is_title(text))
        text++;
    if (end - text < 7)
        return;
    text += 7;
    to = memchr(text, '<', (size_t)(end - text));
    take_text(w, text, (size_t)((to ? to : end) - text));
}

/* A streamed request is sometimes refused in server-sent events: the first
 * line of data. */
static void unframe(const char **text, size_t *len)
{
    const char *end = *text + *len, *line = *text, *next;

    if (*len == 0 || **text == '{' || **text == '[' || **text == '<')
        return;
    for (; line; line = next) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (end - line >= 5 && !memcmp(line, "data:", 5)) {
            *text = line + 5;
            *len = (size_t)((next ? next : end) - *text);
            return;
        }
        if (next && ++next == end)
            return;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **text, size_t *len)
{
    while (*len && is_blank(**text)) {
        ++*text;
        --*len;
    }
    while (*len && is_blank((*text)[*len - 1]))
        --*len;
}

static void read_body(struct wrong *w, const char *text, size_t len)
{
    /* Only heads are written: the arrays are large. */
    w->message[0] = w->code[0] = w->param[0] = '\0';
    w->nmarks = 0;
    w->status = 0;
    w->flagged = w->daily = w->recognised = false;
    trim(&text, &len);
    unframe(&text, &len);
    trim(&text, &len);
    if (len == 0)
        return;
    if (*text == '<') {
        read_title(w, text, len);
        return;
    }
    if (*text == '{' || *text == '[' || *text == '"')
        read_value(w, json_view(text, len), NESTED);
    if (w->message[0] || len <= 2)
        return;
    take_text(w, text, len);
}

/* ---- meaning ---- */

static bool fits(const char *word, const char *pattern)
{
    size_t n = strlen(pattern), len = strlen(word);

    if (*pattern == '*')
        return len >= n - 1 && !strcmp(word + len - (n - 1), pattern + 1);
    if (pattern[n - 1] == '*')
        return !strncmp(word, pattern, n - 1);
    return !strcmp(word, pattern);
}

static bool says(const char *text, const char *phrase)
{
    const char *star, *end = text + strlen(text);
    size_t n;

    for (;; phrase = star + 1) {
        star = strchrnul(phrase, '*');
        n = (size_t)(star - phrase);
        text = memmem(text, (size_t)(end - text), phrase, n);
        if (!text || !*star)
            return text != NULL;
        text += n;
    }
}

static int look_up(const struct row *rows, size_t n, int where,
                   const char *text, bool (*test)(const char *, const char *))
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 20 && rows[i].any[k]; k++)
            if ((rows[i].where & where) && test(text, rows[i].any[k]))
                return (int)i;
    return (int)n;
}

static int by_words(const struct wrong *w, int where)
{
    const int n = sizeof words / sizeof *words;
    int best = n, at;

    for (unsigned i = 0; i < w->nmarks; i++) {
        at = look_up(words, (size_t)n, where, w->marks[i], fits);
        if (at < best)
            best = at;
    }
    return best < n ? words[best].type : ERROR_none;
}

static int by_phrases(struct wrong *w, int where)
{
    const int n = sizeof phrases / sizeof *phrases;
    int at;

    lower(w->message);
    at = look_up(phrases, (size_t)n, where, w->message, says);
    return at < n ? phrases[at].type : ERROR_none;
}

static int where_of(int status)
{
    if (status == 0)
        return ON_STREAM;
    if (status == 429)
        return ON_LIMIT;
    if (status >= 401 && status <= 403)
        return ON_REFUSAL;
    return status >= 500 ? ON_SERVER : ON_CALLER;
}

static int by_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return AUTH;
    case 402:
        return BILLING;
    case 404:
    case 410:
        return MODEL;
    case 407:           /* of the operator's proxy: as over CONNECT */
        return ERROR_provider_connect;
    case 408:
        return TIMEOUT;
    case 409:
    case 425:
    case 499:
        return SERVER;
    case 413:
        return CONTEXT;
    case 429:
        return RATE;
    case 503:
    case 529:
        return OVERLOAD;
    default:
        return status >= 500 ? SERVER : status >= 400 ? INVALID : BROKEN;
    }
}

enum error_type answer_classify(int status, const char *body, size_t len)
{
    struct wrong w;
    bool inside = status == 0 || (status >= 200 && status < 300);
    int effective, where, type;

    read_body(&w, body, len);
    effective = inside ? w.status : status;
    where = where_of(effective);
    if (w.flagged)
        return ERROR_provider_content_filtered;
    type = by_words(&w, where);
    /* DashScope calls a rate limit insufficient_quota. */
    if (type == QUOTA && strcasestr(w.message, "allocated quota exceeded"))
        type = RATE;
    if (type == RATE && w.daily)
        type = QUOTA;
    if (type == ERROR_none)
        type = by_phrases(&w, where);
    if (type == ERROR_none && effective)
        type = by_status(effective);
    if (type == ERROR_none)
        type = w.recognised || status == 0 ? SERVER : BROKEN;
    return (enum error_type)type;
}

/* ---- words ---- */

/* Length of the well-formed UTF-8 sequence at ${s}, or 0. NUL-terminated. */
static size_t sequence(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;

    if (n == 1)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

static size_t clean(const char *text, char *out, size_t size)
{
    size_t at = 0, n;
    const char *from;

    if (size == 0)
        return 0;
    while (is_blank(*text))
        text++;
    for (; *text; text += n ? n : 1) {
        n = sequence(text);
        from = n ? text : "\xEF\xBF\xBD";
        if (at + (n ? n : 3) >= size)
            break;
        if (n == 1)
            out[at++] = (unsigned char)*text < 0x20 || *text == 0x7F ? ' '
                                                                     : *text;
        else
            for (size_t i = 0; i < (n ? n : 3); i++)
                out[at++] = from[i];
    }
    while (at && out[at - 1] == ' ')
        at--;
    out[at] = '\0';
    return at;
}

size_t answer_sentence(const char *body, size_t len, char *out, size_t size,
                       char *code, size_t code_size, char *param,
                       size_t param_size)
{
    struct wrong w;

    read_body(&w, body, len);
    clean(w.code, code, code_size);
    clean(w.param, param, param_size);
    return clean(w.message, out, size);
}
