/* SPDX-License-Identifier: Apache-2.0
 *
 * json, edits: an edit changes the edited bytes and no others. The last test
 * plays random edits against a naive model of the same document.
 */
#include "../../core/json.h"

#include <stdlib.h>

#include "../../core/ceilings.h"
#include "json_path.h"
#include "test.h"

static bool writes(const struct json_doc *doc, const char *want)
{
    struct json_fault fault;
    struct buf b;
    bool same;

    buf_init(&b, MIB);
    same = json_write(doc, NULL, 0, &b) == 0 && b.len == strlen(want) &&
           memcmp(b.data, want, b.len) == 0 &&
           json_check(b.data, b.len, 64, &fault) == 0;
    if (!same)
        fprintf(stderr, "wrote %.*s\nwant  %s\n", (int)b.len, b.data, want);
    buf_free(&b);
    return same;
}

/* A line of edits: "path=value", "path.key:=value" sets a member, "path@i=value"
   inserts, "-path" removes. */
static bool edit(struct json_doc *doc, const char *line)
{
    const char *equals = strchr(line, '='), *value = equals ? equals + 1 : "";
    char path[100];
    char *mark;

    if (*line == '-')
        return json_remove(doc, at(doc, line + 1)) == 0;
    snprintf(path, sizeof path, "%.*s", (int)(equals - line), line);
    mark = strchr(path, '@');
    if (mark) {
        *mark = '\0';
        return json_insert(doc, at(doc, path), (size_t)atoi(mark + 1), value,
                           strlen(value));
    }
    mark = strchr(path, ':');
    if (mark) {
        *mark = '\0';
        mark = strrchr(path, '/');
        if (mark)
            *mark = '\0';
        mark = mark ? mark + 1 : path;
        return json_set(doc, mark == path ? JSON_ROOT : at(doc, path), mark,
                        strlen(mark), value, strlen(value));
    }
    return json_replace(doc, at(doc, path), value, strlen(value));
}

