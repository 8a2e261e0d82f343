/* SPDX-License-Identifier: Apache-2.0 */
#include "blame.h"

#include "generation.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS "lua/leme/"

/* ${text} without "${place}: " at its beginning. */
static const char *behind(const char *text, const char *place)
{
    size_t n = strlen(place);

    if (n && strncmp(text, place, n) == 0 && strncmp(text + n, ": ", 2) == 0)
        return text + n + 2;
    return text;
}

/* "policies/x.lua: ..." or "policies/x.lua:12: ...": the bytes before ": ", when
 * they are the name of a Lua file. */
static size_t place_in(const char *message)
{
    const char *lua = strstr(message, ".lua"), *end = strstr(message, ": ");

    if (!lua || !end || end < lua || memchr(message, ' ', (size_t)(end - message)))
        return 0;
    return (size_t)(end - message);
}

static void split(struct blame *out, const char *where, size_t len)
{
    char *colon;

    snprintf(out->file, sizeof out->file, "%.*s", (int)len, where);
    colon = strrchr(out->file, ':');
    if (!colon)
        return;
    out->line = atoi(colon + 1);
    *colon = '\0';
}

void blame_policy(const struct policy_fault *fault, struct blame *out)
{
    const char *message = behind(fault->message, fault->where);
    bool ours = strncmp(fault->where, OURS, sizeof OURS - 1) == 0;
    size_t n;

    memset(out, 0, sizeof *out);
    if (!ours && fault->where[0]) {
        split(out, fault->where, strlen(fault->where));
    } else {
        n = place_in(message);
        split(out, message, n);
        message += n ? n + 2 : 0;
    }
    snprintf(out->message, sizeof out->message, "%s", message);
}
