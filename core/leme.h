/* SPDX-License-Identifier: Apache-2.0
 *
 * leme: a routing engine for LLM traffic, as a library.
 *
 * Two levels. leme_engine_*: one engine on the caller's loop and thread.
 * leme_server_*: listeners, workers and the control loop, for programs that
 * want the whole; leme's own main() is one of them.
 *
 * The library sets no process-global state: no signal handlers (unless
 * kill_signal is given), no locale, no allocator; it prints nothing and never
 * exits. Its threads block SIGPIPE; a host that runs an engine on its own thread
 * must ignore SIGPIPE itself. An engine or server may not be used in the child
 * of a fork.
 *
 * C99 and C++: includes only stddef.h and stdint.h.
 */
#ifndef LEME_H
#define LEME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LEME_API __attribute__((visibility("default")))
#else
#define LEME_API
#endif

#define LEME_ABI 1

/** The ABI of the library that is running; compare with LEME_ABI. Any thread. */
LEME_API int leme_abi(void);
/** "0.1.0". Static. Any thread. */
LEME_API const char *leme_version(void);
/** One line per linked library, "name version\n". Static. Any thread. */
LEME_API const char *leme_libraries(void);

/** Codes that functions answer below 0; also the exit status they suggest. */
enum {
    LEME_OK = 0,
    LEME_REFUSED = -1,      /* the request was understood and refused */
    LEME_USAGE = -2,        /* wrong arguments */
    LEME_BAD_CONFIG = -3,   /* configuration or policy */
    LEME_CANNOT_BIND = -4,  /* address, file or environment */
    LEME_UNREACHABLE = -5,  /* no server answers at the admin address */
    LEME_CUT = -6,          /* stopped, but streams were cut at the drain limit */
    LEME_BUG = -70
};

/** Filled on failure; owned by the caller; ${size} is set by the caller. */
struct leme_error {
    uint32_t size;
    int32_t code;
    char message[512];
    char where[256];        /* "policies/x.lua:12", or "" */
};

/** Lines for the operator: ${level} is "error", "warn", "info" or "debug". */
typedef void leme_log_fn(void *arg, const char *level, const char *text,
                         size_t len);

/* -- server ----------------------------------------------------------------- */

typedef struct leme_server leme_server;

struct leme_server_options {
    uint32_t size;              /* sizeof; a larger one must be zero at its end */
    uint32_t workers;           /* 0: as configured, else the number of cores */
    const char *config;         /* path; *.lua or *.json */
    const char *listen;         /* instead of the configured listeners, or NULL */
    const char *admin;          /* instead of the configured admin, or NULL */
    const char *lua_dir;        /* instead of the embedded lua/leme, or NULL */
    int32_t kill_signal;        /* signal that stops runaway policies; 0: a hook,
                                   slower, but no signal is touched */
    int32_t watch;              /* 1 watch files, 0 do not, -1 as configured */
    leme_log_fn *log;           /* operator's lines; any thread; NULL: dropped */
    void *log_arg;
    const char *env_file;       /* NAME=value lines for variables that the
                                   environment lacks, read at each reload; or NULL */
};

/**
 * Load, check, bind. Nothing is served yet. May block on files. 0 with *${out},
 * or a negative code with ${error}.
 */
LEME_API int leme_server_new(const struct leme_server_options *options,
                             leme_server **out, struct leme_error *error);
/**
 * Serve until stopped; blocks. 0 after a clean stop, LEME_CUT when streams were
 * cut at the drain limit, another negative code with ${error}.
 */
LEME_API int leme_server_run(leme_server *server, struct leme_error *error);
/** After run has returned (or before it was called). Accepts NULL. */
LEME_API void leme_server_free(leme_server *server);

enum leme_notice {
    LEME_STOP = 1,      /* drain, then stop; a second one stops at once */
    LEME_RELOAD = 2,
    LEME_REOPEN = 3,    /* log files */
    LEME_SNAPSHOT = 4,  /* targets, in-flight, pools to the log */
    LEME_QUIT = 5       /* at once, without draining */
};
/** From any thread, and from a signal handler. */
LEME_API void leme_server_notify(leme_server *server, enum leme_notice what);

/** The address of listener ${i} (from 0) with its port resolved, or NULL. */
LEME_API const char *leme_server_address(const leme_server *server, unsigned i);
/** Must clients show a key? */
LEME_API int leme_server_needs_key(const leme_server *server);
/** One line a model and target: what is served by what. Owned by the server. */
LEME_API const char *leme_server_summary(const leme_server *server);

/* -- checking --------------------------------------------------------------- */

/** One finding: ${line} 0 is the file as a whole. ${severity} 0: an error, 1: a
 * warning, 2: a note, which asks for nothing. */
