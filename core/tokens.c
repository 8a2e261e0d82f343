/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts are counted in characters, with weights that were fitted to recorded
 * usage: what stands in a prompt, in a schema, in another script than Latin. What
 * a tokeniser never sees (ids, signatures, pictures as base64) is left out or has
 * a weight of its own.
 */
#include "tokens.h"

#include "ceilings.h"
#include "json.h"

#include <string.h>

/* Fitted to the prompt tokens of 511 recorded requests. */
#define LATIN 4.4               /* characters of a token, in a text */
#define SCHEMA 5.0              /* in tools and schemas */
#define OTHER 0.8               /* tokens of a character beyond ASCII */
#define MESSAGE 4               /* around each message */
#define TOOL 8                  /* around each tool */
#define BASE 3
#define PICTURE 200             /* one that is only named */
#define PICTURE_BYTES 180.0     /* of base64, a token */
#define PICTURE_MOST 1600
#define FILE_BYTES 40.0

struct scale {
    double latin, other;        /* characters of prompts */
    double schema;              /* of tools */
    double whole;               /* tokens counted otherwise */
    bool tools;
};

static bool one_of(const char *key, size_t len, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == len && memcmp(*names, key, len) == 0)
            return true;
    return false;
}

/* Members of a body that a model reads, */
static const char *const prompts[] = {
    "messages", "input", "prompt", "contents", "system", "instructions",
    "systemInstruction", "system_instruction", NULL};
/* and reads as a schema. */
static const char *const schemas[] = {
    "tools", "functions", "response_format", "output_config", NULL};
/* Members with a schema inside. */
static const char *const holders[] = {"text", "generationConfig", NULL};
static const char *const inner[] = {"format", "responseSchema",
                                    "responseJsonSchema", NULL};
/* Members of messages that are no text to the model. */
static const char *const silent[] = {
    "role", "type", "id", "signature", "encrypted_content", "thoughtSignature",
    "thought_signature", "cache_control", "thinking", "call_id", "tool_call_id",
    "tool_use_id", "status", "format", "detail", "mime_type", "media_type",
    "mimeType", "model", "reasoning_content", "reasoning", "thinking_blocks",
    "reasoning_details", "extra_content", "annotations", "encrypted_index",
    "logprobs", NULL};
static const char *const places[] = {"url", "image_url", "fileUri", "file_uri",
                                     "file_url", NULL};
/* Members of messages that hold what fits a schema. */
static const char *const values[] = {"input", "args", "response", NULL};

/* -- texts ------------------------------------------------------------------- */

/* Base64, or a URL that holds its data. */
static bool is_data(const char *p, size_t n)
{
    size_t look = n < 256 ? n : 256;

    if (n > 5 && memcmp(p, "data:", 5) == 0)
        return true;
    if (n < 200)
        return false;
    for (size_t i = 0; i < look; i++)
        if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
              (p[i] >= '0' && p[i] <= '9') || strchr("+/=_-\\", p[i])))
            return false;
    return true;
}

static double data_tokens(const char *p, size_t n)
{
    double picture = 100 + (double)n / PICTURE_BYTES;

    if (n > 20 && memcmp(p, "data:application/pdf", 20) == 0)
        return (double)n / FILE_BYTES;
    return picture < PICTURE_MOST ? picture : PICTURE_MOST;
}

/* The characters between two quotes: below and beyond ASCII. */
static void characters(const char *p, size_t n, double *latin, double *other)
{
    size_t low = 0, high = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '\\' && i + 1 < n) {
            high += p[i + 1] == 'u';
            low += p[i + 1] != 'u';
            i += p[i + 1] == 'u' ? 5 : 1;
        } else {
            low += c < 0x80;
            high += c >= 0xC0;
        }
    }
    *latin += (double)low;
    *other += (double)high;
}

/* -- values ------------------------------------------------------------------ */

static void weigh(struct scale *s, struct json_view v, const char *key,
                  size_t key_len, bool schema, unsigned depth);

