#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streams of another format: what arrives is what was said, token by token."""

import json

from lib import check, equal, main, promise, request

CLAUDE = '''
listen { "127.0.0.1:0" }
provider "c" { base = "http://127.0.0.1:%d/v1", key = "sk-upstream-c-secret", dialect = "anthropic" }
target "c/x" {}
model "m" { "c/x" }
'''


GEMINI = CLAUDE.replace('"anthropic"', '"gemini"')

SAID = ('data: {"candidates":[{"content":{"role":"model","parts":[{"text":"on"}]}}],'
        '"responseId":"r","modelVersion":"g"}\r\n\r\n')

BARE = '{\n  "error": {\n    "code": 503,\n    "message": "gone",\n' \
       '    "status": "UNAVAILABLE"\n  }\n}\n'


def event(kind, **fields):
    return "event: %s\ndata: %s\n\n" % (kind, json.dumps({"type": kind, **fields},
                                                        separators=(",", ":"),
                                                        ensure_ascii=fields.get("ascii", False)))


def delta(index, kind, **fields):
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def block(index, first, deltas):
    return [event("content_block_start", index=index, content_block=first), *deltas,
            event("content_block_stop", index=index)]


def message(*blocks, reason="end_turn"):
    """The events of a message made of ${blocks}."""
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
             "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}
    return [event("message_start", message=start), *[e for b in blocks for e in b],
            event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 9}),
            event("message_stop")]


def plays(events, cut=None):
    """An upstream that sends ${events}, each by itself or all in pieces of ${cut}."""
    def behave(call):
        call.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                  b"transfer-encoding: chunked\r\n\r\n")
        data = "".join(events).encode()
        pieces = [e.encode() for e in events] if not cut else \
            [data[i:i + cut] for i in range(0, len(data), cut)]
        for piece in pieces:
            call.chunk(piece)
        call.send(b"0\r\n\r\n")
    return behave


def asked(w, events, cut=None):
    up = w.upstream(plays(events, cut))
    server = w.leme(CLAUDE % up.port)
    answer = server.chat(stream=True)
    equal(answer.status, 200, "status")
    return [json.loads(e) for e in answer.events if e != "[DONE]"], answer


def joined(chunks, name):
    return "".join(c["choices"][0]["delta"].get(name) or "" for c in chunks if c["choices"])


TEXTS = ["Hello", " world", "\n\n", '"quoted" \\ and /', "caf\u00e9 \u0e44\u0e17\u0e22", "\U0001f600",
         "text", "content_block_delta", "Hello", "", "}]}", "\t", "end"] + ["tok%d " % i
                                                                        for i in range(150)]


@promise("texts of Anthropic's deltas arrive in order and unchanged, however "
         "they are cut")
def texts(w):
    thoughts = ["hm ", "let me ", 'see: "x"']
    events = message(
        block(0, {"type": "thinking", "thinking": "", "signature": ""},
              [delta(0, "thinking_delta", thinking=t) for t in thoughts]
              + [delta(0, "signature_delta", signature="c2ln")]),
        block(1, {"type": "text", "text": ""}, [delta(1, "text_delta", text=t) for t in TEXTS]))
    for cut in (None, 11, 333, 4096):
        chunks, answer = asked(w, events, cut)
        equal(joined(chunks, "content"), "".join(TEXTS), "text")
        equal(joined(chunks, "reasoning_content"), "".join(thoughts), "thoughts")
        equal([c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1], "stop",
              "finish")
        equal(answer.events[-1], "[DONE]", "the end")
        signed = [b for c in chunks if c["choices"]
                  for b in c["choices"][0]["delta"].get("thinking_blocks", [])]
        equal([(b["thinking"], b["signature"]) for b in signed], [("".join(thoughts), "c2ln")],
              "the signed thought")


@promise("events that look alike in all but a text are not confused: another block, "
         "a call between, a citation")
def alike(w):
    cited = {"type": "web_search_result_location", "url": "https://a.example/", "title": "A",
             "cited_text": "x", "encrypted_index": "e"}
    events = message(
        block(0, {"type": "text", "text": ""}, [delta(0, "text_delta", text=t)
                                                for t in ("one ", "two ", "three ")]),
        block(1, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
              [delta(1, "input_json_delta", partial_json=p) for p in ('{"a"', ":1", "}")]),
        block(2, {"type": "text", "text": ""}, [delta(2, "text_delta", text=t)
                                                for t in ("four ", "five ")]
              + [delta(2, "citations_delta", citation=cited)]),
        reason="tool_use")
    for cut in (None, 1000000):
        told_apart(asked(w, events, cut)[0])


def told_apart(chunks):
    equal(joined(chunks, "content"), "one two three four five ", "text")
    calls = [t for c in chunks if c["choices"] for t in c["choices"][0]["delta"].get("tool_calls", [])]
    equal("".join(t["function"].get("arguments") or "" for t in calls), '{"a":1}', "arguments")
    marks = [a for c in chunks if c["choices"] for a in c["choices"][0]["delta"].get("annotations", [])]
    equal([(a["url_citation"]["start_index"], a["url_citation"]["end_index"]) for a in marks],
          [(14, 24)], "where the cited text stands")
    kept = [c["choices"][0]["delta"]["extra_content"] for c in chunks
            if c["choices"] and "extra_content" in c["choices"][0]["delta"]]
    check(kept, "the turn is not kept for its replay")
    equal([b.get("text") for b in kept[0]["anthropic"]["content"]],
          ["one two three ", None, "four five "], "blocks of the turn")