static const struct { int line; const char *text, *edits[6], *want; }
edit_rows[] = {
    { __LINE__, " { \"a\" : 1.0 ,\n\"b\":2} \n", { "a=7" },
      " { \"a\" : 7 ,\n\"b\":2} \n" },
    { __LINE__, "{\"a\":1}", { "a:=2" }, "{\"a\":2}" },
    { __LINE__, "{\"a\":1}", { "a=2", "a=3", "a=4" }, "{\"a\":4}" },
    { __LINE__, "{\"a\":1}", { "a=  [ 1 ]\n" }, "{\"a\":[ 1 ]}" },
    { __LINE__, "{\"\\u0061\" :1}", { "a:=2" }, "{\"\\u0061\" :2}" },
    { __LINE__, "{}", { "a:=1" }, "{\"a\":1}" },
    { __LINE__, " { \n } ", { "a:=1" }, " { \n \"a\":1} " },
    { __LINE__, " { \n } ", { "a:=1", "b:=2", "-a" },
      " { \n \"b\":2} " },
    { __LINE__, "{ \"a\":1 }", { "b:=2" }, "{ \"a\":1,\"b\":2 }" },
    { __LINE__, "{\"a\":1}", { "q\"\\\n:=2" },
      "{\"a\":1,\"q\\\"\\\\\\n\":2}" },
    { __LINE__, "{ \"a\":1 , \"b\":2,  \"c\":3 }", { "-a" },
      "{ \"b\":2,  \"c\":3 }" },
    { __LINE__, "{ \"a\":1 , \"b\":2,  \"c\":3 }", { "-b" },
      "{ \"a\":1 , \"c\":3 }" },
    { __LINE__, "{ \"a\":1 , \"b\":2,  \"c\":3 }", { "-c" },
      "{ \"a\":1 , \"b\":2 }" },
    { __LINE__, "{ \"a\":1 , \"b\":2,  \"c\":3 }", { "-c", "-b" },
      "{ \"a\":1 }" },
    { __LINE__, "{ \"a\":1 , \"b\":2 }", { "-a", "-b" }, "{  }" },
    { __LINE__, "{ \"a\":1 , \"b\":2 }", { "-a", "-b", "c:=3" },
      "{ \"c\":3 }" },
    { __LINE__, "{\"m\":[ 1 , 2,\n3 ]}", { "m@1=0" },
      "{\"m\":[ 0,1 , 2,\n3 ]}" },
    { __LINE__, "{\"m\":[ 1 , 2,\n3 ]}", { "m@2=0" },
      "{\"m\":[ 1,0 , 2,\n3 ]}" },
    { __LINE__, "{\"m\":[ 1 , 2,\n3 ]}", { "m@4=0" },
      "{\"m\":[ 1 , 2,\n3,0 ]}" },
    { __LINE__, "{\"m\":[ 1 , 2,\n3 ]}", { "m@4=0", "-m.1", "-m.3" },
      "{\"m\":[ 2,\n3 ]}" },
    { __LINE__, "{\"m\":[ 1 , 2,\n3 ]}", { "-m.3", "m@3=0" },
      "{\"m\":[ 1 , 2,0 ]}" },
    { __LINE__, "{\"m\":[\t]}", { "m@1=1", "m@1=0", "m@3=2" },
      "{\"m\":[\t0,1,2]}" },
    { __LINE__, "{\"m\":[ 9 ]}", { "-m.1" }, "{\"m\":[  ]}" },
    { __LINE__, "{\"m\":[ 9 ]}", { "-m.1", "m@1={}" }, "{\"m\":[ {} ]}" },
    { __LINE__, "{\"m\":[{\"a\": 1 , \"b\":2},3 ]}",
      { "m.1.b=[]", "m.1.b@1=5" }, "{\"m\":[{\"a\": 1 , \"b\":[5]},3 ]}" },
    /* an ancestor assigned discards what was edited below */
    { __LINE__, "{\"a\":{\"b\":{\"c\":1}}}", { "a.b.c=2", "a.b={ }" },
      "{\"a\":{\"b\":{ }}}" },
    { __LINE__, "{\"a\":{\"b\":{\"c\":1}}}", { "a.b.c=2", "-a" }, "{}" },
    /* below a replaced value, the replacement is edited */
    { __LINE__, "{\"a\":1}",
      { "a={ \"x\": [1, 2] ,\"y\":0}", "a.x.2=3", "a/z:=4", "-a.y" },
      "{\"a\":{ \"x\": [1, 3],\"z\":4}}" },
    { __LINE__, "{\"a\":[1]}", { "a@2=[]", "a.2@1={}", "a.2.1/k:=null" },
      "{\"a\":[1,[{\"k\":null}]]}" },
    { __LINE__, "{\"a\":1,\"b\":2}", { "c:={}", "c={\"d\":1}", "c.d=5" },
      "{\"a\":1,\"b\":2,\"c\":{\"d\":5}}" },
    { __LINE__, "{\"a\":1,\"b\":2}", { "c:=3", "-a", "c=4", "a:=9" },
      "{\"b\":2,\"c\":4,\"a\":9}" },
};

static void an_edit_changes_its_own_bytes_only(void)
{
    struct json_doc doc;
    size_t i, k;

    for (i = 0; i < ROWS(edit_rows); i++) {
        CHECK_ROW(edit_rows[i].line, opens(&doc, edit_rows[i].text));
        CHECK_ROW(edit_rows[i].line, writes(&doc, edit_rows[i].text));
        CHECK_ROW(edit_rows[i].line, !json_edited(&doc));
        for (k = 0; k < ROWS(edit_rows[i].edits) && edit_rows[i].edits[k]; k++)
            CHECK_ROW(edit_rows[i].line, edit(&doc, edit_rows[i].edits[k]));
        CHECK_ROW(edit_rows[i].line, writes(&doc, edit_rows[i].want));
        CHECK_ROW(edit_rows[i].line, json_edited(&doc));
        json_close(&doc);
    }
}

