-- rewrite_system: puts the house rules before every conversation and caps the
-- length of answers; then along the model's own list. The rest of the body goes
-- upstream as it came, byte for byte.
-- Knobs: text = the rules; max_tokens = most tokens of an answer (0: no cap).
-- Usage: model "house" { policy = "policies/rewrite_system.lua",
--   knobs = { text = "Answer in one paragraph." }, default_route = { "a/x" } }
local leme = require "leme"

local knobs = leme.knobs {
  text = { default = "Answer briefly and politely.", text = "the house rules" },
  max_tokens = { default = 0, min = 0, text = "tokens; 0 is no cap" },
}

return leme.policy {
  name = "rewrite_system",
  route = function(req)
    req:prepend_system(knobs.text)
    local cap, asked = knobs.max_tokens, req.max_tokens
    if cap > 0 and (not asked or asked > cap) then req.max_tokens = cap end
    return req:try(leme.targets(req.model))
  end,

  test = function(world)
    local result = world:request { question = "hi" }
    assert(result.req.system == knobs.text)
  end,
}
