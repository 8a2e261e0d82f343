/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy may read of an attempt: its text, its body, what is known of it.
 */
#include "request_impl.h"

#include <string.h>

/* Text of the events not taken yet: all of a held stream. */
static void stream_text(struct flight *f, struct buf *out)
{
    struct sse_event e;
    struct sse sse;
    size_t len, at = 0;
    const char *bytes = source_bytes(f, &len);

    sse_init(&sse, CEIL_EVENT_BYTES);
    while (sse_next(&sse, bytes + at, len - at, &e) == SSE_EVENT) {
        at += e.raw_len;
        if (e.has_data)
            answer_text(f->answer.format, e.data, e.data_len, out);
    }
    sse_free(&sse);
}

/* What was read in passing, whatever the format. */
static void add_facts(const struct flight *f, struct buf *out)
{
    buf_adds(out, "{\"finish\":");
    buf_add_json(out, f->answer.finish, strlen(f->answer.finish));
    buf_addf(out, ",\"input\":%lld,\"output\":%lld}",
             (long long)f->answer.usage.input, (long long)f->answer.usage.output);
}

bool flight_text(struct flight *f, int what, struct buf *out)
{
    size_t len = f->kept.len, from = out->len;
    const char *bytes = f->kept.data ? f->kept.data : "";
    double cost;

    if (what == PLAN_ANSWER_FACTS) {
        add_facts(f, out);
        return true;
    }
    if (what == PLAN_ANSWER_COST) {
        cost = flight_cost(f);
        return cost >= 0 && buf_addf(out, "%.17g", cost) == 0;
    }
    if (f->transfer && f->target >= 0) {
        if (source_events(f) && what == PLAN_ANSWER_TEXT) {
            stream_text(f, out);
            return true;
        }
        bytes = source_bytes(f, &len);
    }
    if (what == PLAN_ANSWER_TEXT && f->target >= 0)
        answer_text(f->answer.format, bytes, len, out);
    else
        buf_add(out, bytes, len);
    /* A provider may say its key again. */
    if (out->len > from)
        out->len = from + config_redact(f->request->config, out->data + from,
                                        out->len - from);
    return true;
}
