/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy finds in its environment, and how its mistakes are told.
 */
#include "test.h"

#include "ceilings.h"
#include "vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static struct vm *vm;
static struct vm_fault fault;

/* Load and call ${code} in the environment on top of the stack. */
static int run_in(const char *name, const char *code)
{
    memset(&fault, 0, sizeof fault);
    if (vm_load(vm, code, strlen(code), name, &fault))
        return -1;
    return vm_call(vm, 0, 1, &fault);
}

static int run(const char *code)
{
    vm_push_env(vm);
    return run_in("policies/x.lua", code);
}

/* The result of ${code} as text, or its error. */
static const char *result(int status)
{
    static char text[600];
    lua_State *L = vm_lua(vm);

    if (status)
        return fault.message;
    snprintf(text, sizeof text, "%s",
             lua_isstring(L, -1)    ? lua_tostring(L, -1)
             : lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "true" : "false")
                                    : luaL_typename(L, -1));
    lua_pop(L, 1);
    return text;
}

struct row {
    int line;
    const char *code, *expected;
};
#define R(code, expected) {__LINE__, code, expected}

/* ${expected}: the whole result, or with a leading "~" a part of it. */
static void check_rows(const struct row *rows, size_t n,
                       void (*push_env)(struct vm *))
{
    for (size_t i = 0; i < n; i++) {
        const char *want = rows[i].expected;
        const char *got;
        bool ok;

        push_env(vm);
        got = result(run_in("policies/x.lua", rows[i].code));
        ok = *want == '~' ? strstr(got, want + 1) != NULL : !strcmp(got, want);
        if (!ok)
            fprintf(stderr, "  %s\n  gave: %s\n", rows[i].code, got);
        CHECK_ROW(rows[i].line, ok);
        CHECK_ROW(rows[i].line, lua_gettop(vm_lua(vm)) == 0);
    }
}
#define CHECK_ROWS(rows, env) check_rows(rows, sizeof(rows) / sizeof *(rows), env)

static void only_allowed_names_exist(void)
{
    static const char *const absent[] = {
        "_G", "_ENV._G", "io", "os", "package", "require", "debug", "load",
        "loadstring", "loadfile", "dofile", "print", "collectgarbage", "warn",
        "rawset", "string.dump", "math.random", "math.randomseed", "coroutine.close",
        "coroutine.running", "coroutine.traceback", "getmetatable('')",
        "getmetatable(string)", "getmetatable(_ENV)", "string._G",
        "(''):rep(1).x", "table.getn", "bit32", "unpack", "setfenv",
    };
    static const char *const present[] = {
        "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall",
        "rawequal", "rawget", "rawlen", "select", "setmetatable", "tonumber",
        "tostring", "type", "xpcall", "_VERSION", "coroutine.create",
        "coroutine.isyieldable", "coroutine.resume", "coroutine.status",
        "coroutine.wrap", "coroutine.yield", "math.floor", "math.pi",
        "math.maxinteger", "string.byte", "string.char", "string.find",
        "string.format", "string.gmatch", "string.gsub", "string.len",
        "string.lower", "string.match", "string.pack", "string.packsize",
        "string.rep", "string.reverse", "string.sub", "string.unpack",
        "string.upper", "table.concat", "table.insert", "table.move",
        "table.pack", "table.remove", "table.sort", "table.unpack", "utf8.char",
        "utf8.charpattern", "utf8.codepoint", "utf8.codes", "utf8.len",
        "utf8.offset",
    };
    char code[100];

    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        snprintf(code, sizeof code, "return %s or nil", absent[i]);
        CHECK_ROW(i, !strcmp(result(run(code)), "nil"));
    }
    for (size_t i = 0; i < sizeof present / sizeof *present; i++) {
        snprintf(code, sizeof code, "return %s ~= nil", present[i]);
        CHECK_ROW(i, !strcmp(result(run(code)), "true"));
    }
}

