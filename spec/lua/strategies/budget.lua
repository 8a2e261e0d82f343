-- Reserve before, settle after; cheaper instead of refused at the last dollar.
local leme = require "leme"
local shared = leme.shared

return leme.policy { name = "budget", route = function(req)
  local usd_key, tpm_key = "usd:" .. req.client, "tpm:" .. req.client
  local expected = req.tokens + (req.max_tokens or 800)
  local group = shared.used(usd_key) > 9 and "cheap" or req.model
  local t = leme.pick.min(leme.targets(group), function(x) return x.price_in + x.price_out end)
  local usd = shared.reserve(usd_key, expected * t.price_out / 1e6, { limit = 10, window = 86400 })
  local tpm = usd and shared.reserve(tpm_key, expected, { limit = 5000, window = 60 })
  if not tpm then
    if usd then usd:cancel() end
    return leme.reject(429, "limit reached", { retry_after = 60 })
  end
  local answer = req:try(t)
  if answer.ok then req:relay(answer) end
  usd:settle(answer.cost or 0)
  tpm:settle(answer.usage and answer.usage.total or 0)
  return answer
end }
