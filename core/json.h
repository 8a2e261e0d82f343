/* SPDX-License-Identifier: Apache-2.0
 *
 * json: a client's body as bytes plus an index of nodes, and edits that are
 * spliced into the bytes. Pure: no Lua, no sockets. Called by answer, bind and
 * request.
 *
 * The text is never decoded and encoded again: what nobody edits leaves
 * identical to the byte.
 */
#ifndef LEME_JSON_H
#define LEME_JSON_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING,
                 JSON_ARRAY, JSON_OBJECT };

struct json_fault {
    size_t at;              /* byte offset in the text */
    const char *message;    /* static; what was expected there */
};

/**
 * Is ${text} one JSON value (RFC 8259, valid UTF-8, depth at most ${depth} and
 * at most 1,024, blanks around it allowed, no byte-order mark)? A scalar has
 * depth 0. 0, or -1 and ${fault}. Lone surrogate escapes are accepted. Speed
 * matters: 1 GB/s is the aim.
 */
int json_check(const char *text, size_t len, unsigned depth,
               struct json_fault *fault);

/** Is ${text}, with a closing quote behind it, the inside of a JSON string? */
bool json_check_inside(const char *text, size_t len);

/** A node of a document: 0 is "no such node", 1 is the root. */
typedef uint32_t json_node;
#define JSON_NONE 0u
#define JSON_ROOT 1u

/**
 * One body with its index and its edits. Opaque but for its size, so that it
 * can live inside another struct; all memory beyond it is owned and bounded
 * (CEIL_JSON_NODES; edit texts count towards ${max_edits} bytes).
 */
struct json_doc {
    const char *text;       /* borrowed until json_close */
    size_t len;
    void *state;            /* owned; NULL while nothing had to be allocated */
    size_t max_edits;
    unsigned depth;
    uint32_t root_count;    /* members of the root object, edits not counted */
    /* Members of the root object found while checking, so that the common
       reads (model, stream) need no allocation. */
    struct json_top {
        uint32_t key_at, key_len;   /* between the quotes, still escaped */
        uint32_t at, len;           /* of the value */
        uint8_t kind;               /* enum json_kind */
        uint8_t escaped;            /* the key has escapes */
    } top[32];
};

/**
 * Check ${text} as json_check does, require an object at the root, refuse
 * members of the root that are the same key once escapes are decoded (message
 * "duplicate key"), and index the root's members in the same pass. Linear, also
 * for 4,000 members. ${text} is borrowed until json_close. 0, or -1 and
 * ${fault}; then nothing needs closing.
 */
int json_open(struct json_doc *doc, const char *text, size_t len,
              unsigned depth, size_t max_edits, struct json_fault *fault);
void json_close(struct json_doc *doc);

/* Reading. Children are found on first touch of their parent and kept. A node
 * id stays valid until json_close; a removed node answers false to json_live
 * (reading it is safe and sees what it was). Reads see the edits. The members of
 * a root with up to 32 of them are read without allocation. */

enum json_kind json_kind(const struct json_doc *doc, json_node n);
/** Not removed, and no ancestor removed or replaced since it was made. */
bool json_live(const struct json_doc *doc, json_node n);
/**
 * The member ${key} (decoded text) of object ${n}; JSON_NONE when absent or ${n}
 * is no object. Sets *${duplicate} when the key stands there more than once
 * (then the answer must not be used).
 */
json_node json_member(struct json_doc *doc, json_node n, const char *key,
                      size_t key_len, bool *duplicate);
/** Item ${i} (from 1) of array ${n}, or of an object in order of the text. */
json_node json_item(struct json_doc *doc, json_node n, size_t i);
/** Items of an array or members of an object; 0 for scalars, and when they would
 * be more nodes than the ceiling allows. */
size_t json_count(struct json_doc *doc, json_node n);
/** The decoded key of a member, appended to ${out}. 0 or -1 (no member). */
int json_key(const struct json_doc *doc, json_node n, struct buf *out);
json_node json_parent(const struct json_doc *doc, json_node n);
/**
 * The bytes of an unedited node, without copying: *${len} and a pointer valid
 * until the next edit; NULL when something at or below it was edited (then use
 * json_write_node).
 */
const char *json_raw(const struct json_doc *doc, json_node n, size_t *len);
/** A string node decoded to UTF-8, appended (lone surrogates: U+FFFD). */
int json_string(const struct json_doc *doc, json_node n, struct buf *out);
/**
 * A string without escapes as a piece of the text: pointer and *${len}, or NULL
 * when it has escapes (use json_string) or is no string.
 */