static const struct row sealed[] = {
    R("string.rep = nil", "~string.rep cannot be set: the libraries are"),
    R("table.extra = 1", "~policies/x.lua:1: table.extra cannot be set"),
    R("setmetatable(string, {})", "~cannot change a protected metatable"),
    R("setmetatable(_ENV, {})", "~cannot change a protected metatable"),
    R("setmetatable('', {})", "~table expected, got string"),
    R("setmetatable({}, 1)", "~nil or table expected"),
    R("local m = getmetatable('') return m and m.__index", "false"),
    R("tostring = nil return type(tostring)", "function"),
    R("pairs = ipairs return pairs == ipairs", "true"),
    R("x = 5 return x", "5"),
    R("return x", "nil"),
    R("return tostring(tostring)", "function"),
    R("return tostring({}) .. tostring(coroutine.create(type))", "tablethread"),
    R("return ('%s %10s|%-4s|'):format({}, nil, true)",
      "table        nil|true|"),
    R("return tostring(setmetatable({}, {__name = 'thing'}))", "thing"),
    R("return tostring(setmetatable({}, {__name = {}}))", "table"),
    R("return tostring(setmetatable({}, {__tostring = function() return 'T' end"
      "}))", "T"),
    R("return tostring(setmetatable({}, {__tostring = function() return {} end"
      "}))", "~'__tostring' must return a string"),
    R("return tostring(1) .. tostring(1.5) .. tostring(nil) .. tostring(true)",
      "11.5niltrue"),
    R("return ('%5.1f|%q|%d|%%|%c|%x'):format(1.25, 'a\\n', 3, 65, 255)",
      "  1.2|\"a\\\n\"|3|%|A|ff"),
    R("local ok, e = pcall(string.format, '%p', {}) return e", "~addresses"),
};

static void libraries_are_sealed_and_show_no_addresses(void)
{
    CHECK_ROWS(sealed, vm_push_env);
}

static const struct row metatables[] = {
    R("local M = {} return getmetatable(setmetatable({}, M)) == M", "true"),
    R("local M = {} M.__index = M function M.f() return 'f' end"
      " return setmetatable({}, M).f()", "f"),
    R("local t = setmetatable({}, {__gc = error, __mode = 'k', __close = error})"
      " return next(t)", "nil"),
    R("local M = {} local t = setmetatable({}, M) M.__close = function() end"
      " local x <close> = t", "~a non-closable value"),
    R("local M = {} local a = setmetatable({}, M) M.__call = function() return"
      " 'late' end setmetatable({}, M) return a()", "late"),
    R("local t = setmetatable({}, {__metatable = 'mine'})"
      " return getmetatable(t)", "mine"),
    R("local t = setmetatable({}, {__metatable = 'mine'})"
      " setmetatable(t, nil)", "~cannot change a protected metatable"),
    R("local t = setmetatable({}, {__index = {x = 1}}) setmetatable(t, nil)"
      " return t.x", "nil"),
    R("local t = setmetatable({}, {}) setmetatable(t, {__index = {x = 1}})"
      " return t.x", "1"),
    R("local w = setmetatable({}, {__mode = 'k'}) w[{}] = 1 local n = 0"
      " for i = 1, 1e5 do local x = {} end for k in next, w do n = n + 1 end"
      " return n", "1"),
    R("return getmetatable({})", "nil"),
    R("return #setmetatable({}, {__len = function() return 7 end})", "7"),
    R("return (setmetatable({}, {__add = function() return 'sum' end}) + 1)",
      "sum"),
};

static void metatables_are_copies_of_the_harmless_fields(void)
{
    CHECK_ROWS(metatables, vm_push_env);
}
#define KEYS "local o = '' for k, v in pairs(t) do o = o .. tostring(k) .. ';' end"

