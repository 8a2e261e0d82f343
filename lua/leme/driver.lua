-- leme.driver: the frontier between the engine and policies. The engine calls
-- step once for each thing that happened to a request; step returns how many
-- slots of `ops` say what to do. Also loads, tests and ticks policies.

local host = require "leme.host"
local context = require "leme.context"
local policy = require "leme.policy"
local target = require "leme.target"
local task = require "leme.task"
local filter = require "leme.filter"

local driver = {}
local now, ops = context.now, task.ops

driver.ops = ops
driver.load = policy.load

-- Run the policy's own test in a virtual world. True, or raises.
function driver.test(made)
  if not made.test then return true end
  local test = require "leme.test"
  return test.run(made)
end

-- { { seconds, fn }, ... }
function driver.every(made) return made.ticks end

function driver.tick(made, i)
  now.policy, now.plan, now.task, now.phase = made, false, false, "every"
  made.ticks[i][2]()
  now.policy, now.phase = false, "load"
end

local function begin(req, slot, made)
  local plan = task.new_plan(req, made)
  slot.plan = plan
  now.policy, now.plan = made, plan
  local to = made.target
  if to then return task.call(plan, to, false, false, false, false) end
  plan.tried = {}
  return task.begin(plan, made.run, req)
end

local events = {}

function events.answered(plan, id, ok, err, status, first_token, retry_after, retryable, fallback)
  local a = plan[id]
  a.ok, a.error, a.status, a.first_token = ok, err, status, first_token
  a.retry_after, a.retryable, a.fallback = retry_after, retryable, fallback
  if plan.policy.target and not plan.over then
    a.answered = true
    return task.conclude(plan, a)
  end
  return task.notify(a)
end

function events.ended(plan, id, err, total, finish, input, output, cached, reasoning, cost,
                      committed, speed)
  local a = plan[id]
  if err ~= "" then a.ok, a.error = false, err end
  a.total, a.finish = total, finish ~= "" and finish or nil
  a.input, a.output, a.cached, a.reasoning = input, output, cached, reasoning
  a.cost, a.committed, a.speed = cost, committed, speed
  return task.ended(plan, a)
end

function events.timer(plan, id)
  local who = plan[id]
  if who and who.timer == id and not who.dead then return task.resume(who) end
end

events.gone = task.gone

function events.item(plan, id, data) return filter.item(plan[id], data) end

-- ${event} happened to the plan of ${req}. Returns the slots used in ops.
function driver.step(req, event, a, b, c, d, e, f, g, h, i, j, k)
  ops.n = 0
  now.task, now.phase = false, "route"
  local slot = host.plan(req)
  if event == "begin" then
    begin(req, slot, a)
  else
    local plan = slot.plan
    now.plan, now.policy = plan, plan.policy
    events[event](plan, a, b, c, d, e, f, g, h, i, j, k)
  end
  now.plan, now.policy, now.phase = false, false, "load"
  return ops.n
end

-- For the engine's own checks.
driver.targets = target.list

return driver
