/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_impl: what the files of upstream share: one attempt, the shapes it
 * is prepared in, one engine's side of libcurl. Included by upstream*.c only.
 */
#ifndef LEME_UPSTREAM_IMPL_H
#define LEME_UPSTREAM_IMPL_H

#include "buf.h"
#include "http1.h"
#include "memory.h"
#include "quota.h"
#include "upstream.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

/** What the header callback keeps between lines. */
struct head {
    size_t bytes;           /* of all heads and trailers of this answer */
    unsigned fields;
    unsigned interim;
    us_t wall;              /* when the status line came */
    int64_t length;         /* of the body; -1 not said */
    bool open;              /* a status line, but not yet its blank line */
    bool complete;          /* the final head is; what follows are trailers */
    bool chunked;
    bool http10;
    bool close;             /* the provider said it closes, or keeps, the */
    bool keep;              /* connection */
    bool doubt;             /* about the framing: never use this connection again */
    const char *refused;    /* why, a sentence that lives for ever; or NULL */
};

/**
 * How a kind of request looks at one provider: everything libcurl has to be
 * told once. Transfers of a shape differ in body and own headers only.
 */
struct shape {
    LIST_ENTRY(shape) link;
    const struct provider *provider;    /* borrowed; NULL: forgotten, and the
                                           shape goes with its last transfer */
    char *method;                       /* owned, as the six below */
    char *path;
    CURLU *url;
    struct curl_slist *lines;           /* all header lines of the shape */
    struct curl_slist *headers;         /* those libcurl writes itself */
    char *target;                       /* request target with the lines behind
                                           it, see pack_lines; or NULL */
    struct site *site;                  /* plain HTTP without a proxy: spoken by
                                           upstream_wire.c; otherwise NULL */
    struct buf start;                   /* of the head then: request line and
                                           all lines of the shape */
    LIST_HEAD(, transfer) idle;
    uint64_t origin;                    /* hash of scheme, host and port */
    bool stream;
    bool big;                           /* large upload buffer */
    unsigned users;                     /* transfers, idle or not */
};

/** Where plain connections lead: a host and a port. */
struct site {
    LIST_ENTRY(site) link;
    char *authority;                    /* owned; as the base has it */
    LIST_HEAD(, wire) idle;             /* the one used last comes first */
    struct wire *settled;               /* of them, the first on which the loop
                                           has looked since; or NULL */
    unsigned poll;                      /* when that was found */
    unsigned open;
    unsigned busy;
    unsigned users;                     /* shapes and connections */
};

/** One plain connection to a provider. */
struct wire {
    struct upstream *upstream;
    struct site *site;
    struct transfer *transfer;          /* NULL: idle */
    LIST_ENTRY(wire) link;              /* of site->idle */
    TAILQ_ENTRY(wire) age;              /* of upstream->idle_wires */
    struct event readable;              /* registered but while paused */
    struct event writable;              /* after a short write only */
    us_t opened;
    us_t idle_since;
    int fd;
};

/** How the body of an answer ends. */
enum framing { IN_HEAD, BY_LENGTH, BY_CHUNKS, BY_CLOSE };

/** The exchange a transfer has on its connection. */
struct exchange {
    struct wire *wire;          /* NULL: none yet, or no longer */
    struct buf lines;           /* own headers and the length; kept for reuse */
    const char *payload;        /* the call's body; borrowed */
    size_t payload_bytes;
    size_t sent;                /* bytes of start, lines and payload */
    struct buf rest;            /* an incomplete line of the head */
    enum framing framing;
    uint64_t left;              /* BY_LENGTH: bytes to come */
    struct http1_chunked chunked;
    bool heard;                 /* a byte of an answer came */
    bool dialing;               /* libcurl opens a connection for it */
    bool deaf;                  /* the provider takes no more of the request */
};

/** What is known of looking up one name. */
struct lookup {
    uint64_t host;              /* hash; 0: free */
    unsigned busy;              /* under way */
    unsigned left;              /* given up by us, not by the resolver */
    us_t left_at;               /* the last of them */
    us_t answered;              /* the resolver's last answer */
    us_t probe_at;              /* when one may look again */
};

