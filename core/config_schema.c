/* SPDX-License-Identifier: Apache-2.0
 *
 * config_schema: every key of a configuration, once: its type, its range, where
 * it goes. Checks, suggestions, config_show and config_start_only read these
 * tables.
 */
#include "config_impl.h"

#include <assert.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

#define HOUR 3600.0
#define DAY 86400.0
#define GIB (1024.0 * MIB)
#define MANY 1e9

static const struct config_key listen_keys[] = {
    {.name = "address", .type = KEY_TEXT, .env = true,
     .offset = offsetof(struct listen_draft, address)},
    {.name = "half_close", .type = KEY_CHOICE, .choices = "leaves|answer",
     .offset = offsetof(struct listen_draft, half_close)},
};

static const struct config_key admin_keys[] = {
    {.name = "address", .type = KEY_TEXT, .env = true,
     .offset = offsetof(struct listen_draft, address)},
    {.name = "key", .type = KEY_SECRET,
     .offset = offsetof(struct listen_draft, key)},
};

#define CLIENT(field) offsetof(struct client_draft, client.field)

static const struct config_key client_keys[] = {
    {.name = "name", .type = KEY_TEXT, .offset = CLIENT(name)},
    {.name = "key", .type = KEY_OTHER, .set = config_set_client_key},
    {.name = "tags", .type = KEY_OTHER, .set = config_set_client_tags},
    {.name = "max_in_flight", .type = KEY_COUNT, .max = MANY,
     .offset = CLIENT(max_in_flight)},
};

#define PROVIDER(field) offsetof(struct provider_draft, provider.field)

static const struct config_key provider_keys[] = {
    {.name = "base", .type = KEY_TEXT, .env = true, .offset = PROVIDER(base)},
    {.name = "key", .type = KEY_OTHER, .set = config_set_key},
    {.name = "keys", .type = KEY_OTHER, .set = config_set_keys},
    {.name = "dialect", .type = KEY_TEXT, .offset = PROVIDER(dialect)},
    {.name = "api", .type = KEY_TEXT,
     .offset = offsetof(struct provider_draft, api)},
    {.name = "native", .type = KEY_OTHER, .set = config_set_native},
    {.name = "headers", .type = KEY_OTHER, .set = config_set_headers},
    {.name = "path", .type = KEY_TEXT, .offset = PROVIDER(path)},
    {.name = "query", .type = KEY_OTHER, .set = config_set_query},
    {.name = "auth", .type = KEY_CHOICE,
     .choices = "|bearer|x-api-key|api-key|none|x-goog-api-key",
     .offset = offsetof(struct provider_draft, auth)},
    {.name = "proxy", .type = KEY_TEXT, .env = true, .offset = PROVIDER(proxy)},
    {.name = "ca_file", .type = KEY_TEXT, .env = true,
     .offset = PROVIDER(ca_file)},
    {.name = "usage", .type = KEY_CHOICE, .choices = "|ask|comes|none",
     .offset = offsetof(struct provider_draft, usage)},
    {.name = "mock", .type = KEY_CHOICE, .choices = "never|without_key|always",
     .offset = PROVIDER(mock)},
    {.name = "price", .type = KEY_OTHER, .set = config_set_provider_price},
    {.name = "price_factor", .type = KEY_NUMBER, .max = 1000,
     .offset = PROVIDER(price_factor)},
    {.name = "catalog", .type = KEY_TEXT, .offset = PROVIDER(catalog)},
};
static_assert(MOCK_WITHOUT_KEY == 1 && MOCK_ALWAYS == 2, "choices of mock");
static_assert(AUTH_X_API_KEY == 1 && AUTH_API_KEY == 2 && AUTH_NONE == 3 &&
              AUTH_X_GOOG == 4,
              "choices of auth");
static_assert(USAGE_COMES == 1 && USAGE_NONE == 2, "choices of usage");

