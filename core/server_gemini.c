/* SPDX-License-Identifier: Apache-2.0
 *
 * What Gemini's clients put into a request line: the model and the verb stand in
 * the path, how to stream and perhaps the key in the query.
 */
#include "server_impl.h"

#include "http1.h"

#include <string.h>

static const struct {
    const char *verb;
    enum route route;
} verbs[] = {
    {"generateContent", ROUTE_GEMINI},
    {"streamGenerateContent", ROUTE_GEMINI},
    {"embedContent", ROUTE_GEMINI_EMBED},
    {"batchEmbedContents", ROUTE_GEMINI_EMBED},
    {"countTokens", ROUTE_COUNT},
};

void server_find_verb(const char *name, size_t len, struct asked *a)
{
    const char *colon = memrchr(name, ':', len);
    size_t n = colon ? (size_t)(name + len - colon) - 1 : 0;

    for (size_t i = 0; n && i < sizeof verbs / sizeof *verbs; i++) {
        if (strlen(verbs[i].verb) != n || memcmp(verbs[i].verb, colon + 1, n) != 0)
            continue;
        a->route = verbs[i].route;
        a->post = true;
        a->gemini = true;
        a->verb = verbs[i].verb;
        a->name = name;
        a->name_len = (size_t)(colon - name);
        return;
    }
}

/* The value of a query's parameter as it stands; NULL: there is none. */
static const char *parameter(const struct conn *c, const char *name, size_t *len)
{
    const struct http1_head *h = conn_head(c);
    const char *at = conn_bytes(c) + h->path.at + h->path.len;
    const char *end = conn_bytes(c) + h->target.at + h->target.len;
    size_t n = strlen(name);

    while (at < end) {
        const char *from = at + 1;      /* behind ? or & */
        const char *next = memchr(from, '&', (size_t)(end - from));

        at = next ? next : end;
        if ((size_t)(at - from) > n && memcmp(from, name, n) == 0 &&
            from[n] == '=') {
            *len = (size_t)(at - from) - n - 1;
            return from + n + 1;
        }
    }
    return NULL;
}

bool server_query_key(const struct conn *c, char *key, size_t size)
{
    size_t len;
    const char *text = parameter(c, "key", &len);

    return text && http1_decode(text, len, key, size);
}

const char *server_verb(const struct conn *c, const struct asked *a)
{
    size_t len;
    const char *alt = parameter(c, "alt", &len);

    if (alt && len == 3 && memcmp(alt, "sse", 3) == 0 &&
        strcmp(a->verb, "streamGenerateContent") == 0)
        return "streamGenerateContent?alt=sse";
    return a->verb;
}
