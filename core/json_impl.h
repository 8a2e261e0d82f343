/* SPDX-License-Identifier: Apache-2.0
 *
 * json_impl: what the four files of json share and nobody else includes.
 * json_check.c reads strictly, json_view.c reads leniently, json.c keeps the
 * index, json_edit.c the overlay and the writer.
 */
#ifndef LEME_JSON_IMPL_H
#define LEME_JSON_IMPL_H

#include "json.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_LEVELS 1024u   /* deepest nesting json_check can be asked for */
#define JSON_TOPS 32u
_Static_assert(sizeof(((struct json_doc *)0)->top) ==
               JSON_TOPS * sizeof(struct json_top), "of struct json_doc");

/* Strict reading (json_check.c). A reader takes the place where its token
 * starts and returns the place behind it, or NULL after json_fail. */
struct json_scan {
    const char *end;
    const char *key_end;    /* closing quote of the last key */
    const char *at;         /* of the fault */
    const char *message;
    bool escaped;           /* a string read since this was cleared has escapes */
};

const char *json_fail(struct json_scan *s, const char *at, const char *message)
    __attribute__((cold));
/** A key with its colon; returns the start of the value. */
const char *json_scan_key(struct json_scan *s, const char *p);
const char *json_scan_value(struct json_scan *s, const char *p, unsigned depth);
/** Nothing but blanks up to the end. */
const char *json_scan_end(struct json_scan *s, const char *p);
/** The end of the number at ${p}, or NULL: no fault is noted. */
const char *json_scan_number(const char *p, const char *end);
/** Length of the well-formed UTF-8 sequence at ${p} < ${end}, or 0. */
size_t json_utf8(const char *p, const char *end);

static inline const char *json_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Lenient reading (json_view.c): safe on any bytes, exact on checked ones. */

/**
 * The next character at *${p} < ${end}, escapes decoded, as UTF-8 in ${out};
 * returns its length, 1 to 4. What cannot be decoded is U+FFFD.
 */
size_t json_char(const char **p, const char *end, char out[4]);
/** The value of a well-formed number, whatever the host's locale. */
double json_double(const char *s, size_t len);

/* The index (json.c). A slot is a place in a container: a child as the text has
 * it, or one added by an edit. A slot that was replaced points at the node that
 * stands there now, and that node points back: so a list never changes when a
 * value is replaced, and the key and the gaps stay with the slot. */

enum {
    NODE_EDIT = 1,          /* its text is in edits, not in the body */
    NODE_ADDED = 2,         /* a slot that the container's text does not have */
    NODE_REPLACEMENT = 4,   /* no slot; other is the slot it stands in */
    NODE_REMOVED = 8,
    NODE_TOUCHED = 16,      /* something below it was edited */
    NODE_ESCAPED = 32,      /* the key has escapes */
    NODE_MEMBER = 64        /* a slot with a key */
};

struct json_info {
    uint32_t at, len;           /* the value */
    uint32_t key_at, key_len;   /* between the quotes, of a slot with a key */
    uint32_t parent;
    uint32_t list;              /* its children, 0 until expanded */
    uint32_t other;
    uint8_t kind, flags;
};
_Static_assert(sizeof(struct json_info) == 32, "a million of these is 32 MB");

/** The children of one container. */
struct json_list {
    uint32_t first, found;  /* slots of the text: consecutive nodes */
    uint32_t count;         /* slots now */
    uint32_t size;          /* of items */
    uint32_t *items;        /* owned; NULL while the slots are those of the text */
};

struct json_state {
    struct json_info *nodes;    /* owned; [0] unused */
    struct json_list *lists;    /* owned; [0] unused */
    uint32_t nnodes, nodes_size;
    uint32_t nlists, lists_size;
    struct buf edits;           /* texts of the edits */
    bool edited;
};

static inline struct json_state *json_state(const struct json_doc *doc)
{
    return doc->state;
}

/** Note the next member of the root, found while opening. 0 or -1. */
int json_add_member(struct json_doc *doc, const struct json_top *top);
/** Make the state if there is none yet. 0 or -1. */
int json_state_make(struct json_doc *doc);
/** A zeroed new node, or JSON_NONE. Moves the nodes. */
json_node json_node_new(struct json_state *state);
/** What is known of ${n}; all zero when there is no such node. */
struct json_info json_look(const struct json_doc *doc, json_node n);
/** The text that holds a node's value, or a slot's key. */
const char *json_text(const struct json_doc *doc, const struct json_info *info);
/** Find the children of ${n}. 0 or -1 (no container, memory, ceiling). */
int json_expand(struct json_doc *doc, json_node n);
uint32_t json_slots(const struct json_doc *doc, json_node n);
/** Slot ${i}, from 0, of ${n}, which is expanded; ${i} is in range. */
json_node json_slot(const struct json_doc *doc, json_node n, uint32_t i);
json_node json_slot_of(const struct json_doc *doc, json_node n);
/** The node that stands in ${slot} now. */
json_node json_current(const struct json_doc *doc, json_node slot);
/** The slot with this key in ${n}, which is expanded; the first of several. */
json_node json_find(const struct json_doc *doc, json_node n, const char *key,
                    size_t key_len, bool *duplicate);
/** Is the key of ${slot} this decoded one? */
bool json_key_is(const struct json_doc *doc, const struct json_info *slot,
                 const char *key, size_t key_len);

static inline bool json_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/** The first byte that is not plain ASCII text of a string, at most ${end}. */
static inline const char *json_ascii_run(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);

    for (const char *last = end - p < 16 ? NULL : end - 16; last;) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 on are below a space too. */
        __m128i hit = _mm_cmplt_epi8(bytes, space);
        unsigned mask;

        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(bytes, quote));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(bytes, slash));
        mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return p + __builtin_ctz(mask);
        if (p == last)
            return end;
        /* The last ones together with some that are known to be plain. */
        p = last - p < 16 ? last : p + 16;
    }
#else
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;

    while (end - p >= 8) {
        uint64_t word, quote, slash;

        memcpy(&word, p, sizeof word);
        quote = word ^ ones * '"';
        slash = word ^ ones * '\\';
        /* A borrow can only start in a byte that is itself a hit. */
        if ((word | (word - ones * 0x20) | ((quote - ones) & ~quote) |
             ((slash - ones) & ~slash)) & high)
            break;
        p += 8;
    }
#endif
    while (p < end && json_is_plain((unsigned char)*p))
        p++;
    return p;
}

#endif
