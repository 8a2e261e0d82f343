-- leme.task: the coroutines of one request and what they wait for. A plan is one
-- request; it is also its own first task. Further tasks run routes that are
-- functions and were started beside the first (hedge, race, shadow). All that
-- leaves for the engine is appended to `ops`.
--
-- A plan's array part holds what has an id: answers, and the task of a timer.

local context = require "leme.context"
local answer = require "leme.answer"
local target = require "leme.target"

local task = {}
local now = context.now
local new_answer = answer.new
local fact = target.fact
local yield, resume_coroutine = coroutine.yield, coroutine.resume
local create_coroutine = coroutine.create

-- The operations of this step: six slots each, `n` slots in use.
local ops = { n = 0 }
task.ops = ops

local function push(op, a, b, c, d, e)
  local n = ops.n
  ops[n + 1], ops[n + 2], ops[n + 3] = op, a, b
  ops[n + 4], ops[n + 5], ops[n + 6] = c, d, e
  ops.n = n + 6
end
task.push = push

-- Finished coroutines are reused: 38 ns instead of 305 ns and 928 bytes each.
local POOL_MAX = 256
local DONE = {}
local idle, idle_count = {}, 0

local function body(fn, req, tried)
  while true do
    fn, req, tried = yield(DONE, (fn(req, tried)))
  end
end

local function coroutine_of_pool()
  if idle_count == 0 then return create_coroutine(body) end
  local co = idle[idle_count]
  idle[idle_count] = false
  idle_count = idle_count - 1
  return co
end

-- An error value as text; what is not a string has no place of its own.
local function raise(message)
  if type(message) == "string" then error(message, 0) end
  error(("%s: raised %s, expected a message"):format(context.place(),
    context.describe(message)), 0)
end

local finished

-- Continue ${who} until it waits again or is finished.
local function resume(who, a, b, c)
  local outer = now.task
  now.task = who
  who.wait = false
  local co = who.co
  local ok, mark, result = resume_coroutine(co, a, b, c)
  now.task = outer
  if not ok then return raise(mark) end
  if mark == DONE then
    if who.wait then
      raise((now.policy.where or "?") .. ": a suspending call (req:try, leme.sleep, ...)"
        .. " was made inside a coroutine of the policy's own, which cannot wait")
    end
    who.co = false
    if idle_count < POOL_MAX then
      idle_count = idle_count + 1
      idle[idle_count] = co
    end
    return finished(who, result)
  end
  if not who.wait then
    raise((now.policy.where or "?") .. ": coroutine.yield was called outside a coroutine"
      .. " of the policy's own; to pause, use leme.sleep(seconds)")
  end
end
task.resume = resume

-- The running task, or a misuse: ${what} needs to suspend.
local function running(what)
  local who = now.task
  if who then return who end
  if now.phase == "load" then
    context.blame(what .. " needs a request: call it inside route, not while the policy is loaded")
  end
  context.blame(("%s may suspend and cannot be used in %s"):format(what,
    now.phase == "every" and "policy.every" or "policy." .. now.phase))
end
task.running = running

local function suspend(who)
  if who.wait then
    context.blame("a suspending call was made inside a coroutine of the policy's own,"
      .. " which cannot wait")
  end
  who.wait = true
  return yield()
end

-- The plan of the running request, checked to be ${req}'s.
local function plan_of(who, req)
  local plan = who.plan
  if plan.req == req then return plan end
  context.blame("this req belongs to another request, or its request is over")
end
task.plan_of = plan_of

local function next_id(plan)
  local id = plan.last + 1
  plan.last = id
  return id
end

-- Begin one attempt. ${tried}, if any, remembers it under the target's name.
local function call(plan, view, limits, overlay, flags, tried)
  local id = next_id(plan)
  local a = new_answer(id, plan.req, view)
  plan[id] = a
  plan.open = plan.open + 1
  local known = fact(view)
  if tried then tried[known.name] = a end
  push("call", id, known.index, limits, overlay, flags)
  return a
end
task.call = call

-- Wait until ${a}, just started, has answered.
local function answered(who, a)
  a.watcher = who
  suspend(who)
  return a
end
task.answered = answered

