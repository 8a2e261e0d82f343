/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/answer.h"
#include "../../core/buf.h"

#include "test.h"

#define SAYS(part) "{\"candidates\":[{\"content\":{\"parts\":[" part "]}}]}"
#define ENDS(reason) "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}," \
                     "\"finishReason\":\"" reason "\"}]}"

static enum answer_event feed(struct answer *a, const char *data)
{
    return answer_event(a, "", 0, data, strlen(data));
}

/* Nothing yet as an event; but as a body no JSON at all. */
static void blank_is_quiet_in_a_stream_and_broken_as_a_body(void)
{
    static const char *const blanks[] = {"", " ", "\r\n"};
    struct answer a;

    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        answer_init(&a, ANSWER_GEMINI);
        CHECK_ROW(i, feed(&a, blanks[i]) == ANSWER_QUIET && !a.content);
        CHECK_ROW(i, answer_body(&a, blanks[i], strlen(blanks[i])) ==
                         ANSWER_BROKEN);
    }
}

static void an_event_is_what_its_parts_say(void)
{
    static const struct {
        int line;
        enum answer_event kind;
        const char *data;
    } rows[] = {
        {__LINE__, ANSWER_CONTENT, SAYS("{\"text\":\"a\"}")},
        {__LINE__, ANSWER_CONTENT, SAYS("{\"text\":\"a\",\"thought\":true}")},
        {__LINE__, ANSWER_CONTENT, SAYS("{},{\"functionCall\":{\"name\":\"f\"}}")},
        {__LINE__, ANSWER_CONTENT, SAYS("{\"inlineData\":{\"data\":\"AA\"}}")},
        {__LINE__, ANSWER_CONTENT, SAYS("{\"executableCode\":{\"code\":\"1\"}}")},
        {__LINE__, ANSWER_QUIET, SAYS("{\"text\":\"\"}")},
        {__LINE__, ANSWER_QUIET, SAYS("")},
        {__LINE__, ANSWER_QUIET, "{\"candidates\":[{\"content\":{}}]}"},
        {__LINE__, ANSWER_QUIET, "{\"usageMetadata\":{\"promptTokenCount\":1}}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":null}"},
        {__LINE__, ANSWER_CONTENT, ENDS("STOP")},
        {__LINE__, ANSWER_CONTENT, ENDS("OF_THE_FUTURE")},
        {__LINE__, ANSWER_ERROR, ENDS("SAFETY")},
        {__LINE__, ANSWER_ERROR, "{\"promptFeedback\":{\"blockReason\":\"X\"}}"},
        {__LINE__, ANSWER_ERROR, "{\"error\":{\"code\":503,\"message\":\"busy\"}}"},
        {__LINE__, ANSWER_BROKEN, "{\"candidates\":"},
        {__LINE__, ANSWER_BROKEN, "[{}]"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;

        answer_init(&a, ANSWER_GEMINI);
        CHECK_ROW(rows[i].line, feed(&a, rows[i].data) == rows[i].kind);
        answer_init(&a, ANSWER_GEMINI);
        CHECK_ROW(rows[i].line, answer_body(&a, rows[i].data,
                                            strlen(rows[i].data)) == rows[i].kind);
    }
}

static void a_stream_adds_up(void)
{
    struct answer a;

    answer_init(&a, ANSWER_GEMINI);
    feed(&a, "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":"
             "\"f\"}}]}}],\"modelVersion\":\"g\",\"usageMetadata\":"
             "{\"promptTokenCount\":5}}");
    CHECK(a.content && a.tool_calls && a.finish[0] == '\0');
    CHECK(a.usage.input == 5 && a.usage.output == -1);
    CHECK(feed(&a, "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":"
                   "{\"promptTokenCount\":5,\"toolUsePromptTokenCount\":2,"
                   "\"candidatesTokenCount\":3,\"thoughtsTokenCount\":4,"
                   "\"cachedContentTokenCount\":1,\"totalTokenCount\":14}}") ==
          ANSWER_CONTENT);
    CHECK(strcmp(a.finish, "tool_calls") == 0 && strcmp(a.model, "g") == 0);
    CHECK(a.usage.input == 7 && a.usage.output == 7 && a.usage.total == 14);
    CHECK(a.usage.cache_read == 1 && a.usage.reasoning == 4);
    /* What was cut short after words is no refusal. */
    answer_init(&a, ANSWER_GEMINI);
    feed(&a, SAYS("{\"text\":\"a\"}"));
    CHECK(feed(&a, ENDS("PROHIBITED_CONTENT")) == ANSWER_CONTENT);
    CHECK(strcmp(a.finish, "content_filter") == 0 && a.error == ERROR_none);
    answer_init(&a, ANSWER_GEMINI);
    CHECK(feed(&a, ENDS("BLOCKLIST")) == ANSWER_ERROR);
    CHECK(a.error == ERROR_provider_content_filtered);
}

static void the_text_is_without_thoughts(void)
{
    static const char json[] =
        SAYS("{\"text\":\"x\",\"thought\":true},{\"text\":\"a\\n\"},"
             "{\"functionCall\":{\"name\":\"f\"}},{\"text\":\"b\"}");
    struct buf out;

    buf_init(&out, 64);
    CHECK(answer_text(ANSWER_GEMINI, json, sizeof json - 1, &out) == 0);
    CHECK(out.len == 3 && memcmp(out.data, "a\nb", 3) == 0);
    buf_free(&out);
}

int main(void)
{
    RUN(an_event_is_what_its_parts_say);
    RUN(blank_is_quiet_in_a_stream_and_broken_as_a_body);
    RUN(a_stream_adds_up);
    RUN(the_text_is_without_thoughts);
    return test_end();
}
