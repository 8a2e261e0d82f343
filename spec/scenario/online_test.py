#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""leme check --online: does each key work?"""

import json
import os
import socket
import subprocess
import tempfile
import threading

from lib import (HOST, PATIENCE, check, completion, equal, fails, main, promise,
                 silent)

KEY = "sk-marker-0123456789abcdef"


def models(*names):
    def behave(call):
        call.reply(200, {"object": "list", "data": [
            {"id": n, "object": "model"} for n in names]})
    return behave


def provider(name, up, more="", scheme="http"):
    port = up if isinstance(up, int) else up.port
    return 'provider "%s" { base = "%s://%s:%d/v1", key = env "KEY"%s }\n' % (
        name, scheme, HOST, port, more and ", " + more)


def online(w, text, *arguments, env=None):
    """What `leme check --online` says of a configuration, and its status."""
    folder = tempfile.mkdtemp(dir=w.folder)
    with open(os.path.join(folder, "leme.lua"), "w", encoding="utf-8") as f:
        f.write('listen { "%s:0" }\n%s' % (HOST, text))
    done = subprocess.run(
        [w.binary, "check", "--online", *arguments], cwd=folder,
        env={**os.environ, "KEY": KEY, **(env or {})}, capture_output=True,
        timeout=2 * PATIENCE, check=False)
    out = done.stdout.decode()
    check(KEY not in out + done.stderr.decode(), "the key is shown", out)
    return out, done.returncode


def keys(w, text, *arguments, **options):
    """The same as JSON: by provider, and the status."""
    out, status = online(w, text, "--format", "json", *arguments, **options)
    return {k["provider"]: k for k in json.loads(out)["keys"]}, status


def serve(*targets):
    return 'model "m" { %s }\n' % ", ".join('"%s"' % t for t in targets)


def refused_port():
    """A port that nobody listens at."""
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def speaks_no_tls(listener):
    sock, _ = listener.accept()
    with sock:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


@promise("a key that works is asked for the list of models, with its header, "
         "and says what it cost nobody", daemon=True)
def works(w):
    up = w.upstream(models("gpt-4o", "gpt-4o-mini"))
    out, status = online(w, provider("openai", up) + serve("openai/gpt-4o"))
    equal(status, 0, "status: " + out)
    equal((up.calls[0].line, len(up.calls)), ("GET /v1/models HTTP/1.1", 1),
          "calls")
    equal(up.calls[0].headers["authorization"], "Bearer " + KEY, "header")
    check("leme.lua:2: ok: openai (sk-...cdef): works after " in out and
          ": 2 models\n" in out and "0 errors, 0 warnings" in out, "said", out)


@promise("each way in which a key fails has its word, and the provider's own",
         daemon=True)
def verdicts(w):
    def words(status, text, headers=()):
        return w.upstream(fails(status, {"error": {"message": text}}, headers))
    refused = words(401, "Incorrect API key provided: %s." % KEY)
    forbidden = words(403, "Country not supported")
    unpaid = words(402, "Insufficient Balance")
    limited = words(429, "Slow down", {"retry-after": "7"})
    broken = words(503, "Down for the day")
    found, status = keys(
        w, "".join(provider(n, u) for n, u in (
            ("refused", refused), ("forbidden", forbidden),
            ("unpaid", unpaid), ("limited", limited), ("broken", broken)))
        + serve("refused/x"))
    equal(status, 1, "status")
    said = {n: (k["verdict"], k["ok"], k["status"], k["detail"])
            for n, k in found.items()}
    equal(said, {
        "refused": ("refused", False, 401,
                    "Incorrect API key provided: sk-...cdef."),
        "forbidden": ("refused", False, 403, "Country not supported"),
        "unpaid": ("unpaid", False, 402, "Insufficient Balance"),
        "limited": ("limited", True, 429, "Slow down"),
        "broken": ("failed", False, 503, "Down for the day")}, "verdicts")


@promise("a key that is good but limited fails no check", daemon=True)
def limited_only(w):
    up = w.upstream(fails(429))
    out, status = online(w, provider("a", up) + serve("a/x"))
    equal(status, 0, "status: " + out)


@promise("where nobody answers, the reason is told: name, connection, TLS, "
         "silence", daemon=True)
def unreachable(w):
    plain = socket.create_server((HOST, 0))
    threading.Thread(target=speaks_no_tls, args=(plain,), daemon=True).start()
    found, status = keys(
        w, 'provider "name" { base = "http://leme.invalid/v1", '
           'key = env "KEY" }\n'
        + provider("connection", refused_port())
        + provider("tls", plain.getsockname()[1], scheme="https")
        + provider("silence", w.upstream(silent)) + serve("tls/x"),
        "--timeout", "1")
    equal(status, 1, "status")
    for name, word in (("name", "resolved"), ("connection", "refused"),
                       ("tls", "TLS"), ("silence", "within 1 seconds")):
        key = found[name]
        equal((key["verdict"], key["status"]), ("unreachable", 0), name)
        check(word.lower() in key["detail"].lower(), "reason of " + name,
              key["detail"])
    plain.close()


