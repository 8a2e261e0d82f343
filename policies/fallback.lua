-- fallback: the targets of the model in the order of the configuration; the next
-- one when one fails before its first token. Targets that are saturated, drained
-- or cooling down are passed over; one that says "too many requests" cools down.
-- Knobs: first_token = seconds to wait for the first token of each; cool = seconds
--   of rest after a 429 that names no time.
-- Usage: model "chat" { policy = "policies/fallback.lua", default_route = { "a/x", "b/y" } }
local leme = require "leme"

local knobs = leme.knobs {
  first_token = { default = 10, min = 0.1, text = "seconds" },
  cool = { default = 5, min = 0.1, max = 600, text = "seconds" },
}

local function mine(req) return leme.targets(req.model) end

return leme.policy {
  name = "fallback",
  route = leme.limit(leme.fallback(mine), { first_token = knobs.first_token }),

  attempted = function(target, answer)
    if answer.error == "provider_rate_limited" then
      target:cool(math.min(answer.retry_after or knobs.cool, 600), "rate limited")
    end
  end,

  test = function(world)
    local list = leme.targets(world.model)
    if #list < 2 then return end
    world:script(list[1].name, { error = "provider_overloaded", status = 503 })
    assert(world:request().target == list[2].name)
  end,
}
