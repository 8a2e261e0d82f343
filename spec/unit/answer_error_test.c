/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/answer.h"

#include "test.h"

#include <stdlib.h>

#define CLASS(name) ERROR_provider_##name

static enum error_type class_of(int status, const char *body)
{
    return answer_classify(status, body, strlen(body));
}

static void the_body_decides_before_the_status(void)
{
    static const struct {
        int line, status;
        enum error_type type;
        const char *body;
    } rows[] = {
        {__LINE__, 400, CLASS(context_too_long),
         "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}"},
        {__LINE__, 400, CLASS(context_too_long),
         "{\"error_type\":\"TOO_MANY_TOKENS\",\"message\":\"x\"}"},
        {__LINE__, 400, CLASS(context_too_long),
         "{\"error\":{\"message\":\"x\",\"type\":\"too_many_prompt_tokens\"}}"},
        {__LINE__, 400, CLASS(context_too_long),
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
         "\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}"},
        {__LINE__, 400, CLASS(context_too_long),
         "{\"object\":\"error\",\"message\":\"This model's maximum context "
         "length is 8 tokens.\",\"code\":400}"},
        {__LINE__, 400, CLASS(context_too_long),
         "{\"error\":{\"message\":\"The input token count (9) exceeds the "
         "maximum\",\"status\":\"INVALID_ARGUMENT\",\"code\":400}}"},
        {__LINE__, 400, CLASS(context_too_long),
         "{\"error\":{\"message\":\"Range of input length should be [1, 6]\"}}"},
        {__LINE__, 500, CLASS(context_too_long),
         "{\"error\":\"the request exceeds the available context size\"}"},
        {__LINE__, 413, CLASS(context_too_long), ""},
        {__LINE__, 413, CLASS(rate_limited),
         "{\"error\":{\"message\":\"Request too large on tokens per minute\","
         "\"code\":\"rate_limit_exceeded\"}}"},
        {__LINE__, 404, CLASS(invalid_request),
         "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":"
         "\"x\",\"details\":{\"error_code\":\"thread_not_found\"}}}"},
        {__LINE__, 409, CLASS(invalid_request),
         "{\"error\":{\"message\":\"x\",\"details\":{\"error_code\":"
         "\"thread_already_continued\"}}}"},
        {__LINE__, 429, CLASS(rate_limited),
         "{\"message\":\"Too many tokens, please wait\"}"},
        {__LINE__, 400, CLASS(content_filtered),
         "{\"error\":{\"code\":\"content_filter\",\"innererror\":{\"code\":"
         "\"ResponsibleAIPolicyViolation\"}}}"},
        {__LINE__, 400, CLASS(content_filtered),
         "{\"error\":{\"code\":null,\"innererror\":{\"code\":"
         "\"ResponsibleAIPolicyViolation\"}}}"},
        {__LINE__, 400, CLASS(content_filtered),
         "{\"error\":{\"code\":\"data_inspection_failed\"}}"},
        {__LINE__, 400, CLASS(content_filtered),
         "{\"message\":\"<400> InternalError.Algo.DataInspectionFailed: Input "
         "text data may contain inappropriate content.\"}"},
        {__LINE__, 400, CLASS(content_filtered),
         "{\"error\":{\"message\":\"Content Exists Risk\","
         "\"type\":\"invalid_request_error\"}}"},
        {__LINE__, 403, CLASS(content_filtered),
         "{\"error\":{\"code\":403,\"message\":\"no\",\"metadata\":"
         "{\"reasons\":[\"violence\"]}}}"},
        {__LINE__, 403, CLASS(auth),
         "{\"error\":{\"code\":403,\"metadata\":{\"reasons\":[]}}}"},
        {__LINE__, 200, CLASS(content_filtered),
         "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}"},
        {__LINE__, 400, CLASS(auth),
         "{\"error\":{\"code\":400,\"message\":\"API key not valid.\","
         "\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"reason\":"
         "\"API_KEY_INVALID\"}]}}"},
        {__LINE__, 400, CLASS(auth),
         "{\"code\":\"invalid-argument\",\"error\":\"Incorrect API key "
         "provided.\"}"},
        {__LINE__, 401, CLASS(auth), "{\"detail\":\"Invalid API Key\"}"},
        {__LINE__, 401, CLASS(auth), ""},
        {__LINE__, 403, CLASS(auth), "{\"error\":\"forbidden\"}"},
        {__LINE__, 402, CLASS(billing), "{\"error\":{\"type\":"
         "\"unknown_error\",\"code\":\"invalid_request_error\"}}"},
        {__LINE__, 400, CLASS(billing),
         "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your "
         "credit balance is too low to access the API.\"}}"},
        {__LINE__, 400, CLASS(billing), "{\"error\":{\"code\":\"Arrearage\"}}"},
        {__LINE__, 429, CLASS(billing), "{\"error\":{\"code\":\"1113\"}}"},
        {__LINE__, 429, CLASS(quota_exhausted),
         "{\"error\":{\"type\":\"insufficient_quota\","
         "\"code\":\"insufficient_quota\"}}"},
        {__LINE__, 429, CLASS(rate_limited),
         "{\"error\":{\"code\":\"insufficient_quota\",\"message\":"
         "\"Allocated quota exceeded, please increase your quota limit.\"}}"},
        {__LINE__, 429, CLASS(rate_limited),
         "{\"error\":{\"message\":\"You exceeded your current quota\","
         "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"violations\":"
         "[{\"quotaId\":\"TokensPerModelPerMinute\"}]}]}}"},
        {__LINE__, 429, CLASS(quota_exhausted),
         "{\"error\":{\"message\":\"You exceeded your current quota\","
         "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"violations\":"
         "[{\"quotaId\":\"RequestsPerDayPerProject\"}]}]}}"},
        {__LINE__, 404, CLASS(model_gone), "Not Found"},
        {__LINE__, 404, CLASS(model_gone),
         "{\"error\":{\"code\":\"DeploymentNotFound\"}}"},
        {__LINE__, 400, CLASS(model_gone),
         "{\"error\":{\"code\":\"model_not_found\"}}"},
        {__LINE__, 400, CLASS(model_gone),
         "{\"code\":\"InvalidParameter\",\"message\":\"Model not exist.\"}"},
        {__LINE__, 400, CLASS(model_gone),
         "{\"error\":{\"message\":\"a/b is not a valid model ID\",\"code\":400}}"},
        {__LINE__, 400, CLASS(model_gone),
         "{\"error\":{\"message\":\"The model `x` does not exist\"}}"},
        {__LINE__, 429, CLASS(rate_limited), ""},
        {__LINE__, 429, CLASS(rate_limited),
         "{\"code\":\"Throttling.RateQuota\",\"message\":\"x\"}"},
        {__LINE__, 400, CLASS(rate_limited),
         "{\"code\":\"Throttling.AllocationQuota\",\"message\":\"x\"}"},
        {__LINE__, 429, CLASS(rate_limited),
         "{\"error\":{\"message\":\"High demand for the model\",\"code\":429}}"},
        {__LINE__, 429, CLASS(overloaded),
         "{\"error\":{\"message\":\"That model is currently overloaded\"}}"},
        {__LINE__, 529, CLASS(overloaded), ""},
        {__LINE__, 503, CLASS(overloaded), "<html></html>"},
        {__LINE__, 500, CLASS(overloaded),
         "{\"error\":{\"message\":\"Loading model\"}}"},
        {__LINE__, 500, CLASS(server_error), "{\"error\":\"x\"}"},
        {__LINE__, 502, CLASS(server_error), "<html>overloaded</html>"},
        {__LINE__, 504, CLASS(server_error), "<html></html>"},
        {__LINE__, 504, CLASS(timeout_total),
         "{\"error\":{\"status\":\"DEADLINE_EXCEEDED\"}}"},
        {__LINE__, 408, CLASS(timeout_total), ""},
        {__LINE__, 400, CLASS(invalid_request), ""},
        {__LINE__, 400, CLASS(invalid_request), "{\"error\":{\"code\":\"401\"}}"},
        {__LINE__, 400, CLASS(invalid_request),
         "{\"error\":{\"message\":\"No tool output found for call a\"}}"},
        {__LINE__, 422, CLASS(invalid_request),
         "{\"object\":\"Error\",\"message\":[{\"msg\":\"Extra inputs\"}]}"},
        {__LINE__, 405, CLASS(invalid_request), ""},
        {__LINE__, 302, CLASS(bad_response), ""},
        {__LINE__, 200, CLASS(bad_response), "<html></html>"},
        {__LINE__, 200, CLASS(bad_response), ""},
        {__LINE__, 200, CLASS(server_error), "{\"error\":\"x\"}"},
        {__LINE__, 200, CLASS(auth), "{\"error\":{\"code\":401}}"},
        {__LINE__, 200, CLASS(auth), "{\"error\":{\"code\":\"401\"}}"},
        {__LINE__, 200, CLASS(rate_limited),
         "{\"error\":\"Rate limit reached for requests\"}"},
        {__LINE__, 0, CLASS(server_error), ""},
        {__LINE__, 0, CLASS(invalid_request),
         "{\"error\":{\"type\":\"invalid_request_error\"}}"},
        {__LINE__, 400, CLASS(auth), "[{\"error\":{\"message\":"
         "\"API key not valid\"}}]"},
        {__LINE__, 400, CLASS(context_too_long),
         "event: error\ndata: {\"error\":{\"code\":"
         "\"context_length_exceeded\"}}\n\n"},
        {__LINE__, 400, CLASS(context_too_long),
         "id:1\nevent:error\n:HTTP_STATUS/400\ndata:{\"code\":\"x\","
         "\"message\":\"Range of input length should be [1, 6]\"}"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line,
                  class_of(rows[i].status, rows[i].body) == rows[i].type);
}

static void an_error_inside_a_message_is_opened(void)
{
    CHECK(class_of(400, "{\"error\":{\"message\":\"{\\\"error\\\":{\\\"code\\\""
                        ":\\\"context_length_exceeded\\\"}}\"}}") ==
          CLASS(context_too_long));
    CHECK(class_of(400,
                   "{\"error\":{\"message\":\"Provider returned error\","
                   "\"code\":400,\"metadata\":{\"raw\":\"{\\\"error\\\":"
                   "{\\\"code\\\":\\\"content_filter\\\"}}\"}}}") ==
          CLASS(content_filtered));
    CHECK(class_of(503, "{\"error\":{\"message\":\"{\\\"error\\\":{\\\"code\\\""
                        ":429,\\\"status\\\":\\\"RESOURCE_EXHAUSTED\\\"}}\"}}")
          == CLASS(rate_limited));
}

static void any_bytes_have_a_class(void)
{
    static const char body[] =
        "{\"error\":{\"message\":\"maximum context length\",\"code\":\"x\"}}";
    char *copy;

    for (size_t n = 0; n < sizeof body; n++) {
        copy = malloc(n + 1);
        CHECK(copy != NULL);
        memcpy(copy, body, n);
        CHECK(answer_classify(400, copy, n) != ERROR_none);
        free(copy);
    }
    /* A cut body is still searched. */
    CHECK(answer_classify(400, body, 46) == CLASS(context_too_long));
    CHECK(class_of(400, "\xFF\xFE\x01{") == CLASS(invalid_request));
}

static void endless_nesting_is_survived(void)
{
    const size_t levels = 60000;
    char *deep = malloc(levels * 9 + 1);

    CHECK(deep != NULL);
    for (size_t i = 0; i < levels; i++)
        memcpy(deep + i * 9, "{\"error\":", 9);
    CHECK(answer_classify(500, deep, levels * 9) == CLASS(server_error));
    memset(deep, '[', levels);
    CHECK(answer_classify(500, deep, levels) == CLASS(server_error));
    free(deep);
}

static void the_sentence_is_found_wherever_a_vendor_puts_it(void)
{
    static const struct {
        int line;
        const char *body, *sentence, *code, *param;
    } rows[] = {
        {__LINE__, "{\"error\":{\"message\":\"Bad\",\"type\":\"t\",\"param\":"
                   "\"max_tokens\",\"code\":\"c\"}}", "Bad", "c", "max_tokens"},
        {__LINE__, "{\"error\":{\"message\":\"Bad\",\"param\":null,"
                   "\"code\":null}}", "Bad", "", ""},
        {__LINE__, "{\"code\":\"invalid-argument\",\"error\":\"Bad key\"}",
         "Bad key", "invalid-argument", ""},
        {__LINE__, "{\"object\":\"error\",\"message\":\"Bad\",\"param\":\"p\","
                   "\"code\":\"3280\"}", "Bad", "3280", "p"},
        {__LINE__, "{\"message\":[{\"loc\":[\"body\"],\"msg\":\"One\"},"
                   "{\"msg\":\"Two\"}],\"code\":3001}", "One; Two", "3001", ""},
        {__LINE__, "{\"message\":{\"detail\":[{\"msg\":\"One\"}]}}", "One", "",
         ""},
        {__LINE__, "{\"detail\":\"Invalid API Key\"}", "Invalid API Key", "",
         ""},
        {__LINE__, "{\"detail\":[{\"loc\":[\"x\"],\"msg\":\"Missing\"}]}",
         "Missing", "", ""},
        {__LINE__, "{\"error_msg\":\"Slow\",\"error_code\":\"APIG.0308\"}",
         "Slow", "APIG.0308", ""},
        {__LINE__, "{\"errors\":[{\"message\":\"First\"}]}", "First", "", ""},
        {__LINE__, "{\"error\":{\"code\":400,\"message\":\"Bad\",\"status\":"
                   "\"INVALID_ARGUMENT\"}}", "Bad", "INVALID_ARGUMENT", ""},
        {__LINE__, "{\"error\":{\"code\":401,\"message\":\"Bad\"}}", "Bad",
         "401", ""},
        {__LINE__, "[{\"error\":{\"message\":\"Bad\"}}]", "Bad", "", ""},
        {__LINE__, "{\"error\":{\"message\":\"{\\\"error\\\":{\\\"message\\\":"
                   "\\\"Inner\\\"}}\"}}", "Inner", "", ""},
        {__LINE__, "{\"error\":{\"message\":\"Provider returned error\","
                   "\"metadata\":{\"raw\":\"{\\\"message\\\":\\\"Real\\\"}\"}}}",
         "Real", "", ""},
        {__LINE__, "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\","
                   "\"message\":\"Gone\",\"details\":{\"error_code\":"
                   "\"thread_not_found\"}}}", "Gone", "thread_not_found", ""},
        {__LINE__, "Not Found", "Not Found", "", ""},
        {__LINE__, "<html><head><TITLE>502 Bad Gateway</TITLE></head>",
         "502 Bad Gateway", "", ""},
        {__LINE__, "<html><body>x</body></html>", "", "", ""},
        {__LINE__, "{\"unusual\":1}", "{\"unusual\":1}", "", ""},
        {__LINE__, "{}", "", "", ""},
        {__LINE__, "", "", "", ""},
        {__LINE__, "{\"message\":\"a\\nb\\u0007c \\u00e4\"}",
         "a b c \xC3\xA4", "", ""},
        {__LINE__, "bad \xFF byte", "bad \xEF\xBF\xBD byte", "", ""},
        {__LINE__, "event: error\ndata: {\"error\":{\"message\":\"Bad\"}}\n\n",
         "Bad", "", ""},
    };
    char out[200], code[50], param[50];
    size_t n;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        n = answer_sentence(rows[i].body, strlen(rows[i].body), out,
                            sizeof out, code, sizeof code, param,
                            sizeof param);
        CHECK_ROW(rows[i].line, n == strlen(rows[i].sentence));
        CHECK_ROW(rows[i].line, !strcmp(out, rows[i].sentence));
        CHECK_ROW(rows[i].line, !strcmp(code, rows[i].code));
        CHECK_ROW(rows[i].line, !strcmp(param, rows[i].param));
    }
}

static void a_long_sentence_is_cut_at_a_whole_character(void)
{
    static const char body[] = "{\"message\":\"ab\xC3\xA4\xE5\xB7\x9D\"}";
    static const char *const cut[] = {"",   "a",          "ab",
                                      "ab", "ab\xC3\xA4", "ab\xC3\xA4",
                                      "ab\xC3\xA4", "ab\xC3\xA4\xE5\xB7\x9D"};
    char out[8], code[1], param[1];

    for (size_t size = 1; size <= 8; size++) {
        CHECK(answer_sentence(body, sizeof body - 1, out, size, code, 1, param,
                              1) == strlen(cut[size - 1]));
        CHECK(!strcmp(out, cut[size - 1]));
    }
}

int main(void)
{
    RUN(the_body_decides_before_the_status);
    RUN(an_error_inside_a_message_is_opened);
    RUN(any_bytes_have_a_class);
    RUN(endless_nesting_is_survived);
    RUN(the_sentence_is_found_wherever_a_vendor_puts_it);
    RUN(a_long_sentence_is_cut_at_a_whole_character);
    return test_end();
}
