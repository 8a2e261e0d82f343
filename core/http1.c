/* SPDX-License-Identifier: Apache-2.0 */
#include "http1.h"

#include "http1_syntax.h"

#include <string.h>

/* Bytes a method may have: no registered one is longer. */
#define METHOD_BYTES 24

static struct http1_span span(size_t from, size_t to)
{
    return (struct http1_span){(uint32_t)from, (uint32_t)(to - from)};
}

static enum http1_result bad(struct http1_fault *fault, int status,
                             const char *message)
{
    fault->status = status;
    fault->message = message;
    return HTTP1_BAD;
}

/* -- what one call works on ------------------------------------------------ */

enum { EMPTY_LINES, METHOD_NAME, REQUEST_LINE, FIELDS };

/* Bits of http1_scan.seen. */
enum {
    SEEN_HOST = 1,
    SEEN_LENGTH = 2,
    SEEN_CODING = 4,
    SEEN_AUTHORIZATION = 8,
    SEEN_API_KEY = 16,
    SEEN_CLOSE = 32,
    SEEN_KEEP_ALIVE = 64
};

struct parse {
    const char *bytes;
    size_t to;              /* bytes that may be looked at */
    struct http1_scan *scan;
    struct http1_head *head;
    struct http1_fault *fault;
};

static enum http1_result refuse(struct parse *p, const char *message)
{
    return bad(p->fault, 400, message);
}

/* Read on to the CRLF of a line of ${class} bytes. DONE: it is at looked. */
static enum http1_result find_end(struct parse *p, unsigned class,
                                  size_t ceiling, int status)
{
    struct http1_scan *s = p->scan;
    size_t most = s->line + ceiling + 1;

    s->looked = http1_syntax_skip(p->bytes, s->looked,
                                  p->to < most ? p->to : most, class);
    if (s->looked == most)
        return bad(p->fault, status, status == 414
                                         ? "the request line is too long"
                                         : "a header field is too long");
    if (s->looked == p->to)
        return HTTP1_MORE;
    if (p->bytes[s->looked] == '\n')
        return refuse(p, "a line ends in a bare LF");
    if (p->bytes[s->looked] != '\r')
        return refuse(p, "the request head holds a byte that may not be there");
    if (s->looked + 1 == p->to)
        return HTTP1_MORE;
    if (p->bytes[s->looked + 1] != '\n')
        return refuse(p, "a CR is not followed by LF");
    return HTTP1_DONE;
}

static void next_line(struct http1_scan *s)
{
    s->line = s->looked += 2;
}

/* -- request line ---------------------------------------------------------- */

static enum http1_result empty_lines(struct parse *p)
{
    struct http1_scan *s = p->scan;
    enum http1_result got;

    while (s->looked < p->to && p->bytes[s->looked] == '\r') {
        if (s->looked >= 2 * CEIL_EMPTY_LINES)
            return refuse(p, "too many empty lines before the request");
        got = find_end(p, 0, CEIL_REQUEST_LINE, 414);
        if (got != HTTP1_DONE)
            return got;
        next_line(s);
    }
    if (s->looked == p->to)
        return HTTP1_MORE;
    s->state = METHOD_NAME;
    return HTTP1_DONE;
}

static enum http1_method method_of(const char *name, size_t n)
{
    static const char *const names[] = {
        [HTTP1_GET] = "GET",         [HTTP1_HEAD] = "HEAD",
        [HTTP1_POST] = "POST",       [HTTP1_PUT] = "PUT",
        [HTTP1_PATCH] = "PATCH",     [HTTP1_DELETE] = "DELETE",
        [HTTP1_OPTIONS] = "OPTIONS",
    };
    size_t i;

    for (i = 0; i < HTTP1_OTHER; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            return (enum http1_method)i;
    return HTTP1_OTHER;
}

/* A client that speaks another protocol shows it here, so do not wait for the
 * end of its line: it may never come. */
static enum http1_result method_name(struct parse *p)
{
    struct http1_scan *s = p->scan;
    size_t most = s->line + METHOD_BYTES + 1;

