#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is kept of a request: decision record, log line, metrics."""

import json
import re
import threading
import time

from lib import (Wrong, chat, check, equal, fails, main, promise, request,
                 says, silent, streams, within)

POLICY = '''
local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    leme.trace("dice", leme.random() < 2)
    leme.trace("question", #req.question)
    leme.trace("temperature", req.temperature)
    leme.trace("session", req.headers["x-session-id"])
    leme.trace("count", leme.shared.incr("n"))
    leme.trace("inflight", leme.target("b/x").inflight)
    req.max_tokens = 50
    leme.sleep(0.01)
    return req:with({ user = "u" }):try { "a/x", "b/x" }
  end,
}
'''
MODEL = 'model "m" { policy = "p.lua", default_route = { "a/x", "b/x" } }'


def no_duplicates(pairs):
    names = [k for k, _ in pairs]
    if len(set(names)) < len(names):
        raise Wrong("a name stands twice: %s" % names)
    return dict(pairs)


def of(entries, kind):
    return [e for e in entries if e["kind"] == kind]


@promise("a record holds all that the policy read and did, and what came of "
         "it")
def complete(w):
    a, b = w.upstream(fails(500)), w.upstream(says("fine"))
    server = w.leme(MODEL, {"p.lua": POLICY}, a=a, b=b)
    answer = server.chat(headers={"x-session-id": "s-1"}, temperature=0.25)
    entries = server.record(answer.id)
    begin, end = of(entries, "begin")[0], of(entries, "end")[0]
    equal((begin["id"], begin["op"], begin["model"], begin["policy"],
           begin["stream"]), (answer.id, "chat", "m", "p", False), "begin")
    check(begin["seed"] and begin["revision"] and begin["ts_us"] > 0,
          "begin", begin)
    equal(answer.headers["x-leme-policy"], "p@" + begin["revision"], "policy")
    steps = [e["event"] for e in of(entries, "step")]
    check(steps[:2] == ["begin", "timer"] and steps.count("answered") == 2,
          "steps", steps)
    reads = {e["path"].strip("/"): e["value"] for e in of(entries, "read")}
    for path, value in (("x-session-id", "s-1"), ("temperature", "0.25"),
                        ("question", "")):
        equal(reads.get(path), value, "recorded read of " + path)
    hosts = [e["name"] for e in entries if e["kind"] in ("host", "number")]
    check({"incr", "inflight", "state"} <= set(hosts), "host reads", hosts)
    equal(len(of(entries, "draw")), 1, "draws")
    equal([e["target"] for e in of(entries, "op") if e["name"] == "call"],
          ["a/x", "b/x"], "calls")
    edits = {e["path"].strip("/") for e in of(entries, "edit")}
    check({"max_tokens", "user", "model"} <= edits, "recorded edits", edits)
    attempts = of(entries, "attempt")
    equal([(e["target"], e["status"], e["error"]) for e in attempts],
          [("a/x", 500, "provider_server_error"), ("b/x", 200, "")],
          "attempts")
    for attempt in attempts:
        check(attempt["total_us"] >= attempt["head_us"] > 0, "times", attempt)
    traces = {e["key"]: json.loads(e["value"]) for e in of(entries, "trace")}
    equal(traces, {"dice": True, "question": 2, "temperature": 0.25,
                   "session": "s-1", "count": 1, "inflight": 0}, "traces")
    equal((end["code"], end["error"], end["end"], end["attempts"],
           end["target"], end["fallback"], end["finish"]),
          (200, "", "--", 2, "b/x", "provider_server_error", "stop"), "end")
    equal((end["in"], end["out"]), (7, 3), "tokens")


@promise("a record is JSON without duplicate keys, also with a fault in it")
def strict(w):
    text = POLICY.replace("leme.sleep(0.01)", 'error "on purpose"')
    server = w.leme(MODEL, {"p.lua": text}, a=w.upstream(), b=w.upstream())
    answer = server.chat()
    if server.dev:
        raw = server.wait_line(r'^\{"v":1,.*"id":"%s"' % answer.id)
    else:
        server.record(answer.id)
        raw = server.admin("GET", "/v1/requests/" + answer.id).body
    found = json.loads(raw, object_pairs_hook=no_duplicates)
    fault = of(found["entries"], "fault")
    equal(len(fault), 1, "faults")
    line = text[:text.index("on purpose")].count("\n") + 1
    check("p.lua:%d" % line in fault[0]["where"], "where", fault)
    check("on purpose" in fault[0]["message"], "message", fault)


