/* SPDX-License-Identifier: Apache-2.0 */
#include "mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_DIGITS 16
#define NUMBERS                                                                \
    "X-Bench-Received-Ns: 0000000000000000\r\n"                                \
    "X-Bench-Sent-Ns: 0000000000000000\r\n"                                    \
    "X-Bench-Body-Hash: 0000000000000000\r\n"
#define BLANK "b!000000!0000000000000000!0000000000000000!"

/* An answer's texts. The stamp stands at the end of what comes before. */
struct mock_format {
    const char *whole_before, *whole_after;
    const char *event_before, *event_after;
    const char *start;          /* events before the first chunk; or "" */
    const char *finish;         /* ... and after the last */
    const char *usage;          /* sent when it was asked for */
    const char *done;
};

#define EVENT_COMMON                                                           \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","   \
    "\"created\":1700000000,\"model\":\"bench\",\"choices\":["

static const struct mock_format formats[] = {
    {
        .whole_before =
            "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\","
            "\"created\":1700000000,\"model\":\"bench\","
            "\"system_fingerprint\":\"fp_0000000000000000\","
            "\"choices\":[{\"index\":0,"
            "\"message\":{\"role\":\"assistant\",\"content\":\"" BLANK,
        .whole_after =
            "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":200,"
            "\"completion_tokens\":150,\"total_tokens\":350}}",
        .event_before =
            EVENT_COMMON "{\"index\":0,\"delta\":{\"content\":\"" BLANK,
        .event_after = "\"},\"finish_reason\":null}]}\n\n",
        .start = "",
        .finish = EVENT_COMMON
            "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        .usage = EVENT_COMMON
            "],\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":150,"
            "\"total_tokens\":350}}\n\n",
        .done = "data: [DONE]\n\n",
    },
    {
        .whole_before =
            "{\"id\":\"msg_fp_0000000000000000\",\"type\":\"message\","
            "\"role\":\"assistant\",\"model\":\"bench\","
            "\"content\":[{\"type\":\"text\",\"text\":\"" BLANK,
        .whole_after =
            "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
            "\"usage\":{\"input_tokens\":200,\"output_tokens\":150}}",
        .event_before =
            "event: content_block_delta\ndata: {\"type\":"
            "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
            "\"text_delta\",\"text\":\"" BLANK,
        .event_after = "\"}}\n\n",
        .start =
            "event: message_start\ndata: {\"type\":\"message_start\","
            "\"message\":{\"id\":\"msg_bench\",\"type\":\"message\","
            "\"role\":\"assistant\",\"model\":\"bench\",\"content\":[],"
            "\"stop_reason\":null,\"stop_sequence\":null,"
            "\"usage\":{\"input_tokens\":200,\"output_tokens\":1}}}\n\n"
            "event: content_block_start\ndata: {\"type\":"
            "\"content_block_start\",\"index\":0,\"content_block\":"
            "{\"type\":\"text\",\"text\":\"\"}}\n\n",
        .finish =
            "event: content_block_stop\ndata: {\"type\":"
            "\"content_block_stop\",\"index\":0}\n\n"
            "event: message_delta\ndata: {\"type\":\"message_delta\","
            "\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
            "\"usage\":{\"output_tokens\":150}}\n\n",
        .usage = "",
        .done = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    },
};

/* -- preparing -------------------------------------------------------------- */

static void text(struct bytes *b, const char *s)
{
    wire_add(b, s, strlen(s));
}

/* ${before}, filling until all three make ${size}, ${after}. */
static void padded(struct bytes *b, const char *before, const char *after,
                   double size)
{
    static const char filling[] = "lorem ipsum ";
    size_t fixed = strlen(before) + strlen(after);

    text(b, before);
    for (size_t i = fixed; (double)i < size; i++)
        wire_add(b, &filling[i % (sizeof filling - 1)], 1);
    text(b, after);
}

static size_t place(const struct bytes *b, const char *what)
{
    const char *at = memmem(b->data, b->len, what, strlen(what));

    return (size_t)(at - b->data) + strlen(what);
}

static void prepare_event(struct mock_pages *p, double size)
{
    struct bytes event = { 0 };
    char line[32];

    padded(&event, p->format->event_before, p->format->event_after, size);
    snprintf(line, sizeof line, "%zx\r\n", event.len);
    text(&p->event, line);
    p->event_stamp_at = p->event.len + strlen(p->format->event_before) -
                        STAMP_BYTES;
    wire_add(&p->event, event.data, event.len);
    text(&p->event, "\r\n");
    free(event.data);
}