@promise("a delta whose JSON is broken ends the stream with one error, also behind "
         "a thousand good ones")
def broken(w):
    good = [delta(0, "text_delta", text="word%d " % i) for i in range(1000)]
    bad = good[0].replace('"word0 "', '"wo\\xrd"')
    events = message(block(0, {"type": "text", "text": ""}, good + [bad] + good[:3]))
    for cut in (None, 1000000):
        chunks, answer = asked(w, events, cut)
        equal(len(answer.stream_errors), 1, "errors")
        equal(joined([c for c in chunks if "choices" in c], "content"),
              "".join("word%d " % i for i in range(1000)), "text before it")


@promise("a prompt of 6 MB is translated whole: the limit of a policy's step is not "
         "for dialects")
def large(w):
    up = w.upstream(plays(message(block(0, {"type": "text", "text": ""},
                                        [delta(0, "text_delta", text="fine")]))))
    server = w.leme(CLAUDE % up.port)
    content = "".join("%07d " % i for i in range(750000))
    answer = server.chat(stream=True, messages=[{"role": "user", "content": content}])
    equal(answer.text, "fine", "text")
    sent = up.calls[0].json["messages"][0]["content"]
    text = sent if isinstance(sent, str) else "".join(b["text"] for b in sent)
    check(text == content, "the prompt changed on its way")


SAYS = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [{"type": "text", "text": "once"}], "stop_reason": "max_tokens",
        "usage": {"input_tokens": 7, "output_tokens": 1}}


def completes(server, **fields):
    client = server.client()
    client.send(request("/v1/completions", json.dumps({"model": "m", **fields}).encode()))
    answer = client.response()
    client.close()
    return answer


@promise("a text completion is made by chatting where the provider only does that")
def text_completion(w):
    said = message(block(0, {"type": "text", "text": ""},
                         [delta(0, "text_delta", text="on"), delta(0, "text_delta", text="ce")]),
                   reason="max_tokens")
    up = w.upstream(lambda c: c.reply(200, SAYS), plays(said))
    server = w.leme(CLAUDE % up.port)
    answer = completes(server, prompt="tell", max_tokens=5)
    equal(up.calls[0].json["messages"], [{"role": "user", "content": "tell"}], "asked")
    equal(answer.json["object"], "text_completion", "object")
    equal(answer.json["choices"], [{"index": 0, "text": "once", "finish_reason": "length",
                                    "logprobs": None}], "choices")
    equal(answer.json["usage"]["total_tokens"], 8, "usage")
    answer = completes(server, prompt=["tell"], max_tokens=5, stream=True)
    events = [json.loads(e) for e in answer.events[:-1]]
    equal({e["object"] for e in events}, {"text_completion"}, "objects")
    equal([e["choices"][0]["text"] for e in events], ["on", "ce", ""], "texts")
    equal((events[-1]["choices"][0]["finish_reason"], answer.events[-1]), ("length", "[DONE]"),
          "end")
    refused = completes(server, prompt=["a", "b"])
    equal(refused.status, 400, "status of two prompts")
    check("one text at a time" in refused.json["error"]["message"], "words", refused.json)
    equal(len(up.calls), 2, "calls")


@promise("a text completion is folded and unfolded, too, where the provider chats")
def text_folded(w):
    up = w.upstream(lambda c: plays(message(block(0, {"type": "text", "text": ""}, [
        delta(0, "text_delta", text="once")])))(c) if c.json.get("stream")
        else c.reply(200, SAYS))
    for setting, stream in (("only", False), ("never", True)):
        server = w.leme((CLAUDE % up.port).replace(
            'target "c/x" {}', 'target "c/x" { stream = "%s" }' % setting))
        answer = completes(server, prompt="tell", max_tokens=5, stream=stream)
        said = json.loads(answer.events[0]) if stream else answer.json
        equal((said["object"], said["choices"][0]["text"]), ("text_completion", "once"), setting)


@promise("Google's error that breaks off a stream without being an event is an error")
def bare(w):
    for events, cut in (([SAID, BARE], None), ([SAID, BARE], 1), ([SAID + BARE], None),
                        ([SAID, BARE + "\r\n\r\n"], 3)):
        answer = w.leme(GEMINI % w.upstream(plays(events, cut)).port).chat(stream=True)
        equal(answer.text, "on", "text")
        equal(len(answer.stream_errors), 1, "errors")
        equal(answer.events[-1], "[DONE]", "end")
        check("gone" in answer.events[-2], "words", answer.events[-2])
    answer = w.leme(GEMINI % w.upstream(plays([BARE])).port).chat(stream=True)
    equal((answer.status, answer.json["error"]["code"]), (503, "provider_overloaded"),
          "an error in front of everything")


if __name__ == "__main__":
    main()