@promise("no prompt and no answer stands in a record or a log line")
def no_content(w):
    up = w.upstream(says("ANSWER-TEXT and more"))
    server = w.leme(MODEL, {"p.lua": POLICY}, a=up, b=w.upstream())
    for stream in (False, True):
        answer = server.chat(stream=stream, messages=[
            {"role": "system", "content": "SYSTEM-TEXT"},
            {"role": "user", "content": "QUESTION-TEXT"}], user="USER-TEXT")
        record = json.dumps(server.record(answer.id))
        for text in ("ANSWER-TEXT", "SYSTEM-TEXT", "QUESTION-TEXT"):
            check(text not in record, "in the record: " + text)
            check(not server.said(text), "in the log: " + text)


FIELDS = {"ts", "level", "msg", "v", "id", "client", "op", "stream", "model",
          "target", "resp_model", "code", "error_type", "end", "attempts",
          "policy", "t", "tok", "bytes", "ip", "ua"}


@promise("each request has one log line with the same fields")
def log_line(w):
    up = w.upstream(says("hi"), fails(500), streams(
        "x", then=lambda c: c.close()))
    server = w.leme('model "m" { "a/x" }', a=up)
    ids = [server.chat(stream=s, headers={"user-agent": "mine/1.0"}).id
           for s in (False, False, True)]
    ids.append(server.chat("nothing").id)
    for request_id in ids:
        line = server.log_line(request_id)
        check(FIELDS <= set(line), "fields are missing",
              sorted(FIELDS - set(line)))
        equal(len(server.said('"msg":"request".*"id":"%s"' % request_id)), 1,
              "lines")
        equal((line["ip"], line["v"], line["msg"]), ("127.0.0.1", 1, "request"),
              "fields")
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                           line["ts"]), "time", line["ts"])
        check(line["t"]["total"] >= 0, "times", line)
    line = server.log_line(ids[0])
    equal((line["ua"], line["code"], line["end"], line["error_type"]),
          ("mine/1.0", 200, "--", ""), "a good one")


@promise("the line of a refused request says who asked for what")
def refused_line(w):
    server = w.leme('client { name = "web", key = "sk-web-key-0001" }',
                    a=w.upstream())
    known = {"authorization": "Bearer sk-web-key-0001", "user-agent": "mine/1.0"}
    for headers, status, client in (
            ({"user-agent": "mine/1.0"}, 401, ""),
            ({**known, "content-encoding": "gzip"}, 415, "web")):
        answer = server.chat(headers=headers)
        line = server.log_line(answer.id)
        equal((line["code"], line["client"], line["op"], line["ua"],
               line["policy"]), (status, client, "chat", "mine/1.0", ""), "line")
        equal(line["bytes"]["out"], len(answer.body), "bytes")
    client = server.client()
    client.send(b"NONSENSE\r\n\r\n")
    line = server.log_line(client.response().id)
    equal((line["code"], line["op"], line["ip"]), (400, "_other", "127.0.0.1"),
          "line of what is no request")


@promise("what a client puts into the log cannot break its line")
def log_injection(w):
    up = w.upstream(lambda c: c.reply(200, {
        "model": 'evil"}\n{"msg":"request"\x1b[31m', "choices": [
            {"message": {"content": "x"}, "finish_reason": 'sto"p\n'}]}))
    server = w.leme('model "m" { "a/x" }', a=up)
    answer = server.chat(headers={"user-agent": 'x" \\ {"msg":'},)
    line = server.log_line(answer.id)
    check("evil" in line["resp_model"], "model", line)
    with server.news:
        for text in server.lines:
            if '"msg"' in text:
                json.loads(text)


