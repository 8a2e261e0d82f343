/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy finds in its environment, and nothing else:
 *
 *   assert error getmetatable ipairs next pairs pcall rawequal rawget rawlen
 *   select setmetatable tonumber tostring type xpcall _VERSION
 *   coroutine (no close, no running), math (no random), string (no dump),
 *   table, utf8
 *
 * pairs visits keys in order; tostring and %s show no addresses; getmetatable
 * and setmetatable know metatables of the policy's own tables only. A string
 * made by a library is at most CEIL_LUA_STRING long, so is the subject of a
 * pattern; a call visits at most VM_ELEMENTS elements and gives at most
 * CEIL_LUA_UNPACK values. Patterns and sorts stop when their step is overdue.
 *
 * The tables are frozen: an environment reads them through empty proxies.
 */
#include "vm_impl.h"

#include <lualib.h>

#include <string.h>

/* Registry keys: the metatable of environments, the libraries of lua/leme, the
 * copies that setmetatable made; and in such a copy the table it came from. */
static const char env_key, lib_key, copies_key, origin_key;

/* What setmetatable copies. Not __gc, __mode and __close: they run code where
 * no hook can stop it, or crash this Lua. */
static const char *const metafields[] = {
    "__index", "__newindex", "__call",   "__tostring", "__name", "__pairs",
    "__len",   "__eq",       "__lt",     "__le",       "__unm",  "__add",
    "__sub",   "__mul",      "__div",    "__mod",      "__pow",  "__idiv",
    "__band",  "__bor",      "__bxor",   "__shl",      "__shr",  "__bnot",
    "__concat", "__metatable",
};
#define METAFIELDS ((int)(sizeof metafields / sizeof *metafields))

lua_CFunction vm_lib_function(lua_State *L, const char *name)
{
    lua_CFunction function;

    lua_getfield(L, -1, name);
    function = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    return function;
}

/* -- tostring -------------------------------------------------------------- */

void vm_lib_text(lua_State *L, int index)
{
    int top = lua_gettop(L);

    if (luaL_callmeta(L, index, "__tostring")) {
        if (!lua_isstring(L, -1))
            luaL_error(L, "'__tostring' must return a string");
    } else {
        switch (lua_type(L, index)) {
        case LUA_TNIL:
            lua_pushliteral(L, "nil");
            break;
        case LUA_TBOOLEAN:
            lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
            break;
        case LUA_TNUMBER:
        case LUA_TSTRING:
            lua_pushvalue(L, index);
            break;
        default:
            if (luaL_getmetafield(L, index, "__name") != LUA_TSTRING)
                lua_pushstring(L, luaL_typename(L, index));
            break;
        }
    }
    lua_tostring(L, -1);
    lua_replace(L, index);
    lua_settop(L, top);
}

static int base_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    vm_lib_text(L, 1);
    lua_settop(L, 1);
    return 1;
}

/* -- metatables ------------------------------------------------------------ */

/* Push the copy that stands for the metatable at 2. True: it is new. */
static bool push_copy(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) == LUA_TTABLE)
        return false;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, -2, &origin_key);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
    return true;
}

/* From the metatable at 2 to its copy on top. */
static void fill_copy(lua_State *L)
{
    for (int i = 1; i <= METAFIELDS; i++) {
        lua_pushvalue(L, lua_upvalueindex(i));
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 2) != LUA_TNIL)
            lua_rawset(L, -3);
        else
            lua_pop(L, 2);
    }
}

static void refuse_protected(lua_State *L)
{
    if (!lua_getmetatable(L, 1))
        return;
    if (lua_rawgetp(L, -1, &origin_key) == LUA_TNIL ||
        luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        luaL_error(L, "cannot change a protected metatable");
    lua_pop(L, 2);
}

/* Upvalues: the names; then whether a table used again for another object
 * brings along what it got since. That takes 350 ns, so chunks of lua/leme, which
 * make an object or two a request, fill their metatables before the first use. */
static int base_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2,
                     "nil or table");
    refuse_protected(L);
    lua_settop(L, 2);
    if (type == LUA_TTABLE) {
        bool always = lua_toboolean(L, lua_upvalueindex(METAFIELDS + 1));

        if (push_copy(L) || always)
            fill_copy(L);
    }
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int base_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_getmetatable(L, 1))
        return 0;
    lua_pushliteral(L, "__metatable");
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    lua_rawgetp(L, -1, &origin_key);
    return 1;
}

/* -- frozen tables --------------------------------------------------------- */

/* Upvalue: the name of what was written to. */
static int refuse_write(lua_State *L)
{
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";

    return luaL_error(L, "%s.%s cannot be set: the libraries are read-only; "
                         "keep your own in a local",
                      lua_tostring(L, lua_upvalueindex(1)), key);
}

/* Replace the table on top by an empty one that reads it. */
static void freeze(lua_State *L, const char *name)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_rotate(L, -3, 2);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* -- libraries ------------------------------------------------------------- */

