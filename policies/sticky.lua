-- sticky: one conversation stays on one target (warm prompt caches), with a
-- guaranteed exit: when its target fails, cools down or is saturated, the
-- conversation moves along its own order and is pinned to where it was served.
-- Knobs: header = what names the conversation (without it: the client);
--   keep = seconds a pin lasts after the last request.
-- Usage: model "chat" { policy = "policies/sticky.lua", default_route = { "a/x", "b/y" } }
local leme = require "leme"

local knobs = leme.knobs {
  header = { default = "x-session-id", text = "names the conversation" },
  keep = { default = 3600, min = 1, text = "seconds" },
}

return leme.policy {
  name = "sticky",
  route = function(req)
    local key = req.headers[knobs.header] or req.client or req.id
    local order = leme.pick.order(leme.targets(req.model), "hash", key)
    local held = leme.shared.get("pin:" .. key)
    local keeps = leme.pick.filter(order, function(t) return t.name == held end)
    local others = leme.pick.without(order, keeps)

    local answer = req:try(table.move(others, 1, #others, #keeps + 1, keeps))
    if answer.ok and answer.target then
      leme.shared.set("pin:" .. key, answer.target.name, knobs.keep)
    end
    return answer
  end,

  test = function(world)
    local before = world:request { headers = { ["x-session-id"] = "a" } }.target
    assert(world:request { headers = { ["x-session-id"] = "a" } }.target == before)
  end,
}
