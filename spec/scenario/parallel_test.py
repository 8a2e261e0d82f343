#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several attempts in the air: hedges, races, shadows; side calls."""

import threading
import time

from lib import (chat, check, equal, fails, main, promise, says, silent,
                 streams, within)


def policy(body, targets='"a/x", "b/x"', more=""):
    return ('model "m" { policy = "p.lua", default_route = { %s }%s }'
            % (targets, more),
            {"p.lua": 'local leme = require "leme"\n' + body})


HEDGE = policy('''
return leme.policy {
  name = "p",
  route = leme.hedge({ "a/x", "b/x" }, { after = 0.15, share = 1 }),
}
''')
RACE = policy('''
return leme.policy { name = "p", route = leme.race { "a/x", "b/x" } }
''')
SHADOW = policy('''
return leme.policy {
  name = "p",
  route = leme.shadow("a/x", "b/x", { share = 1 }),
}
''')


def gone(call, seconds=3):
    check(call.finished.wait(seconds), "the attempt is not cancelled")
    check(call.left is not None, "the attempt is not cancelled")


@promise("a hedge starts when the first is silent; the first good answer wins "
         "and the loser is cancelled")
def hedge(w):
    for stream in (False, True):
        a, b = w.upstream(silent), w.upstream(says("from b"))
        server = w.leme(*HEDGE, a=a, b=b)
        answer = server.chat(stream=stream)
        equal(answer.text, "from b", "text")
        equal(answer.headers["x-leme-target"], "b/x", "target")
        gone(a.wait())
        attempts = [e for e in server.record(answer.id)
                    if e["kind"] == "attempt"]
        equal(sorted((e["target"], e["error"]) for e in attempts),
              [("a/x", "caller_cancelled"), ("b/x", "")], "attempts")


@promise("a hedge does not start when the first is quick")
def no_hedge(w):
    a, b = w.upstream(says("from a")), w.upstream(says("from b"))
    server = w.leme(*policy('''
return leme.policy {
  name = "p",
  route = leme.hedge({ "a/x", "b/x" }, { after = 5, share = 1 }),
}
'''), a=a, b=b)
    for _ in range(5):
        equal(server.chat().text, "from a", "text")
    equal(len(b.calls), 0, "calls of the second")


@promise("the first of a hedge may still win, and then the hedge is cancelled")
def first_wins(w):
    gate = threading.Event()

    def late(call):
        gate.wait(10)
        says("from a")(call)

    def hedged(call):
        gate.set()
        call.gone()

    a, b = w.upstream(late), w.upstream(hedged)
    answer = w.leme(*HEDGE, a=a, b=b).chat(stream=True)
    equal(answer.text, "from a", "text")
    gone(b.wait())


@promise("a race takes the first good answer, not the first failure")
def race(w):
    gate = threading.Event()

    def late(call):
        gate.wait(10)
        says("slow and good")(call)

    def bad(call):
        fails(500)(call)
        gate.set()

    a, b = w.upstream(bad), w.upstream(late)
    answer = w.leme(*RACE, a=a, b=b).chat()
    equal(answer.text, "slow and good", "text")


@promise("the loser of a race is cut, even in the middle of its stream")
def race_loser(w):
    a = w.upstream(lambda c: (c.begin(), c.gone()))
    b = w.upstream(says("b wins"))
    answer = w.leme(*RACE, a=a, b=b).chat(stream=True)
    equal(answer.text, "b wins", "text")
    gone(a.wait())


@promise("when all of a race fail the client gets one error")
def race_fails(w):
    a, b = w.upstream(fails(500)), w.upstream(fails(503))
    answer = w.leme(*RACE, a=a, b=b).chat()
    check(answer.status >= 500, "status", answer.status)
    check(answer.json["error"]["code"], "no code")


# -- shadows -------------------------------------------------------------------

SHADOWS = [("answers", says("shadow")), ("fails", fails(500)),
           ("is cut", streams("x", then=lambda c: c.close())),
           ("is silent", silent),
           ("sends nonsense", lambda c: (c.send(b"HTTP/9 \r\n\r\n"),
                                         c.close()))]


def shadow_does(name, behaviour):
    @promise("a shadow that %s never shows in the client's answer" % name)
    def play(w):
        a, b = w.upstream(says("the answer")), w.upstream(behaviour)
        server = w.leme(SHADOW[0] + "\nsettings { total_timeout = 2 }",
                        SHADOW[1], a=a, b=b)
        for stream in (False, True):
            answer = server.chat(stream=stream)
            equal(answer.text, "the answer", "text")
            equal(answer.headers["x-leme-target"], "a/x", "target")
            check("x-leme-attempts" not in answer.headers, "it is counted")
            equal(answer.stream_errors if stream else [], [], "errors")
        b.wait(2)
        check(b.calls[0].json["messages"] == a.calls[0].json["messages"],
              "the shadow got something else")


for row in SHADOWS:
    shadow_does(*row)


@promise("a shadow takes nothing from max_attempts")
def shadow_attempts(w):
    a, b, c = w.upstream(fails(500)), w.upstream(), w.upstream(says("from c"))
    server = w.leme(*policy('''
return leme.policy {
  name = "p",
  route = leme.shadow(leme.fallback { "a/x", "c/x" }, "b/x", { share = 1 }),
}
''', '"a/x"', ", max_attempts = 2"), a=a, b=b, c=c)
    equal(server.chat().text, "from c", "text")