static void prepare(struct mock_pages *p)
{
    const double *knob = mock_shared.knob;
    unsigned version = atomic_load_explicit(&mock_shared.version,
                                            memory_order_relaxed);
    char line[64];

    if (p->version == version)
        return;
    p->version = version;
    p->format = &formats[knob[MOCK_FORMAT] != 0];
    p->whole_head.len = p->whole_body.len = 0;
    p->stream_head.len = p->event.len = 0;
    padded(&p->whole_body, p->format->whole_before, p->format->whole_after,
           knob[MOCK_REPLY]);
    p->body_stamp_at = strlen(p->format->whole_before) - STAMP_BYTES;
    p->body_hash_at = place(&p->whole_body, "fp_");
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", p->whole_body.len);
    text(&p->whole_head, "HTTP/1.1 200 OK\r\n" NUMBERS
                         "Content-Type: application/json\r\n");
    text(&p->whole_head, line);
    text(&p->stream_head, "HTTP/1.1 200 OK\r\n" NUMBERS
                          "Content-Type: text/event-stream\r\n"
                          "Cache-Control: no-cache\r\n"
                          "X-Accel-Buffering: no\r\n"
                          "Transfer-Encoding: chunked\r\n");
    p->received_at = place(&p->whole_head, "Received-Ns: ");
    p->sent_at = place(&p->whole_head, "Sent-Ns: ");
    p->hash_at = place(&p->whole_head, "Body-Hash: ");
    prepare_event(p, knob[MOCK_CHUNK]);
}

/* -- answering -------------------------------------------------------------- */

static void put_decimal(char *at, uint64_t v)
{
    for (int i = STAMP_DIGITS - 1; i >= 0; i--, v /= 10)
        at[i] = (char)('0' + v % 10);
}

static void put_hash(char *at, uint64_t v)
{
    for (int i = HASH_DIGITS - 1; i >= 0; i--, v >>= 4)
        at[i] = "0123456789abcdef"[v & 15];
}

static void add_head(const struct mock_pages *p, const struct bytes *head,
                     const struct mock_reply *r, uint64_t now,
                     struct bytes *out)
{
    char *at = wire_room(out, head->len);

    wire_add(out, head->data, head->len);
    put_decimal(at + p->received_at, r->received_ns);
    put_decimal(at + p->sent_at, now);
    put_hash(at + p->hash_at, r->hash);
    if (r->last)
        text(out, "Connection: close\r\n");
    wire_add(out, "\r\n", 2);
}

void mock_reply_whole(struct mock_pages *p, const struct mock_reply *r,
                      struct bytes *out)
{
    struct stamp stamp = { r->seq, r->received_ns, wire_now_ns() };
    char *at;

    prepare(p);
    add_head(p, &p->whole_head, r, stamp.sent_ns, out);
    at = wire_room(out, p->whole_body.len);
    wire_add(out, p->whole_body.data, p->whole_body.len);
    wire_stamp_put(at + p->body_stamp_at, &stamp);
    put_hash(at + p->body_hash_at, r->hash);
}

static void add_event(const char *event, struct bytes *out)
{
    char line[32];

    if (!*event)
        return;
    snprintf(line, sizeof line, "%zx\r\n", strlen(event));
    text(out, line);
    text(out, event);
    text(out, "\r\n");
}

void mock_reply_stream(struct mock_pages *p, const struct mock_reply *r,
                       struct bytes *out)
{
    prepare(p);
    add_head(p, &p->stream_head, r, wire_now_ns(), out);
    add_event(p->format->start, out);
}

void mock_reply_event(struct mock_pages *p, const struct mock_reply *r,
                      struct bytes *out)
{
    struct stamp stamp = { r->seq, r->received_ns, wire_now_ns() };
    char *at;

    prepare(p);
    at = wire_room(out, p->event.len);
    wire_add(out, p->event.data, p->event.len);
    wire_stamp_put(at + p->event_stamp_at, &stamp);
}

void mock_reply_end(struct mock_pages *p, bool usage, struct bytes *out)
{
    prepare(p);
    add_event(p->format->finish, out);
    if (usage)
        add_event(p->format->usage, out);
    add_event(p->format->done, out);
    text(out, "0\r\n\r\n");
}

void mock_reply_error(int status, int retry_after, bool last,
                      struct bytes *out)
{
    static const char body[] =
        "{\"error\":{\"message\":\"the benchmark asked for this\","
        "\"type\":\"server_error\",\"code\":\"bench\"}}";
    char head[256];

    snprintf(head, sizeof head,
             "HTTP/1.1 %d Bench\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n",
             status, sizeof body - 1);
    text(out, head);
    if (retry_after >= 0) {
        snprintf(head, sizeof head, "Retry-After: %d\r\n", retry_after);
        text(out, head);
    }
    text(out, last ? "Connection: close\r\n\r\n" : "\r\n");
    text(out, body);
}

void mock_reply_own(int status, const char *body, size_t n, struct bytes *out)
{
    char head[128];

    snprintf(head, sizeof head,
             "HTTP/1.1 %d Bench\r\nContent-Type: text/plain\r\n"
             "Content-Length: %zu\r\n\r\n",
             status, n);
    text(out, head);
    wire_add(out, body, n);
}
