/* SPDX-License-Identifier: Apache-2.0
 *
 * answer_words: how vendors call their errors, as tables. Only answer_error.c
 * includes it. A row is tried before those below it.
 */
#ifndef LEME_ANSWER_WORDS_H
#define LEME_ANSWER_WORDS_H

#include "errors.h"

#include <stddef.h>

enum {
    CONTEXT = ERROR_provider_context_too_long,
    FILTERED = ERROR_provider_content_filtered,
    BILLING = ERROR_provider_billing,
    QUOTA = ERROR_provider_quota_exhausted,
    MODEL = ERROR_provider_model_gone,
    AUTH = ERROR_provider_auth,
    OVERLOAD = ERROR_provider_overloaded,
    RATE = ERROR_provider_rate_limited,
    TIMEOUT = ERROR_provider_timeout_total,
    INVALID = ERROR_provider_invalid_request,
    SERVER = ERROR_provider_server_error,
    BROKEN = ERROR_provider_bad_response
};

/* Where a row counts. */
enum {
    ON_CALLER = 1,          /* 4xx but for the next two */
    ON_REFUSAL = 2,         /* 401, 402, 403 */
    ON_LIMIT = 4,           /* 429 */
    ON_SERVER = 8,          /* 5xx */
    ON_STREAM = 16,         /* no status: an error inside a 200 */
    ON_BAD = ON_CALLER | ON_SERVER | ON_STREAM,
    ON_ANY = ON_BAD | ON_REFUSAL | ON_LIMIT
};

struct row {
    int type;
    int where;
    const char *any[20];    /* lower case, up to the first NULL */
};

/* Words used as a code, type, status or reason; a star at one end stands for
 * anything. The first row that fits any of them wins. The numbers are Zhipu's.
 */
static const struct row words[] = {
    {INVALID, ON_CALLER, {"thread_*"}},
    {CONTEXT, ON_ANY,
     {"context_length_exceeded", "context_window_exceeded", "too_many_tokens",
      "model_context_window_exceeded", "exceed_context_size_error",
      "too_many_prompt_tokens", "request_too_large", "1261"}},
    {FILTERED, ON_ANY,
     {"content_filter*", "content_policy_violation", "data_inspection_failed",
      "datainspectionfailed", "responsibleaipolicyviolation",
      "*sensitivecontentdetected", "moderation_blocked", "invalid_prompt",
      "1301"}},
    {BILLING, ON_ANY,
     {"billing_*", "arrearage", "insufficient_balance*",
      "insufficient_credits", "payment_required", "accountoverdueerror",
      "1113"}},
    {QUOTA, ON_ANY,
     {"insufficient_quota", "exceeded_current_quota_error", "*freetieronly"}},
    {MODEL, ON_ANY,
     {"model_not_found", "model_not_exist", "model_decommissioned",
      "invalid_model", "unknown_model", "deploymentnotfound", "modelnotfound",
      "modelnotopen", "invalidendpointormodel*", "1211"}},
    {AUTH, ON_ANY,
     {"invalid_api_key", "invalidapikey", "api_key_invalid",
      "invalid_authentication*", "authentication_error",
      "authenticationerror", "unauthenticated", "permission_error",
      "permission_denied", "account_deactivated"}},
    {OVERLOAD, ON_ANY,
     {"overloaded_error", "*overloaded", "engine_overloaded*", "unavailable",
      "unavailable_error", "service_unavailable*", "slow_down",
      "insufficient_system_resource"}},
    {RATE, ON_ANY,
     {"rate_limit*", "ratelimit*", "resource_exhausted", "throttling*",
      "limit_requests", "limit_burst_rate", "too_many_requests*",
      "toomanyrequests*"}},
    {TIMEOUT, ON_ANY,
     {"timeout_error", "deadline_exceeded", "request_timeout",
      "requesttimeout"}},
    /* Too general to overrule a status. */
    {INVALID, ON_STREAM,
     {"invalid_request*", "invalid_argument", "invalid-argument",
      "invalid_parameter*", "invalidparameter*", "failed_precondition",
      "unsupported_*", "tool_use_failed", "badrequest*", "bad_request*"}},
    {MODEL, ON_STREAM, {"not_found*"}},
};

/* Phrases in the message; a star stands for any text. */
static const struct row phrases[] = {
    {CONTEXT, ON_BAD,
     {"maximum context length", "context_length_exceeded",
      "prompt is too long", "prompt too long", "input is too long",
      "input token count*exceed", "input tokens exceed", "too many tokens",
      "exceed*context length", "exceed*context window",
      "exceed*context size", "exceed context limit",
      "context window exceeds", "range of input length",
      "maximum prompt length", "prompt exceeds max length",
      "exceeded model token limit", "`inputs` tokens",
      "length of all messages is too long"}},
    {FILTERED, ON_ANY,
     {"datainspectionfailed", "data_inspection_failed",
      "contain inappropriate content", "content management policy",
      "content filtering policy", "content exists risk",
      "violates usage guidelines", "flagged as potentially violating",
      "requires moderation", "considered high risk"}},
    {BILLING, ON_ANY,
     {"credit balance is too low", "specified api usage limits", "insufficient balance",
      "insufficient credits", "account is in good standing"}},
    {RATE, ON_ANY, {"resource_exhausted", "allocated quota exceeded"}},
    {QUOTA, ON_ANY, {"exceeded your current quota", "insufficient_quota"}},
    {AUTH, ON_BAD,
     {"incorrect api key", "invalid api key", "invalid api-key",
      "invalid x-api-key", "api key not valid", "api key expired",
      "unregistered callers"}},
    {MODEL, ON_CALLER | ON_STREAM,
     {"model not exist", "model not found", "model_not_found",
      "model*does not exist", "not a valid model", "invalid model",
      "unknown model", "has been decommissioned"}},
    {OVERLOAD, ON_SERVER | ON_STREAM | ON_LIMIT, {"overloaded"}},
    {OVERLOAD, ON_SERVER | ON_STREAM,
     {"high demand", "loading model", "insufficient_system_resource"}},
    {RATE, ON_STREAM, {"rate limit", "too many requests"}},
};

#endif
