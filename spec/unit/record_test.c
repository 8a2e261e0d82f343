/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of record: what is appended is what is rendered, bounded and valid.
 */
#include "record.h"

#include "ceilings.h"
#include "json.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

#define I(n) ((int64_t)(n))

static void begin(struct record *r, const char *id, const char *model,
                  const char *policy)
{
    record_add(r, RECORD_begin, id, I(1767225600123456), "web", "chat", model, 1,
               policy, "a1b2c3", I(42), I(321),
               "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

static void end(struct record *r, const char *model, double usd, const char *ua)
{
    record_add(r, RECORD_end, I(200), "", "--", I(2), "qwen/plus", model,
               "provider_overloaded", I(50), I(120), I(900), I(312500),
               I(1500000), I(210), I(10), I(20), I(-1), I(-1), I(-1), usd, I(321),
               I(4000), "127.0.0.1", ua, "stop", "spare");
}

/* The record as JSON with a NUL behind it; owned by the caller. */
static char *json_of(const struct record *r)
{
    struct record_blob *b = record_seal(r);
    struct json_fault fault;
    struct buf out;

    buf_init(&out, MIB);
    CHECK(record_json(b, &out) == 0);
    CHECK(json_check(out.data, out.len, 8, &fault) == 0);
    buf_addc(&out, '\0');
    free(b);
    return out.data;
}

static char *line_of(const struct record *r)
{
    struct record_blob *b = record_seal(r);
    struct buf out;

    buf_init(&out, MIB);
    CHECK(record_line(b, &out) == 0);
    buf_addc(&out, '\0');
    free(b);
    return out.data;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;

    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

/* -- every kind ------------------------------------------------------------ */

static void add_every_kind(struct record *r)
{
    begin(r, "req-1", "chat", "plain");
    record_add(r, RECORD_step, I(5), "begin", I(0), I(7));
    record_add(r, RECORD_event, "stream", "true");
    record_add(r, RECORD_read, "messages[1].content", "hi", "abcd");
    record_add(r, RECORD_host, "state", "a/x", "ok");
    record_add(r, RECORD_number, "ewma", "a/x first 30", 0.5);
    record_add(r, RECORD_draw, 0.25);
    record_add(r, RECORD_pass, "a/x", "saturated", "p.lua:3");
    record_add(r, RECORD_op, "call", I(1), "a/x", "d");
    record_add(r, RECORD_edit, "model", "engine", I(9));
    record_add(r, RECORD_attempt, I(1), "a/x", I(11), I(429),
               "provider_rate_limited", "slow down", I(1), I(2), I(-1), I(4), 1,
               "up-7", "spare");
    record_add(r, RECORD_trace, "why", "because");
    record_add(r, RECORD_fault, "error", "m", "p.lua:1", "tb", "default_route");
    end(r, "plus-1", 0.000123, "curl/8");
}

/* How each entry of add_every_kind begins and goes on. */
static const char *const entries[][2] = {
    {"begin", "\"id\":\"req-1\",\"ts_us\":1767225600123456,\"client\":\"web\","
              "\"op\":\"chat\",\"model\":\"chat\",\"stream\":true,"
              "\"policy\":\"plain\",\"revision\":\"a1b2c3\",\"seed\":42,"
              "\"body_bytes\":321,\"traceparent\":\"00-0af7651916cd43dd8448eb21"
              "1c80319c-b7ad6b7169203331-01\"}"},
    {"step", "\"at_us\":5,\"event\":\"begin\",\"attempt\":0,\"wall_us\":7}"},
    {"event", "\"name\":\"stream\",\"value\":\"true\"}"},
    {"read", "\"path\":\"messages[1].content\",\"value\":\"hi\","
             "\"digest\":\"abcd\"}"},
    {"host", "\"name\":\"state\",\"args\":\"a/x\",\"result\":\"ok\"}"},
    {"number", "\"name\":\"ewma\",\"args\":\"a/x first 30\",\"result\":0.5}"},
    {"draw", "\"value\":0.25}"},
    {"pass", "\"target\":\"a/x\",\"reason\":\"saturated\",\"at\":\"p.lua:3\"}"},
    {"op", "\"name\":\"call\",\"id\":1,\"target\":\"a/x\",\"detail\":\"d\"}"},
    {"edit", "\"path\":\"model\",\"by\":\"engine\",\"bytes\":9}"},
    {"attempt", "\"id\":1,\"target\":\"a/x\",\"start_us\":11,\"status\":429,"
                "\"error\":\"provider_rate_limited\",\"detail\":\"slow down\","
                "\"connect_us\":1,\"head_us\":2,\"first_us\":-1,\"total_us\":4,"
                "\"reused\":true,\"upstream_id\":\"up-7\",\"key\":\"spare\"}"},
    {"trace", "\"key\":\"why\",\"value\":\"because\"}"},
    {"fault", "\"message\":\"m\",\"where\":\"p.lua:1\",\"traceback\":\"tb\","
              "\"effect\":\"default_route\"}"},
    {"end", "\"code\":200,\"error\":\"\",\"end\":\"--\",\"attempts\":2,"
            "\"target\":\"qwen/plus\",\"resp_model\":\"plus-1\","
            "\"fallback\":\"provider_overloaded\",\"recv_us\":50,"
            "\"policy_us\":120,\"connect_us\":900,\"first_us\":312500,"
            "\"total_us\":1500000,\"overhead_us\":210,\"in\":10,\"out\":20,"
            "\"cache_read\":-1,\"cache_write\":-1,\"reasoning\":-1,"
            "\"usd\":0.000123,\"bytes_in\":321,\"bytes_out\":4000,"
            "\"ip\":\"127.0.0.1\",\"ua\":\"curl/8\",\"finish\":\"stop\","
            "\"key\":\"spare\"}"},
};

static void every_kind_comes_back_in_its_order(void)
{
    struct record r;
    char *json, *at, kind[40];

    CHECK(sizeof entries / sizeof *entries == RECORD_KINDS);
    record_init(&r);
    add_every_kind(&r);
    at = json = json_of(&r);
    CHECK(strncmp(json, "{\"v\":1,\"entries\":[{", 19) == 0);
    for (size_t i = 0; i < RECORD_KINDS && at; i++) {
        snprintf(kind, sizeof kind, "{\"kind\":\"%s\",", entries[i][0]);
        at = strstr(at, kind);
        CHECK_ROW(i, at != NULL);
        at = at ? strstr(at, entries[i][1]) : NULL;
        CHECK_ROW(i, at != NULL);
    }
    CHECK(has(json, "}],\"dropped\":0}"));
    free(json);
    record_free(&r);
}

/* A reader that keeps one value a name must see the entry's kind. */
static void an_entry_names_nothing_twice(void)
{
    struct record r;
    char *json, *at, *next, *name, key[40];

    record_init(&r);
    add_every_kind(&r);
    json = json_of(&r);
    for (at = strstr(json, "{\"kind\""); at; at = next) {
        next = strstr(at + 1, "{\"kind\"");
        if (next)
            next[-1] = '\0';
        for (name = at; (name = strstr(name, "\":")); name++) {
            char *quote = name;

            while (quote[-1] != '"')
                quote--;
            snprintf(key, sizeof key, "\"%.*s\":", (int)(name - quote), quote);
            CHECK_ROW(__LINE__, count_of(at, key) == 1);
            if (count_of(at, key) != 1)
                fprintf(stderr, "%s in %s\n", key, at);
        }
    }
    free(json);
    record_free(&r);
}

static void an_empty_record_is_valid_and_has_no_line(void)
{
    struct record r;
    char *json, *line, id[8] = "junk";
    struct record_blob *b;

    record_init(&r);
    json = json_of(&r);
    CHECK(strcmp(json, "{\"v\":1,\"entries\":[],\"dropped\":0}") == 0);
    line = line_of(&r);
    CHECK(line[0] == '\0');
    b = record_seal(&r);
    record_id(b, id, sizeof id);
    CHECK(id[0] == '\0');
    free(b);
    free(json);
    free(line);
    record_free(&r);
}

/* -- texts and numbers ------------------------------------------------------ */

static void a_text_is_cut_and_null_is_empty(void)
{
    char text[RECORD_TEXT + 100], kept[RECORD_TEXT + 3];
    struct record r;
    char *json;

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    snprintf(kept, sizeof kept, "\"%.*s\"", RECORD_TEXT, text);
    record_init(&r);
    record_add(&r, RECORD_trace, NULL, text);
    json = json_of(&r);
    CHECK(has(json, "\"key\":\"\",\"value\":\"x"));
    CHECK(has(json, kept));
    CHECK(count_of(json, "x") == RECORD_TEXT);
    free(json);
    record_free(&r);
}

static void texts_of_any_bytes_stay_valid_json(void)
{
    static const char *const texts[] = {
        "\"quoted\" \\ back", "line\nbreak\r\ttab", "\x01\x1F\x7F", "\xFF\xFE",
        "\xE2\x82\xAC", "cut \xE2\x82", "</script>", "%s%n%d",
    };
    char long_text[2 * RECORD_TEXT];
    struct json_fault fault;
    struct record r;

    for (size_t i = 0; i < RECORD_TEXT + 10; i += 3)    /* cut inside a letter */
        memcpy(long_text + i, "\xE2\x82\xAC", 4);
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        const char *t = i < sizeof texts / sizeof *texts ? texts[i] : long_text;
        char *json, *line;

        record_init(&r);
        begin(&r, t, t, "plain");
        record_add(&r, RECORD_fault, t, t, t, t, t);
        end(&r, t, 1, t);
        json = json_of(&r);
        line = line_of(&r);
        CHECK_ROW(i, json_check(line, strlen(line), 4, &fault) == 0);
        free(json);
        free(line);
        record_free(&r);
    }
}

static void numbers_without_a_json_form_stay_valid_json(void)
{
    static const double numbers[] = {INFINITY, -INFINITY, NAN, 1e308, -0.0, 5e-324};
    struct json_fault fault;
    struct record r;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *json, *line;

        record_init(&r);
        begin(&r, "id", "chat", "plain");
        record_add(&r, RECORD_number, "ewma", "a/x", numbers[i]);
        record_add(&r, RECORD_draw, numbers[i]);
        end(&r, "m", numbers[i], "ua");
        json = json_of(&r);
        line = line_of(&r);
        CHECK_ROW(i, json_check(line, strlen(line), 4, &fault) == 0);
        free(json);
        free(line);
        record_free(&r);
    }
}

static void integers_keep_all_their_digits(void)
{
    struct record r;
    char *json;

    record_init(&r);
    record_add(&r, RECORD_step, INT64_MAX, "x", INT64_MIN, I(0));
    json = json_of(&r);
    CHECK(has(json, "\"at_us\":9223372036854775807"));
    CHECK(has(json, "\"attempt\":-9223372036854775808"));
    free(json);
    record_free(&r);
}

/* -- bounds ---------------------------------------------------------------- */

static void at_the_ceiling_entries_are_counted_and_the_end_still_fits(void)
{
    char text[RECORD_TEXT + 1];
    struct json_fault fault;
    struct record r;
    char *json, *line, dropped[40];

    memset(text, 'y', sizeof text);
    for (size_t n = 0; n < sizeof text; n += 173) {
        text[n] = '\0';
        record_init(&r);
        begin(&r, "req-9", "chat", "plain");
        for (int i = 0; i < 5000; i++)
            record_add(&r, RECORD_trace, "k", text);
        CHECK_ROW(n, r.dropped > 0 && r.bytes.len <= CEIL_RECORD_BYTES);
        /* An entry that is smaller than what is free behind may not creep in. */
        for (int i = 0; i < 5000; i++)
            record_add(&r, RECORD_draw, 0.5);
        snprintf(dropped, sizeof dropped, "\"dropped\":%u}", r.dropped);
        record_add(&r, RECORD_end, I(200), "provider_timeout_first_token", "--",
                   I(2), text, text, "provider_timeout_first_token", I(1), I(1),
                   I(1), I(1), I(1), I(1), I(1), I(1), I(1), I(1), I(1), 1.0, I(1),
                   I(1), "127.0.0.1", "a user agent of some length/1.0", "stop",
                   "spare");
        CHECK_ROW(n, r.bytes.len <= CEIL_RECORD_BYTES);
        json = json_of(&r);
        line = line_of(&r);
        CHECK_ROW(n, has(json, dropped));
        CHECK_ROW(n, has(line, "\"id\":\"req-9\""));
        CHECK_ROW(n, json_check(line, strlen(line), 4, &fault) == 0);
        free(json);
        free(line);
        record_free(&r);
        text[n] = 'y';
    }
}

static void a_record_may_be_used_again(void)
{
    struct record r;
    char *json;

    record_init(&r);
    for (int i = 0; i < 2000; i++)
        record_add(&r, RECORD_trace, "key", "a value of some length");
    CHECK(r.dropped > 0);
    record_reset(&r);
    CHECK(r.dropped == 0 && r.bytes.len == 0);
    CHECK(r.bytes.size <= 8 * KIB);
    record_add(&r, RECORD_trace, "k", "new");
    json = json_of(&r);
    CHECK(has(json, "\"new\"") && !has(json, "some length"));
    free(json);
    record_free(&r);
}

static void a_sealed_record_does_not_change_with_the_record(void)
{
    struct record_blob *b;
    struct record r;
    struct buf out;

    record_init(&r);
    record_add(&r, RECORD_trace, "k", "first");
    b = record_seal(&r);
    record_reset(&r);
    record_add(&r, RECORD_trace, "k", "other");
    record_free(&r);
    buf_init(&out, MIB);
    CHECK(record_json(b, &out) == 0 && b->next == NULL);
    CHECK(memmem(out.data, out.len, "first", 5));
    buf_free(&out);
    free(b);
}

static void rendering_that_does_not_fit_says_so(void)
{
    struct record_blob *b;
    struct record r;
    struct buf out;
    size_t whole;

    record_init(&r);
    add_every_kind(&r);
    b = record_seal(&r);
    buf_init(&out, 64 * KIB);
    CHECK(record_line(b, &out) == 0);
    whole = out.len;
    buf_free(&out);
    for (size_t ceiling = 0; ceiling < whole; ceiling++) {
        buf_init(&out, ceiling);
        CHECK_ROW(ceiling, record_json(b, &out) == -1);
        buf_free(&out);
        buf_init(&out, ceiling);
        CHECK_ROW(ceiling, record_line(b, &out) == -1);
        buf_free(&out);
    }
    free(b);
    record_free(&r);
}

/* -- the line -------------------------------------------------------------- */

static void the_line_is_as_documented(void)
{
    static const char wanted[] =
        "{\"ts\":\"2026-01-01T00:00:00.123Z\",\"level\":\"info\","
        "\"msg\":\"request\",\"v\":1,\"id\":\"req-1\","
        "\"trace\":\"0af7651916cd43dd8448eb211c80319c\",\"client\":\"web\","
        "\"op\":\"chat\",\"stream\":true,\"model\":\"chat\","
        "\"target\":\"qwen/plus\",\"key\":\"spare\",\"resp_model\":\"plus-1\",\"code\":200,"
        "\"error_type\":\"\",\"end\":\"--\",\"attempts\":2,"
        "\"fallback\":\"provider_overloaded\",\"policy\":\"plain@a1b2c3\","
        "\"finish\":\"stop\",\"t\":{\"recv\":0.050,\"policy\":0.120,"
        "\"connect\":0.900,\"first\":312.500,\"total\":1500.000,"
        "\"overhead\":0.210},\"tok\":{\"in\":10,\"out\":20},\"usd\":0.000123,"
        "\"bytes\":{\"in\":321,\"out\":4000},\"ip\":\"127.0.0.1\","
        "\"ua\":\"curl/8\"}\n";
    struct record r;
    char *line;

    record_init(&r);
    add_every_kind(&r);
    line = line_of(&r);
    CHECK(strcmp(line, wanted) == 0);
    if (strcmp(line, wanted) != 0)
        fprintf(stderr, "%s%s", line, wanted);
    free(line);
    record_free(&r);
}

static void what_is_not_known_is_left_out_of_the_line(void)
{
    struct json_fault fault;
    struct record r;
    char *line;

    record_init(&r);
    record_add(&r, RECORD_begin, "i", I(0), "", "chat", "m", 0, "p", "r", I(1), I(2),
               "short");
    record_add(&r, RECORD_end, I(499), "caller_cancelled", "CC", I(0), "", "", "",
               I(-1), I(-1), I(-1), I(-1), I(-1), I(-1), I(-1), I(-1), I(-1), I(-1),
               I(-1), -1.0, I(0), I(0), "", "", "", "");
    line = line_of(&r);
    CHECK(json_check(line, strlen(line), 4, &fault) == 0);
    CHECK(has(line, "\"t\":{},\"tok\":{}"));
    CHECK(!has(line, "\"usd\"") && !has(line, "\"trace\""));
    CHECK(!has(line, "\"fallback\"") && !has(line, "\"finish\""));
    CHECK(has(line, "\"ts\":\"1970-01-01T00:00:00.000Z\""));
    free(line);
    record_free(&r);
}

static void without_its_end_or_its_begin_there_is_no_line(void)
{
    struct record r;
    char *line;

    record_init(&r);
    begin(&r, "id", "m", "p");
    line = line_of(&r);
    CHECK(line[0] == '\0');
    free(line);
    record_reset(&r);
    end(&r, "m", 1, "ua");
    line = line_of(&r);
    CHECK(line[0] == '\0');
    free(line);
    record_free(&r);
}

static void the_id_is_found_and_cut_to_its_room(void)
{
    static const struct {
        size_t size;
        const char *id;
    } rows[] = {{1, ""}, {2, "r"}, {6, "req-1"}, {7, "req-12"}, {64, "req-12"}};
    struct record_blob *b;
    struct record r;
    char id[64];

    record_init(&r);
    record_add(&r, RECORD_trace, "k", "before the begin");
    begin(&r, "req-12", "m", "p");
    b = record_seal(&r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(id, '#', sizeof id);
        record_id(b, id, rows[i].size);
        CHECK_ROW(i, strcmp(id, rows[i].id) == 0);
        CHECK_ROW(i, rows[i].size == sizeof id || id[rows[i].size] == '#');
    }
    free(b);
    record_free(&r);
}

int main(void)
{
    RUN(every_kind_comes_back_in_its_order);
    RUN(an_entry_names_nothing_twice);
    RUN(an_empty_record_is_valid_and_has_no_line);
    RUN(a_text_is_cut_and_null_is_empty);
    RUN(texts_of_any_bytes_stay_valid_json);
    RUN(numbers_without_a_json_form_stay_valid_json);
    RUN(integers_keep_all_their_digits);
    RUN(at_the_ceiling_entries_are_counted_and_the_end_still_fits);
    RUN(a_record_may_be_used_again);
    RUN(a_sealed_record_does_not_change_with_the_record);
    RUN(rendering_that_does_not_fit_says_so);
    RUN(the_line_is_as_documented);
    RUN(what_is_not_known_is_left_out_of_the_line);
    RUN(without_its_end_or_its_begin_there_is_no_line);
    RUN(the_id_is_found_and_cut_to_its_room);
    return test_end();
}
