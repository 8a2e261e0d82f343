#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a policy can say and see: its own answers, hooks, state, no secrets."""

import glob
import json
import os

from lib import (chat, check, completion, equal, fails, main, promise, request, says, silent,
                 streams)


def model(body, more="", name="m", hooks=""):
    return ('model "%s" { policy = "%s.lua", default_route = { "a/x" }%s }'
            % (name, name, more),
            {name + ".lua": 'local leme = require "leme"\n'
             'return leme.policy {\n  name = "%s",\n  route = function(req)\n'
             "%s\n  end,\n%s}\n" % (name, body, hooks)})


def traces(server, answer):
    return {e["key"]: json.loads(e["value"])
            for e in server.record(answer.id) if e["kind"] == "trace"}


# -- its own answers -----------------------------------------------------------

@promise("leme.reject is an error body in SDK form; no provider is asked")
def reject(w):
    up = w.upstream()
    server = w.leme(*model('''
    return leme.reject(req.seed, "not \\"today\\"", { retry_after = 2.5 })'''),
                    a=up)
    for status, error in ((403, "policy_denied"), (429, "policy_rate_limited"),
                          (402, "policy_budget_exceeded"),
                          (404, "caller_unknown_model"),
                          (503, "policy_no_route")):
        for stream in (False, True):
            answer = server.chat(seed=status, stream=stream)
            equal(answer.status, status, "status")
            equal(answer.error, error, "error of %d" % status)
            equal(answer.json["error"]["message"], 'not "today"', "message")
            equal(answer.headers["retry-after"], "3", "retry-after")
            check("x-should-retry" in answer.headers, "no x-should-retry")
            equal(server.log_line(answer.id)["error_type"], error, "log")
    equal(len(up.calls), 0, "calls")


@promise("leme.respond is the client's answer: a text in the client's format; "
         "table, status, headers as they are")
def respond(w):
    server = w.leme(*model('''
    if req.seed == 1 then return leme.respond("plain") end
    if req.seed == 2 then return leme.respond { b = leme.array {}, a = 1 } end
    return leme.respond(202, "<p>", { ["content-type"] = "text/html",
      ["x-mine"] = "yes" })'''), a=w.upstream())
    answer = server.chat(seed=1)
    equal((answer.status, answer.text), (200, "plain"), "text")
    equal(answer.json["object"], "chat.completion", "object")
    equal(answer.json["model"], "m", "model")
    equal(answer.json["choices"][0]["finish_reason"], "stop", "finish")
    answer = server.chat(seed=1, stream=True,
                         stream_options={"include_usage": True})
    equal(answer.text, "plain", "text of the stream")
    equal(answer.events[-1], "[DONE]", "last event")
    check('"total_tokens":0' in answer.events[-2], "usage", answer.events)
    answer = server.chat(seed=2)
    equal(answer.body, b'{"a":1,"b":[]}', "table")
    equal(answer.headers["content-type"], "application/json", "type")
    answer = server.chat(seed=3)
    equal((answer.status, answer.body), (202, b"<p>"), "own status")
    equal(answer.headers["x-mine"], "yes", "own header")
    equal(answer.headers["content-type"], "text/html", "own type")


@promise("headers a policy gives cannot break out of their line")
def header_injection(w):
    server = w.leme(*model('''
    return leme.respond(200, "x", { ["x-a"] = "1\\r\\nx-evil: 2",
      ["x-b\\r\\nx-evil"] = "3", ["content-length"] = "99" })'''),
                    a=w.upstream())
    client = server.client()
    for _ in range(2):
        client.send(request("/v1/chat/completions", b'{"model":"m"}'))
        answer = client.response()
        check("x-evil" not in answer.headers, "a line is injected",
              answer.headers)
        check(answer.status in (200, 500) or answer.text, "status")


@promise("a policy may look at the failure and choose by it")
def by_error(w):
    filtered = fails(400, {"error": {"message": "content management policy",
                                     "code": "content_filter"}})
    a, b = w.upstream(filtered), w.upstream(says("elsewhere"))
    server = w.leme(*model('''
    local answer = req:try "a/x"
    leme.trace("error", answer.error)
    leme.trace("status", answer.status)
    if answer.error == "provider_content_filtered" then return req:try "b/x" end
    return answer'''), a=a, b=b)
    answer = server.chat()
    equal(answer.text, "elsewhere", "text")
    equal(traces(server, answer), {"error": "provider_content_filtered",
                                   "status": 400}, "what it saw")