    s->looked = http1_syntax_skip(p->bytes, s->looked,
                                  p->to < most ? p->to : most, HTTP1_METHOD);
    if (s->looked == most)
        return bad(p->fault, 501, "the method is not known here");
    if (s->looked == p->to)
        return HTTP1_MORE;
    if (p->bytes[s->looked] != ' ' || s->looked == s->line)
        return refuse(p, "this does not start like an HTTP/1.1 request");
    p->head->method = method_of(p->bytes + s->line, s->looked - s->line);
    s->state = REQUEST_LINE;
    return HTTP1_DONE;
}

static enum http1_result path_and_query(struct parse *p, size_t from,
                                        size_t to)
{
    const char *b = p->bytes;
    size_t end;

    if (from == to || b[from] != '/')
        return refuse(p, "the request target is not a path");
    end = http1_syntax_escaped(b, from, to, HTTP1_PATH);
    if (end == 0 || (end < to && b[end] != '?'))
        return refuse(p, "the path holds a character or escape that is "
                         "not allowed there");
    if (http1_syntax_odd_path(b, from, end))
        return refuse(p, "the path holds '//', '/./' or '/../'");
    p->head->path = span(from, end);
    p->head->target = span(from, to);
    if (end < to && http1_syntax_escaped(b, end, to, HTTP1_QUERY) != to)
        return refuse(p, "the query holds a character or escape that is "
                         "not allowed there");
    return HTTP1_DONE;
}

static enum http1_result target(struct parse *p, size_t from, size_t to)
{
    const char *b = p->bytes;
    size_t slash;

    if (to - from == 1 && b[from] == '*' &&
        p->head->method == HTTP1_OPTIONS) {
        p->head->target = p->head->path = span(from, to);
        return HTTP1_DONE;
    }
    if (to - from < 7 || !http1_syntax_same(b + from, 7, "http://"))
        return path_and_query(p, from, to);
    from += 7;
    for (slash = from; slash < to && b[slash] != '/'; slash++)
        ;
    if (slash == from)
        return refuse(p, "the request target names no host");
    p->scan->authority = span(from, slash);
    return path_and_query(p, slash, to);
}

static enum http1_result version(struct parse *p, size_t from, size_t to)
{
    const char *b = p->bytes + from;

    if (to - from != 8 || memcmp(b, "HTTP/", 5) != 0 ||
        !http1_syntax_is(b[5], HTTP1_DIGIT) || b[6] != '.' ||
        !http1_syntax_is(b[7], HTTP1_DIGIT))
        return refuse(p, "the request line does not end in HTTP/1.1");
    if (b[5] != '1' || b[7] > '1')
        return bad(p->fault, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    p->head->minor = b[7] == '1';
    return HTTP1_DONE;
}

static enum http1_result request_line(struct parse *p)
{
    struct http1_scan *s = p->scan;
    enum http1_result got = find_end(p, HTTP1_REQUEST, CEIL_REQUEST_LINE, 414);
    const char *b = p->bytes, *space;
    size_t from, to;

    if (got != HTTP1_DONE)
        return got;
    space = memchr(b + s->line, ' ', s->looked - s->line);
    from = (size_t)(space - b) + 1;
    space = memchr(b + from, ' ', s->looked - from);
    if (!space)
        return refuse(p, "the request line has no version");
    to = (size_t)(space - b);
    got = version(p, to + 1, s->looked);
    if (got == HTTP1_DONE)
        got = target(p, from, to);
    next_line(s);
    s->state = FIELDS;
    return got;
}

/* -- fields ---------------------------------------------------------------- */

static bool first_time(struct parse *p, unsigned bit)
{
    bool first = !(p->scan->seen & bit);

    p->scan->seen |= bit;
    return first;
}

static enum http1_result take_host(struct parse *p, struct http1_span value)
{
    if (!first_time(p, SEEN_HOST))
        return refuse(p, "Host is there twice");
    p->scan->host = value;
    return HTTP1_DONE;
}

static enum http1_result take_length(struct parse *p, struct http1_span value)
{
    const char *b = p->bytes + value.at;
    uint64_t n = 0, digit;
    size_t i;

