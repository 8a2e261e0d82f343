#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Client and provider speak the same format: bytes pass, both ways."""

import json
import re

from lib import HOST, check, completion, delta, equal, main, promise, request

ASKED = (b'{ "model":"m",\t"max_tokens": 1.0e2,"system":[{"type":"text","text":'
         b'"S \\u00e9","cache_control":{"type":"ephemeral"}}],"messages":['
         b'{"role":"user","content":"caf\\u00e9"},'
         b'{"role":"assistant","content":[{"type":"thinking","thinking":"hm  ",'
         b'"signature":"c2ln\\/bmVk"},{"type":"tool_use","id":"t1",'
         b'"name":"f","input":{"b":1,"a":2.50}}]},'
         b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1",'
         b'"content":"ok"}]}],"tools":[{"name":"f","input_schema":{}}],'
         b'"unheard_of":{"x":[1 , 2]}%s }')

EVENTS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":'
    b'"msg_1","type":"message","role":"assistant","model":"claude","content":[],'
    b'"stop_reason":null,"usage":{"input_tokens":5,'
    b'"cache_read_input_tokens":20,"output_tokens":1}}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start",'
    b'"index":0,"content_block":{"type":"text","text":""}}\n\n',
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"h\\u00ef" }}\n\n',
    b'event: content_block_stop\ndata: {"type":"content_block_stop",'
    b'"index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":'
    b'"end_turn"},"usage":{"output_tokens":9}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"   }\n\n')

MESSAGE = (b'{"id":"msg_1","type":"message","role":"assistant","model":"claude",'
           b'"content":[ {"type":"text","text":"h\\u00ef"}],"stop_reason":'
           b'"end_turn","new_member":1.50,"usage":{"input_tokens":5,'
           b'"output_tokens":9}}')

RESPONSE = (b'{"id":"resp_1","object":"response","status":"completed",'
            b'"error":null,"model":"gpt","output":[{"type":"message","role":'
            b'"assistant","content":[{"type":"output_text","text":"hi"}]}],'
            b'"usage":{"input_tokens":7,"output_tokens":3,"total_tokens":10}}')


def streamed(*events, end=True):
    def behave(call):
        call.begin()
        for event in events:
            call.chunk(event)
        if end:
            call.send(b"0\r\n\r\n")
        else:
            call.close()
    return behave


def anthropic(name, up, more=""):
    return ('provider "%s" { base = "http://%s:%d/v1", key = "sk-ant-secret-1", '
            'dialect = "anthropic", auth = "x-api-key"%s }\n'
            'target "%s/x" {}\n' % (name, HOST, up.port, more, name))


def ask(server, body, path="/v1/messages", headers=None, status=200):
    client = server.client()
    client.send(request(path, body, headers))
    answer = client.response()
    client.close()
    if status:
        equal(answer.status, status, "status of %s" % answer.body)
    return answer


def policy(route):
    return {"p.lua": 'local leme = require "leme"\nreturn leme.policy { '
                     'name = "p", route = function(req) %s end }\n' % route}


USES = 'model "m" { policy = "p.lua", default_route = { "a/x" } }\n'


@promise("a messages client's bytes reach Anthropic but for the model, and the "
         "answer's bytes reach the client")
def untouched(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE), streamed(*EVENTS))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n')
    whole = ASKED % b""
    answer = ask(server, whole)
    equal(answer.body, MESSAGE, "the whole answer")
    call = up.calls[0]
    equal(call.body, whole.replace(b'"m"', b'"x"', 1), "what went upstream")
    equal(call.line.split()[1], "/v1/messages", "path")
    stream = ASKED % b',"stream":true'
    answer = ask(server, stream)
    equal(answer.body, b"".join(EVENTS), "the stream")
    equal(up.calls[1].body, stream.replace(b'"m"', b'"x"', 1), "upstream")
    line = server.log_line(answer.id)
    equal((line["tok"]["in"], line["tok"]["out"], line["tok"]["cache_read"],
           line["finish"]), (25, 9, 20, "stop"), "usage")


