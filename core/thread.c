/* SPDX-License-Identifier: Apache-2.0 */
#include "thread.h"

#include "clock.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

int thread_start(pthread_t *thread, void *(*body)(void *), void *arg, int open)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
                                 SIGTRAP};
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    if (open > 0)
        sigdelset(&all, open);
    /* A thread inherits the mask of its maker. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

#define LOW 10

/* A scheduler may let whoever runs finish a slice of milliseconds, however low its
 * priority, while a worker waits: so long work breathes. After half a second it does
 * not any more, so that it ends on a machine where somebody always waits. */
#define BREATH_US 50
#define BREATHLESS_US (US_PER_S / 2)

static _Thread_local struct {
    bool gives_way;
    us_t next, end;         /* of breathing */
} here;

void thread_give_way(void)
{
    us_t now = clock_now();
    id_t self = (id_t)gettid();     /* on Linux a priority is one thread's */

    if (getpriority(PRIO_PROCESS, self) < LOW)
        setpriority(PRIO_PROCESS, self, LOW);
    here.gives_way = true;
    here.next = now;
    here.end = now + BREATHLESS_US;
    thread_breathe();
}

void thread_breathe(void)
{
    us_t now;

    if (!here.gives_way)
        return;
    now = clock_now();
    if (now < here.next || now >= here.end)
        return;
    sched_yield();
    here.next = clock_now() + BREATH_US;
}
