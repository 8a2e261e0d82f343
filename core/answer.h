/* SPDX-License-Identifier: Apache-2.0
 *
 * answer: what a provider's answer says, read from the passing bytes without
 * building a tree: content or not, finish reason, usage, error. In OpenAI's
 * format, or in a client's own where provider and client share it. Also every
 * vendor's error bodies. Pure. Called by request.
 */
#ifndef LEME_ANSWER_H
#define LEME_ANSWER_H

#include "errors.h"
#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/** Tokens in OpenAI terms; -1 is unknown. */
struct usage {
    int64_t input;          /* prompt_tokens, cached ones included */
    int64_t output;         /* completion_tokens, reasoning included */
    int64_t total;
    int64_t cache_read;
    int64_t cache_write;    /* for however long */
    int64_t reasoning;
    int64_t cache_write_1h; /* those of them that stay an hour */
    int64_t audio;          /* of the prompt */
};

/** What an answer is written in. */
enum answer_format {
    ANSWER_CHAT,            /* OpenAI's chat completions, completions, embeddings */
    ANSWER_MESSAGES,        /* Anthropic's messages */
    ANSWER_RESPONSES,       /* OpenAI's responses */
    ANSWER_GEMINI,          /* Google's generateContent */
    ANSWER_FORMATS
};

/** Longest event without its text that is remembered, bytes. */
#define ANSWER_AROUND 320

/** What is known of one answer so far. answer_init before use. */
struct answer {
    enum answer_format format;
    struct usage usage;
    int64_t fresh;          /* input tokens without the cached, of a format that
                               counts them so; -1 unknown */
    char finish[32];        /* finish_reason of choice 0; "" while unknown: an
                               empty reason or "null" counts as none */
    char model[64];         /* model the provider says it used; "" unknown */
    bool content;           /* a content-bearing event (or body) was seen */
    bool done;              /* [DONE] was seen */
    bool tool_calls;        /* any tool or function call was seen */
    bool special_tier;      /* service_tier says the list price does not hold */
    enum error_type error;  /* of a top-level error; ERROR_none */
    /* The last event that was nothing but a text: what stood before and behind
     * it. One like it need not be read again. */
    unsigned short before, behind;
    char around[ANSWER_AROUND];
};

void answer_init(struct answer *a, enum answer_format format);

/** What one event is to the relay. */
enum answer_event {
    ANSWER_QUIET,           /* role, empty delta, ping: no content, no end */
    ANSWER_CONTENT,         /* content-bearing: see design.md section 6 */
    ANSWER_USAGE,           /* usage only: `choices` is empty */
    ANSWER_DONE,            /* [DONE] */
    ANSWER_ERROR,           /* an error at the top, in a choice or in x_groq
                               (not null, "", {} or []), an event named error,
                               or a finish_reason that says so */
    ANSWER_BROKEN           /* no JSON object; the answer is unchanged */
};

/**
 * Read one event's data (and its event name) of a stream in ${a}'s format and add
 * what it says to ${a}. Of a chat.completion.chunk or text_completion: Must be fast: a typical
 * 200 byte chunk well under 0.5 us, no allocation.
 * Content-bearing: non-empty content (text, or parts that hold any), text,
 * reasoning, reasoning_content or reasoning_details, refusal, tool_calls
 * (non-empty array), function_call, audio, images, or a finish_reason, in any
 * choice. Blank data is quiet. Counts of usage replace earlier ones one by one.
 * Checks structure, tokens and escapes, but not UTF-8. In the other formats the
 * same by their words; ANSWER_DONE is the event that says so, ANSWER_USAGE never
 * comes, and what was withheld for its content is ANSWER_ERROR.
 */
enum answer_event answer_event(struct answer *a, const char *name,
                               size_t name_len, const char *data, size_t len);

/**
 * Read a complete non-streaming body (chat.completion, text_completion, list of
 * embeddings). Returns ANSWER_CONTENT, ANSWER_ERROR (as in answer_event),
 * ANSWER_QUIET (valid, but no choices and no data: an empty answer) or
 * ANSWER_BROKEN. Checks the whole text as JSON.
 */
enum answer_event answer_body(struct answer *a, const char *body, size_t len);

/** The part of an event or body that answer_classify and answer_sentence are to
 * be asked about. */
struct json_view answer_fault(enum answer_format format, const char *data,
                              size_t len);
/** What ends a stream that said why it finished and then just stopped. Static. */
const char *answer_ending(enum answer_format format);

/**
 * What a provider's answer with an HTTP status outside 2xx, or a body or event
 * with a top-level `error`, means. Knows every vendor's spelling listed in the
 * notes on errors (context too long, content filter, billing, quota, wrong key,
 * missing model, overload); the body decides before the status does. ${body}
 * may be anything, cut, empty, HTML or not UTF-8. ${status} 0: an event. In an
 * event or a 2xx a numeric code in the body stands for the status. Always a
 * provider_* value.
 */
enum error_type answer_classify(int status, const char *body, size_t len);

/**
 * The human sentence in a provider's error body, as UTF-8 in ${out}
 * (NUL-terminated, cut at ${size} at a whole character; control bytes become
 * blanks), and its ${code} and ${param} ("" when absent). Returns the
 * sentence's length, 0 when none was found. A page's sentence is its title; a
 * text without a known shape is its own.
 */
size_t answer_sentence(const char *body, size_t len, char *out, size_t size,
                       char *code, size_t code_size, char *param,
                       size_t param_size);

/**
 * The text a non-streaming body or one event carries (content, or text, of
 * choice 0; parts without thoughts), decoded and appended to ${out}. 0, also
 * when there is none, or -1 (memory, ceiling).
 */
int answer_text(enum answer_format format, const char *json, size_t len,
                struct buf *out);

/* answer_native.c, for answer.c: formats other than ANSWER_CHAT. */
enum answer_event answer_native_event(struct answer *a, const char *data,
                                      size_t len);
enum answer_event answer_native_body(struct answer *a, const char *body,
                                     size_t len);
enum answer_event answer_gemini(struct answer *a, const char *data, size_t len);
int answer_gemini_text(const char *json, size_t len, struct buf *out);
int answer_native_text(enum answer_format format, const char *json, size_t len,
                       struct buf *out);

#endif