    if (!first_time(p, SEEN_LENGTH))
        return refuse(p, "Content-Length is there twice");
    if (value.len == 0 ||
        http1_syntax_skip(b, 0, value.len, HTTP1_DIGIT) != value.len)
        return refuse(p, "Content-Length is not a number");
    for (i = 0; i < value.len; i++) {
        digit = (uint64_t)(b[i] - '0');
        /* Too large for a number is too large for any ceiling. */
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    p->head->has_length = true;
    p->head->content_length = n;
    return HTTP1_DONE;
}

static enum http1_result take_coding(struct parse *p, struct http1_span value)
{
    if (!first_time(p, SEEN_CODING))
        return refuse(p, "Transfer-Encoding is there twice");
    if (!http1_syntax_same(p->bytes + value.at, value.len, "chunked"))
        return refuse(p, "the only Transfer-Encoding known here is chunked");
    p->head->chunked = true;
    return HTTP1_DONE;
}

static enum http1_result take_authorization(struct parse *p,
                                            struct http1_span value)
{
    (void)value;
    if (!first_time(p, SEEN_AUTHORIZATION))
        return refuse(p, "Authorization is there twice");
    return HTTP1_DONE;
}

static enum http1_result take_api_key(struct parse *p, struct http1_span value)
{
    (void)value;
    if (!first_time(p, SEEN_API_KEY))
        return refuse(p, "x-api-key is there twice");
    return HTTP1_DONE;
}

static enum http1_result take_expect(struct parse *p, struct http1_span value)
{
    if (http1_syntax_same(p->bytes + value.at, value.len, "100-continue"))
        p->head->expect_continue = true;
    return HTTP1_DONE;
}

static enum http1_result take_connection(struct parse *p,
                                         struct http1_span value)
{
    const char *b = p->bytes;
    size_t at = value.at, to = value.at + value.len, end;