@promise("records can be found by model, target, error and client",
         daemon=True)
def search(w):
    a, b = w.upstream(fails(500)), w.upstream(says("ok"))
    server = w.leme('model "bad" { "a/x" }\nmodel "good" { "b/x" }', a=a, b=b)
    bad, good = server.chat("bad").id, server.chat("good").id
    server.record(bad)
    server.record(good)

    def ids(query):
        return server.admin("GET", "/v1/requests?" + query).body.decode()

    for query, there, not_there in (
            ("model=bad", bad, good), ("model=good", good, bad),
            ("target=b/x", good, bad),
            ("error_type=provider_server_error", bad, good)):
        found = ids(query)
        check(there in found, "not found by " + query, found)
        check(not_there not in found, "found by " + query, found)
    equal(server.admin("GET", "/v1/requests/nothing").status, 404, "unknown")


@promise("records can be found by when they began and how long they took, page "
         "by page", daemon=True)
def pages(w):
    server = w.leme("settings { workers = 1 }", a=w.upstream())
    made = [server.chat().id for _ in range(5)]
    server.record(made[-1])

    def found(query):
        answer = server.admin("GET", "/v1/requests?" + query)
        equal(answer.status, 200, "status of " + query)
        return [r["id"] for r in answer.json["requests"]], answer.json["next"]

    page, cursor = found("limit=2")
    equal((page, cursor), (made[:2:-1], made[3]), "first page")
    page, cursor = found("limit=2&cursor=" + cursor)
    equal((page, cursor), ([made[2], made[1]], made[1]), "second page")
    equal(found("limit=2&cursor=" + cursor), ([made[0]], None), "last page")
    equal(found("since=4000000000"), ([], None), "of the future")
    equal(len(found("since=%d.5&min_ms=0" % (time.time() - 60))[0]), 5, "of now")
    equal(found("min_ms=3600000"), ([], None), "of an hour")
    for query in ("since=yesterday", "min_ms=", "cursor=nobody"):
        equal(server.admin("GET", "/v1/requests?" + query).status, 400, query)


# -- metrics -------------------------------------------------------------------

def total(metrics, name, *having):
    return sum(v for k, v in metrics.items() if k.split("{")[0] == name and
               all(h in k for h in having))


@promise("at rest the books balance: accepted = answered + refused + gone, "
         "nothing in flight", daemon=True, alone=True)
def balance(w):
    turn = threading.Lock()
    state = {"n": 0}

    def mixed(call):
        with turn:
            state["n"] += 1
            n = state["n"]
        if n % 7 == 0:
            fails(500)(call)
        elif n % 7 == 1:
            call.close()
        elif n % 7 == 2 and call.json.get("stream"):
            streams("x", then=lambda c: c.close())(call)
        else:
            says("some words here")(call)

    a, b = w.upstream(mixed), w.upstream(mixed)
    slow = w.upstream(silent)
    server = w.leme('model "m" { "a/x", "b/x" }\nmodel "slow" { "c/x" }',
                    a=a, b=b, c=slow)
    sent = dict(answered=0, left=0, refused=0)
    for i in range(60):
        server.chat(stream=i % 2 == 0)
        sent["answered"] += 1
    for _ in range(5):
        equal(server.chat("nothing").status, 404, "status")
        sent["refused"] += 1
    for i in range(6):
        client = server.client()
        client.send(chat("slow"))
        slow.wait(i + 1)
        client.close()
        sent["left"] += 1
    client = server.client()
    client.send(request("/v1/chat/completions", b"no json"))
    equal(client.response().status, 400, "status")
    sent["refused"] += 1
    want = sum(sent.values())
    within(5, lambda: total(server.metrics(), "leme_requests_total") == want,
           "%d requests are counted" % want)
    found = server.metrics()
    equal(total(found, "leme_requests_total", 'error_type="caller_cancelled"'),
          sent["left"], "those that left")
    equal(total(found, "leme_requests_total", 'error_type="caller_')
          - sent["left"], sent["refused"], "refused")
    for name in found:
        if "in_flight" in name:
            equal(found[name], 0, name)
    attempts = total(found, "leme_upstream_attempts_total")
    equal(attempts, len(a.calls) + len(b.calls) + len(slow.calls), "attempts")
    equal(total(found, "leme_request_duration_seconds_count"), want
          - sent["refused"] + total(found, "leme_request_duration_seconds_count",
                                    'model="_other"'), "durations")
    status = server.admin("GET", "/v1/status").json
    equal(status["in_flight"], 0, "in flight by the status")
    equal(status["memory_used"], 0, "memory held for bodies")
    targets = server.admin("GET", "/v1/targets").body.decode()
    check('"in_flight":0' in targets and '"in_flight":1' not in targets,
          "targets", targets)


