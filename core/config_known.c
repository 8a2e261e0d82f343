/* SPDX-License-Identifier: Apache-2.0
 *
 * config_known: facts about addresses, and providers whose address needs not be
 * written.
 */
#include "config_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Name, base, dialect: OpenAI's wire format in a vendor's own accent. */
#define LIKE(name, base, dialect) \
    {name, base, dialect, AUTH_BEARER, USAGE_ASK, false, 0}
#define OWN_MACHINE(name, base, dialect) \
    {name, base, dialect, AUTH_BEARER, USAGE_ASK, true, 0}
#define GOOGLE "https://generativelanguage.googleapis.com/v1beta/openai"
#define DASHSCOPE "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"

static const struct config_known known[] = {
    {"openai", "https://api.openai.com/v1", "openai", AUTH_BEARER, USAGE_ASK,
     false, NATIVE_RESPONSES},
    {"anthropic", "https://api.anthropic.com/v1", "anthropic", AUTH_X_API_KEY,
     USAGE_COMES, false, NATIVE_MESSAGES},
    /* The form of OpenAI that it offers beside its own; the native one is
       dialect = "gemini" with its base and auth = "x-goog-api-key". */
    LIKE("google", GOOGLE, "gemini-openai"),
    LIKE("gemini", GOOGLE, "gemini-openai"),
    LIKE("cohere", "https://api.cohere.ai/compatibility/v1", "cohere-openai"),
    /* Keys belong to one region; the others need a base. */
    LIKE("qwen", DASHSCOPE, "qwen"),
    LIKE("dashscope", DASHSCOPE, "qwen"),
    LIKE("deepseek", "https://api.deepseek.com", "deepseek"),
    /* Refuses the option that asks for usage; sends usage anyway. */
    {"mistral", "https://api.mistral.ai/v1", "mistral", AUTH_BEARER,
     USAGE_COMES, false, 0},
    LIKE("openrouter", "https://openrouter.ai/api/v1", "openrouter"),
    LIKE("groq", "https://api.groq.com/openai/v1", "groq"),
    LIKE("xai", "https://api.x.ai/v1", "xai"),
    LIKE("together", "https://api.together.xyz/v1", "together"),
    LIKE("fireworks", "https://api.fireworks.ai/inference/v1", "compatible"),
    LIKE("perplexity", "https://api.perplexity.ai", "perplexity"),
    LIKE("cerebras", "https://api.cerebras.ai/v1", "cerebras"),
    LIKE("moonshot", "https://api.moonshot.ai/v1", "moonshot"),
    LIKE("zai", "https://api.z.ai/api/paas/v4", "zai"),
    LIKE("tokenmix", "https://api.tokenmix.ai/v1", "tokenmix"),
    OWN_MACHINE("ollama", "http://127.0.0.1:11434/v1", "ollama"),
    OWN_MACHINE("vllm", "http://127.0.0.1:8000/v1", "vllm"),
    OWN_MACHINE("llamacpp", "http://127.0.0.1:8080/v1", "llamacpp"),
    OWN_MACHINE("lmstudio", "http://127.0.0.1:1234/v1", "lmstudio"),
    OWN_MACHINE("litellm", "http://127.0.0.1:4000/v1", "litellm"),
    OWN_MACHINE("portkey", "http://127.0.0.1:8787/v1", "portkey"),
};

/* Those of lua/leme/dialect.lua; a spec compares the two lists. */
const char *const config_dialects[] = {
    "openai", "anthropic", "gemini", "google", "vertex", "cohere", "mistral",
    "deepseek", "qwen", "dashscope", "openrouter", "azure", "groq", "xai",
    "together", "perplexity", "cerebras", "moonshot", "zai", "tokenmix",
    "ollama", "vllm", "llamacpp", "lmstudio", "litellm", "portkey",
    "huggingface", "databricks", "snowflake", "crusoe", "gpustack", "avian",
    "vercel-gateway", "gemini-openai", "cohere-openai", "anthropic-compat",
    "compatible", "alibaba", "azure-openai", "generic", "grok", "hf", "kimi",
    "llama.cpp", "lm-studio", "openai-compatible", "zhipu", NULL,
};

