#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reload replaces everything at once or nothing; requests keep the
generation they began with."""

import json
import os
import signal
import subprocess
import threading

from lib import (FULL, chat, check, equal, main, promise, request, says,
                 within)


def policy(version, extra=""):
    return '''local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    %s
    return leme.respond("version %s")
  end,
}
''' % (extra, version)


MODEL = 'model "m" { policy = "p.lua", default_route = { "a/x" } }\n'


def version(server):
    return server.chat().text.replace("version ", "")


def comes(server, wanted):
    within(10, lambda: version(server) == wanted,
           "version %s serves" % wanted)


def serve(w, first="1", more=""):
    return w.leme(MODEL + more, {"p.lua": policy(first)}, a=w.upstream())


# -- the ways to ask -----------------------------------------------------------

def by_hangup(server):
    server.process.send_signal(signal.SIGHUP)
    return None


def by_admin(server):
    answer = server.admin("POST", "/v1/reload")
    return answer.status // 100 == 2, answer.body.decode()


def by_command(server):
    done = subprocess.run([server.binary, "reload", "--admin",
                           "unix:" + server.admin_path], timeout=20,
                          capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


WAYS = {"SIGHUP": by_hangup, "POST /v1/reload": by_admin,
        "leme reload": by_command}


def reloads(name, ask):
    @promise("%s: a good change serves, a bad one changes nothing and is "
             "reported with file:line" % name, daemon=True)
    def play(w):
        server = serve(w)
        equal(version(server), "1", "version")
        server.write("p.lua", policy("2"))
        told = ask(server)
        if told:
            check(told[0], "refused", told)
            equal(version(server), "2", "version right behind the answer")
        comes(server, "2")
        server.write("p.lua", policy("3").replace("respond(", "respond(("))
        told = ask(server)
        server.wait_line(r"reload rejected.*p\.lua:\d+")
        if told:
            check(not told[0], "accepted", told)
            check("p.lua:" in told[1], "no file:line", told)
        equal(version(server), "2", "version behind a bad change")
        server.write("p.lua", policy("4"))
        ask(server)
        comes(server, "4")


for row in WAYS.items():
    reloads(*row)


@promise("the file watch takes an edit in place and a rename into place",
         daemon=True)
def watch(w):
    server = serve(w, more="settings { watch = true }\n")
    equal(version(server), "1", "version")
    server.write("p.lua", policy("2"))
    comes(server, "2")
    server.replace("p.lua", policy("3"))
    comes(server, "3")
    server.replace("leme.lua", server.files["leme.lua"].replace(
        "p.lua", "q.lua"))
    server.write("q.lua", policy("4"))
    comes(server, "4")
    server.write("q.lua", policy("5"))
    comes(server, "5")


@promise("the answer to a reload says how much more is wrong than what it names")
def more(w):
    server = serve(w)
    server.replace("leme.lua", server.files["leme.lua"]
                   + "settings { wrkers = 3, wacth = true }\nmodle {}\n")
    good, said = by_command(server)
    check(not good and "(and 2 more" in said, "words", said)
    for word in ("wrkers", "wacth", "modle"):
        server.wait_line(r"leme\.lua:\d+: .*" + word)


@promise("the watch reports a bad file with file:line and keeps serving",
         daemon=True)
def watch_bad(w):
    server = serve(w, more="settings { watch = true }\n")
    server.write("p.lua", "this is no lua\n")
    server.wait_line(r"reload rejected.*p\.lua:1")
    equal(version(server), "1", "version")
    server.replace("leme.lua", server.files["leme.lua"] + "modle {}\n")
    server.wait_line(r"reload rejected.*leme\.lua:\d+")
    equal(version(server), "1", "version")
    server.replace("leme.lua", server.files["leme.lua"])
    server.write("p.lua", policy("2"))
    comes(server, "2")


BAD = {
    "a syntax error": policy("2") + "end",
    "an error at load": policy("2") + 'error "no"',
    "an endless loop at load": "while true do end\n" + policy("2"),
    "a memory bomb at load": 'local s = "x" while true do s = s .. s end\n'
                             + policy("2"),
    "a failing self-test": policy("2").replace(
        "route =", 'test = function() error "self-test" end,\n  route ='),
    "nothing returned": "local leme = require \"leme\"\n",
    "a misspelt key": policy("2").replace("route =", "rout ="),
    "an empty file": "",
    "binary code": "\x1bLua" + policy("2"),
}


@promise("no kind of broken policy replaces a good one", daemon=True)
def bad_kinds(w):
    server = serve(w)
    for what, text in BAD.items():
        server.write("p.lua", text)
        told = by_admin(server)
        check(not told[0], "accepted: " + what, told)
        check("p.lua" in told[1], "no file for " + what, told[1])
        equal(version(server), "1", "version after " + what)
    os.unlink(os.path.join(server.folder, "p.lua"))
    check(not by_admin(server)[0], "accepted: a missing file")
    equal(version(server), "1", "version after a missing file")
    status = server.admin("GET", "/v1/status").json
    equal(status["reload"]["result"], "rejected", "status")


@promise("a reload that changes what is fixed at start is refused and names "
         "the key", daemon=True)
def start_only(w):
    server = serve(w)
    for old, new, key in (("127.0.0.1:0", "127.0.0.1:1", "listen"),
                          (MODEL, MODEL + "settings { workers = 7 }\n",
                           "workers")):
        server.write("leme.lua", server.files["leme.lua"].replace(old, new))
        told = by_admin(server)
        check(not told[0] and key in told[1], "told", told)
        equal(version(server), "1", "version")


@promise("targets, models and clients can come and go by a reload",
         daemon=True)
def come_and_go(w):
    a, b = w.upstream(says("from a")), w.upstream(says("from b"))
    server = w.leme('model "m" { "a/x" }\n', a=a, b=b)
    equal(server.chat().text, "from a", "text")
    base = server.files["leme.lua"]
    server.write("leme.lua", base.replace('model "m" { "a/x" }',
                                          'model "n" { "b/new" }'))
    check(by_admin(server)[0], "refused")
    equal(server.chat("n").text, "from b", "text of the new model")
    equal(b.calls[-1].json["model"], "new", "model upstream")
    equal(server.chat("m").status, 404, "status of the old model")
    server.write("leme.lua", base + 'client { name = "c", '
                 'key = "sk-new-key-0001" }\n')
    check(by_admin(server)[0], "refused")
    equal(server.chat("m").status, 401, "status without the new key")
    equal(server.chat("m", headers={"x-api-key": "sk-new-key-0001"}).status,
          200, "status with it")


@promise("requests in flight keep their generation to the end", daemon=True)
def in_flight(w):
    gate = threading.Event()

    def behave(call):
        call.begin()
        call.event("first ")
        gate.wait(10)
        call.event("second")
        call.done()

    up = w.upstream(behave, behave, says("unused"))
    old = '''local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    local answer = req:try "a/x"
    leme.sleep(0.2)
    leme.trace("version", 1)
    return answer
  end,
  ended = function(req, answer) leme.log("ended by version 1") end,
}
'''
    server = w.leme(MODEL, {"p.lua": old}, a=up)
    clients = [server.client() for _ in range(2)]
    for client in clients:
        client.send(chat(stream=True))
    up.wait(2)
    server.write("p.lua", policy("2"))
    check(by_admin(server)[0], "refused")
    equal(version(server), "2", "version of a new request")
    gate.set()
    for client in clients:
        answer = client.response()
        equal(answer.text, "first second", "text")
        server.wait_line("ended by version 1")
    within(10, lambda: server.admin("GET", "/v1/status").json["generations"]
           == 1, "the old generation is gone")


@promise("at most eight generations live; the next reload waits and says so",
         daemon=True)
def many_generations(w):
    gate = threading.Event()

    def behave(call):
        gate.wait(15)
        says("late")(call)

    up = w.upstream(behave)
    text = policy("%d").replace('leme.respond("version %d")', 'req:try "a/x"')
    server = w.leme(MODEL, {"p.lua": text + "-- 0\n"}, a=up)
    clients = []
    for i in range(1, 8):
        client = server.client()
        client.send(chat())
        up.wait(i)
        clients.append(client)
        server.write("p.lua", text + "-- %d\n" % i)
        check(by_admin(server)[0], "refused")
    client = server.client()
    client.send(chat())
    clients.append(client)
    up.wait(8)
    server.write("p.lua", policy("waited"))
    by_hangup(server)
    server.wait_line("generations are alive: the reload waits")
    gate.set()
    for client in clients:
        equal(client.response().text, "late", "text")
    comes(server, "waited")


@promise("state on the board survives a reload, globals of the policy do not",
         daemon=True)
def board(w):
    text = '''local leme = require "leme"
local mine = 0
return leme.policy {
  name = "p",
  route = function(req)
    mine = mine + 1
    return leme.respond(leme.shared.incr("n") .. " " .. mine)
  end,
}
'''
    server = w.leme(MODEL + "settings { workers = 1 }\n", {"p.lua": text},
                    a=w.upstream())
    equal([version(server) for _ in range(2)], ["1 1", "2 2"], "before")
    server.write("p.lua", text + "-- changed\n")
    check(by_admin(server)[0], "refused")
    equal([version(server) for _ in range(2)], ["3 1", "4 2"], "after")


@promise("a policy that was set aside is taken up again by the next reload",
         daemon=True)
def aside(w):
    bad = policy("1").replace("route = function(req)",
                              "route = function(req) while true do end")
    server = w.leme(MODEL + "settings { workers = 1 }\n", {"p.lua": bad},
                    a=w.upstream(says("default")))
    for _ in range(6):
        equal(server.chat().text, "default", "text")
    server.write("p.lua", policy("2"))
    check(by_admin(server)[0], "refused")
    equal(version(server), "2", "version")


@promise("a policy that is set aside shows in record and metrics, and a reload without "
         "a change takes it up again", daemon=True)
def aside_unchanged(w):
    loops = policy("1").replace("route = function(req)", "route = function(req)\n"
                                "while req.question == 'loop' do end")
    server = w.leme(MODEL + "settings { workers = 1 }\n", {"p.lua": loops},
                    a=w.upstream(says("default")))
    for _ in range(5):
        server.chat(messages=[{"role": "user", "content": "loop"}])
    answer = server.chat()
    equal(answer.text, "default", "text while it is set aside")
    faults = [e for e in server.record(answer.id) if e["kind"] == "fault"]
    equal([e["what"] for e in faults], ["aside"], "faults of the record")
    counted = [v for k, v in server.metrics().items()
               if k.startswith("leme_policy_calls_total") and 'result="default"' in k
               and v]
    equal(counted, [6], "requests on the default route")
    check("unchanged" in by_admin(server)[1], "there was a change")
    within(5, lambda: version(server) == "1", "the policy again")


@promise("a reload without a change is no reload", daemon=True)
def unchanged(w):
    server = serve(w)
    answer = server.admin("POST", "/v1/reload")
    equal(answer.status, 200, "status")
    check("unchanged" in answer.body.decode(), "answer", answer.body)
    equal(server.metrics()['leme_policy_reloads_total{result="unchanged"}'], 1,
          "metric")


@promise("metrics tell how reloads went", daemon=True)
def metrics(w):
    server = serve(w)
    server.write("p.lua", policy("2"))
    by_admin(server)
    server.write("p.lua", "no")
    by_admin(server)
    found = server.metrics()
    equal(found['leme_policy_reloads_total{result="applied"}'], 1, "applied")
    equal(found['leme_policy_reloads_total{result="rejected"}'], 1, "rejected")
    equal(found["leme_policy_last_reload_success"], 0, "last one")
    info = [k for k, v in found.items()
            if k.startswith("leme_policy_info") and v == 1]
    equal(len(info), 1, "policies in force")


@promise("reloads under load lose nothing: every request gets one whole "
         "answer of one version", daemon=True, alone=True)
def under_load(w):
    count = 1000 if FULL else 200
    up = w.upstream(says("from the provider"))
    text = '''local leme = require "leme"
local version = %d
return leme.policy {
  name = "p",
  route = function(req)
    if req.stream then return req:try "a/x" end
    if req.seed %% 3 == 0 then return req:try "a/x" end
    if req.seed %% 3 == 1 then leme.sleep(0.005) end
    return leme.respond { version = version, again = version }
  end,
}
'''
    server = w.leme(MODEL, {"p.lua": text % 0}, a=up)
    stop = threading.Event()
    wrong, served = [], [0] * 4

    def load(which):
        client = server.client()
        n = 0
        while not stop.is_set() and not wrong:
            n += 1
            stream = n % 4 == 0
            client.send(chat(seed=n, stream=stream))
            try:
                answer = client.response()
                check(answer.complete and answer.status == 200, "answer",
                      answer.status, answer.body)
                if stream or n % 3 == 0:
                    equal(answer.text, "from the provider", "text")
                else:
                    found = answer.json
                    equal(found["version"], found["again"], "version")
                served[which] = n
            except Exception as e:  # whatever it is, the promise is broken
                wrong.append("request %d: %r" % (n, e))
        client.close()

    threads = [threading.Thread(target=load, args=(i,))
               for i in range(len(served))]
    for thread in threads:
        thread.start()
    try:
        for i in range(1, count + 1):
            server.replace("p.lua", text % i)
            told = by_admin(server)
            check(told[0], "reload %d is refused" % i, told)
            if wrong:
                break
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    check(not wrong, "lost:", wrong)
    check(min(served) > 20, "no load: %s" % served)
    client = server.client()
    client.send(chat(seed=2))
    equal(client.response().json["version"], count, "version at the end")
    within(10, lambda: server.admin("GET", "/v1/status").json["generations"]
           == 1, "old generations are gone")


@promise("memory does not grow with reloads", daemon=True, alone=True)
def memory(w):
    server = serve(w)

    def some(n, start):
        for i in range(n):
            server.write("p.lua", policy(str(start + i)))
            check(by_admin(server)[0], "refused")
        version(server)
        within(10, lambda: server.admin("GET", "/v1/status").json[
            "generations"] == 1, "old generations are gone")
        return server.rss()

    first = some(40, 100)
    grown = some(80, 200) - first
    check(grown < 16 << 20, "80 reloads cost %d bytes" % grown)


@promise("the admin side refuses what no reload is", daemon=True)
def admin(w):
    server = serve(w)
    equal(server.admin("GET", "/v1/reload").status, 405, "GET")
    client = server.client()
    client.send(request("/v1/reload", b"{}"))
    equal(client.response().status, 404, "on the clients' listener")
    json.loads(server.admin("GET", "/v1/info").body)


if __name__ == "__main__":
    main()
