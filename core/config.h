/* SPDX-License-Identifier: Apache-2.0
 *
 * config: a configuration file (Lua that is data) to structs, with every error
 * at once. Owns the structs; immutable once loaded. Called by engine and
 * daemon; its structs are read everywhere above.
 */
#ifndef LEME_CONFIG_H
#define LEME_CONFIG_H

#include "clock.h"
#include "price.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/** Where a thing was written: "leme.lua:12". */
struct config_where {
    const char *file;
    int line;
};

/** A credential: its bytes appear in no log, error, record or Lua value. */
struct secret {
    char *bytes;            /* owned, NUL-terminated; NULL when there is none */
    size_t len;
    char hint[16];          /* "sk-...last4": what may be shown */
};

struct header_pair {
    char *name;
    char *value;
};

enum usage_mode { USAGE_ASK, USAGE_COMES, USAGE_NONE };
enum auth_mode { AUTH_BEARER, AUTH_X_API_KEY, AUTH_API_KEY, AUTH_NONE,
                 AUTH_X_GOOG };
enum mock_mode { MOCK_NEVER, MOCK_WITHOUT_KEY, MOCK_ALWAYS };

/** Formats of clients, beside chat completions, that a provider may take as they
 * are: bits. */
enum native_format { NATIVE_MESSAGES = 1, NATIVE_RESPONSES = 2,
                     NATIVE_GEMINI = 4 };

/** What becomes of a parameter that a target does not know. */
enum on_failure { FAILURE_DEFAULT_ROUTE, FAILURE_REFUSE };
enum unsupported_mode { UNSUPPORTED_MAP, UNSUPPORTED_DROP, UNSUPPORTED_REFUSE };

/** What becomes of a max_tokens above what a target gives. */
enum limit_mode { LIMIT_CLAMP, LIMIT_REFUSE, LIMIT_SKIP };

/** How a target can be asked: as its dialect knows, either way, for streams only,
 * never for one. */
enum stream_mode { STREAM_AUTO, STREAM_BOTH, STREAM_ONLY, STREAM_NEVER };

/** An upstream account, or (when ${service}) a declared side service. */
struct provider {
    char *name;
    char *base;             /* "https://host[:port][/path]", no final slash */
    char *path;             /* overrides the path of the operation; or NULL */
    char *query;            /* appended to every URL; or NULL */
    char *dialect;          /* "openai" */
    unsigned native;        /* enum native_format, or-ed */
    struct secret key;      /* of the environment, a file or a text */
    char *key_name;         /* of one of several keys; or NULL */
    unsigned keys, nkeys;   /* the first of the accounts that stand for its
                               several keys, and how many; 0: none */
    enum auth_mode auth;
    struct header_pair *headers;
    size_t nheaders;
    char *proxy;            /* or NULL: none, whatever the environment says */
    char *ca_file;          /* or NULL: the system's */
    enum usage_mode usage;
    enum mock_mode mock;
    bool mocked;            /* MOCK_ALWAYS, or WITHOUT_KEY and there is no key */
    bool service;
    us_t timeout;           /* a service's total; 0: the default */
    struct prices price;    /* of its targets that have none; n is 0: none */
    double price_factor;    /* listed prices times this; default 1 */
    char *catalog;          /* whose list prices hold; or NULL: by the address */
    struct config_where where;
};

/**
 * One model at one provider; or, as a pool, the same by one of its provider's
 * several keys, with numbers, limits and cooling of its own.
 */
struct target {
    char *name;             /* "provider/model", of a pool "...#key" */
    char *model;            /* what the provider calls it */
    unsigned provider;      /* index into config.providers */
    double weight;          /* default 1 */
    struct prices price;    /* n is 0: unknown */
    bool listed;            /* it is a list price: of ordinary service only */
    char *catalog;          /* the row of a price list; or NULL: by the name */
    unsigned context;       /* tokens; 0 unknown */
    unsigned max_output;    /* tokens; 0 unknown */
    unsigned priority;      /* default 1 */
    unsigned max_in_flight; /* 0: no limit */
    double rpm;             /* requests a minute; 0: no limit */
    char **tags;
    size_t ntags;
    char **caps;            /* "tools", "vision", ... */
    size_t ncaps;
    unsigned unsupported;   /* enum unsupported_mode */
    unsigned stream;        /* enum stream_mode */
    unsigned max_tokens;    /* enum limit_mode: above max_output */
    char *region;           /* or NULL */
    char *key;              /* as a pool: the name of the key it uses; or NULL */
    unsigned of;            /* as a pool: the target it belongs to */
    unsigned pools, npools; /* the first of its pools, one for each key of its
                               provider, and how many; 0: it is called itself */
    unsigned slot;          /* on the board; set when a generation is built */
    struct config_where where;
};

