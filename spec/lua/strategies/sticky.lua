-- A session stays where its cache is warm, unless that target is overloaded,
-- and never during a tool loop; it always has an exit.
local leme = require "leme"
local pick, shared = leme.pick, leme.shared
local function load(t) return t.inflight end

return leme.policy { name = "sticky", route = function(req)
  local key = req.headers["x-session-id"] or req.client
  local pool = pick.filter(leme.targets(req.model), function(t) return t.state == "ready" end)
  local in_tool_loop = req.messages[#req.messages].role == "tool"
  local held = shared.get("pin:" .. key)
  local t = pick.filter(pool, function(x) return x.name == held end)[1]
  local crowded = t and t.inflight > 32 and t.inflight > 1.1 * pick.mean(pool, load)
  if crowded and not in_tool_loop then t = nil end
  t = t or pick.hash(pool, key, { load = load, factor = 1.25 })
  local answer
  while t do
    answer = req:try(t, { first_token = 15 })
    if answer.ok then shared.set("pin:" .. key, t.name, 3600) end
    if answer.final then return answer end
    pool = pick.without(pool, t)
    t = pick.hash(pool, key)
  end
  return answer or leme.reject(503, "no target")
end }
