/* SPDX-License-Identifier: Apache-2.0
 *
 * What server.c (who may ask what), server_gemini.c (paths of Gemini's form),
 * server_own.c (answers that need no provider) and server_refusal.c share.
 */
#ifndef LEME_SERVER_IMPL_H
#define LEME_SERVER_IMPL_H

#include "server.h"

#include "buf.h"
#include "config.h"
#include "conn.h"
#include "errors.h"
#include "request.h"

struct server {
    struct server_env env;
    struct conns *conns;
    struct buf headers, body;       /* of the answer being made */
    bool draining;
};

enum route { ROUTE_CHAT, ROUTE_COMPLETIONS, ROUTE_EMBEDDINGS, ROUTE_MODELS,
             ROUTE_MODEL, ROUTE_MESSAGES, ROUTE_RESPONSES, ROUTE_COUNT,
             ROUTE_GEMINI, ROUTE_GEMINI_EMBED, ROUTE_MISTRAL,
             ROUTE_MISTRAL_EMBED, ROUTE_MOCK, ROUTE_LIVE, ROUTE_READY,
             ROUTE_OPTIONS, ROUTE_NONE };

/** What a request line asks for. */
struct asked {
    enum route route;
    bool post, open;
    bool gemini;                    /* a path of Gemini's API */
    const char *verb;               /* Gemini's: "generateContent"; static */
    const char *name;               /* behind /models/ */
    size_t name_len;
};

/** The configuration that new requests run on. */
const struct config *server_config(const struct server *s);
/** What the head of a request asks for. */
struct asked server_asked(const struct server *s, const struct conn *c);
/** The client whose key it shows: its index, -1 when none is configured, -2
 * unknown. */
int server_client(const struct server *s, const struct conn *c);
/** What a path that providers answer asks for. */
enum request_op server_op(enum route route);

/** Fill ${no} and account the refusal; false. */
bool server_refuse(struct server *s, struct conn *c, struct conn_refusal *no,
                   enum error_type e, int status, const char *message);
/** The same for bytes that are no request: conn's callback. */
void server_fault(void *arg, const struct conn *c,
                  const struct http1_fault *fault, struct conn_refusal *no);
/** Answer models, health and OPTIONS. */
void server_answer(struct server *s, struct conn *c, const struct asked *a);
/** One of Mistral's own clients, by its User-Agent. */
bool server_is_mistral(const struct conn *c);
/** What the client expects answers of the engine's own in: "gemini", "messages",
 * "mistral", or NULL: OpenAI's. */
const char *server_surface(const struct conn *c, const struct asked *a);
/** The value of a header of the client; NULL: there is none. */
const char *server_header(const struct conn *c, const char *name, size_t *len);

/** Read "NAME:VERB" into ${a}, which stays as it is when no such verb exists. */
void server_find_verb(const char *name, size_t len, struct asked *a);
/** The verb with the way its answer is written; static. */
const char *server_verb(const struct conn *c, const struct asked *a);
/** The key in the query, decoded; false when there is none that fits. */
bool server_query_key(const struct conn *c, char *key, size_t size);

#endif
