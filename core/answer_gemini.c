/* SPDX-License-Identifier: Apache-2.0
 *
 * Gemini's answers, for when a client of Gemini's gets them as they are. Events
 * have no types: each is a whole response with new parts, and the last tells why
 * it finished.
 */
#include "answer.h"

#include <string.h>

#include "buf.h"
#include "ceilings.h"
#include "json.h"

/* Reasons to finish; all others are OpenAI's "stop". */
static const struct {
    const char *theirs, *ours;
} reasons[] = {
    {"MAX_TOKENS", "length"}, {"SAFETY", "content_filter"},
    {"RECITATION", "content_filter"}, {"BLOCKLIST", "content_filter"},
    {"PROHIBITED_CONTENT", "content_filter"}, {"SPII", "content_filter"},
    {"LANGUAGE", "content_filter"}, {"MODEL_ARMOR", "content_filter"},
    {"IMAGE_SAFETY", "content_filter"},
    {"IMAGE_PROHIBITED_CONTENT", "content_filter"},
    {"IMAGE_RECITATION", "content_filter"},
};

static bool filled(struct json_view v)
{
    return v.len > 2 && (json_view_kind(v) == JSON_STRING ||
                         json_view_kind(v) == JSON_OBJECT);
}

static int64_t count_of(struct json_view usage, const char *name)
{
    double n = json_view_number(json_view_get(usage, name), -1);

    return n >= 0 && n < 1e15 ? (int64_t)n : -1;
}

static int64_t sum_of(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a + b;
}

/* Counts grow from event to event; thoughts are counted beside what is said. */
static void take_usage(struct answer *a, struct json_view usage)
{
    struct usage *u = &a->usage;
    int64_t prompt = count_of(usage, "promptTokenCount");

    if (prompt < 0)
        return;
    u->input = sum_of(prompt, count_of(usage, "toolUsePromptTokenCount"));
    u->reasoning = count_of(usage, "thoughtsTokenCount");
    u->output = sum_of(count_of(usage, "candidatesTokenCount"), u->reasoning);
    u->total = count_of(usage, "totalTokenCount");
    u->cache_read = count_of(usage, "cachedContentTokenCount");
}

static void take_finish(struct answer *a, struct json_view reason)
{
    const char *finish = a->tool_calls ? "tool_calls" : "stop";
    char text[40];

    if (!filled(reason))
        return;
    json_view_string(reason, text, sizeof text);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(text, reasons[i].theirs) == 0)
            finish = reasons[i].ours;
    strcpy(a->finish, finish);
}

static struct json_view parts_of(struct json_view candidate)
{
    return json_view_get(json_view_get(candidate, "content"), "parts");
}

/* Does any part say something? */
static bool take_parts(struct answer *a, struct json_view parts)
{
    static const char *const says[] = {"text", "inlineData", "functionCall",
                                       "executableCode", "codeExecutionResult",
                                       "fileData"};
    struct json_view part;
    bool any = false;

    for (size_t i = 1; (part = json_view_at(parts, i)).len; i++) {
        for (size_t k = 0; k < sizeof says / sizeof *says; k++)
            any |= filled(json_view_get(part, says[k]));
        a->tool_calls |= filled(json_view_get(part, "functionCall"));
    }
    return any;
}

static enum answer_event fault(struct answer *a, enum error_type e)
{
    a->error = e;
    return ANSWER_ERROR;
}

enum answer_event answer_gemini(struct answer *a, const char *data, size_t len)
{
    struct json_view v = json_view(data, len);
    struct json_view list, candidate;
    struct json_fault wrong;
    bool finished = a->finish[0] != '\0', said = false;

    if (v.len == 0)
        return ANSWER_QUIET;
    if (json_check(data, len, CEIL_JSON_DEPTH, &wrong) ||
        json_view_kind(v) != JSON_OBJECT)
        return ANSWER_BROKEN;
    list = json_view_get(v, "candidates");
    if (filled(json_view_get(v, "error")))
        return fault(a, answer_classify(0, data, len));
    if (!a->model[0])
        json_view_string(json_view_get(v, "modelVersion"), a->model,
                         sizeof a->model);
    take_usage(a, json_view_get(v, "usageMetadata"));
    for (size_t i = 1; (candidate = json_view_at(list, i)).len; i++)
        said |= take_parts(a, parts_of(candidate));
    a->content |= said;
    take_finish(a, json_view_get(json_view_at(list, 1), "finishReason"));
    if (!a->content &&
        (strcmp(a->finish, "content_filter") == 0 ||
         filled(json_view_get(json_view_get(v, "promptFeedback"), "blockReason"))))
        return fault(a, ERROR_provider_content_filtered);
    a->content |= a->finish[0] != '\0';
    return said || (a->finish[0] && !finished) ? ANSWER_CONTENT : ANSWER_QUIET;
}

int answer_gemini_text(const char *json, size_t len, struct buf *out)
{
    struct json_view list = json_view_get(json_view(json, len), "candidates");
    struct json_view part, text, parts = parts_of(json_view_at(list, 1));

    for (size_t i = 1; (part = json_view_at(parts, i)).len; i++) {
        text = json_view_get(part, "text");
        if (json_view_kind(text) != JSON_STRING ||
            json_view_kind(json_view_get(part, "thought")) == JSON_TRUE)
            continue;
        if (buf_reserve(out, text.len + 1))
            return -1;
        out->len += json_view_string(text, out->data + out->len, text.len + 1);
    }
    return 0;
}