@promise("an id of another vendor's, which Anthropic refuses, is translated")
def foreign_id(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n')
    ask(server, (ASKED % b"").replace(b'"t1"', b'"functions.Bash:0"'))
    sent = up.calls[0].json["messages"]
    made = sent[1]["content"][-1]["id"]
    check(re.fullmatch("[a-zA-Z0-9_-]+", made), "id", made)
    equal(sent[2]["content"][0]["tool_use_id"], made, "of the result")


@promise("anthropic-beta and anthropic-version go to Anthropic, and to nobody "
         "else")
def headers(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE))
    other = w.upstream(lambda c: c.reply(200, completion("hi")))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n'
                    'model "n" { "b/x" }\n', b=other)
    sent = {"anthropic-beta": "one-2025,two-2026",
            "anthropic-version": "2024-01-01", "x-api-key": "mine"}
    ask(server, ASKED % b"", headers=sent)
    got = up.calls[0].headers
    equal(got.get("anthropic-beta"), "one-2025,two-2026", "beta")
    equal(got.get("anthropic-version"), "2024-01-01", "version")
    equal(got.get("x-api-key"), "sk-ant-secret-1", "key")
    ask(server, ASKED % b"")
    equal(up.calls[1].headers.get("anthropic-version"), "2023-06-01",
          "version without the client's")
    check("anthropic-beta" not in up.calls[1].headers, "beta from nowhere")
    ask(server, (ASKED % b"").replace(b'"m"', b'"n"', 1), headers=sent)
    check(not [k for k in other.calls[0].headers if k.startswith("anthropic")],
          "Anthropic's headers elsewhere", other.calls[0].headers)


@promise("a policy's edits are spliced into the client's own format")
def edits(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE))
    server = w.leme(anthropic("a", up) + USES, files=policy(
        'req:prepend_system("Be brief.") req.max_tokens = 50 '
        'req:append("user", "go on") '
        'return req:with({ stop = leme.array { "END" } }):try "a/x"'))
    answer = ask(server, ASKED % b"")
    equal(answer.body, MESSAGE, "answer")
    want = (ASKED % b"").replace(b'"m"', b'"x"', 1).replace(
        b"1.0e2", b"50").replace(
        b'"system":[', b'"system":[{"type":"text","text":"Be brief."},').replace(
        b'"content":"ok"}]}]',
        b'"content":"ok"}]},{"role":"user","content":"go on"}]').replace(
        b"2]} }", b'2]} ,"stop_sequences":["END"]}')
    got = up.calls[0].body
    equal(json.loads(got), json.loads(want), "what went upstream")
    for piece in (b"caf\\u00e9", b'"c2ln\\/bmVk"', b'{"b":1,"a":2.50}',
                  b'{"x":[1 , 2]}'):
        check(piece in got, "a piece was written anew", piece, got)


@promise("an edit that has no place in the client's format is translated, with "
         "a note in the record")
def translated(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE))
    server = w.leme(anthropic("a", up) + USES, files=policy(
        'req.messages[2].content = "changed" return req:try "a/x"'))
    answer = ask(server, ASKED % b"")
    equal(answer.json["content"], [{"type": "text", "text": "hï"}], "answer")
    sent = up.calls[0].json
    equal(sent["messages"][0]["content"], "changed", "the edit upstream")
    check([e for e in server.record(answer.id) if e["kind"] == "trace" and
           e["key"] == "native"], "no note")


