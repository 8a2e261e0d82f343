/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_head: the rules for the head of an answer, whoever reads the wire.
 * libcurl 7.88 by itself reports success for two differing lengths, thousands of
 * fields or interim answers, a bare CR, an unasked 101, a head without its end.
 */
#include "upstream_impl.h"

#include "ceilings.h"

#include <string.h>
#include <strings.h>

void upstream_head_init(struct head *h)
{
    memset(h, 0, sizeof *h);
    h->length = -1;
}

/* The characters of RFC 9110's token, as a bit for each of the 128. */
static bool token_char(unsigned char c)
{
    static const uint32_t set[4] = {0, 0x03FF6CFA, 0xC7FFFFFE, 0x57FFFFFF};

    return c < 128 && (set[c >> 5] >> (c & 31) & 1);
}

bool upstream_head_token(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!token_char((unsigned char)name[i]))
            return false;
    return len > 0;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* All refusals go through here, so that the first reason stands. */
static bool refuse(struct transfer *t, const char *why)
{
    if (!t->head.refused)
        t->head.refused = why;
    return false;
}

static bool status_line(struct transfer *t, const char *s, size_t len)
{
    struct head *h = &t->head;
    int status;

    if (len < 12 || memcmp(s, "HTTP/1.", 7) || (s[7] != '0' && s[7] != '1') ||
        s[8] != ' ' || !digit(s[9]) || !digit(s[10]) || !digit(s[11]) ||
        (len > 12 && s[12] != ' '))
        return refuse(t, "sent a malformed status line");
    status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    if (status < 100 || status > 599)
        return refuse(t, "sent a status outside 100 to 599");
    if (status == 101)
        return refuse(t, "switched protocols unasked");
    if (status < 200 && ++h->interim > CEIL_ANSWER_INTERIM)
        return refuse(t, "sent too many interim answers");
    t->state.status = status;
    h->http10 = s[7] == '0';
    h->wall = clock_wall_at(clock_now());
    h->open = true;
    return true;
}

static bool on_length(struct transfer *t, const char *value, size_t len)
{
    int64_t n = 0;

    if (len == 0 || len > 18)       /* 18 digits never overflow */
        return refuse(t, "sent a content-length that is no length");
    for (size_t i = 0; i < len; i++) {
        if (!digit(value[i]))
            return refuse(t, "sent a content-length that is no length");
        n = n * 10 + (value[i] - '0');
    }
    if (t->head.length >= 0 && t->head.length != n)
        return refuse(t, "sent two different content-lengths");
    t->head.length = n;
    return true;
}

static bool on_coding(struct transfer *t, const char *value, size_t len)
{
    if (len != 7 || strncasecmp(value, "chunked", 7))
        return refuse(t, "used a transfer coding nobody asked for");
    if (t->head.chunked)
        return refuse(t, "said twice that it is chunked");
    t->head.chunked = true;
    return true;
}

/* Visible ASCII and, inside, spaces; anything else empties the copy. */
static void copy_text(char *to, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = size - 1;
    for (size_t i = 0; i < len; i++)
        if (value[i] < 0x20 || value[i] > 0x7E)
            len = 0;
    memcpy(to, value, len);
    to[len] = '\0';
}

static bool has_word(const char *list, size_t len, const char *word)
{
    size_t at = 0, n;

    while (at < len) {
        n = at;
        while (n < len && token_char((unsigned char)list[n]))
            n++;
        if (n - at == strlen(word) && !strncasecmp(list + at, word, n - at))
            return true;
        at = n == at ? at + 1 : n;
    }
    return false;
}

static bool on_connection(struct transfer *t, const char *value, size_t len)
{
    t->head.close |= has_word(value, len, "close");
    t->head.keep |= has_word(value, len, "keep-alive");
    return true;
}

static bool on_type(struct transfer *t, const char *value, size_t len)
{
    static const char events[] = "text/event-stream";
    const size_t n = sizeof events - 1;

    copy_text(t->state.content_type, sizeof t->state.content_type, value, len);
    t->state.event_stream = len >= n && !strncasecmp(value, events, n) &&
                            (len == n || !token_char((unsigned char)value[n]));
    return true;
}

