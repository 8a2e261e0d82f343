/* SPDX-License-Identifier: Apache-2.0
 *
 * The table library of policies, and pairs. Lua's own functions where a bound on
 * the arguments is enough; sort is ours because Lua's picks its pivots by the
 * clock, so equal elements would come out differently in a replay.
 */
#include "vm_impl.h"

#include <lualib.h>

#include <string.h>

#define CHECK_EVERY 2000

/* Up to so many keys pairs sorts on the stack, without tables of its own. */
#define FEW_KEYS 32

/* -- bounded ones of Lua's own --------------------------------------------- */

static lua_Integer check_length(lua_State *L)
{
    lua_Integer n;

    if (luaL_getmetafield(L, 1, "__len"))
        lua_pop(L, 1);
    else
        luaL_checktype(L, 1, LUA_TTABLE);
    n = luaL_len(L, 1);
    if (n > VM_ELEMENTS)
        luaL_argerror(L, 1,
                      lua_pushfstring(L, "more than %d elements", VM_ELEMENTS));
    return n;
}

static void check_count(lua_State *L, lua_Integer from, lua_Integer to,
                        lua_Unsigned most)
{
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= most)
        luaL_error(L, "more than %I elements", (LUAI_UACINT)most);
}

/* A list that is not a table, such as an array of a request's body, does it
 * itself. */
static bool delegated(lua_State *L, const char *event)
{
    if (lua_type(L, 1) != LUA_TUSERDATA ||
        luaL_getmetafield(L, 1, event) == LUA_TNIL)
        return false;
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return true;
}

static int table_insert(lua_State *L)
{
    if (delegated(L, "__insert"))
        return lua_gettop(L);
    check_length(L);
    return vm_of(L)->stock.insert(L);
}

static int table_remove(lua_State *L)
{
    if (delegated(L, "__remove"))
        return lua_gettop(L);
    check_length(L);
    return vm_of(L)->stock.remove(L);
}

static int table_move(lua_State *L)
{
    check_count(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3),
                VM_ELEMENTS);
    return vm_of(L)->stock.move(L);
}

static int table_unpack(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 2, 1);
    lua_Integer to = lua_isnoneornil(L, 3) ? luaL_len(L, 1)
                                           : luaL_checkinteger(L, 3);

    check_count(L, from, to, CEIL_LUA_UNPACK);
    return vm_of(L)->stock.spread(L);
}

/* -- concat ---------------------------------------------------------------- */

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i, size_t max)
{
    size_t len;

    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (at index %I) in table for 'concat'",
                   (LUAI_UACINT)i);
    lua_tolstring(L, -1, &len);
    if (luaL_bufflen(b) + len > max)
        luaL_error(L, "result longer than %I bytes", (LUAI_UACINT)max);
    luaL_addvalue(b);
}

static int concat(lua_State *L, size_t max)
{
    size_t len;
    const char *between = luaL_optlstring(L, 2, "", &len);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    lua_Integer last = lua_isnoneornil(L, 4) ? luaL_len(L, 1)
                                             : luaL_checkinteger(L, 4);
    luaL_Buffer b;

    check_count(L, i, last, VM_ELEMENTS);
    vm_monitor_check(L);
    luaL_buffinit(L, &b);
    for (; i <= last; i++) {
        if (i % CHECK_EVERY == 0)
            vm_monitor_check(L);
        add_element(L, &b, i, max);
        if (i == last)
            break;      /* i may be the largest integer */
        if (luaL_bufflen(&b) + len > max)
            luaL_error(L, "result longer than %I bytes", (LUAI_UACINT)max);
        luaL_addlstring(&b, between, len);
    }
    luaL_pushresult(&b);
    return 1;
}

static int table_concat(lua_State *L)
{
    return concat(L, CEIL_LUA_STRING);
}

static int table_concat_body(lua_State *L)
{
    return concat(L, CEIL_BODY_BYTES);
}

/* -- sort ------------------------------------------------------------------ */

/* A stable merge sort between two tables; values by stack index. */
struct sort {
    lua_State *L;
    int order;          /* comparing function, 0: "<" */
    bool keys;          /* compare as pairs does */
    unsigned steps;
    int from, to;       /* the tables */
};

