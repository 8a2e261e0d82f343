-- by_model: the client's word for a model chooses the target. A name that is a
-- target ("openai/gpt-4o") or ends one ("gpt-4o") goes there; any other name goes
-- along the model's own list.
-- Knobs: strict = true refuses other names instead.
-- Usage: model "any" { policy = "policies/by_model.lua", default_route = { "openai/gpt-4o" } }
local leme = require "leme"

local knobs = leme.knobs {
  strict = { default = false, text = "refuse a model that no target has" },
}

return leme.policy {
  name = "by_model",
  route = function(req)
    local named = leme.pick.filter(leme.targets(), function(t)
      return t.name == req.model or t.model == req.model
    end)
    if #named > 0 then return req:try(named) end
    if knobs.strict then return leme.reject(404, "no target has the model " .. req.model) end
    return req:try(leme.targets(req.model))
  end,

  test = function(world)
    local first = leme.targets()[1]
    assert(world:request { model = first.name }.target == first.name)
  end,
}
