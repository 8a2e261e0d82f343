/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/answer.h"
#include "../../core/buf.h"

#include "test.h"

static enum answer_event feed(struct answer *a, const char *data)
{
    return answer_event(a, "", 0, data, strlen(data));
}

static void an_event_is_what_its_format_says(void)
{
    static const struct {
        int line;
        enum answer_format format;
        enum answer_event kind;
        const char *data;
    } rows[] = {
#define M(kind, text) {__LINE__, ANSWER_MESSAGES, kind, text}
#define R(kind, text) {__LINE__, ANSWER_RESPONSES, kind, text}
#define START(block) "{\"type\":\"content_block_start\",\"content_block\":{" block "}}"
#define PIECE(delta) "{\"type\":\"content_block_delta\",\"delta\":{" delta "}}"
        M(ANSWER_QUIET, "{\"type\":\"ping\"}"),
        M(ANSWER_QUIET, "{\"type\":\"message_start\",\"message\":{\"content\":[],"
                        "\"stop_reason\":null}}"),
        M(ANSWER_QUIET, START("\"type\":\"text\",\"text\":\"\"")),
        M(ANSWER_QUIET, START("\"type\":\"thinking\",\"thinking\":\"\"")),
        M(ANSWER_CONTENT, START("\"type\":\"tool_use\",\"id\":\"t1\",\"input\":{}")),
        M(ANSWER_CONTENT, START("\"type\":\"redacted_thinking\",\"data\":\"x\"")),
        M(ANSWER_CONTENT, PIECE("\"type\":\"text_delta\",\"text\":\" \"")),
        M(ANSWER_QUIET, PIECE("\"type\":\"text_delta\",\"text\":\"\"")),
        M(ANSWER_CONTENT, PIECE("\"thinking\":\"Hm\"")),
        M(ANSWER_CONTENT, PIECE("\"partial_json\":\"{\"")),
        M(ANSWER_QUIET, PIECE("\"type\":\"signature_delta\",\"signature\":\"s\"")),
        M(ANSWER_QUIET, "{\"type\":\"content_block_stop\",\"index\":0}"),
        M(ANSWER_CONTENT, "{\"type\":\"message_delta\",\"delta\":"
                          "{\"stop_reason\":\"end_turn\"}}"),
        M(ANSWER_DONE, "{\"type\":\"message_stop\"}"),
        M(ANSWER_ERROR, "{\"type\":\"error\",\"error\":{\"type\":"
                        "\"overloaded_error\",\"message\":\"m\"}}"),
        M(ANSWER_QUIET, "{\"type\":\"of_the_future\",\"text\":\"x\"}"),
        M(ANSWER_BROKEN, "{\"type\":"),
        M(ANSWER_BROKEN, "[1]"),
        M(ANSWER_QUIET, " "),
        R(ANSWER_QUIET, "{\"type\":\"response.created\",\"response\":"
                        "{\"status\":\"in_progress\",\"error\":null}}"),
        R(ANSWER_QUIET, "{\"type\":\"response.output_item.added\",\"item\":"
                        "{\"type\":\"message\",\"content\":[]}}"),
        R(ANSWER_CONTENT, "{\"type\":\"response.output_item.added\",\"item\":"
                          "{\"type\":\"function_call\",\"call_id\":\"c\"}}"),
        R(ANSWER_CONTENT, "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}"),
        R(ANSWER_QUIET, "{\"type\":\"response.output_text.delta\",\"delta\":\"\"}"),
        R(ANSWER_CONTENT, "{\"type\":\"response.reasoning_summary_text.delta\","
                          "\"delta\":\"a\"}"),
        R(ANSWER_CONTENT, "{\"type\":\"response.web_search_call.in_progress\"}"),
        R(ANSWER_DONE, "{\"type\":\"response.completed\",\"response\":"
                       "{\"status\":\"completed\"}}"),
        R(ANSWER_DONE, "{\"type\":\"response.incomplete\",\"response\":{\"status\":"
                       "\"incomplete\",\"incomplete_details\":"
                       "{\"reason\":\"max_output_tokens\"}}}"),
        R(ANSWER_ERROR, "{\"type\":\"response.failed\",\"response\":{\"error\":"
                        "{\"code\":\"server_error\",\"message\":\"m\"}}}"),
        R(ANSWER_ERROR, "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\","
                        "\"message\":\"m\"}"),
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;

        answer_init(&a, rows[i].format);
        CHECK_ROW(rows[i].line, feed(&a, rows[i].data) == rows[i].kind);
        CHECK_ROW(rows[i].line, a.content == (rows[i].kind == ANSWER_CONTENT ||
                                              a.finish[0] != '\0'));
    }
}

