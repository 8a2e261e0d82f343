-- leme.task: the coroutines of one request and what they wait for. A plan is one
-- request; it is also its own first task. Further tasks run routes that are
-- functions and were started beside the first (hedge, race, shadow). All that
-- leaves for the engine is appended to `ops`.
--
-- A plan's array part holds what has an id: answers, and the task of a timer. Its
-- `seen` says that code of a policy may hold its answers.
-- Everything here runs for each request: no table and no call that can be
-- spared. Answers are read by place (see leme.answer).

local context = require "leme.context"
local answer = require "leme.answer"
local target = require "leme.target"

local task = {}
local now = context.now
local new_answer, Answer = answer.new, answer.meta
local facts = target.facts
local yield, resume_coroutine = coroutine.yield, coroutine.resume
local create_coroutine = coroutine.create

local ID <const>, REQ <const>, TARGET <const> = 1, 2, 3
local OK <const>, ERROR <const>, STATUS <const> = 4, 5, 6
local WATCHER <const>, ANSWERED <const>, ENDED <const>, KIND <const> = 7, 8, 14, 9
local FALLBACK <const>, COMMITTED <const>, CHILLED <const> = 10, 15, 16
local SHADOW <const>, CANCELLED <const>, RETRYABLE <const> = 19, 20, 13
local FIRST_TOKEN <const>, RETRY_AFTER <const>, TOTAL <const>, FINISH <const> = 11, 12, 21, 22
local INPUT <const>, OUTPUT <const>, CACHED <const>, REASONING <const> = 23, 24, 25, 26
local COST <const>, SPEED <const> = 27, 28

-- The operations of this step: six slots each, `used` slots in use. An operation
-- writes the slots it has; what is behind them is from before.
local ops = {}
local used = 0
task.ops = ops

local function push(op, a, b, c, d, e)
  local list, n = ops, used
  list[n + 1] = op
  list[n + 2] = a
  list[n + 3] = b
  list[n + 4] = c
  list[n + 5] = d
  list[n + 6] = e
  used = n + 6
end
task.push = push

-- A coroutine that is done with one function waits for the next: 38 ns instead of
-- 305 ns and 928 bytes for a new one. A plan keeps its own; tasks beside it share.
local DONE = {}
local IDLE_MAX = 64
local idle, idle_count = {}, 0

local function body(fn, a, b)
  while true do
    fn, a, b = yield(DONE, (fn(a, b)))
  end
end

local function idle_coroutine()
  if idle_count == 0 then return create_coroutine(body) end
  idle_count = idle_count - 1
  return idle[idle_count + 1]
end
task.idle_coroutine = idle_coroutine

-- An error value as text; what is not a string has no place of its own. ${thread}:
-- the coroutine that died of it.
local function raise(message, thread)
  if type(message) == "string" then
    error(thread and context.placed(message, thread) or message, 0)
  end
  error(("%s: raised %s, expected a message"):format(context.place(),
    context.describe(message)), 0)
end

local function where(who) return who.plan.policy.where or "?" end

local finished, conclude

-- The coroutine of ${who} has come back with ${ok}, ${mark}, ${result}.
local function returned(who, ok, mark, result)
  if mark == DONE then
    if who.wait then
      raise(where(who) .. ": a suspending call (req:try, leme.sleep, ...)"
        .. " was made inside a coroutine of the policy's own, which cannot wait")
    end
    if who == who.plan then return conclude(who, result) end
    return finished(who, result)
  end
  if not ok then return raise(mark, who.co) end
  if not who.wait then
    raise(where(who) .. ": coroutine.yield was called outside a coroutine"
      .. " of the policy's own; to pause, use leme.sleep(seconds)")
  end
end

-- Continue ${who} until it waits again or is finished. `now.task` keeps its name
-- afterwards: who runs other code sets it.
local function resume(who, a, b, c)
  now.task = who
  who.wait = false
  return returned(who, resume_coroutine(who.co, a, b, c))
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

local suspended_twice

local function suspend(who)
  if who.wait then suspended_twice() end
  who.wait = true
  return yield()
end
task.suspend = suspend

-- The plan of the running request, checked to be ${req}'s.
local function plan_of(who, req)
  local plan = who.plan
  if plan.req == req then return plan end
  context.blame("this req belongs to another request, or its request is over")
end
task.plan_of = plan_of