SEES = '''
    leme.trace("question", req.question)
    leme.trace("system", req.system)
    leme.trace("stream", req.stream)
    leme.trace("max", req.max_tokens)
    leme.trace("header", req.headers["x-session-id"])
    leme.trace("client", type(req.client) == "table" and req.client.name
      or req.client)
    leme.trace("api", req.api)
    leme.trace("id", req.id)
    leme.trace("n", #req.messages)
    leme.trace("tool", req.tools[1]["function"].name)
    leme.trace("none", req.nothing == nil)
    leme.trace("remaining", req.remaining > 500)
    return req:try "a/x"'''


@promise("a policy sees request, client and headers as they are")
def sees(w):
    text, files = model(SEES)
    server = w.leme('client { name = "web", key = "sk-web-key-0001" }\n' + text,
                    files, a=w.upstream())
    answer = server.chat(
        headers={"x-session-id": "s-1", "x-request-id": "r-1",
                 "x-api-key": "sk-web-key-0001"},
        messages=[{"role": "system", "content": "be nice"},
                  {"role": "user", "content": "first"},
                  {"role": "assistant", "content": "yes?"},
                  {"role": "user", "content": [
                      {"type": "text", "text": "second"}]}],
        max_tokens=7, tools=[{"type": "function", "function": {"name": "f"}}])
    equal(traces(server, answer), {
        "question": "second", "system": "be nice", "stream": False, "max": 7,
        "header": "s-1", "client": "web", "api": "chat", "id": "r-1", "n": 4,
        "tool": "f", "none": True, "remaining": True}, "what it saw")


# -- no secrets ----------------------------------------------------------------

@promise("no secret is within a policy's reach")
def no_secrets(w):
    up = w.upstream()
    text, files = model('''
    local seen, all = {}, {}
    local function walk(value, depth)
      if type(value) ~= "table" or depth > 6 or seen[value] then
        all[#all + 1] = tostring(value)
        return
      end
      seen[value] = true
      for k, v in pairs(value) do walk(k, depth + 1) walk(v, depth + 1) end
    end
    walk(leme, 0)
    for _, t in ipairs(leme.targets()) do
      for _, f in ipairs { "name", "provider", "model", "tags", "caps" } do
        walk(t[f], 0)
      end
    end
    for _, h in ipairs { "authorization", "x-api-key", "api-key", "cookie",
      "proxy-authorization" } do
      all[#all + 1] = tostring(req.headers[h])
    end
    local said = table.concat(all, " ")
    leme.trace("length", #said)
    leme.trace("leak", said:match("secret") or said:match("sk%%-") or "none")
    leme.log(said:sub(1, 4000))
    return req:try "a/x"'''.replace("%%", "%"))
    server = w.leme('client { name = "web", key = "sk-web-key-0001" }\n' + text,
                    files, a=up)
    answer = server.chat(headers={"authorization": "Bearer sk-web-key-0001",
                                  "cookie": "sk-cookie-0001"})
    equal(answer.status, 200, "status")
    found = traces(server, answer)
    equal(found.get("leak"), "none", "what it found")
    for text in ("sk-web-key", "sk-upstream", "sk-cookie"):
        check(not server.said(text), "in the log:", text)


@promise("a secret that a provider echoes is in no reply, log, record or "
         "policy")
def echoes(w):
    key = "sk-upstream-a-secret"
    body = {"error": {"message": "bad key %s for %s" % (key, key)}}
    first = streams("word ", {"error": {"message": "key " + key}},
                    then=lambda c: c.send(b"0\r\n\r\n"))
    up = w.upstream(fails(400, body), fails(401, body), first)
    server = w.leme(*model('''
    local answer = req:try "a/x"
    leme.trace("text", answer.body or answer.text or "")
    leme.log("warn", "it said " .. tostring(answer.body))
    return answer'''), a=up)
    for stream in (False, False, True):
        answer = server.chat(stream=stream)
        check(key.encode() not in answer.body, "in the reply", answer.body)
        server.log_line(answer.id)
        check(key not in json.dumps(server.record(answer.id)), "in the record")
    check(not server.said(key), "in the log", server.said(key))


# -- hooks ---------------------------------------------------------------------

HOOKS = '''
  attempted = function(target, answer)
    leme.log("attempted " .. target.name .. " ok=" .. tostring(answer.ok)
      .. " error=" .. answer.error .. " total=" .. tostring(answer.total ~= nil))
  end,
  ended = function(req, answer)
    local used = answer.usage
    leme.log("ended " .. req.id .. " ok=" .. tostring(answer.ok)
      .. " error=" .. answer.error
      .. " out=" .. tostring(used and used.output)
      .. " finish=" .. tostring(answer.finish))
  end,
'''


