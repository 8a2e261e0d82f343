/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of thread: signals, priority, and when work done aside breathes. This
 * program has its own sched_yield, which counts.
 */
#include "clock.h"
#include "test.h"
#include "thread.h"
#include "vm.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned yields;

int sched_yield(void)
{
    yields++;
    return 0;
}

static void run(void *(*body)(void *), void *arg)
{
    pthread_t thread;

    CHECK(thread_start(&thread, body, arg, 0) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static int priority(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void breathe_for(us_t long_enough)
{
    us_t end = clock_now() + long_enough;

    while (clock_now() < end)
        thread_breathe();
}

static void *look_at_signals(void *blocked)
{
    pthread_sigmask(SIG_SETMASK, NULL, blocked);
    return NULL;
}

static void signals_go_elsewhere(void)
{
    sigset_t blocked;

    run(look_at_signals, &blocked);
    CHECK(sigismember(&blocked, SIGTERM) == 1);
    CHECK(sigismember(&blocked, SIGPIPE) == 1);
    CHECK(sigismember(&blocked, SIGSEGV) == 0);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    CHECK(sigismember(&blocked, SIGTERM) == 0);
}

static void *give_way(void *arg)
{
    int *nice = arg;

    nice[0] = priority();
    thread_give_way();
    nice[1] = priority();
    return NULL;
}

static void only_the_caller_gives_way(void)
{
    int before = priority(), nice[2] = {0, 0};

    run(give_way, nice);
    CHECK(nice[0] == before);
    CHECK(nice[1] == (before > 10 ? before : 10));
    CHECK(priority() == before);
}

static void who_never_gave_way_does_not_breathe(void)
{
    yields = 0;
    breathe_for(2 * US_PER_MS);
    CHECK(yields == 0);
}

static void *breathe(void *arg)
{
    us_t began = clock_now();

    (void)arg;
    yields = 0;
    thread_give_way();
    CHECK(yields == 1);
    while (yields < 20 && clock_now() < began + US_PER_S / 3)
        thread_breathe();
    CHECK(yields == 20);
    CHECK(clock_now() - began >= US_PER_MS - 50);
    breathe_for(US_PER_S / 2);
    yields = 0;
    breathe_for(2 * US_PER_MS);
    CHECK(yields == 0);
    return NULL;
}

static void breathing_has_a_rhythm_and_an_end(void)
{
    run(breathe, NULL);
}

/* A state that is filled and closed; ${arg}: whether work on it is done aside. */
static void *fill(void *arg)
{
    static const struct vm_limits limits = {.state_bytes = 64u << 20};
    static const char text[] = "all = {} "
                               "for i = 1, 30000 do all[i] = {i} end";
    struct vm *vm = vm_new(&limits);
    struct vm_fault fault;
    bool aside = *(bool *)arg;

    vm_aside(vm, aside);
    vm_push_env(vm);
    CHECK(vm_load(vm, text, sizeof text - 1, "fill", &fault) == 0);
    thread_give_way();
    yields = 0;
    CHECK(vm_call(vm, 0, 0, &fault) == 0);
    CHECK(aside ? yields > 0 : yields == 0);
    thread_give_way();      /* anew: it breathes for half a second only */
    yields = 0;
    vm_free(vm);
    CHECK(yields > 0);
    return NULL;
}

static void a_state_breathes_while_it_is_aside_and_closing(void)
{
    bool aside = true;

    run(fill, &aside);
    aside = false;
    run(fill, &aside);
}

int main(void)
{
    RUN(signals_go_elsewhere);
    RUN(only_the_caller_gives_way);
    RUN(who_never_gave_way_does_not_breathe);
    RUN(breathing_has_a_rhythm_and_an_end);
    RUN(a_state_breathes_while_it_is_aside_and_closing);
    return test_end();
}