static int key_rank(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNUMBER: return 0;
    case LUA_TSTRING: return 1;
    case LUA_TBOOLEAN: return 2 + lua_toboolean(L, index);
    default: return 4;
    }
}

/* Byte by byte, whatever the locale. */
static bool string_less(lua_State *L, int a, int b)
{
    size_t alen, blen;
    const char *atext = lua_tolstring(L, a, &alen);
    const char *btext = lua_tolstring(L, b, &blen);
    int order = memcmp(atext, btext, alen < blen ? alen : blen);

    return order ? order < 0 : alen < blen;
}

/* Numbers, strings, false, true; the rest has no order and stays as it was. */
static bool key_less(lua_State *L, int a, int b)
{
    int rank_a = key_rank(L, a), rank_b = key_rank(L, b);

    if (rank_a != rank_b || rank_a > 1)
        return rank_a < rank_b;
    return rank_a ? string_less(L, a, b) : lua_compare(L, a, b, LUA_OPLT);
}

/* Is the value on top less than the one below it? */
static bool top_is_less(const struct sort *s)
{
    bool less;

    if (s->keys)
        return key_less(s->L, -1, -2);
    if (!s->order)
        return lua_compare(s->L, -1, -2, LUA_OPLT);
    lua_pushvalue(s->L, s->order);
    lua_pushvalue(s->L, -2);
    lua_pushvalue(s->L, -4);
    lua_call(s->L, 2, 1);
    less = lua_toboolean(s->L, -1);
    lua_pop(s->L, 1);
    return less;
}

/* Merge [low, middle) and [middle, high) of ${from} into ${to}. */
static void merge(struct sort *s, lua_Integer low, lua_Integer middle,
                  lua_Integer high)
{
    lua_State *L = s->L;
    lua_Integer left = low, right = middle;

    for (lua_Integer out = low; out < high; out++) {
        if (++s->steps % CHECK_EVERY == 0)
            vm_monitor_check(L);
        if (left == middle || right == high) {
            lua_rawgeti(L, s->from, left < middle ? left++ : right++);
            lua_rawseti(L, s->to, out);
            continue;
        }
        lua_rawgeti(L, s->from, left);
        lua_rawgeti(L, s->from, right);
        if (top_is_less(s)) {
            lua_rawseti(L, s->to, out);
            lua_pop(L, 1);
            right++;
        } else {
            lua_pop(L, 1);
            lua_rawseti(L, s->to, out);
            left++;
        }
    }
}

static lua_Integer least(lua_Integer a, lua_Integer b)
{
    return a < b ? a : b;
}

/* Sort ${n} elements of ${from}; the result is in ${from} afterwards, which may
 * have become the other table. */
static void sort(struct sort *s, lua_Integer n)
{
    vm_deeper(s->L);
    luaL_checkstack(s->L, 8, "sort");
    for (lua_Integer width = 1; width < n; width *= 2) {
        int swap = s->from;

        for (lua_Integer low = 1; low <= n; low += 2 * width)
            merge(s, low, least(low + width, n + 1),
                  least(low + 2 * width, n + 1));
        s->from = s->to;
        s->to = swap;
    }
}

static int table_sort(lua_State *L)
{
    lua_Integer n = check_length(L);
    struct sort s = {.L = L, .from = 3, .to = 4};

    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
        s.order = 2;
    }
    if (n < 2)
        return 0;
    lua_settop(L, 2);
    lua_createtable(L, (int)n, 0);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, 1, i);
        lua_rawseti(L, s.from, i);
    }
    sort(&s, n);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, s.from, i);
        lua_seti(L, 1, i);
    }
    return 0;
}

/* -- pairs ----------------------------------------------------------------- */

/* Upvalues: keys, how many were given. Skips what was removed meanwhile. */
static int next_key(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    while (lua_rawgeti(L, lua_upvalueindex(1), ++i) != LUA_TNIL) {
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL) {
            lua_pushinteger(L, i);
            lua_replace(L, lua_upvalueindex(2));
            return 2;
        }
        lua_settop(L, 1);
    }
    return 1;
}