-- The number of something of ${plan}'s: an answer, or the task of a timer.
function task.number(plan, thing)
  local id = plan.last + 1
  plan.last = id
  plan[id] = thing
  return id
end

-- Answers that no policy has seen are used again: a list through their REQ.
local POOL_MAX = 256
local spare, spare_count = false, 0

local function answer_for(plan, id, view)
  if spare and plan.policy.blind then
    local a = spare
    spare, spare_count = a[REQ], spare_count - 1
    a[ID], a[REQ], a[TARGET] = id, plan.req, view
    -- `answered` writes the others that a blind route reads.
    a[WATCHER], a[ENDED], a[CANCELLED] = false, false, false
    return a
  end
  return new_answer(id, plan.req, view)
end

-- Who tried one key tried the target.
local function note_tried(tried, fact, a)
  tried[fact.name] = a
  if fact.whole then tried[facts[fact.whole].name] = a end
end
task.note_tried = note_tried

-- Begin one attempt.
local function call(plan, view, limits, overlay, flags)
  local id = plan.last + 1
  local a = answer_for(plan, id, view)
  plan.last = id
  plan[id] = a
  local fact = facts[view]
  if plan.tried then note_tried(plan.tried, fact, a) end
  push("call", id, fact.index, limits, overlay, flags)
  return a
end
task.call = call

function suspended_twice()
  context.blame("a suspending call was made inside a coroutine of the policy's own,"
    .. " which cannot wait")
end

-- Wait until ${a}, just started, has answered.
local function answered(who, a)
  if who.wait then suspended_twice() end
  a[WATCHER] = who
  who.wait = true
  yield()
  return a
end
task.answered = answered

-- Both, for the plan's own task and the request as it is: what most requests do
-- once, so written out.
function task.attempt(plan, view)
  if plan.odd or plan.last > 0 or plan.wait or used > 0 then
    return answered(plan, call(plan, view, false, false, false))
  end
  local a
  if spare and plan.policy.blind then
    a = answer_for(plan, 1, view)
  else
    -- Room for what `answered` brings; few such answers see more.
    a = setmetatable({
      1, plan.req, view, nil, nil, nil, nil, nil, false, nil, nil, nil, nil,
    }, Answer)
  end
  plan.last = 1
  plan[1] = a
  local list = ops
  list[1] = "try"
  list[2] = 1
  list[3] = facts[view].index
  used = 6
  a[WATCHER] = plan
  plan.wait = true
  yield()
  return a
end

local function attempt_of(plan, id)
  local a = plan[id]
  if a and a[ID] == id then return a end
end

task.attempt_of = attempt_of

-- By name of target, the answer of what this request has tried (but shadows).
function task.tried(plan)
  local tried = plan.tried
  if tried then return tried end
  tried = {}
  plan.tried, plan.odd = tried, true
  for id = 1, plan.last do
    local a = attempt_of(plan, id)
    if a and a[TARGET] and not a[SHADOW] then note_tried(tried, facts[a[TARGET]], a) end
  end
  return tried
end

-- Something ${handle} stands for has answered: wake who waits for it.
local function notify(handle)
  handle[ANSWERED] = true
  local who = handle[WATCHER]
  if who and not who.dead then
    handle[WATCHER] = false
    return resume(who, handle)
  end
end

local function cancel_answer(a)
  if a[ENDED] or a[CANCELLED] then return end
  a[CANCELLED], a[WATCHER] = true, false
  push("cancel", a[ID], false, false, false, false)
end
task.cancel_answer = cancel_answer

local close

-- The function of ${who}, a task beside the plan's own, returned ${result}.
function finished(who, result)
  local plan = who.plan
  if idle_count < IDLE_MAX then
    idle_count = idle_count + 1
    idle[idle_count] = who.co
  end
  if not answer.is(result) then
    raise(("%s: %sa route returned %s, expected an answer (req:try ...)"):format(
      where(who), context.NONSENSE, context.describe(result)))
  end
  who.answer = result
  if who.shadow then
    plan.shadows = plan.shadows - 1
    if plan.over then return close(plan) end
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

-- Plans are reused too. What a policy may still hold (answers, tried) is not.
local free, free_count = {}, 0

local function new_plan()
  local plan = { false, false, false, false, req = false, policy = false, plan = false,
    co = create_coroutine(body), wait = false, last = 0, over = false, dead = false,
    timer = 0, odd = false, shadows = 0, tried = false, relay = false, relaying = false,
    result = false, holds = false, children = false, forced = false, seen = false,
    filtered = false }
  plan.plan = plan
  return plan
