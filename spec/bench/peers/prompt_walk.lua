-- prompt_walk: what the benchmark sets against passthrough: reads the prompt,
-- then walks a fallback list.
-- Knobs: none.
-- Usage: model "walk" { policy = "policies/prompt_walk.lua", default_route = { "a/x", "b/y" } }
local leme = require "leme"
local text = require "leme.text"

local list = leme.fallback(function(req) return leme.targets(req.model) end)

return leme.policy {
  name = "prompt_walk",
  route = function(req)
    if text.is_arithmetic(req.question) or text.mentions(req.question, "contract", "liability") then
      return req:try(leme.targets(req.model)[2])
    end
    return req:try(list)
  end,
}
