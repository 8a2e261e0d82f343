/* SPDX-License-Identifier: Apache-2.0
 *
 * vm: one Lua state: capped allocator, sandbox, limits, and the only place that
 * calls lua_pcall and lua_resume. Knows nothing of requests or policies. Called
 * by config, bind and policy.
 */
#ifndef LEME_VM_H
#define LEME_VM_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>

struct lua_State;
struct vm;

/** Marks a C function that may raise a Lua error (longjmp). */
#define LUA_RAISES

struct vm_limits {
    size_t state_bytes;     /* cap of the state's allocator */
    us_t step_us;           /* one entry from C */
};

/** How running steps are stopped. */
enum vm_stop {
    VM_STOP_HOOK,           /* a count hook: slower, no signal, no thread */
    VM_STOP_SIGNAL          /* monitor thread and signal: see vm_monitor_start*/
};

/** Why an entry ended badly. */
enum vm_fault_kind {
    VM_OK,
    VM_ERROR,               /* raised, or did not compile */
    VM_TIMEOUT,
    VM_MEMORY,
    VM_BAD                  /* for callers: a result of the wrong shape */
};

struct vm_fault {
    enum vm_fault_kind kind;
    char message[512];      /* "policies/x.lua:12: ..." */
    char where[256];        /* "policies/x.lua:12", "" unknown */
    char traceback[2048];
};

/**
 * A state with nothing in it but the frozen libraries. NULL: memory. The thread
 * that first enters it must be the only one that enters it (any one thread may
 * build it and hand it over).
 */
struct vm *vm_new(const struct vm_limits *limits);
/** Close it; its finalizers are C only. Accepts NULL. */
void vm_free(struct vm *vm);
/** The running thread: between entries the main one, whose stack takes the
 * arguments of vm_call; inside an entry whoever called. */
struct lua_State *vm_lua(struct vm *vm);
/** The vm of a state or of any of its threads. */
struct vm *vm_of(struct lua_State *L);

size_t vm_bytes(const struct vm *vm);
/** From time to time, outside of any step: above 75 % of the cap collect now, and
 * have the collector that suits the size of the state. */
void vm_collect(struct vm *vm);
/** Net bytes allocated since the last vm_meter_start; for charging a request.
 * ${allow}: an entry that brings the net above it ends as VM_MEMORY (0: only
 * the cap of the state does). */
void vm_meter_start(struct vm *vm, size_t allow);
long vm_meter_stop(struct vm *vm);

/**
 * Run ${body}(L, arg) protected, under the step limit. Everything that may
 * raise stands inside such a body; it answers how many values on its top stay
 * on the stack. 0, or -1 and ${fault}. Entries may nest: an inner one runs on
 * the running thread, inherits the deadline of the outer, and a kill ends both.
 */
int vm_enter(struct vm *vm, int (*body)(struct lua_State *, void *), void *arg,
             struct vm_fault *fault);
/**
 * Call the function below ${nargs} values on the main stack, keep ${nresults}
 * (or LUA_MULTRET); protected, under the step limit. 0, or -1 and ${fault} with
 * function and arguments popped.
 */
int vm_call(struct vm *vm, int nargs, int nresults, struct vm_fault *fault);
/**
 * The same for C code that already runs inside an entry, on its own thread
 * ${L}, without a traceback: 0, or -1 with the error value pushed. A kill and
 * the end of memory pass through.
 */
LUA_RAISES int vm_pcall(struct lua_State *L, int nargs, int nresults);

/** Whether work on it is done aside, where nobody waits, as when a state is built
 * and tested on a thread that gives way: a starved machine may take its time, and
 * the work breathes (thread.h). */
void vm_aside(struct vm *vm, bool aside);

/** Change the limit of the next entries (0: none; for loading own chunks). */
void vm_step_limit(struct vm *vm, us_t limit);

/**
 * Compile text (never a binary chunk; a first byte 0x1B is refused) named
 * "@${name}", with the table on top of the stack as its environment (popped);
 * pushes the function. 0, or -1 and ${fault} (file:line inside).
 */
int vm_load(struct vm *vm, const char *text, size_t len, const char *name,
            struct vm_fault *fault);

/** Frames of ${of}, from ${level} on, one a line. Does not allocate. */
void vm_trace(struct lua_State *of, int level, char *out, size_t size);

/** A chunk of ours, compiled: the same for all states of the process. */
struct vm_code;

/**
 * vm_load for text that is part of the program: compiled by the first state that
 * asks, and kept in *${code} (NULL to begin with, never freed) for all others.
 */
int vm_load_own(struct vm *vm, struct vm_code *_Atomic *code, const char *text,
                size_t len, const char *name, struct vm_fault *fault);

/**
 * Push a fresh environment for one policy: a table that reads through to frozen
 * copies of the allowed libraries and is its own to write. Contents and bounds:
 * see vm_lib.c. Without memory pushes nil, which vm_load reports.
 */
void vm_push_env(struct vm *vm);
/** The same for a chunk of lua/leme: with rawset, table.concat up to a body's
 * size, coroutines that are not counted, coroutine.traceback(co), and a
 * setmetatable that takes the metafields at a metatable's first use only. */
void vm_push_lib_env(struct vm *vm);

/**
 * "file:line" of the first Lua function at or above ${level} (1: whoever called
 * the running C function) that is not of lua/leme; "" when there is none.
 */
void vm_where(struct lua_State *L, int level, char *out, size_t size);
/** Is a chunk's ${source}, as lua_getinfo gives it, of lua/leme? */
bool vm_ours(const char *source);

/**
 * Start the process-wide monitor thread that watches running steps and sends
 * ${signo} to the thread that overruns (VM_STOP_SIGNAL); installs the handler.
 * Counted: every start needs a stop. Without it, and under TSan, states use a
 * count hook. 0 or -1.
 */
int vm_monitor_start(int signo);
void vm_monitor_stop(void);

#endif
