/* SPDX-License-Identifier: Apache-2.0
 *
 * What a step gave back, read from driver.ops and checked: a list is taken whole
 * or not at all. Runs inside the step's protected entry.
 */
#include "policy_impl.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* The words of ops, what they mean, and how many slots they have: what stands
 * behind those is from an earlier step. The first two say what most requests
 * need in short: call a target as it is; relay, and be done. */
static const struct {
    const char *word;
    enum op_kind kind;
    unsigned char slots;
    bool done;
} words[] = {
    {"try", OP_CALL, 3, false},      {"give", OP_RELAY, 2, true},
    {"call", OP_CALL, 6, false},     {"fetch", OP_FETCH, 5, false},
    {"cancel", OP_CANCEL, 2, false}, {"wait", OP_WAIT, 3, false},
    {"relay", OP_RELAY, 3, false},   {"reply", OP_REPLY, 5, false},
    {"open", OP_OPEN, 5, false},     {"write", OP_WRITE, 2, false},
    {"close", OP_CLOSE, 2, false},   {"pass", OP_PASS, 2, false},
    {"drop", OP_DROP, 2, false},     {"replace", OP_REPLACE, 3, false},
    {"done", OP_DONE, 1, false},
};
_Static_assert(sizeof words / sizeof *words == OP_WORDS, "words");

const char *policy_op_name(enum op_kind kind)
{
    for (int i = 2; i < OP_WORDS; i++)
        if (words[i].kind == kind)
            return words[i].word;
    return "";
}

/* Short strings of one text are one string in a Lua state. */
void policy_open_ops(lua_State *L, struct policy_state *s)
{
    for (int i = 0; i < OP_WORDS; i++) {
        s->op_words[i] = lua_pushstring(L, words[i].word);
        luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

struct reading {
    struct policy_state *s;
    const struct plan *plan;
};

static int check_word(lua_State *L, const struct policy_state *s, int index)
{
    const char *word = lua_tostring(L, index);

    for (int i = 0; i < OP_WORDS; i++)
        if (s->op_words[i] == word)
            return i;
    return luaL_error(L, "policy_bad_result: no op '%s'", word ? word : "?");
}

static double limit(lua_State *L, int table, const char *name)
{
    double v;

    lua_pushstring(L, name);
    lua_rawget(L, table);
    v = lua_isnil(L, -1) ? 0 : lua_tonumber(L, -1);
    if (!lua_isnil(L, -1) && (!lua_isnumber(L, -1) || !(v > 0) || isinf(v)))
        luaL_error(L, "policy_bad_result: limit %s: expected a number > 0", name);
    lua_pop(L, 1);
    return v;
}

static void read_limits(lua_State *L, int table, struct limits *out)
{
    if (!lua_istable(L, table))
        return;
    out->connect = clock_from_seconds(limit(L, table, "connect"));
    out->first_token = clock_from_seconds(limit(L, table, "first_token"));
    out->idle = clock_from_seconds(limit(L, table, "idle"));
    out->total = clock_from_seconds(limit(L, table, "total"));
    out->min_speed = limit(L, table, "min_speed");
    lua_pushliteral(L, "hold");
    lua_rawget(L, table);
    if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "all") == 0)
        out->hold_all = true;
    else if (lua_isnumber(L, -1))
        out->hold = (size_t)lua_tointeger(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "policy_bad_result: limit hold: expected \"all\" or bytes");
    lua_pop(L, 1);
}

static bool flag(lua_State *L, int table, const char *name)
{
    bool on;

    lua_pushstring(L, name);
    lua_rawget(L, table);
    on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* Texts of ops go to the state's buffer; offsets first, pointers at the end,
 * because the buffer may move. */
static void keep_text(lua_State *L, struct reading *st, int index, size_t *at,
                      size_t *len)
{
    const char *text = lua_tolstring(L, index, len);

    *at = st->s->text.len;
    if (text && buf_add(&st->s->text, text, *len))
        luaL_error(L, "policy_bad_result: the text is too large");
}

static bool bad_header_byte(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            return true;
    return false;
}

static bool token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '_'))
            return false;
    return n > 0;
}

/* A table of headers as whole lines. Framing stays ours. */
static void keep_headers(lua_State *L, struct reading *st, int table, size_t *at,
                         size_t *len)
{
    struct buf *b = &st->s->text;
    const char *name, *value;
    size_t n, m;

    *at = b->len;
    *len = 0;
    if (!lua_istable(L, table))
        return;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
            luaL_error(L, "policy_bad_result: headers: expected text = text");
        lua_pushvalue(L, -1);
        name = lua_tolstring(L, -3, &n);
        value = lua_tolstring(L, -1, &m);
        if (!token(name, n) || bad_header_byte(value, m) || n + m > 4096)
            luaL_error(L, "policy_bad_result: header '%s' cannot be sent", name);
        if (!strcasecmp(name, "content-length") || !strcasecmp(name, "connection") ||
            !strcasecmp(name, "transfer-encoding"))
            luaL_error(L, "policy_bad_result: header '%s' is the engine's", name);
        if (buf_addf(b, "%s: ", name) || buf_add(b, value, m) ||
            buf_adds(b, "\r\n"))
            luaL_error(L, "policy_bad_result: the headers are too large");
        lua_pop(L, 1);
    }
    *len = b->len - *at;
}

