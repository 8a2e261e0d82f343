#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may call and how much: keys, places in flight, the list of models."""

import json
import threading

from lib import chat, check, equal, main, promise, request, says, within

KEYS = ('client { name = "web", key = "sk-web-key-0001" }\n'
        'client { name = "batch", key = "sk-batch-key-01", '
        "max_in_flight = 2 }\n")


@promise("a key is taken as bearer token, x-api-key and api-key")
def ways(w):
    up = w.upstream()
    server = w.leme(KEYS, a=up)
    for headers in ({"authorization": "Bearer sk-web-key-0001"},
                    {"Authorization": "bearer sk-web-key-0001"},
                    {"x-api-key": "sk-web-key-0001"},
                    {"api-key": "sk-web-key-0001"}):
        answer = server.chat(headers=headers)
        equal(answer.status, 200, "status with %r" % headers)
        equal(server.log_line(answer.id)["client"], "web", "client")


@promise("without a key, with a wrong one and with half of a right one the "
         "answer is the same 401, before any body is read")
def refused(w):
    up = w.upstream()
    server = w.leme(KEYS, a=up)
    seen = set()
    for headers in ({}, {"authorization": "Bearer nope"},
                    {"authorization": "Bearer sk-web-key-000"},
                    {"authorization": "Bearer sk-web-key-00011"},
                    {"authorization": "Basic c2s6"},
                    {"authorization": "Bearer"},
                    {"x-api-key": ""}, {"x-api-key": "x" * 600},
                    {"authorization": "Bearer sk-upstream-a-secret"}):
        client = server.client()
        client.send(chat(headers={**headers, "x-request-id": "same"})[:-4])
        answer = client.response()
        equal(answer.status, 401, "status with %r" % headers)
        equal(answer.headers.get("www-authenticate"), "Bearer", "challenge")
        seen.add((answer.body, tuple(sorted(
            (k, v) for k, v in answer.headers.items() if k != "date"))))
    equal(len(seen), 1, "different refusals")
    equal(json.loads(seen.pop()[0])["error"]["error_type"],
          "caller_unauthenticated", "error")
    equal(len(up.calls), 0, "calls")


@promise("the list of models needs a key too; health does not")
def open_paths(w):
    server = w.leme(KEYS, a=w.upstream())
    for path, status in (("/v1/models", 401), ("/v1/models/m", 401),
                         ("/livez", 200), ("/readyz", 200), ("/healthz", 200)):
        client = server.client()
        client.send(request(path, method="GET"))
        equal(client.response().status, status, "status of " + path)


@promise("without configured clients on loopback no key is needed, and one "
         "that is sent goes nowhere")
def no_clients(w):
    up = w.upstream()
    server = w.leme(a=up)
    equal(server.chat(headers={"authorization": "Bearer sk-mine-12345"}).status,
          200, "status")
    check(b"sk-mine-12345" not in up.calls[0].head, "the key is forwarded")
    equal(up.calls[0].headers["authorization"], "Bearer sk-upstream-a-secret",
          "authorization upstream")


@promise("the list of models is exactly the configured ones, in SDK form")
def models(w):
    server = w.leme('model "fast" { "a/x" }\nmodel "smart" { "a/y" }',
                    a=w.upstream())
    client = server.client()
    client.send(request("/v1/models", method="GET"))
    answer = client.response().json
    equal(answer["object"], "list", "object")
    equal([m["id"] for m in answer["data"]], ["fast", "smart"], "names")
    for model in answer["data"]:
        equal(model["object"], "model", "object")
        check(isinstance(model["created"], int), "created", model)
        check(isinstance(model["owned_by"], str), "owned_by", model)
    client.send(request("/v1/models/smart", method="GET"))
    equal(client.response().json["id"], "smart", "one model")
    client.send(request("/v1/models/none", method="GET"))
    answer = client.response()
    equal(answer.status, 404, "status of an unknown one")
    equal(answer.error, "caller_unknown_model", "error")


@promise("list_targets shows the targets beside the models")
def list_targets(w):
    server = w.leme('model "fast" { "a/x" }\n'
                    "settings { list_targets = true }", a=w.upstream())
    client = server.client()
    client.send(request("/v1/models", method="GET"))
    equal([m["id"] for m in client.response().json["data"]], ["fast", "a/x"],
          "names")