end

local function reuse(a)
  a[REQ] = spare
  spare, spare_count = a, spare_count + 1
end

-- Make ${plan} like new and put it aside; not one whose tasks may still run.
local function recycle(plan)
  local last = plan.last
  if plan.children or last > 16 or free_count == POOL_MAX then return end
  local blind = plan.policy.blind and not plan.seen
  for id = 1, last do
    local a = plan[id]
    if blind and a and a[ID] == id and not a[KIND] and spare_count < POOL_MAX then reuse(a) end
    plan[id] = false
  end
  plan.last, plan.over, plan.result = 0, false, false
  if plan.odd then
    plan.tried, plan.relay, plan.relaying = false, false, false
    plan.forced, plan.seen, plan.filtered = false, false, false
  end
  free_count = free_count + 1
  free[free_count] = plan
end

local function hook(name, plan, a, b)
  local policy = plan.policy
  now.phase, now.task, now.plan, now.policy = name, false, plan, policy
  policy[name](a, b)
  now.phase, now.plan, now.policy = "route", false, false
end

local function in_the_air(plan)
  for id = 1, plan.last do
    local a = attempt_of(plan, id)
    if a and a[TARGET] and not a[ENDED] then return true end
  end
end

-- The route is over: done, unless a hook still wants to see how it ends, or a
-- filter has to see the events of what is relayed.
function close(plan)
  local policy = plan.policy
  if plan.odd then
    if plan.shadows > 0 then return end
    if (policy.attempted or plan.filtered) and in_the_air(plan) then return end
    if policy.ended then
      if not plan.result[ENDED] then return end
      hook("ended", plan, plan.req, plan.result)
    end
  end
  if plan.holds then settle(plan) end
  ops[used + 1] = "done"
  used = used + 6
  return recycle(plan)
end

local function cancel_rest(plan)
  for id = 1, plan.last do
    local a = attempt_of(plan, id)
    if a and a[TARGET] and not a[SHADOW] then cancel_answer(a) end
  end
end

local function leave_children(plan)
  for _, child in ipairs(plan.children) do
    if not child.shadow then child.dead = true end
  end
end

-- What the client gets for a failure without an attempt.
local function refusal(a)
  return a.reason and "no target is left: " .. a.reason or "no target is left"
end

-- What is not the answer of the last attempt. True when the route runs again:
-- all its targets cool down, and "all are cooling" must not mean "all are refused".
local function settle_on(plan, result)
  if getmetatable(result) == "leme.answer" and answer.is(result) then
    if not result[ANSWERED] then
      raise(plan.policy.where .. ": " .. context.NONSENSE .. "the route returned what req:start"
        .. " gave, which has not answered yet: req:await(it) is its answer")
    end
    if result[CHILLED] and not plan.forced then
      plan.forced, plan.odd = true, true
      resume(plan, task.force, plan.req, plan.policy.run)
      return true
    end
    if result[KIND] then
      cancel_rest(plan)
      push("reply", 503, refusal(result), false, result[ERROR], false)
    else
      push("relay", result[ID], false, false, false, false)
    end
  elseif answer.is_reply(result) then
    cancel_rest(plan)
    if result.words then
      task.say(plan.req, result.words)
    elseif result.body then
      push("reply", result[STATUS], result.body, result.headers,
        result[ERROR] ~= "" and result[ERROR], false)
    end
  else
    raise(("%s: %spolicy %q returned %s, expected an answer (req:try ...), leme.respond or"
      .. " leme.reject"):format(plan.policy.where, context.NONSENSE, plan.policy.name,
      context.describe(result)))
  end
end

local function check_relayed(plan, result)
  if result == nil or result == plan.relay then return end
  raise(plan.policy.where .. ": " .. context.NONSENSE .. "the route returned "
    .. (answer.is(result) and "another answer" or context.describe(result))
    .. " after req:relay: only one answer can be relayed")
end

-- The route has come to ${result}.
function conclude(plan, result)
  if plan.relay then
    check_relayed(plan, result)
  else
    if result and result == plan[plan.last] and result[ANSWERED] and not result[KIND] then
      push("relay", result[ID], false, false, false, false)
    elseif settle_on(plan, result) then
      return
    end
    plan.result = result
  end
  plan.over = true
  if plan.children then leave_children(plan) end
  return close(plan)
end

