/* SPDX-License-Identifier: Apache-2.0
 *
 * json on any bytes: the checker agrees with a naive one, an unedited document
 * is written as it came, an edited one is accepted again and reads back as what
 * was written into it, and views stay inside their bytes.
 */
#include "../../core/json.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH 16u
#define MUST(condition)                                                        \
    do {                                                                       \
        if (!(condition))                                                      \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The naive checker: as close to the grammar as C allows, recursive. */

struct naive {
    const unsigned char *p, *end;
};

static int peek(const struct naive *n, size_t ahead)
{
    return (size_t)(n->end - n->p) > ahead ? n->p[ahead] : -1;
}

static void blanks(struct naive *n)
{
    while (peek(n, 0) == ' ' || peek(n, 0) == '\t' || peek(n, 0) == '\n' ||
           peek(n, 0) == '\r')
        n->p++;
}

static bool is_hex(int c)
{
    return c > 0 && strchr("0123456789abcdefABCDEF", c);
}

static bool naive_escape(struct naive *n)
{
    int c = peek(n, 1), i;

    if (c <= 0 || !strchr("\"\\/bfnrtu", c))
        return false;
    for (i = 2; c == 'u' && i < 6; i++)
        if (!is_hex(peek(n, (size_t)i)))
            return false;
    n->p += c == 'u' ? 6 : 2;
    return true;
}

/* One character from the code point it means and the shortest way to say it. */
static bool naive_utf8(struct naive *n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t c = n->p[0];
    int length = c < 0x80 ? 1 : c < 0xC0 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3
                 : c < 0xF8 ? 4 : 0, i;

    if (length == 0)
        return false;
    c = length == 1 ? c : c & (0xFFu >> (length + 1));
    for (i = 1; i < length; i++) {
        if ((peek(n, (size_t)i) & ~0x3F) != 0x80)
            return false;
        c = c << 6 | (n->p[i] & 0x3F);
    }
    n->p += length;
    return c >= least[length] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

static bool naive_string(struct naive *n)
{
    if (peek(n, 0) != '"')
        return false;
    n->p++;
    while (peek(n, 0) != '"') {
        if (peek(n, 0) < 0x20)
            return false;
        if (peek(n, 0) == '\\' ? !naive_escape(n) : !naive_utf8(n))
            return false;
    }
    n->p++;
    return true;
}

static bool naive_digits(struct naive *n)
{
    const unsigned char *from = n->p;

    while (peek(n, 0) >= '0' && peek(n, 0) <= '9')
        n->p++;
    return n->p > from;
}

static bool naive_number(struct naive *n)
{
    if (peek(n, 0) == '-')
        n->p++;
    if (peek(n, 0) == '0')
        n->p++;
    else if (!naive_digits(n))
        return false;
    if (peek(n, 0) == '.') {
        n->p++;
        if (!naive_digits(n))
            return false;
    }
    if (peek(n, 0) == 'e' || peek(n, 0) == 'E') {
        n->p++;
        if (peek(n, 0) == '+' || peek(n, 0) == '-')
            n->p++;
        return naive_digits(n);
    }
    return true;
}

static bool naive_value(struct naive *n, unsigned depth)
{
    static const char *const words[] = { "true", "false", "null" };
    int open = peek(n, 0), close = open == '{' ? '}' : ']';
    size_t i;

    if (open == '"')
        return naive_string(n);
    for (i = 0; i < 3; i++)
        if ((size_t)(n->end - n->p) >= strlen(words[i]) &&
            memcmp(n->p, words[i], strlen(words[i])) == 0) {
            n->p += strlen(words[i]);
            return true;
        }
    if (open != '{' && open != '[')
        return naive_number(n);
    if (depth == 0)
        return false;
    n->p++;
    blanks(n);
    if (peek(n, 0) == close) {
        n->p++;
        return true;
    }
    for (;; n->p++) {
        blanks(n);
        if (open == '{') {
            if (!naive_string(n))
                return false;
            blanks(n);
            if (peek(n, 0) != ':')
                return false;
            n->p++;
            blanks(n);
        }
        if (!naive_value(n, depth - 1))
            return false;
        blanks(n);
        if (peek(n, 0) != ',')
            break;
    }
    if (peek(n, 0) != close)
        return false;
    n->p++;
    return true;
}

static bool naive_check(const char *text, size_t len)
{
    struct naive n = { (const unsigned char *)text,
                       (const unsigned char *)text + len };

    blanks(&n);
    if (n.p == n.end || !naive_value(&n, DEPTH))
        return false;
    blanks(&n);
    return n.p == n.end;
}

/* The document */

static uint32_t dice_state;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % sides;
}

/* Every node below n, and that the parts of a container are where they say. */
static void read_all(struct json_doc *doc, json_node n, unsigned depth)
{
    size_t i, count = json_count(doc, n), len;
    const char *raw = json_raw(doc, n, &len);
    struct json_fault fault;
    struct buf text;
    json_node child;
    int64_t integer;
    double number;

    MUST(depth <= DEPTH);
    MUST(raw && json_check(raw, len, DEPTH, &fault) == 0);
    buf_init(&text, 1u << 20);
    MUST((json_string(doc, n, &text) == 0) == (json_kind(doc, n) ==
                                               JSON_STRING));
    MUST((json_number(doc, n, &integer, &number) >= 0) ==
         (json_kind(doc, n) == JSON_NUMBER));
    for (i = 1; i <= count; i++) {
        child = json_item(doc, n, i);
        MUST(child && json_parent(doc, child) == n && json_live(doc, child));
        text.len = 0;
        MUST((json_key(doc, child, &text) == 0) ==
             (json_kind(doc, n) == JSON_OBJECT));
        if (json_kind(doc, n) == JSON_OBJECT) {
            bool duplicate;
            json_node found = json_member(doc, n, text.len ? text.data : "",
                                          text.len, &duplicate);

            MUST(duplicate || found == child);
        }
        read_all(doc, child, depth + 1);
    }
    buf_free(&text);
}

static const char *const values[] = { "1", " {\"a\" : [ ] }", "[1,[2],3]",
                                      "\"x\\n\"", "{}", "null" };

static json_node edit(struct json_doc *doc, const char **value)
{
    static const char *const keys[] = { "a", "", "model", "q\"\n", "\xC3\xA9" };
    json_node n = JSON_ROOT, item;
    size_t count;
    const char *key;

    *value = values[dice(6)];
    while (dice(4) && json_count(doc, n))
        n = json_item(doc, n, 1 + dice((uint32_t)json_count(doc, n)));
    count = json_count(doc, n);
    item = json_item(doc, n, 1 + dice((uint32_t)count + 1));
    switch (dice(4)) {
    case 0:
        key = keys[dice(5)];
        return json_set(doc, n, key, strlen(key), *value, strlen(*value));
    case 1:
        return json_insert(doc, n, 1 + dice((uint32_t)count + 1), *value,
                           strlen(*value));
    case 2:
        return json_replace(doc, item, *value, strlen(*value));
    default:
        if (json_remove(doc, item) == 0)
            MUST(!json_live(doc, item));
        return JSON_NONE;
    }
}

static void edit_all(struct json_doc *doc)
{
    static const struct json_extra extra[] = { { "model", "\"m\"", 3 },
                                               { "user", NULL, 0 } };
    struct json_fault fault;
    const char *value, *raw;
    struct json_doc again;
    struct json_view v;
    struct buf out;
    bool duplicate;
    json_node n;
    size_t len;
    int i;

    for (i = 0; i < 12; i++) {
        n = edit(doc, &value);
        if (!n)
            continue;
        MUST(json_live(doc, n));
        raw = json_raw(doc, n, &len);
        v = json_view(value, strlen(value));
        MUST(raw && len == v.len && memcmp(raw, v.at, len) == 0);
    }
    buf_init(&out, 1u << 24);
    MUST(json_write(doc, extra, 2, &out) == 0);
    MUST(json_open(&again, out.data, out.len, DEPTH, 0, &fault) == 0);
    n = json_member(&again, JSON_ROOT, "model", 5, &duplicate);
    raw = json_raw(&again, n, &len);
    MUST(raw && len == 3 && memcmp(raw, "\"m\"", 3) == 0);
    MUST(!json_member(&again, JSON_ROOT, "user", 4, &duplicate));
    json_close(&again);
    buf_free(&out);
}

static void view_all(const char *text, size_t len)
{
    struct json_view v = json_view(text, len), item;
    const char *at;
    bool escaped;
    char out[16];
    size_t i;

    for (i = 1; i < 8; i++) {
        item = json_view_at(v, i);
        if (item.len == 0)
            item = json_view_get(v, i % 2 ? "a" : "model");
        MUST(item.len == 0 || (item.at >= text && item.len <= len &&
                               item.at + item.len <= text + len));
        MUST(json_view_string(item, out, 1 + i) <= i);
        json_view_number(item, 0);
        json_view_kind(item);
        at = item.len ? json_closing(item.at, item.at + item.len, &escaped) : NULL;
        MUST(!at || (at >= item.at && at <= item.at + item.len));
        if (item.len)
            v = item;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1);
    struct json_fault fault = { 0 };
    struct json_doc doc;
    struct buf out;
    size_t i;
    bool good;

    MUST(text);
    memcpy(text, data, size);
    dice_state = (uint32_t)size;
    for (i = 0; i < size; i++)
        dice_state = dice_state * 31 + data[i];
    good = json_check(text, size, DEPTH, &fault) == 0;
    MUST(good == naive_check(text, size));
    MUST(good || (fault.message && fault.at <= size));
    view_all(text, size);
    if (json_open(&doc, text, size, DEPTH, 1u << 16, &fault) == 0) {
        MUST(good);
        buf_init(&out, size);
        MUST(json_write(&doc, NULL, 0, &out) == 0);
        MUST(out.len == size && memcmp(out.data, text, size) == 0);
        buf_free(&out);
        if (dice(2))
            read_all(&doc, JSON_ROOT, 0);
        edit_all(&doc);
        json_close(&doc);
    } else {
        MUST(!good || json_view_kind(json_view(text, size)) != JSON_OBJECT ||
             strcmp(fault.message, "duplicate key") == 0);
    }
    free(text);
    return 0;
}