function task.sleep(seconds)
  local who = running("leme.sleep")
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
    context.blame("leme.sleep: expected seconds >= 0, got " .. context.describe(seconds))
  end
  local plan = who.plan
  local id = next_id(plan)
  plan[id] = who
  who.timer = id
  push("wait", id, seconds, false, false, false)
  suspend(who)
  who.timer = 0
end

function task.fetch(service, text, limits)
  local who = running("leme.fetch")
  local plan = who.plan
  local id = next_id(plan)
  local a = answer.fetch(id, plan.req)
  plan[id] = a
  push("fetch", id, service, text, limits or false, false)
  return answered(who, a)
end

-- A task that runs ${fn}(req, tried) beside the one that starts it.
function task.spawn(plan, fn, req, tried, shadow)
  local child = { plan = plan, co = coroutine_of_pool(), wait = false, timer = 0,
    answered = false, answer = false, watcher = false, dead = false,
    shadow = shadow or false, parent = now.task }
  plan.children = plan.children or {}
  plan.children[#plan.children + 1] = child
  if shadow then plan.shadows = plan.shadows + 1 end
  resume(child, fn, req, tried)
  return child
end

-- What a started thing (an answer, or a task) came to.
local function outcome(handle)
  return handle.plan and handle.answer or handle
end

-- The first of ${list} that has answered, and its handle; nil after ${seconds}.
function task.await(list, seconds)
  local who = running("req:await")
  for i = 1, #list do
    if list[i].answered then return outcome(list[i]), list[i] end
  end
  if seconds and seconds <= 0 then return nil end
  local plan = who.plan
  if seconds then
    local id = next_id(plan)
    plan[id] = who
    who.timer = id
    push("wait", id, seconds, false, false, false)
  elseif #list == 0 then
    context.blame("req:await: nothing to wait for: give it what req:start returned")
  end
  for i = 1, #list do list[i].watcher = who end
  local handle = suspend(who)
  who.timer = 0
  for i = 1, #list do list[i].watcher = false end
  if handle then return outcome(handle), handle end
end

-- Something ${handle} stands for has answered: wake who waits for it.
local function notify(handle)
  handle.answered = true
  local who = handle.watcher
  if who and not who.dead then
    handle.watcher = false
    return resume(who, handle)
  end
end
task.notify = notify

local function cancel_answer(a)
  if a.ended or a.cancelled then return end
  a.cancelled = true
  a.watcher = false
  push("cancel", a.id, false, false, false, false)
end

-- Stop a started attempt, or a task with all that it started.
local function cancel(handle)
  if not handle.plan then return cancel_answer(handle) end
  if handle.dead then return end
  local plan = handle.plan
  if handle.shadow and not handle.answered then plan.shadows = plan.shadows - 1 end
  handle.dead, handle.watcher = true, false
  for id = 1, plan.last do
    local a = plan[id]
    if a and a.task == handle then cancel_answer(a) end
  end
  for _, child in ipairs(plan.children) do
    if child.parent == handle then cancel(child) end
  end
end
task.cancel = cancel

-- Wait until the relayed ${a} has ended.
function task.relayed(who, a)
  if a.ended then return a end
  who.plan.relaying = who
  suspend(who)
  return a
end

local conclude

-- ${who}'s function returned ${result}.
function finished(who, result)
  local plan = who.plan
  if who == plan then return conclude(plan, result) end
  if not answer.is(result) then
    raise(("%s: a route returned %s, expected an answer (req:try ...)"):format(
      now.policy.where or "?", context.describe(result)))
  end
  who.answer = result
  if who.shadow then
    plan.shadows = plan.shadows - 1
    if plan.over then return task.close(plan) end
  end
  return notify(who)
end

-- Reservations nobody settled count as fully used.
local function settle(plan)
  local holds = plan.holds
  if not holds then return end
  plan.holds = false
  for i = 1, #holds do holds[i]:close() end
end

local free, free_count = {}, 0

-- Plans are reused too. What a policy may still hold (answers, tried) is not.
function task.new_plan(req, policy)
  if free_count > 0 then
    local plan = free[free_count]
    free[free_count] = false
    free_count = free_count - 1
    plan.req, plan.policy = req, policy
    return plan
  end
  local plan = { false, false, req = req, policy = policy, plan = false, co = false,
    wait = false, last = 0, open = 0, over = false, dead = false, timer = 0,
    shadows = 0, tried = false, relay = false, relaying = false, result = false,
    holds = false, children = false }
  plan.plan = plan
  return plan
end

local function recycle(plan)
  if plan.children or plan.last > 16 or free_count == POOL_MAX then return end
  for id = 1, plan.last do plan[id] = false end
  plan.req, plan.policy, plan.co, plan.wait = false, false, false, false
  plan.last, plan.open, plan.over, plan.timer = 0, 0, false, 0
  plan.tried, plan.relay, plan.relaying = false, false, false
  plan.result = false
  free_count = free_count + 1
  free[free_count] = plan
end

local function hook(name, fn, a, b)
  now.phase = name
  fn(a, b)
  now.phase = "route"
end

-- The route is over: done, unless a hook still wants to see how it ends.
function task.close(plan)
  local policy = plan.policy
  if not policy.quiet or plan.shadows > 0 then
    if plan.shadows > 0 or (policy.attempted and plan.open > 0) then return end
    if policy.ended then
      if not plan.result.ended then return end
      hook("ended", policy.ended, plan.req, plan.result)
    end
  end
  settle(plan)
  push("done", false, false, false, false, false)
  recycle(plan)
end

local function cancel_rest(plan)
  if plan.open == 0 then return end
  for id = 1, plan.last do
    local a = plan[id]
    if a and a.target and not a.shadow then cancel_answer(a) end
  end
end

local function leave_children(plan)
  for _, child in ipairs(plan.children) do
    if not child.shadow then child.dead = true end
  end
end

-- What the client gets for a failure without an attempt.
local function failure(a)
  if a.error == "policy_no_route" then
    return 503, a.reason and "no target is left: " .. a.reason or "no target is left"
  end
  return a.status > 0 and a.status or 502, "the service did not answer"
end

function conclude(plan, result)
  if plan.relay then
    if result ~= nil and result ~= plan.relay then
      raise(plan.policy.where .. ": the route returned "
        .. (answer.is(result) and "another answer" or context.describe(result))
        .. " after req:relay: only one answer can be relayed")
    end
  elseif getmetatable(result) == "leme.answer" then
    if result.kind then
      cancel_rest(plan)
      local status, why = failure(result)
      push("reply", status, why, false, result.error, false)
    else
      push("relay", result.id, false, false, false, false)
    end
    plan.result = result
  elseif answer.is_reply(result) then
    cancel_rest(plan)
    push("reply", result.status, result.body, result.headers,
      result.error ~= "" and result.error, false)
    plan.result = result
  else
    raise(("%s: policy %q returned %s, expected an answer (req:try ...), leme.respond or"
      .. " leme.reject"):format(plan.policy.where, plan.policy.name,
      context.describe(result)))
  end
  plan.over = true
  if plan.children then leave_children(plan) end
  return task.close(plan)
end

-- Run the policy's route on a new plan.
function task.begin(plan, fn, req)
  plan.co = coroutine_of_pool()
  return resume(plan, fn, req, plan.tried)
end
task.conclude = conclude

-- An attempt has ended: hooks, and whoever waits for the end of a relay.
function task.ended(plan, a)
  a.ended = true
  if not a.target then return end
  plan.open = plan.open - 1
  local attempted = plan.policy.attempted
  if attempted then hook("attempted", attempted, a.target, a) end
  local who = plan.relaying
  if who and plan.relay == a then
    plan.relaying = false
    return resume(who, a)
  end
  if plan.over then return task.close(plan) end
end

-- The client has left: hooks for what was in the air, then nothing more.
function task.gone(plan)
  local attempted, last = plan.policy.attempted, plan.result
  for id = 1, plan.last do
    local a = plan[id]
    if a and a.target then
      last = last or a
      if not a.ended and not a.shadow then
        a.ok, a.error, a.ended = false, "caller_cancelled", true
        a.retryable, a.fallback = false, false
        if attempted then hook("attempted", attempted, a.target, a) end
      end
    end
  end
  if plan.policy.ended then
    if not last then
      last = answer.none("the client left")
      last.error, last.status, last.fallback = "caller_cancelled", 499, false
    end
    hook("ended", plan.policy.ended, plan.req, last)
  end
  settle(plan)
  plan.dead = true
  ops.n = 0
end

return task