static void an_edit_that_cannot_be_is_refused_and_changes_nothing(void)
{
    static const char text[] = "{\"a\":[[1]],\"o\":{\"d\":1,\"d\":2},\"s\":\"x\"}";
    static const struct { int line; const char *edit; } rows[] = {
        { __LINE__, "s/x:=1" },         /* no object */
        { __LINE__, "s@1=1" },          /* no array */
        { __LINE__, "o@1=1" },
        { __LINE__, "a@0=1" },
        { __LINE__, "a@3=1" },
        { __LINE__, "nothing=1" },
        { __LINE__, "o/d:=3" },         /* which of the two? */
        { __LINE__, "s=" },
        { __LINE__, "s=1 2" },
        { __LINE__, "s={" },
        { __LINE__, "x:=tru" },
        { __LINE__, "\xFF:=1" },
        { __LINE__, "s=[[[[]]]]" },     /* one deeper than depth 4 */
        { __LINE__, "a.1.1=[[]]" },
        { __LINE__, "a.1@1=[[]]" },
        { __LINE__, "s=\"0123456789012345678901234567890123456789\"" },
        { __LINE__, "-nothing" },
        { __LINE__, "-" },              /* the root */
        { __LINE__, "={}" },
    };
    struct json_fault fault;
    struct json_doc doc;
    size_t i;

    for (i = 0; i < ROWS(rows); i++) {
        CHECK(json_open(&doc, text, strlen(text), 4, 40, &fault) == 0);
        CHECK_ROW(rows[i].line, !edit(&doc, rows[i].edit));
        CHECK_ROW(rows[i].line, !json_edited(&doc));
        CHECK_ROW(rows[i].line, writes(&doc, text));
        CHECK_ROW(rows[i].line, edit(&doc, "s=[[[]]]"));
        json_close(&doc);
    }
}

static void dead_nodes_are_known_as_dead(void)
{
    json_node a, b, c, x, old;
    struct json_doc doc;
    size_t len;

    CHECK(opens(&doc, "{\"a\":{\"b\":{\"c\":1}},\"x\":[1,2]}"));
    a = at(&doc, "a");
    b = at(&doc, "a.b");
    c = at(&doc, "a.b.c");
    x = at(&doc, "x.1");
    CHECK(json_live(&doc, c) && json_live(&doc, JSON_ROOT));
    CHECK(json_raw(&doc, a, &len));
    CHECK(edit(&doc, "a.b.c=2"));
    CHECK(!json_live(&doc, c) && json_live(&doc, b));
    CHECK(!json_raw(&doc, a, &len) && !json_raw(&doc, JSON_ROOT, &len));
    c = at(&doc, "a.b.c");
    CHECK(json_live(&doc, c) && json_raw(&doc, c, &len) && len == 1);
    old = a;
    a = json_replace(&doc, a, "{\"b\":7}", 7);
    CHECK(json_live(&doc, a) && !json_live(&doc, old));
    CHECK(!json_live(&doc, b) && !json_live(&doc, c));
    CHECK(!json_replace(&doc, c, "1", 1) && json_remove(&doc, b) == -1);
    b = at(&doc, "a.b");
    CHECK(json_live(&doc, b) && json_parent(&doc, b) == a);
    CHECK(json_remove(&doc, a) == 0 && json_remove(&doc, a) == -1);
    CHECK(!json_live(&doc, a) && !json_live(&doc, b));
    CHECK(json_remove(&doc, x) == 0);
    CHECK(!json_live(&doc, x) && json_live(&doc, at(&doc, "x.1")));
    CHECK(!json_live(&doc, JSON_NONE));
    CHECK(writes(&doc, "{\"x\":[2]}"));
    json_close(&doc);
}

/* A value may be a piece of the edits, which move when they grow. */
static void a_value_can_be_copied_from_the_document_itself(void)
{
    struct json_doc doc;
    const char *raw;
    char key[40];
    size_t len;
    int i;

    CHECK(opens(&doc, "{\"a\":0}"));
    CHECK(edit(&doc, "a=\"0123456789\""));
    for (i = 0; i < 100; i++) {
        raw = json_raw(&doc, at(&doc, "a"), &len);
        snprintf(key, sizeof key, "a_rather_long_key_%d", i);
        CHECK(json_set(&doc, JSON_ROOT, key, strlen(key), raw, len));
    }
    raw = json_plain(&doc, at(&doc, "a_rather_long_key_99"), &len);
    CHECK(raw && len == 10 && memcmp(raw, "0123456789", 10) == 0);
    json_close(&doc);
}

