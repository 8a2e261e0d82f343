/* SPDX-License-Identifier: Apache-2.0 */
#include "thread.h"

#include <signal.h>
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

void thread_give_way(void)
{
    /* On Linux this is one thread's, by its number. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
}
