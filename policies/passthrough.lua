-- passthrough: every request to the first target of its model, whatever its
-- state; the provider's answer, good or bad, is the client's. No fallback.
-- Knobs: none.
-- Usage: model "plain" { policy = "policies/passthrough.lua", default_route = { "openai/gpt-4o" } }
local leme = require "leme"

return leme.policy {
  name = "passthrough",
  route = function(req)
    return req:try(leme.targets(req.model)[1])
  end,

  test = function(world)
    assert(#world:request().attempts == 1)
  end,
}