@promise("a fallback to another format is translated, and back")
def falls_back(w):
    up = w.upstream(lambda c: c.reply(529, {"type": "error", "error": {
        "type": "overloaded_error", "message": "Overloaded"}}))
    other = w.upstream(lambda c: c.reply(200, completion("fine")))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x", "b/x" }\n', b=other)
    answer = ask(server, ASKED % b"")
    equal(answer.json["content"], [{"type": "text", "text": "fine"}], "answer")
    equal(answer.json["type"], "message", "shape")
    equal(other.calls[0].json["messages"][0]["role"], "system", "as a chat")
    tried = [e for e in server.record(answer.id) if e["kind"] == "attempt"]
    equal(tried[0]["error"], "provider_overloaded", "error of the first")


@promise("errors of a passed-through provider come in the client's shape")
def errors(w):
    up = w.upstream(
        lambda c: c.reply(400, {"type": "error", "error": {
            "type": "invalid_request_error", "message": "messages: no"}}),
        lambda c: c.reply(200, {"type": "message", "content": [],
                                "stop_reason": "refusal"}),
        streamed(*EVENTS[:4], b'event: error\ndata: {"type":"error","error":'
                 b'{"type":"overloaded_error","message":"Overloaded"}}\n\n'),
        streamed(*EVENTS[:4], end=False))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n')
    answer = ask(server, ASKED % b"", status=400)
    equal(answer.json["type"], "error", "shape")
    equal(answer.json["error"]["message"], "messages: no", "its words")
    answer = ask(server, ASKED % b"", status=None)
    equal(server.log_line(answer.id)["error_type"],
          "provider_content_filtered", "a refusal")
    for error in ("provider_overloaded", "provider_cut_stream"):
        answer = ask(server, ASKED % b',"stream":true')
        check(answer.body.startswith(b"".join(EVENTS[:4])), "what came before")
        rest = answer.body[len(b"".join(EVENTS[:4])):].decode()
        equal(rest.count("event: "), 1, "events behind it")
        said = json.loads(rest.split("data: ", 1)[1])
        equal(said["type"], "error", "the last event")
        equal(server.log_line(answer.id)["error_type"], error, "error type")


@promise("a stream that breaks before its first content is tried elsewhere")
def breaks_early(w):
    up = w.upstream(streamed(*EVENTS[:3], end=False))
    other = w.upstream(streamed(*EVENTS))
    server = w.leme(anthropic("a", up) + anthropic("b", other) +
                    'model "m" { "a/x", "b/x" }\n')
    answer = ask(server, ASKED % b',"stream":true')
    equal(answer.body, b"".join(EVENTS), "the stream")


@promise("a stream without message_stop is ended for its provider")
def unfinished(w):
    up = w.upstream(streamed(*EVENTS[:-1]))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n')
    answer = ask(server, ASKED % b',"stream":true')
    equal(answer.body, b"".join(EVENTS).replace(b"   }", b"}"), "the stream")


@promise("with early headers the stream begins once, by whoever answers")
def early(w):
    up = w.upstream(streamed(*EVENTS))
    other = w.upstream(lambda c: (c.begin(), c.event(delta("fine")), c.done()))
    server = w.leme(anthropic("a", up) +
                    'model "m" { "a/x", early_headers = 0.001 }\n'
                    'model "n" { "b/x", early_headers = 0.001 }\n', b=other)
    answer = ask(server, ASKED % b',"stream":true')
    equal(answer.body.replace(b": keep-alive\n\n", b""), b"".join(EVENTS),
          "the stream")
    answer = ask(server, (ASKED % b',"stream":true').replace(b'"m"', b'"n"', 1))
    equal(answer.body.count(b"event: message_start"), 1, "starts")


@promise("what only leme could have written is not sent to its vendor")
def ours(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE))
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n')
    unsigned = (ASKED % b"").replace(b"c2ln\\/bmVk", b"")
    ask(server, unsigned)
    check(b"thinking" not in up.calls[0].body, "an unsigned thought was sent",
          up.calls[0].body)


@promise("a long answer that is translated and comes all at once is relayed to "
         "its end, held whole, or read by a shadow")
