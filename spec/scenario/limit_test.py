#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A policy that misbehaves is stopped, named in the log and replaced by the
model's default route; the engine and the other policies go on."""

import re
import time

from lib import Wrong, chat, check, equal, main, promise, says

LINES = {
    "loops": "while true do end",
    "loops in a library": 'local s = ("a"):rep(60) '
                          'return s:find(("a*"):rep(30) .. "b")',
    "recurses": "local function f() return 1 + f() end return f()",
    "takes memory in a table": "local t = {} while true do "
                               "t[#t + 1] = { 1, 2, 3 } end",
    "takes memory in strings": 'local s = "x" while true do s = s .. s end',
    "takes memory at once": 'return ("x"):rep(1e10)',
    "sorts for ever": "table.sort({ 3, 1, 2 }, function() "
                      "while true do end end)",
    "catches what stops it": "while true do pcall(function() "
                             "while true do end end) end",
    "hides in a coroutine": "coroutine.wrap(function() "
                            "while true do end end)()",
    "raises": 'error "on purpose"',
    "raises a table": "error({ code = 1 })",
    "raises nothing": "error()",
    "returns nothing": "return nil",
    "returns a number": "return 42",
    "returns a table": "return { ok = true }",
    "indexes nothing": "return req.nothing.at_all",
    "calls nothing": "return nothing_of_that_name(req)",
    "names no target": 'return req:try "a/nothing"',
    "misspells a limit": 'return req:try("a/x", { fist_token = 1 })',
    "writes to a library": 'string.rep = nil return req:try "a/x"',
    "writes to leme": 'leme.now = nil return req:try "a/x"',
    "reads files": 'return io.open("/etc/passwd")',
    "loads code": 'return load("return 1")()',
    "runs a program": 'os.execute("true")',
}


def model(name, body):
    return ('model "%s" { policy = "%s.lua", default_route = { "a/x", "b/x" } }'
            % (name, name),
            {name + ".lua": "local leme = require \"leme\"\n"
             "return leme.policy {\n  name = \"%s\",\n"
             "  route = function(req)\n    %s\n  end,\n}\n" % (name, body)})


def misbehaves(what, line):
    @promise("a policy that %s: the default route answers, the log has "
             "file:line, the next request works" % what)
    def play(w):
        up = w.upstream(says("by default"))
        bad, files = model("bad", line)
        good, more = model("good", 'return req:try "b/x"')
        server = w.leme("%s\n%s\nsettings { workers = 1 }" % (bad, good),
                        {**files, **more}, a=up, b=w.upstream(says("good")))
        began = time.monotonic()
        answer = server.chat("bad")
        took = time.monotonic() - began
        equal(answer.status, 200, "status")
        equal(answer.text, "by default", "text")
        check(took < 5, "it took %.1f s" % took)
        faults = [e for e in server.record(answer.id) if "effect" in e]
        equal(len(faults), 1, "faults in the record")
        # 5 is its line, 4 its function, when a tail call has left no frame.
        place = re.compile(r"bad\.lua:[45]\b")
        check(place.match(faults[0]["where"]), "where in the record", faults)
        check(place.match(faults[0]["message"]), "message", faults)
        server.wait_line(place.pattern)
        equal(server.chat("good").text, "good", "text of the next")
        equal(server.chat("bad", stream=True).text, "by default",
              "text of another")


for row in LINES.items():
    misbehaves(*row)


@promise("a route that leads to itself and a module's name without end are "
         "stopped as soon as any loop")
def around(w):
    rows = ("local r r = function() return req:try(r) end return r()",
            "local r r = leme.fallback { function(q, t) return r(q, t) end } "
            "return r(req)",
            'pcall(require, ("a"):rep(1000000)) return req:try "b/x"')
    models = [model("bad%d" % i, row) for i, row in enumerate(rows)]
    server = w.leme("\n".join(m for m, _ in models)
                    + "\nsettings { workers = 1 }",
                    {k: v for _, files in models for k, v in files.items()},
                    a=w.upstream(), b=w.upstream())
    for i in range(len(rows)):
        began = time.monotonic()
        equal(server.chat("bad%d" % i).status, 200, "status of %d" % i)
        took = time.monotonic() - began
        check(took < 0.5, "%d took %.1f s" % (i, took))