const char *const config_natives[] = {"messages", "responses", "gemini", NULL};

unsigned config_dialect_native(const char *dialect)
{
    if (strcmp(dialect, "anthropic") == 0)
        return NATIVE_MESSAGES;
    return strcmp(dialect, "gemini") == 0 || strcmp(dialect, "google") == 0 ||
           strcmp(dialect, "vertex") == 0 ? NATIVE_GEMINI : 0;
}

const struct config_known *config_known(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            return &known[i];
    return NULL;
}

/* --- addresses ------------------------------------------------------------ */

static bool all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool port_ok(const char *text, long least)
{
    return all_digits(text) && strlen(text) <= 5 &&
           strtol(text, NULL, 10) >= least && strtol(text, NULL, 10) <= 65535;
}

static enum config_reach reach_of_host(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcmp(host, "localhost") == 0)
        return REACH_LOCAL;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127 ? REACH_LOCAL : REACH_PUBLIC;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) ? REACH_LOCAL : REACH_PUBLIC;
    return REACH_BAD;
}

/* Split "host:port" or "[v6]:port"; the port may be absent. False: neither. */
static bool split_host(const char *text, size_t len, char *host, size_t size,
                       char port[8])
{
    const char *end = text + len, *from = text, *to, *after;

    if (len && *text == '[') {
        from = text + 1;
        to = memchr(from, ']', len - 1);
        if (!to)
            return false;
        after = to + 1;
        if (!memchr(from, ':', (size_t)(to - from)))
            return false;
    } else {
        to = memchr(text, ':', len);
        to = to ? to : end;
        after = to;
    }
    port[0] = '\0';
    if (after < end &&
        (*after != ':' || end - after < 2 || end - after > 6))
        return false;
    if (after < end)
        snprintf(port, 8, "%.*s", (int)(end - after - 1), after + 1);
    if ((size_t)(to - from) >= size || to == from)
        return false;
    snprintf(host, size, "%.*s", (int)(to - from), from);
    return true;
}

enum config_reach config_address(const char *address)
{
    char host[64], port[8];
    size_t len = strlen(address);

    if (strncmp(address, "unix:", 5) == 0)
        /* sun_path holds 107 bytes and a NUL */
        return len > 5 && len <= 5 + 107 ? REACH_LOCAL : REACH_BAD;
    if (!split_host(address, len, host, sizeof host, port) || !port_ok(port, 0))
        return REACH_BAD;
    return reach_of_host(host);
}

/* --- URLs ----------------------------------------------------------------- */

static bool host_ok(const char *host)
{
    struct in6_addr v6;

    if (strchr(host, ':'))
        return inet_pton(AF_INET6, host, &v6) == 1;
    return host[0] != '.' && host[0] != '-' &&
           host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                             "WXYZ0123456789.-_")] == '\0';
}

static const char *authority_fault(const char *from, size_t len)
{
    char host[256], port[8];

    if (memchr(from, '@', len))
        return "has a user name in it: credentials stand in key";
    if (len == 0 || !split_host(from, len, host, sizeof host, port) ||
        !host_ok(host))
        return "has no host that is a name or an address";
    if (port[0] && !port_ok(port, 1))
        return "has a port outside of 1 to 65535";
    return NULL;
}

static const char *after_scheme(const char *url)
{
    if (strncmp(url, "https://", 8) == 0)
        return url + 8;
    return strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

const char *config_url(char *url)
{
    const char *from = after_scheme(url), *p, *fault;
    size_t len = strlen(url);

    if (!from)
        return "begins with neither https:// nor http://";
    for (p = url; *p; p++)
        if (*p <= 0x20 || *p >= 0x7F || strchr("\"<>\\^`{|}", *p))
            return "holds a byte that no URL has";
    fault = authority_fault(from, strcspn(from, "/?#"));
    if (fault)
        return fault;
    if (strchr(from, '?'))
        return "has a query: it stands in query";
    if (strchr(from, '#'))
        return "has a fragment";
    if (strstr(from, "/../") || (len > 3 && strcmp(url + len - 3, "/..") == 0))
        return "has .. in its path";
    while (len && url[len - 1] == '/')
        url[--len] = '\0';
    return NULL;
}