static void weigh_text(struct scale *s, struct json_view v, const char *key,
                       size_t key_len, bool schema)
{
    const char *p = v.at + 1;
    size_t n = v.len - 2;

    if (v.len < 2)
        return;
    if (is_data(p, n))
        s->whole += data_tokens(p, n);
    else if (!schema && one_of(key, key_len, places))
        s->whole += PICTURE;
    else
        characters(p, n, schema ? &s->schema : &s->latin, &s->other);
}

static void weigh_members(struct scale *s, struct json_view v, const char *key,
                          size_t key_len, bool schema, unsigned depth)
{
    struct json_walk w;

    json_walk_start(&w, v.at, v.len);
    while (json_walk_next(&w)) {
        bool below = schema || (w.key && json_view_kind(w.value) == JSON_OBJECT &&
                                one_of(w.key, w.key_len, values));

        if (w.key && !schema && one_of(w.key, w.key_len, silent))
            continue;
        if (schema)
            s->schema += w.key ? (double)w.key_len + 2 : 1;
        weigh(s, w.value, w.key ? w.key : key, w.key ? w.key_len : key_len, below,
              depth - 1);
    }
}

static void weigh(struct scale *s, struct json_view v, const char *key,
                  size_t key_len, bool schema, unsigned depth)
{
    switch (depth ? json_view_kind(v) : JSON_NULL) {
    case JSON_STRING:
        weigh_text(s, v, key, key_len, schema);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        weigh_members(s, v, key, key_len, schema, depth);
        break;
    default:
        s->schema += schema ? (double)v.len : 0;
    }
}

static size_t items(struct json_view v)
{
    struct json_walk w;
    size_t n = 0;

    if (json_view_kind(v) != JSON_ARRAY)
        return 1;
    json_walk_start(&w, v.at, v.len);
    while (json_walk_next(&w))
        n++;
    return n;
}

static void weigh_holder(struct scale *s, struct json_view v)
{
    struct json_walk w;

    json_walk_start(&w, v.at, v.len);
    while (json_walk_next(&w))
        if (w.key && one_of(w.key, w.key_len, inner))
            weigh(s, w.value, w.key, w.key_len, true, CEIL_JSON_DEPTH);
}

struct tokens_weight tokens_weigh(const char *body, size_t len)
{
    struct json_view v = json_view(body, len);
    struct scale s = {0};
    struct json_walk w;

    json_walk_start(&w, v.at, v.len);
    while (json_walk_next(&w)) {
        bool schema = w.key && one_of(w.key, w.key_len, schemas);

        if (!w.key)
            break;
        if (schema || one_of(w.key, w.key_len, prompts))
            weigh(&s, w.value, w.key, w.key_len, schema, CEIL_JSON_DEPTH);
        if (one_of(w.key, w.key_len, prompts))
            s.whole += MESSAGE * (double)items(w.value);
        if (one_of(w.key, w.key_len, holders))
            weigh_holder(&s, w.value);
        if (w.key_len == 5 && memcmp(w.key, "tools", 5) == 0 &&
            json_view_at(w.value, 1).len) {
            s.tools = true;
            s.whole += TOOL * (double)items(w.value);
        }
    }
    return (struct tokens_weight){BASE + s.latin / LATIN + s.schema / SCHEMA +
                                      s.other * OTHER + s.whole, s.tools};
}

/* -- vendors ----------------------------------------------------------------- */

/* Medians of what recorded usage is above the weight, without and with tools, by a
 * part of the model's name: most of these are served by many vendors. */
static const struct {
    const char *part;
    unsigned plain, tools;
} templates[] = {
    {"claude", 0, 510},   {"command-", 500, 1430}, {"deepseek", 0, 280},
    {"qwen", 0, 115},     {"grok", 180, 320},      {"mistral", 0, 60},
    {"gpt-oss", 65, 110}, {"glm", 100, 135},       {"kimi", 20, 45},
};

unsigned tokens_template(const char *model, bool tools)
{
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (strstr(model, templates[i].part))
            return tools ? templates[i].tools : templates[i].plain;
    return 0;
}