def long_translated(w):
    # Once the provider had ended, nothing woke the translation of what was
    # still waiting behind the first 64 KiB.
    n = 2000
    body = b"".join(EVENTS[:3]) + EVENTS[3] * n + b"".join(EVENTS[4:])
    up = w.upstream(streamed(body))
    target = anthropic("a", up, ", native = {}")
    server = w.leme(target + 'model "m" { "a/x" }\n')
    equal(server.chat(stream=True).text, "hï" * n, "text")
    server = w.leme(target + USES, files=policy(
        'return req:try("a/x", { hold = "all" })'))
    equal(server.chat(stream=True).text, "hï" * n, "text that was held")
    other = w.upstream(streamed(*EVENTS))
    server = w.leme(target + anthropic("b", other) + USES, files=policy(
        'return req:try(leme.shadow("b/x", "a/x"))'))
    answer = server.chat(stream=True)
    equal(answer.text, "hï", "text beside a shadow")
    shadow = [e for e in server.record(answer.id) if e["kind"] == "attempt" and
              e["target"] == "a/x"]
    equal([(e["error"], e["detail"]) for e in shadow], [("", "")], "the shadow's end")


@promise("what nobody here has heard of passes to the vendor that may have; a "
         "policy's model says what is wrong with it")
def unheard_of(w):
    up = w.upstream(lambda c: c.reply(200, MESSAGE))
    files = policy('return req:try "a/x"')
    server = w.leme(anthropic("a", up) + 'model "m" { "a/x" }\n' +
                    USES.replace('"m"', '"p"'), files=files)
    body = (b'{"model":"%s","max_tokens":5,"messages":[{"role":"user","content":'
            b'[{"type":"of_tomorrow","x":1}]}]}')
    ask(server, body % b"m")
    equal(up.calls[0].body, body % b"x", "upstream")
    answer = ask(server, body % b"p", status=400)
    check("of_tomorrow" in answer.json["error"]["message"], "sentence",
          answer.body)


@promise("a policy that looks at every event, or reads the text, still does")
def looks(w):
    up = w.upstream(streamed(*EVENTS))
    server = w.leme(anthropic("a", up) + USES, files=policy(
        'local a = req:try("a/x", { hold = "all" }) '
        'leme.trace("text", a.text) return a'))
    answer = ask(server, ASKED % b',"stream":true')
    equal(answer.body, b"".join(EVENTS), "the stream")
    said = [e["value"] for e in server.record(answer.id)
            if e["kind"] == "trace" and e["key"] == "text"]
    equal(said, ['"hï"'], "the text")
    up = w.upstream(lambda c: c.reply(200, MESSAGE), streamed(*EVENTS))
    server = w.leme(anthropic("a", up) + USES, files=policy(
        'local a = req:try "a/x" leme.trace("seen", a.finish .. a.usage.total) '
        'return a'))
    answer = ask(server, ASKED % b"")
    equal([e["value"] for e in server.record(answer.id)
           if e["kind"] == "trace" and e["key"] == "seen"], ['"stop14"'],
          "finish and usage")
    server = w.leme(anthropic("a", up) + USES, files=policy(
        'return req:try(leme.filter("a/x", function(e) return e end))'))
    answer = ask(server, ASKED % b',"stream":true')
    check(b'"text":"h\xc3\xaf"' in answer.body, "the text", answer.body)


@promise("a responses client's bytes reach a provider that takes them; others "
         "get a translation")
