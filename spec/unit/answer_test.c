/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/answer.h"
#include "../../core/buf.h"

#include "test.h"

#include <stdlib.h>

static enum answer_event event_in(struct answer *a, const char *name,
                                  const char *data)
{
    return answer_event(a, name, strlen(name), data, strlen(data));
}

static enum answer_event event(struct answer *a, const char *data)
{
    return event_in(a, "", data);
}

#define CHOICE(text) "{\"choices\":[{\"index\":0," text "}]}"
#define DELTA(text) CHOICE("\"delta\":{" text "},\"finish_reason\":null")

static void an_event_is_what_its_fields_say(void)
{
    static const struct {
        int line;
        enum answer_event kind;
        const char *data;
    } rows[] = {
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"Hi\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\" \"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"\\n\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"\\\"\"")},
        {__LINE__, ANSWER_QUIET, DELTA("\"role\":\"assistant\",\"content\":\"\"")},
        {__LINE__, ANSWER_QUIET, DELTA("\"content\":null,\"refusal\":null")},
        {__LINE__, ANSWER_QUIET, DELTA("")},
        {__LINE__, ANSWER_QUIET, DELTA("\"obfuscation\":\"Xy\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"refusal\":\"No\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"reasoning\":\"Hm\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"reasoning_content\":\"Hm\"")},
        {__LINE__, ANSWER_QUIET, DELTA("\"reasoning_content\":\"\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"reasoning_details\":[{}]")},
        {__LINE__, ANSWER_QUIET, DELTA("\"reasoning_details\":[]")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"tool_calls\":[{\"index\":0}]")},
        {__LINE__, ANSWER_QUIET, DELTA("\"tool_calls\":[]")},
        {__LINE__, ANSWER_QUIET, DELTA("\"tool_calls\":[ ]")},
        {__LINE__, ANSWER_QUIET, DELTA("\"tool_calls\":null")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"function_call\":{\"name\":\"f\"}")},
        {__LINE__, ANSWER_QUIET, DELTA("\"function_call\":null")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"audio\":{\"id\":\"a\"}")},
        {__LINE__, ANSWER_QUIET, DELTA("\"audio\":null")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"images\":[{\"type\":\"image\"}]")},
        {__LINE__, ANSWER_CONTENT,
         DELTA("\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]")},
        {__LINE__, ANSWER_QUIET,
         DELTA("\"content\":[{\"type\":\"text\",\"text\":\"\"}]")},
        {__LINE__, ANSWER_QUIET, DELTA("\"content\":[]")},
        {__LINE__, ANSWER_CONTENT,
         DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":"
               "[{\"type\":\"text\",\"text\":\"Hm\"}],\"closed\":false}]")},
        {__LINE__, ANSWER_CONTENT, CHOICE("\"text\":\"Hi\"")},
        {__LINE__, ANSWER_QUIET, CHOICE("\"text\":\"\"")},
        {__LINE__, ANSWER_CONTENT,
         CHOICE("\"delta\":{},\"finish_reason\":\"stop\"")},
        {__LINE__, ANSWER_QUIET,
         CHOICE("\"delta\":{},\"finish_reason\":\"\"")},
        {__LINE__, ANSWER_QUIET,
         CHOICE("\"delta\":{},\"finish_reason\":\"null\"")},
        {__LINE__, ANSWER_CONTENT,
         "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}"},
        {__LINE__, ANSWER_QUIET, "{\"choices\":[],\"prompt_filter_results\":[]}"},
        {__LINE__, ANSWER_QUIET, "{\"choices\":[],\"usage\":null}"},
        {__LINE__, ANSWER_USAGE, "{\"choices\":[],\"usage\":{}}"},
        {__LINE__, ANSWER_USAGE, "{\"usage\":{\"total_tokens\":3}}"},
        {__LINE__, ANSWER_QUIET,
         "{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":null}],"
         "\"usage\":{\"total_tokens\":3}}"},
        {__LINE__, ANSWER_QUIET, "{}"},
        {__LINE__, ANSWER_QUIET, "[]"},
        {__LINE__, ANSWER_QUIET, "{\"choices\":null}"},
        {__LINE__, ANSWER_QUIET, "{\"choices\":{\"delta\":{\"content\":\"x\"}}}"},
        {__LINE__, ANSWER_QUIET, ""},
        {__LINE__, ANSWER_QUIET, " \n"},
        {__LINE__, ANSWER_DONE, "[DONE]"},
        {__LINE__, ANSWER_DONE, " [DONE] "},
        {__LINE__, ANSWER_ERROR, "{\"error\":{\"message\":\"x\"}}"},
        {__LINE__, ANSWER_ERROR, "[{\"error\":{\"message\":\"x\"}}]"},
        {__LINE__, ANSWER_ERROR, "{\"error\":\"x\"}"},
        {__LINE__, ANSWER_ERROR, "{\"error\":true}"},
        {__LINE__, ANSWER_ERROR, "{\"error\":500}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":null}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":{}}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":{ \n}}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":[]}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":\"\"}"},
        {__LINE__, ANSWER_QUIET, "{\"error\":false}"},
        {__LINE__, ANSWER_ERROR, "{\"error\":\" \"}"},
        {__LINE__, ANSWER_CONTENT,
         "{\"error\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"},
        {__LINE__, ANSWER_ERROR,
         "{\"error\":{\"code\":502,\"message\":\"gone\"},"
         "\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"},
        {__LINE__, ANSWER_ERROR,
         CHOICE("\"delta\":{\"content\":\"x\"},\"error\":{\"code\":502}")},
        {__LINE__, ANSWER_ERROR, "{\"x_groq\":{\"error\":\"over\"}}"},
        {__LINE__, ANSWER_ERROR,
         CHOICE("\"delta\":{},\"finish_reason\":\"error\"")},
        {__LINE__, ANSWER_ERROR,
         CHOICE("\"finish_reason\":\"insufficient_system_resource\"")},
        {__LINE__, ANSWER_ERROR, "{\"object\":\"error\",\"message\":\"x\"}"},
        {__LINE__, ANSWER_QUIET, "{\"note\":{\"error\":\"x\"}}"},
    };
    struct answer a;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            answer_init(&a, ANSWER_CHAT);
            event(&a, rows[j].data);
            CHECK_ROW(rows[i].line, event(&a, rows[i].data) == rows[i].kind);
            CHECK_ROW(rows[i].line, event(&a, rows[i].data) == rows[i].kind);
        }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer_init(&a, ANSWER_CHAT);
        CHECK_ROW(rows[i].line, event(&a, rows[i].data) == rows[i].kind);
        CHECK_ROW(rows[i].line, a.content == (rows[i].kind == ANSWER_CONTENT));
        CHECK_ROW(rows[i].line, a.done == (rows[i].kind == ANSWER_DONE));
        CHECK_ROW(rows[i].line, (a.error != ERROR_none) ==
                                    (rows[i].kind == ANSWER_ERROR));
    }
}

