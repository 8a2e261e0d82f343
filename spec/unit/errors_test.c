/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of errors: the table against the vocabulary as it is documented. The
 * second list here is on purpose a second one: what clients were promised.
 */
#include "errors.h"
#include "test.h"

#include <stdbool.h>

#define NO 0
#define RETRY 1
#define FALLBACK 2

/* May the client's SDK come again; may another target be tried. */
static const struct {
    const char *name;
    int status;
    int may;
} promised[] = {
    {"caller_invalid_request", 400, NO},
    {"caller_unauthenticated", 401, NO},
    {"caller_unknown_model", 404, NO},
    {"caller_too_large", 413, NO},
    {"caller_cancelled", 499, NO},
    {"caller_timeout", 408, NO},
    {"policy_denied", 403, NO},
    {"policy_rate_limited", 429, RETRY},
    {"policy_budget_exceeded", 429, NO},
    {"policy_error", 500, FALLBACK},
    {"policy_timeout", 500, FALLBACK},
    {"policy_bad_result", 500, FALLBACK},
    {"policy_attempts_exhausted", 503, NO},
    {"policy_no_route", 503, RETRY | FALLBACK},
    {"provider_auth", 502, FALLBACK},
    {"provider_billing", 502, FALLBACK},
    {"provider_rate_limited", 429, RETRY | FALLBACK},
    {"provider_overloaded", 503, RETRY | FALLBACK},
    {"provider_invalid_request", 400, NO},
    {"provider_model_gone", 404, FALLBACK},
    {"provider_content_filtered", 400, FALLBACK},
    {"provider_server_error", 502, RETRY | FALLBACK},
    {"provider_connect", 502, RETRY | FALLBACK},
    {"provider_timeout_connect", 504, RETRY | FALLBACK},
    {"provider_timeout_first_token", 504, FALLBACK},
    {"provider_timeout_idle", 504, FALLBACK},
    {"provider_timeout_total", 504, FALLBACK},
    {"provider_slow", 504, FALLBACK},
    {"provider_dns", 502, RETRY | FALLBACK},
    {"provider_tls", 502, FALLBACK},
    {"provider_context_too_long", 400, FALLBACK},
    {"provider_quota_exhausted", 429, FALLBACK},
    {"provider_cut_stream", 502, RETRY | FALLBACK},
    {"provider_bad_response", 502, RETRY | FALLBACK},
    {"gateway_shed", 503, RETRY},
    {"gateway_draining", 503, RETRY},
    {"gateway_oom", 503, RETRY},
    {"gateway_internal", 500, NO},
    {"_other", 500, NO},
};
#define PROMISED (sizeof promised / sizeof *promised)

static void every_error_is_as_promised(void)
{
    CHECK(PROMISED == ERROR_COUNT - 1);
    for (size_t i = 0; i < PROMISED; i++) {
        enum error_type e = errors_find(promised[i].name,
                                        strlen(promised[i].name));
        const struct error_row *row = errors_row(e);

        CHECK_ROW(i, strcmp(row->name, promised[i].name) == 0);
        CHECK_ROW(i, row->status == promised[i].status);
        CHECK_ROW(i, row->retry == ((promised[i].may & RETRY) != 0));
        CHECK_ROW(i, row->fallback == ((promised[i].may & FALLBACK) != 0));
    }
}

static bool one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* Snake case, so that it may stand in labels and logs unquoted. */
static bool is_word(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz_") == strlen(text);
}

static void every_row_has_a_status_a_type_and_a_code(void)
{
    static const char *const types[] = {
        "invalid_request_error", "authentication_error", "permission_error",
        "rate_limit_error", "insufficient_quota", "server_error", NULL};

    for (int e = ERROR_none + 1; e < ERROR_COUNT; e++) {
        const struct error_row *row = errors_row((enum error_type)e);

        CHECK_ROW(e, row->status >= 400 && row->status <= 599);
        CHECK_ROW(e, one_of(row->type, types));
        CHECK_ROW(e, is_word(row->code));
        CHECK_ROW(e, is_word(row->name));
        CHECK_ROW(e, (row->status >= 500) == !strcmp(row->type, "server_error"));
    }
}

static void names_are_unique_and_found(void)
{
    for (int e = ERROR_none + 1; e < ERROR_COUNT; e++) {
        const char *name = errors_row((enum error_type)e)->name;

        for (int other = e + 1; other < ERROR_COUNT; other++)
            CHECK_ROW(e, strcmp(name,
                                errors_row((enum error_type)other)->name) != 0);
        CHECK_ROW(e, (int)errors_find(name, strlen(name)) == e);
    }
}

static void only_the_whole_name_is_found(void)
{
    static const struct {
        int line;
        const char *name;
        size_t len;
        enum error_type found;
    } rows[] = {
        {__LINE__, "provider_auth", 13, ERROR_provider_auth},
        {__LINE__, "provider_authx", 13, ERROR_provider_auth},
        {__LINE__, "provider_authx", 14, ERROR__other},
        {__LINE__, "provider_aut", 12, ERROR__other},
        {__LINE__, "Provider_auth", 13, ERROR__other},
        {__LINE__, "nothing", 7, ERROR__other},
        {__LINE__, "provider_auth\0", 14, ERROR__other},
        {__LINE__, "", 0, ERROR_none},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line,
                  errors_find(rows[i].name, rows[i].len) == rows[i].found);
}

static void no_error_is_status_200_and_has_no_name(void)
{
    const struct error_row *row = errors_row(ERROR_none);

    CHECK(row->status == 200 && !row->name[0] && !row->type[0] && !row->code[0]);
    CHECK(!row->retry && !row->fallback);
}

static void a_number_that_is_no_error_is_other(void)
{
    volatile int past = ERROR_COUNT, wild = 1 << 20;

    CHECK(errors_row((enum error_type)past) == errors_row(ERROR__other));
    CHECK(errors_row((enum error_type)wild) == errors_row(ERROR__other));
}

static void a_callers_own_mistake_is_never_tried_again(void)
{
    for (int e = ERROR_none + 1; e < ERROR_COUNT; e++) {
        const struct error_row *row = errors_row((enum error_type)e);

        if (strncmp(row->name, "caller_", 7) == 0)
            CHECK_ROW(e, !row->retry && !row->fallback && row->status < 500);
        if (strncmp(row->name, "gateway_", 8) == 0)
            CHECK_ROW(e, !row->fallback);
    }
}

int main(void)
{
    RUN(every_error_is_as_promised);
    RUN(every_row_has_a_status_a_type_and_a_code);
    RUN(names_are_unique_and_found);
    RUN(only_the_whole_name_is_found);
    RUN(no_error_is_status_200_and_has_no_name);
    RUN(a_number_that_is_no_error_is_other);
    RUN(a_callers_own_mistake_is_never_tried_again);
    return test_end();
}