static void extras_stand_over_all_other_edits(void)
{
#define E(k, v) { k, v, sizeof(v) - 1 }
    static const struct { int line; const char *text, *edits[3], *want;
                          struct json_extra extra[3]; size_t n; } rows[] = {
        { __LINE__, " {\"model\" : \"a\", \"n\":1} ", { 0 },
          " {\"model\" : \"gpt\", \"n\":1} ", { E("model", "\"gpt\"") }, 1 },
        { __LINE__, "{\"mod\\u0065l\":\"a\"}", { 0 }, "{\"mod\\u0065l\":1}",
          { E("model", "1") }, 1 },
        { __LINE__, "{\"a\":1,\"m\":{\"a\":[]} ,\"z\" : \"q\" }", { 0 },
          "{\"a\":77,\"m\":{\"a\":[]} ,\"z\" : [] }",
          { E("z", "[]"), E("a", "77") }, 2 },
        { __LINE__, "{ }", { 0 }, "{ \"a\":1,\"b\":2}",
          { E("a", "1"), E("b", "2") }, 2 },
        { __LINE__, "{\"a\":1 , \"b\":2 }", { 0 }, "{\"b\":2 }",
          { { "a", NULL, 0 } }, 1 },
        { __LINE__, "{\"a\":1 , \"b\":2 }", { 0 }, "{\"c\":3 }",
          { { "a", NULL, 0 }, E("c", "3"), { "b", NULL, 0 } }, 3 },
        { __LINE__, "{\"a\":1}", { 0 }, "{\"a\":1}", { { "x", NULL, 0 } }, 1 },
        { __LINE__, "{\"a\":{\"b\":1},\"c\":0}", { "a.b=2", "d:=4" },
          "{\"a\":5,\"c\":0,\"d\":6}", { E("a", "5"), E("d", "6") }, 2 },
        { __LINE__, "{\"a\":{\"b\":1},\"c\":0}", { "a.b=2", "-c" },
          "{\"a\":{\"b\":2},\"c\":7}", { E("c", "7") }, 1 },
        { __LINE__, "{\"a\":1}", { "d:=4" }, "{\"a\":1}",
          { { "d", NULL, 0 } }, 1 },
    };
#undef E
    struct json_doc doc;
    struct buf b;
    size_t i, k;

    for (i = 0; i < ROWS(rows); i++) {
        CHECK_ROW(rows[i].line, opens(&doc, rows[i].text));
        for (k = 0; k < ROWS(rows[i].edits) && rows[i].edits[k]; k++)
            CHECK_ROW(rows[i].line, edit(&doc, rows[i].edits[k]));
        CHECK_ROW(rows[i].line, (doc.state != NULL) == (k > 0));
        buf_init(&b, 1000);
        buf_adds(&b, "POST");
        CHECK_ROW(rows[i].line,
                  json_write(&doc, rows[i].extra, rows[i].n, &b) == 0);
        CHECK_ROW(rows[i].line, b.len == 4 + strlen(rows[i].want) &&
                                    !memcmp(b.data + 4, rows[i].want,
                                            b.len - 4));
        buf_free(&b);
        buf_init(&b, strlen(rows[i].want) - 1);
        CHECK_ROW(rows[i].line,
                  json_write(&doc, rows[i].extra, rows[i].n, &b) == -1);
        CHECK_ROW(rows[i].line, b.len == 0);
        buf_free(&b);
        json_close(&doc);
    }
}

/* The naive model: a tree parsed without mercy for malformed text, edited by
 * plain array operations. Its memory is one pool, emptied between rounds. */

struct value {
    char kind;                  /* '{', '[' or 's', a scalar */
    bool touched;
    size_t count;
    struct value *items[64];
    char *keys[64];             /* as written */
    const char *at;
    size_t len;
};

static char pool[8 * MIB];
static size_t pool_used;

static void *take(size_t size)
{
    void *memory = pool + pool_used;

    pool_used += (size + 15) / 16 * 16;
    if (pool_used > sizeof pool)
        abort();
    return memset(memory, 0, size);
}

static uint64_t dice_state;

static unsigned dice(unsigned sides)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return (unsigned)(dice_state >> 20) % sides;
}

static void add_blanks(struct buf *b)
{
    static const char *const blanks[] = { "", "", "", " ", "\n  ", "\t", "\r\n" };

    buf_adds(b, blanks[dice(ROWS(blanks))]);
}