/* Events that differ from the last one in their text alone are not read again:
 * that must not show. */
static void a_text_after_another_is_read_alike(void)
{
    static const struct {
        int line;
        enum answer_event kind;
        const char *data;
    } rows[] = {
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"there\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"}]}\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"\\u00e9\"")},
        {__LINE__, ANSWER_QUIET, DELTA("\"content\":\"\"")},
        {__LINE__, ANSWER_BROKEN, DELTA("\"content\":\"a\"b\"")},
        {__LINE__, ANSWER_BROKEN, DELTA("\"content\":\"a\\\"")},
        {__LINE__, ANSWER_BROKEN, DELTA("\"content\":\"a\\x\"")},
        {__LINE__, ANSWER_BROKEN, DELTA("\"content\":\"a\nb\"")},
        {__LINE__, ANSWER_CONTENT, DELTA("\"content\":\"a\",\"b\":\"c\"")},
        {__LINE__, ANSWER_ERROR,
         CHOICE("\"delta\":{\"content\":\"a\"},\"error\":{\"code\":1},"
                "\"x\":{\"content\":\"b\"},\"finish_reason\":null")},
    };
    static const char again[] = DELTA("\"content\":\"Hi\"");
    struct answer a;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer_init(&a, ANSWER_CHAT);
        CHECK(event(&a, again) == ANSWER_CONTENT);
        CHECK_ROW(rows[i].line, event(&a, rows[i].data) == rows[i].kind);
        CHECK(event(&a, again) == ANSWER_CONTENT);
        CHECK(answer_event(&a, "error", 5, again, sizeof again - 1) ==
              ANSWER_ERROR);
    }
}

