/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_where: which line of a policy runs, and by which way it was reached.
 */
#include "vm_impl.h"

#include <stdio.h>
#include <string.h>

#define TRACE_LEVELS 24

/* A level costs as many steps as it is deep: a deep stack would take seconds. */
#define WHERE_LEVELS 200

bool vm_ours(const char *source)
{
    return strncmp(source, "@lua/leme/", 10) == 0;
}

/* Neither this nor vm_trace allocates: they run while memory is refused. */
void vm_where(lua_State *L, int level, char *out, size_t size)
{
    int end = level + WHERE_LEVELS;
    lua_Debug ar;

    for (; level < end && lua_getstack(L, level, &ar); level++) {
        if (!lua_getinfo(L, "Sl", &ar) || ar.currentline < 1 ||
            vm_ours(ar.source))
            continue;
        snprintf(out, size, "%s:%d", ar.source + (*ar.source == '@'),
                 ar.currentline);
        return;
    }
    if (size)
        *out = '\0';
}

static int trace_line(lua_State *of, lua_Debug *ar, char *out, size_t size)
{
    char at[280];

    lua_getinfo(of, "Sln", ar);
    if (ar->currentline > 0)
        snprintf(at, sizeof at, "%s:%d", ar->source + (*ar->source == '@'),
                 ar->currentline);
    else
        snprintf(at, sizeof at, "[C]");
    if (*ar->what == 'm')
        return snprintf(out, size, "%s: in main chunk", at);
    if (ar->name && *ar->namewhat)
        return snprintf(out, size, "%s: in %s '%s'", at, ar->namewhat,
                        ar->name);
    if (*ar->what == 'C')
        return snprintf(out, size, "%s: in a C function", at);
    return snprintf(out, size, "%s: in a function of line %d", at,
                    ar->linedefined);
}

void vm_trace(lua_State *of, int level, char *out, size_t size)
{
    lua_Debug ar;
    size_t used = 0;

    *out = '\0';
    for (int n = 0; lua_getstack(of, level + n, &ar); n++) {
        if (used && used + 1 < size)
            out[used++] = '\n';
        if (n == TRACE_LEVELS) {
            snprintf(out + used, size - used, "...");
            return;
        }
        int length = trace_line(of, &ar, out + used, size - used);
        if (length < 0 || (size_t)length >= size - used)
            return;
        used += (size_t)length;
    }
}
