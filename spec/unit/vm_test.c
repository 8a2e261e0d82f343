/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "ceilings.h"
#include "vm.h"

#include <lauxlib.h>
#include <lua.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#define UNDER_TSAN __has_feature(thread_sanitizer)
#else
#define UNDER_TSAN 0
#endif

#define STEP_US (50 * US_PER_MS)
/* Generous, and of CPU: on a busy machine the wall clock proves nothing. */
#define LATE_US (STEP_US + 200 * US_PER_MS)

static struct vm *vm;
static struct vm_fault fault;
static us_t took, took_cpu;

static void open_vm(size_t bytes)
{
    struct vm_limits limits = {bytes, STEP_US};

    vm = vm_new(&limits);
    if (!vm)
        abort();
}

static void close_vm(void)
{
    vm_free(vm);
    vm = NULL;
}

static us_t cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (us_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* Load and call ${code} as a policy; one result stays on the stack when 0. */
static int run(const char *code)
{
    us_t start, start_cpu;
    int result;

    memset(&fault, 0, sizeof fault);
    vm_push_env(vm);
    if (vm_load(vm, code, strlen(code), "policies/x.lua", &fault))
        return -1;
    start = clock_now();
    start_cpu = cpu_now();
    result = vm_call(vm, 0, 1, &fault);
    took_cpu = cpu_now() - start_cpu;
    took = clock_now() - start;
    return result;
}

static bool gives(const char *code, const char *expected)
{
    lua_State *L = vm_lua(vm);
    bool same;

    if (run(code)) {
        fprintf(stderr, "%s\n  fault: %s\n", code, fault.message);
        return false;
    }
    same = lua_type(L, -1) == LUA_TSTRING &&
           !strcmp(lua_tostring(L, -1), expected);
    if (!same)
        fprintf(stderr, "%s\n  gave: %s\n", code,
                lua_isstring(L, -1) ? lua_tostring(L, -1)
                                    : luaL_typename(L, -1));
    lua_pop(L, 1);
    return same;
}

/* Between entries there is no hook, and the state serves the next one. */
static bool usable(void)
{
    return !lua_gethook(vm_lua(vm)) && gives("return 'fine'", "fine") &&
           lua_gettop(vm_lua(vm)) == 0;
}

/* -- stopping -------------------------------------------------------------- */

#define LOOP "local function loop() while true do end end "

static const struct {
    int line;
    const char *code;
} endless[] = {
#define E(code) {__LINE__, code}
    E("while true do end"),
    E("local function f() return f() end f()"),
    E("for i = 1, math.huge do local x = i .. '' end"),
    E(LOOP "while true do pcall(loop) end"),
    E(LOOP "while true do xpcall(loop, loop) end"),
    E(LOOP "xpcall(error, loop)"),
    E(LOOP "while true do xpcall(error, pcall, loop) end"),
    E(LOOP "local co = coroutine.wrap(loop) while true do pcall(co) end"),
    E(LOOP "while true do coroutine.resume(coroutine.create(loop)) end"),
    E(LOOP "local c = coroutine.create(function() pcall(loop) loop() end)"
           " coroutine.resume(c) loop()"),
    E("local co = coroutine.wrap(function() while true do"
      " coroutine.yield() end end) while true do co() end"),
    E("local function deep(n) local co = coroutine.wrap(function()"
      " while true do if n > 0 then deep(n - 1) else coroutine.yield() end"
      " end end) while true do co() end end deep(5)"),
    E("while true do coroutine.wrap(function() end)() end"),
    E("while true do coroutine.create(print or type) end"),
    E("('a'):rep(3000):find(('.-'):rep(20) .. 'b')"),
    E("local s = ('a'):rep(200000) while true do s:find('.-.-b') end"),
    E("('a'):rep(300000):gsub('a-b', '')"),
    E("for w in ('a'):rep(300000):gmatch('a-b') do end"),
    E("('a'):rep(300000):match('[^b-z]-[^a]')"),
    E("('('):rep(500000):find('%b()')"),
    E("while true do pcall(string.find, ('a'):rep(3000), ('.-'):rep(20) .. 'b')"
      " end"),
    E("setmetatable({}, {__gc = function() while true do end end})"
      " while true do local t = {} end"),
    E("local m = {} local t = setmetatable({}, m) m.__close = function() while"
      " true do end end pcall(function() local x <close> = t end)"
      " while true do end"),
    E("local t = setmetatable({}, {__index = function() while true do end end})"
      " while true do pcall(function() return t.x end) end"),
    E("local t = setmetatable({}, {__tostring = function() while true do end"
      " end}) while true do pcall(tostring, t) end"),
    E("local t = {} for i = 1, 20000 do t[i] = i end"
      " while true do table.sort(t, function(a, b) return a < b end) end"),
    E("while true do select('#', table.unpack({}, 1, 999)) end"),
    E("local s = ('x'):rep(1000000) while true do s:reverse() end"),
    E("while true do string.format('%s', ('x'):rep(1000000)) end"),
    E("local t = setmetatable({}, {__len = function() return math.maxinteger"
      " end}) while true do pcall(table.insert, t, 1, 1) pcall(table.remove, t,"
      " 1) pcall(table.concat, t) pcall(table.sort, t) pcall(table.unpack, t)"
      " end"),
    E("while true do pcall(table.move, {}, 1, math.maxinteger - 1, 2) end"),
    E("while true do pcall(string.rep, '', math.maxinteger) end"),
    E("local function f(...) return f(1, ...) end f()"),
    E("local function f() return ('x'):gsub('x', f) end while true do pcall(f)"
      " end"),
    E("local function f() return pcall(f) end while true do f() end"),
    E("while true do pcall(error, setmetatable({}, {__tostring = error})) end"),
    E("goto a ::a:: goto a"),
    E("repeat until false"),
    E("for k in pairs(setmetatable({}, {__pairs = function() return function()"
      " return 1 end end})) do end"),
    E("for k in next, {1} do while true do end end"),
#undef E
};

static void an_endless_script_is_stopped_and_the_state_stays_usable(void)
{
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        open_vm(64 * MIB);
        CHECK_ROW(endless[i].line, run(endless[i].code) == -1);
        CHECK_ROW(endless[i].line, fault.kind == VM_TIMEOUT);
        CHECK_ROW(endless[i].line, took >= STEP_US && took_cpu < LATE_US);
        if (fault.kind != VM_TIMEOUT || took_cpu >= LATE_US)
            fprintf(stderr, "  %d ms, CPU %d ms: %s\n", (int)(took / 1000),
                    (int)(took_cpu / 1000), fault.message);
        CHECK_ROW(endless[i].line, usable());
        close_vm();
    }
}