static const struct row tables[] = {
    R("local t = {z = 1, a = 2, [3] = 1, [1.5] = 1, [-2] = 1, m = 1,"
      " [true] = 1, [false] = 1} " KEYS " return o",
      "-2;1.5;3;a;m;z;false;true;"),
    R("local t = {1, 2, 3} " KEYS " return o", "1;2;3;"),
    R("local t, o = {1, 2, 3, 4}, '' for k, v in pairs(t) do o = o .. k"
      " t[2] = nil t[9] = 1 t.x = 1 end return o", "134"),
    R("local t = {[3] = 'c', [2] = 'b', [1] = 'a'} " KEYS " return o",
      "1;2;3;"),
    R("local t = {} " KEYS " return o .. '.'", "."),
    R("local t = {} for i = 300, 1, -1 do t['k' .. i] = i end local last = ''"
      " for k in pairs(t) do if k < last then return 'bad' end last = k end"
      " return last", "k99"),
    R("local t = {a = 1, b = 2, c = 3, d = 4} local n = 0 for k in pairs(t) do"
      " n = n + 1 t.b = nil t.c = nil t.e = 5 end return n", "2"),
    R("local t = {} for i = 1, 40 do t['k' .. i] = i end local n = 0"
      " for k in pairs(t) do n = n + 1 t.k2 = nil t.k40 = nil t.z = 5 end"
      " return n", "38"),
    R("local f, t = pairs({b = 1, a = 2}) return f(t) .. f(t) ..tostring(f(t))",
      "abnil"),
    R("local a, b = {}, {} local t = {[a] = 1, [b] = 2, x = 1} local n = 0"
      " for k, v in pairs(t) do n = n * 10 + v end return n > 110", "true"),
    R("return pairs(nil)", "~bad argument #1 to 'pairs' (table expected"),
    R("local t = setmetatable({}, {__pairs = function(t) return function(_, k)"
      " if not k then return 'own' end end, t, nil end}) " KEYS " return o",
      "own;"),
    R("local co = coroutine.wrap(function() for k in pairs(setmetatable({},"
      " {__pairs = function() coroutine.yield('y') return next, {1} end})) do"
      " return k end end) return co() .. co()", "y1"),
    R("local t = {3, 1, 2} table.sort(t) return table.concat(t, ',')", "1,2,3"),
    R("local t = {'b', 'a', 'C'} table.sort(t, function(a, b) return"
      " a:lower() < b:lower() end) return table.concat(t)", "abC"),
    R("local t = {} for i = 1, 500 do t[i] = {i % 5, i} end"
      " table.sort(t, function(a, b) return a[1] < b[1] end)"
      " for i = 2, 500 do local a, b = t[i - 1], t[i] if a[1] > b[1] or"
      " a[1] == b[1] and a[2] > b[2] then return 'unstable' end end"
      " return 'stable'", "stable"),
    R("local t = {} for i = 1, 3000 do t[i] = (i * 7919) % 3001 end"
      " table.sort(t) for i = 2, 3000 do if t[i] < t[i - 1] then return i end"
      " end return 'sorted'", "sorted"),
    R("local t = {3, 'x', 1} local ok = pcall(table.sort, t)"
      " return tostring(ok) .. t[1] .. t[2] .. t[3]", "false3x1"),
    R("table.sort({2, 1}, 5)", "~bad argument #2 to 'sort' (function expected"),
    R("table.sort(5)", "~bad argument #1 to 'sort' (table expected"),
    R("local t = setmetatable({}, {__len = function() return 3 end, __index ="
      " function(_, i) return 10 - i end}) table.sort(t) return t[1] .. t[2]"
      " .. t[3]", "789"),
    R("table.sort({3, 2, 1}, function() return true end) return 'ok'", "ok"),
    R("return table.concat({1, 'a', 2.5}, '-')", "1-a-2.5"),
    R("return table.concat({1, 2, 3}, ', ', 2, 3)", "2, 3"),
    R("return table.concat({}) .. '.'", "."),
    R("return table.concat({1, {}, 3})", "~invalid value (at index 2)"),
    R("return table.concat({'x'}, '', math.maxinteger, math.maxinteger)",
      "~invalid value"),
    R("return table.concat({('x'):rep(1e6), ('y'):rep(1e6)})",
      "~longer than 1048576"),
    R("return select('#', table.unpack({}, 1, 1000))", "1000"),
    R("return table.unpack({}, 1, 1001)", "~more than 1000 elements"),
    R("return table.unpack({}, math.mininteger, math.maxinteger)",
      "~more than 1000 elements"),
    R("return table.move({}, 1, math.maxinteger - 1, 2)", "~more than 1000000"),
    R("return table.move({1, 2, 3}, 2, 3, 1)[1]", "2"),
    R("local t = {1, 2} table.insert(t, 1, 0) table.insert(t, 3)"
      " return table.concat(t) .. table.remove(t, 1) .. table.remove(t)",
      "012303"),
    R("table.insert(setmetatable({}, {__len = function() return"
      " math.maxinteger - 1 end}), 1, 1)", "~more than 1000000 elements"),
    R("table.insert(nil, 1)", "~bad argument #1 to 'insert' (table expected"),
};

static void table_functions_are_bounded_and_deterministic(void)
{
    CHECK_ROWS(tables, vm_push_env);
}