static const struct config_key service_keys[] = {
    {.name = "base", .type = KEY_TEXT, .env = true, .offset = PROVIDER(base)},
    {.name = "key", .type = KEY_OTHER, .set = config_set_key},
    {.name = "headers", .type = KEY_OTHER, .set = config_set_headers},
    {.name = "path", .type = KEY_TEXT, .offset = PROVIDER(path)},
    {.name = "query", .type = KEY_OTHER, .set = config_set_query},
    {.name = "auth", .type = KEY_CHOICE,
     .choices = "|bearer|x-api-key|api-key|none|x-goog-api-key",
     .offset = offsetof(struct provider_draft, auth)},
    {.name = "proxy", .type = KEY_TEXT, .env = true, .offset = PROVIDER(proxy)},
    {.name = "ca_file", .type = KEY_TEXT, .env = true,
     .offset = PROVIDER(ca_file)},
    {.name = "timeout", .type = KEY_SECONDS, .min = 0.001, .max = HOUR,
     .offset = PROVIDER(timeout)},
    {.name = "mock", .type = KEY_CHOICE, .choices = "never|without_key|always",
     .offset = PROVIDER(mock)},
};

#define TARGET(field) offsetof(struct target, field)

static const struct config_key target_keys[] = {
    {.name = "weight", .type = KEY_NUMBER, .max = 1e6,
     .offset = TARGET(weight)},
    {.name = "price", .type = KEY_OTHER, .set = config_set_price},
    {.name = "catalog", .type = KEY_TEXT, .offset = TARGET(catalog)},
    {.name = "context", .type = KEY_COUNT, .min = 1, .max = MANY,
     .offset = TARGET(context)},
    {.name = "max_output", .type = KEY_COUNT, .min = 1, .max = MANY,
     .offset = TARGET(max_output)},
    {.name = "priority", .type = KEY_COUNT, .min = 1, .max = MANY,
     .offset = TARGET(priority)},
    {.name = "max_in_flight", .type = KEY_COUNT, .max = MANY,
     .offset = TARGET(max_in_flight)},
    {.name = "rpm", .type = KEY_NUMBER, .max = 1e9, .offset = TARGET(rpm)},
    {.name = "tags", .type = KEY_OTHER, .set = config_set_target_tags},
    {.name = "caps", .type = KEY_OTHER, .set = config_set_caps},
    {.name = "unsupported", .type = KEY_CHOICE, .choices = "map|drop|refuse",
     .offset = TARGET(unsupported)},
    {.name = "stream", .type = KEY_CHOICE, .choices = "auto|both|only|never",
     .offset = TARGET(stream)},
    {.name = "max_tokens", .type = KEY_CHOICE, .choices = "clamp|refuse|skip",
     .offset = TARGET(max_tokens)},
    {.name = "region", .type = KEY_TEXT, .env = true, .offset = TARGET(region)},
};
static_assert(UNSUPPORTED_DROP == 1 && UNSUPPORTED_REFUSE == 2,
              "choices of unsupported");
static_assert(STREAM_BOTH == 1 && STREAM_ONLY == 2 && STREAM_NEVER == 3,
              "choices of stream");
static_assert(LIMIT_REFUSE == 1 && LIMIT_SKIP == 2, "choices of max_tokens");

#define MODEL(field) offsetof(struct model_draft, model.field)

static const struct config_key model_keys[] = {
    {.name = "targets", .type = KEY_OTHER, .set = config_set_targets},
    {.name = "policy", .type = KEY_TEXT, .offset = MODEL(policy)},
    {.name = "knobs", .type = KEY_OTHER, .set = config_set_knobs},
    {.name = "default_route", .type = KEY_OTHER, .set = config_set_route},
    {.name = "max_attempts", .type = KEY_COUNT, .min = 1, .max = 100,
     .offset = MODEL(max_attempts)},
    {.name = "early_headers", .type = KEY_SECONDS, .max = HOUR,
     .offset = MODEL(early_headers)},
    {.name = "total", .type = KEY_SECONDS, .min = 0.001, .max = DAY,
     .offset = MODEL(total)},
    {.name = "resume", .type = KEY_SWITCH, .offset = MODEL(resume)},
    {.name = "on_failure", .type = KEY_CHOICE, .choices = "default_route|refuse",
     .offset = MODEL(on_failure)},
};

static_assert(FAILURE_REFUSE == 1, "choices of on_failure");