static void what_is_no_json_object_is_broken(void)
{
    static const struct {
        int line;
        const char *data;
    } rows[] = {
        {__LINE__, "{"}, {__LINE__, "["}, {__LINE__, "{\"a\""},
        {__LINE__, "{\"a\":"}, {__LINE__, "{\"a\":1"}, {__LINE__, "{\"a\":1,"},
        {__LINE__, "{\"a\":1,}"}, {__LINE__, "{,}"}, {__LINE__, "{a:1}"},
        {__LINE__, "{'a':1}"}, {__LINE__, "{\"a\" 1}"}, {__LINE__, "{\"a\":}"},
        {__LINE__, "{\"a\":[1,]}"}, {__LINE__, "{\"a\":[1 2]}"},
        {__LINE__, "{\"a\":[1}"}, {__LINE__, "{\"a\":{]}"},
        {__LINE__, "{}}"}, {__LINE__, "{}{}"}, {__LINE__, "{} x"},
        {__LINE__, "{\"a\":tru}"}, {__LINE__, "{\"a\":truex}"},
        {__LINE__, "{\"a\":nul"}, {__LINE__, "{\"a\":None}"},
        {__LINE__, "{\"a\":01}"}, {__LINE__, "{\"a\":1.}"},
        {__LINE__, "{\"a\":.5}"}, {__LINE__, "{\"a\":-}"},
        {__LINE__, "{\"a\":+1}"}, {__LINE__, "{\"a\":1e}"},
        {__LINE__, "{\"a\":1e+}"}, {__LINE__, "{\"a\":\"x}"},
        {__LINE__, "{\"a\":\"\\x\"}"}, {__LINE__, "{\"a\":\"\\u12g4\"}"},
        {__LINE__, "{\"a\":\"\\u12\"}"}, {__LINE__, "{\"a\":\"\\"},
        {__LINE__, "{\"a\":\"a\nb\"}"}, {__LINE__, "{\"a\":\"123456789\t\"}"},
        {__LINE__, "{\"a\":\"\\\"}"}, {__LINE__, "{\"a\n\":1}"},
        {__LINE__, "\"text\""}, {__LINE__, "12"}, {__LINE__, "null"},
        {__LINE__, "hello"}, {__LINE__, "[DONE"}, {__LINE__, "[DONE]]"},
        {__LINE__, "<html>"}, {__LINE__, "data: {}"}, {__LINE__, "\xFF"},
        {__LINE__, "{\"a\":\xFF}"}, {__LINE__, "{\"choices\":[{\"delta\":"},
        {__LINE__, "{\"choices\":[{\"delta\":{\"content\":\"x\"}]}"},
    };
    struct answer a, untouched;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer_init(&a, ANSWER_CHAT);
        answer_init(&untouched, ANSWER_CHAT);
        CHECK_ROW(rows[i].line, event(&a, rows[i].data) == ANSWER_BROKEN);
        CHECK_ROW(rows[i].line, !memcmp(&a, &untouched, sizeof a));
        CHECK_ROW(rows[i].line, answer_body(&a, rows[i].data,
                                            strlen(rows[i].data)) ==
                                    ANSWER_BROKEN);
    }
}