static const struct row catching[] = {
    R("return select('#', pcall(function() return 1, nil, nil end))", "4"),
    R("local ok, e = pcall(error, {code = 5}) return e.code", "5"),
    R("local ok, e = pcall(error) return tostring(ok) .. tostring(e)",
      "falsenil"),
    R("return pcall()", "~value expected"),
    R("local ok, e = xpcall(function() error('x', 0) end, function(m) return"
      " m .. '!' end) return tostring(ok) .. e", "falsex!"),
    R("return select(3, xpcall(function(...) return ... end, error, 1, 'two'))",
      "two"),
    R("return xpcall(type)", "~function expected"),
    R("local co = coroutine.wrap(function() local ok, e = pcall(function()"
      " coroutine.yield('y') error('z', 0) end) return e end)"
      " return co() .. co()", "yz"),
    R("local co = coroutine.wrap(function() return xpcall(function()"
      " coroutine.yield('y') error('z', 0) end, function(m)"
      " coroutine.yield(m) return 'h' end) end)"
      " local a, b, c, d = co(), co(), co() return a .. b .. tostring(c)",
      "yzfalse"),
    R("local co = coroutine.wrap(function() return xpcall(function(a)"
      " return coroutine.yield(a) end, error, 'p') end)"
      " local a = co() return a .. select(2, co('q'))", "pq"),
    R("local co = coroutine.create(function(a, b) local c = coroutine.yield("
      "a + b) return c, 'end' end) local _, x = coroutine.resume(co, 1, 2)"
      " local _, y, z = coroutine.resume(co, 'c')"
      " return x .. y .. z .. coroutine.status(co)", "3cenddead"),
    R("local co = coroutine.create(type) coroutine.resume(co, 1)"
      " return select(2, coroutine.resume(co))", "cannot resume dead coroutine"),
    R("local co = coroutine.wrap(function() error({7}) end)"
      " return select(2, pcall(co))[1]", "7"),
    R("coroutine.wrap(function() error('deep') end)()",
      "policies/x.lua:1: deep"),
    R("return coroutine.resume(5)", "~coroutine expected"),
    R("return coroutine.create(5)", "~function expected"),
    R("return tostring(coroutine.isyieldable())", "false"),
    R("return coroutine.wrap(function() return tostring("
      "coroutine.isyieldable()) end)()", "true"),
};

static void errors_can_be_caught_and_coroutines_work_as_in_lua(void)
{
    CHECK_ROWS(catching, vm_push_env);
}

static const struct row library[] = {
    R("local t = rawset({}, 'a', 1) return t.a", "1"),
    R("rawset(1, 2, 3)", "~table expected"),
    R("local t = {} for i = 1, 300 do t[i] = coroutine.create(type) end"
      " return coroutine.status(t[300])", "suspended"),
    R("local t = {} for i = 1, 300 do t[i] = coroutine.wrap(type) end"
      " return t[300](1)", "number"),
    R("return #table.concat({('x'):rep(1e6), ('y'):rep(1e6)})", "2000000"),
    R("local co = coroutine.create(function() error('x') end)"
      " coroutine.resume(co) return coroutine.traceback(co)",
      "~policies/x.lua:1: in a function of line 1"),
    R("coroutine.create = 1", "~coroutine.create cannot be set"),
    R("local M = {__index = {x = 1}} return setmetatable({}, M).x", "1"),
    R("local M = {__gc = error, __mode = 'v'} local t = setmetatable({}, M)"
      " t[1] = {} return type(t[1])", "table"),
};

static void library_chunks_have_a_little_more(void)
{
    CHECK_ROWS(library, vm_push_lib_env);
}

static void each_environment_writes_to_itself_only(void)
{
    lua_State *L = vm_lua(vm);

    vm_push_env(vm);
    lua_pushvalue(L, -1);
    CHECK(!strcmp(result(run_in("a.lua", "shared = 1 tostring = 2 return 3")),
                  "3"));
    lua_getfield(L, -1, "shared");
    CHECK(lua_tointeger(L, -1) == 1);
    lua_pop(L, 2);
    CHECK(!strcmp(result(run("return type(tostring) .. type(shared)")),
                  "functionnil"));
}

/* -- faults ---------------------------------------------------------------- */

