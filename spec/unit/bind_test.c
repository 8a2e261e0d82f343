/* SPDX-License-Identifier: Apache-2.0
 *
 * `req` and its views as a policy meets them: each row is a piece of Lua that
 * has `req` and `host`, with what it must give and what becomes of the body.
 */
#include "test.h"

#include "bind.h"
#include "board.h"
#include "ceilings.h"
#include "config.h"
#include "metrics.h"
#include "record.h"
#include "vm.h"

#include <lauxlib.h>
#include <lua.h>

#include <stdlib.h>

static const char chat[] =
    "{\"model\":\"m\", \"messages\":[{\"role\":\"system\",\"content\":\"be kind\"},"
    " {\"role\":\"user\",\"content\":\"h\\u00e9llo\"}],\"temperature\":0.50,"
    "\"n\":3,\"stream\":true,\"stop\":null,\"tools\":[],\"max_tokens\":10,"
    "\"user\":\"u-1\"}";

static struct {
    struct vm *vm;
    struct board *board;
    struct metrics *metrics;
    struct config config;
    struct target targets[1];
    struct provider providers[1];
    struct bind bind;
    struct plan plan;
    struct json_doc doc;
    struct record record;
    struct vm_fault fault;
    int host, req;              /* in the registry */
} rig;

static const char *header(void *owner, const char *name, size_t *len)
{
    (void)owner;
    if (strcmp(name, "x-team") != 0 && strcmp(name, "authorization") != 0)
        return NULL;
    *len = strlen("search");
    return "search";
}

static bool answer(void *owner, unsigned id, int what, struct buf *out)
{
    (void)owner;
    return id == 1 && !buf_adds(out, what == PLAN_ANSWER_TEXT ? "words" : "{}");
}

static const struct plan_view view = {header, answer};

static int open_doors(lua_State *L, void *arg)
{
    (void)arg;
    bind_push_host(L, &rig.bind);
    rig.host = luaL_ref(L, LUA_REGISTRYINDEX);
    bind_push_request(L, &rig.bind, &rig.plan);
    rig.req = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static void open_rig(const char *body)
{
    struct vm_limits limits = {8 * MIB, US_PER_S};
    struct json_fault bad;

    memset(&rig, 0, sizeof rig);
    rig.vm = vm_new(&limits);
    rig.board = board_new(1, MIB);
    rig.metrics = metrics_new(1);
    if (!rig.vm || !rig.board || !rig.metrics)
        abort();
    rig.providers[0].name = strdup("a");
    rig.targets[0] = (struct target){.name = strdup("a/x"), .model = strdup("x"),
                                     .weight = 2};
    rig.targets[0].slot = (unsigned)board_slot(rig.board, "a/x");
    rig.config.targets = rig.targets;
    rig.config.ntargets = 1;
    rig.config.providers = rig.providers;
    rig.config.nproviders = 1;
    rig.bind = (struct bind){.vm = rig.vm, .config = &rig.config,
                             .board = rig.board, .metrics = rig.metrics,
                             .revision = "abc", .now = clock_now(),
                             .wall = clock_wall()};
    buf_init(&rig.bind.scratch, CEIL_BODY_BYTES);
    bind_seed(rig.bind.rng, 1);
    record_init(&rig.record);
    rig.plan = (struct plan){.view = &view, .config = &rig.config, .client = -1,
                             .id = "req_1", .api = "chat", .record = &rig.record,
                             .deadline = rig.bind.now + 60 * US_PER_S};
    bind_seed(rig.plan.rng, 2);
    if (body && json_open(&rig.doc, body, strlen(body), CEIL_JSON_DEPTH,
                          CEIL_BODY_BYTES, &bad))
        abort();
    rig.plan.doc = body ? &rig.doc : NULL;
    rig.bind.plan = &rig.plan;
    if (vm_enter(rig.vm, open_doors, NULL, &rig.fault))
        abort();
}

static void close_rig(void)
{
    if (rig.plan.handle)
        bind_close_request(&rig.plan);
    bind_plan_free(&rig.plan);
    vm_free(rig.vm);
    if (rig.plan.doc)
        json_close(&rig.doc);
    record_free(&rig.record);
    buf_free(&rig.bind.scratch);
    board_free(rig.board);
    metrics_free(rig.metrics);
    free(rig.targets[0].name);
    free(rig.targets[0].model);
    free(rig.providers[0].name);
}

static void set_env(lua_State *L, const char *name, int ref)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_setfield(L, -2, name);
}