    while (at < to) {
        end = http1_syntax_skip(b, at, to, HTTP1_TOKEN);
        if (http1_syntax_same(b + at, end - at, "close"))
            p->scan->seen |= SEEN_CLOSE;
        else if (http1_syntax_same(b + at, end - at, "keep-alive"))
            p->scan->seen |= SEEN_KEEP_ALIVE;
        at = end == at ? at + 1 : end;
    }
    return HTTP1_DONE;
}

static const struct known {
    const char *name;
    size_t len;
    enum http1_result (*take)(struct parse *p, struct http1_span value);
} known_fields[] = {
    {"host", 4, take_host},
    {"expect", 6, take_expect},
    {"x-api-key", 9, take_api_key},
    {"connection", 10, take_connection},
    {"authorization", 13, take_authorization},
    {"content-length", 14, take_length},
    {"transfer-encoding", 17, take_coding},
};

static enum http1_result take_known(struct parse *p,
                                    const struct http1_field *f)
{
    const struct known *k = known_fields;
    const struct known *end = k + sizeof known_fields / sizeof *known_fields;

    for (; k < end; k++)
        if (k->len == f->name.len &&
            http1_syntax_same(p->bytes + f->name.at, f->name.len, k->name))
            return k->take(p, f->value);
    return HTTP1_DONE;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line [scan->line, end) as a field. */
static enum http1_result field(struct parse *p, size_t end)
{
    const char *b = p->bytes;
    size_t at = p->scan->line;
    size_t colon = http1_syntax_skip(b, at, end, HTTP1_TOKEN);
    struct http1_field *f;

    if (blank(b[at]))
        return refuse(p, "a header field is folded");
    if (colon == at || colon == end || b[colon] != ':')
        return refuse(p, "a header field is not of the form 'name: value'");
    if (p->head->nfields == CEIL_HEAD_FIELDS)
        return bad(p->fault, 431, "the request has too many header fields");
    f = &p->head->fields[p->head->nfields++];
    f->name = span(at, colon);
    for (at = colon + 1; at < end && blank(b[at]); at++)
        ;
    while (end > at && blank(b[end - 1]))
        end--;
    f->value = span(at, end);
    return take_known(p, f);
}

/* -- the whole head -------------------------------------------------------- */

static enum http1_result check_host(struct parse *p)
{
    const struct http1_scan *s = p->scan;

    if (s->authority.len &&
        !http1_syntax_host(p->bytes + s->authority.at, s->authority.len))
        return refuse(p, "the request target names a bad host");
    if (!(s->seen & SEEN_HOST))
        return p->head->minor == 0 ? HTTP1_DONE
                                   : refuse(p, "Host is missing");
    if (!http1_syntax_host(p->bytes + s->host.at, s->host.len))
        return refuse(p, "Host is not a host name and port");
    if (s->authority.len &&
        !http1_syntax_same_host(p->bytes + s->authority.at, s->authority.len,
                                p->bytes + s->host.at, s->host.len))
        return refuse(p, "Host and the request target name different hosts");
    return HTTP1_DONE;
}

static bool wants_body(enum http1_method method)
{
    return method == HTTP1_POST || method == HTTP1_PUT ||
           method == HTTP1_PATCH;
}

static enum http1_result check_body(struct parse *p, uint64_t max_body)
{
    const struct http1_head *head = p->head;

    if (head->chunked && head->has_length)
        return refuse(p, "Transfer-Encoding and Content-Length are both there");
    if (head->chunked && head->minor == 0)
        return refuse(p, "HTTP/1.0 has no Transfer-Encoding");
    if (head->content_length > max_body)
        return bad(p->fault, 413, "the body is too long");
    if (wants_body(head->method) && !head->chunked && !head->has_length)
        return bad(p->fault, 411, "Content-Length is missing");
    return HTTP1_DONE;
}

static enum http1_result finish(struct parse *p, uint64_t max_body)
{
    struct http1_head *head = p->head;
    unsigned seen = p->scan->seen;
    enum http1_result got = check_host(p);

    if (got == HTTP1_DONE)
        got = check_body(p, max_body);
    head->keep_alive = !(seen & SEEN_CLOSE) &&
                       (head->minor == 1 || (seen & SEEN_KEEP_ALIVE));
    /* An HTTP/1.0 client would take "100 Continue" for its answer. */
    head->expect_continue &= head->minor == 1;
    head->bytes = p->scan->looked;
    return got;
}

static enum http1_result fields(struct parse *p, uint64_t max_body)
{
    struct http1_scan *s = p->scan;
    enum http1_result got;
    bool last;

    for (;;) {
        got = find_end(p, HTTP1_LINE, CEIL_FIELD_BYTES, 431);
        if (got != HTTP1_DONE)
            return got;
        last = s->looked == s->line;
        if (!last)
            got = field(p, s->looked);
        next_line(s);
        if (last)
            return finish(p, max_body);
        if (got != HTTP1_DONE)
            return got;
    }
}

enum http1_result http1_head(const char *bytes, size_t len, size_t max_head,
                             uint64_t max_body, struct http1_scan *scan,
                             struct http1_head *head,
                             struct http1_fault *fault)
{
    struct parse p = {bytes, len < max_head ? len : max_head, scan, head,
                      fault};
    enum http1_result got = HTTP1_DONE;

    if (scan->looked == 0)
        memset(head, 0, offsetof(struct http1_head, fields));
    if (scan->state == EMPTY_LINES)
        got = empty_lines(&p);
    if (got == HTTP1_DONE && scan->state == METHOD_NAME)
        got = method_name(&p);
    if (got == HTTP1_DONE && scan->state == REQUEST_LINE)
        got = request_line(&p);
    if (got == HTTP1_DONE && scan->state == FIELDS)
        got = fields(&p, max_body);
    if (got == HTTP1_MORE && len >= max_head)
        return bad(fault, 431, "the request head is too long");
    return got;
}

const struct http1_field *http1_find(const char *bytes,
                                     const struct http1_head *head,
                                     const char *name)
{
    const struct http1_field *f = head->fields, *end = f + head->nfields;
    size_t n = strlen(name);

    for (; f < end; f++)
        if (f->name.len == n && http1_syntax_same(bytes + f->name.at, n, name))
            return f;
    return NULL;
}

unsigned http1_count(const char *bytes, const struct http1_head *head,
                     const char *name)
{
    const struct http1_field *f = head->fields, *end = f + head->nfields;
    size_t n = strlen(name);
    unsigned count = 0;

    for (; f < end; f++)
        count += f->name.len == n &&
                 http1_syntax_same(bytes + f->name.at, n, name);
    return count;
}
