/* SPDX-License-Identifier: Apache-2.0
 *
 * json: what it accepts, where it finds things and what they mean.
 */
#include "../../core/json.h"

#include <math.h>
#include <stdlib.h>

#include "../../core/ceilings.h"
#include "json_path.h"
#include "test.h"

static bool accepts(const char *text, size_t len, unsigned depth)
{
    struct json_fault fault = { 0 };
    char *exact = malloc(len ? len : 1);    /* so that overreading is seen */
    int result;

    memcpy(exact, text, len);
    result = json_check(exact, len, depth, &fault);
    if (result != 0)
        CHECK(fault.message && fault.at <= len);
    free(exact);
    return result == 0;
}

static void the_checker_accepts_json_and_nothing_else(void)
{
    static const struct { int line; bool good; const char *text; } rows[] = {
        { __LINE__, true, "{}" },
        { __LINE__, true, " \t\r\n[ ] " },
        { __LINE__, true, "[1,-0,0.5,1e3,-1.25E-7,10]" },
        { __LINE__, true, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\"" },
        { __LINE__, true, "\"\\ud800\"" },
        { __LINE__, true, "{\"a\":{\"b\":[true,false,null]},\"a\":1}" },
        { __LINE__, true, "\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\"" },
        { __LINE__, true, "\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\xEF\xBF\xBF\"" },
        { __LINE__, true, "\"\x7F\"" },
        { __LINE__, false, "" },
        { __LINE__, false, " " },
        { __LINE__, false, "\xEF\xBB\xBF{}" },
        { __LINE__, false, "{} {}" },
        { __LINE__, false, "[1,]" },
        { __LINE__, false, "[,1]" },
        { __LINE__, false, "[1 2]" },
        { __LINE__, false, "[1}" },
        { __LINE__, false, "[" },
        { __LINE__, false, "{\"a\":1,}" },
        { __LINE__, false, "{\"a\"}" },
        { __LINE__, false, "{\"a\":}" },
        { __LINE__, false, "{a:1}" },
        { __LINE__, false, "{\"a\" 1}" },
        { __LINE__, false, "{\"a\":1" },
        { __LINE__, false, "01" },
        { __LINE__, false, "-" },
        { __LINE__, false, "+1" },
        { __LINE__, false, "1." },
        { __LINE__, false, ".5" },
        { __LINE__, false, "1e" },
        { __LINE__, false, "1e+" },
        { __LINE__, false, "NaN" },
        { __LINE__, false, "tru" },
        { __LINE__, false, "nul" },
        { __LINE__, false, "\"a" },
        { __LINE__, false, "\"a\\" },
        { __LINE__, false, "\"\\x\"" },
        { __LINE__, false, "\"\\u12g4\"" },
        { __LINE__, false, "\"\\u123\"" },
        { __LINE__, false, "\"\n\"" },
        { __LINE__, false, "\"\x80\"" },
        { __LINE__, false, "\"\xC1\xBF\"" },
        { __LINE__, false, "\"\xC3\"" },
        { __LINE__, false, "\"\xE0\x9F\xBF\"" },
        { __LINE__, false, "\"\xED\xA0\x80\"" },
        { __LINE__, false, "\"\xE4\xB8\"" },
        { __LINE__, false, "\"\xF0\x8F\xBF\xBF\"" },
        { __LINE__, false, "\"\xF4\x90\x80\x80\"" },
        { __LINE__, false, "\"\xF8\x88\x80\x80\x80\"" },
        { __LINE__, false, "[1]\f" },
    };
    size_t i;

    for (i = 0; i < ROWS(rows); i++)
        CHECK_ROW(rows[i].line, accepts(rows[i].text, strlen(rows[i].text),
                                        64) == rows[i].good);
    CHECK(!accepts("[1]\0", 4, 64));
    CHECK(!accepts("\"a\0b\"", 5, 64));
}

/* Strings are read in blocks: each odd byte at each place of two blocks. */
static void a_string_is_checked_the_same_at_every_offset(void)
{
    static const struct { int line; bool good; const char *piece; } rows[] = {
        { __LINE__, true, "a" },
        { __LINE__, true, "\\n" },
        { __LINE__, true, "\\\\" },
        { __LINE__, true, "\\u00e9" },
        { __LINE__, true, "\xC3\xA9" },
        { __LINE__, true, "\xE4\xB8\xAD\xE6\x96\x87" },
        { __LINE__, true, "\xF0\x9F\x98\x80" },
        { __LINE__, false, "\x1F" },
        { __LINE__, false, "\\" },
        { __LINE__, false, "\"" },
        { __LINE__, false, "\xC3" },
        { __LINE__, false, "\xE4\xB8" },
        { __LINE__, false, "\xE4\xB8\xAD\xA0" },
        { __LINE__, false, "\xF0\x9F\x98" },
    };
    size_t i, before, n;
    char text[80];

    for (i = 0; i < ROWS(rows); i++)
        for (before = 0; before < 36; before++) {
            n = strlen(rows[i].piece);
            memset(text, 'x', sizeof text);
            text[0] = '"';
            memcpy(text + 1 + before, rows[i].piece, n);
            text[before + n + 20] = '"';
            CHECK_ROW(rows[i].line,
                      accepts(text, before + n + 21, 1) == rows[i].good);
        }
}