/* What ${code} returns as text, or "! where: message". Valid until the next. */
static const char *run(const char *code)
{
    static char said[1024];
    lua_State *L = vm_lua(rig.vm);
    const char *text;

    vm_push_env(rig.vm);
    set_env(L, "host", rig.host);
    set_env(L, "req", rig.req);
    if (vm_load(rig.vm, code, strlen(code), "policies/x.lua", &rig.fault) ||
        vm_call(rig.vm, 0, 1, &rig.fault)) {
        bool placed = strncmp(rig.fault.message, rig.fault.where,
                              strlen(rig.fault.where)) == 0;

        snprintf(said, sizeof said, "! %s%s%s", placed ? "" : rig.fault.where,
                 placed ? "" : ": ", rig.fault.message);
        return said;
    }
    text = lua_tostring(L, -1);
    snprintf(said, sizeof said, "%s", text ? text : luaL_typename(L, -1));
    lua_pop(L, 1);
    return said;
}

static bool body_is(const char *expected)
{
    struct buf out;
    bool same;

    buf_init(&out, CEIL_BODY_BYTES);
    if (json_write(&rig.doc, NULL, 0, &out))
        abort();
    same = out.len == strlen(expected) && !memcmp(out.data, expected, out.len);
    if (!same)
        fprintf(stderr, "body: %.*s\n", (int)out.len, out.data);
    buf_free(&out);
    return same;
}

static bool starts(const char *said, const char *expected)
{
    if (strncmp(said, expected, strlen(expected)) == 0)
        return true;
    fprintf(stderr, "said: %s\n", said);
    return false;
}