@promise("no policy can reach the world: the names are not there")
def sandbox(w):
    names = ("io", "os", "debug", "package", "dofile", "loadfile", "load",
             "collectgarbage", "print", "_G", "ffi", "newproxy",
             "setmetatable")
    up = w.upstream()
    text, files = model("m", '''
    local found = {}
    for _, name in ipairs { %s } do
      local ok, value = pcall(function() return _ENV[name] end)
      if ok and value ~= nil then found[#found + 1] = name end
    end
    leme.trace("found", table.concat(found, " "))
    return req:try "a/x"''' % ", ".join('"%s"' % n for n in names[:-1]))
    server = w.leme(text, files, a=up, b=w.upstream())
    answer = server.chat()
    equal(answer.status, 200, "status")
    trace = [e["value"] for e in server.record(answer.id)
             if e["kind"] == "trace"]
    equal(trace, ['""'], "names within reach")


@promise("what one policy does to its globals, libraries and leme is not seen "
         "by another")
def apart(w):
    bad, files = model("bad", '''
    leaked = 1
    pcall(function() string.rep = nil end)
    pcall(function() leme.now = nil end)
    pcall(function() leme.pick.filter = nil end)
    pcall(function() getmetatable("").__index = nil end)
    return req:try "a/x"''')
    good, more = model("good", '''
    assert(leaked == nil)
    assert(("a"):rep(2) == "aa" and leme.now() > 0)
    assert(#leme.pick.filter({ 1, 2 }, function(n) return n > 1 end) == 1)
    return req:try "b/x"''')
    server = w.leme("%s\n%s\nsettings { workers = 1 }" % (bad, good),
                    {**files, **more}, a=w.upstream(says("a")),
                    b=w.upstream(says("good")))
    server.chat("bad")
    answer = server.chat("good")
    equal(answer.text, "good", "text")
    check(not [e for e in server.record(answer.id) if "effect" in e],
          "a fault in the other", server.record(answer.id))


@promise("a loop in a hook is stopped and the answer stands")
def hook(w):
    for name in ("attempted", "ended"):
        up = w.upstream(says("stands"))
        server = w.leme('model "m" { policy = "p.lua", '
                        'default_route = { "a/x" } }', {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = "a/x",
  %s = function() while true do end end,
}
''' % name}, a=up)
        for stream in (False, True):
            answer = server.chat(stream=stream)
            equal(answer.text, "stands", "text with " + name)
        server.wait_line(r"p\.lua:6")
        equal(len(up.calls), 2, "calls")


@promise("a loop in policy.every is stopped, and requests are served")
def every(w):
    up = w.upstream()
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = "a/x",
  every = { [1] = function() while true do end end },
}
'''}, a=up)
    server.wait_line(r"p\.lua:6")
    equal(server.chat().status, 200, "status")


@promise("after five kills within a minute the policy is set aside: its models "
         "take the default route at once")
def set_aside(w):
    up = w.upstream(says("by default"))
    text, files = model("bad", "while true do end")
    server = w.leme(text + "\nsettings { workers = 1 }", files, a=up,
                    b=w.upstream())
    for _ in range(5):
        equal(server.chat("bad").text, "by default", "text")
    server.wait_line("aside")
    began = time.monotonic()
    n = 20
    for _ in range(n):
        answer = server.chat("bad")
        equal(answer.text, "by default", "text")
    took = time.monotonic() - began
    check(took < 0.04 * n, "it still runs: %.2f s for %d" % (took, n))
    equal(len(server.said("policy_timeout:.*bad.lua|bad.lua:5.*policy_timeout"))
          <= 5, True, "kills after it was set aside")


def refuses(what, line, error):
    @promise("with on_failure = \"refuse\" a policy that %s: no target is called, "
             "the client gets %s, and so do the next ones when it is set aside"
             % (what, error))
    def play(w):
        up = w.upstream()
        bad, files = model("bad", line)
        server = w.leme(bad.replace("default_route", 'on_failure = "refuse", default_route')
                        + "\nsettings { workers = 1 }", files, a=up, b=w.upstream())
        for _ in range(7):
            answer = server.chat("bad")
            equal(answer.status, 500, "status")
            equal(answer.error, error, "error")
            check("on_failure" in answer.json["error"]["message"], "message", answer.json)
        faults = [e for e in server.record(answer.id) if "effect" in e]
        equal([e["effect"] for e in faults], ["the request is refused"], "effect")
        equal(len(up.calls), 0, "calls")
        equal(server.chat("bad", stream=True).status, 500, "status of a stream")