static void a_stop_says_where(void)
{
    open_vm(64 * MIB);
    CHECK(run("local x = 1\nlocal function turn()\n  while true do end\nend\n"
              "coroutine.wrap(function() pcall(turn) end)()") == -1);
    CHECK(fault.kind == VM_TIMEOUT);
    CHECK(!strcmp(fault.where, "policies/x.lua:3"));
    CHECK(!strcmp(fault.message,
                  "policies/x.lua:3: stopped: it ran for more than 50 ms"));
    CHECK(strstr(fault.traceback, "policies/x.lua:3: in") != NULL);
    CHECK(strstr(fault.traceback, "policies/x.lua:5: in a function") != NULL);
    close_vm();
}

static void a_coroutine_made_at_load_time_is_stopped_later(void)
{
    lua_State *L;

    open_vm(64 * MIB);
    L = vm_lua(vm);
    CHECK(run("local co = coroutine.wrap(function() coroutine.yield()"
              " while true do end end) co() return co") == 0);
    CHECK(vm_call(vm, 0, 0, &fault) == -1 && fault.kind == VM_TIMEOUT);
    CHECK(lua_gettop(L) == 0 && usable());
    close_vm();
}

static int call_inside(lua_State *L)
{
    struct vm_fault inner;
    struct vm *v = vm_of(L);
    int bad;

    lua_pushvalue(L, 1);
    bad = vm_call(v, 0, 0, &inner);
    lua_pushboolean(L, bad && inner.kind == VM_TIMEOUT);
    return 1;
}

static int protect_inside(lua_State *L)
{
    lua_pushvalue(L, 1);
    lua_pushboolean(L, vm_pcall(L, 0, 0) == 0);
    return 1;
}

static int nested(lua_State *L, void *arg)
{
    lua_pushcfunction(L, arg == NULL ? call_inside : protect_inside);
    lua_pushvalue(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "test.loop");
    lua_remove(L, -2);
    lua_call(L, 1, 1);
    CHECK(arg == NULL && lua_toboolean(L, -1));
    while (!luaL_dostring(L, "local x = 1"))
        lua_settop(L, 0);
    return lua_error(L);
}

