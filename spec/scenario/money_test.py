#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an answer costs, wherever it is told: access log, metrics, decision
record, policies. Sums are worked out by hand, in millionths of a dollar."""

import json
import subprocess

from lib import (HOST, chat, check, completion, delta, equal, main, promise,
                 request)

MICRO = 1e-6


def provider(name, up, more):
    return ('provider "%s" { base = "http://%s:%d/v1", key = "sk-upstream-%s"'
            ', %s }\n' % (name, HOST, up.port, name, more))


def model(target):
    return 'model "m" { "%s" }\n' % target


def with_policy(w, providers, body, *targets):
    """A server whose model "m" is decided by a route of ${body}."""
    listed = ", ".join('"%s"' % t for t in targets)
    return w.leme(providers + 'model "m" { policy = "p.lua", default_route = '
                  '{ %s } }\n' % listed,
                  {"p.lua": 'local leme = require "leme"\nreturn leme.policy {\n'
                   '  name = "p",\n  route = function(req)\n' + body +
                   "\n  end,\n}\n"})


def answers(usage, **more):
    """A whole answer, or a stream of one word, with this usage."""
    def behave(call):
        if not call.json.get("stream"):
            call.reply(200, {**completion("hi"), "usage": usage, **more})
            return
        call.begin()
        call.event("hi")
        call.event(delta("", "stop"))
        call.event({"id": "c1", "object": "chat.completion.chunk",
                    "choices": [], "usage": usage, **more})
        call.done(finish=None, usage=False)
    return behave


def near(got, millionths, what):
    check(got is not None and abs(got - millionths * MICRO) < 1e-10, what, got,
          "expected", millionths * MICRO)


def traced(server, answer, key):
    for entry in server.record(answer.id):
        if entry["kind"] == "trace" and entry["key"] == key:
            return json.loads(entry["value"])
    return None


CACHED = {"prompt_tokens": 3000, "completion_tokens": 400, "total_tokens": 3400,
          "prompt_tokens_details": {"cached_tokens": 2560},
          "completion_tokens_details": {"reasoning_tokens": 320}}


@promise("the cost of an answer is the same in log, metric and record, whole "
         "or streamed")
def everywhere(w):
    up = w.upstream(answers(CACHED))
    server = w.leme(provider("p", up, 'catalog = "openai"') + model("p/gpt-5"))
    for stream in (False, True):
        answer = server.chat(stream=stream)
        # (3000 - 2560) * 1.25 + 2560 * 0.125 + 400 * 10
        near(server.log_line(answer.id)["usd"], 4870, "log")
        end = [e for e in server.record(answer.id) if e["kind"] == "end"]
        near(end[0]["usd"], 4870, "record")
    found = server.metrics()
    near(found['leme_cost_usd_total{provider="p",model="gpt-5",client=""}'],
         2 * 4870, "metric")
    check(not any(k.startswith("leme_unpriced_requests_total") and v
                  for k, v in found.items()), "unpriced")


TELLS = '''
    local answer = req:try "%(target)s"
    leme.trace("tried", tostring(answer.cost))
    leme.trace("price", tostring(leme.target("%(target)s").price_in))
    leme.trace("date", tostring(leme.target("%(target)s").price_date))
    req:relay(answer)
    leme.trace("relayed", tostring(answer.cost))'''


@promise("an unknown price is unknown, never zero")
def unknown(w):
    up = w.upstream(answers(CACHED))
    server = with_policy(w, provider("p", up, 'catalog = "openai"'),
                         TELLS % {"target": "p/gpt-99"}, "p/gpt-99")
    answer = server.chat()
    check("usd" not in server.log_line(answer.id), "the log has a cost")
    for key in ("tried", "relayed", "price", "date"):
        equal(traced(server, answer, key), "nil", key)
    found = server.metrics()
    equal(found['leme_unpriced_requests_total{provider="p",model="gpt-99"}'], 1,
          "unpriced")
    check(not any(k.startswith("leme_cost_usd_total") and v
                  for k, v in found.items()), "a cost is counted")


@promise("a policy knows the cost of a whole answer before it is relayed, of a "
         "stream afterwards")
def in_policies(w):
    up = w.upstream(answers(CACHED))
    server = with_policy(w, provider("p", up, 'catalog = "openai"'),
                         TELLS % {"target": "p/gpt-5"}, "p/gpt-5")
    whole, stream = server.chat(), server.chat(stream=True)
    near(float(traced(server, whole, "tried")), 4870, "tried")
    near(float(traced(server, whole, "relayed")), 4870, "relayed")
    equal(traced(server, stream, "tried"), "nil", "before the end of a stream")
    near(float(traced(server, stream, "relayed")), 4870, "after a stream")
    equal(traced(server, whole, "price"), "1.25", "price")
    equal(traced(server, whole, "date"), "2026-09-23", "date")


@promise("the cheapest target is the one whose listed price for this prompt is")
def cheapest(w):
    a, b = w.upstream(answers(CACHED)), w.upstream(answers(CACHED))
    server = with_policy(
        w, provider("a", a, 'catalog = "openai"') +
        provider("b", b, 'catalog = "deepseek", price_factor = 0.5'), '''
    leme.trace("a", tostring(leme.target("a/gpt-4o"):cost(1000, 100)))
    leme.trace("b", tostring(leme.target("b/deepseek-chat"):cost(1000, 100)))
    return req:try(leme.cheapest { "a/gpt-4o", "b/deepseek-chat" })''',
        "a/gpt-4o", "b/deepseek-chat")
    answer = server.chat()
    equal((len(a.calls), len(b.calls)), (0, 1), "calls")
    # 1000 * 2.5 + 100 * 10, and half of 1000 * 0.14 + 100 * 0.28
    near(float(traced(server, answer, "a")), 3500, "cost of a")
    near(float(traced(server, answer, "b")), 84, "cost of b")


@promise("embeddings cost what their prompt does, however many there are")
def embeddings(w):
    usage = {"prompt_tokens": 1200, "total_tokens": 1200}
    up = w.upstream(lambda call: call.reply(200, {
        "object": "list", "model": "e", "usage": usage, "data": [
            {"object": "embedding", "index": i, "embedding": [0.5]}
            for i in range(3)]}))
    server = w.leme(provider("p", up, 'catalog = "openai"') +
                    model("p/text-embedding-3-large"))
    client = server.client()
    client.send(request("/v1/embeddings", json.dumps(
        {"model": "m", "input": ["a", "b", "c"]}).encode()))
    answer = client.response()
    client.close()
    near(server.log_line(answer.id)["usd"], 156, "log")     # 1200 * 0.13


@promise("an answer served at another tier has no list price, but has that of "
         "its block")
def tiers_of_service(w):
    up = w.upstream(answers(CACHED, service_tier="flex"))
    server = w.leme(provider("p", up, 'catalog = "openai"') + model("p/gpt-5") +
                    'target "p/mine" { price = { input = 1, output = 2 } }\n'
                    'model "n" { "p/mine" }\n')
    listed, own = server.chat(), server.chat("n")
    check("usd" not in server.log_line(listed.id), "a list price is told")
    near(server.log_line(own.id)["usd"], 3800, "log")   # 3000 * 1 + 400 * 2


# -- providers with a format of their own ------------------------------------------

ANTHROPIC = {"input_tokens": 12, "cache_read_input_tokens": 2000,
             "cache_creation_input_tokens": 700, "cache_creation": {
                 "ephemeral_5m_input_tokens": 400,
                 "ephemeral_1h_input_tokens": 300}}


def begins(call):
    call.begin()
    call.chunk(b"event: message_start\ndata: " + json.dumps(
        {"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "c",
            "content": [], "stop_reason": None,
            "usage": {**ANTHROPIC, "output_tokens": 1}}}).encode() + b"\n\n")
    for event in ({"type": "content_block_start", "index": 0,
                   "content_block": {"type": "text", "text": ""}},
                  {"type": "content_block_delta", "index": 0,
                   "delta": {"type": "text_delta", "text": "hi"}}):
        call.event(event)


def anthropic(call):
    if not call.json.get("stream"):
        call.reply(200, {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "c",
            "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn",
            "usage": {**ANTHROPIC, "output_tokens": 50}})
        return
    begins(call)
    for event in ({"type": "content_block_stop", "index": 0},
                  {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                   "usage": {"output_tokens": 50}},
                  {"type": "message_stop"}):
        call.event(event)
    call.send(b"0\r\n\r\n")


CLAUDE = 'dialect = "anthropic", catalog = "anthropic"'


@promise("Claude's caches are priced apart: read, kept for 5 minutes, kept for "
         "an hour")
def claude(w):
    up = w.upstream(anthropic)
    server = w.leme(provider("p", up, CLAUDE) + model("p/claude-sonnet-4-5"))
    for stream in (False, True):
        answer = server.chat(stream=stream)
        # 12 * 3 + 2000 * 0.3 + 400 * 3.75 + 300 * 6 + 50 * 15
        near(server.log_line(answer.id)["usd"], 4686, "stream %s" % stream)


@promise("a stream that breaks or is left costs what had been counted")
def cut(w):
    def breaks(call):
        begins(call)
        call.reset()

    def waits(call):
        begins(call)
        call.gone()

    up = w.upstream(breaks, waits)
    server = w.leme(provider("p", up, CLAUDE) + model("p/claude-sonnet-4-5"))
    answer = server.chat(stream=True)
    # 12 * 3 + 2000 * 0.3 + 400 * 3.75 + 300 * 6 + 1 * 15
    near(server.log_line(answer.id)["usd"], 3951, "a stream that breaks")
    client = server.client()
    client.send(chat(stream=True))
    client.until(b"hi")
    client.close()
    up.wait(2).finished.wait(5)
    line = json.loads(server.wait_line(r'"msg":"request".*caller_cancelled'))
    near(line["usd"], 3951, "a stream that was left")


@promise("a prompt of Gemini above 200,000 tokens is priced at its tier, sound "
         "at its own price")
def gemini(w):
    def behave(usage):
        return lambda call: call.reply(200, {
            "candidates": [{"index": 0, "finishReason": "STOP", "content": {
                "role": "model", "parts": [{"text": "hi"}]}}],
            "modelVersion": "g", "responseId": "r", "usageMetadata": usage})

    up = w.upstream(
        behave({"promptTokenCount": 250000, "candidatesTokenCount": 90,
                "thoughtsTokenCount": 10, "totalTokenCount": 250100,
                "cachedContentTokenCount": 50000}),
        behave({"promptTokenCount": 300, "candidatesTokenCount": 4,
                "totalTokenCount": 304, "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 100},
                    {"modality": "AUDIO", "tokenCount": 200}]}))
    server = w.leme(provider("p", up, 'dialect = "gemini", catalog = "google", '
                             'auth = "x-goog-api-key"') +
                    model("p/gemini-2.5-pro") +
                    'model "n" { "p/gemini-2.5-flash" }\n')
    # 200000 * 2.5 + 50000 * 0.25 + 100 * 15
    near(server.log_line(server.chat().id)["usd"], 514000, "long")
    # 100 * 0.3 + 200 * 1 + 4 * 2.5
    near(server.log_line(server.chat("n").id)["usd"], 240, "sound")


# -- the operator ------------------------------------------------------------------

@promise("a new price list is taken by a reload, a wrong one changes nothing")
def lists(w):
    up = w.upstream(answers(CACHED))
    server = w.leme(provider("p", up, 'catalog = "openai"') + model("p/house") +
                    'settings { catalog = "prices.lua" }\n',
                    {"prices.lua": 'price "p/house" { input = 1, output = 1 }\n'})
    near(server.log_line(server.chat().id)["usd"], 3400, "first")
    server.write("prices.lua", 'price "p/house" { input = 2, output = 2 }\n')
    equal(server.admin("POST", "/v1/reload").status, 200, "reload")
    near(server.log_line(server.chat().id)["usd"], 6800, "second")
    server.write("prices.lua", 'price "p/house" { inptu = 3 }\n')
    refused = server.admin("POST", "/v1/reload")
    check(b"prices.lua:1" in refused.body and b"inptu" in refused.body,
          "the reload says", refused.body)
    near(server.log_line(server.chat().id)["usd"], 6800, "after a wrong one")


@promise("leme check notes targets without a price and the days of the others; "
         "neither is a fault")
def notes(w):
    up = w.upstream()
    server = w.leme(provider("p", up, 'catalog = "openai"') +
                    'model "m" { "p/gpt-5", "p/gpt-99" }\n')
    done = subprocess.run([server.binary, "check", "--strict", server.config],
                          capture_output=True, text=True, env=server.env)
    equal(done.returncode, 0, "exit status")
    check('note: target "p/gpt-99": no price is known' in done.stdout and
          "note: the prices of 1 target are of 2026-09-23" in done.stdout and
          "0 errors, 0 warnings" in done.stdout, "notes", done.stdout)


if __name__ == "__main__":
    main()