/* Every true prefix of an event is broken, and leaves no trace. */
static void half_an_event_is_broken_and_leaves_the_answer_alone(void)
{
    static const char whole[] =
        "{\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        "\"\xE4\xBD\xA0\\u4f60\\n\",\"tool_calls\":[{\"id\":null}]},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1e1}}";
    struct answer a, untouched;
    char *copy;

    answer_init(&untouched, ANSWER_CHAT);
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        copy = malloc(n);
        CHECK(copy != NULL);
        memcpy(copy, whole, n);
        answer_init(&a, ANSWER_CHAT);
        CHECK(answer_event(&a, "", 0, copy, n) == ANSWER_BROKEN);
        CHECK(!memcmp(&a, &untouched, sizeof a));
        free(copy);
    }
    CHECK(event(&a, whole) == ANSWER_CONTENT);
}

static void nesting_is_bounded(void)
{
    char text[400];
    struct answer a;

    for (int levels = 60; levels < 70; levels++) {
        memset(text, 0, sizeof text);
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', (size_t)levels);
        memset(text + 5 + levels, ']', (size_t)levels);
        strcat(text, "}");
        answer_init(&a, ANSWER_CHAT);
        CHECK((event(&a, text) == ANSWER_BROKEN) == (levels + 1 > 64));
    }
}

static void an_event_named_error_is_one(void)
{
    struct answer a;

    answer_init(&a, ANSWER_CHAT);
    CHECK(event_in(&a, "error", "{\"message\":\"x\"}") == ANSWER_ERROR);
    CHECK(a.error == ERROR_provider_server_error);
    CHECK(event_in(&a, "error", "boom") == ANSWER_ERROR);
    CHECK(event_in(&a, "error", "[DONE]") == ANSWER_DONE);
    CHECK(event_in(&a, "error", "") == ANSWER_QUIET);
    CHECK(event_in(&a, "errors", "{}") == ANSWER_QUIET);
    CHECK(event_in(&a, "message", "{}") == ANSWER_QUIET);
}

static void an_error_in_a_stream_has_its_class(void)
{
    static const struct {
        int line;
        enum error_type type;
        const char *data;
    } rows[] = {
        {__LINE__, ERROR_provider_overloaded,
         CHOICE("\"finish_reason\":\"insufficient_system_resource\"")},
        {__LINE__, ERROR_provider_server_error,
         CHOICE("\"finish_reason\":\"error\"")},
        {__LINE__, ERROR_provider_rate_limited,
         "{\"error\":{\"code\":429,\"message\":\"Provider returned error\"},"
         "\"choices\":[{\"finish_reason\":\"error\"}]}"},
        {__LINE__, ERROR_provider_server_error,
         "{\"error\":{\"code\":502,\"message\":\"x\"}}"},
        {__LINE__, ERROR_provider_overloaded,
         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}"},
        {__LINE__, ERROR_provider_invalid_request,
         "{\"error\":{\"code\":\"invalid_parameter_error\","
         "\"message\":\"Range of max_tokens should be [1, 8192]\"}}"},
        {__LINE__, ERROR_provider_server_error,
         "{\"error\":\"text\",\"code\":null}"},
    };
    struct answer a;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer_init(&a, ANSWER_CHAT);
        CHECK_ROW(rows[i].line, event(&a, rows[i].data) == ANSWER_ERROR);
        CHECK_ROW(rows[i].line, a.error == rows[i].type);
    }
}

static void the_finish_reason_is_that_of_choice_zero(void)
{
    struct answer a;

    answer_init(&a, ANSWER_CHAT);
    event(&a, "{\"choices\":[{\"index\":1,\"finish_reason\":\"length\"}]}");
    CHECK(!strcmp(a.finish, ""));
    event(&a, "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0}]}");
    CHECK(!strcmp(a.finish, "stop"));
    event(&a, "{\"choices\":[{\"finish_reason\":null,\"index\":0}]}");
    CHECK(!strcmp(a.finish, "stop"));
    event(&a, "{\"choices\":[{\"finish_reason\":\"a\"},"
              "{\"finish_reason\":\"b\"}]}");
    CHECK(!strcmp(a.finish, "a"));
    event(&a, CHOICE("\"finish_reason\":2"));
    CHECK(!strcmp(a.finish, "2"));
    event(&a, CHOICE("\"finish_reason\":"
                     "\"abcdefghijklmnopqrstuvwxyzabcd\xC3\xA4z\""));
    CHECK(!strcmp(a.finish, "abcdefghijklmnopqrstuvwxyzabcd"));
    event(&a, CHOICE("\"finish_reason\":\"tool\\u005fcalls\""));
    CHECK(!strcmp(a.finish, "tool_calls"));
}