struct row {
    int line;
    const char *code, *gives;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        open_rig(chat);
        CHECK_ROW(rows[i].line, starts(run(rows[i].code), rows[i].gives));
        close_rig();
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

/* -- reading --------------------------------------------------------------- */

static const struct row reads[] = {
    {__LINE__, "return req.model", "m"},
    {__LINE__, "return req.question", "h\xC3\xA9llo"},
    {__LINE__, "return req.system", "be kind"},
    {__LINE__, "return tostring(req.stream)", "true"},
    {__LINE__, "return math.type(req.max_tokens) .. req.max_tokens", "integer10"},
    {__LINE__, "return math.type(req.temperature) .. req.temperature", "float0.5"},
    {__LINE__, "return req.id .. req.api", "req_1chat"},
    {__LINE__, "return type(req.client)", "nil"},
    {__LINE__, "return req.user", "u-1"},
    {__LINE__, "return type(req.absent)", "nil"},
    {__LINE__, "return tostring(req.stop == host.null)", "true"},
    {__LINE__, "return tostring(req.tokens > 10 and req.tokens < 100)", "true"},
    {__LINE__, "return tostring(req.remaining > 59)", "true"},
    {__LINE__, "return #req.messages .. #req.tools", "20"},
    {__LINE__, "return req.messages[2].role", "user"},
    {__LINE__, "return type(req.messages[3])", "nil"},
    {__LINE__, "return type(req.messages[0])", "nil"},
    {__LINE__, "return type(req.messages.x)", "nil"},
    {__LINE__, "local s = '' for i, m in ipairs(req.messages) do s = s .. i .. m.role end"
               " return s", "1system2user"},
    {__LINE__, "local s = '' for k, v in pairs(req.messages[1]) do s = s .. k .. '=' .. v"
               " .. ';' end return s", "role=system;content=be kind;"},
    {__LINE__, "local s = '' for i, m in pairs(req.messages) do s = s .. i .. m.role end"
               " return s", "1system2user"},
    {__LINE__, "local n = 0 for _ in pairs(req.tools) do n = n + 1 end return n", "0"},
    {__LINE__, "return req.headers['X-Team']", "search"},
    {__LINE__, "return type(req.headers.absent)", "nil"},
    {__LINE__, "return type(req.headers.Authorization)", "nil"},
    {__LINE__, "return host.answer(req, 1, 'text') .. host.answer(req, 1, 'body')",
     "words{}"},
    {__LINE__, "return type(host.answer(req, 2, 'text'))", "nil"},
    {__LINE__, "return tostring(getmetatable(req)) .. tostring(getmetatable(req.messages))",
     "falsefalse"},
    {__LINE__, "local v = setmetatable({}, { __index = req }) return v.model", "m"},
    {__LINE__, "host.methods.twice = function(r, s) return r.model .. s .. s end"
               " return req:twice('x') .. req:twice('y')", "mxxmyy"},
};

static void fields_are_read_as_the_client_wrote_them(void)
{
    CHECK_ROWS(reads);
}

static void a_request_without_a_body_has_no_fields(void)
{
    open_rig(NULL);
    CHECK(starts(run("return type(req.model) .. req.question"), "nil"));
    CHECK(starts(run("req.model = 'x'"), "! policies/x.lua:1: this request has no body"));
    CHECK(starts(run("return req.id"), "req_1"));
    close_rig();
}

static void the_question_follows_an_edit(void)
{
    open_rig(chat);
    CHECK(starts(run("return req.question .. req.question"),
                 "h\xC3\xA9lloh\xC3\xA9llo"));
    CHECK(starts(run("req.messages[2].content = 'new' return req.question"), "new"));
    CHECK(starts(run("host.append(req, 'user', 'newer') return req.question"), "newer"));
    CHECK(starts(run("req.messages = { { role = 'user', content = 'last' } }"
                     " return req.question"), "last"));
    close_rig();
}

/* -- writing --------------------------------------------------------------- */

#define M1 "{\"role\":\"system\",\"content\":\"be kind\"}"
#define M2 "{\"role\":\"user\",\"content\":\"h\\u00e9llo\"}"
#define HEAD "{\"model\":\"m\", \"messages\":["
#define TAIL "],\"temperature\":0.50,\"n\":3,\"stream\":true,\"stop\":null,"     \
             "\"tools\":[],\"max_tokens\":10,\"user\":\"u-1\"}"

static const struct {
    int line;
    const char *code, *gives, *body;
} writes[] = {
    {__LINE__, "req.model = 'big'", "nil",
     "{\"model\":\"big\", \"messages\":[" M1 ", " M2 TAIL},
    {__LINE__, "req.messages[2].content = 'x'", "nil",
     HEAD M1 ", {\"role\":\"user\",\"content\":\"x\"}" TAIL},
    {__LINE__, "req.messages[2].name = 'n'", "nil",
     HEAD M1 ", {\"role\":\"user\",\"content\":\"h\\u00e9llo\",\"name\":\"n\"}" TAIL},
    {__LINE__, "req.messages[1] = nil", "nil", HEAD M2 TAIL},
    {__LINE__, "req.messages[3] = { role = 'user', content = 'y' }", "nil",
     HEAD M1 ", " M2 ",{\"content\":\"y\",\"role\":\"user\"}" TAIL},
    {__LINE__, "table.insert(req.messages, 1, req.messages[2]) return #req.messages", "3",
     HEAD M2 "," M1 ", " M2 TAIL},
    {__LINE__, "table.insert(req.messages, 'z') return req.messages[3]", "z",
     HEAD M1 ", " M2 ",\"z\"" TAIL},
    {__LINE__, "return table.remove(req.messages).content", "h\xC3\xA9llo", HEAD M1 TAIL},
    {__LINE__, "return table.remove(req.messages, 1).role", "system", HEAD M2 TAIL},
    {__LINE__, "host.insert(req.messages, 2, { 1, 2 }) return #req.messages[2]", "2",
     HEAD M1 ",[1,2], " M2 TAIL},
    {__LINE__, "host.prepend_system(req, 'first')", "nil",
     HEAD "{\"role\":\"system\",\"content\":\"first\\n\\nbe kind\"}, " M2 TAIL},
    {__LINE__, "req.messages[1] = nil host.prepend_system(req, 'only')", "nil",
     HEAD "{\"role\":\"system\",\"content\":\"only\"}," M2 TAIL},
    {__LINE__, "host.append(req, 'assistant', 'say \"hi\"')", "nil",
     HEAD M1 ", " M2 ",{\"role\":\"assistant\",\"content\":\"say \\\"hi\\\"\"}" TAIL},
    {__LINE__, "req.system = 'be brief'", "nil",
     HEAD "{\"role\":\"system\",\"content\":\"be brief\"}, " M2 TAIL},
    {__LINE__, "return host.body(req)", HEAD, HEAD M1 ", " M2 TAIL},
};

static void edits_are_spliced_into_the_bytes(void)
{
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        open_rig(chat);
        CHECK_ROW(writes[i].line, starts(run(writes[i].code), writes[i].gives));
        CHECK_ROW(writes[i].line, body_is(writes[i].body));
        close_rig();
    }
}

