-- least_busy: the target of the model with the fewest requests in flight for its
-- weight; chance among equals; the next least busy when one fails.
-- Knobs: none.
-- Usage: model "chat" { policy = "policies/least_busy.lua", default_route = { "a/x", "b/y" } }
local leme = require "leme"

return leme.policy {
  name = "least_busy",
  route = leme.least_busy(function(req) return leme.targets(req.model) end),

  test = function(world)
    local list = leme.targets(world.model)
    for i = 2, #list do world:set(list[i].name, { inflight = 9 }) end
    assert(world:request().target == list[1].name)
  end,
}