#define SETTING(field) \
    #field, .path = "settings." #field,    \
    .offset = offsetof(struct settings, field)

static const struct config_key settings_keys[] = {
    {.name = SETTING(workers), .type = KEY_COUNT, .max = 256, .start = true},
    {.name = SETTING(memory_max), .type = KEY_BYTES, .min = MIB,
     .max = 1024 * GIB, .start = true},
    {.name = SETTING(body_max), .type = KEY_BYTES, .min = KIB, .max = GIB,
     .start = true},
    {.name = SETTING(answer_max), .type = KEY_BYTES, .min = KIB, .max = GIB},
    {.name = SETTING(head_max), .type = KEY_BYTES, .min = KIB, .max = MIB,
     .start = true},
    {.name = SETTING(max_in_flight), .type = KEY_COUNT, .max = MANY},
    {.name = SETTING(max_connections), .type = KEY_COUNT, .min = 1, .max = MANY,
     .start = true},
    {.name = SETTING(header_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = HOUR},
    {.name = SETTING(body_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = HOUR},
    {.name = SETTING(keepalive_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = HOUR},
    {.name = SETTING(write_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = HOUR},
    {.name = SETTING(drain_timeout), .type = KEY_SECONDS, .max = DAY},
    {.name = SETTING(keepalive_comment), .type = KEY_SECONDS, .max = HOUR},
    {.name = SETTING(connect_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = HOUR},
    {.name = SETTING(first_token_timeout), .type = KEY_SECONDS, .max = HOUR},
    {.name = SETTING(idle_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = HOUR},
    {.name = SETTING(total_timeout), .type = KEY_SECONDS, .min = 0.001,
     .max = DAY},
    {.name = SETTING(step_limit), .type = KEY_SECONDS, .min = 0.001, .max = 10},
    {.name = SETTING(lua_state_max), .type = KEY_BYTES, .min = MIB,
     .max = 64 * GIB, .start = true},
    {.name = SETTING(lua_request_max), .type = KEY_BYTES, .min = 64 * KIB,
     .max = GIB},
    {.name = SETTING(list_targets), .type = KEY_SWITCH},
    {.name = SETTING(watch), .type = KEY_SWITCH},
    {.name = SETTING(catalog), .type = KEY_TEXT},
    {.name = SETTING(log), .type = KEY_TEXT, .env = true, .start = true},
    {.name = SETTING(log_level), .type = KEY_TEXT, .env = true},
};

const struct config_schema config_schemas[SECTIONS] = {
    [SECTION_LISTEN] = {listen_keys, LENGTH(listen_keys), true},
    [SECTION_ADMIN] = {admin_keys, LENGTH(admin_keys), true},
    [SECTION_CLIENT] = {client_keys, LENGTH(client_keys), false},
    [SECTION_PROVIDER] = {provider_keys, LENGTH(provider_keys), false},
    [SECTION_SERVICE] = {service_keys, LENGTH(service_keys), false},
    [SECTION_TARGET] = {target_keys, LENGTH(target_keys), false},
    [SECTION_MODEL] = {model_keys, LENGTH(model_keys), true},
    [SECTION_SETTINGS] = {settings_keys, LENGTH(settings_keys), false},
};

void config_settings_default(struct settings *s)
{
    *s = (struct settings){
        .memory_max = 512 * (size_t)MIB,
        .body_max = CEIL_BODY_BYTES,
        .answer_max = CEIL_ANSWER_BYTES,
        .head_max = CEIL_HEAD_BYTES,
        .max_connections = 10000,
        .header_timeout = 10 * US_PER_S,
        .body_timeout = 30 * US_PER_S,
        .keepalive_timeout = 60 * US_PER_S,
        .write_timeout = 60 * US_PER_S,
        .drain_timeout = 30 * US_PER_S,
        .keepalive_comment = 15 * US_PER_S,
        .connect_timeout = 5 * US_PER_S,
        .idle_timeout = 60 * US_PER_S,
        .total_timeout = 600 * US_PER_S,
        .step_limit = CEIL_STEP_US,
        .lua_state_max = CEIL_STATE_LUA_BYTES,
        .lua_request_max = CEIL_REQUEST_LUA_BYTES,
    };
}
