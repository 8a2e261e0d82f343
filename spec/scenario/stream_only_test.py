#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets that only stream, and targets that never do, for every client."""

import json

from lib import (HOST, USAGE, check, completion, delta, ends_with_one_error,
                 equal, fails, main, promise, request, says, streams)

ONLY = 'target "a/x" { stream = "only" }\n'
NEVER = 'target "a/x" { stream = "never" }\n'


def provider(name, up, **keys):
    more = "".join(", %s = %s" % (k, v) for k, v in keys.items())
    return 'provider "%s" { base = "http://%s:%d/v1", key = "sk-secret-123"%s }\n' \
        % (name, HOST, up.port, more)


def post(server, path, **body):
    client = server.client()
    client.send(request(path, json.dumps({"model": "m", **body}).encode()))
    answer = client.response()
    client.close()
    return answer


def note(server, answer):
    return [e["value"] for e in server.record(answer.id)
            if e["kind"] == "trace" and e["key"] == "stream"]


@promise("a client that wants one answer gets one from a target that only "
         "streams, with its usage")
def folded(w):
    up = w.upstream(says("Good morning to you"))
    server = w.leme(ONLY, a=up)
    answer = server.chat(n=1)
    equal(answer.headers["content-type"], "application/json", "type")
    equal(answer.json["object"], "chat.completion", "object")
    equal(answer.text, "Good morning to you", "text")
    equal(answer.json["choices"][0]["finish_reason"], "stop", "finish")
    equal(answer.json["usage"]["total_tokens"], USAGE["total_tokens"], "usage")
    sent = up.calls[0].json
    equal((sent["stream"], sent["stream_options"]),
          (True, {"include_usage": True}), "what was asked for")
    equal(server.log_line(answer.id)["tok"]["in"], USAGE["prompt_tokens"],
          "tokens in the log")
    equal(len(note(server, answer)), 1, "notes")
    server.chat(stream=True)
    equal(len(up.calls), 2, "calls")


@promise("calls of tools are put together from their pieces")
def folded_calls(w):
    def piece(**call):
        value = delta("")
        value["choices"][0]["delta"] = {"tool_calls": [{"index": 0, **call}]}
        return value

    up = w.upstream(streams(
        piece(id="c1", type="function",
              function={"name": "f", "arguments": '{"a"'}),
        piece(function={"arguments": ":1}"}),
        then=lambda c: c.done("tool_calls")))
    answer = w.leme(ONLY, a=up).chat()
    call = answer.json["choices"][0]["message"]["tool_calls"][0]
    equal((call["id"], call["function"]),
          ("c1", {"name": "f", "arguments": '{"a":1}'}), "the call")


@promise("a stream that breaks or says an error half way is a failed attempt: "
         "the next target answers")
def folded_failures(w):
    breaks = streams("half", then=lambda c: c.close())
    errs = streams("half", {"error": {"message": "overloaded",
                                      "type": "overloaded_error"}},
                   then=lambda c: c.done(None))
    up = w.upstream(breaks, errs, breaks)
    other = w.upstream(says("fine"), says("fine"), fails(500))
    server = w.leme('target "a/x" { stream = "only" }\n'
                    'model "m" { "a/x", "b/x" }', a=up, b=other)
    for error in ("provider_cut_stream", "provider_overloaded"):
        answer = server.chat()
        equal(answer.text, "fine", "text")
        tried = [e for e in server.record(answer.id) if e["kind"] == "attempt"]
        equal(tried[0]["error"], error, "error of the first")
    equal(server.chat().status, 502, "status when both fail")


@promise("what is put together stops at answer_max, and falls silent at idle")
def folded_ceilings(w):
    def much(call):
        call.begin()
        for _ in range(40):
            call.event("x" * 200)
        call.gone()

    def hangs(call):
        call.begin()
        call.event("x")
        call.gone()

    up = w.upstream(much, hangs)
    server = w.leme('settings { answer_max = 4096, idle_timeout = 0.3 }\n' + ONLY,
                    a=up)
    answer = server.chat()
    equal((answer.status, answer.error), (502, "provider_bad_response"), "much")
    check("answer_max" in answer.json["error"]["message"], "message", answer.body)
    answer = server.chat()
    equal(answer.error, "provider_timeout_idle", "silent")


@promise("a provider that answers at once although a stream was asked for is "
         "taken at its word")
def not_streamed(w):
    up = w.upstream(lambda c: c.reply(200, completion("whole")))
    equal(w.leme(ONLY, a=up).chat().text, "whole", "text")


@promise("a streaming client gets a stream from a target that never streams")
def unfolded(w):
    up = w.upstream(lambda c: c.reply(200, completion("All at once")))
    server = w.leme(NEVER, a=up)
    answer = server.chat(stream=True)
    equal(answer.headers["content-type"], "text/event-stream", "type")
    equal(answer.text, "All at once", "text")
    equal(answer.events[-1], "[DONE]", "end")
    finishes = [json.loads(e)["choices"][0]["finish_reason"]
                for e in answer.events[:-1]]
    equal([f for f in finishes if f], ["stop"], "finish reasons")
    check(not [e for e in answer.events if '"usage":{' in e], "usage unasked")
    sent = up.calls[0].json
    equal((sent["stream"], "stream_options" in sent), (False, False), "asked")
    equal(server.log_line(answer.id)["tok"]["out"], USAGE["completion_tokens"],
          "tokens in the log")
    answer = server.chat(stream=True, stream_options={"include_usage": True})
    last = json.loads(answer.events[-2])
    equal((last["choices"], last["usage"]["total_tokens"]),
          ([], USAGE["total_tokens"]), "usage")


