#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What was prepared for a provider goes with the generation it was part of."""

import threading

from lib import chat, check, equal, main, promise, says, within

TRY = '''local leme = require "leme"
return leme.policy {
  name = "p",
  route = function(req)
    local answer = req:try "a/x"
    if answer.ok then return answer end
    return req:try "b/x"
  end,
}
'''
CONFIG = '''model "m" { policy = "p.lua", default_route = { "a/x" } }
model "n" { "b/x" }
settings { workers = 1 }
'''


def key(n):
    return "sk-upstream-b-key-%02d" % n


@promise("a call of an old generation leaves nothing to later ones: a key that "
         "was replaced is not sent again", daemon=True)
def replaced_key(w):
    gate = threading.Event()

    def late(call):
        gate.wait(10)
        call.reply(500, {"error": {"message": "no"}})

    a, b = w.upstream(late), w.upstream(says("b"))
    # One arena: a generation gets the memory of one that went.
    server = w.leme(CONFIG, {"p.lua": TRY}, a=a, b=b,
                    env={"MALLOC_ARENA_MAX": "1"})
    text = server.files["leme.lua"]

    def reload(n):
        server.write("leme.lua", text.replace("sk-upstream-b-secret", key(n)))
        told = server.admin("POST", "/v1/reload")
        check(told.status // 100 == 2, "refused", told.body)

    def sends(n):
        equal(b.calls[-1].headers["authorization"], "Bearer " + key(n),
              "key sent")

    def alone():
        within(10, lambda: server.admin("GET", "/v1/status")
               .json["generations"] == 1, "the old generations are gone")

    for n in range(4):
        reload(n)
        alone()
    client = server.client()
    client.send(chat())
    a.wait(1)
    reload(4)
    gate.set()
    equal(client.response().text, "b", "text of the old generation")
    sends(3)
    alone()
    for n in range(5, 20):
        reload(n)
        equal(server.chat("n").text, "b", "text")
        sends(n)
        alone()


@promise("a reload while a request waits, then the provider closes: the request "
         "goes out again", daemon=True)
def closed_behind_a_reload(w):
    gate = threading.Event()

    def closing(call):
        gate.wait(10)
        call.close()

    b = w.upstream(says("first"), closing, says("again"))
    server = w.leme(CONFIG, {"p.lua": TRY}, a=w.upstream(), b=b)
    equal(server.chat("n").text, "first", "text")
    client = server.client()
    client.send(chat("n"))
    b.wait(2)
    server.write("p.lua", TRY + "-- changed\n")
    told = server.admin("POST", "/v1/reload")
    check(told.status // 100 == 2, "refused", told.body)
    gate.set()
    equal(client.response().text, "again", "text")


if __name__ == "__main__":
    main()
