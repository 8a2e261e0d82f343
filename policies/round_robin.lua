-- round_robin: the targets of the model in turn, all workers together; the next
-- one when one fails.
-- Knobs: none.
-- Usage: model "chat" { policy = "policies/round_robin.lua", default_route = { "a/x", "b/y" } }
local leme = require "leme"

return leme.policy {
  name = "round_robin",
  route = leme.round_robin(function(req) return leme.targets(req.model) end),

  test = function(world)
    local seen, list = {}, leme.targets(world.model)
    for _ = 1, #list do seen[world:request().target] = true end
    for _, target in ipairs(list) do assert(seen[target.name], target.name .. " had no turn") end
  end,
}
