/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of buf.
 */
#include "buf.h"
#include "json.h"
#include "test.h"

#include <stdint.h>
#include <stdlib.h>

static bool is(const struct buf *b, const char *bytes, size_t n)
{
    return b->len == n && (n == 0 || memcmp(b->data, bytes, n) == 0);
}

static bool says(const struct buf *b, const char *text)
{
    return is(b, text, strlen(text));
}

static void what_is_added_stands_in_its_order(void)
{
    struct buf b;

    buf_init(&b, 100);
    CHECK(b.data == NULL && b.len == 0);
    CHECK(buf_add(&b, "a\0b", 3) == 0);
    CHECK(buf_adds(&b, "-cd-") == 0);
    CHECK(buf_addc(&b, 'e') == 0);
    CHECK(buf_addf(&b, "%d/%s", 42, "x") == 0);
    CHECK(is(&b, "a\0b-cd-e42/x", 12));
    buf_free(&b);
}

static void adding_nothing_allocates_nothing(void)
{
    struct buf b;

    buf_init(&b, 100);
    CHECK(buf_add(&b, NULL, 0) == 0);
    CHECK(buf_adds(&b, "") == 0);
    CHECK(buf_reserve(&b, 0) == 0);
    CHECK(b.data == NULL && b.size == 0);
}

static void the_ceiling_is_reached_and_never_passed(void)
{
    static char bytes[2000];
    struct buf b;

    for (size_t ceiling = 0; ceiling < 1300; ceiling += 37) {
        size_t n = 0;

        buf_init(&b, ceiling);
        while (buf_addc(&b, 'x') == 0)
            n++;
        CHECK_ROW(ceiling, n == ceiling && b.len == ceiling);
        CHECK_ROW(ceiling, b.size <= ceiling);
        CHECK_ROW(ceiling, buf_add(&b, bytes, 1) == -1 && b.len == ceiling);
        buf_free(&b);
        CHECK_ROW(ceiling, buf_add(&b, bytes, ceiling + 1) == -1 && b.len == 0);
        CHECK_ROW(ceiling, buf_add(&b, bytes, ceiling) == 0);
        buf_free(&b);
    }
}

static void a_size_that_would_overflow_is_refused(void)
{
    struct buf b;

    buf_init(&b, SIZE_MAX);
    CHECK(buf_adds(&b, "abc") == 0);
    CHECK(buf_reserve(&b, SIZE_MAX) == -1);
    CHECK(buf_reserve(&b, SIZE_MAX - 2) == -1);
    CHECK(says(&b, "abc"));
    buf_free(&b);
}

static void what_does_not_fit_adds_nothing(void)
{
    struct buf b;

    buf_init(&b, 8);
    CHECK(buf_adds(&b, "12345") == 0);
    CHECK(buf_adds(&b, "6789") == -1);
    CHECK(buf_addf(&b, "%s", "6789") == -1);
    CHECK(says(&b, "12345"));
    CHECK(buf_addf(&b, "%s", "67") == 0);
    CHECK(says(&b, "1234567"));
    buf_free(&b);
}

static void a_freed_buffer_is_empty_and_usable(void)
{
    struct buf b;

    buf_init(&b, 100);
    buf_adds(&b, "abc");
    buf_free(&b);
    CHECK(b.data == NULL && b.len == 0 && b.size == 0 && b.ceiling == 100);
    CHECK(buf_adds(&b, "de") == 0 && says(&b, "de"));
    buf_free(&b);
    buf_free(&b);
}

static void dropping_takes_from_the_front(void)
{
    static const struct {
        int line;
        size_t n;
        const char *left;
    } rows[] = {
        {__LINE__, 0, "abcdef"},
        {__LINE__, 1, "bcdef"},
        {__LINE__, 5, "f"},
        {__LINE__, 6, ""},
        {__LINE__, 7, ""},
        {__LINE__, SIZE_MAX, ""},
    };
    struct buf b;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_init(&b, 100);
        buf_adds(&b, "abcdef");
        buf_drop(&b, rows[i].n);
        CHECK_ROW(rows[i].line, says(&b, rows[i].left));
        buf_adds(&b, "+");
        CHECK_ROW(rows[i].line, b.data[b.len - 1] == '+');
        buf_free(&b);
    }
    buf_init(&b, 100);
    buf_drop(&b, 3);
    CHECK(b.len == 0);
}

#define BAD "\xEF\xBF\xBD"

