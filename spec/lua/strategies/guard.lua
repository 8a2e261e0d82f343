-- Moderation before, redaction during, a safe model when a provider refuses.
local leme = require "leme"
local CARD = "%f[%d]%d%d%d%d[ -]?%d%d%d%d[ -]?%d%d%d%d[ -]?%d%d%d%d%f[%D]"
local function redact(text)
  if text:find("BEGIN PRIVATE KEY", 1, true) then return false end
  return (text:gsub(CARD, "[card]"))
end
local main = leme.filter(leme.round_robin(function(req) return leme.targets(req.model) end), redact)

return leme.policy { name = "guard", route = function(req)
  local verdict = leme.fetch("moderation", { input = req.question }, { total = 0.15 })
  if verdict.ok and verdict.json.flagged then return leme.respond "I can't help with that." end
  local answer = req:try(main)
  if answer.error == "provider_content_filtered" then return req:try(leme.targets("safe")[1]) end
  return answer
end }
