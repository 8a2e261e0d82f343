/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that speaks Anthropic's Messages, OpenAI's Responses, Gemini's
 * generateContent, or chat completions as Mistral's clients read them: its request
 * becomes a chat completion before a policy sees it, and what is relayed becomes
 * its own format on the way out, event by event.
 */
#include "request_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[REQUEST_OPS] = {
    [REQUEST_MESSAGES] = "messages", [REQUEST_RESPONSES] = "responses",
    [REQUEST_GEMINI] = "gemini", [REQUEST_GEMINI_EMBED] = "gemini",
    [REQUEST_MISTRAL] = "mistral", [REQUEST_MISTRAL_EMBED] = "mistral"};

static struct surface_context context_of(const struct request *r)
{
    return (struct surface_context){
        .surface = names[r->in.op], .id = r->id,
        .model = r->model < 0 ? "" : r->config->models[r->model].name,
        .verb = r->in.verb ? r->in.verb : "",
        .request = r->client_body, .request_len = r->client_bytes};
}

bool request_has_surface(const struct request *r)
{
    return names[r->in.op] != NULL;
}

static const char *misread(struct request *r, enum error_type error,
                           const char *message, char *why, size_t size)
{
    snprintf(why, size, "%s", message);
    r->misread = error;
    return why;
}

/* *${foreign}: those who take the client's format may still understand it. */
static const char *convert(struct request *r, bool *foreign, char *why,
                           size_t size)
{
    struct surface_context c;
    struct dialect_fault fault;
    struct surface_facts facts = {0};

    c = context_of(r);
    c.model = r->in.model ? r->in.model : "";
    r->in.model = NULL;
    buf_init(&r->converted, CEIL_BODY_BYTES + MIB);
    if (surface_request(r->state, &c, &r->converted, &facts, &fault))
        return misread(r, fault.error, fault.message, why, size);
    *foreign = facts.foreign && facts.own;
    if (facts.foreign)
        return misread(r, ERROR_caller_invalid_request, facts.notes, why, size);
    r->in.body = r->converted.data;
    r->in.body_bytes = r->converted.len;
    if (facts.notes[0])
        r->surface_notes = strdup(facts.notes);
    if (facts.own && !r->native)
        native_begin(r);
    return NULL;
}

/* The model a body names, if it is one; -1 else. */
static int named_model(const struct request *r)
{
    char name[129];
    size_t n = json_view_string(
        json_view_get(json_view(r->client_body, r->client_bytes), "model"), name,
        sizeof name);

    return n ? config_find_model(r->config, name, n) : -1;
}

const char *request_surface_begin(struct request *r, char *why, size_t size)
{
    const char *wrong = NULL;
    bool foreign = false;
    int model;

    r->client_body = r->in.body;
    r->client_bytes = r->in.body_bytes;
    model = r->in.model ? -1 : named_model(r);
    r->unconverted = model >= 0 && native_alone(r, &r->config->models[model]);
    if (!r->unconverted)
        wrong = convert(r, &foreign, why, size);
    if (foreign && model >= 0)
        r->unconverted = native_only(r, &r->config->models[model]);
    return r->unconverted ? NULL : wrong;
}

const char *request_surface_convert(struct request *r, char *why, size_t size)
{
    const char *wrong;
    char name[129];
    bool foreign;

    if (!r->unconverted)
        return NULL;
    r->unconverted = false;
    wrong = convert(r, &foreign, why, size);
    if (!wrong)
        wrong = request_read_body(r, name, sizeof name, why, size);
    if (!wrong)
        r->plan.doc = &r->doc;
    return wrong;
}

void request_surface_free(struct request *r)
{
    dialect_close(r->state, r->surface);
    r->surface = 0;
    free(r->surface_notes);
    buf_free(&r->converted);
}

/* Send what the surface made of something; a failure of the translation itself
 * can only end the stream. */
static int pass_on(struct request *r, struct buf *out, int bad)
{
    if (!bad)
        reply_body(r->in.reply, out->data ? out->data : "", out->len);
    buf_free(out);
    return bad;
}

int request_surface_open(struct request *r)
{
    struct surface_context c = context_of(r);
    struct dialect_fault fault;
    struct buf out;

    if (r->surface)
        return 0;
    buf_init(&out, CEIL_ANSWER_BYTES);
    return pass_on(r, &out, surface_open(r->state, &c, &r->surface, &out, &fault));
}

int request_surface_event(struct request *r, const char *data, size_t len)
{
    struct dialect_fault fault;
    struct buf out;

    buf_init(&out, CEIL_ANSWER_BYTES);
    return pass_on(r, &out,
                surface_event(r->state, r->surface, data, len, &out, &fault));
}

void request_surface_failure(struct request *r, enum error_type e,
                             const char *message)
{
    struct surface_context c = context_of(r);
    struct dialect_fault fault;
    struct buf out;

    buf_init(&out, CEIL_ANSWER_BYTES);
    /* What passed untouched has begun the stream already. */
    if (!r->surface)
        surface_open(r->state, &c, &r->surface, &out, &fault);
    out.len = 0;
    pass_on(r, &out, surface_stream_failure(r->state, r->surface, e, message,
                                            &out, &fault));
}

int request_surface_answer(struct request *r, const char *text, size_t len,
                           struct buf *out)
{
    struct surface_context c = context_of(r);
    struct dialect_fault fault;

    return surface_answer(r->state, &c, text, len, out, &fault);
}

/* An answer without a body is left to the caller. */
static int write_error(struct policy_state *s, const struct surface_context *c,
                       enum error_type e, int status, const char *code,
                       const char *message, struct buf *headers,
                       struct buf *body)
{
    char lines[256] = "";

    surface_failure(s, c, e, &status, code, message, body, lines, sizeof lines);
    for (char *line = lines; *line;) {
        size_t n = strcspn(line, "\n");

        buf_add(headers, line, n);
        buf_adds(headers, "\r\n");
        line += n + (line[n] != '\0');
    }
    return status;
}

int request_surface_error(struct request *r, enum error_type e, int status,
                          const char *code, const char *message, struct buf *headers,
                          struct buf *body)
{
    struct surface_context c = context_of(r);

    return write_error(r->state, &c, e, status, code, message, headers, body);
}

void request_foreign_error(struct requests *rs, const char *surface,
                           enum error_type e, int status, const char *message,
                           const char *id, struct buf *headers,
                           struct buf *body)
{
    struct surface_context c = {.surface = surface, .id = id, .model = "",
                                .verb = ""};
    struct buf plain;

    buf_init(&plain, 8 * KIB);
    request_error(e, message, id, headers, &plain);
    write_error(rs->state, &c, e, status, errors_row(e)->code, message, headers,
                body);
    if (body->len == 0)
        buf_add(body, plain.data, plain.len);
    buf_free(&plain);
}

/* Of Gemini's streams one form is a JSON array: nothing but blanks may stand
 * between its elements. */
static bool is_array(const struct request *r)
{
    return r->in.verb && strcmp(r->in.verb, "streamGenerateContent") == 0;
}

const char *request_stream_type(const struct request *r)
{
    return is_array(r) ? "application/json" : "text/event-stream";
}

const char *request_keepalive(const struct request *r)
{
    return is_array(r) ? "\n" : ": keep-alive\n\n";
}
