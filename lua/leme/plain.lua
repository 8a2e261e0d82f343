-- leme.plain: what a model that is only a list of targets runs: the first that is
-- fit, the next one when it fails before its first token. A target that says "too
-- many requests" rests as long as it asks for, at most ten minutes, or five
-- seconds when it names no time.

local leme = require "leme"

local REST, REST_MAX = 5, 600

return leme.policy {
  name = "plain",
  route = leme.fallback(function(req) return leme.targets(req.model) end),

  attempted = function(target, answer)
    if answer.error == "provider_rate_limited" then
      target:cool(math.min(answer.retry_after or REST, REST_MAX), "rate limited")
    end
  end,
}
