#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client's side of HTTP: connections, framing, limits, paths."""

import json
import threading

from lib import (chat, check, equal, fails, main, promise, request, says)

BODY = json.dumps({"model": "m", "messages": [
    {"role": "user", "content": "hi"}]}).encode()


@promise("a connection serves many requests, and so does the provider's")
def keep_alive(w):
    up = w.upstream()
    client = w.leme(a=up).client()
    for stream in (False, True) * 10:
        client.send(chat(stream=stream))
        answer = client.response()
        equal(answer.text, "hi", "text")
        check("connection" not in answer.headers, "connection header",
              answer.headers)
    # A stream's own end may still be on its way when the next call starts.
    check(up.connections <= 2, "connections upstream", up.connections)


@promise("connection: close and HTTP/1.0 end the connection behind the answer")
def closes(w):
    server = w.leme(a=w.upstream())
    for stream in (False, True):
        body = json.dumps({**json.loads(BODY), "stream": stream}).encode()
        client = server.client()
        client.send(request("/v1/chat/completions", body,
                            {"connection": "close"}))
        answer = client.response()
        equal(answer.headers.get("connection"), "close", "connection")
        equal(answer.text, "hi", "text")
        check(client.at_end(), "it stays open")
        client = server.client()
        client.send(request("/v1/chat/completions", body, version="1.0"))
        answer = client.response()
        equal(answer.text, "hi", "text with HTTP/1.0")
        check("transfer-encoding" not in answer.headers, "chunked in HTTP/1.0")
        check(client.at_end(), "HTTP/1.0 stays open")


@promise("pipelined requests are answered in order, streams and whole answers "
         "mixed")
def pipelining(w):
    first = threading.Event()

    def by_question(call):
        text = call.json["messages"][0]["content"]
        if text == "0":
            first.wait(10)
        says("answer " + text)(call)

    up = w.upstream(by_question)
    client = w.leme(a=up).client()
    n = 24
    data = b""
    for i in range(n):
        data += chat(stream=i % 3 == 1,
                     messages=[{"role": "user", "content": str(i)}])
        if i % 5 == 4:
            data += request("/v1/models", method="GET")
    client.send(data)
    up.wait()
    first.set()
    for i in range(n):
        answer = client.response()
        equal(answer.text, "answer %d" % i, "text of request %d" % i)
        if i % 5 == 4:
            equal(client.response().json["object"], "list", "models")


@promise("pipelined requests behind one that fails are still answered")
def pipelining_failure(w):
    up = w.upstream(fails(500), says("fine"))
    client = w.leme(a=up).client()
    client.send(chat() + b"" + chat())
    equal(client.response().status, 502, "status of the first")
    equal(client.response().text, "fine", "text of the second")


@promise("more pipelined bytes than are read ahead wait; nothing is lost")
def pipelining_much(w):
    gate = threading.Event()

    def behave(call):
        gate.wait(10)
        says("ok")(call)

    up = w.upstream(behave)
    server = w.leme(a=up)
    client = server.client()
    one = chat(messages=[{"role": "user", "content": "x" * 20000}])
    sender = threading.Thread(target=client.send, args=(one * 40,))
    sender.start()
    up.wait()
    gate.set()
    for _ in range(40):
        equal(client.response().text, "ok", "text")
    sender.join(5)


@promise("Expect: 100-continue is answered before the body is sent")
def expect(w):
    client = w.leme(a=w.upstream()).client()
    head = request("/v1/chat/completions", BODY,
                   {"expect": "100-continue"})[:-len(BODY)]
    for _ in range(2):
        client.send(head)
        status, _ = client.head()
        equal(status, 100, "interim status")
        client.send(BODY)
        equal(client.response().text, "hi", "text")


@promise("a refusal is not preceded by 100-continue")
def expect_refused(w):
    server = w.leme('client { name = "c", key = "sk-the-key-0" }',
                    a=w.upstream())
    client = server.client()
    client.send(request("/v1/chat/completions", BODY,
                        {"expect": "100-continue"})[:-len(BODY)])
    status, _ = client.head()
    equal(status, 401, "status")


@promise("an unknown expectation is ignored or refused, and the connection "
         "stays in step")
def expect_other(w):
    client = w.leme(a=w.upstream()).client()
    client.send(request("/v1/chat/completions", BODY, {"expect": "tea"}))
    answer = client.response()
    check(answer.status in (200, 417), "status", answer.status)
    if answer.headers.get("connection") != "close":
        client.send(chat())
        equal(client.response().status, 200, "status of the next")


@promise("a chunked body is taken whole, whatever its chunks")
def chunked(w):
    up = w.upstream()
    server = w.leme(a=up)
    for size in (1, 7, len(BODY)):
        client = server.client()
        head = request("/v1/chat/completions", BODY,
                       {"content-length": None,
                        "transfer-encoding": "chunked"})[:-len(BODY)]
        client.send(head)
        for at in range(0, len(BODY), size):
            piece = BODY[at:at + size]
            client.send(b"%x;e=1\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\nx-trailer: 1\r\n\r\n")
        equal(client.response().text, "hi", "text with chunks of %d" % size)
        sent = json.loads(up.calls[-1].body)
        equal(sent, {**json.loads(BODY), "model": "x"}, "forwarded")
        equal(int(up.calls[-1].headers["content-length"]),
              len(up.calls[-1].body), "length upstream")


