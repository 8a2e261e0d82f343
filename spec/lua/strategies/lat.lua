-- Lowest latency: unmeasured first, a decaying estimate, chance within 10 %.
local leme = require "leme"
local pick = leme.pick

return leme.policy { name = "lat", route = function(req)
  local metric = req.stream and "first_token" or "total"
  local function cost(t) return (t:ewma(metric, 30) or 0) * (1 + 0.1 * t.inflight) end
  local pool, answer = leme.targets(req.model), nil
  while #pool > 0 do
    local t = pick.min(pool, cost, { slack = 0.10 })
    answer = req:try(t, { first_token = 10, idle = 20 })
    if answer.final then return answer end
    pool = pick.without(pool, t)
  end
  return answer
end }
