-- fastest: two targets of the model drawn by chance, the better one by its recent
-- latency (peaks count at once, fade slowly) times its queue; failures count as
-- slowness. One stuck target among eleven costs less than 1 % of the requests.
-- Knobs: tau = seconds after which a measurement has lost two thirds of its weight.
-- Usage: model "chat" { policy = "policies/fastest.lua", default_route = { "a/x", "b/y" } }
local leme = require "leme"

local knobs = leme.knobs {
  tau = { default = 15, min = 1, max = 3600, text = "seconds" },
}

return leme.policy {
  name = "fastest",
  route = leme.fastest(function(req) return leme.targets(req.model) end, { tau = knobs.tau }),

  test = function(world)
    local list = leme.targets(world.model)
    for i = 1, #list do world:sample(list[i].name, "first_token", i == 1 and 0.1 or 5) end
    if #list == 2 then assert(world:request().target == list[1].name) end
  end,
}