ECHO = "sk-upstream-a-secret"
ECHOED = {"message": ECHO, "code": ECHO, "param": ECHO, "type": ECHO}


@promise("a key that a provider echoes is in no client's format, no field of the "
         "error, no half of it where a sentence is cut, and no policy sees it")
def echoed_everywhere(w):
    def echo(call):
        far = "x" * call.json.get("seed", 0) + ECHO
        fails(401, {"error": {**ECHOED, "message": far}})(call)
    body, files = model("""
    local answer = req:try "a/x"
    if req.seed == 7 then return leme.respond(leme.json.encode(answer.body)) end
    return answer""")
    server = w.leme(body, files, a=w.upstream(echo))
    user = [{"role": "user", "content": "hi"}]
    for path, asked in (
            ("/v1/chat/completions", {"messages": user}),
            ("/v1/messages", {"messages": user, "max_tokens": 5}),
            ("/v1/responses", {"input": "hi"}),
            ("/v1beta/models/m:generateContent",
             {"contents": [{"parts": [{"text": "hi"}]}]})):
        for seed in (0, 7, 185):
            asked["model"] = "m"
            if path == "/v1/chat/completions":
                asked["seed"] = seed
            client = server.client()
            client.send(request(path, json.dumps(asked).encode()))
            said = client.response().body.decode()
            check(ECHO[:14] not in said, path, seed, said)


@promise("a key that a provider echoes as the answer's id, or in the middle of a "
         "stream, is not told")
def echoed_in_answers(w):
    def behave(call):
        if call.json.get("stream"):
            streams("on", then=lambda c: c.event({"error": ECHOED}))(call)
        else:
            call.reply(200, completion("hi"), {"x-request-id": ECHO})

    server = w.leme('model "m" { "a/x" }', a=w.upstream(behave))
    for stream in (False, True):
        answer = server.chat(stream=stream)
        equal(answer.status, 200, "status")
        check(ECHO not in repr((answer.headers, answer.body)), "told", answer.body)
        equal("x-upstream-request-id" in answer.headers, not stream, "the id's field")


@promise("attempted runs once for each attempt, ended once for each request, "
         "with usage")
def hooks(w):
    a, b = w.upstream(fails(500)), w.upstream(says("fine"))
    server = w.leme(*model('return req:try { "a/x", "b/x" }', hooks=HOOKS),
                    a=a, b=b)
    for stream in (False, True):
        answer = server.chat(stream=stream)
        equal(answer.text, "fine", "text")
        server.wait_line("ended %s ok=true error= out=3 finish=stop"
                         % answer.id)
    server.wait_line("attempted a/x ok=false error=provider_server_error "
                     "total=true", 2)
    server.wait_line("attempted b/x ok=true error= total=true", 2)
    equal(len(server.said("attempted ")), 4, "calls of attempted")
    equal(len(server.said(r"ended \S+ ok=")), 2, "calls of ended")


@promise("ended tells of a stream that broke and of a client that left")
def hooks_failures(w):
    up = w.upstream(streams("x", then=lambda c: c.close()), silent)
    server = w.leme(*model('return req:try "a/x"', hooks=HOOKS), a=up)
    server.chat(stream=True)
    server.wait_line("ended .* error=provider_cut_stream")
    client = server.client()
    client.send(chat())
    up.wait(2)
    client.close()
    server.wait_line("attempted a/x ok=false error=caller_cancelled")
    server.wait_line("ended .* error=caller_cancelled")
    equal(len(server.said(r"ended \S+ ok=")), 2, "calls of ended")


@promise("policy.every runs by itself, on one worker")
def every(w):
    text, files = model('return req:try "a/x"', hooks='''
  every = { [1] = function() leme.log("tick " .. leme.now()) end },
''')
    server = w.leme(text + "\nsettings { workers = 2 }", files,
                    a=w.upstream())
    server.wait_line("tick ", 2)
    times = [float(s.split("tick ")[1].split()[0])
             for s in server.said("tick ")]
    check(times[1] - times[0] > 0.8, "it runs on several workers", times)


# -- state ---------------------------------------------------------------------

@promise("leme.shared is one for all workers")
def shared(w):
    text, files = model('''
    leme.trace("n", leme.shared.incr("n"))
    return req:try "a/x"''')
    server = w.leme(text + "\nsettings { workers = 2 }", files, a=w.upstream())
    seen = [traces(server, server.chat())["n"] for _ in range(20)]
    equal(seen, list(range(1, 21)), "counts")


