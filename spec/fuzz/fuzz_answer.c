/* SPDX-License-Identifier: Apache-2.0
 *
 * answer over any bytes. Beside not crashing: the scanner and json_check agree
 * on what is JSON (but for UTF-8, which only the latter looks at); a broken
 * event leaves no trace; an event and a body agree on errors; what
 * was read before does not change what an event is; an error always
 * has a class of the provider's, and its sentence is clean text.
 */
#include "../../core/answer.h"
#include "../../core/buf.h"
#include "../../core/json.h"

#include <stdlib.h>
#include <string.h>

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Blank, [DONE] or a scalar: not for the scanner. */
static bool is_special(const char *text, size_t len)
{
    struct json_view v = json_view(text, len);

    return v.len == 0 || (v.len == 6 && !memcmp(v.at, "[DONE]", 6)) ||
           (*v.at != '{' && *v.at != '[');
}

static void check_scan(const char *text, size_t len)
{
    struct answer a, body, untouched;
    struct json_fault fault;
    enum answer_event kind, whole;
    bool sound = !json_check(text, len, 64, &fault);

    answer_init(&a, ANSWER_CHAT);
    answer_init(&body, ANSWER_CHAT);
    answer_init(&untouched, ANSWER_CHAT);
    kind = answer_event(&a, "", 0, text, len);
    whole = answer_body(&body, text, len);
    if (kind == ANSWER_BROKEN)
        must(!memcmp(&a, &untouched, sizeof a));
    if (is_special(text, len))
        return;
    if (sound)
        must(kind != ANSWER_BROKEN && whole != ANSWER_BROKEN);
    else
        must(whole == ANSWER_BROKEN);
    if (whole != ANSWER_BROKEN) {
        must((whole == ANSWER_ERROR) == (kind == ANSWER_ERROR));
        must(a.error == body.error && !strcmp(a.finish, body.finish));
        must(!memcmp(&a.usage, &body.usage, sizeof a.usage));
    }
    must((kind == ANSWER_ERROR) == (a.error != ERROR_none));
    must((kind == ANSWER_CONTENT) == a.content);
}

/* With every byte beyond ASCII made a letter, the two readers must agree. */
static void check_ascii(const char *text, size_t len)
{
    struct answer a;
    struct json_fault fault;
    char *ascii = malloc(len + 1);

    must(ascii != NULL);
    for (size_t i = 0; i < len; i++)
        ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : 'x';
    answer_init(&a, ANSWER_CHAT);
    if (!is_special(ascii, len))
        must((answer_event(&a, "", 0, ascii, len) != ANSWER_BROKEN) ==
             !json_check(ascii, len, 64, &fault));
    free(ascii);
}

static void check_error(const char *text, size_t len)
{
    static const int statuses[] = {0, 200, 302, 400, 401, 403, 404, 429, 500,
                                   503};
    char out[64], code[32], param[8];
    size_t n;

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        must(!strncmp(errors_row(answer_classify(statuses[i], text, len))->name,
                      "provider_", 9));
    n = answer_sentence(text, len, out, sizeof out, code, sizeof code, param,
                        sizeof param);
    must(n == strlen(out) && n < sizeof out && strlen(code) < sizeof code &&
         strlen(param) < sizeof param);
    for (size_t i = 0; i < n; i++)
        must((unsigned char)out[i] >= 0x20 && out[i] != 0x7F);
}

/* An event after one that is like it but for a byte is read as if it came first. */
static void check_after(const char *text, size_t len)
{
    char *other = malloc(len + 1);

    must(other != NULL);
    for (size_t at = 0; at < len; at += len / 16 + 1) {
        struct answer fresh, after;
        enum answer_event kind;

        memcpy(other, text, len);
        other[at] = other[at] == 'a' ? '"' : 'a';
        answer_init(&fresh, ANSWER_CHAT);
        answer_init(&after, ANSWER_CHAT);
        kind = answer_event(&fresh, "", 0, other, len);
        answer_event(&after, "", 0, text, len);
        must(answer_event(&after, "", 0, other, len) == kind);
        must(answer_event(&after, "", 0, other, len) == kind);
    }
    free(other);
}

/* What is true in every format. */
static void check_native(enum answer_format format, const char *text, size_t len)
{
    struct answer a, body;
    struct json_fault fault;
    struct buf out;
    bool sound = !json_check(text, len, 64, &fault);
    enum answer_event kind;

    answer_init(&a, format);
    answer_init(&body, format);
    kind = answer_event(&a, "", 0, text, len);
    if (!sound)
        must(kind == ANSWER_BROKEN || kind == ANSWER_QUIET);
    must((kind == ANSWER_ERROR) == (a.error != ERROR_none));
    must(kind != ANSWER_CONTENT || a.content);
    kind = answer_body(&body, text, len);
    must(sound || kind == ANSWER_BROKEN);
    must(strlen(a.finish) < sizeof a.finish && strlen(a.model) < sizeof a.model);
    buf_init(&out, 1 << 20);
    must(answer_text(format, text, len, &out) == 0 || len > 1 << 18);
    buf_free(&out);
}

static void check_text(const char *text, size_t len)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    must(answer_text(ANSWER_CHAT, text, len, &out) == 0 || len > 1 << 18);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    check_scan(text, size);
    check_ascii(text, size);
    check_error(text, size);
    check_text(text, size);
    check_after(text, size);
    for (unsigned format = ANSWER_CHAT + 1; format < ANSWER_FORMATS; format++)
        check_native(format, text, size);
    return 0;
}