static const struct row misuse[] = {
    {__LINE__, "req.id = 'x'", "! policies/x.lua:1: req.id can be read but not assigned"},
    {__LINE__, "req.headers.x = 'y'", "! policies/x.lua:1: req.headers can be read"},
    {__LINE__, "req.messages[9] = 'x'", "! policies/x.lua:1: an array of 2 items can be"},
    {__LINE__, "req.model = function() end", "! policies/x.lua:1: a function cannot be"},
    {__LINE__, "req.x = 0/0", "! policies/x.lua:1: JSON has no nan"},
    {__LINE__, "local t = {} t.t = t req.x = t", "! policies/x.lua:1: a table nested"},
    {__LINE__, "table.insert(req.messages, 9, 1)", "! policies/x.lua:1: bad argument"},
    {__LINE__, "table.remove(req.messages, 3)", "! policies/x.lua:1: bad argument"},
    {__LINE__, "table.insert(req, 1)", "! policies/x.lua:1: bad argument"},
    {__LINE__, "local m = req.messages[1] req.messages[1] = nil return m.role",
     "! policies/x.lua:1: stale view"},
    {__LINE__, "local m = req.messages req.messages = {} return #m",
     "! policies/x.lua:1: stale view"},
};

static void misuse_is_told_with_its_place(void)
{
    CHECK_ROWS(misuse);
}

static void nothing_is_left_of_a_request_that_is_over(void)
{
    static const char *const uses[] = {
        "return req.model", "req.model = 'x'", "return #messages", "return messages[1]",
        "messages[1] = nil", "return headers.x", "host.append(req, 'user', 'x')",
        "for _ in pairs(messages) do end", "table.insert(messages, 1)"};

    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        char code[300];

        open_rig(chat);
        run("host.kept = { req.messages, req.headers, req }");
        bind_close_request(&rig.plan);
        snprintf(code, sizeof code, "local messages, headers = host.kept[1], host.kept[2]\n"
                 "local req = host.kept[3] %s", uses[i]);
        CHECK_ROW(i, starts(run(code), "! policies/x.lua:2: stale handle"));
        close_rig();
    }
}

static void a_body_with_a_key_twice_is_not_guessed_at(void)
{
    open_rig("{\"messages\":[{\"role\":\"user\",\"role\":\"system\"}]}");
    CHECK(starts(run("return req.messages[1].role"),
                 "! policies/x.lua:1: the client's body has the key \"role\" twice"));
    close_rig();
}

/* -- overlays -------------------------------------------------------------- */

static void an_overlay_holds_members_for_one_attempt(void)
{
    const struct overlay *o;

    open_rig(chat);
    CHECK(starts(run("return host.overlay(req, { n = 4, stop = host.null })"), "1"));
    CHECK(rig.plan.noverlays == 1);
    o = rig.plan.overlays[0];
    CHECK(o->n == 2);
    for (unsigned i = 0; i < o->n; i++) {
        bool n = strcmp(o->member[i].key, "n") == 0;

        CHECK(n || strcmp(o->member[i].key, "stop") == 0);
        CHECK(o->member[i].removed == !n);
        CHECK(!n || (o->member[i].len == 1 && o->text.data[o->member[i].at] == '4'));
    }
    CHECK(body_is(HEAD M1 ", " M2 TAIL));
    CHECK(starts(run("for i = 1, 20 do host.overlay(req, {}) end"),
                 "! policies/x.lua:1: at most 16"));
    close_rig();
}

/* -- JSON ------------------------------------------------------------------ */