@promise("metrics are well-formed: one type for each name, labels from "
         "configuration only", daemon=True)
def well_formed(w):
    server = w.leme(a=w.upstream())
    for model in ("m", "made-up", 'x"}\n evil 1'):
        server.chat(model, headers={"user-agent": "label-1"})
    text = server.admin("GET", "/metrics").body.decode()
    check("made-up" not in text and "evil" not in text
          and "label-1" not in text, "a client's word is a label")
    types = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
    equal(len(types), len(set(n for n, _ in types)), "types for a name")
    known = dict(types)
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        check(re.fullmatch(r'[a-zA-Z_:][\w:]*(\{(\w+="(\\.|[^"\\])*",?)*\})? '
                           r"(-?[\d.e+-]+|\+Inf|NaN)", line), "a line", line)
        name = re.match(r"[\w:]+", line)[0]
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        check(name in known or base in known, "no type for " + name)


@promise("connections to a provider and the parts of our own time are counted",
         daemon=True)
def connections(w):
    server = w.leme("settings { workers = 1 }", a=w.upstream())
    for _ in range(3):
        server.chat()

    def counted(name, value):
        within(5, lambda: server.metrics().get(name) == value, name)

    counted('leme_upstream_connects_total{provider="a",reused="false"}', 1)
    counted('leme_upstream_connects_total{provider="a",reused="true"}', 2)
    counted('leme_upstream_connections{provider="a",state="idle"}', 1)
    counted('leme_upstream_connections{provider="a",state="active"}', 0)
    for part in ("parse", "policy", "relay"):
        counted('leme_overhead_part_seconds_count{part="%s"}' % part, 3)


@promise("histograms add up: buckets grow and end at the count", daemon=True)
def histograms(w):
    server = w.leme(a=w.upstream())
    for i in range(10):
        server.chat(stream=i % 2 == 0)
    within(5, lambda: total(server.metrics(), "leme_requests_total") == 10,
           "all are counted")
    found = server.metrics()
    for name in [k for k in found if re.search(r'_bucket\{.*le="\+Inf"', k)]:
        count = name.replace("_bucket{", "_count{")
        count = re.sub(r',?le="\+Inf"', "", count).replace("{}", "")
        equal(found[name], found[count], name)


@promise("without an admin key the admin side is not on TCP, and on a unix "
         "socket it answers", daemon=True)
def admin_paths(w):
    server = w.leme(a=w.upstream())
    for path in ("/livez", "/readyz", "/metrics", "/v1/info", "/v1/status",
                 "/v1/config", "/v1/policies", "/v1/requests", "/v1/targets"):
        answer = server.admin("GET", path)
        equal(answer.status, 200, "status of " + path)
        check("sk-upstream" not in answer.body.decode(), "a secret in " + path)


@promise("an operator drains a target and makes it ready again", daemon=True)
def operate(w):
    a, b = w.upstream(says("a")), w.upstream(says("b"))
    server = w.leme(a=a, b=b)
    equal(server.chat().text, "a", "text")
    for state, text in (("drain", "b"), ("ready", "a"), ("maint", "b"),
                        ("ready", "a")):
        answer = server.admin("POST", "/v1/targets/a/x",
                              json.dumps({"state": state}).encode())
        equal(answer.status // 100, 2, "status of " + state)
        equal(server.chat().text, text, "text with a/x in " + state)


if __name__ == "__main__":
    main()
