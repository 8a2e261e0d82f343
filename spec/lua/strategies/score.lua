-- Price, uptime, speed and latency in one score; 1 % exploration; stays with its
-- choice unless another is better by a margin.
local leme = require "leme"
local pick, shared = leme.pick, leme.shared
local W = { price = .60, uptime = .50, speed = .05, first = .025 }
local function first_of(t) return t:quantile("first_token", .5, 3600) or 1 end

return leme.policy { name = "score", route = function(req)
  local pool, key = leme.targets(req.model), "best:" .. req.model
  local price = pick.lowest(pool, function(t) return t.price_out end)
  local first = pick.lowest(pool, first_of)
  local function score(t)
    local up = t:rate("success", 3600)
    local down = up < .95 and math.exp((.95 - up) * 50) - 1 or 0
    return W.price * (t.price_out / price - 1) + W.uptime * down
      + W.first * (first_of(t) / first - 1) - W.speed * (t:ewma("speed", 60) or 0) / 100
  end
  local best, name = pick.min(pool, score), shared.get(key)
  local held = name and leme.target(name)
  local steady = held and held:rate("success", 3600) >= .85
  if steady and score(held) - score(best) <= .15 then best = held end
  shared.set(key, best.name, 3600)
  if leme.random() < 0.01 then best = pick.random(pool) end
  return req:try { best, leme.fallback(pick.sort(pick.without(pool, best), score)) }
end }