static void a_kill_ends_nested_entries_too(void)
{
    int other = 1;

    open_vm(64 * MIB);
    CHECK(run("return function() while true do end end") == 0);
    lua_setfield(vm_lua(vm), LUA_REGISTRYINDEX, "test.loop");
    CHECK(vm_enter(vm, nested, &other, &fault) == -1);
    CHECK(fault.kind == VM_TIMEOUT && usable());
    CHECK(vm_enter(vm, nested, NULL, &fault) == -1);
    CHECK(fault.kind == VM_TIMEOUT && usable());
    close_vm();
}

/* A machine that gives us no CPU: the wall clock runs, the thread's does not. */
static int doze(lua_State *L, void *arg)
{
    struct timespec t = {0, *(long *)arg * 1000000};

    nanosleep(&t, NULL);
    if (luaL_dostring(L, "for i = 1, 5000 do local x = i end"))
        return lua_error(L);
    return 0;
}

static void a_starved_step_gets_four_times_the_wall_clock(void)
{
    long twice = STEP_US * 2 / US_PER_MS, five_times = STEP_US * 5 / US_PER_MS;

    open_vm(64 * MIB);
    CHECK(vm_enter(vm, doze, &twice, &fault) == 0);
    CHECK(vm_enter(vm, doze, &five_times, &fault) == -1);
    CHECK(fault.kind == VM_TIMEOUT && usable());
    close_vm();
}

static void no_limit_means_no_stop(void)
{
    open_vm(64 * MIB);
    vm_step_limit(vm, 0);
    CHECK(gives("local n = 0 for i = 1, 2e7 do n = n + 1 end return 'done'",
                "done"));
    vm_step_limit(vm, STEP_US);
    CHECK(run("while true do end") == -1 && fault.kind == VM_TIMEOUT);
    close_vm();
}

static int hook_is_set(lua_State *L)
{
    lua_pushboolean(L, lua_gethook(L) != NULL);
    return 1;
}

static int ask_for_hook(lua_State *L, void *arg)
{
    lua_State *co = lua_newthread(L);

    hook_is_set(L);
    *(int *)arg = lua_toboolean(L, -1);
    CHECK(lua_gethook(co) == lua_gethook(L));
    return 0;
}

static void a_normal_step_runs_without_a_hook(void)
{
    int set = 1;

    open_vm(64 * MIB);
    CHECK(vm_enter(vm, ask_for_hook, &set, &fault) == 0);
    CHECK(!set);
    CHECK(run("while true do end") == -1);
    CHECK(vm_enter(vm, ask_for_hook, &set, &fault) == 0);
    CHECK(!set);
    close_vm();
}

/* -- memory ---------------------------------------------------------------- */

