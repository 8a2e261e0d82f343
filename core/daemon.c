/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a server: new builds and binds everything, run starts the workers
 * and is the control loop, free takes it down in reverse.
 */
#include "daemon_impl.h"

#include "board.h"
#include "buf.h"
#include "config.h"
#include "engine.h"
#include "generation.h"
#include "log.h"
#include "policy.h"
#include "ring.h"
#include "thread.h"
#include "upstream.h"
#include "vm.h"

#include <event2/event.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORKERS_MAX 256

int daemon_fail(struct leme_error *error, int code, const char *where,
                const char *format, ...)
{
    va_list ap;

    if (!error || error->size < sizeof *error)
        return code;
    error->code = code;
    snprintf(error->where, sizeof error->where, "%s", where);
    va_start(ap, format);
    vsnprintf(error->message, sizeof error->message, format, ap);
    va_end(ap);
    return code;
}

/* -- options ------------------------------------------------------------------------ */

/* A host may be older (smaller) or newer (larger, then with zeros) than we are. */
static int read_options(const void *given, struct leme_server_options *own,
                        struct leme_error *error)
{
    uint32_t size;

    memset(own, 0, sizeof *own);
    memcpy(&size, given, sizeof size);
    if (size < 2 * sizeof(uint32_t))
        return daemon_fail(error, LEME_USAGE, "", "options.size is not set");
    for (size_t i = sizeof *own; i < size; i++)
        if (((const char *)given)[i])
            return daemon_fail(error, LEME_USAGE, "", "an option is not known "
                               "to this version of the library");
    memcpy(own, given, size < sizeof *own ? size : sizeof *own);
    if (own->workers > WORKERS_MAX)
        return daemon_fail(error, LEME_USAGE, "", "more than %d workers",
                           WORKERS_MAX);
    return 0;
}

static int copy_text(const char **text)
{
    if (!*text)
        return 0;
    *text = strdup(*text);
    return *text ? 0 : -1;
}

static int keep_options(struct leme_server *s,
                        const struct leme_server_options *o)
{
    struct leme_server_options *own = &s->options;

    *own = *o;
    own->config = own->listen = own->admin = own->lua_dir = own->env_file = NULL;
    for (int i = 0; i < 5; i++) {
        const char *const from[] = {o->config, o->listen, o->admin, o->lua_dir,
                                    o->env_file};
        const char **const to[] = {&own->config, &own->listen, &own->admin,
                                   &own->lua_dir, &own->env_file};

        *to[i] = from[i];
        if (copy_text(to[i]))
            return -1;
    }
    return 0;
}

/* A configuration of ours has no file: it is given one that has no name. */
static int keep_text(struct leme_server *s, const char *text)
{
    char path[32];
    size_t len = strlen(text);

    s->config_fd = memfd_create("leme", MFD_CLOEXEC);
    if (s->config_fd < 0 || write(s->config_fd, text, len) != (ssize_t)len)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", s->config_fd);
    free((char *)s->options.config);
    s->options.config = strdup(path);
    return s->options.config ? 0 : -1;
}

static unsigned cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static unsigned worker_count(const struct leme_server *s, const struct config *c)
{
    unsigned n = s->options.workers ? s->options.workers : c->settings.workers;

    if (!n)
        n = cores();
    return n < WORKERS_MAX ? n : WORKERS_MAX;
}

/* -- parts ----------------------------------------------------------------------------- */

static int memory_wrong(struct daemon_fault *fault)
{
    fault->code = LEME_CANNOT_BIND;
    snprintf(fault->message, sizeof fault->message, "not enough memory, "
             "descriptors or threads");
    return -1;
}

static int open_logs(struct leme_server *s, const struct config *c,
                     struct daemon_fault *fault)
{
    struct log_options to = {.to = c->settings.log};
    char why[256];

    if (s->quiet)
        return 0;
    s->access = log_new(&to, why, sizeof why);
    if (s->access)
        return 0;
    fault->code = LEME_CANNOT_BIND;
    snprintf(fault->message, sizeof fault->message, "%s", why);
    return -1;
}

static int open_stores(struct leme_server *s, const struct config *c)
{
    s->workers = worker_count(s, c);
    s->memory.max = c->settings.memory_max;
    s->worker = calloc(s->workers, sizeof *s->worker);
    s->board = board_new(s->workers + 1, CEIL_BOARD_BYTES);
    s->metrics = metrics_new(s->workers);
    s->ring = ring_new(CEIL_RING_BYTES);
    if (!s->worker || !s->board || !s->metrics || !s->ring ||
        daemon_reload_new(s))
        return -1;
    for (unsigned i = 0; i < s->workers; i++) {
        s->worker[i].server = s;
        s->worker[i].shard = i;
    }
    s->curl = upstream_global_init() == 0;
    if (!s->curl)
        return -1;
    s->monitor = s->options.kill_signal > 0 &&
                 vm_monitor_start(s->options.kill_signal) == 0;
    return 0;
}