static const struct {
    int line;
    const char *code, *message, *where;
} faults[] = {
#define F(code, message, where) {__LINE__, code, message, where}
    F("\n\nerror('boom')", "policies/x.lua:3: boom", "policies/x.lua:3"),
    F("\nerror('boom', 0)", "boom", "policies/x.lua:2"),
    F("error({})", "error value is a table", "policies/x.lua:1"),
    F("error()", "error value is a nil", "policies/x.lua:1"),
    F("error(12)", "error value is the number 12", "policies/x.lua:1"),
    F("error(setmetatable({}, {__tostring = function() error('no') end}))",
      "error value is a table", "policies/x.lua:1"),
    F("local t\nreturn t.x.y", "policies/x.lua:2: attempt to index a nil value "
      "(local 't')", "policies/x.lua:2"),
    F("return 1 +", "policies/x.lua:1: unexpected symbol near <eof>",
      "policies/x.lua:1"),
    F("x = = 2", "policies/x.lua:1: unexpected symbol near '='",
      "policies/x.lua:1"),
    F("\x1bLua", "policies/x.lua:1: compiled Lua is refused: give the source",
      "policies/x.lua:1"),
    F("local function f() error('in co') end\n"
      "coroutine.wrap(function() f() end)()", "policies/x.lua:1: in co",
      "policies/x.lua:1"),
    F("error('a\\nb: 12: c', 0)", "a\nb: 12: c", "policies/x.lua:1"),
#undef F
};

static void a_fault_says_what_and_where(void)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        CHECK_ROW(faults[i].line, run(faults[i].code) == -1);
        CHECK_ROW(faults[i].line, fault.kind == VM_ERROR);
        CHECK_ROW(faults[i].line, !strcmp(fault.message, faults[i].message));
        CHECK_ROW(faults[i].line, !strcmp(fault.where, faults[i].where));
    }
    CHECK(lua_gettop(vm_lua(vm)) == 0);
}

static void a_traceback_reaches_into_the_coroutine_that_died(void)
{
    CHECK(run("local function inner() error('deep') end\n"
              "local co = coroutine.create(function() inner() end)\n"
              "local ok, why = coroutine.resume(co)\nerror(why, 0)") == -1);
    CHECK(strstr(fault.traceback,
                 "policies/x.lua:1: in upvalue 'inner'") != NULL);
    CHECK(strstr(fault.traceback, "policies/x.lua:4: in main chunk") != NULL);
}

static void long_messages_are_cut_between_characters(void)
{
    size_t len;

    CHECK(run("error(('\xc3\xa9'):rep(1000), 0)") == -1);
    len = strlen(fault.message);
    CHECK(len == 510 && (fault.message[len - 1] & 0xff) == 0xa9);
    CHECK(run("local function f(n) if n == 0 then error('x') end f(n - 1)"
              " return n end f(150)") == -1);
    CHECK(strlen(fault.traceback) < sizeof fault.traceback);
    CHECK(strstr(fault.traceback, "...") != NULL);
}

static int dump_writer(lua_State *L, const void *p, size_t size, void *b)
{
    (void)L;
    luaL_addlstring(b, p, size);
    return 0;
}

static void compiled_chunks_are_refused(void)
{
    lua_State *L = luaL_newstate();
    luaL_Buffer b;
    size_t len;
    const char *code;

    luaL_loadstring(L, "return 1");
    luaL_buffinit(L, &b);
    lua_pushvalue(L, 1);
    lua_dump(L, dump_writer, &b, 0);
    lua_pop(L, 1);
    luaL_pushresult(&b);
    code = lua_tolstring(L, -1, &len);
    vm_push_env(vm);
    CHECK(vm_load(vm, code, len, "p.lua", &fault) == -1);
    CHECK(strstr(fault.message, "refused") != NULL);
    CHECK(lua_gettop(vm_lua(vm)) == 0);
    lua_close(L);
}

static int ask_where(lua_State *L)
{
    char out[64];

    vm_where(L, 1, out, sizeof out);
    lua_pushstring(L, out);
    return 1;
}

static void where_skips_the_library(void)
{
    lua_State *L = vm_lua(vm);
    char out[64] = "x";

    vm_where(L, 0, out, sizeof out);
    CHECK(!*out);
    vm_push_lib_env(vm);
    lua_pushcfunction(L, ask_where);
    lua_setfield(L, -2, "where");
    CHECK(run_in("lua/leme/blame.lua", "return function() local x = where()"
                                   " return x end") == 0);
    vm_push_env(vm);
    lua_insert(L, -2);
    lua_setfield(L, -2, "blame");
    CHECK(!strcmp(result(run_in("policies/y.lua", "\nlocal x = blame()"
                                                  " return x")),
                  "policies/y.lua:2"));
}

static int three(lua_State *L, void *arg)
{
    lua_pushinteger(L, 1);
    lua_pushinteger(L, 2);
    lua_pushinteger(L, *(int *)arg);
    return 2;
}