static const char *const hungry[] = {
    "local t = {} for i = 1, math.huge do t[i] = {} end",
    "local t = {} for i = 1, math.huge do t[i] = function() return i end end",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do pcall(function() for i = 1, 1e9 do"
    " t[#t + 1] = ('x'):rep(1000) .. #t end end) end",
    "local s = ('x'):rep(1e6) while true do pcall(function()"
    " while true do s = s .. s end end) end",
    "local t = {} coroutine.wrap(function() pcall(function() while true do"
    " t[#t + 1] = {} end end) end)()",
    "local t = {} coroutine.resume(coroutine.create(function() while true do"
    " t[#t + 1] = {} end end)) while true do end",
    "local function f() local a, b, c, d = f() return a end"
    " while true do f() end",
};

static void a_memory_bomb_is_stopped(void)
{
    for (size_t i = 0; i < sizeof hungry / sizeof *hungry; i++) {
        open_vm(64 * MIB);
        vm_step_limit(vm, 5 * US_PER_S);
        vm_meter_start(vm, CEIL_REQUEST_LUA_BYTES);
        CHECK_ROW(i, run(hungry[i]) == -1);
        CHECK_ROW(i, fault.kind == VM_MEMORY);
        CHECK_ROW(i, strstr(fault.message, "4194304 bytes") != NULL);
        CHECK_ROW(i, !strcmp(fault.where, "policies/x.lua:1"));
        CHECK_ROW(i, vm_meter_stop(vm) <= (long)CEIL_REQUEST_LUA_BYTES);
        CHECK_ROW(i, usable());
        close_vm();
    }
}

static void the_cap_of_the_state_holds_without_a_meter(void)
{
    open_vm(1 * MIB);
    vm_step_limit(vm, 5 * US_PER_S);
    CHECK(run("local t = {} while true do t[#t + 1] = {} end") == -1);
    CHECK(fault.kind == VM_MEMORY);
    CHECK(strstr(fault.message, "1048576 bytes") != NULL);
    CHECK(vm_bytes(vm) <= 1 * MIB);
    vm_collect(vm);
    CHECK(vm_bytes(vm) < 256 * KIB);
    CHECK(usable());
    close_vm();
}

static void a_meter_counts_what_stays(void)
{
    long net;

    open_vm(16 * MIB);
    lua_gc(vm_lua(vm), LUA_GCCOLLECT);
    vm_meter_start(vm, 0);
    CHECK(run("return ('x'):rep(100000)") == 0);
    lua_gc(vm_lua(vm), LUA_GCCOLLECT);
    net = vm_meter_stop(vm);
    CHECK(net >= 100000 && net < 120000);
    lua_pop(vm_lua(vm), 1);
    close_vm();
}

static int collector(void)
{
    return lua_gc(vm_lua(vm), LUA_GCINC, 0, 0, 0);
}

/* A large one would stand still for a generation. */
static void the_size_of_a_state_decides_how_garbage_is_collected(void)
{
    open_vm(64 * MIB);
    CHECK(collector() == LUA_GCGEN);
    close_vm();
    open_vm(64 * MIB);
    vm_step_limit(vm, 5 * US_PER_S);
    CHECK(run("local kept = {} for i = 1, 60000 do kept[i] = { i } end"
              " return kept") == 0);
    vm_collect(vm);
    CHECK(vm_bytes(vm) > 4 * MIB && collector() == LUA_GCINC);
    lua_pop(vm_lua(vm), 1);
    lua_gc(vm_lua(vm), LUA_GCCOLLECT);
    vm_collect(vm);
    CHECK(vm_bytes(vm) < 2 * MIB && collector() == LUA_GCGEN);
    CHECK(usable());
    close_vm();
}

/* Any cap: no crash, and either a working state or none. */
static void every_cap_is_survived(void)
{
    static const char code[] =
        "local t = {} for i = 1, 30 do t[i] = setmetatable({('x'):rep(i)},"
        " {__index = t}) end table.sort(t, function(a, b) return #a[1] > #b[1]"
        " end) for k in pairs({a = 1, b = 2, 1}) do t[k] = tostring(k) end"
        " local co = coroutine.wrap(function() coroutine.yield(t) end) co()"
        " pcall(error, 'x') return ('%s'):format(('a b c'):gsub('%w', '%0%0'))";

    for (size_t cap = 1000; cap < 60000; cap += 331) {
        struct vm_limits limits = {cap, STEP_US};

        vm = vm_new(&limits);
        if (!vm)
            continue;
        if (run(code) == 0)
            lua_pop(vm_lua(vm), 1);
        else    /* the second is how Lua tells that a stack cannot grow */
            CHECK(fault.kind == VM_MEMORY ||
                  strstr(fault.message, "stack overflow (pairs)"));
        CHECK(vm_bytes(vm) <= cap + 64 * KIB);
        close_vm();
    }
}

/* -- nothing crashes ------------------------------------------------------- */

static const char *const deep[] = {
    "local function f(n) return 1 + f(n + 1) end return f(1)",
    "local function f() return ('x'):gsub('x', f) end return f()",
    "local function f() return pcall(f) end return f()",
    "local function f() return xpcall(f, f) end return f()",
    "local function f() return coroutine.wrap(f)() end return f()",
    "local function f() return select(2, coroutine.resume(coroutine.create(f)))"
    " end return f()",
    "local function f() table.sort({1, 2, 3}, f) end return f()",
    "local m = {} m.__index = function(t, k) return t[k .. 'x'] end"
    " return setmetatable({}, m).x",
    "local m = {} m.__index = setmetatable({}, m) return m.__index.x",
    "local m = {} m.__tostring = tostring return tostring(setmetatable({}, m))",
    "local m = {} m.__call = setmetatable({}, m) return m.__call()",
    "local m = {} m.__concat = function(a, b) return a .. b end"
    " return setmetatable({}, m) .. 'x'",
    "local m = {} m.__lt = function(a, b) return a < b end"
    " local t = setmetatable({}, m) return t < t",
    "local s = ('a'):rep(10000) return s:find(('(a'):rep(31) .. (')'):rep(31))",
    "local function f() return pcall(string.gsub, 'x', 'x', f) end return f()",
    "local t = {} for i = 1, 60 do local co = coroutine.create(function()"
    " coroutine.yield() end) coroutine.resume(co) t[i] = co end t = nil",
    "error(setmetatable({}, {__tostring = error, __name = 'x'}))",
    "local t = {} t[1] = t table.sort({t, t, t})",
    "local co co = coroutine.create(function() return coroutine.resume(co) end)"
    " coroutine.resume(co)",
    "local co co = coroutine.wrap(function() return co() end) co()",
    "coroutine.wrap(function() coroutine.wrap(function() error({}) end)() end)"
    "()",
};

static void *run_deep(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        open_vm(64 * MIB);
        if (run(deep[i]) == 0)
            lua_pop(vm_lua(vm), 1);
        CHECK_ROW(i, fault.kind != VM_MEMORY);
        CHECK_ROW(i, usable());
        close_vm();
    }
    return NULL;
}

