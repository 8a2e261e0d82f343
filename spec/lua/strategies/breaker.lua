-- A circuit breaker by percentage, with one probe when half open: round_robin
-- passes over open targets, gives a half open one a single request and closes it
-- again when that is answered.
local leme = require "leme"
local CB = { window = 60, min = 10, share = 0.5, open = 30 }

return leme.policy { name = "breaker",
  route = leme.limit(leme.round_robin(function(req) return leme.targets(req.model) end),
    { first_token = 20 }),
  attempted = function(t, answer)
    if answer.ok then return end
    local failing = t:count("attempt", CB.window) >= CB.min and t:rate("error", CB.window) > CB.share
    if failing or t.state == "half_open" then
      t:eject { base = CB.open, max = CB.open, why = "more than half fail" }
    end
  end }
