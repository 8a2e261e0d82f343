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
#define FEW 16                  /* values of a container, usually not more */
#define SURE_DIGITS 18          /* no 64 bit integer has fewer and does not fit */

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
        if (buf_addi(out, lua_tointeger(L, index)))
            luaL_error(L, "the value is too large to be written as JSON");
        return;
    }
    d = lua_tonumber(L, index);
    if (!isfinite(d))
        luaL_error(L, "JSON has no %s", d != d ? "nan" : "infinity");
    /* The shortest of the two usual precisions that reads back the same. */
    if (snprintf(text, sizeof text, "%.15g", d) < 0 || strtod(text, NULL) != d)
        snprintf(text, sizeof text, "%.17g", d);
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

/* A member of an object; its key and its value stand on the stack. */
struct member {
    const char *key;
    int value;                  /* index of it */
};

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;

    return strcmp(x->key, y->key);
}

/* Push every key and value of the table; how many there are. */
static int push_members(lua_State *L, int index)
{
    int n = 0;

    for (lua_pushnil(L); lua_next(L, index); n++) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "a table with %s keys cannot be written as JSON; "
                          "expected text keys, or 1..n for an array",
                       luaL_typename(L, -2));
        luaL_checkstack(L, 8, "JSON");
        lua_pushvalue(L, -2);
    }
    return n;
}

/* Those on the stack from ${first} on, in the order of their keys. */
static void sort_members(lua_State *L, struct member *list, int first, int n)
{
    for (int i = 0; i < n; i++) {
        struct member m = {lua_tostring(L, first + 2 * i), first + 2 * i + 1};
        int at = i;

        /* Objects are small, nearly all of them. */
        for (; n <= FEW && at > 0 && by_key(&m, &list[at - 1]) < 0; at--)
            list[at] = list[at - 1];
        list[at] = m;
    }
    if (n > FEW)
        qsort(list, (size_t)n, sizeof *list, by_key);
}

static void write_object(lua_State *L, int index, struct buf *out, int depth)
{
    int first = lua_gettop(L) + 1, n = push_members(L, index);
    struct member few[FEW], *list = few;

    if (n > FEW)
        list = lua_newuserdatauv(L, (size_t)n * sizeof *list, 0);
    sort_members(L, list, first, n);
    add(L, out, "{", 1);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            add(L, out, ",", 1);
        write_string(L, list[i].value - 1, out);
        add(L, out, ":", 1);
        write_value(L, list[i].value, out, depth + 1);
    }
    add(L, out, "}", 1);
    lua_settop(L, first - 1);
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

/* What is left of a text that json_check accepted, so that every value ends
 * where its first byte says. */
struct rest {
    const char *p, *end;
};

static void push_value(lua_State *L, struct rest *r);

static void blanks(struct rest *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' ||
                             *r->p == '\r'))
        r->p++;
}

/* To the next value of a container, over a comma. False: it is closed. */
static bool more(struct rest *r)
{
    blanks(r);
    if (*r->p == ',') {
        r->p++;
        blanks(r);
    }
    if (*r->p != '}' && *r->p != ']')
        return true;
    r->p++;
    return false;
}

static void push_string(lua_State *L, struct rest *r)
{
    const char *from = r->p + 1;
    bool escaped;
    luaL_Buffer b;
    size_t len;

    r->p = json_closing(from, r->end, &escaped) + 1;
    len = (size_t)(r->p - 1 - from);
    if (!escaped) {
        lua_pushlstring(L, from, len);
        return;
    }
    luaL_buffinitsize(L, &b, len);
    luaL_pushresultsize(&b, json_unescape(from, len, luaL_buffaddr(&b)));
}

/* An integer that fits, or the nearest double. */
static void push_number(lua_State *L, struct rest *r)
{
    const char *from = r->p, *digits = from + (*from == '-');
    lua_Integer n = 0;
    char text[64];
    size_t len;

    for (r->p = digits; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        if (r->p - digits < SURE_DIGITS)
            n = n * 10 + (*r->p - '0');
    if (r->p == r->end || !strchr(".eE", *r->p)) {
        len = (size_t)(r->p - from);
        if (r->p - digits <= SURE_DIGITS) {
            lua_pushinteger(L, digits > from ? -n : n);
            return;
        }
        text_copy(text, sizeof text, from, len);
        if (len < sizeof text && lua_stringtonumber(L, text))
            return;
    }
    while (r->p < r->end && *r->p && strchr("0123456789+-.eE", *r->p))
        r->p++;
    lua_pushnumber(L, json_view_number(
                          (struct json_view){from, (size_t)(r->p - from)}, 0));
}

/* The first values of a container wait on the stack behind ${table}: so it is made
 * in its size. */
static void fill_object(lua_State *L, int table, int n)
{
    lua_createtable(L, 0, n);
    lua_replace(L, table);
    for (int i = table + 1; i <= table + 2 * n; i += 2) {
        lua_pushvalue(L, i);
        lua_pushvalue(L, i + 1);
        lua_rawset(L, table);
    }
    lua_settop(L, table);
}

static void push_object(lua_State *L, struct rest *r)
{
    int table, n = 0;

    lua_pushnil(L);
    table = lua_gettop(L);
    for (r->p++; more(r);) {
        push_string(L, r);
        blanks(r);
        r->p++;
        blanks(r);
        push_value(L, r);
        if (++n == FEW)
            fill_object(L, table, n);
        else if (n > FEW)
            lua_rawset(L, table);
    }
    if (n < FEW)
        fill_object(L, table, n);
}

static void fill_array(lua_State *L, int table, int n)
{
    lua_createtable(L, n, 0);
    lua_replace(L, table);
    for (int i = n; i > 0; i--)
        lua_rawseti(L, table, i);
}

static void push_array(lua_State *L, struct rest *r)
{
    int table, n = 0;

    lua_pushnil(L);
    table = lua_gettop(L);
    for (r->p++; more(r);) {
        push_value(L, r);
        if (++n == FEW)
            fill_array(L, table, n);
        else if (n > FEW)
            lua_rawseti(L, table, n);
    }
    if (n < FEW)
        fill_array(L, table, n);
    luaL_setmetatable(L, "leme.array");
}

static void push_value(lua_State *L, struct rest *r)
{
    luaL_checkstack(L, 6, "JSON");
    switch (*r->p) {
    case '{':
        push_object(L, r);
        break;
    case '[':
        push_array(L, r);
        break;
    case '"':
        push_string(L, r);
        break;
    case 't':
        lua_pushboolean(L, 1);
        r->p += 4;
        break;
    case 'f':
        lua_pushboolean(L, 0);
        r->p += 5;
        break;
    case 'n':
        lua_pushlightuserdata(L, NULL);
        r->p += 4;
        break;
    default:
        push_number(L, r);
    }
}

int bind_read_json(lua_State *L, const char *text, size_t len)
{
    struct json_fault fault;
    struct rest r;

    if (len > CEIL_ANSWER_BYTES || json_check(text, len, CEIL_JSON_DEPTH, &fault)) {
        lua_pushfstring(L, "%s at byte %d",
                        len > CEIL_ANSWER_BYTES ? "too long" : fault.message,
                        len > CEIL_ANSWER_BYTES ? 0 : (int)fault.at + 1);
        return -1;
    }
    r = (struct rest){text, text + len};
    blanks(&r);
    push_value(L, &r);
    return 0;
}
