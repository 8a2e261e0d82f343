/* SPDX-License-Identifier: Apache-2.0 */
#include "sse.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

/* Line ends are searched in pieces of this size, so that a stream of CR ends is
 * not searched to its end for a LF again and again. */
#define PIECE 1024

void sse_init(struct sse *s, size_t max_event)
{
    memset(s, 0, sizeof *s);
    s->retry = -1;
    buf_init(&s->joined, max_event);
    buf_init(&s->id, max_event);
}

void sse_free(struct sse *s)
{
    buf_free(&s->joined);
    buf_free(&s->id);
}

/* -- lines ----------------------------------------------------------------- */

/* The first CR or LF in [from, to), or to. */
static size_t find_line_end(const char *bytes, size_t from, size_t to)
{
    const char *lf, *cr;
    size_t n;

    /* Every event ends with a line without anything. */
    if (from < to && bytes[from] == '\n')
        return from;
    for (; from < to; from += n) {
        n = to - from < PIECE ? to - from : PIECE;
        lf = memchr(bytes + from, '\n', n);
        if (lf)
            n = (size_t)(lf - (bytes + from));
        cr = memchr(bytes + from, '\r', n);
        if (cr)
            return (size_t)(cr - bytes);
        if (lf)
            return from + n;
    }
    return to;
}

static int take_data(struct sse *s, const char *bytes, size_t at, size_t len)
{
    if (s->ndata++ == 0) {
        s->data_at = at;
        s->data_len = len;
        return 0;
    }
    if (s->ndata == 2) {
        s->joined.len = 0;
        if (buf_add(&s->joined, bytes + s->data_at, s->data_len))
            return -1;
    }
    if (buf_addc(&s->joined, '\n'))
        return -1;
    return buf_add(&s->joined, bytes + at, len);
}

static int take_id(struct sse *s, const char *value, size_t len)
{
    if (memchr(value, '\0', len))
        return 0;
    s->id.len = 0;
    return buf_add(&s->id, value, len);
}

static void take_retry(struct sse *s, const char *value, size_t len)
{
    long long ms = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return;
        if (ms <= (LLONG_MAX - 9) / 10)
            ms = ms * 10 + (value[i] - '0');
    }
    if (len)
        s->retry = ms;
}

static bool is(const char *name, size_t len, const char *word, size_t n)
{
    return len == n && memcmp(name, word, n) == 0;
}

/* A line that is not blank: [at, end) without its end. 0, or -1: no room. */
static int take_line(struct sse *s, const char *bytes, size_t at, size_t end)
{
    const char *name = bytes + at, *colon;
    size_t n = end - at, value = end;

    if (n > 4 && memcmp(name, "data:", 5) == 0)
        colon = name + 4;
    else
        colon = memchr(name, ':', n);
    if (colon) {
        n = (size_t)(colon - name);
        value = at + n + 1;
    }
    if (value < end && bytes[value] == ' ')
        value++;
    if (is(name, n, "data", 4))
        return take_data(s, bytes, value, end - value);
    if (is(name, n, "id", 2))
        return take_id(s, bytes + value, end - value);
    if (is(name, n, "retry", 5))
        take_retry(s, bytes + value, end - value);
    if (is(name, n, "event", 5)) {
        s->name_at = value;
        s->name_len = end - value;
    }
    return 0;
}

/* -- events ---------------------------------------------------------------- */

/* What belongs to no line: a byte-order mark, or the LF of a CRLF whose CR
 * ended the event before. False: more bytes are needed to tell. */
static bool skip_front(struct sse *s, const char *bytes, size_t len)
{
    static const char mark[] = "\xEF\xBB\xBF";

    if (s->looked || (s->started && !s->last_cr))
        return true;
    if (!s->started) {
        if (len < 3 && memcmp(bytes, mark, len) == 0)
            return false;
        s->started = true;
        s->line = s->looked = len >= 3 && memcmp(bytes, mark, 3) == 0 ? 3 : 0;
        return true;
    }
    s->last_cr = false;
    s->extra = s->line = s->looked = bytes[0] == '\n';
    return true;
}

/* Give out the pending event, which ends at ${end}, and forget it. */
static enum sse_result give(struct sse *s, const char *bytes, size_t end,
                            struct sse_event *event)
{
    event->has_data = s->ndata > 0;
    event->data = s->ndata > 1 ? s->joined.data : bytes + s->data_at;
    event->data_len = s->ndata > 1 ? s->joined.len : s->data_len;
    event->name = s->name_len ? bytes + s->name_at : "";
    event->name_len = s->name_len;
    event->id = s->id.len ? s->id.data : "";
    event->id_len = s->id.len;
    event->retry = s->retry;
    event->raw = bytes;
    event->raw_len = end;
    s->looked = s->line = s->extra = 0;
    s->ndata = 0;
    s->data_at = s->data_len = s->name_at = s->name_len = 0;
    s->retry = -1;
    return SSE_EVENT;
}

enum sse_result sse_next(struct sse *s, const char *bytes, size_t len,
                         struct sse_event *event)
{
    size_t end, most;

    if (len == 0 || !skip_front(s, bytes, len))
        return SSE_MORE;
    most = s->joined.ceiling < SIZE_MAX - s->extra
               ? s->joined.ceiling + s->extra
               : SIZE_MAX;
    for (;;) {
        end = find_line_end(bytes, s->looked, len < most ? len : most);
        s->looked = end;
        if (end == most && len > most)
            return SSE_TOO_LONG;
        if (end == len)
            return SSE_MORE;
        if (end > s->line) {
            /* A CR at the very end: is it half of CRLF? A line can wait. */
            if (bytes[end] == '\r' && end + 1 == len)
                return SSE_MORE;
            if (take_line(s, bytes, s->line, end))
                return SSE_TOO_LONG;
        }
        s->last_cr = bytes[end] == '\r' && end + 1 == len;
        s->looked = end + (bytes[end] == '\r' && !s->last_cr &&
                           bytes[end + 1] == '\n') + 1;
        if (end == s->line)
            return give(s, bytes, s->looked, event);
        s->line = s->looked;
    }
}

enum sse_result sse_rest(struct sse *s, const char *bytes, size_t len,
                         struct sse_event *event)
{
    if (s->looked < len && s->looked > s->line && bytes[s->looked] == '\r') {
        if (take_line(s, bytes, s->line, s->looked))
            return SSE_TOO_LONG;
        s->line = s->looked = len;
    }
    if (s->ndata == 0 || s->line != len)
        return SSE_MORE;
    return give(s, bytes, len, event);
}
