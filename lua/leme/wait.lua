-- leme.wait: what a route does beside trying one target after the other: pausing,
-- side calls, and several things in the air of which it awaits the first.

local context = require "leme.context"
local answer = require "leme.answer"
local task = require "leme.task"

local wait = {}
local now = context.now
local push, running, suspend = task.push, task.running, task.suspend
local attempt_of, cancel_answer = task.attempt_of, task.cancel_answer

local WATCHER <const>, ANSWERED <const>, ENDED <const>, TASK <const> = 7, 8, 14, 17

-- Let ${who} be woken after ${seconds}, unless something else wakes it before.
local function set_timer(who, seconds)
  who.timer = task.number(who.plan, who)
  push("wait", who.timer, seconds, false, false, false)
end

function wait.sleep(seconds)
  local who = running("leme.sleep")
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
    context.blame("leme.sleep: expected seconds >= 0, got " .. context.describe(seconds))
  end
  set_timer(who, seconds)
  suspend(who)
  who.timer = 0
end

function wait.fetch(service, text, limits)
  local who = running("leme.fetch")
  local plan = who.plan
  local a = answer.fetch(plan.last + 1, plan.req)
  local id = task.number(plan, a)
  plan.odd = true
  push("fetch", id, service, text, limits or false, false)
  return task.answered(who, a)
end

-- A task that runs ${fn}(req, tried) beside the one that starts it.
function wait.spawn(plan, fn, req, tried, shadow)
  local parent = now.task
  local child = { plan = plan, co = task.idle_coroutine(), wait = false, timer = 0,
    answer = false, dead = false, shadow = shadow or false, parent = parent,
    [WATCHER] = false, [ANSWERED] = false }
  plan.odd = true
  plan.children = plan.children or {}
  plan.children[#plan.children + 1] = child
  if shadow then plan.shadows = plan.shadows + 1 end
  task.resume(child, fn, req, tried)
  now.task = parent
  return child
end

-- What a started thing (an answer, or a task) came to.
local function outcome(handle)
  return handle.plan and handle.answer or handle
end

-- The first of ${list} that has answered, and its handle; nil after ${seconds}.
function wait.await(list, seconds)
  local who = running("req:await")
  for i = 1, #list do
    if list[i][ANSWERED] then return outcome(list[i]), list[i] end
  end
  if seconds and seconds <= 0 then return nil end
  if seconds then
    set_timer(who, seconds)
  elseif #list == 0 then
    context.blame("req:await: nothing to wait for: give it what req:start returned")
  end
  for i = 1, #list do list[i][WATCHER] = who end
  local handle = suspend(who)
  who.timer = 0
  for i = 1, #list do list[i][WATCHER] = false end
  if handle then return outcome(handle), handle end
end

-- Stop a started attempt, or a task with all that it started.
local function cancel(handle)
  if not handle.plan then return cancel_answer(handle) end
  if handle.dead then return end
  local plan = handle.plan
  if handle.shadow and not handle[ANSWERED] then plan.shadows = plan.shadows - 1 end
  handle.dead, handle[WATCHER] = true, false
  for id = 1, plan.last do
    local a = attempt_of(plan, id)
    if a and a[TASK] == handle then cancel_answer(a) end
  end
  for _, child in ipairs(plan.children) do
    if child.parent == handle then cancel(child) end
  end
end
wait.cancel = cancel

-- Wait until the relayed ${a} has ended.
function wait.relayed(who, a)
  if a[ENDED] then return a end
  who.plan.relaying = who
  suspend(who)
  return a
end

return wait