/* Upvalue: how many were given. The same for the keys 1 to n. */
static int next_index(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, 2);
    lua_Integer n = lua_tointeger(L, lua_upvalueindex(1));

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    while (++i <= n) {
        lua_pushinteger(L, i);
        if (lua_rawgeti(L, 1, i) != LUA_TNIL)
            return 2;
        lua_settop(L, 1);
    }
    lua_pushnil(L);
    return 1;
}

/* Are the keys of the table at 1 those from 1 to n, met in this order? Counts
 * them in any case. */
static bool is_sequence(lua_State *L, lua_Integer *n)
{
    bool sequence = true;

    *n = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        ++*n;
        sequence = sequence && lua_isinteger(L, -1) &&
                   lua_tointeger(L, -1) == *n;
    }
    return sequence;
}

/* Upvalues: how many were given, then the keys. */
static int next_of_few(lua_State *L)
{
    int i = (int)lua_tointeger(L, lua_upvalueindex(1));

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    while (!lua_isnone(L, lua_upvalueindex(++i + 1))) {
        lua_pushvalue(L, lua_upvalueindex(i + 1));
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 1) != LUA_TNIL) {
            lua_pushinteger(L, i);
            lua_replace(L, lua_upvalueindex(1));
            return 2;
        }
        lua_settop(L, 1);
    }
    lua_pushnil(L);
    return 1;
}

static void push_next_of_few(lua_State *L)
{
    int first, n = 0;

    luaL_checkstack(L, FEW_KEYS + 4, "pairs");
    lua_pushinteger(L, 0);
    first = lua_gettop(L) + 1;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        int place = first + n++;

        lua_pop(L, 1);
        lua_pushvalue(L, -1);   /* lua_next wants the key on top again */
        while (place > first && key_less(L, -1, place - 1))
            place--;
        lua_insert(L, place);
    }
    lua_pushcclosure(L, next_of_few, n + 1);
}

/* Push the keys of the table at 1, sorted, as a table. */
static void push_keys(lua_State *L, lua_Integer n)
{
    struct sort s = {.L = L, .keys = true};
    lua_Integer i = 0;

    lua_createtable(L, (int)n, 0);
    s.from = lua_gettop(L);
    lua_createtable(L, (int)n, 0);
    s.to = s.from + 1;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, s.from, ++i);
    }
    sort(&s, n);
    lua_pushvalue(L, s.from);
}

static int pairs_made(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 3;
}

/* Keys come sorted, so that a replay meets them in the order of the record; and
 * they are those of the start, so that it does not matter where Lua would put
 * one that is added meanwhile. */
int vm_table_pairs(lua_State *L)
{
    lua_Integer n;

    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_callk(L, 1, 3, 0, pairs_made);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (is_sequence(L, &n)) {
        lua_pushinteger(L, n);
        lua_pushcclosure(L, next_index, 1);
    } else if (n <= FEW_KEYS) {
        push_next_of_few(L);
    } else {
        push_keys(L, n);
        lua_pushinteger(L, 0);
        lua_pushcclosure(L, next_key, 2);
    }
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* -- the table ------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"concat", table_concat}, {"insert", table_insert},
    {"move", table_move},     {"remove", table_remove},
    {"sort", table_sort},     {"unpack", table_unpack},
    {NULL, NULL},
};

const luaL_Reg vm_table_lib[] = {
    {"concat", table_concat_body},
    {NULL, NULL},
};

void vm_table_open(lua_State *L)
{
    struct vm *vm = vm_of(L);

    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushcfunction(L, luaopen_table);
    lua_call(L, 0, 1);
    vm->stock.insert = vm_lib_function(L, "insert");
    vm->stock.move = vm_lib_function(L, "move");
    vm->stock.remove = vm_lib_function(L, "remove");
    vm->stock.spread = vm_lib_function(L, "unpack");
    lua_getfield(L, -1, "pack");
    lua_setfield(L, -3, "pack");
    lua_pop(L, 1);
}