static int catch_inside(lua_State *L, void *arg)
{
    lua_pushcfunction(L, lua_error);
    lua_pushliteral(L, "inner");
    *(bool *)arg = vm_pcall(L, 1, 0) == -1 &&
                   !strcmp(lua_tostring(L, -1), "inner");
    return 0;
}

static void entries_keep_what_their_body_returns(void)
{
    lua_State *L = vm_lua(vm);
    int last = 3;
    bool caught = false;

    CHECK(vm_enter(vm, three, &last, &fault) == 0);
    CHECK(lua_gettop(L) == 2 && lua_tointeger(L, 1) == 2 &&
          lua_tointeger(L, 2) == 3);
    lua_settop(L, 0);
    CHECK(vm_enter(vm, catch_inside, &caught, &fault) == 0 && caught);
    CHECK(lua_gettop(L) == 0 && vm_of(lua_newthread(L)) == vm);
    lua_settop(L, 0);
}

/* -- threads --------------------------------------------------------------- */

#define ROUNDS 6

static void *kill_and_end(void *arg)
{
    struct vm_limits limits = {16 * MIB, 10 * US_PER_MS};
    struct vm *own = vm_new(&limits);
    static const char code[] = "while true do end";
    unsigned *killed = arg;
    struct vm_fault f;

    for (int i = 0; own && i < ROUNDS; i++) {
        vm_push_env(own);
        if (!vm_load(own, code, sizeof code - 1, "p.lua", &f) &&
            vm_call(own, 0, 0, &f) && f.kind == VM_TIMEOUT)
            ++*killed;
    }
    vm_free(own);
    return NULL;
}

static void the_monitor_watches_many_threads_that_come_and_go(void)
{
    pthread_t threads[4];
    unsigned killed[4] = {0};

    CHECK(vm_monitor_start(SIGURG) == 0);
    CHECK(vm_monitor_start(SIGURG) == 0);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, kill_and_end, &killed[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(killed[i] == ROUNDS);
    }
    vm_monitor_stop();
    kill_and_end(&killed[0]);
    CHECK(killed[0] == 2 * ROUNDS);
    vm_monitor_stop();
    kill_and_end(&killed[0]);
    CHECK(killed[0] == 3 * ROUNDS);
}

static void the_signal_reaches_a_thread_that_blocked_it(void)
{
    sigset_t urgent;
    pthread_t thread;
    unsigned killed = 0;

    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    CHECK(vm_monitor_start(SIGURG) == 0);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL);
    pthread_create(&thread, NULL, kill_and_end, &killed);
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    pthread_join(thread, NULL);
    CHECK(killed == ROUNDS);
    vm_monitor_stop();
}

static void *call_first(void *arg)
{
    struct vm_fault f;

    *(bool *)arg = vm_call(vm, 0, 0, &f) == -1 && f.kind == VM_TIMEOUT;
    return NULL;
}

static void a_state_may_be_built_by_another_thread(void)
{
    static const char code[] = "while true do end";
    pthread_t thread;
    bool killed = false;

    CHECK(vm_monitor_start(SIGURG) == 0);
    CHECK(!strcmp(result(run("return 'here'")), "here"));
    vm_push_env(vm);
    CHECK(vm_load(vm, code, sizeof code - 1, "p.lua", &fault) == 0);
    pthread_create(&thread, NULL, call_first, &killed);
    pthread_join(thread, NULL);
    CHECK(killed);
    vm_monitor_stop();
}

int main(void)
{
    struct vm_limits limits = {64 * MIB, CEIL_LOAD_US};

    vm = vm_new(&limits);
    if (!vm)
        return 1;
    RUN(only_allowed_names_exist);
    RUN(libraries_are_sealed_and_show_no_addresses);
    RUN(metatables_are_copies_of_the_harmless_fields);
    RUN(table_functions_are_bounded_and_deterministic);
    RUN(errors_can_be_caught_and_coroutines_work_as_in_lua);
    RUN(library_chunks_have_a_little_more);
    RUN(each_environment_writes_to_itself_only);
    RUN(a_fault_says_what_and_where);
    RUN(a_traceback_reaches_into_the_coroutine_that_died);
    RUN(long_messages_are_cut_between_characters);
    RUN(compiled_chunks_are_refused);
    RUN(where_skips_the_library);
    RUN(entries_keep_what_their_body_returns);
    RUN(the_monitor_watches_many_threads_that_come_and_go);
    RUN(the_signal_reaches_a_thread_that_blocked_it);
    RUN(a_state_may_be_built_by_another_thread);
    vm_free(vm);
    return test_end();
}