@promise("a slow shadow does not delay the answer or the next request of the "
         "connection")
def slow_shadow(w):
    a, b = w.upstream(says("quick")), w.upstream(silent)
    server = w.leme(*SHADOW, a=a, b=b)
    client = server.client()
    began = time.monotonic()
    for _ in range(3):
        client.send(chat())
        equal(client.response().text, "quick", "text")
    check(time.monotonic() - began < 3, "the shadow delays")
    b.wait(3)


# -- pieces --------------------------------------------------------------------

@promise("start, await and cancel: a policy may write its own race")
def pieces(w):
    a, b = w.upstream(silent), w.upstream(says("mine"))
    server = w.leme(*policy('''
return leme.policy {
  name = "p",
  route = function(req)
    local first = req:start "a/x"
    local nothing = req:await(first, 0.1)
    assert(nothing == nil)
    local second = req:start "b/x"
    local answer, which = req:await({ first, second }, 5)
    assert(which == second)
    req:cancel(first)
    return answer
  end,
}
'''), a=a, b=b)
    equal(server.chat().text, "mine", "text")
    gone(a.wait())


@promise("leme.sleep pauses one request, never the others")
def sleeps(w):
    up = w.upstream()
    server = w.leme(*policy('''
return leme.policy {
  name = "p",
  route = function(req)
    if req.user == "slow" then leme.sleep(1.5) end
    return req:try "a/x"
  end,
}
''', '"a/x"'), a=up)
    client = server.client()
    began = time.monotonic()
    client.send(chat(user="slow"))
    for _ in range(10):
        equal(server.chat().status, 200, "status")
    check(time.monotonic() - began < 1.4, "the others wait")
    slow = client.response()
    equal(slow.status, 200, "status of the slow one")
    check(time.monotonic() - began >= 1.4, "it does not sleep")
    spent = server.log_line(slow.headers["x-request-id"])["t"]
    check(spent["overhead"] < 1000, "its sleep counts as ours:", spent)


# -- side calls ----------------------------------------------------------------

def service(up, more=""):
    return ('service "facts" { base = "http://127.0.0.1:%d", '
            'key = "sk-facts-key-1"%s }\n' % (up.port, more))


FETCH = '''
return leme.policy {
  name = "p",
  route = function(req)
    local found = leme.fetch("facts", { query = req.question, top = 3 })
    leme.trace("found", found.ok and found.text or found.error)
    if found.ok then req:prepend_system(found.text) end
    return req:try "a/x"
  end,
}
'''


@promise("a side call to a declared service may change the request")
def fetch(w):
    up = w.upstream()
    facts = w.upstream(lambda c: c.reply(200, b"The sky is blue.",
                                         {"content-type": "text/plain"}))
    text, files = policy(FETCH, '"a/x"')
    server = w.leme(service(facts) + text, files, a=up)
    equal(server.chat().status, 200, "status")
    equal(facts.calls[0].json, {"query": "hi", "top": 3}, "side call")
    equal(facts.calls[0].headers["authorization"], "Bearer sk-facts-key-1",
          "key of the service")
    equal(up.calls[0].json["messages"][0],
          {"role": "system", "content": "The sky is blue."}, "first message")


FAILURES = [("fails", fails(500)), ("is silent", silent),
            ("resets", lambda c: c.reset()),
            ("redirects", lambda c: c.reply(302, b"", {"location": "/x"})),
            ("floods", lambda c: c.reply(200, b"x" * (1 << 20)))]


def fetch_fails(name, behaviour):
    @promise("a side call that %s is a value, and the request goes on" % name)
    def play(w):
        up, facts = w.upstream(), w.upstream(behaviour)
        text, files = policy(FETCH, '"a/x"')
        server = w.leme(service(facts, ", timeout = 0.4") + text, files, a=up)
        answer = server.chat()
        equal(answer.status, 200, "status")
        equal(len(facts.calls), 1, "side calls")
        check([e for e in server.record(answer.id) if e["kind"] == "trace"],
              "the policy did not see it")


for row in FAILURES:
    fetch_fails(*row)


@promise("an undeclared service is a policy error that names those there are")
def undeclared(w):
    up, facts = w.upstream(), w.upstream()
    text, files = policy(FETCH.replace('"facts"', '"fact"'), '"a/x"')
    server = w.leme(service(facts) + text, files, a=up)
    equal(server.chat().status, 200, "status by the default route")
    server.wait_line("unknown service")
    equal(len(facts.calls), 0, "side calls")


@promise("everything in the air ends with the request's own total")
def total(w):
    a, b = w.upstream(silent), w.upstream(silent)
    text, files = RACE
    server = w.leme(text + "\nsettings { total_timeout = 0.5 }", files,
                    a=a, b=b)
    answer = server.chat()
    equal(answer.status, 504, "status")
    for up in (a, b):
        gone(up.wait())
    within(3, lambda: len(server.said('"msg":"request"')) == 1, "a log line")


if __name__ == "__main__":
    main()