static bool on_encoding(struct transfer *t, const char *value, size_t len)
{
    if (len && (len != 8 || strncasecmp(value, "identity", 8)))
        t->state.encoded = true;
    return true;
}

static bool on_id(struct transfer *t, const char *value, size_t len)
{
    if (!t->state.request_id[0] && !memchr(value, ' ', len))
        copy_text(t->state.request_id, sizeof t->state.request_id, value, len);
    return true;
}

static const struct {
    const char *name;
    size_t len;
    bool (*take)(struct transfer *, const char *value, size_t len);
} wanted[] = {
#define ROW(name, take) {name, sizeof name - 1, take}
    ROW("content-length", on_length),   ROW("transfer-encoding", on_coding),
    ROW("content-type", on_type),       ROW("content-encoding", on_encoding),
    ROW("x-request-id", on_id),         ROW("request-id", on_id),
    ROW("apim-request-id", on_id),      ROW("connection", on_connection),
#undef ROW
};

static bool field(struct transfer *t, const char *s, size_t len)
{
    const char *colon = memchr(s, ':', len), *value;
    size_t name, n;

    name = colon ? (size_t)(colon - s) : 0;
    if (!upstream_head_token(s, name))
        return refuse(t, "sent a malformed header field");
    if (t->state.status < 200)
        return true;
    value = colon + 1;
    n = len - name - 1;
    while (n && (*value == ' ' || *value == '\t'))
        value++, n--;
    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (wanted[i].len == name && (s[0] | 0x20) == wanted[i].name[0] &&
            !strncasecmp(wanted[i].name, s, name))
            return wanted[i].take(t, value, n);
    quota_header(&t->quota, s, name, value, n, t->head.wall);
    return true;
}

/* Where libcurl does not look at what stands behind an answer (no body) or has
 * two words for its length, the connection is not used again; nor is it after
 * a line without its CR. */
static bool doubtful(const struct transfer *t)
{
    const struct head *h = &t->head;

    return h->length == 0 || t->state.status == 204 || t->state.status == 304 ||
           (h->chunked && (h->length >= 0 || h->http10));
}

static bool head_end(struct transfer *t)
{
    struct transfer_state *s = &t->state;

    t->head.open = false;
    if (s->status < 200) {
        s->status = 0;
        return true;
    }
    t->head.complete = true;
    t->head.doubt |= doubtful(t);
    if (t->head.doubt && t->shard)
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    s->retry_after = t->quota.retry_after;
    s->quota_requests = t->quota.requests;
    s->quota_tokens = t->quota.tokens;
    s->quota_reset_requests = t->quota.reset_requests;
    s->quota_reset_tokens = t->quota.reset_tokens;
    s->head_at = clock_now();
    s->head = true;
    upstream_news(t);
    return true;
}

/* Eight bytes without any below 0x20 or equal to 0x7F. */
static bool clean_word(const char *s)
{
    const uint64_t ones = 0x0101010101010101u, high = ones << 7;
    uint64_t w, del;

    memcpy(&w, s, sizeof w);
    del = w ^ ones * 0x7F;
    return !((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high);
}

/* Control bytes have no place in a head; libcurl passes all but NUL. */
static bool clean(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        if (len - i >= 8 && clean_word(s + i)) {
            i += 8;
            continue;
        }
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7F)
            return false;
        i++;
    }
    return true;
}

bool upstream_head_take(struct transfer *t, const char *s, size_t len)
{
    struct head *h = &t->head;

    h->bytes += len;
    if (h->bytes > CEIL_ANSWER_HEAD_BYTES)
        return refuse(t, "sent a head that is too large");
    if (len == 0 || s[--len] != '\n')
        return refuse(t, "sent a head without its end");
    if (len && s[len - 1] == '\r')
        len--;
    else
        h->doubt = true;
    if (!clean(s, len))
        return refuse(t, "sent a control byte in a head");
    if (len && ++h->fields > CEIL_ANSWER_HEAD_FIELDS + h->interim + 1)
        return refuse(t, "sent too many header fields");
    if (h->complete)
        return true;
    if (!h->open)
        return status_line(t, s, len);
    return len ? field(t, s, len) : head_end(t);
}

size_t upstream_head_line(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)size;                 /* always 1 */
    return upstream_head_take(t, line, n) ? n : 0;
}
