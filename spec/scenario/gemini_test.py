#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gemini's clients: paths, keys, the two kinds of streams, and lists of models
in the shape that each SDK expects."""

import json
import threading

from lib import check, equal, fails, main, promise, request, says

HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
KEYS = 'client { name = "web", key = "sk-web-key+0001" }'


def ask(server, verb="generateContent", body=None, model="m", headers=None,
        root="/v1beta", query=""):
    client = server.client()
    client.send(request("%s/models/%s:%s%s" % (root, model, verb, query),
                        json.dumps(HI if body is None else body).encode(),
                        headers))
    answer = client.response()
    client.close()
    return answer


def get(server, path, headers=None):
    client = server.client()
    client.send(request(path, headers=headers, method="GET"))
    answer = client.response()
    client.close()
    return answer


def events_of(answer):
    """The values of a stream of events."""
    blocks = answer.body.decode().split("\r\n\r\n")
    equal(blocks.pop(), "", "behind the last event")
    check(all(b.startswith("data: ") for b in blocks), "not an event", blocks)
    return [json.loads(b[6:]) for b in blocks]


def texts(responses):
    return "".join(p.get("text", "") for r in responses
                   for p in r["candidates"][0]["content"]["parts"])


def fault(answer):
    """Status, Google's word and our own of an error."""
    said = answer.json["error"]
    equal(said["code"], answer.status, "code and status")
    return (answer.status, said["status"],
            said["details"][0]["metadata"]["error_type"])


@promise("the model stands in the path, escaped or not, with colons or not, "
         "under /v1beta and /v1")
def names(w):
    up = w.upstream(says("hello"))
    server = w.leme('model "m" { "a/x" }\nmodel "a/b:8b" { "a/x" }', a=up)
    for model, root in (("m", "/v1beta"), ("m", "/v1"), ("a/b:8b", "/v1beta"),
                        ("a%2Fb%3A8b", "/v1")):
        answer = ask(server, model=model, root=root)
        equal(answer.status, 200, "status of " + model)
        equal(texts([answer.json]), "hello", "text of " + model)
    equal(ask(server).json["modelVersion"], "m", "modelVersion")
    equal(up.calls[0].json, {"model": "x", "messages": [
        {"role": "user", "content": "hi"}]}, "upstream")


@promise("a stream with alt=sse is events, one without is a JSON array")
def streams_of_both_kinds(w):
    server = w.leme(a=w.upstream(says("one two")))
    events = ask(server, "streamGenerateContent", query="?alt=sse")
    equal(events.headers["content-type"], "text/event-stream", "type")
    equal(texts(events_of(events)), "one two", "text")
    array = ask(server, "streamGenerateContent", query="?a=b&alt=json")
    equal(array.headers["content-type"], "application/json", "type")
    equal(texts(array.json), "one two", "text")
    equal(array.json[-1]["candidates"][0]["finishReason"], "STOP", "reason")


@promise("a stream that breaks ends with Google's error, in both kinds")
def broken(w):
    def breaks(call):
        call.begin()
        call.event("one")
        call.close()
    server = w.leme(a=w.upstream(breaks))
    events = ask(server, "streamGenerateContent", query="?alt=sse")
    last = events_of(events)[-1]["error"]
    equal(last["status"], "UNAVAILABLE", "status")
    equal(ask(server, "streamGenerateContent").json[-1]["error"]["code"],
          last["code"], "code")


@promise("while a model is silent an array stays one")
def keepalive(w):
    go = threading.Event()

    def slow(call):
        call.begin()
        call.event("one ")
        go.wait(10)
        call.event("two")
        call.done()
    server = w.leme("settings { keepalive_comment = 0.05 }",
                    a=w.upstream(slow))
    client = server.client()
    client.send(request("/v1beta/models/m:streamGenerateContent",
                        json.dumps(HI).encode()))
    client.until(b"\r\n1\r\n\n\r\n")
    go.set()
    equal(texts(client.response().json), "one two", "text")


@promise("a key is taken from x-goog-api-key and from the query, and stands in "
         "no log, no record and no call")
def keys(w):
    up = w.upstream(says("hello"))
    server = w.leme(KEYS, a=up)
    for headers, query in (({"x-goog-api-key": "sk-web-key+0001"}, ""),
                           ({}, "?key=sk-web-key%2B0001"),
                           ({}, "?x=1&key=sk-web-key%2b0001&y")):
        answer = ask(server, headers=headers, query=query)
        equal(answer.status, 200, "status with %r%s" % (headers, query))
        equal(server.log_line(answer.id)["client"], "web", "client")
        check("sk-web-key" not in json.dumps(server.record(answer.id)),
              "the key is in the record")
    for query in ("", "?key=", "?key=sk-web-key%2B000", "?xkey=sk-web-key+0001",
                  "?key=" + "x" * 600):
        equal(fault(ask(server, query=query)),
              (401, "UNAUTHENTICATED", "caller_unauthenticated"), query)
    check(not server.said("sk-web-key"), "the key is in the log")
    for call in up.calls:
        check(b"sk-web-key" not in call.head, "the key goes upstream")


