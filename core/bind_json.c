/* SPDX-License-Identifier: Apache-2.0
 *
 * Lua values to JSON text and back. Written by hand and not by lua-cjson: an
 * array stays an array when it is empty, integers keep all their digits, keys
 * come sorted, and a node view is written as the bytes it stands for.
 */
#include "bind_impl.h"

#include "ceilings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_DEPTH 60

static void write_value(lua_State *L, int index, struct buf *out, int depth);

static void add(lua_State *L, struct buf *out, const char *bytes, size_t n)
{
    if (buf_add(out, bytes, n))
        luaL_error(L, "the value is too large to be written as JSON");
}

static void write_string(lua_State *L, int index, struct buf *out)
{
    size_t len;
    const char *s = lua_tolstring(L, index, &len);

    if (buf_add_json(out, s, len))
        luaL_error(L, "the text is too large to be written as JSON");
}

static void write_number(lua_State *L, int index, struct buf *out)
{
    char text[40];
    double d;

    if (lua_isinteger(L, index)) {
        snprintf(text, sizeof text, "%lld",
                 (long long)lua_tointeger(L, index));
    } else {
        d = lua_tonumber(L, index);
        if (!isfinite(d))
            luaL_error(L, "JSON has no %s", d != d ? "nan" : "infinity");
        snprintf(text, sizeof text, "%.17g", d);
        /* The shortest of the two usual precisions that reads back the same. */
        if (snprintf(text, sizeof text, "%.15g", d) < 0 || strtod(text, NULL) != d)
            snprintf(text, sizeof text, "%.17g", d);
    }
    add(L, out, text, strlen(text));
}

static void write_node(lua_State *L, int index, struct buf *out)
{
    struct plan *plan;
    json_node n = bind_check_node(L, index, &plan);

    if (json_write_node(plan->doc, n, out))
        luaL_error(L, "the value is too large to be written as JSON");
}

static bool marked_array(lua_State *L, int index)
{
    bool yes;

    if (!lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, "leme.array");
    yes = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return yes;
}

/* Is the table at ${index} written as an array? Marked ones are, and those with
 * keys 1..n and nothing else. */
static bool is_array(lua_State *L, int index, lua_Integer *n)
{
    lua_Integer count = 0;

    *n = (lua_Integer)lua_rawlen(L, index);
    if (marked_array(L, index))
        return true;
    if (*n == 0)
        return false;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        count++;
    }
    return count == *n;
}

static void write_array(lua_State *L, int index, lua_Integer n, struct buf *out,
                        int depth)
{
    add(L, out, "[", 1);
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            add(L, out, ",", 1);
        lua_rawgeti(L, index, i);
        write_value(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
    }
    add(L, out, "]", 1);
}

/* Push an array of the table's keys, all strings, sorted. */
static int push_sorted_keys(lua_State *L, int index)
{
    int n = 0;

    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "a table with %s keys cannot be written as JSON; "
                          "expected text keys, or 1..n for an array",
                       luaL_typename(L, -1));
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++n);
    }
    /* Insertion sort: objects of policies are small. */
    for (int i = 2; i <= n; i++) {
        for (int j = i; j > 1; j--) {
            lua_rawgeti(L, -1, j - 1);
            lua_rawgeti(L, -2, j);
            if (strcmp(lua_tostring(L, -2), lua_tostring(L, -1)) <= 0) {
                lua_pop(L, 2);
                break;
            }
            lua_rawseti(L, -3, j - 1);
            lua_rawseti(L, -2, j);
        }
    }
    return n;
}

static void write_object(lua_State *L, int index, struct buf *out, int depth)
{
    int n = push_sorted_keys(L, index);
    int keys = lua_gettop(L);

    add(L, out, "{", 1);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            add(L, out, ",", 1);
        lua_rawgeti(L, keys, i);
        write_string(L, -1, out);
        add(L, out, ":", 1);
        lua_rawget(L, index);
        write_value(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
    }
    add(L, out, "}", 1);
    lua_pop(L, 1);
}

