/* SPDX-License-Identifier: Apache-2.0
 *
 * http1: strict HTTP/1.x requests: bytes in, meaning out. Pure: owns no memory,
 * knows no socket. Called by server.
 *
 * Where RFC 9112 lets a server choose, this one refuses: bare LF, obs-fold,
 * space before a colon, two Hosts, any Transfer-Encoding but one `chunked`,
 * Transfer-Encoding beside Content-Length.
 */
#ifndef LEME_HTTP1_H
#define LEME_HTTP1_H

#include "ceilings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A piece of the caller's buffer, as offset and length. */
struct http1_span {
    uint32_t at;
    uint32_t len;
};

struct http1_field {
    struct http1_span name;  /* as sent; compare without case */
    struct http1_span value; /* surrounding blanks removed */
};

enum http1_method { HTTP1_GET, HTTP1_HEAD, HTTP1_POST, HTTP1_PUT, HTTP1_PATCH,
                    HTTP1_DELETE, HTTP1_OPTIONS, HTTP1_OTHER };

/** A request head; spans point into the buffer given to http1_head. */
struct http1_head {
    enum http1_method method;
    struct http1_span target;   /* origin-form: path and query; '*' of OPTIONS;
                                   of absolute-form the part from the path on */
    struct http1_span path;     /* target up to '?' */
    unsigned minor;             /* 0 or 1 */
    bool keep_alive;            /* by version and Connection */
    bool chunked;
    bool expect_continue;
    bool has_length;
    uint64_t content_length;    /* 0 when absent */
    size_t bytes;               /* head with its final blank line */
    unsigned nfields;
    struct http1_field fields[CEIL_HEAD_FIELDS];
};

enum http1_result {
    HTTP1_MORE,     /* not all here: call again with more bytes */
    HTTP1_DONE,
    HTTP1_BAD       /* refuse with ${status} and close */
};

struct http1_fault {
    int status;             /* 400 411 413 414 431 501 505 */
    const char *message;    /* a sentence for the client; static */
};

/** Progress over one head that arrives in pieces; zero before the first call.*/
struct http1_scan {
    size_t looked;          /* bytes read so far */
    size_t line;            /* where the line being read starts */
    int state;
    unsigned seen;          /* fields that matter here, one bit each */
    struct http1_span host;
    struct http1_span authority;    /* of absolute-form */
};

/**
 * Read a request head from the first ${len} bytes of ${bytes} (which may hold
 * more than the head). Linear over all calls: feed the same growing buffer with
 * the same ${scan} and ${head} until it is not MORE. A head that can never be
 * valid is refused at the byte or the line that shows it; how the bytes are cut
 * never changes the verdict.
 * ${max_head}: the ceiling of the whole head; ${max_body}: a Content-Length
 * above it is refused with 413.
 */
enum http1_result http1_head(const char *bytes, size_t len, size_t max_head,
                             uint64_t max_body, struct http1_scan *scan,
                             struct http1_head *head,
                             struct http1_fault *fault);

/** The field called ${name} (lower case), or NULL. The first of several. */
const struct http1_field *http1_find(const char *bytes,
                                     const struct http1_head *head,
                                     const char *name);
/** How many fields are called ${name} (lower case). */
unsigned http1_count(const char *bytes, const struct http1_head *head,
                     const char *name);

/** A chunked body that arrives in pieces; zero before the first call. */
struct http1_chunked {
    int state;
    uint64_t left;          /* of the current chunk */
    size_t line;            /* bytes of the current size line */
    size_t trailer;         /* bytes of trailers so far */
    uint64_t total;         /* decoded so far */
    bool blanks;            /* set by the caller: size lines may hold blanks
                               around what they say, as answers do (RFC 9112,
                               7.1.1, has them read) */
};

/**
 * Decode in place: ${bytes}[0..*len) are new raw bytes; on return the first
 * *${decoded} bytes of ${bytes} are body, and *${used} raw bytes were consumed
 * (all of them unless DONE; then the rest belongs to the next request).
 * Extensions and trailers are read, bounded and dropped. More than ${max_body}
 * decoded bytes in all: BAD with 413.
 */
enum http1_result http1_chunked(struct http1_chunked *c, char *bytes,
                                size_t len, uint64_t max_body, size_t *used,
                                size_t *decoded, struct http1_fault *fault);

/** Percent-decoded text, NUL-terminated; false when it is none or too long. */
bool http1_decode(const char *from, size_t len, char *out, size_t size);

#endif