static void add_random(struct buf *b, unsigned depth, char kind)
{
    static const char *const scalars[] = {
        "1", "-0", "1.0", "2.50e+1", "10000000000000000999", "true", "false",
        "null", "\"\"", "\"a,]}\\\"\"", "\"\\u00e9\\ud800\"", "\"\\\\\"",
        "\"{[\"", "\"\xE4\xB8\xAD\xF0\x9F\x98\x80\"",
        "\"long enough for two blocks of sixteen bytes\\n\"" };
    unsigned i, count = dice(6), number = dice(3);

    if (!kind)
        kind = "{[ss"[dice(4)];
    if (kind == 's' || depth == 0) {
        buf_adds(b, kind == '{' ? "{}" : scalars[dice(ROWS(scalars))]);
        return;
    }
    buf_addc(b, kind);
    add_blanks(b);
    for (i = 0; i < count; i++) {
        if (i > 0)
            buf_addc(b, ',');
        add_blanks(b);
        if (kind == '{') {
            buf_addf(b, dice(4) ? "\"k%u\"" : "\"\\u006b%u\"", number);
            number += 1 + dice(2);
            add_blanks(b);
            buf_addc(b, ':');
            add_blanks(b);
        }
        add_random(b, depth - 1, 0);
        add_blanks(b);
    }
    buf_addc(b, kind == '{' ? '}' : ']');
}

static void skip_blanks(const char **p)
{
    while (**p && strchr(" \n\r\t", **p))
        ++*p;
}

static char *read_string(const char **p)
{
    const char *from = ++*p;
    char *copy;

    for (; **p != '"'; ++*p)
        if (**p == '\\')
            ++*p;
    copy = take((size_t)(*p - from) + 1);
    memcpy(copy, from, (size_t)(*p - from));
    ++*p;
    return copy;
}

static struct value *parse(const char **p)
{
    struct value *v = take(sizeof *v);

    skip_blanks(p);
    v->at = *p;
    v->kind = **p == '{' || **p == '[' ? **p : 's';
    if (**p == '"') {
        read_string(p);
    } else if (v->kind == 's') {
        *p += strcspn(*p, ",]} \n\r\t");
    } else {
        ++*p;
        for (skip_blanks(p); **p != ']' && **p != '}'; skip_blanks(p)) {
            if (**p == ',')
                ++*p;
            skip_blanks(p);
            if (v->kind == '{') {
                v->keys[v->count] = read_string(p);
                skip_blanks(p);
                ++*p;
            }
            v->items[v->count++] = parse(p);
        }
        ++*p;
    }
    v->len = (size_t)(*p - v->at);
    return v;
}

static struct value *parse_copy(const struct buf *b)
{
    char *copy = take(b->len + 1);
    const char *p = copy;

    memcpy(copy, b->data, b->len);
    return parse(&p);
}

/* Same values in the same spelling; what nobody touched, to the byte. */
static bool agree(const struct value *want, const struct value *got)
{
    size_t i;

    if (want->kind != got->kind || want->count != got->count)
        return false;
    if (!want->touched)
        return want->len == got->len &&
               memcmp(want->at, got->at, want->len) == 0;
    for (i = 0; i < want->count; i++) {
        if (want->kind == '{' && strcmp(want->keys[i], got->keys[i]) != 0)
            return false;
        if (!agree(want->items[i], got->items[i]))
            return false;
    }
    return true;
}

static void model_remove(struct value *v, size_t i)
{
    v->count--;
    memmove(v->items + i, v->items + i + 1,
            (v->count - i) * sizeof v->items[0]);
    memmove(v->keys + i, v->keys + i + 1, (v->count - i) * sizeof v->keys[0]);
}

static void model_insert(struct value *v, size_t i, struct value *item)
{
    memmove(v->items + i + 1, v->items + i,
            (v->count - i) * sizeof v->items[0]);
    v->items[i] = item;
    v->count++;
}

static void model_set(struct value *v, const char *name, struct value *item)
{
    size_t i;

    for (i = 0; i < v->count; i++)
        if (!strcmp(name, v->keys[i]) ||
            (v->keys[i][0] == '\\' && !strcmp(name + 1, v->keys[i] + 6)))
            break;
    if (i == v->count) {
        v->keys[i] = take(strlen(name) + 1);
        strcpy(v->keys[i], name);
        v->count++;
    }
    v->items[i] = item;
}

