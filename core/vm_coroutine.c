/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that catches an error or switches the thread: pcall, xpcall and
 * coroutines. They are ours for two reasons: a kill must pass through them, and
 * the monitor must know which thread runs.
 */
#include "vm_impl.h"

#include <lualib.h>

#include <string.h>

/* -- pcall, xpcall --------------------------------------------------------- */

/* The stack holds: what stood below, true, results. */
static int caught(lua_State *L, int status, lua_KContext below)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)below;
    vm_rethrow(L, status);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

int vm_coroutine_pcall(lua_State *L)
{
    int status;

    luaL_checkany(L, 1);
    vm_deeper(L);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, caught);
    return caught(L, status, 0);
}

/* The stack holds: ..., false, results of the handler. */
static int handled(lua_State *L, int status, lua_KContext below)
{
    (void)status;
    return lua_gettop(L) - (int)below;
}

/* The handler runs after unwinding: one called where the error happened would
 * run inside the hook of a kill, where no hook can stop it. The stack holds:
 * function, handler, true, then results or the error value. */
static int xcaught(lua_State *L, int status, lua_KContext below)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return caught(L, status, below);
    vm_rethrow(L, status);
    lua_pushboolean(L, 0);
    lua_replace(L, 3);
    lua_pushvalue(L, 2);
    lua_insert(L, -2);
    lua_callk(L, 1, LUA_MULTRET, below, handled);
    return handled(L, LUA_OK, below);
}

int vm_coroutine_xpcall(lua_State *L)
{
    int n = lua_gettop(L);
    int status;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    vm_deeper(L);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    status = lua_pcallk(L, n - 2, LUA_MULTRET, 0, 2, xcaught);
    return xcaught(L, status, 2);
}

/* -- how many -------------------------------------------------------------- */

/* Registry key of the table whose weak keys are the counted coroutines. */
static const char alive_key;

static void push_alive(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &alive_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &alive_key);
}

/* Coroutines that nobody holds any more leave the table by collection only. */
static void recount(lua_State *L, int alive)
{
    struct vm *vm = vm_of(L);

    vm_monitor_check(L);
    lua_gc(L, LUA_GCCOLLECT);
    vm->coroutines = 0;
    lua_pushnil(L);
    while (lua_next(L, alive)) {
        lua_pop(L, 1);
        vm->coroutines++;
    }
}

/* The coroutine on top of the stack is one more. */
static void count_in(lua_State *L)
{
    struct vm *vm = vm_of(L);

    push_alive(L);
    if (vm->coroutines >= CEIL_LUA_COROUTINES)
        recount(L, lua_gettop(L));
    if (vm->coroutines >= CEIL_LUA_COROUTINES)
        luaL_error(L, "more than %d coroutines are alive", CEIL_LUA_COROUTINES);
    lua_pushvalue(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    vm->coroutines++;
}

static void count_out(lua_State *L, lua_State *co)
{
    struct vm *vm = vm_of(L);

    if (!vm->coroutines)
        return;
    luaL_checkstack(L, 6, "resume");
    push_alive(L);
    lua_pushthread(co);
    lua_xmove(co, L, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL) {
        vm->coroutines--;
        lua_pushvalue(L, -2);
        lua_pushnil(L);
        lua_rawset(L, -5);
    }
    lua_pop(L, 3);
}

/* -- resume ---------------------------------------------------------------- */

/* For the fault, should the error travel on: its own thread is gone then. */
static void remember_death(lua_State *L, lua_State *co)
{
    struct vm *vm = vm_of(L);

    vm->died_with = NULL;
    if (lua_type(L, -1) != LUA_TSTRING)
        return;
    vm->died_with = lua_tostring(L, -1);
    vm_trace(co, 0, vm->died_at, sizeof vm->died_at);
}

static bool is_dead(lua_State *co)
{
    lua_Debug ar;

    if (lua_status(co) == LUA_OK)
        return !lua_getstack(co, 0, &ar);
    return lua_status(co) != LUA_YIELD;
}

/* How a resume of ${co} ended that brought no results but the value on top. */
static void died(lua_State *L, lua_State *co, int status)
{
    if (is_dead(co))
        count_out(L, co);
    vm_rethrow(L, status);
    remember_death(L, co);
}

static int run(lua_State *L, lua_State *co, int nargs, int *nresults)
{
    struct vm *vm = vm_of(L);
    int status;

    vm_deeper(L);
    lua_xmove(L, co, nargs);
    if (vm->hooking) {
        vm_monitor_check(L);
        vm_monitor_hook(co);
    }
    vm->running = co;
    status = lua_resume(co, L, nargs, nresults);
    vm->running = L;
    if (vm->hooking)
        lua_sethook(co, NULL, 0, 0);
    if (vm->stop)       /* the handler may have met the thread we just left */
        vm_monitor_check(L);
    return status;
}

static int refused(lua_State *L, bool mark, const char *why)
{
    if (mark)
        lua_pushboolean(L, 0);
    lua_pushstring(L, why);
    return -1;
}

/* Move ${nargs} arguments over; how many results came back, -1: an error value
 * is on top. ${mark}: true or false stands before them. */
static int resume(lua_State *L, lua_State *co, int nargs, bool mark)
{
    int nresults, status;

    if (!lua_checkstack(co, nargs))
        return refused(L, mark, "too many arguments to resume");
    status = run(L, co, nargs, &nresults);
    if (mark)
        lua_pushboolean(L, status == LUA_YIELD || status == LUA_OK);
    if (status != LUA_YIELD && status != LUA_OK) {
        lua_xmove(co, L, 1);
        died(L, co, status);
        return -1;
    }
    if (!lua_checkstack(L, nresults + 1)) {
        lua_pop(co, nresults);
        lua_pop(L, mark);
        return refused(L, mark, "too many results to resume");
    }
    lua_xmove(co, L, nresults);
    if (status == LUA_OK)
        count_out(L, co);
    return nresults;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    int n;

    luaL_argexpected(L, co, 1, "coroutine");
    n = resume(L, co, lua_gettop(L) - 1, true);
    return n < 0 ? 2 : n + 1;
}

static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = resume(L, co, lua_gettop(L), false);

    if (n < 0)
        return lua_error(L);
    return n;
}

/* -- the tables ------------------------------------------------------------ */

static int create(lua_State *L, bool counted)
{
    lua_State *co;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    co = lua_newthread(L);
    if (counted)
        count_in(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int coroutine_create(lua_State *L)
{
    return create(L, true);
}

static int coroutine_create_free(lua_State *L)
{
    return create(L, false);
}

static int coroutine_wrap(lua_State *L)
{
    create(L, true);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static int coroutine_wrap_free(lua_State *L)
{
    create(L, false);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static int coroutine_traceback(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    char text[1024];

    luaL_argexpected(L, co, 1, "coroutine");
    vm_trace(co, 0, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static const luaL_Reg functions[] = {
    {"create", coroutine_create},
    {"resume", coroutine_resume},
    {"wrap", coroutine_wrap},
    {NULL, NULL},
};

const luaL_Reg vm_coroutine_lib[] = {
    {"create", coroutine_create_free},
    {"wrap", coroutine_wrap_free},
    {"traceback", coroutine_traceback},
    {NULL, NULL},
};

void vm_coroutine_open(lua_State *L)
{
    static const char *const kept[] = {"isyieldable", "status", "yield"};

    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushcfunction(L, luaopen_coroutine);
    lua_call(L, 0, 1);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        lua_getfield(L, -1, kept[i]);
        lua_setfield(L, -3, kept[i]);
    }
    lua_pop(L, 1);
}
