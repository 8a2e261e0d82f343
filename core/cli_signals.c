/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_signals: signals to notices. The handlers do nothing but notify.
 */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

static const struct {
    int signal;
    enum leme_notice notice;
} table[] = {
    {SIGTERM, LEME_STOP},   {SIGINT, LEME_STOP},      {SIGHUP, LEME_RELOAD},
    {SIGUSR1, LEME_REOPEN}, {SIGUSR2, LEME_SNAPSHOT}, {SIGQUIT, LEME_QUIT},
};

enum { SIGNALS = sizeof table / sizeof *table };

static _Atomic(leme_server *) receiver;
static atomic_int stops;

static void handle(int number)
{
    leme_server *server = receiver;
    int saved = errno;
    size_t i;

    for (i = 0; i < SIGNALS && server; i++) {
        if (table[i].signal != number)
            continue;
        if (table[i].notice == LEME_STOP)
            stops++;
        leme_server_notify(server, table[i].notice);
    }
    errno = saved;
}

static void mask(int how)
{
    sigset_t set;
    size_t i;

    sigemptyset(&set);
    for (i = 0; i < SIGNALS; i++)
        sigaddset(&set, table[i].signal);
    sigprocmask(how, &set, NULL);
}

static void install(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    size_t i;

    sigfillset(&action.sa_mask);
    for (i = 0; i < SIGNALS; i++)
        sigaction(table[i].signal, &action, NULL);
}

void cli_signals_hold(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &ignore, NULL);
    mask(SIG_BLOCK);
}

void cli_signals_begin(leme_server *server)
{
    receiver = server;
    install(handle);
    mask(SIG_UNBLOCK);
}

int cli_signals_end(void)
{
    mask(SIG_BLOCK);
    receiver = NULL;
    return stops;
}

int cli_signals_kill(void)
{
    return SIGRTMIN + 3;
}