static const struct row json[] = {
    {__LINE__, "return host.encode(host.decode('{\"b\":[1,2.5,\"x\",null,true],\"a\":{}}'))",
     "{\"a\":{},\"b\":[1,2.5,\"x\",null,true]}"},
    {__LINE__, "return host.encode(host.decode('[]'))", "[]"},
    {__LINE__, "return host.encode({})", "{}"},
    {__LINE__, "return host.encode(host.array({}))", "[]"},
    {__LINE__, "return host.encode(9007199254740993)", "9007199254740993"},
    {__LINE__, "return host.encode(0.1)", "0.1"},
    {__LINE__, "return host.encode('\\u{1F600}\\n\"')", "\"\xF0\x9F\x98\x80\\n\\\"\""},
    {__LINE__, "return host.encode(req.messages[1])", M1},
    {__LINE__, "return host.encode { req.messages[2], n = nil }", "[" M2 "]"},
    {__LINE__, "return host.encode { [1] = 1, [3] = 3 }", "! policies/x.lua:1: a table with"},
    {__LINE__, "local v, why = host.decode('{\"a\":') return tostring(v) .. why", "nil"},
    {__LINE__, "return host.decode('\"\\\\ud83d\\\\ude00\"')", "\xF0\x9F\x98\x80"},
    {__LINE__, "return host.encode(host.decode ' [ {} , [ ] , [[]], {\"a\" : {} } ] ')",
     "[{},[],[[]],{\"a\":{}}]"},
    {__LINE__, "return host.encode(host.decode '{\"a\":1,\"b\":2,\"a\":3}')", "{\"a\":3,\"b\":2}"},
    {__LINE__, "return host.encode(host.decode '{\"q\\\\\"\\\\u00e9\":\"\xC3\xA9\\\\\\\\\"}')",
     "{\"q\\\"\xC3\xA9\":\"\xC3\xA9\\\\\"}"},
    {__LINE__, "return host.encode(host.decode '[0,-0,-7,123456789012345678,9223372036854775807,"
               "-9223372036854775808]')",
     "[0,0,-7,123456789012345678,9223372036854775807,-9223372036854775808]"},
    {__LINE__, "return host.encode(host.decode '[9223372036854775808,1e2,-2.5E-1,0.7]')",
     "[9.2233720368547758e+18,100,-0.25,0.7]"},
    {__LINE__, "return math.type(host.decode '12') .. math.type(host.decode '12.0')",
     "integerfloat"},
    /* More values than are counted before their table is made. */
    {__LINE__, "local t = host.array {} for i = 1, 40 do t[i] = 41 - i end "
               "return host.encode(host.decode(host.encode(t))):gsub(',', '')",
     "[40393837363534333231302928272625242322212019181716151413121110987654321]"},
    {__LINE__, "local t = {} for i = 40, 1, -1 do t[('k%02d'):format(i)] = host.array { i } end "
               "local text = host.encode(host.decode(host.encode(t))) local last = '' "
               "for key, n in text:gmatch '\"(k%d+)\":%[(%d+)%]' do "
               "assert(key > last and key == ('k%02d'):format(n)) last = key end "
               "return last .. select(2, text:gsub(':', ''))", "k4040"},
    {__LINE__, "return host.encode { a = { [true] = 1 } }", "! policies/x.lua:1: a table with boolean"},
};

static void json_goes_out_as_it_came_in(void)
{
    CHECK_ROWS(json);
}

/* -- the rest -------------------------------------------------------------- */

static const struct row others[] = {
    {__LINE__, "return tostring(host.usable(1))", "true"},
    {__LINE__, "host.cool(1, 9, 'tired') local ok, state, why = host.usable(1)"
               " return tostring(ok) .. state .. why", "falsecoolingtired"},
    {__LINE__, "return host.weight(1) .. host.catalog()[1].name", "2.0a/x"},
    {__LINE__, "host.usable(2)", "! policies/x.lua:1: bad argument #1 to 'usable'"},
    {__LINE__, "return host.where(1)", "policies/x.lua:1"},
    {__LINE__, "\nlocal function f() end return host.where(f)", "policies/x.lua:2"},
    {__LINE__, "return host.where(tostring) .. '.'", "."},
    {__LINE__, "return tostring(host.wants(function(a) end))"
               " .. tostring(host.wants(function(a, b) end))"
               " .. tostring(host.wants(function(...) end))"
               " .. tostring(host.wants(tostring))", "falsetruetruefalse"},
    {__LINE__, "return tostring(host.bucket('k', 's') == host.bucket('k', 's')"
               " and host.bucket('k', 's') ~= host.bucket('k', 't'))", "true"},
};

