/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_impl: what the files of vm share and nobody else sees: the state's struct,
 * the kill, and the doors between the files.
 */
#ifndef LEME_VM_IMPL_H
#define LEME_VM_IMPL_H

#include "ceilings.h"
#include "vm.h"

#include <lauxlib.h>
#include <lua.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

/* Elements one library call may visit. */
#define VM_ELEMENTS 1000000

/* Library functions whose bounds we check before we run them in our own frame,
 * so that their messages name the right function and line. */
struct vm_stock {
    lua_CFunction byte, format, pack, rep, reverse, unpack;
    lua_CFunction insert, move, remove, spread;
    lua_CFunction codepoint;
};

/* Blocks that come or go between two looks at whether others want to run. */
#define BREATHS 16

/* Small blocks that wait to be used again, by size: vm_memory.c. */
#define VM_BLOCK_SIZES 40u
struct vm_blocks {
    struct vm_block *waiting[VM_BLOCK_SIZES];   /* owned */
    size_t kept;                                /* bytes of them */
};

struct vm {
    lua_State *main;                /* owned */
    lua_State *volatile running;    /* read by the signal handler */
    unsigned depth;                 /* of nested entries */
    struct vm_stock stock;

    /* memory */
    struct vm_blocks blocks;
    size_t bytes;                   /* allocated now */
    unsigned blocks_seen;           /* while it is aside */
    bool steps;                     /* the collector goes in steps */
    size_t cap;
    size_t meter;                   /* bytes must stay below; SIZE_MAX: off */
    size_t meter_base;
    size_t spare;                   /* beyond both, while an error is built */
    char refused_at[256];           /* where the last allocation was refused */

    /* the step: see vm_monitor.c */
    _Atomic uint64_t step;          /* odd while one runs */
    _Atomic uint64_t blamed;        /* the step that ran too long */
    _Atomic us_t limit;
    atomic_bool patient;
    _Atomic int tid;                /* kernel's id of the entering thread */
    volatile sig_atomic_t stop;     /* asked by the handler; not yet killed */
    enum vm_fault_kind killed;      /* sticky until the outermost entry ends */
    struct vm *outer;               /* entered below this one on this thread */
    bool hooking;                   /* this step is watched by a count hook */
    us_t started;                   /* of a hooked step */
    us_t started_cpu;
    const char *stack_base;         /* of the C stack, at entry */

    /* the last error */
    struct vm_fault fault;
    const void *died_with;          /* error string of a coroutine ... */
    char died_at[1024];             /* ... and its traceback */

    unsigned coroutines;            /* counted ones; never fewer than alive */

    /* the monitor's own; under its lock */
    struct vm *next, *prev;
    uint64_t seen;
    us_t seen_at, seen_cpu, blame_at;
};

/* -- vm.c ------------------------------------------------------------------ */

/** End the step: nothing catches it. Records where, unless already killed. */
LUA_RAISES _Noreturn void vm_kill(lua_State *L, enum vm_fault_kind kind);
/** After a protected call that ended with ${status}: pass on what policies must
 * not catch. */
LUA_RAISES void vm_rethrow(lua_State *L, int status);
/** Refuse to go deeper when the C stack since the entry is used up: our frames
 * are larger than those that Lua's own count of 200 was made for. */
LUA_RAISES void vm_deeper(lua_State *L);

/* -- vm_memory.c ----------------------------------------------------------- */

/** A block of ${size} > 0 with what ${old} of ${old_size} held, which is gone
 * then; NULL: no memory, and ${old} stays. */
void *vm_blocks_resize(struct vm_blocks *b, void *old, size_t old_size,
                       size_t size);
/** Give back ${old}, which may be NULL. */
void vm_blocks_drop(struct vm_blocks *b, void *old, size_t old_size);
/** Free all that waits. */
void vm_blocks_free(struct vm_blocks *b);

/* -- vm_monitor.c ---------------------------------------------------------- */

void vm_monitor_add(struct vm *vm);
void vm_monitor_remove(struct vm *vm);
void vm_monitor_begin(struct vm *vm);
void vm_monitor_end(struct vm *vm);
/** Called by long loops in C: ends the step when it is overdue. */
LUA_RAISES void vm_monitor_check(lua_State *L);
/** Of a hooked step: watch this thread too. */
void vm_monitor_hook(lua_State *L);

/* -- the libraries --------------------------------------------------------- */

/** Make all that environments read through to. */
LUA_RAISES void vm_lib_init(lua_State *L);
/** The C function ${name} of the table on top. */
LUA_RAISES lua_CFunction vm_lib_function(lua_State *L, const char *name);

/* Each pushes its table. */
LUA_RAISES void vm_string_open(lua_State *L);
LUA_RAISES void vm_table_open(lua_State *L);
LUA_RAISES void vm_coroutine_open(lua_State *L);
/* The functions that chunks of lua/leme get instead. */
extern const luaL_Reg vm_table_lib[], vm_coroutine_lib[];

/* Functions of the base library that stand beside their kind. */
int vm_table_pairs(lua_State *L);
int vm_coroutine_pcall(lua_State *L);
int vm_coroutine_xpcall(lua_State *L);

/** Replace the value at ${index} by its text, without addresses. */
LUA_RAISES void vm_lib_text(lua_State *L, int index);

/* -- vm_pattern.c ---------------------------------------------------------- */

#define VM_CAPTURES 32

/** One pattern at work on one subject. */
struct vm_pattern {
    lua_State *L;
    const char *subject, *subject_end;  /* borrowed from the Lua stack */
    const char *end;                    /* of the pattern */
    unsigned fuel;                      /* steps until the next check */
    int captures;
    struct {
        const char *at;
        ptrdiff_t len;                  /* or one of the two below */
    } capture[VM_CAPTURES];
};
#define VM_CAPTURE_OPEN (-1)
#define VM_CAPTURE_POSITION (-2)

/** Read subject and pattern at ${s} and ${p} on the stack. */
LUA_RAISES void vm_pattern_init(struct vm_pattern *m, lua_State *L, int s,
                                int p);
/** Match ${pattern} at ${at}: the end of the match, or NULL. */
LUA_RAISES const char *vm_pattern_match(struct vm_pattern *m, const char *at,
                                        const char *pattern);

#endif
