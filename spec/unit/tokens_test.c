/* SPDX-License-Identifier: Apache-2.0 */
#include "../../core/tokens.h"

#include "test.h"

#include <stdlib.h>

static double weight(const char *body)
{
    return tokens_weigh(body, strlen(body)).tokens;
}

#define CHAT(content) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"," \
                      "\"content\":" content "}]}"
#define TEXT "\"The quick brown fox jumps over the lazy dog, again and again.\""

static void a_text_weighs_the_same_in_every_format(void)
{
    static const char *const bodies[] = {
        "{\"model\":\"a-long-name\",\"messages\":[{\"role\":\"user\",\"content\":"
        "[{\"type\":\"text\",\"text\":" TEXT "}]}],\"temperature\":1}",
        "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":" TEXT "}]}",
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":" TEXT "}]}]}",
        "{\"prompt\":" TEXT "}",
    };
    double first = weight(CHAT(TEXT));

    CHECK(first > 12 && first < 30);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        CHECK(weight(bodies[i]) == first);
}

static void scripts_and_escapes_count_as_characters(void)
{
    CHECK(weight(CHAT("\"\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xBD\xA0\xE5\xA5\xBD\"")) ==
          weight(CHAT("\"\\u4f60\\u597d\\u4f60\\u597d\"")));
    CHECK(weight(CHAT("\"\xE4\xBD\xA0\xE5\xA5\xBD\"")) > weight(CHAT("\"ab\"")));
    CHECK(weight(CHAT("\"a\\nb\"")) == weight(CHAT("\"a b\"")));
}

static void what_no_model_reads_weighs_nothing(void)
{
    CHECK(weight(CHAT("[{\"type\":\"text\",\"text\":\"hi\",\"cache_control\":"
                      "{\"type\":\"ephemeral\"},\"signature\":\"c2ln\"}]")) ==
          weight(CHAT("\"hi\"")));
    CHECK(weight("{\"messages\":[],\"metadata\":{\"a\":" TEXT "}}") ==
          weight("{\"messages\":[]}"));
}

/* A picture is neither as heavy as its base64 nor free. */
static void pictures_have_a_ceiling(void)
{
    static char body[600000];
    size_t n = (size_t)sprintf(body, "{\"messages\":[{\"content\":[{\"image_url\":"
                                     "{\"url\":\"data:image/png;base64,");
    double w;

    memset(body + n, 'A', 500000);
    strcpy(body + n + 500000, "\"}}]}]}");
    w = weight(body);
    CHECK(w > 1000 && w < 1700);
}

static void tools_are_seen_and_weigh(void)
{
    struct tokens_weight w, none;
    static const char with[] = "{\"messages\":[],\"tools\":[{\"type\":\"function\","
        "\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":\"object\","
        "\"properties\":{\"city\":{\"type\":\"string\"}}}}}]}";
    static const char without[] = "{\"messages\":[],\"tools\":[]}";

    w = tokens_weigh(with, sizeof with - 1);
    none = tokens_weigh(without, sizeof without - 1);
    CHECK(w.tools && !none.tools);
    CHECK(w.tokens > none.tokens + 20);
    CHECK(tokens_template("claude-sonnet", true) > tokens_template("claude-sonnet", false));
    CHECK(tokens_template("of-nobody", true) == 0);
}

static void any_bytes_are_safe(void)
{
    static const char body[] = CHAT("[{\"a\":\"\\u12\",\"b\":[1,{}]},\"x\\\\\"]");

    for (size_t n = 0; n <= sizeof body; n++) {
        char *cut = malloc(n ? n : 1);

        memcpy(cut, body, n < sizeof body ? n : sizeof body);
        CHECK(tokens_weigh(cut, n).tokens >= 0);
        free(cut);
    }
}

int main(void)
{
    RUN(a_text_weighs_the_same_in_every_format);
    RUN(scripts_and_escapes_count_as_characters);
    RUN(what_no_model_reads_weighs_nothing);
    RUN(pictures_have_a_ceiling);
    RUN(tools_are_seen_and_weigh);
    RUN(any_bytes_are_safe);
    return test_end();
}