struct transfer {
    struct upstream *upstream;
    struct shard *shard;        /* while libcurl works on it; or NULL */
    struct shape *shape;        /* NULL: failed before it had one */
    const struct provider *provider;    /* of the call; borrowed. The shape's
                                           may be forgotten by now */
    CURL *easy;                 /* owned; NULL likewise, and for a plain one
                                   that is not dialing */
    struct exchange exchange;   /* of a plain one */
    void *owner;
    LIST_ENTRY(transfer) link;          /* of u->running or shape->idle */
    TAILQ_ENTRY(transfer) news;
    TAILQ_ENTRY(transfer) resume;
    struct curl_slist *own;     /* owned block: the call's headers, then the
                                   shape's; or NULL */
    struct buf body;
    size_t taken;               /* bytes of body in front that are gone */
    size_t hold;
    size_t charged;             /* of body, to the account of memory */
    us_t connect_timeout;       /* as libcurl knows it */
    size_t upload;              /* body of a stream that took libcurl's upload
                                   buffer, which it still holds; or 0 */
    bool paused;
    bool has_news;
    bool resuming;              /* waits for the deferred event */
    struct lookup *lookup;      /* of its name, under way; or NULL */
    bool opened;                /* a socket, for this attempt */
    bool repeated;              /* libcurl sent the request again, because a
                                   connection was lost before any answer */
    struct head head;
    struct quota quota;
    struct transfer_state state;
};

LIST_HEAD(transfers, transfer);
TAILQ_HEAD(transfer_queue, transfer);

#define SHAPE_BUCKETS 256u

/** Shapes by provider, and how many handles lie idle in them. */
struct pool {
    LIST_HEAD(, shape) buckets[SHAPE_BUCKETS];
    unsigned shapes;
    unsigned idle;
};

struct event;
struct socket_slot;

/** One multi handle: a set of connections and the transfers on them. */
struct shard {
    struct upstream *upstream;
    CURLM *multi;
    struct event *timer;        /* libcurl's */
    struct event *linger;       /* frees it when it was empty for a while */
    unsigned index;
    unsigned busy;              /* transfers in it */
    bool inside;                /* a call of ours into libcurl is running */
    bool kick;                  /* libcurl asked for a timeout of 0 ms */
};

#define MAX_SHARDS 64u
#define MAX_LOOKUPS 256u            /* names looked after; more go unwatched */
#define UPSTREAM_INBOX 65536u       /* bytes read at once at most */

struct upstream {
    struct upstream_options options;
    struct shard *shards[MAX_SHARDS];
    CURLSH *share;              /* names and TLS sessions */
    struct event *deferred;     /* work for the next turn of the loop */
    struct socket_slot **sockets;   /* by descriptor; owned */
    size_t nsockets;
    struct lookup lookups[MAX_LOOKUPS];
    struct transfers running;   /* all that were started and not released */
    struct transfer_queue news;
    struct transfer_queue resume;
    struct pool pool;
    LIST_HEAD(, site) sites;
    TAILQ_HEAD(wires, wire) idle_wires; /* of all sites, oldest first */
    unsigned nidle_wires;
    char *inbox;                /* where plain connections are read into */
    bool woken;                 /* wake was called, upstream_next said no NULL */
};

/* upstream.c; on_* are called by libcurl, ${arg} is the transfer. */
size_t upstream_on_body(char *bytes, size_t size, size_t n, void *arg);
int upstream_on_ready(void *arg, char *peer, char *local, int peer_port,
                      int local_port);
/** Queue ${t} for upstream_next, waking the owner when it slept. */
void upstream_news(struct transfer *t);

/** Have resumptions and put-off shards seen to in the next turn of the loop. */
void upstream_defer(struct upstream *u);
/** Note how ${t} ended, by what libcurl says about it. */
void upstream_conclude(struct transfer *t, CURLcode result);

/** Note how ${t} ended: ${error} and a sentence, or ERROR_none and "". */
void upstream_finish(struct transfer *t, enum error_type error,
                     const char *detail);
/** The account of memory follows ${t->body}. */
void upstream_charge(struct transfer *t);
/** Take in body bytes of the answer. 0, or -1 without memory. */
int upstream_take_body(struct transfer *t, const char *bytes, size_t n);

/* upstream_wire.c */
/** Send ${t} over a plain connection, an idle one or a new one. */
void upstream_wire_start(struct transfer *t);
/** libcurl has opened ${fd} for ${t}, or could not: ${result}. */
void upstream_wire_dialed(struct transfer *t, int fd, CURLcode result);
/** Read on, after a pause. */
void upstream_wire_resume(struct transfer *t);
/** Give up what ${t} still has under way. */
void upstream_wire_cancel(struct transfer *t);

/* upstream_site.c */
/** The site of ${base}, or NULL. */
struct site *upstream_site_find(const struct upstream *u, const char *base);
/** The same, made when it is new, with one user more; or NULL without memory. */
struct site *upstream_site_hold(struct upstream *u, const char *base);
void upstream_site_release(struct site *site);
/** A connection on ${fd}, which it owns from now on, in use by ${t}. */
struct wire *upstream_site_adopt(struct transfer *t, int fd,
                                 event_callback_fn readable,
                                 event_callback_fn writable);
