/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners: each worker has a socket of its own for the same port, and the
 * kernel spreads connections over them. A path can be bound only once: the first
 * worker serves it.
 */
#include "daemon_impl.h"

#include "config.h"
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:8080"

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

static bool is_local(const char *address)
{
    return is_unix(address) || strncmp(address, "127.", 4) == 0 ||
           strncmp(address, "localhost:", 10) == 0 ||
           strncmp(address, "[::1]:", 6) == 0;
}

static int refuse(struct daemon_fault *fault, int code, const char *address,
                  const char *why)
{
    fault->code = code;
    fault->where[0] = '\0';
    snprintf(fault->message, sizeof fault->message, "%s: %s", address, why);
    return -1;
}

/* -- the command line's addresses ------------------------------------------------ */

int daemon_may_listen(const struct leme_server *s, const struct config *c,
                      struct daemon_fault *fault)
{
    const char *listen = s->options.listen, *admin = s->options.admin;

    if (admin && !is_unix(admin) && !c->admin_key.bytes)
        return refuse(fault, LEME_BAD_CONFIG, admin,
                      "an admin address over TCP needs admin { key = ... } in "
                      "the configuration, or use unix:/path");
    if (!listen || is_local(listen))
        return 0;
    if (!c->nclients)
        return refuse(fault, LEME_BAD_CONFIG, listen,
                      "is reached from other machines, and no client with a "
                      "key is configured: anybody could spend your money");
    for (size_t i = 0; i < c->nclients; i++)
        if (!c->clients[i].has_key)
            return refuse(fault, LEME_BAD_CONFIG, listen,
                          "is reached from other machines, and a client has "
                          "no key");
    for (size_t i = 0; i < c->nproviders; i++)
        if (c->providers[i].mock != MOCK_NEVER)
            return refuse(fault, LEME_BAD_CONFIG, listen,
                          "is reached from other machines, and a provider may "
                          "be a mock");
    return 0;
}

/* -- binding ------------------------------------------------------------------------ */

static int serve(struct leme_server *s, unsigned worker, int fd, bool half_close,
                 const char *address, struct daemon_fault *fault)
{
    if (engine_listen(s->worker[worker].engine, fd, half_close) == 0)
        return 0;
    close(fd);
    return refuse(fault, LEME_CANNOT_BIND, address, "not enough memory");
}

static int cannot(struct daemon_fault *fault, const char *what, const char *why)
{
    fault->code = LEME_CANNOT_BIND;
    fault->where[0] = '\0';
    snprintf(fault->message, sizeof fault->message, "%s%s", what, why);
    return -1;
}

/* Two servers of one user could share a port that is bound for sharing, and
 * neither would know: so it must be free before. */
static int check_free(const char *address, struct daemon_fault *fault)
{
    char bound[DAEMON_ADDRESS], why[512];
    int fd = conn_bind(address, false, bound, sizeof bound, why, sizeof why);

    if (fd < 0)
        return cannot(fault, "", why);
    close(fd);
    return 0;
}

/* One address on all workers that can have it. */
static int bind_one(struct leme_server *s, const char *address, bool half_close,
                    struct daemon_fault *fault)
{
    unsigned n = is_unix(address) ? 1 : s->workers;
    char *bound = s->addresses[s->naddresses], again[DAEMON_ADDRESS];
    char why[512];
    int fd;

    if (n > 1 && check_free(address, fault))
        return -1;
    for (unsigned i = 0; i < n; i++) {
        fd = conn_bind(i ? bound : address, n > 1, i ? again : bound,
                       DAEMON_ADDRESS, why, sizeof why);
        if (fd < 0)
            return cannot(fault, "", why);
        if (serve(s, i, fd, half_close, address, fault))
            return -1;
    }
    s->naddresses++;
    return 0;
}

int daemon_bind(struct leme_server *s, struct daemon_fault *fault)
{
    const struct config *c = daemon_config(s);
    size_t n = s->options.listen || !c->nlisteners ? 1 : c->nlisteners;

    s->addresses = calloc(n, sizeof *s->addresses);
    if (!s->addresses)
        return refuse(fault, LEME_CANNOT_BIND, "listen", "not enough memory");
    if (s->options.listen || !c->nlisteners)
        return bind_one(s, s->options.listen ? s->options.listen
                                             : DEFAULT_LISTEN, false, fault);
    for (size_t i = 0; i < n; i++)
        if (bind_one(s, c->listeners[i].address,
                     c->listeners[i].half_close_answer, fault))
            return -1;
    return 0;
}

static int bind_admin(struct leme_server *s, const char *address,
                      struct daemon_fault *fault)
{
    char bound[DAEMON_ADDRESS], why[512];
    int fd = conn_bind(address, false, bound, sizeof bound, why, sizeof why);

    if (fd < 0)
        return cannot(fault, "admin: ", why);
    if (admin_listen(s->admin, fd)) {
        close(fd);
        return refuse(fault, LEME_CANNOT_BIND, address, "not enough memory");
    }
    daemon_logf(s, "info", "admin at %s", bound);
    return 0;
}

int daemon_bind_admin(struct leme_server *s, struct daemon_fault *fault)
{
    const struct config *c = daemon_config(s);

    if (s->options.admin)
        return bind_admin(s, s->options.admin, fault);
    for (size_t i = 0; i < c->nadmins; i++)
        if (bind_admin(s, c->admins[i].address, fault))
            return -1;
    return 0;
}
