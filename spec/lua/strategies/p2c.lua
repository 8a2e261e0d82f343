-- The better of two by health / (1 + latency * load), tier by tier; what fails is
-- ejected for longer each time.
local leme = require "leme"
local pick = leme.pick
local function usable(t) return t.state == "ready" or t.state == "half_open" and t:probe() end
local function score(t)
  return -(t:ewma("success", 20) or 1) / (1 + (t:ewma("total", 20) or 0) * (1 + 0.1 * t.inflight))
end

return leme.policy { name = "p2c", route = function(req)
  for tier = 1, 3 do
    local pool = pick.filter(leme.targets(req.model), function(t)
      return t.priority == tier and usable(t)
    end)
    while #pool > 0 do
      local t = pick.p2c(pool, score)
      local answer = req:try(t, { total = 120 })
      if answer.ok then t:restore() end
      if answer.final then return answer end
      t:eject { base = 3, max = 300 }
      pool = pick.without(pool, t)
    end
  end
  return leme.reject(503, "all tiers ejected", { retry_after = 3 })
end }
