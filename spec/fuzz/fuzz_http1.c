/* SPDX-License-Identifier: Apache-2.0
 *
 * However a request is cut on its way, the verdict, the head and the decoded
 * body are the same; spans stay inside the head and hold no control byte.
 * Input: one byte that seeds the cuts, then what a client sends.
 */
#include "../../core/http1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEAD 2048
#define MAX_BODY 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http1_result head_got;
    enum http1_result body_got;
    struct http1_head head;
    struct http1_fault fault;
    size_t used;            /* of the body, raw */
    char *body;             /* owned */
    size_t body_len;
};

/* The next piece: the whole when ${seed} is 0. */
static size_t piece(unsigned *seed, size_t left)
{
    size_t n;

    if (*seed == 0)
        return left;
    *seed = *seed * 1103515245u + 12345u;
    n = *seed >> 16 & 1 ? 1 : (*seed >> 17) % 37 + 1;
    return n < left ? n : left;
}

static void check_span(const char *b, const struct http1_head *head,
                       struct http1_span s)
{
    size_t i;

    assert(s.at <= head->bytes && s.len <= head->bytes - s.at);
    for (i = 0; i < s.len; i++)
        assert((unsigned char)b[s.at + i] >= 0x20 || b[s.at + i] == '\t');
}

static void check_head(const char *b, size_t n, const struct http1_head *head)
{
    unsigned i;

    assert(head->bytes <= n && head->bytes <= MAX_HEAD);
    assert(memcmp(b + head->bytes - 4, "\r\n\r\n", 4) == 0);
    assert(head->content_length <= MAX_BODY);
    assert(!head->chunked || !head->has_length);
    assert(head->path.at == head->target.at);
    assert(head->path.len > 0 && head->path.len <= head->target.len);
    check_span(b, head, head->target);
    for (i = 0; i < head->nfields; i++) {
        assert(head->fields[i].name.len > 0);
        check_span(b, head, head->fields[i].name);
        check_span(b, head, head->fields[i].value);
    }
}

static void read_body(struct outcome *o, const char *b, size_t n, unsigned seed)
{
    struct http1_chunked c = {0};
    size_t len, used, decoded;
    char *copy;

    o->body = malloc(n + 1);
    while (o->body_got == HTTP1_MORE && o->used < n) {
        len = piece(&seed, n - o->used);
        copy = malloc(len);
        memcpy(copy, b + o->used, len);
        o->body_got = http1_chunked(&c, copy, len, MAX_BODY, &used, &decoded,
                                    &o->fault);
        assert(used <= len && decoded <= used);
        assert(o->body_got != HTTP1_MORE || used == len);
        memcpy(o->body + o->body_len, copy, decoded);
        o->body_len += decoded;
        o->used += used;
        free(copy);
    }
    assert(o->body_len <= MAX_BODY);
}

static void read_request(struct outcome *o, const char *b, size_t n,
                         unsigned seed)
{
    struct http1_scan scan = {0};
    size_t len = 0;
    char *copy;

    memset(o, 0, sizeof *o);
    o->head_got = o->body_got = HTTP1_MORE;
    while (o->head_got == HTTP1_MORE && len < n) {
        len += piece(&seed, n - len);
        copy = malloc(len);
        memcpy(copy, b, len);
        o->head_got = http1_head(copy, len, MAX_HEAD, MAX_BODY, &scan,
                                 &o->head, &o->fault);
        assert(scan.looked <= len);
        free(copy);
    }
    if (o->head_got != HTTP1_DONE)
        return;
    check_head(b, n, &o->head);
    if (o->head.chunked)
        read_body(o, b + o->head.bytes, n - o->head.bytes, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, cut;
    const char *b = (const char *)data + 1;

    if (size < 2)
        return 0;
    read_request(&whole, b, size - 1, 0);
    read_request(&cut, b, size - 1, data[0] + 1u);
    assert(whole.head_got == cut.head_got);
    assert(whole.body_got == cut.body_got);
    assert(whole.fault.status == cut.fault.status);
    assert(whole.fault.message == cut.fault.message);
    if (whole.head_got == HTTP1_DONE)
        assert(memcmp(&whole.head, &cut.head, sizeof whole.head) == 0);
    assert(whole.body_got == HTTP1_BAD || whole.used == cut.used);
    assert(whole.body_len == cut.body_len);
    if (whole.body_len)
        assert(memcmp(whole.body, cut.body, whole.body_len) == 0);
    free(whole.body);
    free(cut.body);
    return 0;
}
