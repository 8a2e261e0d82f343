/* SPDX-License-Identifier: Apache-2.0
 *
 * The state: its memory, its entries and their faults. How long an entry may
 * run is watched by vm_monitor.c; what runs in it comes from vm_lib.c.
 */
#include "vm_impl.h"

#include "buf.h"
#include "ceilings.h"
#include "thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an error handler may take beyond the cap. */
#define SPARE_BYTES (64 * KIB)

/* C stack of one entry. Lua itself allows 200 nested C calls of at most some
 * 500 bytes each; with this much of ours the whole fits 256 KiB. */
#define STACK_BYTES (112 * KIB)

/* The address is the error value of a kill: policies have no light userdata. */
static const char kill_value;

/* -- memory ---------------------------------------------------------------- */

static size_t ceiling(const struct vm *vm)
{
    size_t least = vm->meter < vm->cap ? vm->meter : vm->cap;

    return least + vm->spare;
}

static bool fits(const struct vm *vm, size_t more)
{
    size_t most = ceiling(vm);

    return more <= most && vm->bytes <= most - more;
}

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    struct vm *vm = arg;
    void *p;

    if (!old)
        old_size = 0;
    if (!size) {
        vm_blocks_drop(&vm->blocks, old, old_size);
        vm->bytes -= old_size;
        return NULL;
    }
    if (size > old_size && !fits(vm, size - old_size)) {
        if (vm->depth)
            vm_where(vm->running, 0, vm->refused_at, sizeof vm->refused_at);
        return NULL;
    }
    p = vm_blocks_resize(&vm->blocks, old, old_size, size);
    if (!p)
        return size <= old_size ? old : NULL;   /* shrinking never fails */
    vm->bytes += size - old_size;
    return p;
}

/* Building and closing a state takes milliseconds, all of them full of this. */
static void *allocate_aside(void *arg, void *old, size_t old_size, size_t size)
{
    struct vm *vm = arg;

    if (++vm->blocks_seen % BREATHS == 0)
        thread_breathe();
    return allocate(vm, old, old_size, size);
}

size_t vm_bytes(const struct vm *vm)
{
    return vm->bytes;
}

/* In a small state what a request leaves behind is collected by itself, before it
 * has left the caches: when 40 % were added, all when it has doubled. A large one
 * would stand still for that, so there the collector goes in steps; its garbage
 * counts against the caps, so it begins at half as much again. */
static void choose_collector(struct vm *vm)
{
    bool large = vm->bytes > (vm->steps ? 2 * MIB : 4 * MIB);

    if (large && !vm->steps)
        lua_gc(vm->main, LUA_GCINC, 150, 200, 0);
    else if (!large && vm->steps)
        lua_gc(vm->main, LUA_GCGEN, 40, 100);
    vm->steps = large;
}

void vm_collect(struct vm *vm)
{
    choose_collector(vm);
    if (vm->bytes > vm->cap / 4 * 3)
        lua_gc(vm->main, LUA_GCCOLLECT);
}

void vm_meter_start(struct vm *vm, size_t allow)
{
    vm->meter_base = vm->bytes;
    vm->meter = SIZE_MAX - SPARE_BYTES;
    if (allow && allow < vm->meter - vm->bytes)
        vm->meter = vm->bytes + allow;
}

long vm_meter_stop(struct vm *vm)
{
    vm->meter = SIZE_MAX - SPARE_BYTES;
    return (long)vm->bytes - (long)vm->meter_base;
}

/* -- faults ---------------------------------------------------------------- */

/* The "file:line" that ${message} starts with. */
static void where_of_message(const char *message, char *out, size_t size)
{
    size_t name = strcspn(message, ":\n");
    size_t digits = 0;

    *out = '\0';
    if (!name || message[name] != ':')
        return;
    digits = strspn(message + name + 1, "0123456789");
    if (!digits || message[name + 1 + digits] != ':')
        return;
    if (name + 1 + digits < size) {
        memcpy(out, message, name + 1 + digits);
        out[name + 1 + digits] = '\0';
    }
}

/* Cuts at the end of a character when it must cut. */
static void copy_text(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size) {
        len = size - 1;
        while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] ? text[i] : ' ';
    out[len] = '\0';
}