@promise("a model that is not configured is a 404 that says where to look")
def unknown_model(w):
    up = w.upstream()
    answer = w.leme(a=up).chat("gpt-9")
    equal(answer.status, 404, "status")
    equal(answer.json["error"]["code"], "model_not_found", "code")
    check("gpt-9" in answer.json["error"]["message"], "the name is not said")
    equal(len(up.calls), 0, "calls")


def held(gate):
    def behave(call):
        gate.wait(10)
        says("done")(call)
    return behave


@promise("max_in_flight refuses what is above it at once with 503 and "
         "retry-after, and frees each place")
def global_limit(w):
    gate = threading.Event()
    up = w.upstream(held(gate))
    server = w.leme("settings { max_in_flight = 3, workers = 2 }", a=up)
    for turn in range(1, 4):
        gate.clear()
        inside = [server.client() for _ in range(3)]
        for client in inside:
            client.send(chat())
        up.wait(3 * turn)
        refused_one = server.chat()
        equal(refused_one.status, 503, "status of the fourth")
        equal(refused_one.error, "gateway_shed", "error")
        check(int(refused_one.headers["retry-after"]) >= 1, "retry-after")
        gate.set()
        for client in inside:
            equal(client.response().status, 200, "status inside")


@promise("what is in flight is told by operation", daemon=True)
def in_flight_by_operation(w):
    gate = threading.Event()
    up = w.upstream(held(gate))
    server = w.leme("settings { workers = 2 }", a=up)
    inside = [server.client() for _ in range(3)]
    for client in inside[:2]:
        client.send(chat())
    inside[2].send(request("/v1/embeddings", b'{"model":"m","input":"x"}'))
    up.wait(3)

    def seen(op):
        return server.metrics()['leme_requests_in_flight{op="%s"}' % op]

    equal([seen(op) for op in ("chat", "embeddings", "messages")], [2, 1, 0],
          "in flight")
    gate.set()
    for client in inside:
        client.response()
    within(5, lambda: seen("chat") + seen("embeddings") == 0, "none is left")


@promise("a client's own max_in_flight refuses with 429 and leaves the others "
         "alone")
def client_limit(w):
    gate = threading.Event()
    up = w.upstream(held(gate))
    server = w.leme(KEYS, a=up)
    batch = {"x-api-key": "sk-batch-key-01"}
    inside = [server.client() for _ in range(2)]
    for client in inside:
        client.send(chat(headers=batch))
    up.wait(2)
    answer = server.chat(headers=batch)
    equal(answer.status, 429, "status of the third")
    equal(answer.error, "policy_rate_limited", "error")
    check("retry-after" in answer.headers, "no retry-after")
    other = server.client()
    other.send(chat(headers={"x-api-key": "sk-web-key-0001"}))
    up.wait(3)
    gate.set()
    for client in inside + [other]:
        equal(client.response().status, 200, "status inside")
    equal(server.chat(headers=batch).status, 200, "status afterwards")


@promise("a client that leaves frees its place")
def leaving_frees(w):
    up = w.upstream(lambda c: c.gone())
    server = w.leme("settings { max_in_flight = 1 }", a=up)
    for i in range(5):
        client = server.client()
        client.send(chat())
        call = up.wait(i + 1)
        client.close()
        check(call.finished.wait(5), "the provider is kept")
        server.wait_line('"error_type":"caller_cancelled"', i + 1)


@promise("a target's max_in_flight is passed over without a call, and counts "
         "down again")
def target_limit(w):
    gate = threading.Event()
    first, second = w.upstream(held(gate)), w.upstream(says("second"))
    server = w.leme('target "a/x" { max_in_flight = 1 }\n'
                    'model "m" { "a/x", "b/x" }', a=first, b=second)
    inside = server.client()
    inside.send(chat())
    first.wait()
    answer = server.chat()
    equal(answer.text, "second", "text")
    check("x-leme-attempts" not in answer.headers, "an attempt is counted")
    passed = [e for e in server.record(answer.id) if e["kind"] == "pass"]
    equal(passed[0]["target"], "a/x", "passed over")
    check("saturated" in passed[0]["reason"], "reason", passed)
    gate.set()
    equal(inside.response().text, "done", "text inside")
    equal(server.chat().text, "done", "text afterwards")


if __name__ == "__main__":
    main()