@promise("errors of a target that never streams come before the stream")
def unfolded_errors(w):
    up = w.upstream(fails(500), lambda c: c.reply(200, {"choices": []}),
                    lambda c: c.reply(200, b"<html>"))
    server = w.leme(NEVER, a=up)
    for _ in range(3):
        answer = server.chat(stream=True)
        equal(answer.status, 502, "status")
        check(answer.json["error"]["message"], "no message")


@promise("both work in front of other formats, and for their clients")
def other_formats(w):
    def message(call):
        if call.json.get("stream"):
            call.begin()
            for event in (
                    {"type": "message_start", "message": {
                        "id": "m", "model": "c", "content": [],
                        "usage": {"input_tokens": 4, "output_tokens": 1}}},
                    {"type": "content_block_start", "index": 0,
                     "content_block": {"type": "text", "text": ""}},
                    {"type": "content_block_delta", "index": 0,
                     "delta": {"type": "text_delta", "text": "salut"}},
                    {"type": "content_block_stop", "index": 0},
                    {"type": "message_delta", "delta": {
                        "stop_reason": "end_turn"},
                     "usage": {"output_tokens": 2}},
                    {"type": "message_stop"}):
                call.event(event)
            call.send(b"0\r\n\r\n")
            return
        call.reply(200, {"type": "message", "id": "m", "model": "c",
                         "content": [{"type": "text", "text": "salut"}],
                         "stop_reason": "end_turn",
                         "usage": {"input_tokens": 4, "output_tokens": 2}})

    up = w.upstream(message)
    for mode, asked in (("only", True), ("never", None)):
        server = w.leme(provider("p", up, dialect='"anthropic"') +
                        'target "p/x" { stream = "%s" }\n' % mode +
                        'model "m" { "p/x" }\n')
        for stream in (False, True):
            equal(server.chat(stream=stream).text, "salut", "text")
            equal(up.calls[-1].json.get("stream"), asked, "asked")
            answer = post(server, "/v1/messages", stream=stream, max_tokens=9,
                          messages=[{"role": "user", "content": "hi"}])
            check(b'"salut"' in answer.body, "the client's format", answer.body)
            equal(b'"message_stop"' in answer.body, stream, "events")


@promise("a text completion is put together and taken apart, too")
def completions(w):
    def behave(call):
        if call.json.get("stream"):
            call.begin()
            for text, finish in (("on", None), ("ce", "stop")):
                call.event({"object": "text_completion", "model": "x",
                            "choices": [{"index": 0, "text": text,
                                         "finish_reason": finish}]})
            call.done(None)
        else:
            call.reply(200, {"object": "text_completion", "model": "x",
                             "choices": [{"index": 0, "text": "once",
                                          "finish_reason": "stop"}]})

    up = w.upstream(behave)
    answer = post(w.leme(ONLY, a=up), "/v1/completions", prompt="a")
    equal(answer.json["choices"][0]["text"], "once", "text")
    equal(up.calls[-1].line.split()[1], "/v1/completions", "path")
    answer = post(w.leme(NEVER, a=up), "/v1/completions", prompt="a",
                  stream=True)
    equal(json.loads(answer.events[0])["choices"][0]["text"], "once", "event")
    equal(answer.events[-1], "[DONE]", "end")


@promise("a model its vendor knows as streaming only is asked so without a "
         "setting; stream = \"both\" overrules")
def known(w):
    up = w.upstream(says("thought about it"))
    server = w.leme(provider("q", up, dialect='"qwen"') +
                    'model "m" { "q/qwq-plus" }\n')
    answer = server.chat()
    equal(answer.text, "thought about it", "text")
    sent = up.calls[0].json
    equal((sent["stream"], sent["stream_options"]),
          (True, {"include_usage": True}), "asked")
    server = w.leme(provider("q", up, dialect='"qwen"') +
                    'target "q/qwq-plus" { stream = "both" }\n'
                    'model "m" { "q/qwq-plus" }\n')
    equal(server.chat().text, "thought about it", "text")
    check(not up.calls[1].json.get("stream"), "asked for a stream")


@promise("a policy reads the text of an answer that was put together, or taken "
         "apart")
def read(w):
    files = {"p.lua": 'local leme = require "leme"\nreturn leme.policy { '
                      'name = "p", route = function(req) '
                      'local a = req:try("a/x") '
                      'leme.trace("text", a.text) return a end }\n'}
    uses = 'model "m" { policy = "p.lua", default_route = { "a/x" } }\n'
    up = w.upstream(says("well said"))
    for mode in (ONLY, NEVER):
        server = w.leme(mode + uses, files=files, a=up)
        for stream in (False, True):
            answer = server.chat(stream=stream)
            equal(answer.text, "well said", "text")
            said = [e["value"] for e in server.record(answer.id)
                    if e["kind"] == "trace" and e["key"] == "text"]
            check(said and said[0].startswith('"well'), "read", said, mode)


@promise("a stream that ends early behind a commit still ends with one error")
def still_streams(w):
    up = w.upstream(streams("half", then=lambda c: c.close()))
    ends_with_one_error(w.leme(ONLY, a=up).chat(stream=True), "half",
                        "provider_cut_stream")


if __name__ == "__main__":
    main()