static void the_model_is_the_first_that_was_named(void)
{
    struct answer a;

    answer_init(&a, ANSWER_CHAT);
    event(&a, "{\"model\":\"\",\"choices\":[]}");
    CHECK(!strcmp(a.model, ""));
    event(&a, "{\"model\":\"gpt-4o-mini\",\"choices\":[]}");
    event(&a, "{\"model\":\"other\",\"choices\":[]}");
    CHECK(!strcmp(a.model, "gpt-4o-mini"));
}

static bool usage_is(const struct answer *a, int64_t input, int64_t output,
                     int64_t total, int64_t read, int64_t write,
                     int64_t reasoning)
{
    const struct usage *u = &a->usage;

    return u->input == input && u->output == output && u->total == total &&
           u->cache_read == read && u->cache_write == write &&
           u->reasoning == reasoning;
}

static void read_body(struct answer *a, const char *text)
{
    answer_init(a, ANSWER_CHAT);
    answer_body(a, text, strlen(text));
}

static void parts_of_the_prompt_and_the_tier_are_read(void)
{
    struct answer a;

    read_body(&a, "{\"service_tier\":\"default\",\"choices\":[],\"usage\":"
             "{\"prompt_tokens\":90,\"prompt_tokens_details\":"
             "{\"cache_write_tokens\":30,\"cache_write_1h_tokens\":20,"
             "\"audio_tokens\":7},\"completion_tokens_details\":"
             "{\"audio_tokens\":5}}}");
    CHECK(a.usage.cache_write == 30 && a.usage.cache_write_1h == 20);
    CHECK(a.usage.audio == 7 && !a.special_tier);
    read_body(&a, "{\"service_tier\":null,\"choices\":[]}");
    CHECK(a.usage.cache_write_1h == -1 && a.usage.audio == -1 && !a.special_tier);
    read_body(&a, "{\"service_tier\":\"flex\",\"choices\":[]}");
    CHECK(a.special_tier);
    read_body(&a, "{\"service_tier\":\"priority\",\"choices\":[]}");
    CHECK(a.special_tier);
}

static void usage_is_read_in_every_spelling(void)
{
    static const struct {
        int line;
        int64_t want[6];
        const char *usage;
    } rows[] = {
        {__LINE__, {-1, -1, -1, -1, -1, -1}, "\"usage\":{}"},
        {__LINE__, {10, 5, 15, -1, -1, -1},
         "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,"
         "\"total_tokens\":15}"},
        {__LINE__, {10, -1, 15, -1, -1, -1},
         "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":null,"
         "\"total_tokens\":15.0,\"prompt_tokens_details\":null}"},
        {__LINE__, {10, 5, 15, 4, 3, 2},
         "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,"
         "\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":4,"
         "\"cache_write_tokens\":3},\"completion_tokens_details\":"
         "{\"reasoning_tokens\":2}}"},
        {__LINE__, {-1, -1, -1, 4, -1, -1}, "\"usage\":{\"cached_tokens\":4}"},
        {__LINE__, {-1, -1, -1, 4, -1, -1},
         "\"usage\":{\"num_cached_tokens\":4}"},
        {__LINE__, {-1, -1, -1, 4, -1, -1},
         "\"usage\":{\"prompt_cache_hit_tokens\":4,"
         "\"prompt_cache_miss_tokens\":9}"},
        {__LINE__, {-1, -1, -1, 4, 3, -1},
         "\"usage\":{\"cache_read_input_tokens\":4,"
         "\"cache_creation_input_tokens\":3}"},
        {__LINE__, {-1, -1, -1, 4, -1, -1},
         "\"usage\":{\"cached_tokens\":4,"
         "\"prompt_tokens_details\":{\"cached_tokens\":0}}"},
        {__LINE__, {320, 550, 870, -1, -1, 468},
         "\"usage\":{\"prompt_tokens\":320,\"completion_tokens\":82,"
         "\"total_tokens\":870,\"completion_tokens_details\":"
         "{\"reasoning_tokens\":468}}"},
        {__LINE__, {9, 20, 99, -1, -1, 15},
         "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":20,"
         "\"total_tokens\":99,\"completion_tokens_details\":"
         "{\"reasoning_tokens\":15}}"},
        {__LINE__, {3, 4, -1, -1, -1, -1},
         "\"x_groq\":{\"usage\":{\"prompt_tokens\":3,"
         "\"completion_tokens\":4}}"},
        {__LINE__, {5, -1, -1, -1, -1, -1},
         "\"usage\":{\"prompt_tokens\":5},"
         "\"x_groq\":{\"usage\":{\"prompt_tokens\":3}}"},
        {__LINE__, {-1, -1, -1, -1, -1, -1},
         "\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":\"7\","
         "\"total_tokens\":99999999999999999999}"},
        {__LINE__, {-1, -1, -1, -1, -1, -1}, "\"usage\":{\"prompt_tokens\":1e3}"},
    };
    struct answer a;
    char text[600];
    const int64_t *w;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer_init(&a, ANSWER_CHAT);
        w = rows[i].want;
        snprintf(text, sizeof text, "{\"choices\":[],%s}", rows[i].usage);
        CHECK_ROW(rows[i].line, event(&a, text) == ANSWER_USAGE);
        CHECK_ROW(rows[i].line,
                  usage_is(&a, w[0], w[1], w[2], w[3], w[4], w[5]));
    }
}