static void nesting_is_accepted_up_to_the_limit(void)
{
    char text[4200];
    unsigned depth;

    for (depth = 1; depth < 70; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        CHECK(accepts(text, 2 * depth, depth));
        CHECK(!accepts(text, 2 * depth, depth - 1));
    }
    memset(text, '[', 2050);
    memset(text + 2050, ']', 2050);
    CHECK(!accepts(text, 4100, 5000));
    CHECK(accepts("1", 1, 0));
}

static void opening_asks_for_an_object_without_duplicate_keys(void)
{
    static const struct { int line; const char *text, *message; size_t at; }
    rows[] = {
        { __LINE__, "{}", NULL, 0 },
        { __LINE__, " {\"a\":1,\"A\":2,\"b\":{\"x\":1,\"x\":2}}\n", NULL, 0 },
        { __LINE__, "[]", "object expected", 0 },
        { __LINE__, " \"a\"", "object expected", 1 },
        { __LINE__, "", "object expected", 0 },
        { __LINE__, "{\"a\":1,\"b\":2,\"a\":3}", "duplicate key", 13 },
        { __LINE__, "{\"model\":1,\"mo\\u0064el\":3}", "duplicate key", 11 },
        { __LINE__, "{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":1}",
          "duplicate key", 18 },
        { __LINE__, "{\"a\":1}x", "text behind the value", 7 },
        { __LINE__, "{\"a\":1,}", "key expected", 7 },
        { __LINE__, "{\"a\":\"\xFF\"}", "invalid UTF-8", 6 },
        { __LINE__, "{\"a\":[1,2}", "',' or end of container expected", 9 },
    };
    struct json_fault fault;
    struct json_doc doc;
    size_t i;
    int bad;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&fault, 0, sizeof fault);
        bad = json_open(&doc, rows[i].text, strlen(rows[i].text), 64, 0,
                        &fault);
        CHECK_ROW(rows[i].line, (bad != 0) == (rows[i].message != NULL));
        if (bad && rows[i].message) {
            CHECK_ROW(rows[i].line, !strcmp(fault.message, rows[i].message));
            CHECK_ROW(rows[i].line, fault.at == rows[i].at);
        } else if (!bad) {
            json_close(&doc);
        }
    }
}

static void thousands_of_members_are_indexed_and_compared(void)
{
    static const struct { unsigned count; int twice; } rows[] = {
        { 32, -1 }, { 33, -1 }, { 33, 0 }, { 33, 32 }, { 4000, -1 },
        { 4000, 17 }, { 4000, 3999 }, { 100000, -1 }, { 100000, 50000 },
    };
    struct json_fault fault = { 0 };
    struct json_doc doc;
    struct buf b;
    size_t i;
    unsigned k;
    bool duplicate;
    int64_t value = 0;
    double d;

    for (i = 0; i < ROWS(rows); i++) {
        buf_init(&b, 16 * MIB);
        buf_addc(&b, '{');
        for (k = 0; k < rows[i].count; k++)
            buf_addf(&b, "\"key%u\":%u,", k, k);
        if (rows[i].twice >= 0)
            buf_addf(&b, "\"k\\u0065y%d\":0}", rows[i].twice);
        else
            buf_adds(&b, "\"last\":0}");
        k = rows[i].count - 1;
        if (json_open(&doc, b.data, b.len, 4, 0, &fault) == 0) {
            char key[20];

            CHECK(rows[i].twice < 0);
            CHECK(json_count(&doc, JSON_ROOT) == rows[i].count + 1);
            snprintf(key, sizeof key, "key%u", k);
            CHECK(json_number(&doc, json_member(&doc, JSON_ROOT, key,
                                                strlen(key), &duplicate),
                              &value, &d) == 1 && value == k);
            json_close(&doc);
        } else {
            CHECK(rows[i].twice >= 0);
            CHECK(!strcmp(fault.message, "duplicate key"));
        }
        buf_free(&b);
    }
}

