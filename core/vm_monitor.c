/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a step may run. With the monitor a step costs two stores and a load,
 * none of them a fence: its number becomes odd at entry and even at the end. The monitor looks
 * at the numbers every 10 ms, and when one that stays odd is due; then it is blamed,
 * and its thread gets a signal, whose handler sets a hook that fires at the next
 * instruction. When nothing has run for a while the monitor sleeps, and the next
 * step wakes it. Without it a count hook looks at the clock.
 *
 * A kill needs two things: the step's time is over on the wall, and its thread
 * used that much CPU too, or the wall shows four times as much. So a starved
 * machine does not kill healthy policies.
 */
#include "vm_impl.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#define TICK_US (10 * US_PER_MS)
#define AGAIN_US US_PER_MS      /* after a step that is late, but starved */
#define QUIET_TICKS 20          /* until it sleeps */
#define STARVED 4
#define PATIENT 400             /* the same where nobody waits */
#define COUNT 1000
#define ALL_EVENTS (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

static struct {
    pthread_mutex_t control;        /* start and stop */
    pthread_mutex_t lock;           /* what follows, but for signo */
    pthread_cond_t changed;
    struct vm *first;
    bool quit;
    unsigned starts;                /* under control */
    pthread_t thread;
    struct sigaction before;
    _Atomic int signo;              /* 0: no monitor runs */
    atomic_bool drowsy;             /* sleeps, or will: wake it */
} monitor = {
    .control = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
};

/* Read by the signal handler, so it must not be allocated on first use. */
static _Thread_local struct {
    struct vm *inside;              /* the innermost entered vm */
    int tid;
    int signo;                      /* unblocked in this thread */
} here __attribute__((tls_model("initial-exec")));

static us_t clock_us(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t))
        return 0;
    return (us_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* The CPU clock of another thread, by its kernel id: unlike a pthread_t it may
 * have ended. The encoding is the kernel's (see clock_getres(2)). */
static us_t cpu_of(int tid)
{
    return clock_us((clockid_t)(~(unsigned)tid << 3 | 6));
}

static bool overdue(struct vm *vm, us_t wall, us_t cpu, us_t limit)
{
    bool patient = atomic_load_explicit(&vm->patient, memory_order_relaxed);

    return wall >= limit &&
           (cpu >= limit || wall >= (patient ? PATIENT : STARVED) * limit);
}

/* -- the monitor thread ---------------------------------------------------- */

/* When to look at it again; 0: nothing ran since the last time. */
static us_t look(struct vm *vm, us_t now, int signo)
{
    uint64_t step = atomic_load_explicit(&vm->step, memory_order_acquire);
    us_t limit = atomic_load_explicit(&vm->limit, memory_order_relaxed);
    int tid = atomic_load_explicit(&vm->tid, memory_order_relaxed);
    bool moved = step != vm->seen;

    if (!(step & 1) || !limit) {
        vm->seen = step;
        return moved ? now + TICK_US : 0;
    }
    if (moved) {
        vm->seen = step;
        vm->seen_at = now;
        vm->seen_cpu = cpu_of(tid);
        vm->blame_at = now + limit;
    }
    if (now < vm->blame_at)
        return vm->blame_at;
    if (!overdue(vm, now - vm->seen_at, cpu_of(tid) - vm->seen_cpu, limit))
        return now + (atomic_load(&vm->patient) ? TICK_US : AGAIN_US);
    atomic_store_explicit(&vm->blamed, step, memory_order_relaxed);
    /* Again later: the hook may have met a thread about to be left. Ever more
     * rarely: setting it walks the whole call stack, and a deep one must find
     * the time to advance between two signals. */
    vm->blame_at = now + (now - vm->seen_at) / 4;
    tgkill(getpid(), tid, signo);
    return vm->blame_at;
}

/* The same of all. */
static us_t look_at_all(void)
{
    int signo = atomic_load(&monitor.signo);
    us_t now = clock_now(), next = 0;

    for (struct vm *vm = monitor.first; vm; vm = vm->next) {
        us_t again = look(vm, now, signo);

        if (again && (!next || again < next))
            next = again;
    }
    return next > now + TICK_US ? now + TICK_US : next;
}

/* Only the end would have it earlier, and can wait. */
static void wait_until(us_t time)
{
    struct timespec t = {.tv_sec = time / US_PER_S,
                         .tv_nsec = time % US_PER_S * 1000};

    pthread_mutex_unlock(&monitor.lock);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    pthread_mutex_lock(&monitor.lock);
}

/* A step that begins now may not have seen that the monitor is drowsy; a tick
 * later its number is seen here. So drowsiness comes a tick before sleep. */
static void *watch(void *arg)
{
    unsigned quiet = 0;

    (void)arg;
    pthread_mutex_lock(&monitor.lock);
    while (!monitor.quit) {
        us_t next = look_at_all();

        /* Somebody woke it, though his step may be over and his state gone. */
        bool woken = quiet >= QUIET_TICKS && !atomic_load(&monitor.drowsy);

        quiet = next || woken ? 0 : quiet + 1;
        atomic_store(&monitor.drowsy, quiet >= QUIET_TICKS);
        if (quiet <= QUIET_TICKS)
            wait_until(next ? next : clock_now() + TICK_US);
        else
            pthread_cond_wait(&monitor.changed, &monitor.lock);
    }
    pthread_mutex_unlock(&monitor.lock);
    return NULL;
}

static void wake_monitor(void)
{
    pthread_mutex_lock(&monitor.lock);
    atomic_store(&monitor.drowsy, false);
    pthread_cond_signal(&monitor.changed);
    pthread_mutex_unlock(&monitor.lock);
}

void vm_monitor_add(struct vm *vm)
{
    pthread_mutex_lock(&monitor.lock);
    vm->next = monitor.first;
    if (vm->next)
        vm->next->prev = vm;
    monitor.first = vm;
    pthread_mutex_unlock(&monitor.lock);
}

void vm_monitor_remove(struct vm *vm)
{
    pthread_mutex_lock(&monitor.lock);
    if (vm->next)
        vm->next->prev = vm->prev;
    if (vm->prev)
        vm->prev->next = vm->next;
    else
        monitor.first = vm->next;
    pthread_mutex_unlock(&monitor.lock);
}

/* -- the watched thread ---------------------------------------------------- */

static void stop_hook(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);

    (void)ar;
    if (vm->stop || vm->killed)
        vm_kill(L, VM_TIMEOUT);
    lua_sethook(L, NULL, 0, 0);     /* left over from a step that ended */
}