static void later_usage_replaces_earlier_counts(void)
{
    struct answer a;

    answer_init(&a, ANSWER_CHAT);
    event(&a, "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}");
    event(&a, "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9,"
              "\"total_tokens\":12}}");
    event(&a, "{\"usage\":null}");
    event(&a, "{\"usage\":{\"prompt_tokens\":null}}");
    CHECK(usage_is(&a, 3, 9, 12, -1, -1, -1));
    answer_init(&a, ANSWER_CHAT);
    event(&a, CHOICE("\"delta\":{},\"usage\":{\"prompt_tokens\":7}"));
    CHECK(a.usage.input == 7);
}

static void tool_calls_are_noticed(void)
{
    struct answer a;

    answer_init(&a, ANSWER_CHAT);
    event(&a, DELTA("\"content\":\"x\",\"tool_calls\":[]"));
    CHECK(!a.tool_calls);
    event(&a, DELTA("\"tool_calls\":[{\"index\":0}]"));
    CHECK(a.tool_calls);
    answer_init(&a, ANSWER_CHAT);
    event(&a, DELTA("\"function_call\":{\"arguments\":\"\"}"));
    CHECK(a.tool_calls);
}

static void a_body_is_what_its_fields_say(void)
{
    static const struct {
        int line;
        enum answer_event kind;
        const char *body;
    } rows[] = {
        {__LINE__, ANSWER_CONTENT,
         " \n\n{\"choices\":[{\"message\":{\"content\":\"Hi\"},"
         "\"finish_reason\":\"stop\"}]}\n"},
        {__LINE__, ANSWER_CONTENT,
         "{\"choices\":[{\"message\":{\"content\":null},"
         "\"finish_reason\":null}]}"},
        {__LINE__, ANSWER_CONTENT, "{\"choices\":[{\"text\":\"Hi\"}]}"},
        {__LINE__, ANSWER_CONTENT,
         "{\"object\":\"list\",\"data\":[{\"embedding\":[0.1,-2e-3]}]}"},
        {__LINE__, ANSWER_CONTENT,
         "{\"choices\":[{\"message\":{\"content\":\"\xE5\xB7\x9D\"}}]}"},
        {__LINE__, ANSWER_QUIET, "{\"data\":[]}"},
        {__LINE__, ANSWER_QUIET, "{\"choices\":[]}"},
        {__LINE__, ANSWER_QUIET, "{}"},
        {__LINE__, ANSWER_ERROR, "{\"error\":{\"message\":\"x\"}}"},
        {__LINE__, ANSWER_ERROR, "{\"code\":\"c\",\"error\":\"x\"}"},
        {__LINE__, ANSWER_ERROR, "[{\"error\":{\"code\":400}}]"},
        {__LINE__, ANSWER_ERROR,
         "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"error\":{\"a\":1}}"},
        {__LINE__, ANSWER_BROKEN, ""},
        {__LINE__, ANSWER_BROKEN, "  \n"},
        {__LINE__, ANSWER_BROKEN, "<html>502</html>"},
        {__LINE__, ANSWER_BROKEN, "{\"choices\":[{\"text\":\"\xFF\"}]}"},
        {__LINE__, ANSWER_BROKEN, "{\"choices\":[{\"text\":\"sixteen or more "
                                  "bytes of ASCII, then \xE0\xB8\"}]}"},
        {__LINE__, ANSWER_BROKEN, "{\"choices\":[{\"text\":\"Hi\"}]"},
    };
    struct answer a;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer_init(&a, ANSWER_CHAT);
        CHECK_ROW(rows[i].line, answer_body(&a, rows[i].body,
                                            strlen(rows[i].body)) ==
                                    rows[i].kind);
        CHECK_ROW(rows[i].line, a.content == (rows[i].kind == ANSWER_CONTENT));
    }
}