static void values_are_found_and_decoded(void)
{
    static const char text[] =
        " { \"model\" : \"gpt\\u002d4\" , \"stream\":true,\"n\":-12,"
        "\"messages\":[ {\"role\":\"user\"}, {\"content\":[]} ],"
        "\"o\":{\"d\":1,\"d\":2,\"k\\n\":\"\\ud800x\\uD83D\\uDE00\"}} ";
    struct json_doc doc;
    struct buf b;
    bool duplicate = true;
    size_t len;
    json_node n;

    CHECK(opens(&doc, text));
    CHECK(doc.root_count == 5 && doc.top[0].escaped == 0);
    CHECK(json_kind(&doc, at(&doc, "stream")) == JSON_TRUE);
    CHECK(!json_plain(&doc, at(&doc, "model"), &len));
    CHECK(doc.state == NULL);
    buf_init(&b, 1000);
    CHECK(json_string(&doc, at(&doc, "model"), &b) == 0);
    CHECK(b.len == 5 && memcmp(b.data, "gpt-4", 5) == 0);
    n = at(&doc, "messages");
    CHECK(json_count(&doc, n) == 2 && json_kind(&doc, n) == JSON_ARRAY);
    CHECK(!memcmp(json_plain(&doc, at(&doc, "messages.1.role"), &len), "user",
                  4) && len == 4);
    CHECK(json_count(&doc, at(&doc, "messages.2.content")) == 0);
    CHECK(json_item(&doc, n, 0) == JSON_NONE);
    CHECK(json_item(&doc, n, 3) == JSON_NONE);
    CHECK(json_parent(&doc, json_item(&doc, n, 2)) == n);
    CHECK(json_parent(&doc, n) == JSON_ROOT);
    CHECK(!memcmp(json_raw(&doc, json_item(&doc, n, 2), &len),
                  "{\"content\":[]}", 14) && len == 14);
    n = at(&doc, "o");
    json_member(&doc, n, "d", 1, &duplicate);
    CHECK(duplicate);
    n = json_member(&doc, n, "k\n", 2, &duplicate);
    CHECK(n && !duplicate);
    b.len = 0;
    CHECK(json_key(&doc, n, &b) == 0 && json_string(&doc, n, &b) == 0);
    CHECK(b.len == 10 && !memcmp(b.data, "k\n\xEF\xBF\xBDx\xF0\x9F\x98\x80",
                                 10));
    CHECK(json_key(&doc, JSON_ROOT, &b) == -1);
    CHECK(json_kind(&doc, 4000) == JSON_NULL && !json_live(&doc, 4000));
    buf_free(&b);
    json_close(&doc);
}

static void numbers_keep_their_value(void)
{
    static const struct { int line; const char *text; int integer; int64_t i;
                          double d; } rows[] = {
        { __LINE__, "0", 1, 0, 0 },
        { __LINE__, "-12", 1, -12, 0 },
        { __LINE__, "9007199254740993", 1, 9007199254740993, 0 },
        { __LINE__, "9223372036854775807", 1, INT64_MAX, 0 },
        { __LINE__, "-9223372036854775808", 1, INT64_MIN, 0 },
        { __LINE__, "9223372036854775808", 0, 0, 9223372036854775808.0 },
        { __LINE__, "-9223372036854775809", 0, 0, -9223372036854775808.0 },
        { __LINE__, "99999999999999999999", 0, 0, 1e20 },
        { __LINE__, "1.0", 0, 0, 1 },
        { __LINE__, "1e3", 0, 0, 1000 },
        { __LINE__, "-0", 0, 0, -0.0 },
        { __LINE__, "0.1", 0, 0, 0.1 },
        { __LINE__, "0.0025E+3", 0, 0, 2.5 },
        { __LINE__, "-120.50e-1", 0, 0, -12.05 },
        { __LINE__, "1e999", 0, 0, HUGE_VAL },
        { __LINE__, "1e-999", 0, 0, 0 },
        { __LINE__, "1e99999999999999999999", 0, 0, HUGE_VAL },
        { __LINE__, "4.9406564584124654e-324", 0, 0, 4.9406564584124654e-324 },
        { __LINE__, "1.7976931348623157e308", 0, 0, 1.7976931348623157e308 },
        { __LINE__, "9007199254740993.00000000000000000000000001", 0, 0,
          9007199254740994.0 },
    };
    struct json_doc doc;
    char text[200];
    size_t i;
    int64_t n;
    double d;

    for (i = 0; i < ROWS(rows); i++) {
        n = 0;
        d = 0;
        snprintf(text, sizeof text, "{\"n\":%s}", rows[i].text);
        CHECK_ROW(rows[i].line, opens(&doc, text));
        CHECK_ROW(rows[i].line, json_number(&doc, at(&doc, "n"), &n, &d) ==
                                    rows[i].integer);
        CHECK_ROW(rows[i].line, n == rows[i].i);
        CHECK_ROW(rows[i].line, memcmp(&d, &rows[i].d, sizeof d) == 0);
        json_close(&doc);
    }
}