/* The error value at ${index} as text; never runs a metamethod. */
static void fault_message(struct vm_fault *f, lua_State *L, int index)
{
    const char *text;
    size_t len;

    if (lua_type(L, index) == LUA_TSTRING) {
        text = lua_tolstring(L, index, &len);
        copy_text(f->message, sizeof f->message, text, len);
    } else if (lua_type(L, index) == LUA_TNUMBER) {
        snprintf(f->message, sizeof f->message, "error value is the number %g",
                 lua_tonumber(L, index));
    } else {
        snprintf(f->message, sizeof f->message, "error value is a %s",
                 luaL_typename(L, index));
    }
}

/* A message that begins with a line of lua/leme begins with ${where} instead: the
 * line of the policy that led there. The traceback has both. */
static void place_message(struct vm_fault *f, const char *where)
{
    size_t old = *f->where ? strlen(f->where) : 0, new = strlen(where);
    size_t rest = strlen(f->message + old);

    if (!old || new + rest >= sizeof f->message)
        return;
    memmove(f->message + new, f->message + old, rest + 1);
    memcpy(f->message, where, new);
}

static void fault_where(struct vm_fault *f, lua_State *L, int level)
{
    char seen[sizeof f->where];

    where_of_message(f->message, f->where, sizeof f->where);
    if (*f->where && strncmp(f->where, "lua/leme/", 9) != 0)
        return;
    vm_where(L, level, seen, sizeof seen);
    if (!*seen)
        return;
    place_message(f, seen);
    memcpy(f->where, seen, sizeof seen);
}

/* Message handler of the outermost protected call. */
static int describe(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct vm_fault *f = &vm->fault;
    size_t used = 0;

    if (vm->killed)
        return 1;
    vm->spare = SPARE_BYTES;
    f->kind = VM_ERROR;
    fault_message(f, L, 1);
    fault_where(f, L, 1);
    if (vm->died_with && lua_type(L, 1) == LUA_TSTRING &&
        vm->died_with == lua_tostring(L, 1)) {
        used = strlen(vm->died_at);
        memcpy(f->traceback, vm->died_at, used);
        f->traceback[used++] = '\n';
    }
    if (lua_checkstack(L, 10))
        vm_trace(L, 1, f->traceback + used, sizeof f->traceback - used);
    vm->spare = 0;
    return 1;
}

static void fault_timeout(struct vm *vm)
{
    struct vm_fault *f = &vm->fault;
    us_t limit = atomic_load_explicit(&vm->limit, memory_order_relaxed);

    snprintf(f->message, sizeof f->message,
             "%s%sstopped: it ran for more than %g ms", f->where,
             *f->where ? ": " : "", (double)limit / US_PER_MS);
}

static void fault_memory(struct vm *vm)
{
    struct vm_fault *f = &vm->fault;
    const char *whose = vm->meter < vm->cap ? "its requests may take"
                                            : "the Lua state may take";
    size_t allowed = vm->meter < vm->cap ? vm->meter - vm->meter_base : vm->cap;

    memcpy(f->where, vm->refused_at, sizeof f->where);
    snprintf(f->message, sizeof f->message,
             "%s%sstopped: not enough memory (%s %zu bytes)", f->where,
             *f->where ? ": " : "", whose, allowed);
}

void vm_kill(lua_State *L, enum vm_fault_kind kind)
{
    struct vm *vm = vm_of(L);
    struct vm_fault *f = &vm->fault;

    if (!vm->killed) {
        vm->killed = f->kind = kind;
        *f->where = *f->traceback = '\0';
        if (kind == VM_MEMORY) {
            fault_memory(vm);
        } else {
            vm_where(L, 0, f->where, sizeof f->where);
            vm_trace(L, 0, f->traceback, sizeof f->traceback);
            fault_timeout(vm);
        }
    }
    lua_pushlightuserdata(L, (void *)(uintptr_t)&kill_value);
    lua_error(L);
    __builtin_unreachable();
}

void vm_rethrow(lua_State *L, int status)
{
    if (vm_of(L)->killed || status == LUA_ERRMEM)
        vm_kill(L, VM_MEMORY);
}

void vm_deeper(lua_State *L)
{
    const char *here = __builtin_frame_address(0);
    ptrdiff_t used = vm_of(L)->stack_base - here;

    if (used > (ptrdiff_t)STACK_BYTES || used < -(ptrdiff_t)STACK_BYTES)
        luaL_error(L, "C stack overflow: calls are nested too deeply");
}