static void text_is_that_of_choice_zero(void)
{
    static const struct {
        int line;
        const char *json, *text;
    } rows[] = {
        {__LINE__, DELTA("\"content\":\"a\\u00e4\\n\""), "a\xC3\xA4\n"},
        {__LINE__, "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}", "Hi"},
        {__LINE__, "{\"choices\":[{\"text\":\"Hi\"}]}", "Hi"},
        {__LINE__, "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}",
         ""},
        {__LINE__, "{\"choices\":[{\"index\":1,\"text\":\"x\"},"
                   "{\"index\":0,\"text\":\"y\"}]}", "y"},
        {__LINE__, DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":"
                         "[{\"type\":\"text\",\"text\":\"hm\"}]},"
                         "{\"type\":\"text\",\"text\":\"a\"},"
                         "{\"type\":\"text\",\"text\":\"b\"}]"), "ab"},
        {__LINE__, DELTA("\"reasoning_content\":\"hm\",\"content\":null"), ""},
        {__LINE__, "{\"choices\":[]}", ""},
        {__LINE__, "junk", ""},
        {__LINE__, "", ""},
    };
    struct buf out;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_init(&out, 1000);
        CHECK_ROW(rows[i].line, answer_text(ANSWER_CHAT, rows[i].json,
                                            strlen(rows[i].json), &out) == 0);
        CHECK_ROW(rows[i].line, out.len == strlen(rows[i].text) &&
                                    (!out.len || !memcmp(out.data, rows[i].text,
                                                         out.len)));
        buf_free(&out);
    }
    buf_init(&out, 4);
    CHECK(answer_text(ANSWER_CHAT, CHOICE("\"text\":\"too long\""),
                      strlen(CHOICE("\"text\":\"too long\"")), &out) == -1);
    CHECK(out.len == 0);
    buf_free(&out);
}

int main(void)
{
    RUN(an_event_is_what_its_fields_say);
    RUN(a_text_after_another_is_read_alike);
    RUN(what_is_no_json_object_is_broken);
    RUN(half_an_event_is_broken_and_leaves_the_answer_alone);
    RUN(nesting_is_bounded);
    RUN(an_event_named_error_is_one);
    RUN(an_error_in_a_stream_has_its_class);
    RUN(the_finish_reason_is_that_of_choice_zero);
    RUN(the_model_is_the_first_that_was_named);
    RUN(usage_is_read_in_every_spelling);
    RUN(parts_of_the_prompt_and_the_tier_are_read);
    RUN(later_usage_replaces_earlier_counts);
    RUN(tool_calls_are_noticed);
    RUN(a_body_is_what_its_fields_say);
    RUN(text_is_that_of_choice_zero);
    return test_end();
}