const char *json_plain(const struct json_doc *doc, json_node n, size_t *len);
/**
 * A number: 1 and *${i} when it is written as an integer and fits, 0 and *${d}
 * else (1.0, 1e3, -0, beyond 64 bits; 1e999 is infinite). -1: no number.
 */
int json_number(const struct json_doc *doc, json_node n, int64_t *i, double *d);

/* Editing. ${value} is one valid JSON text, copied; it may point into this very
 * document (a key may not). Each returns the new node, or JSON_NONE and changes
 * nothing (memory, ceiling, not live, wrong kind, no JSON, deeper than the
 * ${depth} of json_open). Assigning a node discards edits below it; the replaced
 * subtree is dead, the new one can be read and edited like any other. Texts of
 * discarded edits keep counting towards ${max_edits}. */

/** Any live node but the root. */
json_node json_replace(struct json_doc *doc, json_node n, const char *value,
                       size_t len);
/** Set member ${key} of object ${n}: replaces it, or appends it at the end.
 * JSON_NONE also when the key stands there more than once or is no UTF-8. */
json_node json_set(struct json_doc *doc, json_node n, const char *key,
                   size_t key_len, const char *value, size_t len);
/** Insert into array ${n} so that it becomes item ${i}, 1 <= i <= count + 1. */
json_node json_insert(struct json_doc *doc, json_node n, size_t i,
                      const char *value, size_t len);
/** Remove a member or item with its comma. 0 or -1 (the root, not live). */
int json_remove(struct json_doc *doc, json_node n);
bool json_edited(const struct json_doc *doc);

/** A member of the root to set for one attempt only, over all other edits. */
struct json_extra {
    const char *key;        /* decoded; plain ASCII identifier */
    const char *value;      /* one JSON text; NULL removes the member */
    size_t len;
};

/**
 * The document with its edits, and over them ${extra}, appended to ${out}:
 * original bytes everywhere but in the edits. 0, or -1 with nothing added
 * (memory, ceiling). No key stands twice in ${extra}.
 */
int json_write(const struct json_doc *doc, const struct json_extra *extra,
               size_t nextra, struct buf *out);
/** The same for one node without extras. */
int json_write_node(const struct json_doc *doc, json_node n, struct buf *out);

/* Helpers for whoever reads small JSON texts in one pass without a document
 * (stream events, error bodies): no allocation. */

/** Whether ${text} is well-formed UTF-8. */
bool json_is_utf8(const char *text, size_t len);

/** One value inside a text that json_check accepted, or a best effort on any
 * text: every function below is safe on arbitrary bytes. */
struct json_view {
    const char *at;
    size_t len;             /* 0: absent */
};

/** The root value of ${text} without its blanks. */
struct json_view json_view(const char *text, size_t len);
/** Member ${key} (plain ASCII, compared undecoded) of an object view: the first
 * with this key. */
struct json_view json_view_get(struct json_view v, const char *key);
/** Item ${i}, from 1, of an array view. */
struct json_view json_view_at(struct json_view v, size_t i);
/** Kind by first byte; JSON_NULL when absent. */
enum json_kind json_view_kind(struct json_view v);
/** String view decoded to UTF-8 into ${out}, NUL-terminated, cut at a whole
 * character; returns the bytes written before the NUL. 0 and an empty ${out}
 * when it is no string. What is no UTF-8 becomes U+FFFD. */
size_t json_view_string(struct json_view v, char *out, size_t size);
/** Number view; ${otherwise} when it is none or no finite one. */
double json_view_number(struct json_view v, double otherwise);
/** The inside of a JSON string decoded to UTF-8 into ${out}, which has room for
 * ${len} bytes; how many it became. */
size_t json_unescape(const char *text, size_t len, char *out);

/** The closing quote of a string whose opening one stands before ${p}, in text
 * that json_check accepted; ${end} in any other. *${escaped}: it has escapes. */
const char *json_closing(const char *p, const char *end, bool *escaped);

/** One item after another of a container's text. */
struct json_walk {
    const char *p, *end;
    bool object;
    const char *key;        /* between the quotes; NULL in an array */
    size_t key_len;
    struct json_view value;
};

/** Begin at a container's text; anything else has no items. */
void json_walk_start(struct json_walk *w, const char *text, size_t len);
/** false at the end. */
bool json_walk_next(struct json_walk *w);
#endif
