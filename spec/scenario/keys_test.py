#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several keys for one provider, where keys come from, and that none is ever
shown."""

import base64
import json
import os
import signal
import subprocess

from lib import (HOST, check, equal, fails, main, promise, says, streams,
                 within)

MAIN, SPARE = "sk-main-0123456789abcdef", "sk-spare-0123456789abcdef"
ENV = {"MAIN_KEY": MAIN, "SPARE_KEY": SPARE}
KEYS = 'keys = { main = env "MAIN_KEY", spare = env "SPARE_KEY" }'


def by_key(**behaviours):
    """What to do depends on the key that the call came with."""
    def behave(call):
        sent = call.headers.get("authorization", "")[len("Bearer "):]
        name = {MAIN: "main", SPARE: "spare"}.get(sent, "other")
        behaviours.get(name, says("by " + name))(call)
    return behave


def two_keys(w, behave, more='model "m" { "a/x" }', files=None):
    up = w.upstream(behave)
    text = 'provider "a" { base = "http://%s:%d/v1", %s }\n%s\n' % (
        HOST, up.port, KEYS, more)
    return up, w.leme(text, files, env=ENV)


def targets(server):
    listed = server.admin("GET", "/v1/targets").json["targets"]
    return {t["id"]: t for t in listed}


def run(server, *arguments):
    """What a command of the program says."""
    done = subprocess.run([server.binary, *arguments], cwd=server.folder,
                          env=server.env, capture_output=True, timeout=60,
                          check=False)
    return (done.stdout + done.stderr).decode()


# -- rotation ------------------------------------------------------------------

@promise("keys take turns over the same connection, and each has numbers of "
         "its own", daemon=True)
def turns(w):
    left = "x-ratelimit-remaining-requests"
    up, server = two_keys(
        w, by_key(main=says("by main", {left: "7"}),
                  spare=says("by spare", {left: "90"})),
        'model "m" { "a/x" }\nsettings { workers = 1 }')
    said = [server.chat().text for _ in range(4)]
    equal(said, ["by main", "by spare"] * 2, "who answered")
    equal(up.connections, 1, "connections")
    seen = targets(server)
    equal(seen["a/x#main"]["key"], "main", "key of the pool")
    check("key" not in seen["a/x"], "a target names a key", seen["a/x"])
    metrics = server.metrics()
    for key, requests in (("main", 7), ("spare", 90)):
        equal(metrics['leme_upstream_ratelimit_remaining_requests{'
                      'provider="a",key="%s"}' % key], requests,
              "what is left of " + key)
        equal(seen["a/x#" + key]["remaining_requests"], requests,
              "the same for the operator")
        equal(metrics['leme_upstream_key_attempts_total{provider="a",'
                      'key="%s",error_type=""}' % key], 2, "calls by " + key)
        equal(metrics['leme_target_state{target="a/x#%s",state="ready"}'
                      % key], 1, "state of " + key)
    equal(metrics['leme_upstream_attempts_total{provider="a",model="x",'
                  'error_type=""}'], 4, "calls in all")


@promise("a key that is refused, unpaid or limited rests, the other serves the "
         "same request, and the log and the record say which it was",
         daemon=True)
def rests(w):
    for status, error in ((401, "provider_auth"), (402, "provider_billing"),
                          (403, "provider_auth"),
                          (429, "provider_rate_limited")):
        _, server = two_keys(w, by_key(main=fails(status)))
        answer = server.chat()
        equal((answer.status, answer.text), (200, "by spare"), "answer")
        equal(answer.headers["x-leme-target"], "a/x", "target for the client")
        line = server.log_line(answer.id)
        equal((line["target"], line["key"], line["attempts"],
               line["fallback"]), ("a/x", "spare", 2, error), "log line")
        tries = [(e["target"], e["key"], e["error"])
                 for e in server.record(answer.id) if e["kind"] == "attempt"]
        equal(tries, [("a/x", "main", error), ("a/x", "spare", "")],
              "attempts")
        seen = targets(server)
        equal([seen[t]["state"] for t in ("a/x#main", "a/x#spare", "a/x")],
              ["cooling", "ready", "ready"], "states after %d" % status)
        equal(seen["a/x#main"]["why"], error, "why")
        equal(server.chat().text, "by spare", "the next request")


@promise("when no key is left the client hears of it, and the target cools")
def none_left(w):
    up, server = two_keys(w, fails(401))
    answer = server.chat()
    equal((answer.status, answer.json["error"]["code"]),
          (502, "provider_auth"), "answer")
    equal(len(up.calls), 2, "calls")
    check("#" not in answer.json["error"]["message"], "a pool's name", answer)


@promise("a policy names the key it wants, and that of an answer")
def by_name(w):
    policy = '''local leme = require "leme"
    return leme.policy { name = "p", route = function(req)
      local a = req:try("a/x", { key = "spare" })
      return leme.respond(a.target.name .. " " .. a.key .. " " .. a.text
        .. " " .. leme.target("a/x").keys.spare.state)
    end }'''
    up, server = two_keys(w, by_key(), files={"p.lua": policy},
                          more='model "m" { policy = "p.lua", '
                               'default_route = { "a/x" } }')
    for _ in range(2):
        equal(server.chat().text, "a/x spare by spare ready", "answer")
    equal(up.calls[1].headers["authorization"], "Bearer " + SPARE, "key sent")


@promise("without its policy a model goes along all keys")
def default_route(w):
    policy = '''local leme = require "leme"
    return leme.policy { name = "p", route = function() error("no") end }'''
    _, server = two_keys(w, by_key(main=fails(401)), files={"p.lua": policy},
                         more='model "m" { policy = "p.lua", '
                              'default_route = { "a/x" } }')
    equal(server.chat().text, "by spare", "answer")


@promise("limits hold for each key", daemon=True)
def limits(w):
    _, server = two_keys(w, by_key(),
                         'target "a/x" { rpm = 2 }\nmodel "m" { "a/x" }')
    equal(sorted(server.chat().text for _ in range(4)),
          ["by main"] * 2 + ["by spare"] * 2, "who answered")
    answer = server.chat()
    equal((answer.status, targets(server)["a/x"]["state"]),
          (503, "saturated"), "the fifth")


# -- where they come from ------------------------------------------------------

@promise("a reload reads key files again", daemon=True)
def rotated(w):
    up = w.upstream(by_key())
    server = w.leme('provider "a" { base = "http://%s:%d/v1", '
                    'key = file "a.key" }\nmodel "m" { "a/x" }'
                    % (HOST, up.port), {"a.key": MAIN + "\n"})
    equal(server.chat().text, "by main", "before")
    server.replace("a.key", SPARE + "\n")
    server.process.send_signal(signal.SIGHUP)
    within(10, lambda: server.chat().text == "by spare", "the new key is used")


VARIABLES = "A_KEY=%s\nA_BASE=http://%s:%d/v1\n"


@promise("a reload reads the file of variables again, and the watch sees it",
         daemon=True)
def variables(w):
    up, other = w.upstream(by_key()), w.upstream(says("elsewhere"))
    server = w.leme('provider "a" { base = env "A_BASE", key = env "A_KEY" }\n'
                    'model "m" { "a/x" }',
                    {"vars": VARIABLES % (MAIN, HOST, up.port)},
                    arguments=["--env-file", "vars"])
    equal(server.chat().text, "by main", "before")
    check("unchanged" in server.admin("POST", "/v1/reload").body.decode(), "same")
    server.replace("vars", VARIABLES % (SPARE, HOST, up.port))
    check("unchanged" not in server.admin("POST", "/v1/reload").body.decode(), "new")
    equal(server.chat().text, "by spare", "after")
    server.replace("vars", "A_KEY=%s\nA_BASE\n" % MAIN)
    answer = server.admin("POST", "/v1/reload")
    check(b"vars:2: expected NAME=value" in answer.body, "words", answer.body)
    equal(server.chat().text, "by spare", "after one that is no such file")
    server.replace("leme.lua", server.files["leme.lua"]
                   + "settings { watch = true }\n")
    server.replace("vars", VARIABLES % (SPARE, HOST, other.port))
    server.admin("POST", "/v1/reload")
    equal(server.chat().text, "elsewhere", "where the file says")
    server.replace("vars", VARIABLES % (SPARE, HOST, up.port))
    within(10, lambda: server.chat().text == "by spare", "the watch takes it")


@promise("a key that rests is ready again once a reload has brought another one",
         daemon=True)
def replaced(w):
    up = w.upstream(by_key(other=fails(401)))
    server = w.leme('provider "a" { base = "http://%s:%d/v1", keys = { '
                    'main = file "main.key", spare = env "SPARE_KEY" } }\n'
                    'model "m" { "a/x" }' % (HOST, up.port),
                    {"main.key": "sk-dead-0123456789abcdef"}, env=ENV)
    equal(server.chat().text, "by spare", "before")
    server.admin("POST", "/v1/reload")
    equal(targets(server)["a/x#main"]["state"], "cooling", "the same key")
    server.replace("main.key", MAIN)
    server.admin("POST", "/v1/reload")
    equal(targets(server)["a/x#main"]["state"], "ready", "another key")
    equal({server.chat().text for _ in range(2)}, {"by main", "by spare"},
          "who answers")


@promise("an operator takes one key out, and the others serve", daemon=True)
def operated(w):
    _, server = two_keys(w, by_key())
    done = run(server, "target", "drain", "a/x#main", "--admin",
               "unix:" + server.admin_path)
    equal([server.chat().text for _ in range(3)], ["by spare"] * 3,
          "who answers after: " + done)
    equal(targets(server)["a/x"]["state"], "ready", "state of the target")


@promise("a key comes from a credential of systemd")
def credential(w):
    up = w.upstream(by_key())
    folder = os.path.join(w.folder, "credentials")
    os.mkdir(folder)
    with open(os.path.join(folder, "a_key"), "w", encoding="ascii") as f:
        f.write(SPARE + "\n")
    server = w.leme('provider "a" { base = "http://%s:%d/v1", '
                    'key = credential "a_key" }\nmodel "m" { "a/x" }'
                    % (HOST, up.port), env={"CREDENTIALS_DIRECTORY": folder})
    equal(server.chat().text, "by spare", "answer")


# -- they are never shown ------------------------------------------------------

LEAKY = '''local leme = require "leme"
return leme.policy { name = "p", route = function(req)
  for _, key in ipairs(leme.target("a/x").keys) do
    leme.trace("key", { key.name, key.key, tostring(key) })
  end
  local a = req:try "a/x"
  leme.trace("said", { tostring(a), a.body or "", a.text or "" })
  leme.log("warn", "it said " .. tostring(a.body))
  return a
end }
'''


def echo(status):
    """Tells the client all it was sent."""
    def behave(call):
        key = call.headers["authorization"]
        words = "incorrect key %s (%s) %s" % (
            key, key.split()[-1], call.line.rpartition("key=")[2])
        if status == 200 and call.json.get("stream"):
            streams(words, {"error": {"message": words}},
                    then=lambda c: c.send(b"0\r\n\r\n"))(call)
        elif status == 200:
            says(words)(call)
        else:
            fails(status, {"error": {"message": words}},
                  {"x-request-id": key.split()[-1],
                   "www-authenticate": key})(call)
    return behave


@promise("no key, of whatever origin, is in any output; nor what a client says",
         daemon=True)
def never_shown(w):
    folder = os.path.join(w.folder, "credentials")
    os.mkdir(folder)
    secrets = {name: "sk-marker-%s-0123456789abcdef" % name for name in (
        "env", "file", "credential", "query", "client", "admin", "cookie",
        "prompt", "header")}
    with open(os.path.join(folder, "c"), "w", encoding="ascii") as f:
        f.write(secrets["credential"])
    up = w.upstream(*[echo(s) for s in (401, 403, 400, 429, 500, 400, 401)])
    server = w.leme('''
        provider "a" { base = "http://%s:%d/v1", headers = { ["x-key"] = env "E" },
          query = env "Q", keys = { e = env "E", f = file "f", c = credential "c" } }
        client { name = "web", key = env "CLIENT" }
        admin { "unix:admin.sock", key = env "ADMIN" }
        model "m" { policy = "p.lua", default_route = { "a/x" } }
        model "plain" { "a/x" }''' % (HOST, up.port),
        {"p.lua": LEAKY, "f": secrets["file"]},
        env={"E": secrets["env"], "CREDENTIALS_DIRECTORY": folder,
             "Q": "key=" + secrets["query"], "CLIENT": secrets["client"],
             "ADMIN": secrets["admin"], "LEME_KEY": secrets["admin"]})
    outputs = {}
    for i in range(8):
        answer = server.chat("plain" if i % 2 else "m", stream=i > 4, headers={
            "authorization": "Bearer " + secrets["client"],
            "cookie": "session=" + secrets["cookie"],
            "x-auth-token": secrets["header"]},
            messages=[{"role": "user", "content": secrets["prompt"]}])
        outputs["answer %d" % i] = repr((answer.headers, answer.body))
        outputs["line %d" % i] = json.dumps(server.log_line(answer.id))
        outputs["record %d" % i] = json.dumps(server.record(answer.id))
    check(len(up.calls) > 8, "keys were not tried in turn", len(up.calls))
    for path in ("/metrics", "/v1/info", "/v1/status", "/v1/config",
                 "/v1/policies", "/v1/requests", "/v1/targets"):
        answer = server.admin("GET", path)
        equal(answer.status, 200, "status of " + path)
        outputs[path] = answer.body.decode()
    admin = "unix:" + server.admin_path
    outputs["status"] = run(server, "status", "--admin", admin)
    for form in ("text", "json"):
        outputs["check " + form] = run(server, "check", "--format", form)
    server.process.send_signal(signal.SIGUSR1)
    outputs["log"] = "\n".join(server.lines)
    for where, text in outputs.items():
        for origin, key in secrets.items():
            hidden = base64.b64encode(key.encode()).decode()
            check(key not in text and hidden not in text,
                  "the key of %s is in %s" % (origin, where), text[:500])


if __name__ == "__main__":
    main()
