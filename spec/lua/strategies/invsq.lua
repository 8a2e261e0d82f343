-- No outage in the last 30 s; one drawn by 1 / price squared, the rest by price.
local leme = require "leme"
local pick = leme.pick
local function price(t) return t.price_in + t.price_out end

return leme.policy { name = "invsq", route = function(req)
  local all = leme.targets(req.model)
  local ok = pick.filter(all, function(t) return (t.outage_age or 1e9) > 30 end)
  local first = pick.weighted(#ok > 0 and ok or all, function(t) return 1 / price(t) ^ 2 end)
  local order = pick.sort(pick.without(all, first), price)
  table.insert(order, 1, first)
  return req:try(order, { first_token = 15 })
end }