/* One random edit, below a container found by a random walk, in both. */
static bool edit_both(struct json_doc *doc, struct value *v)
{
    json_node n = JSON_ROOT, item;
    struct value *fresh;
    struct buf text;
    unsigned i;
    char name[20];
    bool done = true;

    v->touched = true;
    while (v->count && dice(3)) {
        i = dice((unsigned)v->count);
        if (v->items[i]->kind == 's')
            break;
        if (json_count(doc, n) != v->count)
            return false;
        n = json_item(doc, n, i + 1);
        v = v->items[i];
        v->touched = true;
    }
    buf_init(&text, MIB);
    add_random(&text, 2, 0);
    fresh = parse_copy(&text);
    i = v->count ? dice((unsigned)v->count) : 0;
    item = json_item(doc, n, i + 1);
    if (v->count && dice(3) == 0) {
        done = json_remove(doc, item) == 0 && !json_live(doc, item);
        model_remove(v, i);
    } else if (v->count && dice(2) == 0) {
        done = json_replace(doc, item, text.data, text.len);
        v->items[i] = fresh;
    } else if (v->kind == '{') {
        snprintf(name, sizeof name, "k%u", dice(10));
        done = json_set(doc, n, name, strlen(name), text.data, text.len);
        model_set(v, name, fresh);
    } else {
        i = dice((unsigned)v->count + 1);
        done = json_insert(doc, n, i + 1, text.data, text.len);
        model_insert(v, i, fresh);
    }
    buf_free(&text);
    return done;
}

static bool same_document(const struct json_doc *doc, const struct value *v,
                          const struct json_extra *extra, size_t nextra)
{
    struct json_fault fault;
    struct buf out;
    bool same;

    buf_init(&out, 16 * MIB);
    same = json_write(doc, extra, nextra, &out) == 0 &&
           json_check(out.data, out.len, 64, &fault) == 0 &&
           agree(v, parse_copy(&out));
    if (!same)
        fprintf(stderr, "wrote %.*s\n", (int)out.len, out.data);
    buf_free(&out);
    return same;
}

static bool round_of_edits(void)
{
    static const struct json_extra extra[] = { { "k1", NULL, 0 },
                                               { "k2", "{\"z\" :1}", 8 } };
    static const char *const extra_at = "{\"z\" :1}";
    unsigned i, edits = dice(20);
    const char *p = extra_at;
    struct json_fault fault;
    struct json_doc doc;
    struct value *model;
    struct buf text;
    bool good;

    pool_used = 0;
    buf_init(&text, MIB);
    add_random(&text, 5, '{');
    model = parse_copy(&text);
    if (json_open(&doc, text.data, text.len, 64, MIB, &fault))
        return false;
    good = same_document(&doc, model, NULL, 0);
    for (i = 0; i < edits && good; i++) {
        good = edit_both(&doc, model);
        if (good && (i == edits - 1 || dice(3) == 0))
            good = same_document(&doc, model, NULL, 0);
    }
    model->touched = true;
    model_set(model, "k2", parse(&p));
    for (i = 0; i < model->count; i++)
        if (!strcmp(model->keys[i], "k1") ||
            !strcmp(model->keys[i], "\\u006b1"))
            model_remove(model, i--);
    good = good && same_document(&doc, model, extra, 2);
    if (!good)
        fprintf(stderr, "from %.*s\n", (int)text.len, text.data);
    json_close(&doc);
    buf_free(&text);
    return good;
}

static void random_edits_agree_with_a_naive_model(void)
{
    uint64_t seed;

    for (seed = 1; seed <= 3000; seed++) {
        dice_state = seed * 0x9E3779B97F4A7C15u;
        if (!round_of_edits()) {
            fprintf(stderr, "seed %u\n", (unsigned)seed);
            CHECK(false);
            return;
        }
    }
}

int main(void)
{
    RUN(an_edit_changes_its_own_bytes_only);
    RUN(an_edit_that_cannot_be_is_refused_and_changes_nothing);
    RUN(dead_nodes_are_known_as_dead);
    RUN(a_value_can_be_copied_from_the_document_itself);
    RUN(extras_stand_over_all_other_edits);
    RUN(random_edits_agree_with_a_naive_model);
    return test_end();
}