@promise("the query is no place for a key of OpenAI's clients")
def no_query_key(w):
    server = w.leme(KEYS, a=w.upstream(says("x")))
    equal(get(server, "/v1/models?key=sk-web-key%2B0001").status, 401, "status")
    equal(get(server, "/v1beta/models?key=sk-web-key%2B0001").status, 200,
          "status of Gemini's")


@promise("errors have Google's shape, whoever finds them")
def errors(w):
    server = w.leme(a=w.upstream(fails(429)))
    equal(fault(ask(server, model="none")),
          (404, "NOT_FOUND", "caller_unknown_model"), "model")
    equal(fault(ask(server, "predict")),
          (404, "NOT_FOUND", "caller_invalid_request"), "verb")
    equal(fault(ask(server, body={"contents": 1})),
          (400, "INVALID_ARGUMENT", "caller_invalid_request"), "body")
    equal(fault(ask(server, "countTokens", body=[1])),
          (400, "INVALID_ARGUMENT", "caller_invalid_request"), "count")
    equal(fault(ask(server)),
          (429, "RESOURCE_EXHAUSTED", "provider_rate_limited"), "provider")
    equal(fault(get(server, "/v1beta/models/m:generateContent")),
          (405, "INVALID_ARGUMENT", "caller_invalid_request"), "method")
    equal(fault(get(server, "/v1beta/files")),
          (404, "NOT_FOUND", "caller_invalid_request"), "path")
    array = ask(server, "streamGenerateContent")
    equal(array.json[0]["error"]["code"], 429, "an array's error")


@promise("what only Google knows is left out for others, and the record says so")
def recorded(w):
    up = w.upstream(says("hello"))
    server = w.leme(a=up)
    answer = ask(server, body={**HI, "safetySettings": [{"category": "C"}],
                               "contents": HI["contents"] + [
        {"role": "model", "parts": [{"executableCode": {"code": "1"}},
                                    {"text": "so"}]},
        {"role": "user", "parts": [{"text": "and?"}]}]})
    equal(answer.status, 200, "status")
    check("safety" not in up.calls[0].body.decode(), "sent", up.calls[0].body)
    told = json.dumps(server.record(answer.id))
    for words in ("dropped safetySettings: only Google has it",
                  "no text and no calls go to Google only"):
        check(words in told, words, "not in", told)


@promise("a policy reads a chat and edits it, and its own words reach the "
         "client in Gemini's format")
def policies(w):
    up = w.upstream(says("hello"))
    server = w.leme('model "m" { policy = "p.lua", default_route = { "a/x" } }',
                    {"p.lua": '''
local leme = require "leme"
return leme.policy { name = "p", route = function(req)
  if req.question == "you?" then return leme.respond("I am " .. req.api) end
  req:prepend_system("be brief")
  req.temperature = 0.25
  return req:try "a/x"
end }'''}, a=up)
    equal(ask(server).status, 200, "status")
    equal(up.calls[0].json, {"model": "x", "temperature": 0.25, "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"}]}, "upstream")
    you = {"contents": [{"parts": [{"text": "you?"}]}]}
    equal(texts([ask(server, body=you).json]), "I am gemini", "whole")
    events = ask(server, "streamGenerateContent", you, query="?alt=sse")
    equal(texts(events_of(events)), "I am gemini", "events")
    array = ask(server, "streamGenerateContent", you)
    equal(array.headers["content-type"], "application/json", "type")
    equal(texts(array.json), "I am gemini", "array")


# -- Gemini's clients before Gemini -------------------------------------------

# Odd but valid, as nothing of ours would write it.
NATIVE = (b'{ "contents" : [ {"parts":[{"text":"caf\\u00e9 \\/"}],"role":"user"} '
          b'],\n"generationConfig":{"temperature":1.00, "x":1e2},"new_thing":[] }')
ANSWER = (b'{ "candidates": [ {"content": {"parts":[{"text":"he\\u006clo",'
          b'"thoughtSignature":"S/+="}],"role":"model"},"finishReason":"STOP",'
          b'"index": 0, "odd": 1.0} ],"modelVersion":"gemini-x","usageMetadata":'
          b'{"promptTokenCount":7,"candidatesTokenCount":2,"thoughtsTokenCount":3'
          b',"totalTokenCount":12,"cachedContentTokenCount":4}}')
PIECES = (b'data: {"candidates": [{"content": {"parts": [{"text": "one "}],"role":'
          b' "model"},"index":0}],"usageMetadata":{"promptTokenCount":7}}\r\n\r\n',
          b'data: ' + ANSWER + b"\r\n\r\n")


