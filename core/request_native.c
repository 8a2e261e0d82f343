/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that speaks Anthropic's Messages, OpenAI's Responses or Gemini's
 * generateContent, and a provider that does: the client's bytes go there as they
 * are, but for the model's name and the policy's edits, and the answer's bytes come
 * back as they are.
 */
#include "request_impl.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static const struct native_row {
    enum request_op op;
    unsigned bit;
    enum answer_format format;
    const char *path;           /* NULL: the model and the verb stand in it */
    const char *headers[3];     /* of the client's, for such a provider; */
    const char *version;        /* its value of the first, without the client's */
} rows[] = {
    {REQUEST_MESSAGES, NATIVE_MESSAGES, ANSWER_MESSAGES, "/messages",
     {"anthropic-version", "anthropic-beta", NULL}, "2023-06-01"},
    {REQUEST_RESPONSES, NATIVE_RESPONSES, ANSWER_RESPONSES, "/responses",
     {"openai-beta", NULL, NULL}, NULL},
    {REQUEST_GEMINI, NATIVE_GEMINI, ANSWER_GEMINI, NULL,
     {NULL, NULL, NULL}, NULL},
};

static const struct native_row *row_of(const struct request *r)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].op == r->in.op)
            return &rows[i];
    return NULL;
}

void native_begin(struct request *r)
{
    const struct native_row *row = row_of(r);
    struct json_fault fault;

    r->native = row ? malloc(sizeof *r->native) : NULL;
    if (!r->native)
        return;
    if (json_open(r->native, r->client_body, r->client_bytes, CEIL_JSON_DEPTH,
                  CEIL_BODY_BYTES, &fault)) {
        free(r->native);
        r->native = NULL;
        return;
    }
    r->plan.native = r->native;
    r->plan.native_format = row->bit;
}

/* -- without a conversion ---------------------------------------------------- */

/* Is this an id that Anthropic refuses? Other vendors have such ids. */
static bool is_foreign(struct json_view id)
{
    static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                "qrstuvwxyz0123456789_-";

    if (json_view_kind(id) != JSON_STRING)
        return false;
    for (size_t i = 1; i + 1 < id.len; i++)
        if (!memchr(known, id.at[i], sizeof known - 1))
            return true;
    return false;
}

/* A block of an assistant's that only we can have written: thoughts without their
 * signature, marks and ids of other vendors. Citations may be ours. */
static bool is_ours(struct json_view block)
{
    struct json_view signature = json_view_get(block, "signature");
    char type[16];

    json_view_string(json_view_get(block, "type"), type, sizeof type);
    return json_view_get(block, "extra_content").len ||
           json_view_kind(json_view_get(block, "citations")) == JSON_ARRAY ||
           (strcmp(type, "tool_use") == 0 &&
            is_foreign(json_view_get(block, "id"))) ||
           (strcmp(type, "thinking") == 0 && signature.len <= 2);
}

static bool holds_ours(const struct request *r)
{
    struct json_view all = json_view_get(
        json_view(r->client_body, r->client_bytes), "messages");
    struct json_walk messages, blocks;

    json_walk_start(&messages, all.at, all.len);
    while (json_walk_next(&messages)) {
        struct json_view said = json_view_get(messages.value, "content");

        if (json_view_kind(said) != JSON_ARRAY)
            continue;
        json_walk_start(&blocks, said.at, said.len);
        while (json_walk_next(&blocks))
            if (is_ours(blocks.value))
                return true;
    }
    return false;
}

/* Does every target of the model take this format, and no policy look at it? */
static bool all_native(const struct request *r, const struct model *m)
{
    const struct native_row *row = row_of(r);

    for (size_t i = 0; row && i < m->ntargets; i++) {
        unsigned p = r->config->targets[m->targets[i]].provider;

        if (!(r->config->providers[p].native & row->bit))
            return false;
    }
    return row && !m->policy && m->ntargets > 0;
}

bool native_only(struct request *r, const struct model *m)
{
    if (!all_native(r, m))
        return false;
    native_begin(r);
    return r->native != NULL;
}