static void on_signal(int signo)
{
    (void)signo;
    for (struct vm *vm = here.inside; vm; vm = vm->outer) {
        if (atomic_load_explicit(&vm->step, memory_order_relaxed) !=
            atomic_load_explicit(&vm->blamed, memory_order_relaxed))
            continue;
        vm->stop = 1;
        lua_sethook(vm->running, stop_hook, ALL_EVENTS, 1);
    }
}

static void adopt_thread(int signo)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    here.tid = gettid();
    here.signo = signo;
}

static void count_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    if (vm_of(L)->hooking)
        vm_monitor_check(L);
    else
        lua_sethook(L, NULL, 0, 0);
}

void vm_monitor_hook(lua_State *L)
{
    lua_sethook(L, count_hook, LUA_MASKCOUNT, COUNT);
}

static void begin_hooked(struct vm *vm)
{
    if (!atomic_load_explicit(&vm->limit, memory_order_relaxed))
        return;
    vm->hooking = true;
    vm->started = clock_now();
    vm->started_cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
    vm_monitor_hook(vm->main);
}

void vm_monitor_begin(struct vm *vm)
{
    int signo = atomic_load_explicit(&monitor.signo, memory_order_relaxed);
    uint64_t step;

    if (!signo) {
        begin_hooked(vm);
        return;
    }
    if (here.signo != signo)
        adopt_thread(signo);
    if (atomic_load_explicit(&vm->tid, memory_order_relaxed) != here.tid)
        atomic_store_explicit(&vm->tid, here.tid, memory_order_relaxed);
    vm->outer = here.inside;
    here.inside = vm;
    step = atomic_load_explicit(&vm->step, memory_order_relaxed);
    atomic_store_explicit(&vm->step, step + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&monitor.drowsy, memory_order_relaxed))
        wake_monitor();
}

void vm_monitor_end(struct vm *vm)
{
    uint64_t step = atomic_load_explicit(&vm->step, memory_order_relaxed);

    if (step & 1) {
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&vm->step, step + 1, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        here.inside = vm->outer;
    }
    if (!vm->hooking && !vm->stop && !vm->killed)
        return;
    vm->hooking = false;
    vm->stop = 0;
    lua_sethook(vm->main, NULL, 0, 0);
}

void vm_monitor_check(lua_State *L)
{
    struct vm *vm = vm_of(L);
    us_t limit, wall;

    if (vm->stop || vm->killed)
        vm_kill(L, VM_TIMEOUT);
    if (!vm->hooking)
        return;
    limit = atomic_load_explicit(&vm->limit, memory_order_relaxed);
    wall = clock_now() - vm->started;
    if (wall >= limit &&
        overdue(vm, wall, clock_us(CLOCK_THREAD_CPUTIME_ID) - vm->started_cpu,
                limit))
        vm_kill(L, VM_TIMEOUT);
}

/* -- start and stop -------------------------------------------------------- */

static int start(int signo)
{
    struct sigaction action;
    sigset_t all, mask;
    int err;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    if (sigaction(signo, &action, &monitor.before))
        return -1;
    atomic_store(&monitor.signo, signo);
    monitor.quit = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    err = pthread_create(&monitor.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (!err)
        return 0;
    atomic_store(&monitor.signo, 0);
    sigaction(signo, &monitor.before, NULL);
    errno = err;
    return -1;
}

static void stop(void)
{
    int signo = atomic_load(&monitor.signo);
    struct sigaction ignore;

    pthread_mutex_lock(&monitor.lock);
    monitor.quit = true;
    pthread_cond_signal(&monitor.changed);
    pthread_mutex_unlock(&monitor.lock);
    pthread_join(monitor.thread, NULL);
    atomic_store(&monitor.signo, 0);
    /* Ignoring it first drops one that is still pending somewhere, which the
     * disposition of before might take for the end of the process. */
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(signo, &ignore, NULL);
    sigaction(signo, &monitor.before, NULL);
}

int vm_monitor_start(int signo)
{
    int result = 0;

    if (UNDER_TSAN)
        return 0;
    pthread_mutex_lock(&monitor.control);
    if (monitor.starts && atomic_load(&monitor.signo) != signo)
        result = -1;
    else if (!monitor.starts)
        result = start(signo);
    if (!result)
        monitor.starts++;
    pthread_mutex_unlock(&monitor.control);
    return result;
}

void vm_monitor_stop(void)
{
    if (UNDER_TSAN)
        return;
    pthread_mutex_lock(&monitor.control);
    if (monitor.starts && !--monitor.starts)
        stop();
    pthread_mutex_unlock(&monitor.control);
}