static void a_message_is_read_from_its_events(void)
{
    struct answer a;

    answer_init(&a, ANSWER_MESSAGES);
    feed(&a, "{\"type\":\"message_start\",\"message\":{\"model\":\"claude\","
             "\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":5,"
             "\"cache_creation_input_tokens\":2,\"output_tokens\":1}}}");
    CHECK(strcmp(a.model, "claude") == 0);
    CHECK(a.usage.input == 17 && a.usage.cache_read == 5 &&
          a.usage.cache_write == 2);
    CHECK(!a.content);
    feed(&a, PIECE("\"text\":\"hi\""));
    feed(&a, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},"
             "\"usage\":{\"output_tokens\":9}}");
    CHECK(a.usage.input == 17 && a.usage.output == 9);
    CHECK(strcmp(a.finish, "tool_calls") == 0 && a.tool_calls);
    CHECK(!a.done);
    feed(&a, "{\"type\":\"message_stop\"}");
    CHECK(a.done);
}

static void a_response_is_read_from_its_events(void)
{
    struct answer a;

    answer_init(&a, ANSWER_RESPONSES);
    feed(&a, "{\"type\":\"response.created\",\"response\":{\"model\":\"gpt\","
             "\"status\":\"in_progress\",\"usage\":null}}");
    CHECK(!a.finish[0] && a.usage.input == -1);
    feed(&a, "{\"type\":\"response.output_item.added\",\"item\":"
             "{\"type\":\"function_call\",\"call_id\":\"c\"}}");
    feed(&a, "{\"type\":\"response.completed\",\"response\":{\"status\":"
             "\"completed\",\"usage\":{\"input_tokens\":7,\"output_tokens\":3,"
             "\"total_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4},"
             "\"output_tokens_details\":{\"reasoning_tokens\":2}}}}");
    CHECK(strcmp(a.model, "gpt") == 0 && strcmp(a.finish, "tool_calls") == 0);
    CHECK(a.usage.input == 7 && a.usage.output == 3 && a.usage.total == 10 &&
          a.usage.cache_read == 4 && a.usage.reasoning == 2);
}

