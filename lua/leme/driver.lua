-- leme.driver: the frontier between the engine and policies. The engine calls
-- events.begin for each request and one of the other events for each thing that
-- happened to it; they return how many slots of `ops` say what to do. Also loads,
-- tests and ticks policies.

local context = require "leme.context"
local policy = require "leme.policy"
local task = require "leme.task"
local filter = require "leme.filter"
local speak = require "leme.speak"
require "leme.keys"

local driver = {}
local now = context.now

driver.ops = task.ops
driver.events = task.events
driver.load = policy.load
task.filter, task.say = filter.item, speak.say

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

return driver