bool native_alone(struct request *r, const struct model *m)
{
    return r->in.op == REQUEST_MESSAGES && !holds_ours(r) && native_only(r, m);
}

void native_end(struct request *r)
{
    r->plan.native = NULL;
    if (r->plan.doc == r->native)
        r->plan.doc = NULL;
    if (r->native)
        json_close(r->native);
    free(r->native);
    r->native = NULL;
}

static char *add_escaped(char *at, const char *end, const char *model)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                "qrstuvwxyz0123456789-._~@:/";

    for (; *model && at + 4 < end; model++) {
        if (strchr(plain, *model))
            *at++ = *model;
        else
            at += snprintf(at, 4, "%%%02X", (unsigned char)*model);
    }
    *at = '\0';
    return at;
}

const char *native_path(const struct flight *f, char *path, size_t size)
{
    const struct request *r = f->request;
    const char *model = flight_target(f)->model;
    char *at = path;

    if (row_of(r)->path)
        return row_of(r)->path;
    if (strncmp(model, "models/", 7) == 0)
        model += 7;
    at += snprintf(path, size, "/models/");
    at = add_escaped(at, path + size, model);
    snprintf(at, (size_t)(path + size - at), ":%s", r->in.verb);
    return path;
}

/* A filter sees, and resume joins, chat completions only; events are read, an
 * array is not. */
static bool wanted(const struct flight *f, const struct op *op)
{
    const struct request *r = f->request;
    const struct native_row *row = row_of(r);

    return row && r->plan.native && (flight_provider(f)->native & row->bit) &&
           strcmp(request_stream_type(r), "text/event-stream") == 0 &&
           !op->events && !r->surface && f->stream == r->stream &&
           !(r->stream && r->config->models[r->model].resume);
}

/* The members of req:with by the names of this format; -1: one has none. */
static int take_overlay(struct flight *f, const struct op *op,
                        struct json_extra *extra)
{
    struct request *r = f->request;
    size_t n = op->overlay
                   ? call_extras(r->plan.overlays[op->overlay - 1], extra) : 0;

    for (size_t i = 0; i < n; i++) {
        extra[i].key = bind_native_name(r->plan.native_format, extra[i].key);
        if (!extra[i].key)
            return -1;
    }
    return (int)n;
}

int native_compose(struct flight *f, const struct op *op)
{
    struct request *r = f->request;
    const char *name = flight_target(f)->model;
    struct json_extra extra[CALL_EXTRAS];
    struct buf model;
    char number[LIMIT_DIGITS];
    int taken = wanted(f, op) ? take_overlay(f, op, extra) : -1, bad;
    size_t n = (size_t)taken;

    if (taken < 0)
        return 0;
    if (limit_apply(f, r->native, extra, &n, number))
        return -1;
    buf_init(&model, 4 * KIB);
    bad = buf_add_json(&model, name, strlen(name));
    if (row_of(r)->path)
        extra[n++] = (struct json_extra){"model", model.data, model.len};
    bad |= buf_reserve(&f->body, r->client_bytes + 256);
    bad |= json_write(r->native, extra, n, &f->body);
    call_note_edits(r, extra, n, (size_t)taken);
    buf_free(&model);
    f->native = true;
    answer_init(&f->answer, row_of(r)->format);
    return bad ? -1 : 1;
}

void native_headers(struct flight *f, struct buf *out)
{
    struct request *r = f->request;
    const struct native_row *row = row_of(r);
    const char *value;
    size_t len;

    if (!row || !(flight_provider(f)->native & row->bit))
        return;
    for (size_t i = 0; row->headers[i]; i++) {
        value = r->in.header(r->in.owner, row->headers[i], &len);
        if (!value && i == 0 && row->version) {
            value = row->version;
            len = strlen(value);
        }
        if (value && (buf_adds(out, row->headers[i]) | buf_adds(out, ": ") |
                      buf_add(out, value, len) | buf_addc(out, '\n')))
            record_add(&r->record, RECORD_trace, "native",
                       "a header of the client is too long to be sent on");
    }
}