def google(w, *ups):
    """A leme before providers that speak Gemini's format."""
    text = "".join('provider "g%d" { base = "http://127.0.0.1:%d/v1beta", '
                   'key = "k-%d-secret", dialect = "gemini", '
                   'auth = "x-goog-api-key" }\n'
                   % (i, up.port, i) for i, up in enumerate(ups))
    names = ", ".join('"g%d/gemini x"' % i for i in range(len(ups)))
    return w.leme(text + 'model "m" { %s }' % names)


def native(server, body=NATIVE, verb="generateContent", query=""):
    client = server.client()
    client.send(request("/v1beta/models/m:%s%s" % (verb, query), body))
    answer = client.response()
    client.close()
    return answer


def pieces(*list_of):
    def behave(call):
        call.begin()
        for piece in list_of:
            call.chunk(piece)
        call.send(b"0\r\n\r\n")
    return behave


@promise("Gemini's own provider gets the client's bytes and gives its own back")
def same_bytes(w):
    up = w.upstream(lambda call: call.reply(200, ANSWER))
    server = google(w, up)
    answer = native(server)
    equal(answer.body, ANSWER, "answer")
    call = up.calls[0]
    equal(call.body, NATIVE, "body")
    equal(call.line.split()[1],
          "/v1beta/models/gemini%20x:generateContent", "path")
    equal(call.headers["x-goog-api-key"], "k-0-secret", "key")
    equal(server.log_line(answer.id)["tok"],
          {"in": 7, "out": 5, "cache_read": 4, "reasoning": 3}, "tokens")


@promise("Gemini's own stream passes byte for byte, and its counts are read")
def same_stream(w):
    up = w.upstream(pieces(*PIECES))
    server = google(w, up)
    answer = native(server, verb="streamGenerateContent", query="?alt=sse")
    equal(answer.body, b"".join(PIECES), "stream")
    equal(up.calls[0].body, NATIVE, "body")
    check(up.calls[0].line.split()[1].endswith(
        ":streamGenerateContent?alt=sse"), "path", up.calls[0].line)
    line = server.log_line(answer.id)
    equal((line["tok"]["in"], line["tok"]["out"]), (7, 5), "tokens")


@promise("a policy reads the text and the facts of an answer of Gemini's own")
def read_native(w):
    up = w.upstream(lambda call: call.reply(200, ANSWER))
    server = w.leme('provider "g" { base = "http://127.0.0.1:%d/v1beta", '
                    'key = "k-secret", dialect = "gemini" }\nmodel "m" { '
                    'policy = "p.lua", default_route = { "g/x" } }' % up.port,
                    {"p.lua": """
local leme = require "leme"
return leme.policy { name = "p", route = function(req)
  local answer = req:try "g/x"
  leme.trace("read", answer.text .. " " .. answer.finish)
  return answer
end }"""})
    answer = native(server)
    equal(answer.body, ANSWER, "answer")
    check("hello stop" in json.dumps(server.record(answer.id)), "what was read",
          server.record(answer.id))


@promise("what Gemini blocks, breaks or refuses is left for the next target")
def native_fallback(w):
    blocked = b'{"promptFeedback": {"blockReason": "SAFETY"}}'
    silent_end = b'{"candidates":[{"content":{},"finishReason":"SAFETY"}]}'
    busy = b'{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}'
    for first in (lambda c: c.reply(200, blocked),
                  lambda c: c.reply(200, silent_end),
                  lambda c: c.reply(503, busy)):
        well = w.upstream(lambda call: call.reply(200, ANSWER))
        answer = native(google(w, w.upstream(first), well))
        equal((answer.status, answer.body), (200, ANSWER), "second")
    for first in (pieces(b"data: " + blocked + b"\r\n\r\n"),
                  pieces(b"data: " + busy + b"\r\n\r\n"), pieces()):
        well = w.upstream(pieces(*PIECES))
        answer = native(google(w, w.upstream(first), well),
                        verb="streamGenerateContent", query="?alt=sse")
        equal(answer.body, b"".join(PIECES), "second stream")


@promise("Gemini's own stream that breaks ends with one error of Google's")
def native_broken(w):
    answer = native(google(w, w.upstream(pieces(PIECES[0]))),
                    verb="streamGenerateContent", query="?alt=sse")
    check(answer.body.startswith(PIECES[0]), "the first piece", answer.body)
    last = events_of(answer)[-1]["error"]
    equal((last["code"], last["status"]), (502, "UNAVAILABLE"), "error")


@promise("an array, an edit and a signature of ours are translated, and say the "
         "same")