/* What becomes of bytes in a JSON string. */
static const struct {
    int line;
    const char *in;
    size_t len;
    const char *out;
} strings[] = {
    {__LINE__, "", 0, "\"\""},
    {__LINE__, "plain", 5, "\"plain\""},
    {__LINE__, "a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
    {__LINE__, "\n\r\t", 3, "\"\\n\\r\\t\""},
    {__LINE__, "\0x", 2, "\"\\u0000x\""},
    {__LINE__, "\x1F\x01", 2, "\"\\u001f\\u0001\""},
    {__LINE__, "\x7F", 1, "\"\\u007f\""},
    {__LINE__, "\xC3\xA9", 2, "\"\xC3\xA9\""},
    {__LINE__, "\xE2\x82\xAC!", 4, "\"\xE2\x82\xAC!\""},
    {__LINE__, "\xF0\x9F\x98\x80", 4, "\"\xF0\x9F\x98\x80\""},
    {__LINE__, "\xF4\x8F\xBF\xBF", 4, "\"\xF4\x8F\xBF\xBF\""},
    {__LINE__, "\x80", 1, "\"" BAD "\""},
    {__LINE__, "a\xFFz", 3, "\"a" BAD "z\""},
    {__LINE__, "\xC3", 1, "\"" BAD "\""},
    {__LINE__, "\xC3(", 2, "\"" BAD "(\""},
    {__LINE__, "\xE2\x82", 2, "\"" BAD BAD "\""},
    {__LINE__, "\xC0\xAF", 2, "\"" BAD BAD "\""},               /* overlong / */
    {__LINE__, "\xE0\x80\xAF", 3, "\"" BAD BAD BAD "\""},       /* the same */
    {__LINE__, "\xED\xA0\x80", 3, "\"" BAD BAD BAD "\""},       /* surrogate */
    {__LINE__, "\xF0\x80\x80\x80", 4, "\"" BAD BAD BAD BAD "\""},
    {__LINE__, "\xF4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\""},
    {__LINE__, "\xF5\x80\x80\x80", 4, "\"" BAD BAD BAD BAD "\""},
};

static void a_json_string_is_escaped_and_bad_utf8_replaced(void)
{
    struct buf b;

    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        buf_init(&b, 100);
        CHECK_ROW(strings[i].line,
                  buf_add_json(&b, strings[i].in, strings[i].len) == 0);
        CHECK_ROW(strings[i].line, says(&b, strings[i].out));
        buf_free(&b);
    }
}

static void any_bytes_make_a_valid_json_string(void)
{
    struct json_fault fault;
    unsigned state = 1;
    char bytes[64];
    struct buf b;

    for (int round = 0; round < 5000; round++) {
        size_t n = (size_t)round % sizeof bytes;

        for (size_t i = 0; i < n; i++) {
            state = state * 1103515245u + 12345u;
            bytes[i] = (char)(state >> 16);
        }
        buf_init(&b, 1000);
        CHECK_ROW(round, buf_add_json(&b, bytes, n) == 0);
        CHECK_ROW(round, json_check(b.data, b.len, 0, &fault) == 0);
        buf_free(&b);
    }
}

/* What stands before and behind a byte does not change what it becomes. */
static void a_json_string_is_that_of_its_bytes_in_a_row(void)
{
    struct buf whole, pieces, one;
    unsigned state = 7;
    char bytes[40];

    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)round % sizeof bytes;

        buf_init(&whole, 1000);
        buf_init(&pieces, 1000);
        buf_init(&one, 100);
        buf_addc(&pieces, '"');
        for (size_t i = 0; i < n; i++) {
            state = state * 1103515245u + 12345u;
            bytes[i] = (char)(state >> 16 & (state >> 28 ? 0x5F : 0x7F));
            one.len = 0;
            buf_add_json(&one, bytes + i, 1);
            buf_add(&pieces, one.data + 1, one.len - 2);
        }
        buf_addc(&pieces, '"');
        CHECK_ROW(round, buf_add_json(&whole, bytes, n) == 0);
        CHECK_ROW(round, is(&whole, pieces.data, pieces.len));
        buf_free(&whole);
        buf_free(&pieces);
        buf_free(&one);
    }
}

static void a_json_string_that_does_not_fit_is_refused(void)
{
    struct buf b;

    for (size_t ceiling = 0; ceiling < 12; ceiling++) {
        buf_init(&b, ceiling);
        CHECK_ROW(ceiling, buf_add_json(&b, "a\"b\\cd\xC3\xA9", 8) == -1);
        CHECK_ROW(ceiling, b.len <= ceiling);
        buf_free(&b);
    }
}

int main(void)
{
    RUN(what_is_added_stands_in_its_order);
    RUN(adding_nothing_allocates_nothing);
    RUN(the_ceiling_is_reached_and_never_passed);
    RUN(a_size_that_would_overflow_is_refused);
    RUN(what_does_not_fit_adds_nothing);
    RUN(a_freed_buffer_is_empty_and_usable);
    RUN(dropping_takes_from_the_front);
    RUN(a_json_string_is_escaped_and_bad_utf8_replaced);
    RUN(any_bytes_make_a_valid_json_string);
    RUN(a_json_string_is_that_of_its_bytes_in_a_row);
    RUN(a_json_string_that_does_not_fit_is_refused);
    return test_end();
}
