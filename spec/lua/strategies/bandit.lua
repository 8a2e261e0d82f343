-- Thompson sampling by class of request, with a reward of one's own.
local leme = require "leme"
local shared = leme.shared
local function class(req)
  local q = req.question
  return q:find("```", 1, true) and "code" or #q > 2000 and "long" or "chat"
end
local function key(req, t) return "b:" .. class(req) .. ":" .. t.name end
local function beta(a, b) -- normal approximation: good enough from (5, 5) on
  local u = math.sqrt(-2 * math.log(1 - leme.random())) * math.cos(2 * math.pi * leme.random())
  return a / (a + b) + u * math.sqrt(a * b / ((a + b) ^ 2 * (a + b + 1)))
end

return leme.policy { name = "bandit", route = function(req)
  local t = leme.pick.max(leme.targets "auto", function(x)
    local good, bad = shared.get(key(req, x) .. ":a") or 0, shared.get(key(req, x) .. ":b") or 0
    return beta(5 + good, 5 + bad) - 0.3 * x.price_out / 75
  end)
  local a = req:try(t, { first_token = 12 })
  local good = a.ok and (a.first_token or 0) < 3 and a.finish ~= "length"
  shared.incr(key(req, t) .. (good and ":a" or ":b"), 1, 86400)
  return a
end }