static unsigned check_id(lua_State *L, int index)
{
    lua_Integer id = lua_tointeger(L, index);

    if (id < 1 || id > 1000000)
        luaL_error(L, "policy_bad_result: an op without its number");
    return (unsigned)id;
}

static void read_call(lua_State *L, struct reading *st, struct op *op, int base)
{
    lua_Integer target = lua_tointeger(L, base + 2), overlay;

    op->id = check_id(L, base + 1);
    if (target < 1 || (size_t)target > st->s->bind.config->ntargets)
        luaL_error(L, "policy_bad_result: call of no target");
    op->target = (unsigned)target - 1;
    if (st->s->bind.config->targets[op->target].npools)
        luaL_error(L, "policy_bad_result: call of a target without saying by "
                      "which of its keys");
    if (lua_gettop(L) < base + 5)
        return;
    overlay = lua_tointeger(L, base + 4);
    if (overlay < 0 || (unsigned)overlay > st->plan->noverlays)
        luaL_error(L, "policy_bad_result: call with no such overlay");
    op->overlay = (unsigned)overlay;
    read_limits(L, base + 3, &op->limits);
    if (!lua_istable(L, base + 5))
        return;
    op->events = flag(L, base + 5, "events");
    op->shadow = flag(L, base + 5, "shadow");
    op->hedge = flag(L, base + 5, "hedge");
}

static void read_fetch(lua_State *L, struct reading *st, struct op *op, int base,
                       size_t *at)
{
    const struct config *c = st->s->bind.config;
    const char *name = lua_tostring(L, base + 2);
    int i = name ? config_find_provider(c, name, strlen(name)) : -1;

    op->id = check_id(L, base + 1);
    if (i < 0 || !c->providers[i].service)
        luaL_error(L, "policy_bad_result: no service '%s' is declared",
                   name ? name : "?");
    op->provider = (unsigned)i;
    keep_text(L, st, base + 3, at, &op->len);
    read_limits(L, base + 4, &op->limits);
}

static void read_reply(lua_State *L, struct reading *st, struct op *op, int base,
                       size_t *at, size_t *headers_at)
{
    lua_Integer status = lua_tointeger(L, base + 1);
    const char *name = lua_tostring(L, base + 4);

    if (status < 200 || status > 599)
        luaL_error(L, "policy_bad_result: reply with status %d; expected 200 to "
                      "599", (int)status);
    op->status = (int)status;
    keep_text(L, st, base + 2, at, &op->len);
    keep_headers(L, st, base + 3, headers_at, &op->headers_len);
    op->error = ERROR_none;
    if (name) {
        op->error = errors_find(name, strlen(name));
        if (op->error == ERROR__other)
            luaL_error(L, "policy_bad_result: no error type '%s'", name);
    }
}

/* Read the op whose slots in the list below stack index ${base} start behind
 * ${i}. True: and be done. */
static bool read_op(lua_State *L, struct reading *st, struct op *op, lua_Integer i,
                    int base)
{
    size_t at = 0, headers_at = 0;
    int word;

    memset(op, 0, sizeof *op);
    lua_rawgeti(L, base - 1, i + 1);
    word = check_word(L, st->s, base);
    op->kind = words[word].kind;
    for (int k = 2; k <= words[word].slots; k++)
        lua_rawgeti(L, base - 1, i + k);
    switch (op->kind) {
    case OP_CALL:
        read_call(L, st, op, base);
        break;
    case OP_FETCH:
        read_fetch(L, st, op, base, &at);
        break;
    case OP_WAIT:
        op->id = check_id(L, base + 1);
        op->wait = clock_from_seconds(lua_tonumber(L, base + 2));
        break;
    case OP_OPEN:
    case OP_REPLY:
        read_reply(L, st, op, base, &at, &headers_at);
        break;
    case OP_WRITE:
        keep_text(L, st, base + 1, &at, &op->len);
        break;
    case OP_CLOSE:
        op->cut = lua_toboolean(L, base + 1);
        break;
    case OP_REPLACE:
        keep_text(L, st, base + 2, &at, &op->len);
        op->id = check_id(L, base + 1);
        break;
    case OP_RELAY:
        op->resume = words[word].slots > 2 && lua_toboolean(L, base + 2);
        op->id = check_id(L, base + 1);
        break;
    case OP_CANCEL:
    case OP_PASS:
    case OP_DROP:
        op->id = check_id(L, base + 1);
        break;
    case OP_DONE:
        break;
    }
    /* Offsets for now, see keep_text. */
    op->text = (const char *)at;
    op->headers = (const char *)headers_at;
    return words[word].done;
}

size_t policy_read_ops(lua_State *L, struct policy_state *s,
                       const struct plan *plan, lua_Integer slots)
{
    struct reading st = {s, plan};
    size_t n = 0;
    int list;

    if (slots < 0 || slots % OP_SLOTS || slots / OP_SLOTS > CEIL_OPS)
        luaL_error(L, "policy_bad_result: a list of %d slots", (int)slots);
    s->text.len = 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_ops);
    list = lua_gettop(L);
    for (lua_Integer i = 0; i < slots; i += OP_SLOTS) {
        if (read_op(L, &st, &s->ops[n++], i, list + 1))
            s->ops[n++] = (struct op){.kind = OP_DONE};
        lua_settop(L, list);
    }
    for (size_t i = 0; i < n; i++) {
        s->ops[i].text = s->text.data + (size_t)s->ops[i].text;
        s->ops[i].headers = s->text.data + (size_t)s->ops[i].headers;
    }
    return n;
}