/* -- entries --------------------------------------------------------------- */

static lua_State *enter(struct vm *vm)
{
    if (vm->depth++)
        return vm->running;
    vm->stack_base = __builtin_frame_address(0);
    vm->died_with = NULL;
    vm_monitor_begin(vm);
    return vm->running;
}

static void leave(struct vm *vm)
{
    if (--vm->depth)
        return;
    vm_monitor_end(vm);
    vm->killed = VM_OK;
}

/* The error value of a call that ended with ${status} is on top: pop it. */
static int failed(struct vm *vm, lua_State *L, int status,
                  struct vm_fault *fault)
{
    struct vm_fault *f = &vm->fault;

    if (!vm->killed && status == LUA_ERRMEM) {
        f->kind = VM_MEMORY;
        *f->traceback = '\0';
        fault_memory(vm);
    } else if (!vm->killed && status == LUA_ERRERR) {
        f->kind = VM_ERROR;
        *f->where = *f->traceback = '\0';
        snprintf(f->message, sizeof f->message,
                 "stack overflow, or an error while an error was handled");
    }
    lua_pop(L, 1);
    if (fault)
        *fault = *f;
    return -1;
}

static int no_room(struct vm *vm, lua_State *L, int pop, struct vm_fault *fault)
{
    lua_pop(L, pop);
    *vm->refused_at = '\0';
    vm->fault.kind = VM_MEMORY;
    *vm->fault.traceback = '\0';
    fault_memory(vm);
    if (fault)
        *fault = vm->fault;
    return -1;
}

/* Run the function below ${nargs} values on top; describe stands at ${base}. */
static int run(struct vm *vm, lua_State *L, int base, int nargs, int nresults,
               struct vm_fault *fault)
{
    int status, result;

    enter(vm);
    status = lua_pcall(L, nargs, nresults, base);
    result = status == LUA_OK ? 0 : failed(vm, L, status, fault);
    leave(vm);
    lua_remove(L, base);
    return result;
}

int vm_call(struct vm *vm, int nargs, int nresults, struct vm_fault *fault)
{
    lua_State *L = vm->running;
    int base = lua_gettop(L) - nargs;

    if (!lua_checkstack(L, 4))
        return no_room(vm, L, nargs + 1, fault);
    lua_pushcfunction(L, describe);
    lua_insert(L, base);
    return run(vm, L, base, nargs, nresults, fault);
}

struct body {
    int (*run)(lua_State *, void *);
    void *arg;
};

static int run_body(lua_State *L)
{
    const struct body *body = lua_touserdata(L, 1);

    lua_settop(L, 0);
    return body->run(L, body->arg);
}

int vm_enter(struct vm *vm, int (*body)(struct lua_State *, void *), void *arg,
             struct vm_fault *fault)
{
    struct body call = {body, arg};
    lua_State *L = vm->running;

    if (!lua_checkstack(L, 4))
        return no_room(vm, L, 0, fault);
    lua_pushcfunction(L, describe);
    lua_pushcfunction(L, run_body);
    lua_pushlightuserdata(L, &call);
    return run(vm, L, lua_gettop(L) - 2, 1, LUA_MULTRET, fault);
}

int vm_pcall(lua_State *L, int nargs, int nresults)
{
    int status;

    vm_deeper(L);
    status = lua_pcall(L, nargs, nresults, 0);
    if (status == LUA_OK)
        return 0;
    vm_rethrow(L, status);
    return -1;
}

void vm_step_limit(struct vm *vm, us_t limit)
{
    atomic_store_explicit(&vm->limit, limit, memory_order_relaxed);
}

void vm_aside(struct vm *vm, bool aside)
{
    atomic_store_explicit(&vm->patient, aside, memory_order_relaxed);
    lua_setallocf(vm->main, aside ? allocate_aside : allocate, vm);
}

int vm_load(struct vm *vm, const char *text, size_t len, const char *name,
            struct vm_fault *fault)
{
    lua_State *L = vm->running;
    struct vm_fault *f = &vm->fault;
    char chunk[256];
    int status;