refuses("loops", "while true do end", "policy_timeout")
refuses("raises", 'error "on purpose"', "policy_error")
refuses("returns nothing", "return nil", "policy_bad_result")


@promise("with on_failure = \"refuse\" what a policy called before it failed is not "
         "relayed")
def refuses_late(w):
    up = w.upstream(says("unseen"))
    bad, files = model("bad", 'local a = req:try "a/x" error "on purpose"')
    server = w.leme(bad.replace("default_route", 'on_failure = "refuse", default_route'),
                    files, a=up, b=w.upstream())
    answer = server.chat("bad")
    equal(answer.status, 500, "status")
    equal(answer.error, "policy_error", "error")
    equal(len(up.calls), 1, "calls")


@promise("a policy that is set aside leaves the others alone")
def aside_alone(w):
    bad, files = model("bad", "while true do end")
    good, more = model("good", 'return req:try "b/x"')
    server = w.leme("%s\n%s\nsettings { workers = 1 }" % (bad, good),
                    {**files, **more}, a=w.upstream(),
                    b=w.upstream(says("good")))
    for _ in range(6):
        server.chat("bad")
    answer = server.chat("good")
    equal(answer.text, "good", "text")
    check(not [e for e in server.record(answer.id) if "effect" in e],
          "it has a fault")


@promise("requests beside one that loops wait at most for its time limit")
def beside(w):
    up = w.upstream(says("ok"))
    bad, files = model("bad", "while true do end")
    good, more = model("good", 'return req:try "b/x"')
    server = w.leme("%s\n%s\nsettings { workers = 1, step_limit = 0.05 }"
                    % (bad, good), {**files, **more}, a=up,
                    b=w.upstream(says("good")))
    client = server.client()
    client.send(chat("bad"))
    began = time.monotonic()
    equal(server.chat("good").text, "good", "text")
    check(time.monotonic() - began < 2, "it waits")
    equal(client.response().text, "ok", "text of the one that loops")


@promise("a memory bomb costs its own request only; memory comes back")
def bomb(w):
    up = w.upstream(says("ok"))
    text, files = model("bad", "local t = {} while true do t[#t + 1] = "
                        '("x"):rep(1000) .. #t end')
    server = w.leme(text + "\nsettings { workers = 1 }", files, a=up,
                    b=w.upstream())
    server.chat("bad")
    before = server.rss()
    for _ in range(4):
        equal(server.chat("bad").text, "ok", "text")
    check(server.rss() - before < 24 << 20, "memory grows",
          server.rss() - before)


@promise("a route that names no target it may use is a 503 that says why")
def no_route(w):
    up = w.upstream()
    text, files = model("m", '''
    leme.target("a/x"):cool(60, "on purpose")
    return req:try { leme.target "a/x" }''')
    server = w.leme(text, files, a=up, b=w.upstream())
    # All are cooling: that is not refused but tried all the same.
    equal(server.chat().status, 200, "status")


@promise("an empty list of routes is no route")
def empty(w):
    text, files = model("m", "return req:try {}")
    answer = w.leme(text, files, a=w.upstream(), b=w.upstream()).chat()
    equal(answer.status, 503, "status")
    equal(answer.error, "policy_no_route", "error")


@promise("a policy file that cannot be loaded stops the start with file:line "
         "and status 3")
def load_errors(w):
    for text in ("return 1", "local leme = require 'leme'\nreturn leme.policy {",
                 "local leme = require 'leme'\nwhile true do end",
                 "error 'at load'", "\x1bLua binary",
                 "local leme = require 'leme'\nreturn leme.policy { name = 'x',"
                 " rout = 1 }"):
        try:
            w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                   {"p.lua": text}, expect=3, a=w.upstream())
        except Wrong as e:
            check("p.lua" in str(e), "no file in the message", str(e))
        else:
            raise Wrong("it starts with %r" % text)


if __name__ == "__main__":
    main()