@promise("a body above body_max is refused with 413, before it is sent")
def too_large(w):
    up = w.upstream()
    server = w.leme("settings { body_max = 4096 }", a=up)
    big = json.dumps({"model": "m", "x": "y" * 5000}).encode()
    client = server.client()
    client.send(request("/v1/chat/completions", big)[:-len(big)])
    answer = client.response()
    equal(answer.status, 413, "status")
    equal(answer.error, "caller_too_large", "error")
    check(client.at_end(), "the connection stays open")
    client = server.client()
    client.send(request("/v1/chat/completions", b"",
                        {"content-length": None,
                         "transfer-encoding": "chunked"}))
    client.send(b"2000\r\n" + b"x" * 4500)
    equal(client.response().status, 413, "status of a chunked one")
    exact = json.dumps({"model": "m", "messages": [], "x": ""}).encode()
    exact = exact.replace(b'"x": ""', b'"x": "' +
                          b"y" * (4096 - len(exact)) + b'"')
    equal(len(exact), 4096, "the size of the largest body")
    client = server.client()
    client.send(request("/v1/chat/completions", exact))
    equal(client.response().status, 200, "status at body_max")
    equal(len(up.calls), 1, "calls")


@promise("an encoded body is refused with 415")
def encoded(w):
    client = w.leme(a=w.upstream()).client()
    client.send(request("/v1/chat/completions", BODY,
                        {"content-encoding": "gzip"}))
    answer = client.response()
    equal(answer.status, 415, "status")
    equal(answer.error, "caller_invalid_request", "error")


@promise("unknown paths are 404, wrong methods 405 with allow, others 501; "
         "all with an error body")
def paths(w):
    server = w.leme(a=w.upstream())
    for path, method, status in (("/v1/nothing", "POST", 404),
                                 ("/", "GET", 404),
                                 ("/v1/chat/completions", "GET", 405),
                                 ("/v1/models", "POST", 405),
                                 ("/v1/chat/completions", "BREW", 501)):
        client = server.client()
        client.send(request(path, method=method))
        answer = client.response()
        equal(answer.status, status, "status of %s %s" % (method, path))
        check(answer.json["error"]["message"], "no message")
        if status == 405:
            check("POST" in answer.headers["allow"], "allow", answer.headers)


@promise("paths work with and without /v1")
def without_v1(w):
    up = w.upstream()
    server = w.leme(a=up)
    for path in ("/v1/chat/completions", "/chat/completions"):
        client = server.client()
        client.send(request(path, BODY))
        equal(client.response().status, 200, "status of " + path)
    for path in ("/v1/models", "/models", "/v1/models/m", "/models/m"):
        client = server.client()
        client.send(request(path, method="GET"))
        answer = client.response()
        equal(answer.status, 200, "status of " + path)
        check(b'"m"' in answer.body, "no model", answer.body)


@promise("completions and embeddings are routed like chat")
def other_operations(w):
    def behave(call):
        path = call.line.split()[1]
        if path.endswith("/embeddings"):
            call.reply(200, {"object": "list", "model": "x", "data": [
                {"object": "embedding", "index": 0, "embedding": [0.5]}],
                "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        else:
            call.reply(200, {"object": "text_completion", "choices": [
                {"text": "once", "index": 0, "finish_reason": "stop"}]})

    up = w.upstream(behave)
    server = w.leme(a=up)
    for path, body in (("/v1/completions", {"model": "m", "prompt": "a"}),
                       ("/v1/embeddings", {"model": "m", "input": "a"})):
        client = server.client()
        client.send(request(path, json.dumps(body).encode()))
        answer = client.response()
        equal(answer.status, 200, "status of " + path)
        equal(up.calls[-1].line.split()[1], path, "path upstream")


@promise("HEAD gets the head of the answer and nothing behind it")
def head_only(w):
    client = w.leme(a=w.upstream()).client()
    client.send(request("/v1/models", method="HEAD") +
                request("/livez", method="GET"))
    status, _ = client.head()
    equal(status, 200, "status")
    status, _ = client.head()
    equal(status, 200, "status of what follows")
    client.until(b"ok\n")


@promise("bytes that are no HTTP get one 400 and the end")
def nonsense(w):
    server = w.leme(a=w.upstream())
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                 b"hello\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n",
                 b"POST /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n"
                 b"content-length: 2\r\n\r\nab"):
        client = server.client()
        client.send(data)
        answer = client.response()
        check(answer.status in (400, 505), "status", answer.status)
        check(client.at_end(), "the connection stays open")
    equal(server.chat().status, 200, "status of the next client")


@promise("connections above max_connections wait or are refused; the others "
         "are served")
def max_connections(w):
    server = w.leme("settings { max_connections = 4 }", a=w.upstream())
    held = [server.client() for _ in range(4)]
    for client in held:
        client.send(chat())
        equal(client.response().status, 200, "status")
    extra = server.client()
    extra.send(chat())
    held[0].send(chat())
    equal(held[0].response().status, 200, "status of a held one")
    held[1].close()
    if extra.more():
        check(extra.response().status in (200, 503), "status of the fifth")


@promise("a reply names our own request id, or the caller's when it is sane")
def request_ids(w):
    server = w.leme(a=w.upstream())
    equal(server.chat(headers={"x-request-id": "mine-1"}).id, "mine-1", "id")
    for bad in ("a b", 'a"b', "x" * 200, ""):
        got = server.chat(headers={"x-request-id": bad}).id
        check(got.startswith("req_"), "id for %r" % bad, got)
    check(server.chat().id != server.chat().id, "ids repeat")


if __name__ == "__main__":
    main()