typedef void leme_check_fn(void *arg, const char *file, int line, int severity,
                           const char *message);
/**
 * Everything wrong with a configuration and its policies, all at once, without
 * serving; notes on prices when nothing in it is wrong. The number of errors, or
 * a negative code.
 */
LEME_API int leme_check(const char *config, const char *lua_dir,
                        leme_check_fn *report, void *arg);

/** What asking about one key came to; borrowed during the call. */
struct leme_key {
    uint32_t size;
    int32_t line;               /* of its provider, in ${file} */
    const char *file;
    const char *provider;
    const char *key;            /* its name among several, else "" */
    const char *hint;           /* what may be shown of it; "" without a key */
    const char *verdict;        /* works, limited (good, at its limit), mocked
                                   (not asked); refused, unpaid, unreachable,
                                   failed (the answer says nothing of the key) */
    const char *detail;         /* a sentence, redacted */
    const char *missing;        /* configured models that it does not have: a
                                   sentence each, LF between; or "" */
    int32_t status;             /* HTTP; 0: no answer */
    int32_t ok;                 /* works, limited or mocked */
    double seconds;
};
typedef void leme_key_fn(void *arg, const struct leme_key *key);
/**
 * Ask every provider about each of its keys, all at once, for at most ${seconds}:
 * its list of models, or else a completion of one token. Blocks; then reports in
 * the order of the configuration, which leme_check has found good. The number of
 * keys that do not work, or a negative code.
 */
LEME_API int leme_check_keys(const char *config, const char *lua_dir,
                             double seconds, leme_key_fn *report, void *arg);

/* -- admin client ----------------------------------------------------------- */

/**
 * One call to a running server's admin address ("unix:/path" or "host:port").
 * ${key} may be NULL. *${status} is the HTTP status, *${body} the answer
 * (release with leme_release). 0, or LEME_UNREACHABLE with ${error}. Blocks.
 */
LEME_API int leme_admin_call(const char *address, const char *key,
                             const char *method, const char *path,
                             const char *request, int *status, char **body,
                             struct leme_error *error);
LEME_API void leme_release(void *memory);

/* -- mock provider ----------------------------------------------------------- */

/**
 * A server that plays an OpenAI-compatible provider. ${script} is a JSON object
 * of options (see lua/leme/mock.lua), or NULL. Otherwise as leme_server_new.
 */
LEME_API int leme_mock_new(const char *listen, const char *script,
                           const struct leme_server_options *options,
                           leme_server **out, struct leme_error *error);

/* -- engine ------------------------------------------------------------------ */

typedef struct leme_engine leme_engine;

struct leme_engine_options {
    uint32_t size;
    int32_t kill_signal;        /* as above */
    const char *config;         /* path */
    const char *lua_dir;
    void *event_base;           /* a libevent event_base, borrowed; NULL: the
                                   engine makes its own, see leme_engine_turn */
    leme_log_fn *log;
    void *log_arg;
};

/** Build an engine that runs on this thread. 0, or a negative code. */
LEME_API int leme_engine_new(const struct leme_engine_options *options,
                             leme_engine **out, struct leme_error *error);
/** Ends what runs (its callbacks see `whole` = 0). Accepts NULL. */
LEME_API void leme_engine_free(leme_engine *engine);

/** Where an answer goes; called on the engine's thread, from its loop, never
 * from inside leme_engine_submit. May not free the engine. */
struct leme_callbacks {
    void (*head)(void *arg, int status, const char *headers, size_t len);
    void (*data)(void *arg, const char *bytes, size_t len);
    void (*end)(void *arg, int whole);
    void *arg;
};

struct leme_request {
    uint32_t size;
    const char *path;           /* "/v1/chat/completions" */
    const char *body;           /* copied */
    size_t body_bytes;
    const char *headers;        /* "name: value\r\n" lines, or NULL; copied */
};

/** Begin a request; *${id} names it. 0, or a negative code with ${error}. */
LEME_API int leme_engine_submit(leme_engine *engine,
                                const struct leme_request *request,
                                const struct leme_callbacks *callbacks,
                                uint64_t *id, struct leme_error *error);
/** Give up on a request: no callback of it runs any more. */
LEME_API void leme_engine_cancel(leme_engine *engine, uint64_t id);
/** Run the engine's own loop until something happened, at most ${ms}
 * milliseconds (-1: no limit). Only without a borrowed event_base. */
LEME_API int leme_engine_turn(leme_engine *engine, int ms);
/** Build the configuration anew and swap; the old one stays on failure. */
LEME_API int leme_engine_reload(leme_engine *engine, struct leme_error *error);

#ifdef __cplusplus
}
#endif

#endif