def responses(w):
    up = w.upstream(lambda c: c.reply(200, RESPONSE))
    other = w.upstream(lambda c: c.reply(200, completion("hi")))
    base = 'provider "%s" { base = "http://' + HOST + \
        ':%d/v1", key = "sk-secret-123", native = { %s } }\n'
    server = w.leme(base % ("a", up.port, '"responses"') +
                    base % ("b", other.port, "") +
                    'model "m" { "a/x" }\nmodel "n" { "b/x" }\n')
    body = (b'{"model":"m", "input":[{"role":"user","content":"h\\u00e9"}],'
            b'"tools":[{"type":"web_search"}],"include":["x"]}')
    answer = ask(server, body, "/v1/responses")
    equal(answer.body, RESPONSE, "answer")
    equal(up.calls[0].body, body.replace(b'"m"', b'"x"', 1), "upstream")
    equal(up.calls[0].line.split()[1], "/v1/responses", "path")
    line = server.log_line(answer.id)
    equal((line["tok"]["in"], line["tok"]["out"]), (7, 3), "usage")
    answer = ask(server, body.replace(b'"m"', b'"n"', 1), "/v1/responses")
    equal(other.calls[0].line.split()[1], "/v1/chat/completions", "path")
    equal(answer.json["output"][0]["content"][0]["text"], "hi", "text")
    newer = b'{"model":"m", "input":[{"type":"dance","steps":1.50}]}'
    answer = ask(server, newer, "/v1/responses")
    equal(up.calls[1].body, newer.replace(b'"m"', b'"x"', 1), "what only it knows")
    equal(answer.body, RESPONSE, "answer")
    answer = ask(server, newer.replace(b'"m"', b'"n"', 1), "/v1/responses", status=400)
    check(b"input[0]: unknown item type" in answer.body, "words", answer.body)
    kept = b'{"model":"m","input":"x","previous_response_id":"resp_1"}'
    answer = ask(server, kept, "/v1/responses", status=400)
    check(b"are not kept here" in answer.body, "words", answer.body)
    equal((len(up.calls), len(other.calls)), (2, 1), "calls")


@promise("an end mark that lacks its blank line is relayed with it")
def unfinished_end(w):
    said = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'

    def behave(call):
        call.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                  b"connection: close\r\n\r\n" + said + b"data: [DONE]\n")
        call.close()

    answer = w.leme('model "m" { "a/x" }', a=w.upstream(behave)).chat(stream=True)
    equal(answer.events[-1], "[DONE]", "the last whole event")


TEXTS = b'{"object":"text_completion","choices":[{"index":0, "text":"old",' \
        b'"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":3,' \
        b'"completion_tokens":1,"total_tokens":4}}'


@promise("a text completion is one whatever vendor answers")
def completions(w):
    up = w.upstream(lambda c: c.reply(200, TEXTS), streamed(
        b"data: " + TEXTS + b"\n\n", b"data: [DONE]\n\n"))
    server = w.leme('provider "a" { base = "http://%s:%d/v1", key = "sk-secret-123", '
                    'dialect = "vllm" }\nmodel "m" { "a/x" }\n' % (HOST, up.port))
    answer = ask(server, b'{"model":"m","prompt":"p"}', "/v1/completions")
    equal(answer.body, TEXTS, "answer")
    equal(up.calls[0].line.split()[1], "/v1/completions", "path")
    answer = ask(server, b'{"model":"m","prompt":"p","stream":true}', "/v1/completions")
    equal(json.loads(answer.events[0])["choices"][0]["text"], "old", "event")
    equal(answer.events[-1], "[DONE]", "end")


@promise("an id and a user of more than a megabyte are read like short ones")
def megabyte(w):
    up = w.upstream(lambda c: c.reply(200, completion("hi")))
    other = w.upstream(lambda c: c.reply(200, MESSAGE))
    server = w.leme(anthropic("a", other) + 'model "m" { "a/x" }\nmodel "n" { "b/x" }\n', b=up)
    long = b"u" * 1100000
    ask(server, (ASKED % b"").replace(b'"t1"', b'"%s"' % long).replace(b'"m"', b'"n"', 1))
    ask(server, b'{"model":"m","user":"%s","messages":[{"role":"user","content":"x"}]}' % long,
        "/v1/chat/completions")
    equal((len(up.calls), len(other.calls)), (1, 1), "calls")


if __name__ == "__main__":
    main()