static int utf8_codepoint(lua_State *L)
{
    size_t len;
    lua_Integer from, to;

    luaL_checklstring(L, 1, &len);
    from = luaL_optinteger(L, 2, 1);
    if (from < 0)
        from += (lua_Integer)len + 1;
    to = luaL_optinteger(L, 3, from);
    if (to < 0)
        to += (lua_Integer)len + 1;
    if (to > from && to - from >= CEIL_LUA_UNPACK)
        luaL_error(L, "slice of more than %d bytes", CEIL_LUA_UNPACK);
    return vm_of(L)->stock.codepoint(L);
}

static void open_utf8(lua_State *L)
{
    lua_pushcfunction(L, luaopen_utf8);
    lua_call(L, 0, 1);
    vm_of(L)->stock.codepoint = vm_lib_function(L, "codepoint");
    lua_pushcfunction(L, utf8_codepoint);
    lua_setfield(L, -2, "codepoint");
}

/* Dice come from the host, so that a decision can be replayed. */
static void open_math(lua_State *L)
{
    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    lua_pushnil(L);
    lua_setfield(L, -2, "random");
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
}

static void push_setmetatable(lua_State *L, bool always)
{
    luaL_checkstack(L, METAFIELDS + 1, NULL);
    for (int i = 0; i < METAFIELDS; i++)
        lua_pushstring(L, metafields[i]);
    lua_pushboolean(L, always);
    lua_pushcclosure(L, base_setmetatable, METAFIELDS + 1);
}

static const luaL_Reg base_functions[] = {
    {"getmetatable", base_getmetatable},
    {"pairs", vm_table_pairs},
    {"pcall", vm_coroutine_pcall},
    {"tostring", base_tostring},
    {"xpcall", vm_coroutine_xpcall},
    {NULL, NULL},
};

/* Lua's base library is opened in the table of globals, which no chunk of ours
 * sees and which is emptied again. */
static void open_base(lua_State *L)
{
    static const char *const kept[] = {
        "assert",   "error",  "ipairs", "next",   "rawequal", "rawget",
        "rawlen",   "select", "tonumber", "type", "_VERSION",
    };

    lua_newtable(L);
    luaL_setfuncs(L, base_functions, 0);
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 1);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        lua_getfield(L, -1, kept[i]);
        lua_setfield(L, -3, kept[i]);
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    push_setmetatable(L, true);
    lua_setfield(L, -2, "setmetatable");
}

static const struct {
    const char *name;
    void (*open)(lua_State *L);
} libraries[] = {
    {"coroutine", vm_coroutine_open}, {"math", open_math},
    {"string", vm_string_open},       {"table", vm_table_open},
    {"utf8", open_utf8},
};

/* With the frozen globals on top: one more table of them, for lua/leme, where
 * the functions of ${own} replace those of library ${name}. */
static void add_variant(lua_State *L, int lib, int globals, const char *name,
                        const luaL_Reg *own)
{
    lua_newtable(L);
    luaL_setfuncs(L, own, 0);
    lua_newtable(L);
    lua_getfield(L, globals, name);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    freeze(L, name);
    lua_setfield(L, lib, name);
}

static int lib_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static void init_lib(lua_State *L, int globals)
{
    lua_newtable(L);
    add_variant(L, lua_gettop(L), globals, "coroutine", vm_coroutine_lib);
    add_variant(L, lua_gettop(L), globals, "table", vm_table_lib);
    lua_pushcfunction(L, lib_rawset);
    lua_setfield(L, -2, "rawset");
    push_setmetatable(L, false);
    lua_setfield(L, -2, "setmetatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &lib_key);
}

static void init_copies(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &copies_key);
}

void vm_lib_init(lua_State *L)
{
    int globals;

    init_copies(L);
    open_base(L);
    globals = lua_gettop(L);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        libraries[i].open(L);
        freeze(L, libraries[i].name);
        lua_setfield(L, globals, libraries[i].name);
    }
    init_lib(L, globals);
    lua_newtable(L);
    lua_pushvalue(L, globals);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_settop(L, 0);
}

/* -- environments ---------------------------------------------------------- */

static int new_env(lua_State *L)
{
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key);
    lua_setmetatable(L, -2);
    return 1;
}

static int new_lib_env(lua_State *L)
{
    new_env(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lib_key);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    return 1;
}

/* May be called outside of an entry, so it must not raise. */
static void push_made(struct vm *vm, lua_CFunction make)
{
    lua_State *L = vm_lua(vm);

    if (!lua_checkstack(L, 2))
        return;
    lua_pushcfunction(L, make);
    if (lua_pcall(L, 0, 1, 0) == LUA_OK)
        return;
    lua_pop(L, 1);
    lua_pushnil(L);
}

void vm_push_env(struct vm *vm)
{
    push_made(vm, new_env);
}

void vm_push_lib_env(struct vm *vm)
{
    push_made(vm, new_lib_env);
}