@promise("all are asked at once", daemon=True)
def at_once(w):
    together = threading.Barrier(6)

    def behave(call):
        together.wait(PATIENCE)     # none gets an answer before all have asked
        models("x")(call)
    ups = [w.upstream(behave) for _ in range(4)]
    text = "".join(provider("p%d" % i, up) for i, up in enumerate(ups))
    two = w.upstream(behave)
    text += ('provider "q" { base = "http://%s:%d/v1", keys = { a = env "KEY",'
             ' b = env "SECOND" } }\n' % (HOST, two.port))
    out, status = online(w, text + serve("p0/x"), env={
        "SECOND": "sk-second-0123456789abcdef"})
    equal(status, 0, "status: " + out)
    equal(out.count("works"), 6, "keys that work")
    check(out.index('q, key "a"') < out.index('q, key "b"'), "order", out)


@promise("one dead key of several fails the check, and is named", daemon=True)
def one_of_several(w):
    def behave(call):
        if call.headers["authorization"].endswith(KEY):
            models("x")(call)
        else:
            fails(401)(call)
    up = w.upstream(behave)
    out, status = online(
        w, 'provider "a" { base = "http://%s:%d/v1", keys = { main = env '
           '"KEY", old = env "OLD" } }\n%s' % (HOST, up.port, serve("a/x")),
        env={"OLD": "sk-old-0123456789abcdefgh"})
    equal(status, 1, "status")
    check('ok: a, key "main" (sk-...cdef): works' in out and
          'error: a, key "old" (sk-...efgh): refused (401)' in out, "said", out)


@promise("a configured model that is not in the list is a warning, with the "
         "nearest name", daemon=True)
def missing(w):
    up = w.upstream(models("gpt-4o-mini"))
    text = provider("a", up) + serve("a/gpt-4o-mni", "a/gpt-4o-mini")
    out, status = online(w, text)
    equal(status, 0, "status: " + out)
    check('warning: a (sk-...cdef): "gpt-4o-mni" is not among its models; did '
          'you mean "gpt-4o-mini"?' in out and "1 warning" in out, "said", out)
    equal(online(w, text, "--strict")[1], 1, "status with --strict")


@promise("without a list a completion of one token is asked for", daemon=True)
def no_list(w):
    up = w.upstream(fails(404), lambda c: c.reply(200, completion("x")))
    found, status = keys(w, provider("a", up) + serve("a/x"))
    equal((status, found["a"]["verdict"]), (0, "works"), "verdict")
    equal([c.line for c in up.calls], ["GET /v1/models HTTP/1.1",
                                       "POST /v1/chat/completions HTTP/1.1"],
          "calls")
    equal((up.calls[1].json["model"], up.calls[1].json.get(
        "max_completion_tokens", up.calls[1].json.get("max_tokens"))),
        ("x", 1), "what was asked")


@promise("each wire format is asked in its own way", daemon=True)
def formats(w):
    claude, gemini, cohere = (
        w.upstream(models("claude")),
        w.upstream(lambda c: c.reply(200, {"models": [
            {"name": "models/gemini-2.5-flash"}]})),
        w.upstream(lambda c: c.reply(200, {"id": "1", "message": {}})))
    found, status = keys(
        w, provider("c", claude, 'dialect = "anthropic", auth = "x-api-key"')
        + provider("g", gemini, 'dialect = "gemini", auth = "x-goog-api-key"')
        + provider("o", cohere, 'dialect = "cohere"')
        + serve("c/claude", "g/gemini-2.5-flash", "o/command"))
    equal((status, [k["missing"] for k in found.values()]), (0, [[]] * 3),
          "status and missing models")
    equal([u.calls[0].line for u in (claude, gemini, cohere)],
          ["GET /v1/models?limit=1000 HTTP/1.1",
           "GET /v1/models?pageSize=1000 HTTP/1.1", "POST /v1/chat HTTP/1.1"],
          "what was asked")
    equal((claude.calls[0].headers["x-api-key"],
           claude.calls[0].headers["anthropic-version"]),
          (KEY, "2023-06-01"), "headers for Claude")
    check(gemini.calls[0].headers["x-goog-api-key"] == KEY and
          KEY not in gemini.calls[0].line, "the key for Gemini", gemini.calls)


@promise("nobody is asked about a mock, or while the configuration is wrong",
         daemon=True)
def not_asked(w):
    up = w.upstream(models("x"))
    out, status = online(w, provider("a", up, 'mock = "always"') + serve("a/x"))
    check(status == 0 and "mocked" in out, "a mock", out)
    out, status = online(w, provider("a", up) + serve("b/x"))
    check(status == 1 and "works" not in out, "a wrong configuration", out)
    equal(len(up.calls), 0, "calls")


if __name__ == "__main__":
    main()