/** What clients name in `model`. */
struct model {
    char *name;
    char *policy;           /* file as written, or NULL: the targets in order */
    char *policy_path;      /* resolved; or NULL */
    char *knobs;            /* JSON object text, "{}" when none */
    unsigned *targets;      /* the list form, or default_route; indices */
    size_t ntargets;
    unsigned *fallback;     /* the same with the pools of each: what is called
                               when the policy fails */
    size_t nfallback;
    unsigned max_attempts;
    us_t early_headers;     /* 0: off */
    us_t total;             /* default deadline of a request */
    bool resume;            /* policy may relay twice */
    unsigned on_failure;    /* enum on_failure: of the policy */
    struct config_where where;
};

struct client {
    char *name;
    unsigned char digest[32];   /* SHA-256 of the key */
    bool has_key;
    unsigned max_in_flight;     /* 0: no limit */
    int slot;                   /* of that limit on the board; -1: no limit */
    char **tags;                /* "team=search" pairs */
    size_t ntags;
    struct config_where where;
};

struct listener {
    char *address;          /* "127.0.0.1:8080", "[::1]:80", "unix:/path" */
    bool half_close_answer; /* half_close = "answer" */
    struct config_where where;
};

/** All numbers an operator may set; defaults in ceilings.h. */
struct settings {
    unsigned workers;           /* 0: number of cores */
    size_t memory_max;          /* bytes of bodies, held answers and replies */
    size_t body_max;
    size_t answer_max;
    size_t head_max;
    unsigned max_in_flight;     /* 0: no limit */
    int global_slot;            /* of that limit on the board; -1: no limit */
    unsigned max_connections;
    us_t header_timeout;
    us_t body_timeout;
    us_t keepalive_timeout;
    us_t write_timeout;         /* a client that reads nothing */
    us_t drain_timeout;
    us_t keepalive_comment;     /* after commit; default 15 s; 0 off */
    us_t connect_timeout;
    us_t first_token_timeout;   /* 0: none */
    us_t idle_timeout;
    us_t total_timeout;
    us_t step_limit;
    size_t lua_state_max;
    size_t lua_request_max;
    bool list_targets;          /* /v1/models shows targets too */
    bool watch;                 /* file watch */
    char *catalog;              /* a price list of the operator's; or NULL */
    char *log;                  /* "stderr", "stdout" or a path */
    char *log_level;
};

struct config {
    char *path;
    char *dir;                  /* of the file; relative names start here */
    char *catalog_path;         /* of settings.catalog, resolved; or NULL */
    unsigned char catalog_digest[32];   /* of its text */
    unsigned char outside_digest[32];   /* of the variables and secret files that
                                           its text leads to */
    struct listener *listeners; size_t nlisteners;
    struct listener *admins;    size_t nadmins;
    struct secret admin_key;
    struct client *clients;     size_t nclients;
    struct provider *providers; size_t nproviders;
    struct target *targets;     size_t ntargets;
    struct model *models;       size_t nmodels;
    struct settings settings;
    char *source;               /* the text that was read */
    size_t source_len;
    void *arena;                /* owns everything above */
};

/** One thing wrong, as `file:line: message` with a suggestion inside. */
struct config_issue {
    char file[256];
    int line;                   /* 0: the file as a whole */
    bool warning;
    char message[512];
};

/** Called once for each thing wrong. */
typedef void config_report(void *arg, const struct config_issue *issue);

struct config_options {
    const char *path;           /* *.lua, or *.json: the same tree */
    /** Value of an environment variable or NULL; NULL: getenv. */
    const char *(*env)(void *arg, const char *name);
    void *env_arg;
    bool files;                 /* also require policy files to exist */
    bool any_dialect;           /* dialects are files of the operator's own: who
                                   loads them knows their names */
};

/**
 * Read, run in a sandbox (no I/O; 500 ms and 16 MiB, and more for files of
 * megabytes) and validate a configuration. Everything wrong is reported, not
 * only the first. NULL when there was an error (warnings do not count).
 */
struct config *config_load(const struct config_options *options,
                           config_report *report, void *arg);
void config_free(struct config *c);

/** Index by name, or -1. O(1). */
int config_find_target(const struct config *c, const char *name, size_t len);
int config_find_model(const struct config *c, const char *name, size_t len);
int config_find_provider(const struct config *c, const char *name, size_t len);
/**
 * The client whose key has ${digest}, or -1. Compares whole digests, all of a
 * bucket of about 64 that a random salt picks, so the time a look-up takes says
 * nothing about the keys of others.
 */
int config_find_client(const struct config *c, const unsigned char digest[32]);

/**
 * The first key that may only be set at start and differs between two
 * configurations ("listen", "settings.workers", ...), or NULL.
 */
const char *config_start_only(const struct config *a, const struct config *b);

/** The effective configuration as JSON without secrets, appended. 0 or -1. */
int config_show(const struct config *c, struct buf *out);

/** The nearest of ${names} to ${word} for a did-you-mean, or NULL. */
const char *config_nearest(const char *word, const char *const *names,
                           size_t n);

/** SHA-256 of bytes. */
void config_digest(const void *bytes, size_t len, unsigned char out[32]);

/**
 * Replace every secret of ${c} (whole value, 8 bytes or longer) that stands in
 * ${text} by its hint, in place; the text never grows. Returns the new length.
 * The one function before every sink.
 */
size_t config_redact(const struct config *c, char *text, size_t len);

#endif