@promise("a request's handle that outlives it says so")
def stale(w):
    server = w.leme('model "m" { policy = "m.lua", default_route = { "a/x" } }\n'
                    "settings { workers = 1 }", {"m.lua": '''
local leme = require "leme"
local kept, list
return leme.policy {
  name = "m",
  route = function(req)
    if not kept then
      kept, list = req, req.messages
      return req:try "a/x"
    end
    local ok, why = pcall(function() return kept.question end)
    local ok2, why2 = pcall(function() return list[1].content end)
    local ok3, why3 = pcall(function() kept.user = "evil" end)
    leme.trace("ok", tostring(ok) .. tostring(ok2) .. tostring(ok3))
    leme.trace("why", tostring(why) .. "|" .. tostring(why2) .. "|"
      .. tostring(why3))
    return req:try "a/x"
  end,
}
'''}, a=w.upstream())
    server.chat(messages=[{"role": "user", "content": "PRIVATE"}])
    found = traces(server, server.chat())
    equal(found["ok"], "falsefalsefalse", "whether it may read on")
    check("over" in found["why"] and "PRIVATE" not in found["why"], "why",
          found)


@promise("targets' live numbers reach the policy, and cooling is obeyed")
def live(w):
    a, b = w.upstream(fails(503)), w.upstream(says("b"))
    server = w.leme(*model('''
    local t = leme.target "a/x"
    leme.trace("state", t.state)
    leme.trace("errors", t:count("error", 60))
    return req:try(leme.fallback { "a/x", "b/x" })''', hooks='''
  attempted = function(target, answer)
    if not answer.ok then target:cool(30, "it failed") end
  end,
'''), a=a, b=b)
    first = traces(server, server.chat())
    equal(first, {"state": "ready", "errors": 0}, "before")
    answer = server.chat()
    second = traces(server, answer)
    equal(second, {"state": "cooling", "errors": 1}, "after")
    equal(answer.text, "b", "text")
    equal(len(a.calls), 1, "calls of the cooling target")


@promise("knobs come from the configuration, checked against what the policy "
         "declares")
def knobs(w):
    text, files = model('''
    leme.trace("limit", limit.limit)
    return req:try "a/x"''', ', knobs = { limit = 7 }')
    files["m.lua"] = files["m.lua"].replace(
        "return leme.policy", "local limit = leme.knobs { limit = "
        "{ default = 3, min = 1, max = 9 } }\nreturn leme.policy")
    server = w.leme(text, files, a=w.upstream())
    equal(traces(server, server.chat()), {"limit": 7}, "knob")


@promise("a policy may require its own modules in its folder, and nothing "
         "outside of it")
def modules(w):
    text, files = model('''
    local ok = pcall(require, "os")
    leme.trace("said", require("words").greeting .. tostring(ok))
    return req:try "a/x"''')
    files["words.lua"] = 'return { greeting = "hello" }\n'
    # require belongs to the top of the file.
    files["m.lua"] = files["m.lua"].replace(
        'require "leme"', 'require "leme"\nlocal words = require "words"', 1
    ).replace('require("words")', "words").replace(
        'pcall(require, "os")', "false")
    server = w.leme(text, files, a=w.upstream())
    equal(traces(server, server.chat()), {"said": "hellofalse"}, "module")


# -- the shipped ones ----------------------------------------------------------

POLICIES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                        "policies")


@promise("every shipped policy serves, with and without a stream, and moves on "
         "from a target that fails where it says so")
def shipped(w):
    names = [os.path.basename(p)[:-4]
             for p in sorted(glob.glob(os.path.join(POLICIES, "*.lua")))]
    files, text = {}, ['client { name = "web", key = "sk-web-key-0001" }']
    for name in names:
        if name == "support":           # needs the targets it names
            continue
        with open(os.path.join(POLICIES, name + ".lua"), encoding="utf-8") as f:
            files[name + ".lua"] = f.read()
        text.append('model "%s" { policy = "%s.lua", default_route = '
                    '{ "a/%s", "b/%s" } }' % (name, name, name, name))
    a, b = w.upstream(fails(503), says("fine")), w.upstream(says("fine"))
    server = w.leme("\n".join(text), files, a=a, b=b)
    key = {"x-api-key": "sk-web-key-0001"}
    for name in files:
        for stream in (False, True):
            answer = server.chat(name[:-4], headers=key, stream=stream)
            if name != "passthrough.lua" or answer.status == 200:
                equal(answer.text, "fine", "text with " + name)
            check(not [e for e in server.record(answer.id) if "effect" in e],
                  "a fault of " + name, server.record(answer.id))


if __name__ == "__main__":
    main()
