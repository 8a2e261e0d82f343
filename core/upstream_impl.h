/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_impl: what the files of upstream share: one attempt, the shapes it
 * is prepared in, one engine's side of libcurl. Included by upstream*.c only.
 */
#ifndef LEME_UPSTREAM_IMPL_H
#define LEME_UPSTREAM_IMPL_H

#include "buf.h"
#include "quota.h"
#include "upstream.h"

#include <curl/curl.h>
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
    LIST_HEAD(, transfer) idle;
    uint64_t origin;                    /* hash of scheme, host and port */
    bool stream;
    bool big;                           /* large upload buffer */
    unsigned users;                     /* transfers, idle or not */
};

struct transfer {
    struct upstream *upstream;
    struct shard *shard;        /* while libcurl works on it; or NULL */
    struct shape *shape;        /* NULL: failed before it had one */
    CURL *easy;                 /* owned; NULL likewise */
    void *owner;
    LIST_ENTRY(transfer) link;          /* of u->running or shape->idle */
    TAILQ_ENTRY(transfer) news;
    TAILQ_ENTRY(transfer) resume;
    struct curl_slist *own;     /* owned block: the call's headers, then the
                                   shape's; or NULL */
    struct buf body;
    size_t taken;               /* bytes of body in front that are gone */
    size_t hold;
    us_t connect_timeout;       /* as libcurl knows it */
    size_t upload;              /* body of a stream that took libcurl's upload
                                   buffer, which it still holds; or 0 */
    bool paused;
    bool has_news;
    bool resuming;              /* waits for the deferred event */
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

struct upstream {
    struct upstream_options options;
    struct shard *shards[MAX_SHARDS];
    CURLSH *share;              /* names and TLS sessions */
    struct event *deferred;     /* work for the next turn of the loop */
    struct socket_slot **sockets;   /* by descriptor; owned */
    size_t nsockets;
    struct transfers running;   /* all that were started and not released */
    struct transfer_queue news;
    struct transfer_queue resume;
    struct pool pool;
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

/* upstream_head.c */
void upstream_head_init(struct head *h);
/** CURLOPT_HEADERFUNCTION: one line of a head. Fewer bytes than given back
 * means refused, and ${head.refused} says why. */
size_t upstream_head_line(char *line, size_t size, size_t n, void *arg);
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

/* upstream_pool.c */
/**
 * A transfer prepared for ${call}, its state blank, or NULL without memory.
 * When the call cannot be made, ${problem} becomes a sentence and the transfer
 * has no handle.
 */
struct transfer *upstream_pool_take(struct upstream *u, const struct call *call,
                                    const char **problem);
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