/** An idle connection fresh enough to be used, now in use by ${t}; or NULL. */
struct wire *upstream_site_take(struct transfer *t);
/** Leave it open for the next transfer. */
void upstream_site_keep(struct wire *w);
void upstream_site_close(struct wire *w);
/** Close all that are idle. */
void upstream_site_free(struct upstream *u);

/* upstream_shard.c: none of it from inside a callback of libcurl. */
int upstream_shard_open(struct upstream *u);
void upstream_shard_close(struct upstream *u);
/** Let libcurl begin with ${t}, at once. 0 or -1. */
int upstream_shard_add(struct transfer *t);
/** Take ${t} from libcurl; closes its connection when it was not done. */
void upstream_shard_remove(struct transfer *t);
/** Tell libcurl what ${fd} is ready for; does all that follows from it. */
void upstream_shard_act(struct shard *s, curl_socket_t fd, int mask);
/** Do what was put off until now. */
void upstream_shard_turn(struct upstream *u);

/* upstream_socket.c; on_* are called by libcurl. */
curl_socket_t upstream_on_open(void *transfer, curlsocktype purpose,
                               struct curl_sockaddr *address);
int upstream_on_close(void *upstream, curl_socket_t fd);
int upstream_on_interest(CURL *easy, curl_socket_t fd, int what, void *shard,
                         void *ignored);
/** Sockets that are open to ${origin}. */
/* Before libcurl gives ${t} up: it closes a connect that is under way without a
 * word, and whoever gets the number next must not meet our events. */
void upstream_forget_connects(const struct transfer *t);
unsigned upstream_socket_count(const struct upstream *u, uint64_t origin);
void upstream_socket_free(struct upstream *u);

/* upstream_lookup.c */
/** CURLOPT_RESOLVER_START_FUNCTION: not 0 refuses a name that is stuck. */
int upstream_on_lookup(void *resolver, void *reserved, void *transfer);
/** ${t} looks no longer: the resolver has ${answered}, or it gave up. */
void upstream_lookup_end(struct transfer *t, bool answered);

/* upstream_head.c */
void upstream_head_init(struct head *h);
/** CURLOPT_HEADERFUNCTION: one line of a head. Fewer bytes than given back
 * means refused, and ${head.refused} says why. */
size_t upstream_head_line(char *line, size_t size, size_t n, void *arg);
/** One line with its end, as above. False: refused. */
bool upstream_head_take(struct transfer *t, const char *line, size_t len);
/** Whether ${name} is an HTTP token of at least one character. */
bool upstream_head_token(const char *name, size_t len);

/* upstream_lines.c */
/** The list all requests of a shape send; the operator's headers come first and
 * stand above ours. 0, or -1: memory, or something that is no header. */
int upstream_lines_prepare(struct shape *s);
/** Free a list, wiping the key that is in it. */
void upstream_lines_free(struct curl_slist *list);
/**
 * The call's own ${headers} for one request: a block in ${t->own} chained to
 * the shape's list, of which nothing is copied. A name the list has already is
 * left out. NULL, or a sentence about what is wrong.
 */
const char *upstream_lines_chain(struct transfer *t,
                                 const char *const *headers);
/**
 * The same for a plain transfer, into ${t->exchange.lines}: the call's own
 * ${headers} (or NULL), the length of the body, the end of the head.
 */
const char *upstream_lines_write(struct transfer *t,
                                 const char *const *headers, size_t body_bytes);

/* upstream_pool.c */
/**
 * A transfer prepared for ${call}, its state blank, or NULL without memory.
 * When the call cannot be made, ${problem} becomes a sentence and the transfer
 * has no handle.
 */
struct transfer *upstream_pool_take(struct upstream *u, const struct call *call,
                                    const char **problem);
/** A handle that only opens a connection for ${t}. 0 or -1. */
int upstream_pool_dial(struct transfer *t);
/** Make libcurl free an upload buffer that it needs no longer. Not from inside
 * a callback of libcurl. */
void upstream_pool_slim(struct transfer *t);
/** Give back a transfer that is in no list and not in the multi handle; keep
 * its handle when the attempt ended well. */
void upstream_pool_put(struct transfer *t);
/** Drop all shapes; transfers must have been put back. */
void upstream_pool_free(struct upstream *u);
/** Hash of scheme, host and port of a provider's ${base}. */
uint64_t upstream_pool_origin(const char *base);

#endif
