#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tools that a provider runs itself, on targets of other vendors."""

import json

from lib import HOST, check, completion, equal, main, promise, request

GEMINI = {"candidates": [{"content": {"role": "model", "parts": [
    {"text": "hi"}]}, "finishReason": "STOP"}]}
MESSAGE = {"type": "message", "content": [{"type": "text", "text": "hi"}],
           "stop_reason": "end_turn"}
FUNCTION = {"name": "look", "input_schema": {"type": "object",
                                             "properties": {}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
BASH = {"type": "bash_20250124", "name": "bash"}
COMPUTER = {"type": "computer_20250124", "name": "computer",
            "display_width_px": 100, "display_height_px": 100}


def served(w, dialect, answer, target=""):
    up = w.upstream(lambda c: c.reply(200, answer))
    server = w.leme('provider "p" { base = "http://%s:%d/v1", key = '
                    '"sk-secret-123", dialect = "%s" }\n'
                    'target "p/x" { %s }\nmodel "m" { "p/x" }\n'
                    % (HOST, up.port, dialect, target))
    return up, server


def ask(server, path, **body):
    client = server.client()
    client.send(request(path, json.dumps({"model": "m", **body}).encode()))
    answer = client.response()
    client.close()
    return answer


def messages(server, tools, **more):
    return ask(server, "/v1/messages", max_tokens=100, tools=tools,
               messages=[{"role": "user", "content": "hi"}], **more)


def notes(server, answer):
    return "\n".join(e["value"] for e in server.record(answer.id)
                     if e["kind"] == "trace")


@promise("Anthropic's tools on another vendor's target become the nearest thing "
         "or are left out, and the record says so")
def mapped(w):
    up, server = served(w, "deepseek", completion("hi"))
    answer = messages(server, [FUNCTION, SEARCH, BASH, COMPUTER])
    equal(answer.status, 200, "status")
    tools = up.calls[0].json["tools"]
    equal([t["function"]["name"] for t in tools], ["look", "bash"], "tools")
    check("command" in tools[1]["function"]["parameters"]["properties"],
          "the arguments of bash", tools[1])
    said = notes(server, answer)
    for piece in ("dropped tool web_search_20250305",
                  "mapped tool bash_20250124: a function",
                  "dropped tool computer_20250124"):
        check(piece in said, "no note of " + piece, said)


@promise("unsupported = \"drop\" leaves them out, \"refuse\" answers 400")
def modes(w):
    up, server = served(w, "deepseek", completion("hi"), 'unsupported = "drop"')
    answer = messages(server, [SEARCH, BASH])
    equal(answer.status, 200, "status")
    check("tools" not in up.calls[0].json, "tools", up.calls[0].body)
    check("dropped tool bash" in notes(server, answer), "note")
    up, server = served(w, "deepseek", completion("hi"),
                        'unsupported = "refuse"')
    answer = messages(server, [SEARCH])
    equal((answer.status, answer.json["type"]), (400, "error"), "answer")
    check("web_search" in answer.json["error"]["message"], "sentence",
          answer.body)
    equal(len(up.calls), 0, "calls")


@promise("a search is a search in front of Gemini and of Claude")
def searches(w):
    up, server = served(w, "gemini", GEMINI)
    equal(messages(server, [SEARCH]).status, 200, "status")
    equal(up.calls[0].json["tools"], [{"googleSearch": {}}], "Gemini's")
    up, server = served(w, "anthropic", MESSAGE)
    answer = ask(server, "/v1/responses", input="hi",
                 tools=[{"type": "web_search"}])
    equal(answer.status, 200, "status")
    equal(up.calls[0].json["tools"],
          [{"type": "web_search_20250305", "name": "web_search"}], "Claude's")
    answer = server.chat(tools=[{"googleSearch": {}}])
    equal(answer.text, "hi", "text")
    equal(up.calls[1].json["tools"][0]["name"], "web_search", "from Gemini's")


@promise("a choice of a tool that was left out goes with it")
def choices(w):
    up, server = served(w, "deepseek", completion("hi"))
    answer = messages(server, [FUNCTION, COMPUTER],
                      tool_choice={"type": "tool", "name": "computer"})
    equal(answer.status, 200, "status")
    check("tool_choice" not in up.calls[0].json, "choice", up.calls[0].body)
    answer = ask(server, "/v1/responses", input="hi", tool_choice={"type": "mcp"},
                 tools=[{"type": "mcp", "server_label": "s"},
                        {"type": "function", "name": "f", "parameters": {}}])
    equal(answer.status, 200, "status")
    sent = up.calls[1].json
    equal(([t["function"]["name"] for t in sent["tools"]],
           "tool_choice" in sent), (["f"], False), "sent")
    check("dropped tool mcp" in notes(server, answer), "note")


@promise("a vendor's own tools reach it as they are")
def own(w):
    up, server = served(w, "anthropic", MESSAGE)
    server.chat(tools=[BASH, SEARCH])
    equal(up.calls[0].json["tools"], [BASH, SEARCH], "Anthropic's")
    up, server = served(w, "gemini", GEMINI)
    server.chat(tools=[{"codeExecution": {}}])
    equal(up.calls[0].json["tools"], [{"codeExecution": {}}], "Google's")
    up, server = served(w, "zai", completion("hi"))
    tool = {"type": "web_search", "web_search": {"enable": True}}
    server.chat(tools=[tool])
    equal(up.calls[0].json["tools"], [tool], "of a vendor that has its own")


@promise("what a surface has no word for is in the record")
def surface_notes(w):
    up, server = served(w, "deepseek", completion("hi"))
    answer = ask(server, "/v1/responses", input="hi", unheard_of=1)
    equal(up.calls[0].json["messages"][0]["content"], "hi", "sent")
    check("unheard_of" in notes(server, answer), "note", notes(server, answer))


if __name__ == "__main__":
    main()