static int open_engines(struct leme_server *s, struct daemon_build *b)
{
    struct engine_shared shared = {
        .board = s->board, .metrics = s->metrics, .memory = &s->memory,
        .finished = daemon_finished, .log = daemon_log, .idle = daemon_idle,
        .swapped = daemon_swapped, .arg = s};

    for (unsigned i = 0; i < s->workers; i++) {
        s->worker[i].engine = engine_new(&shared, i, NULL, b->states[i]);
        b->states[i] = NULL;
        if (!s->worker[i].engine)
            return -1;
    }
    return 0;
}

static void get_status(void *arg, struct admin_status *out)
{
    struct leme_server *s = arg;
    us_t now = clock_now(), oldest = daemon_oldest(s);

    *out = (struct admin_status){
        .phase = daemon_phase_name(s), .uptime = now - s->started,
        .workers = s->workers, .in_flight = daemon_in_flight(s),
        .connections = daemon_connections(s),
        .oldest_age = oldest && oldest < now ? now - oldest : 0,
        .memory_used = atomic_load(&s->memory.used),
        .memory_max = s->memory.max, .reload_waits = s->reload_waits,
        .log_dropped = (s->access ? log_dropped(s->access) : 0) +
                       (s->operators ? log_dropped(s->operators) : 0),
        .reload = s->outcome};
    for (unsigned i = 0; i < CEIL_GENERATIONS; i++)
        out->generations += s->alive[i].generation != NULL;
}

static const struct generation *get_generation(void *arg)
{
    return ((struct leme_server *)arg)->current->generation;
}

static const char *get_policy(void *arg, unsigned model)
{
    return ((struct leme_server *)arg)->current->names[model];
}

static void refresh(void *arg)
{
    daemon_records(arg);
    daemon_gauges(arg);
}

static int open_admin(struct leme_server *s)
{
    struct admin_env env = {
        .base = s->base, .board = s->board, .metrics = s->metrics,
        .ring = s->ring, .generation = get_generation, .policy = get_policy,
        .status = get_status, .refresh = refresh, .redact = daemon_redact,
        .reload = daemon_reload, .drain = daemon_drain, .stop = daemon_stop,
        .arg = s};

    s->admin = admin_new(&env);
    return s->admin ? 0 : -1;
}

/* -- what is served by what --------------------------------------------------------------- */

static void add_host(struct buf *b, const struct provider *p)
{
    const char *host = strstr(p->base, "://");

    host = host ? host + 3 : p->base;
    if (p->mocked)
        buf_adds(b, "mock");
    else
        buf_add(b, host, strcspn(host, "/"));
}

static int make_summary(struct leme_server *s)
{
    const struct config *c = daemon_config(s);
    struct buf b;

    buf_init(&b, 8 * MIB);
    for (size_t i = 0; i < c->nmodels; i++)
        for (size_t k = 0; k < c->models[i].ntargets; k++) {
            const struct target *t = &c->targets[c->models[i].targets[k]];

            buf_addf(&b, "%s %s ", c->models[i].name, t->name);
            add_host(&b, &c->providers[t->provider]);
            buf_addc(&b, '\n');
        }
    if (buf_addc(&b, '\0')) {
        buf_free(&b);
        return -1;
    }
    s->summary = b.data;            /* owned from now on */
    return 0;
}

/* -- new -------------------------------------------------------------------------------------- */

static int open_parts(struct leme_server *s, struct config *c,
                      struct daemon_build *b, struct daemon_fault *fault)
{
    if (open_logs(s, c, fault) || open_stores(s, c)) {
        config_free(c);
        return fault->code ? -1 : memory_wrong(fault);
    }
    if (daemon_build(s, c, b) || daemon_adopt(s, b)) {
        *fault = b->fault;
        return -1;
    }
    if (open_engines(s, b) || open_admin(s) || make_summary(s))
        return memory_wrong(fault);
    if (daemon_bind(s, fault) || daemon_bind_admin(s, fault))
        return -1;
    daemon_gauges_new(s);
    daemon_records_new(s);
    daemon_watch(s, NULL);
    return 0;
}

static int open_server(struct leme_server *s, struct daemon_fault *fault)
{
    struct daemon_build b;
    struct config *c = daemon_load(s, fault);
    int bad;

    if (!c)
        return -1;
    memset(&b, 0, sizeof b);
    bad = open_parts(s, c, &b, fault);
    daemon_build_free(s, &b);
    return bad;
}

static int open_loop(struct leme_server *s)
{
    struct log_options to = {.line = s->options.log, .arg = s->options.log_arg};
    char why[256];

    s->base = event_base_new();
    if (!s->base || daemon_control_new(s))
        return -1;
    if (!s->options.log)
        return 0;
    s->operators = log_new(&to, why, sizeof why);
    return s->operators ? 0 : -1;
}

static struct leme_server *server_alloc(void)
{
    struct leme_server *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->config_fd = s->pipe[0] = s->pipe[1] = -1;
    pthread_mutex_init(&s->live_lock, NULL);
    pthread_mutex_init(&s->idle_lock, NULL);
    s->started = clock_now();
    return s;
}