static void a_number_is_the_nearest_double(void)
{
    unsigned state = 3;
    char text[64];

    for (int round = 0; round < 20000; round++) {
        long long whole;
        int n;

        state = state * 1103515245u + 12345u;
        whole = (long long)(state >> 4) << (state & 31);
        n = snprintf(text, sizeof text, "%s%lld.%de%d", round % 2 ? "-" : "",
                     whole >> round % 40, round % 1000, round % 61 - 30);
        CHECK_ROW(round, json_view_number((struct json_view){text, (size_t)n},
                                          7) == strtod(text, NULL));
    }
}

/* A number of 2,000 digits is rounded by all of them. */
static void a_long_number_is_rounded_once(void)
{
    char text[2100] = "1.00000000000000011102230246251565404236316680908203125";
    size_t len = strlen(text);
    struct json_view v = { .at = text };

    v.len = len;
    CHECK(json_view_number(v, 0) == 1.0);       /* a tie, to even */
    memset(text + len, '0', 2000);
    text[len + 2000] = '1';
    v.len = len + 2001;
    CHECK(json_view_number(v, 0) == 1.0000000000000002);
    memset(text, '9', 2000);
    v.len = 2000;
    CHECK(json_view_number(v, 7) == 7);         /* infinite */
}

static void views_answer_on_any_bytes(void)
{
    static const struct { int line; const char *text, *key, *want; } rows[] = {
        { __LINE__, " {\"a\":\"x\"} ", "a", "x" },
        { __LINE__, "{\"b\":{\"a\":[\"}\"]},\"a\":\"\\n\\u00e9\"}", "a",
          "\n\xC3\xA9" },
        { __LINE__, "{\"q\":\"\\\\\\\"\",\"a\":\"y\"}", "a", "y" },
        { __LINE__, "{\"a\":1}", "a", "" },
        { __LINE__, "{\"a\":\"x\"", "a", "x" },
        { __LINE__, "{\"a\":\"x", "a", "" },
        { __LINE__, "{\"a\":\"\xFFz\"}", "a", "\xEF\xBF\xBDz" },
        { __LINE__, "{\"a\":\"\\u12\"}", "a", "\xEF\xBF\xBD" "12" },
        { __LINE__, "{\"a\":\"abcdefg\xC3\xA9\"}", "a", "abcdefg" },
        { __LINE__, "[\"a\",\"x\"]", "a", "" },
        { __LINE__, "{\"a\"}", "a", "" },
        { __LINE__, "]]]", "a", "" },
        { __LINE__, "", "a", "" },
    };
    char out[9];
    struct json_view v;
    size_t i;

    for (i = 0; i < ROWS(rows); i++) {
        v = json_view(rows[i].text, strlen(rows[i].text));
        v = json_view_get(v, rows[i].key);
        CHECK_ROW(rows[i].line, json_view_string(v, out, sizeof out) ==
                                    strlen(rows[i].want));
        CHECK_ROW(rows[i].line, strcmp(out, rows[i].want) == 0);
    }
    v = json_view("[1,[2,-3.5e1],\"4\"]", 18);
    CHECK(json_view_number(json_view_at(v, 1), 9) == 1);
    CHECK(json_view_number(json_view_at(json_view_at(v, 2), 2), 9) == -35);
    CHECK(json_view_number(json_view_at(v, 3), 9) == 9);
    CHECK(json_view_at(v, 0).len == 0 && json_view_at(v, 4).len == 0);
    CHECK(json_view_kind(v) == JSON_ARRAY);
    CHECK(json_view_kind(json_view_at(v, 4)) == JSON_NULL);
    CHECK(json_view_kind(json_view_at(v, 3)) == JSON_STRING);
    CHECK(json_view(NULL, 0).len == 0);
    CHECK(json_view_number(json_view("1x", 2), 9) == 9);
}

int main(void)
{
    RUN(the_checker_accepts_json_and_nothing_else);
    RUN(a_string_is_checked_the_same_at_every_offset);
    RUN(nesting_is_accepted_up_to_the_limit);
    RUN(opening_asks_for_an_object_without_duplicate_keys);
    RUN(thousands_of_members_are_indexed_and_compared);
    RUN(values_are_found_and_decoded);
    RUN(numbers_keep_their_value);
    RUN(a_number_is_the_nearest_double);
    RUN(a_long_number_is_rounded_once);
    RUN(views_answer_on_any_bytes);
    return test_end();
}
