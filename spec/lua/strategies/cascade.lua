-- The small model first, held back whole; the big one when it is not sure.
local leme = require "leme"

return leme.policy { name = "cascade", route = function(req)
  local small, big = leme.targets("small")[1], leme.targets("big")[1]
  if req.tokens > 6000 or req.tools then return req:try(big) end
  local a = req:with { logprobs = true }:try(small, { total = 6, hold = "all" })
  local first = a.ok and a.json and a.json.choices[1]
  local sure = first and first.finish_reason == "stop" and (first.mean_logprob or 0) > -0.25
  leme.trace("cascade", { sure = sure and true or false })
  if sure then return a end -- sent to the client as a normal answer
  return req:with { max_tokens = 4096 }:try(big)
end }
