/* SPDX-License-Identifier: Apache-2.0
 *
 * config_impl: what the files of config share and nobody else sees.
 *
 * The way of a configuration: config_lua or config_json turn the file into a
 * list of blocks, each a tree of nodes that know their line; config_schema
 * checks and copies what is plain (types, ranges, unknown keys), config_build
 * and config_route what is not; config_check compares blocks with each other;
 * config_find, config_show and config answer questions afterwards.
 */
#ifndef LEME_CONFIG_IMPL_H
#define LEME_CONFIG_IMPL_H

#include "ceilings.h"
#include "config.h"
#include "sha256.h"

/* Ceilings of reading a configuration. */
#define CONFIG_FILE_BYTES (32 * MIB)
#define CONFIG_LUA_BYTES (16 * MIB)     /* plus 24 for each byte of the file */
#define CONFIG_TREE_BYTES (512 * MIB)   /* the tree while loading */
#define CONFIG_KEEP_BYTES (512 * MIB)   /* the structs afterwards */
#define CONFIG_SECRET_FILE (64 * KIB)
#define CONFIG_DEPTH 16                 /* tables in tables */
#define CONFIG_ISSUES 200               /* reported one by one */
#define CONFIG_NAME 128                 /* bytes of a name */
#define CONFIG_KEY 256                  /* bytes of a client's key */

/* --- memory: config_tree.c ------------------------------------------------ */

struct config_chunk;

/** Memory that is freed at once. */
struct config_arena {
    struct config_chunk *chunks;    /* owned */
    size_t bytes;
    size_t ceiling;
};

/** Zeroed, aligned for anything. NULL: memory or ceiling. */
void *config_alloc(struct config_arena *, size_t bytes);
/** The same for ${n} items; ${n} may be 0. */
void *config_array(struct config_arena *, size_t n, size_t size);
/** A NUL-terminated copy. */
char *config_copy(struct config_arena *, const char *text, size_t len);
void config_arena_free(struct config_arena *);

/* --- the tree: config_tree.c ---------------------------------------------- */

enum node_kind {
    NODE_NULL, NODE_BOOL, NODE_INTEGER, NODE_NUMBER, NODE_STRING, NODE_TABLE,
    NODE_ENV,               /* env "NAME": text is the name */
    NODE_FILE,              /* file "/path": text is the path */
    NODE_CREDENTIAL,        /* credential "name": text is the name */
    NODE_OTHER,             /* a value no configuration has (a function) */
    NODE_POISON             /* its fault is already reported */
};

struct node {
    struct node *next;      /* sibling: list items first, then members by key */
    const char *key;        /* NULL: an item of the list */
    const char *text;
    size_t len;
    double number;          /* of integers too */
    struct node *first;     /* of a table */
    int line;
    enum node_kind kind;
    bool truth;
    bool optional;          /* env "NAME" may be unset */
};

enum section { SECTION_LISTEN, SECTION_ADMIN, SECTION_CLIENT, SECTION_PROVIDER,
               SECTION_SERVICE, SECTION_TARGET, SECTION_MODEL,
               SECTION_SETTINGS, SECTIONS,
               /* Those of a price list. */
               SECTION_CATALOG = SECTIONS, SECTION_PRICE, SECTIONS_ALL };

/** One constructor call, or one entry of the JSON tree. */
struct block {
    struct block *next;
    enum section section;
    const char *name;       /* or NULL */
    struct node *body;      /* NULL: never given */
    int line;
};

/** Names to an index: open addressing, at most half full. */
struct config_index {
    struct config_slot { uint32_t hash; uint32_t value; } *slots;
    uint32_t mask;
};

/** What a configuration owns beyond its structs; config.arena points here. */
struct config_store {
    struct config_arena arena;
    struct config_index targets, models, providers;
    struct secret *secrets;         /* copies that borrow the bytes; longest
                                       first once loaded */
    size_t nsecrets, secrets_size;
    uint8_t *secret_words;          /* a bit for each hash of a word near the
                                       start of a secret; NULL until loaded */
    struct config_digest {
        unsigned char bytes[32];
        uint32_t client;
    } *digests;                     /* grouped by bucket */
    uint32_t *buckets;              /* where each begins; one more at the end */
    uint32_t bucket_mask;
    uint64_t salt;
};

/** One loading of one file. */
struct loader {
    const struct config_options *options;
    struct config *c;
    struct config_store *store;     /* of c */
    struct config_arena scratch;    /* the tree and everything else passing */
    struct sha256 outside;          /* variables and secret files so far */
    struct block *blocks, **tail;
    size_t count[SECTIONS_ALL];
    enum section first, end;        /* sections of a file of this kind */
    struct config_issue *issues;    /* owned; sorted before they are reported */
    size_t nissues, dropped;
    bool json;
    bool failed;                    /* there was an error */
    bool partial;                   /* the file was not read to its end */
    bool memory;                    /* an allocation failed */
};

