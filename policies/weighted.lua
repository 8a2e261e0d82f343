-- weighted: the targets of the model in proportion to their configured weights
-- (which an operator can change while it runs); another by weight when one fails.
-- Knobs: smooth = true takes turns instead of chances (exact shares, also few).
-- Usage: model "chat" { policy = "policies/weighted.lua", knobs = { smooth = true },
--   default_route = { "a/x", "b/y" } }
local leme = require "leme"

local knobs = leme.knobs {
  smooth = { default = false, text = "turns instead of chances" },
}

return leme.policy {
  name = "weighted",
  route = leme.weighted(function(req) return leme.targets(req.model) end,
    { smooth = knobs.smooth }),
}