static void write_table(lua_State *L, int index, struct buf *out, int depth)
{
    lua_Integer n;

    luaL_checkstack(L, 8, "JSON");
    if (depth > WRITE_DEPTH)
        luaL_error(L, "a table nested more than %d deep, or a cycle, cannot be "
                      "written as JSON", WRITE_DEPTH);
    if (is_array(L, index, &n))
        write_array(L, index, n, out, depth);
    else
        write_object(L, index, out, depth);
}

static void write_value(lua_State *L, int index, struct buf *out, int depth)
{
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        add(L, out, "null", 4);
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, index))
            add(L, out, "true", 4);
        else
            add(L, out, "false", 5);
        break;
    case LUA_TNUMBER:
        write_number(L, index, out);
        break;
    case LUA_TSTRING:
        write_string(L, index, out);
        break;
    case LUA_TTABLE:
        write_table(L, index, out, depth);
        break;
    case LUA_TLIGHTUSERDATA:
        add(L, out, "null", 4);
        break;
    default:
        if (!luaL_testudata(L, index, NODE_TYPE))
            luaL_error(L, "a %s cannot be written as JSON",
                       luaL_typename(L, index));
        write_node(L, index, out);
    }
}

void bind_write_json(lua_State *L, int index, struct buf *out)
{
    write_value(L, lua_absindex(L, index), out, 0);
}

/* -- reading --------------------------------------------------------------- */

static void push_value(lua_State *L, struct json_view v);

static void push_string(lua_State *L, struct json_view v)
{
    luaL_Buffer b;
    char *at;

    /* All text read here was checked, so without an escape it is what it says. */
    if (!memchr(v.at, '\\', v.len)) {
        lua_pushlstring(L, v.at + 1, v.len - 2);
        return;
    }
    at = luaL_buffinitsize(L, &b, v.len + 1);
    luaL_pushresultsize(&b, json_view_string(v, at, v.len + 1));
}

static void push_number(lua_State *L, struct json_view v)
{
    char text[64];
    size_t i;

    if (v.len < sizeof text) {
        memcpy(text, v.at, v.len);
        text[v.len] = '\0';
        for (i = 0; i < v.len; i++)
            if (strchr(".eE", text[i]))
                break;
        if (i == v.len && lua_stringtonumber(L, text))
            return;
    }
    lua_pushnumber(L, json_view_number(v, 0));
}

static void push_array(lua_State *L, struct json_view v)
{
    struct json_walk w;
    lua_Integer n = 0;

    json_walk_start(&w, v.at, v.len);
    lua_newtable(L);
    while (json_walk_next(&w)) {
        push_value(L, w.value);
        lua_rawseti(L, -2, ++n);
    }
    luaL_setmetatable(L, "leme.array");
}

static void push_object(lua_State *L, struct json_view v)
{
    struct json_walk w;

    json_walk_start(&w, v.at, v.len);
    lua_newtable(L);
    while (json_walk_next(&w)) {
        /* The key with its quotes, which stand around it in the text. */
        push_string(L, (struct json_view){w.key - 1, w.key_len + 2});
        push_value(L, w.value);
        lua_rawset(L, -3);
    }
}

static void push_value(lua_State *L, struct json_view v)
{
    luaL_checkstack(L, 6, "JSON");
    switch (json_view_kind(v)) {
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        lua_pushboolean(L, json_view_kind(v) == JSON_TRUE);
        break;
    case JSON_NUMBER:
        push_number(L, v);
        break;
    case JSON_STRING:
        push_string(L, v);
        break;
    case JSON_ARRAY:
        push_array(L, v);
        break;
    case JSON_OBJECT:
        push_object(L, v);
        break;
    }
}

int bind_read_json(lua_State *L, const char *text, size_t len)
{
    struct json_fault fault;

    if (len > CEIL_ANSWER_BYTES || json_check(text, len, CEIL_JSON_DEPTH, &fault)) {
        lua_pushfstring(L, "%s at byte %d",
                        len > CEIL_ANSWER_BYTES ? "too long" : fault.message,
                        len > CEIL_ANSWER_BYTES ? 0 : (int)fault.at + 1);
        return -1;
    }
    push_value(L, json_view(text, len));
    return 0;
}