int daemon_new(const struct leme_server_options *options, const char *text,
               leme_server **out, struct leme_error *error)
{
    struct daemon_fault fault;
    struct leme_server *s = server_alloc();

    *out = NULL;
    memset(&fault, 0, sizeof fault);
    if (!s)
        return daemon_fail(error, LEME_CANNOT_BIND, "", "not enough memory");
    s->quiet = text != NULL;
    if (keep_options(s, options) || (text && keep_text(s, text)) || open_loop(s))
        memory_wrong(&fault);
    else
        open_server(s, &fault);
    if (!fault.code) {
        *out = s;
        return 0;
    }
    leme_server_free(s);
    return daemon_fail(error, fault.code, fault.where, "%s", fault.message);
}

int leme_server_new(const struct leme_server_options *options,
                    leme_server **out, struct leme_error *error)
{
    struct leme_server_options own;

    if (!options || !out)
        return daemon_fail(error, LEME_USAGE, "", "options and out are needed");
    *out = NULL;
    if (read_options(options, &own, error))
        return LEME_USAGE;
    if (!own.config)
        return daemon_fail(error, LEME_USAGE, "", "options.config is needed");
    return daemon_new(&own, NULL, out, error);
}

/* -- run -------------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    struct worker *w = arg;

    engine_run(w->engine);
    w->cut = engine_cut_streams(w->engine);
    engine_free(w->engine);
    w->engine = NULL;
    return NULL;
}

static int start_workers(struct leme_server *s)
{
    for (unsigned i = 0; i < s->workers; i++) {
        struct worker *w = &s->worker[i];

        if (thread_start(&w->thread, work, w, s->options.kill_signal))
            return -1;
        w->started = true;
    }
    return 0;
}

/* How many streams were cut. */
static unsigned stop_workers(struct leme_server *s)
{
    unsigned cut = 0;

    for (unsigned i = 0; i < s->workers; i++)
        if (s->worker[i].started)
            engine_post(s->worker[i].engine, ENGINE_STOP, NULL);
    for (unsigned i = 0; i < s->workers; i++) {
        if (s->worker[i].started)
            pthread_join(s->worker[i].thread, NULL);
        s->worker[i].started = false;
        cut += s->worker[i].cut;
    }
    return cut;
}

int leme_server_run(leme_server *s, struct leme_error *error)
{
    unsigned cut;

    if (!s || s->phase == DAEMON_OVER)
        return daemon_fail(error, LEME_USAGE, "", "a server runs once");
    if (start_workers(s)) {
        s->phase = DAEMON_OVER;
        stop_workers(s);
        return daemon_fail(error, LEME_CANNOT_BIND, "",
                           "a thread cannot be started");
    }
    while (s->phase != DAEMON_OVER && event_base_dispatch(s->base) == 0)
        ;
    s->phase = DAEMON_OVER;
    cut = stop_workers(s);
    daemon_records(s);
    daemon_logf(s, "info", "stopped, %u streams were cut", cut);
    if (cut)
        return daemon_fail(error, LEME_CUT, "", "%u streams were cut at the "
                           "drain limit", cut);
    return 0;
}

void leme_server_notify(leme_server *s, enum leme_notice what)
{
    if (s)
        daemon_post(s, (unsigned char)what);
}

const char *leme_server_address(const leme_server *s, unsigned i)
{
    return i < s->naddresses ? s->addresses[i] : NULL;
}

int leme_server_needs_key(const leme_server *s)
{
    return s->current && daemon_config(s)->nclients > 0;
}

const char *leme_server_summary(const leme_server *s)
{
    return s->summary;
}

/* -- free -------------------------------------------------------------------------------------- */

static void free_stores(struct leme_server *s)
{
    log_free(s->access);
    log_free(s->operators);
    ring_free(s->ring);
    board_free(s->board);
    metrics_free(s->metrics);
    free(s->worker);
    free(s->addresses);
    free(s->summary);
    if (s->monitor)
        vm_monitor_stop();
    if (s->curl)
        upstream_global_cleanup();
}

static void free_options(struct leme_server *s)
{
    free((char *)s->options.config);
    free((char *)s->options.listen);
    free((char *)s->options.admin);
    free((char *)s->options.lua_dir);
    free((char *)s->options.env_file);
    if (s->config_fd >= 0)
        close(s->config_fd);
}

void leme_server_free(leme_server *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->workers && s->worker; i++)
        engine_free(s->worker[i].engine);
    if (s->worker)
        daemon_records(s);
    admin_free(s->admin);
    if (s->idle)
        daemon_reload_free(s);
    daemon_mock_free(s);
    free_stores(s);
    if (s->base)
        daemon_control_free(s);
    if (s->base)
        event_base_free(s->base);
    free_options(s);
    pthread_mutex_destroy(&s->live_lock);
    pthread_mutex_destroy(&s->idle_lock);
    free(s);
}
