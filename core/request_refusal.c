/* SPDX-License-Identifier: Apache-2.0
 *
 * What a provider's refusal means, and what of its words may be told: a provider
 * may say its key again, so they are redacted before anything is cut.
 */
#include "request_impl.h"

#include "quota.h"

#include <stdio.h>
#include <string.h>

void request_redact(const struct request *r, char *text)
{
    text[config_redact(r->config, text, strlen(text))] = '\0';
}

/* Once more, where a secret stood there with escapes. */
static void redact_all(struct flight *f, char *sentence)
{
    request_redact(f->request, sentence);
    request_redact(f->request, f->code);
    request_redact(f->request, f->param);
}

/* Before anything is cut: half a key would not be known. */
static size_t copy_redacted(const struct flight *f, const char *body, size_t len,
                            struct buf *own)
{
    buf_init(own, CEIL_ANSWER_BYTES);
    return len && buf_add(own, body, len) == 0
               ? config_redact(f->request->config, own->data, len) : 0;
}

void refusal_words(struct flight *f, const char *body, size_t len, char *out,
                   size_t size)
{
    struct buf own;

    len = copy_redacted(f, body, len, &own);
    answer_sentence(own.data ? own.data : "", len, out, size, f->code,
                    sizeof f->code, f->param, sizeof f->param);
    buf_free(&own);
    redact_all(f, out);
}

/* The same, said in the provider's own format. */
static enum error_type read_foreign(struct flight *f, const char *body, size_t len,
                                    char *out, size_t size)
{
    struct dialect_fault fault;
    struct buf own;
    double wait;
    size_t kept = copy_redacted(f, body, len, &own);

    dialect_refusal(f->request->state, flight_provider(f)->dialect, f->status,
                    own.data ? own.data : "", kept, &fault, f->code,
                    sizeof f->code, f->param, sizeof f->param, &wait);
    buf_free(&own);
    redact_all(f, fault.message);
    snprintf(out, size, "%s", fault.message);
    if (f->retry_after < 0 && wait >= 0)
        f->retry_after = clock_from_seconds(wait);
    return fault.error ? fault.error : answer_classify(f->status, body, len);
}

enum error_type refusal_read(struct flight *f, const char *body, size_t len,
                             char *out, size_t size)
{
    struct json_view part = answer_fault(f->answer.format, body, len);

    if (f->foreign)
        return read_foreign(f, body, len, out, size);
    if (f->native && f->answer.error == ERROR_provider_content_filtered) {
        snprintf(out, size, "The model refused to answer.");
        return f->answer.error;
    }
    if (part.len) {
        body = part.at;
        len = part.len;
    }
    if (f->retry_after < 0)
        f->retry_after = quota_retry_body(body, len);
    refusal_words(f, body, len, out, size);
    return answer_classify(f->status, body, len);
}