static void targets_places_and_dice_answer(void)
{
    CHECK_ROWS(others);
}

static void what_was_read_and_done_is_in_the_record(void)
{
    static const char *const entries[] = {
        "{\"kind\":\"read\",\"path\":\"/model\",\"value\":\"m\",\"digest\":\"\"}",
        "{\"kind\":\"read\",\"path\":\"question\",\"value\":\"\",\"digest\":\"",
        "{\"kind\":\"read\",\"path\":\"/messages/1/role\",\"value\":\"\",\"digest\":\"",
        "{\"kind\":\"read\",\"path\":\"x-team\",\"value\":\"search\",\"digest\":\"\"}",
        "{\"kind\":\"host\",\"name\":\"state\",\"args\":\"a/x\",\"result\":\"ready\"}",
        "{\"kind\":\"draw\",\"value\":0.",
        "{\"kind\":\"edit\",\"path\":\"n\",\"by\":\"policy\",\"bytes\":1}",
        "{\"kind\":\"edit\",\"path\":\"/messages/2\",\"by\":\"policy\",\"bytes\":0}",
        "{\"kind\":\"pass\",\"target\":\"a/x\",\"reason\":\"why\",\"at\":\"policies/x.lua:2\"}",
        "],\"dropped\":0}"};
    struct record_blob *blob;
    const char *at;
    struct buf out;

    open_rig(chat);
    run("local _ = req.model, req.question, req.question, req.messages[1].role\n"
        "_ = req.headers['x-team'] host.note('pass', 1, 'why')"
        " _ = host.usable(1) _ = host.random()\n"
        "req.n = 4 table.remove(req.messages)");
    blob = record_seal(&rig.record);
    buf_init(&out, MIB);
    CHECK(blob && record_json(blob, &out) == 0 && buf_addc(&out, '\0') == 0);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        CHECK_ROW(i, strstr(out.data, entries[i]) != NULL);
    at = strstr(out.data, "\"question\"");
    CHECK(at && !strstr(at + 1, "\"question\""));
    if (test_bad)
        fprintf(stderr, "%s\n", out.data);
    buf_free(&out);
    free(blob);
    close_rig();
}

/* -- the record itself ----------------------------------------------------- */

static void a_full_record_keeps_room_for_its_end(void)
{
    struct record r;
    struct record_blob *blob;
    struct buf line;
    char long_text[3000];

    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    record_init(&r);
    record_add(&r, RECORD_begin, "req_9", (int64_t)0, "", "chat", "m", 0, "p", "r",
               (int64_t)1, (int64_t)2, "");
    for (int i = 0; i < 100; i++)
        record_add(&r, RECORD_trace, "key", long_text);
    CHECK(r.dropped > 50 && r.dropped < 100);
    CHECK(r.bytes.len <= CEIL_RECORD_BYTES);
    record_add(&r, RECORD_end, (int64_t)200, long_text, "--", (int64_t)1, long_text,
               long_text, "", (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1,
               (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1,
               0.5, (int64_t)1, (int64_t)1, "ip", "ua", "stop", "");
    blob = record_seal(&r);
    buf_init(&line, MIB);
    CHECK(blob && record_line(blob, &line) == 0 && line.len > 100);
    CHECK(line.data && memmem(line.data, line.len, "\"usd\":0.5", 9) != NULL);
    buf_free(&line);
    free(blob);
    record_free(&r);
}

int main(void)
{
    RUN(fields_are_read_as_the_client_wrote_them);
    RUN(a_request_without_a_body_has_no_fields);
    RUN(the_question_follows_an_edit);
    RUN(edits_are_spliced_into_the_bytes);
    RUN(misuse_is_told_with_its_place);
    RUN(nothing_is_left_of_a_request_that_is_over);
    RUN(a_body_with_a_key_twice_is_not_guessed_at);
    RUN(an_overlay_holds_members_for_one_attempt);
    RUN(json_goes_out_as_it_came_in);
    RUN(targets_places_and_dice_answer);
    RUN(what_was_read_and_done_is_in_the_record);
    RUN(a_full_record_keeps_room_for_its_end);
    return test_end();
}