/** NULL, and the loader knows, when memory is short. */
struct node *config_node(struct loader *, enum node_kind, int line);
struct block *config_block(struct loader *, enum section, const char *name,
                           int line);
/** Items in their order, then members by key; names doubles. */
void config_sort_members(struct loader *, struct node *table);
/** The member ${key}, or NULL. */
struct node *config_member(const struct node *table, const char *key);
/** "a list", "a text": for messages. */
const char *config_kind(const struct node *);
/** The word of Lua ("provider") and of JSON ("providers"). */
const char *config_word(enum section);
const char *config_plural(enum section);

/* --- what is wrong: config_issue.c ---------------------------------------- */

/**
 * Report. ${line}: of the block or node; in Lua files the line of ${word}
 * within the block is looked for (NULL: do not). No secret may be passed.
 */
void config_wrong(struct loader *, int line, const char *word,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void config_warn(struct loader *, int line, const char *word,
                 const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** How many faults there are so far. */
size_t config_issues(const struct loader *);
/** Sort, redact and hand over what was collected. */
void config_issues_report(struct loader *, config_report *report, void *arg);

/* --- words: config_words.c ------------------------------------------------ */

/** "" or a clause that helps with a misspelt word: `; did you mean "x"?`. */
struct config_advice {
    char text[320];
};
/** ${word} was written where one of ${names} was expected. */
void config_advise(struct config_advice *, const char *word,
                   const char *const *names, size_t n);
/** The same for a word at the outermost level of a file. */
void config_advise_root(struct config_advice *, const char *word,
                        const struct loader *);

/* --- the two languages ---------------------------------------------------- */

/** Fill the list of blocks from c->source. */
void config_lua_read(struct loader *);
void config_json_read(struct loader *);

/* --- keys: config_schema.c, config_value.c -------------------------------- */

enum key_type { KEY_TEXT, KEY_SECRET, KEY_COUNT, KEY_BYTES, KEY_SECONDS,
                KEY_NUMBER, KEY_SWITCH, KEY_CHOICE, KEY_OTHER };

/** Where a value is going: the block and its name, for messages. */
struct config_spot {
    struct loader *l;
    const char *what;       /* `provider "openai"` */
    int line;
};

struct config_key {
    const char *name;
    const char *path;       /* of settings: "settings.workers" */
    enum key_type type;
    size_t offset;          /* in the struct being filled */
    double min, max;        /* of numbers, in the unit of the file */
    const char *choices;    /* "ask|comes|none": 0, 1, 2 */
    /* KEY_OTHER */
    void (*set)(const struct config_spot *, const struct node *, void *base);
    bool start;             /* may only be set at start */
    bool env;               /* a text that may come from the environment */
};

struct config_schema {
    const struct config_key *keys;
    size_t n;
    bool list;              /* items are allowed; the builder reads them */
};

extern const struct config_schema config_schemas[SECTIONS];

/** Check every member of ${body} against ${schema} and store it in ${base}. */
void config_fill(const struct config_spot *, const struct config_schema *schema,
                 const struct node *body, void *base);
/** A text of a node (a string, or with ${env} a variable's value), copied to
 * the arena of the configuration; NULL when reported or absent. */
char *config_text(const struct config_spot *, const char *key,
                  const struct node *, bool env);
enum config_secrecy {
    SECRET_KEPT,            /* a key: no blanks */
    SECRET_PASSING,         /* a client's key: only until it is digested */
    SECRET_IN_TEXT          /* a header's value: blanks are allowed */
};
/** A credential. 0 or -1: reported, or absent and optional. */
int config_secret(const struct config_spot *, const char *key,
                  const struct node *, enum config_secrecy, struct secret *out);
/** Is ${text} a credential of this configuration (by address)? */
bool config_is_secret(const struct config_store *, const char *text);
/** Items of a list of texts, or "key=value" of members, in order. */
void config_texts(const struct config_spot *, const char *key,
                  const struct node *, char ***out, size_t *n);

/* Setters of single keys: config_provider.c, config_build.c, config_route.c. */
void config_set_headers(const struct config_spot *, const struct node *,
                        void *);
void config_set_query(const struct config_spot *, const struct node *, void *);
void config_set_native(const struct config_spot *, const struct node *, void *);
void config_set_key(const struct config_spot *, const struct node *, void *);
void config_set_keys(const struct config_spot *, const struct node *, void *);
void config_set_client_key(const struct config_spot *, const struct node *,
                           void *);
void config_set_client_tags(const struct config_spot *, const struct node *,
                            void *);
void config_set_price(const struct config_spot *, const struct node *, void *);
void config_set_provider_price(const struct config_spot *, const struct node *,
                               void *);
void config_set_target_tags(const struct config_spot *, const struct node *,
                            void *);
void config_set_caps(const struct config_spot *, const struct node *, void *);
void config_set_knobs(const struct config_spot *, const struct node *, void *);
void config_set_targets(const struct config_spot *, const struct node *,
                        void *);
void config_set_route(const struct config_spot *, const struct node *, void *);

/* --- building ------------------------------------------------------------- */

/** A client while it is checked: its key is wiped afterwards. */
struct client_draft {
    struct client client;
    bool wrote_key;
};

struct provider_draft {
    struct provider provider;
    char *api;                  /* alias of dialect */
    unsigned auth;              /* 1 + enum auth_mode, 0: not written */
    unsigned usage;             /* the same */
    bool optional_key;
    struct keyed {
        char *name;
        struct secret secret;
    } *keyed;                   /* of keys = { ... } */
    size_t nkeyed;
    bool native;                /* was written */
};

/** A price while it is read. */
struct price_draft {
    struct price price;
    const struct node *when;    /* when = { ... } */
    char *date;
    unsigned conditions, hours; /* of one price of `when` */
};

/** One row of a price list; begins with its price. */
struct price_row {
    struct price_draft draft;
    unsigned context, max_output;
    char **caps;
    size_t ncaps;
};

struct model_draft {
    struct model model;
    const struct node *list;    /* targets = { ... } */
    const struct node *route;   /* default_route */
};

struct listen_draft {
    char *address;
    unsigned half_close;
    struct secret key;
};

void config_settings_default(struct settings *);
/** Settings, providers, clients, listeners: config_build.c. */
void config_build(struct loader *);
/** Providers and services: config_provider.c. */
void config_providers(struct loader *);
/** Copies and arrays that live as long as the configuration; NULL, and the
 * loader knows, when memory is short. */
char *config_keep(struct loader *, const char *text);
void *config_keep_array(struct loader *, size_t n, size_t size);
struct config_where config_here(const struct loader *, int line);
/** Targets and models: config_route.c. */
void config_route(struct loader *);
/** Several keys of a provider: config_keys.c. Accounts for those of ${d}, right
 * behind the provider itself, and how many a block may lead to. */
void config_accounts(struct loader *, const struct provider_draft *d,
                     struct provider *p);
size_t config_accounts_bound(const struct block *);
/** Is ${name} that of one of the keys of ${p}? */
bool config_key_of(const struct config *, const struct provider *p,
                   const char *name);
/** The pools of each target, and what models call without their policy. */
void config_pools(struct loader *);
/** Prices and limits that are not written: config_catalog.c. */
void config_catalog(struct loader *);
/** Blocks against each other: config_check.c. */
void config_check(struct loader *);
/** `provider "x"` for messages, in ${out}. */
const char *config_what(const struct block *, char *out, size_t size);
/** The whole of options->path to c->source: config.c. 0 or -1: reported. */
int config_read_file(struct loader *);
bool config_is_json(const char *path);
/** An empty one with the defaults; NULL: no memory. */
struct config *config_make(void);
/** Prices: config_price.c. */
extern const struct config_schema config_catalog_schema, config_row_schema;
void config_price_init(struct price_draft *);
/** What was read to ${out}, in the arena of the configuration. */
void config_price_keep(const struct config_spot *, const struct price_draft *,
                       struct prices *out);
/** provider "x" alone. */
void config_no_table(const struct config_spot *);
/** A name fit to be shown and sent: 1 to 128 bytes, no control bytes. */
bool config_name_ok(const char *name);

/** Defaults of a provider the world knows: config_known.c. */
struct config_known {
    const char *name;
    const char *base;
    const char *dialect;
    enum auth_mode auth;
    enum usage_mode usage;
    bool keyless;
    unsigned native;            /* at that base: enum native_format */
};
/** NULL when there is none of that name. */
const struct config_known *config_known(const char *name);
/** NULL-terminated. */
extern const char *const config_dialects[];
/** Names of enum native_format in the order of its bits; NULL-terminated. */
extern const char *const config_natives[];
/** What a provider of this dialect takes as it is. */
unsigned config_dialect_native(const char *dialect);

/** What is wrong with a URL, in words, or NULL; takes final slashes away. */
const char *config_url(char *url);
enum config_reach { REACH_BAD, REACH_LOCAL, REACH_PUBLIC };
/** "127.0.0.1:80", "[::1]:0", "localhost:8080", "unix:/path". */
enum config_reach config_address(const char *address);

/* --- names to indices: config_find.c -------------------------------------- */

/** Room for ${n} names. 0 or -1. */
int config_index_init(struct config_arena *, struct config_index *, size_t n);
/** Structs of ${stride} bytes that begin with their name. Index or -1. */
int config_index_find(const struct config_index *, const void *base,
                      size_t stride, const char *name, size_t len);
void config_index_add(struct config_index *, const char *name, unsigned value);
/** Group the digests of all clients. 0 or -1 (memory). */
int config_digests(struct config *);
/** Prepare to find secrets quickly; without memory it is done slowly. */
void config_secrets_index(struct config_store *store);

/* --- text: config_show.c -------------------------------------------------- */

struct buf;
/** A finite number as JSON, whatever the locale. 0 or -1. */
int config_add_number(struct buf *, double number);

#endif