-- What happened: each returns how many slots of ops are in use.

local events = {}
task.events = events

-- A new request. Returns its plan as well, which all later events bring along.
function events.begin(req, policy)
  used = 0
  local plan
  if free_count > 0 then
    plan = free[free_count]
    free_count = free_count - 1
  else
    plan = new_plan()
  end
  plan.req = req
  plan.policy = policy
  plan.odd = policy.loud
  local run = policy.run
  if not run then
    call(plan, policy.target, false, false, false)
    return used, plan
  end
  now.task = plan
  local ok, mark, result = resume_coroutine(plan.co, run, req)
  if mark or not ok or not plan.wait then returned(plan, ok, mark, result) end
  return used, plan
end

-- The plan's only attempt has answered ${a}, which is what its route returned, and
-- nobody wants to know more: relay it, be done, and put the plan aside.
local function relay_and_forget(plan, a)
  local list = ops
  list[1] = "give"
  list[2] = 1
  plan[1] = false
  plan.last = 0
  if free_count < POOL_MAX then
    if plan.policy.blind and spare_count < POOL_MAX then reuse(a) end
    free_count = free_count + 1
    free[free_count] = plan
  end
  return 6
end

function events.answered(plan, id, ok, err, status, first_token, retry_after, retryable,
                         fallback)
  used = 0
  local a = plan[id]
  a[OK] = ok
  a[ERROR] = err
  a[STATUS] = status
  a[FIRST_TOKEN] = first_token
  a[ANSWERED] = true
  if not ok then a[RETRY_AFTER], a[RETRYABLE], a[FALLBACK] = retry_after, retryable, fallback end
  local who = a[WATCHER]
  if who == plan then
    now.task = plan
    plan.wait = false
    local fine, mark, result = resume_coroutine(plan.co, a)
    -- Whatever else the route may have done made the plan odd, or took an id.
    if mark == DONE and result == a and plan.last == 1 and not plan.odd then
      return relay_and_forget(plan, a)
    end
    returned(plan, fine, mark, result)
  elseif who then
    if not who.dead then resume(who, a) end
  elseif plan.policy.target and not plan.over then
    conclude(plan, a)
  end
  return used
end

-- An attempt has ended: hooks, and whoever waits for the end of a relay.
function events.ended(plan, id, err, total, finish, input, output, cached, reasoning, cost,
                      committed, speed)
  used = 0
  local a = plan[id]
  if err ~= "" then a[OK], a[ERROR] = false, err end
  a[TOTAL], a[FINISH] = total, finish ~= "" and finish or nil
  a[INPUT], a[OUTPUT], a[CACHED], a[REASONING] = input, output, cached, reasoning
  a[COST], a[COMMITTED], a[SPEED], a[ENDED] = cost, committed, speed, true
  local to = a[TARGET]
  if not to then return used end
  if plan.policy.attempted then hook("attempted", plan, target.whole(to), a) end
  local who = plan.relaying
  if who and plan.relay == a then
    plan.relaying = false
    resume(who, a)
  elseif plan.over then
    close(plan)
  end
  return used
end

function events.timer(plan, id)
  used = 0
  local who = plan[id]
  if who and who.timer == id and not who.dead then resume(who) end
  return used
end

-- One event of a filtered answer; leme.filter pushes what becomes of it.
function events.item(plan, id, data)
  used = 0
  now.phase, now.task, now.plan, now.policy = "filter", false, plan, plan.policy
  task.filter(plan[id], data)
  now.phase, now.plan, now.policy = "route", false, false
  return used
end

-- The client has left: hooks for what was in the air, then nothing more.
function events.gone(plan)
  local attempted, last = plan.policy.attempted, plan.result
  for id = 1, plan.last do
    local a = attempt_of(plan, id)
    if a and a[TARGET] then
      last = last or a
      if not a[ENDED] and not a[SHADOW] then
        a[OK], a[ERROR], a[ENDED] = false, "caller_cancelled", true
        a[RETRYABLE], a[FALLBACK] = false, false
        if attempted then hook("attempted", plan, target.whole(a[TARGET]), a) end
      end
    end
  end
  if plan.policy.ended then
    if not last then
      last = answer.none("the client left")
      last[ERROR], last[STATUS], last[FALLBACK] = "caller_cancelled", 499, false
    end
    hook("ended", plan, plan.req, last)
  end
  settle(plan)
  plan.dead = true
  used = 0
  return 0
end

return task
