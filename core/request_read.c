/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client's body and headers say before a policy sees them, and the errors
 * that need no request.
 */
#include "request_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool well_formed_id(const char *id, size_t len)
{
    if (len == 0 || len > 128)
        return false;
    for (size_t i = 0; i < len; i++)
        if (id[i] < 0x21 || id[i] > 0x7E || id[i] == '"' || id[i] == '\\')
            return false;
    return true;
}

void request_id(const char *theirs, size_t len, char out[129])
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    static _Thread_local uint64_t rng[4];
    uint64_t n = 0;

    if (theirs && well_formed_id(theirs, len)) {
        memcpy(out, theirs, len);
        out[len] = '\0';
        return;
    }
    if (!(rng[0] | rng[1]) && getrandom(rng, sizeof rng, 0) != sizeof rng)
        bind_seed(rng, (uint64_t)clock_wall());
    memcpy(out, "req_", 4);
    for (int i = 0; i < 24; i++) {
        if (i % 10 == 0)
            n = (uint64_t)(bind_random(rng) * 0x1p53);
        out[4 + i] = alphabet[n & 31];
        n >>= 5;
    }
    out[28] = '\0';
}

void request_error(enum error_type e, const char *message, const char *id,
                   struct buf *headers, struct buf *body)
{
    const struct error_row *row = errors_row(e);

    buf_adds(body, "{\"error\":{\"message\":");
    buf_add_json(body, message, strlen(message));
    buf_addf(body, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\","
                   "\"error_type\":\"%s\"}}", row->type, row->code, row->name);
    buf_adds(headers, "content-type: application/json\r\n");
    buf_addf(headers, "x-should-retry: %s\r\n", row->retry ? "true" : "false");
    if (id[0])
        buf_addf(headers, "x-request-id: %s\r\n", id);
}

static bool member_is_true(struct json_doc *doc, json_node of, const char *key)
{
    bool twice = false;
    json_node n = json_member(doc, of, key, strlen(key), &twice);

    return n && json_kind(doc, n) == JSON_TRUE;
}

static bool keep_name(const char *text, size_t len, char *name, size_t size)
{
    if (len == 0 || len >= size)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20)
            return false;
    memcpy(name, text, len);
    name[len] = '\0';
    return true;
}

/* A text without control bytes and shorter than ${size}; some clients (PHP's)
 * escape every slash of it. */
static bool read_name(const struct json_doc *doc, json_node n, char *name,
                      size_t size)
{
    const char *plain;
    struct buf text;
    bool good;
    size_t len;

    if (!n)
        return false;
    plain = json_plain(doc, n, &len);
    if (plain)
        return keep_name(plain, len, name, size);
    buf_init(&text, size);
    good = json_string(doc, n, &text) == 0 &&
           keep_name(text.data, text.len, name, size);
    buf_free(&text);
    return good;
}

/* `model` and `stream`, which all formats have by these names. */
static const char *read_top(struct request *r, struct json_doc *doc, char *name,
                            size_t size)
{
    bool twice = false;
    json_node n = json_member(doc, JSON_ROOT, "model", 5, &twice), options;

    if (!read_name(doc, n, name, size))
        return "`model` must be the name of a model, as a string of 1 to 128 "
               "bytes";
    n = json_member(doc, JSON_ROOT, "stream", 6, &twice);
    if (n && json_kind(doc, n) != JSON_TRUE && json_kind(doc, n) != JSON_FALSE &&
        json_kind(doc, n) != JSON_NULL)
        return "`stream` must be true or false";
    r->stream = n && json_kind(doc, n) == JSON_TRUE &&
                r->in.op != REQUEST_EMBEDDINGS;
    options = json_member(doc, JSON_ROOT, "stream_options", 14, &twice);
    r->include_usage = options && member_is_true(doc, options, "include_usage");
    return NULL;
}

/* A mock's policy refuses what it cannot read as its provider would, so it is
 * asked even without a body, or with one that is no JSON object. */
static const char *read_mocked(struct request *r, char *name)
{
    struct json_fault fault;

    strcpy(name, "*");
    r->body_open = !json_open(&r->doc, r->in.body, r->in.body_bytes,
                              CEIL_JSON_DEPTH, CEIL_BODY_BYTES, &fault) ||
                   !json_open(&r->doc, "{}", 2, CEIL_JSON_DEPTH, CEIL_BODY_BYTES,
                              &fault);
    return r->body_open ? NULL : "not enough memory";
}

const char *request_read_body(struct request *r, char *name, size_t size,
                              char *why, size_t why_size)
{
    struct json_fault fault;

    if (r->unconverted)
        return read_top(r, r->native, name, size);
    if (r->in.op == REQUEST_MOCK)
        return read_mocked(r, name);
    if (json_open(&r->doc, r->in.body, r->in.body_bytes, CEIL_JSON_DEPTH,
                  CEIL_BODY_BYTES, &fault)) {
        snprintf(why, why_size, "the body is not a JSON object: %s at byte %zu",
                 fault.message, fault.at + 1);
        return why;
    }
    r->body_open = true;
    return read_top(r, &r->doc, name, size);
}

/* Forward a well-formed traceparent as it is. */
void request_read_trace(struct request *r)
{
    size_t len;
    const char *t = r->in.header(r->in.owner, "traceparent", &len);

    if (t && len == 55 && t[2] == '-' && t[35] == '-' && t[52] == '-' &&
        strspn(t, "0123456789abcdef-") >= 55)
        memcpy(r->trace, t, 55);
}