static void deep_recursion_ends_as_an_error_on_any_stack(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    run_deep(NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * KIB);
    CHECK(pthread_create(&thread, &attr, run_deep, NULL) == 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
}

static void many_coroutines_are_fine_but_not_many_alive(void)
{
    open_vm(64 * MIB);
    vm_step_limit(vm, 0);
    CHECK(gives("for i = 1, 100000 do local co = coroutine.wrap(function()"
                " coroutine.yield() end) co() if i % 2 == 0 then co() end end"
                " return 'done'", "done"));
    CHECK(run("local t = {} for i = 1, 100 do t[i] = coroutine.create(type) end")
          == -1);
    CHECK(strstr(fault.message, "more than 64 coroutines are alive") != NULL);
    CHECK(gives("local t = {} for i = 1, 64 do t[i] = coroutine.create(type) end"
                " for i = 1, 64 do coroutine.resume(t[i]) end"
                " for i = 1, 64 do t[i] = coroutine.create(type) end"
                " return coroutine.status(t[64])", "suspended"));
    close_vm();
}

/* How often the threads of this process but the calling one have gone to wait. */
static long waits_of_others(void)
{
    DIR *tasks = opendir("/proc/self/task");
    long all = 0;

    for (struct dirent *e; tasks && (e = readdir(tasks));) {
        char path[300], line[200];
        FILE *f;

        if (e->d_name[0] == '.' || atoi(e->d_name) == gettid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (strncmp(line, "voluntary", 9) == 0)
                all += atol(strchr(line, ':') + 1);
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return all;
}

/* It would look 20 times; once it sleeps it does not look at all. */
static bool others_sleep(void)
{
    long before = waits_of_others();

    usleep(200 * 1000);
    return waits_of_others() == before;
}

static void a_monitor_with_nothing_to_watch_sleeps_and_is_woken(void)
{
    bool asleep = false;

    open_vm(16 * MIB);
    CHECK(usable());
    for (int i = 0; i < 20 && !asleep; i++)
        asleep = others_sleep();
    CHECK(asleep);
    CHECK(run("while true do end") == -1 && fault.kind == VM_TIMEOUT);
    CHECK(took_cpu < LATE_US && usable());
    close_vm();
}

static void states_come_and_go_without_a_leak(void)
{
    for (int i = 0; i < 2000; i++) {
        open_vm(16 * MIB);
        if (i % 50 == 0)
            CHECK(usable());
        close_vm();
    }
}

int main(void)
{
    for (int watched = 0; watched < 2; watched++) {
        if (watched && vm_monitor_start(SIGURG))
            return 1;
        RUN(an_endless_script_is_stopped_and_the_state_stays_usable);
        RUN(a_stop_says_where);
        RUN(a_coroutine_made_at_load_time_is_stopped_later);
        RUN(a_kill_ends_nested_entries_too);
        RUN(a_starved_step_gets_four_times_the_wall_clock);
        RUN(no_limit_means_no_stop);
        RUN(a_memory_bomb_is_stopped);
        RUN(deep_recursion_ends_as_an_error_on_any_stack);
    }
    if (!UNDER_TSAN) {  /* there, a count hook is what stops steps */
        RUN(a_normal_step_runs_without_a_hook);
        RUN(a_monitor_with_nothing_to_watch_sleeps_and_is_woken);
    }
    RUN(the_cap_of_the_state_holds_without_a_meter);
    RUN(a_meter_counts_what_stays);
    RUN(the_size_of_a_state_decides_how_garbage_is_collected);
    RUN(every_cap_is_survived);
    RUN(many_coroutines_are_fine_but_not_many_alive);
    RUN(states_come_and_go_without_a_leak);
    vm_monitor_stop();
    return test_end();
}