def translated(w):
    up = w.upstream(lambda call: pieces(*PIECES)(call)
                    if "stream" in call.line else call.reply(200, ANSWER))
    array = native(google(w, up), verb="streamGenerateContent")
    equal(texts(array.json), "one hello", "array")
    signature = "bGVtZTEueyJyZWFzb25pbmciOiJobSJ9"
    body = json.dumps({"contents": HI["contents"] + [{"role": "model", "parts": [
        {"text": "so", "thoughtSignature": signature}]}, HI["contents"][0]]})
    answer = native(google(w, up), body.encode())
    equal(texts([answer.json]), "hello", "signed")
    check(signature.encode() not in up.calls[-1].body, "ours is sent to Google")
    server = w.leme('provider "g" { base = "http://127.0.0.1:%d/v1beta", '
                    'key = "k-secret", dialect = "gemini" }\nmodel "m" { '
                    'policy = "p.lua", default_route = { "g/x" } }' % up.port,
                    {"p.lua": """
local leme = require "leme"
return leme.policy { name = "p", route = function(req)
  req:prepend_system("be brief")
  req.temperature = 0.25
  return req:try "g/x"
end }"""})
    equal(texts([native(server).json]), "hello", "edited")
    sent = up.calls[-1].json
    equal(sent["systemInstruction"]["parts"], [{"text": "be brief"}], "system")
    equal(sent["generationConfig"]["temperature"], 0.25, "temperature")
    equal(sent["new_thing" if "new_thing" in sent else "newThing"], [], "new")


@promise("the list of models has the shape of the client's SDK")
def lists(w):
    server = w.leme('model "fast" { "a/x" }\nmodel "smart" { "a/x" }',
                    a=w.upstream(says("x")))
    for headers in ({}, {"authorization": "Bearer k"}, {"api-key": "k"},
                    {"authorization": "Bearer k", "x-api-key": "k"}):
        answer = get(server, "/v1/models", headers).json
        equal(answer["object"], "list", "OpenAI's with %r" % headers)
        equal([m["id"] for m in answer["data"]], ["fast", "smart"], "names")
    for headers in ({"anthropic-version": "2023-06-01"}, {"x-api-key": "k"},
                    {"anthropic-version": "2023-06-01",
                     "authorization": "Bearer k"}):
        answer = get(server, "/v1/models", headers).json
        equal({k: v for k, v in answer.items() if k != "data"},
              {"has_more": False, "first_id": "fast", "last_id": "smart"},
              "Anthropic's with %r" % headers)
        equal(answer["data"][1], {"type": "model", "id": "smart",
              "display_name": "smart", "created_at": "1970-01-01T00:00:00Z"},
              "model")
    for path, headers in (("/v1beta/models?pageSize=10", {}),
                          ("/v1/models", {"x-goog-api-key": "k"})):
        answer = get(server, path, headers).json
        equal([m["name"] for m in answer["models"]],
              ["models/fast", "models/smart"], "Gemini's")
        check("generateContent" in
              answer["models"][0]["supportedGenerationMethods"], "methods")


@promise("one model is shown in the same shapes, and one that is not is 404")
def shown(w):
    server = w.leme(a=w.upstream(says("x")))
    anthropic = {"anthropic-version": "2023-06-01"}
    equal(get(server, "/v1/models/m").json["object"], "model", "OpenAI's")
    equal(get(server, "/v1/models/m", anthropic).json["type"], "model",
          "Anthropic's")
    equal(get(server, "/v1beta/models/m").json["name"], "models/m", "Gemini's")
    equal(get(server, "/v1/models/no").error, "caller_unknown_model", "OpenAI's")
    answer = get(server, "/v1/models/no", anthropic)
    equal((answer.status, answer.json["error"]["type"]),
          (404, "not_found_error"), "Anthropic's")
    equal(fault(get(server, "/v1beta/models/no")),
          (404, "NOT_FOUND", "caller_unknown_model"), "Gemini's")


@promise("embeddings come one by one and in batches")
def embeddings(w):
    def embeds(call):
        call.reply(200, {"object": "list", "model": "x", "data": [
            {"object": "embedding", "index": i, "embedding": [i, 0.5]}
            for i in range(len(call.json["input"]))],
            "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    up = w.upstream(embeds)
    server = w.leme(a=up)
    one = ask(server, "embedContent", {"content": {"parts": [{"text": "a"}]},
                                       "outputDimensionality": 2})
    equal(one.json["embedding"], {"values": [0, 0.5]}, "one")
    content = {"content": {"parts": [{"text": "a"}]}}
    two = ask(server, "batchEmbedContents", {"requests": [content, content]})
    equal([e["values"] for e in two.json["embeddings"]], [[0, 0.5], [1, 0.5]],
          "two")
    equal(up.calls[0].json, {"model": "x", "input": ["a"], "dimensions": 2,
                             "encoding_format": "float"}, "upstream")
    equal(server.log_line(two.id)["op"], "gemini_embeddings", "op")


if __name__ == "__main__":
    main()