    if (!lua_istable(L, -1) || !lua_checkstack(L, 4))
        return no_room(vm, L, 1, fault);
    snprintf(chunk, sizeof chunk, "@%s", name);
    f->kind = VM_ERROR;
    *f->traceback = '\0';
    if (len && *text == LUA_SIGNATURE[0]) {
        lua_pop(L, 1);
        snprintf(f->where, sizeof f->where, "%s:1", name);
        snprintf(f->message, sizeof f->message,
                 "%s: compiled Lua is refused: give the source", f->where);
        if (fault)
            *fault = *f;
        return -1;
    }
    *vm->refused_at = '\0';
    status = luaL_loadbufferx(L, text, len, chunk, "t");
    lua_insert(L, -2);
    if (status == LUA_OK) {
        lua_setupvalue(L, -2, 1);
        return 0;
    }
    lua_pop(L, 1);
    if (status == LUA_ERRMEM)
        return failed(vm, L, status, fault);
    fault_message(f, L, -1);
    where_of_message(f->message, f->where, sizeof f->where);
    return failed(vm, L, LUA_ERRSYNTAX, fault);
}

struct vm_code {
    size_t len;
    char bytes[];
};

static int add_code(lua_State *L, const void *bytes, size_t n, void *to)
{
    (void)L;
    return buf_add(to, bytes, n);
}

/* The function on top of the stack, for the states to come. Without memory
 * they compile it themselves. */
static void keep_code(lua_State *L, struct vm_code *_Atomic *code)
{
    struct vm_code *made = NULL, *none = NULL;
    struct buf dump;

    buf_init(&dump, CEIL_POLICY_FILE);
    if (lua_dump(L, add_code, &dump, 0) == 0)
        made = malloc(sizeof *made + dump.len);
    if (made) {
        made->len = dump.len;
        memcpy(made->bytes, dump.data, dump.len);
        if (!atomic_compare_exchange_strong(code, &none, made))
            free(made);
    }
    buf_free(&dump);
}

int vm_load_own(struct vm *vm, struct vm_code *_Atomic *code, const char *text,
                size_t len, const char *name, struct vm_fault *fault)
{
    const struct vm_code *known = atomic_load(code);
    lua_State *L = vm->running;
    int status;

    if (!known) {
        status = vm_load(vm, text, len, name, fault);
        if (status == 0)
            keep_code(L, code);
        return status;
    }
    if (!lua_istable(L, -1) || !lua_checkstack(L, 4))
        return no_room(vm, L, 1, fault);
    status = luaL_loadbufferx(L, known->bytes, known->len, name, "b");
    lua_insert(L, -2);
    if (status == LUA_OK) {
        lua_setupvalue(L, -2, 1);
        return 0;
    }
    lua_pop(L, 1);
    return failed(vm, L, status, fault);
}

/* -- life ------------------------------------------------------------------ */

struct vm *vm_of(lua_State *L)
{
    return *(struct vm **)lua_getextraspace(L);
}

lua_State *vm_lua(struct vm *vm)
{
    return vm->running;
}

static int init(lua_State *L)
{
    vm_lib_init(L);
    return 0;
}

/* No panic function: Lua aborts, and nothing of ours runs unprotected. */
struct vm *vm_new(const struct vm_limits *limits)
{
    struct vm *vm = calloc(1, sizeof *vm);

    if (!vm)
        return NULL;
    vm->cap = limits->state_bytes;
    vm->meter = SIZE_MAX - SPARE_BYTES;
    vm_step_limit(vm, limits->step_us);
    vm->main = lua_newstate(allocate, vm);
    if (!vm->main)
        goto err1;
    vm->running = vm->main;
    *(struct vm **)lua_getextraspace(vm->main) = vm;
    lua_gc(vm->main, LUA_GCGEN, 40, 100);
    lua_pushcfunction(vm->main, init);
    if (lua_pcall(vm->main, 0, 0, 0) != LUA_OK)
        goto err2;
    vm_monitor_add(vm);
    return vm;
err2:
    lua_close(vm->main);
    vm_blocks_free(&vm->blocks);
err1:
    free(vm);
    return NULL;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    vm_monitor_remove(vm);
    lua_setallocf(vm->main, allocate_aside, vm);
    lua_close(vm->main);
    vm_blocks_free(&vm->blocks);
    free(vm);
}
