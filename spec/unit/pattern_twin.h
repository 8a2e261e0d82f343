/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_twin: asks our patterns and those of Lua's own string library the same
 * questions. For the unit test of patterns and its fuzz target.
 */
#ifndef LEME_PATTERN_TWIN_H
#define LEME_PATTERN_TWIN_H

#include "vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdlib.h>
#include <string.h>

struct twin {
    struct vm *vm;
    lua_State *stock;
    int ours, theirs;       /* stack index of the function that asks */
};

/* All answers about (subject, pattern, replacement) as one string. */
static const char twin_questions[] =
    "local string, pcall, tostring, type = string, pcall, tostring, type\n"
    "local function text(...)\n"
    "  local out = ''\n"
    "  for i = 1, select('#', ...) do\n"
    "    local v = select(i, ...)\n"
    "    out = out .. type(v):sub(1, 1) .. tostring(v) .. '|'\n"
    "  end\n"
    "  return out\n"
    "end\n"
    "local function all(s, p)\n"
    "  local out = ''\n"
    "  for a, b, c in string.gmatch(s, p) do out = out .. text(a, b, c) end\n"
    "  return out\n"
    "end\n"
    "return function(s, p, r)\n"
    "  return text(pcall(string.find, s, p)) .. '\\n'\n"
    "    .. text(pcall(string.find, s, p, -3)) .. '\\n'\n"
    "    .. text(pcall(string.find, s, p, 2, true)) .. '\\n'\n"
    "    .. text(pcall(string.match, s, p)) .. '\\n'\n"
    "    .. text(pcall(string.match, s, p, 3)) .. '\\n'\n"
    "    .. text(pcall(all, s, p)) .. '\\n'\n"
    "    .. text(pcall(string.gsub, s, p, r)) .. '\\n'\n"
    "    .. text(pcall(string.gsub, s, p, r, 1)) .. '\\n'\n"
    "    .. text(pcall(string.gsub, s, p, { a = 'A', b = 1, [' '] = false }))\n"
    "    .. text(pcall(string.gsub, s, p, function(a, b)\n"
    "      if a == 'b' then return nil end\n"
    "      return text(a, b)\n"
    "    end))\n"
    "end\n";

static inline bool twin_new(struct twin *t)
{
    struct vm_limits limits = {16u << 20, 0};
    size_t len = sizeof twin_questions - 1;
    struct vm_fault f;

    t->vm = vm_new(&limits);
    t->stock = luaL_newstate();
    if (!t->vm || !t->stock)
        return false;
    luaL_openlibs(t->stock);
    vm_push_env(t->vm);
    if (vm_load(t->vm, twin_questions, len, "twin.lua", &f) ||
        vm_call(t->vm, 0, 1, &f) ||
        luaL_loadbufferx(t->stock, twin_questions, len, "@twin.lua", "t"))
        return false;
    lua_call(t->stock, 0, 1);
    t->ours = lua_gettop(vm_lua(t->vm));
    t->theirs = lua_gettop(t->stock);
    return true;
}

static inline void twin_free(struct twin *t)
{
    vm_free(t->vm);
    lua_close(t->stock);
}

static inline void twin_push(lua_State *L, int function, const char *s,
                             size_t slen, const char *p, size_t plen,
                             const char *r, size_t rlen)
{
    lua_pushvalue(L, function);
    lua_pushlstring(L, s, slen);
    lua_pushlstring(L, p, plen);
    lua_pushlstring(L, r, rlen);
}

/* Do both answer the same? When not and ${show}, both answers are printed. */
static inline bool twin_agree(struct twin *t, const char *s, size_t slen,
                              const char *p, size_t plen, const char *r,
                              size_t rlen, bool show)
{
    lua_State *L = vm_lua(t->vm);
    struct vm_fault f;
    const char *a, *b;
    size_t alen, blen;
    bool same;

    twin_push(L, t->ours, s, slen, p, plen, r, rlen);
    twin_push(t->stock, t->theirs, s, slen, p, plen, r, rlen);
    if (vm_call(t->vm, 3, 1, &f)) {
        fprintf(stderr, "ours: %s\n", f.message);
        lua_settop(t->stock, t->theirs);
        return false;
    }
    lua_call(t->stock, 3, 1);
    a = lua_tolstring(L, -1, &alen);
    b = lua_tolstring(t->stock, -1, &blen);
    same = alen == blen && !memcmp(a, b, alen);
    if (!same && show)
        fprintf(stderr, "subject '%s' pattern '%s' with '%s'\nours:\n%s\n"
                        "theirs:\n%s\n", s, p, r, a, b);
    lua_settop(L, t->ours);
    lua_settop(t->stock, t->theirs);
    return same;
}

#endif