static void a_whole_answer_is_read(void)
{
    static const struct {
        int line;
        enum answer_format format;
        enum answer_event kind;
        const char *finish;
        enum error_type error;
        const char *body;
    } rows[] = {
        {__LINE__, ANSWER_MESSAGES, ANSWER_CONTENT, "stop", ERROR_none,
         "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],"
         "\"stop_reason\":\"end_turn\"}"},
        {__LINE__, ANSWER_MESSAGES, ANSWER_CONTENT, "stop", ERROR_none,
         "{\"content\":[],\"stop_reason\":\"a_new_word\"}"},
        {__LINE__, ANSWER_MESSAGES, ANSWER_ERROR, "content_filter",
         ERROR_provider_content_filtered,
         "{\"content\":[],\"stop_reason\":\"refusal\"}"},
        {__LINE__, ANSWER_MESSAGES, ANSWER_CONTENT, "content_filter", ERROR_none,
         "{\"content\":[{\"type\":\"text\",\"text\":\"a\"}],"
         "\"stop_reason\":\"refusal\"}"},
        {__LINE__, ANSWER_MESSAGES, ANSWER_ERROR, "", ERROR_provider_overloaded,
         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
         "\"message\":\"m\"}}"},
        {__LINE__, ANSWER_MESSAGES, ANSWER_QUIET, "", ERROR_none, "{\"a\":1}"},
        {__LINE__, ANSWER_MESSAGES, ANSWER_BROKEN, "", ERROR_none, "<html>"},
        {__LINE__, ANSWER_RESPONSES, ANSWER_CONTENT, "tool_calls", ERROR_none,
         "{\"status\":\"completed\",\"error\":null,\"output\":[{\"type\":"
         "\"function_call\",\"call_id\":\"c\"}]}"},
        {__LINE__, ANSWER_RESPONSES, ANSWER_CONTENT, "length", ERROR_none,
         "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
         "\"max_output_tokens\"},\"output\":[{\"type\":\"message\"}]}"},
        {__LINE__, ANSWER_RESPONSES, ANSWER_ERROR, "", ERROR_provider_rate_limited,
         "{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\","
         "\"message\":\"m\"},\"output\":[]}"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;

        answer_init(&a, rows[i].format);
        CHECK_ROW(rows[i].line, answer_body(&a, rows[i].body,
                                            strlen(rows[i].body)) == rows[i].kind);
        CHECK_ROW(rows[i].line, strcmp(a.finish, rows[i].finish) == 0);
        CHECK_ROW(rows[i].line, a.error == rows[i].error);
    }
}

static void a_fault_is_found_where_it_stands(void)
{
    static const struct {
        int line;
        enum error_type error;
        const char *sentence, *data;
    } rows[] = {
        {__LINE__, ERROR_provider_rate_limited, "slow",
         "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\","
         "\"message\":\"slow\"}"},
        {__LINE__, ERROR_provider_rate_limited, "slow",
         "{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":"
         "\"rate_limit_exceeded\",\"message\":\"slow\"}}}"},
    };
    char said[64], code[64], param[64];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_view part = answer_fault(ANSWER_RESPONSES, rows[i].data,
                                             strlen(rows[i].data));

        CHECK_ROW(rows[i].line,
                  answer_classify(0, part.at, part.len) == rows[i].error);
        answer_sentence(part.at, part.len, said, sizeof said, code, sizeof code,
                        param, sizeof param);
        CHECK_ROW(rows[i].line, strcmp(said, rows[i].sentence) == 0);
    }
}

static void the_text_is_found(void)
{
    static const struct {
        int line;
        enum answer_format format;
        const char *text, *json;
    } rows[] = {
        {__LINE__, ANSWER_MESSAGES, "ab",
         "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"x\"},{\"type\":"
         "\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}"},
        {__LINE__, ANSWER_MESSAGES, "a\n", PIECE("\"text\":\"a\\n\"")},
        {__LINE__, ANSWER_MESSAGES, "", PIECE("\"partial_json\":\"a\"")},
        {__LINE__, ANSWER_RESPONSES, "ab",
         "{\"output\":[{\"type\":\"reasoning\",\"content\":[{\"text\":\"x\"}]},"
         "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":"
         "\"a\"},{\"type\":\"output_text\",\"text\":\"b\"}]}]}"},
        {__LINE__, ANSWER_RESPONSES, "a",
         "{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}"},
        {__LINE__, ANSWER_RESPONSES, "",
         "{\"type\":\"response.refusal.delta\",\"delta\":\"a\"}"},
    };
    struct buf out;

    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out.len = 0;
        CHECK_ROW(rows[i].line, answer_text(rows[i].format, rows[i].json,
                                            strlen(rows[i].json), &out) == 0);
        CHECK_ROW(rows[i].line, out.len == strlen(rows[i].text) &&
                                    (!out.len || memcmp(out.data, rows[i].text,
                                                        out.len) == 0));
    }
    buf_free(&out);
}

int main(void)
{
    RUN(an_event_is_what_its_format_says);
    RUN(a_message_is_read_from_its_events);
    RUN(a_response_is_read_from_its_events);
    RUN(a_whole_answer_is_read);
    RUN(a_fault_is_found_where_it_stands);
    RUN(the_text_is_found);
    return test_end();
}
