-- leme.plain: what a model that is only a list of targets runs: the first that is
-- fit, the next one when it fails before its first token. A target that says "too
-- many requests" rests as long as it asks for, or five seconds.

local leme = require "leme"

return leme.policy {
  name = "plain",
  route = leme.fallback(function(req) return leme.targets(req.model) end, { rest = 5 }),
}
