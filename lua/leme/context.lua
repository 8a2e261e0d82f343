-- leme.context: what runs right now, and how misuse is reported. The driver
-- writes `now`; everybody else reads it.

local host = require "leme.host"

local context = {}

context.now = {
  task = false,     -- the coroutine that may suspend; false in hooks and ticks
  plan = false,     -- in a hook: the request's plan (leme.task)
  policy = false,   -- without a task: the policy whose code runs
  phase = "load",   -- load, route, attempted, ended, filter, every, test
  loading = false,  -- while a policy file is run: { file =, places = {}, blind = {} ... }
}

local now = context.now

-- The policy and the plan whose code runs, or false.
function context.policy()
  local who = now.task
  return who and who.plan.policy or now.policy
end

function context.plan()
  local who = now.task
  return who and who.plan or now.plan
end

-- Where our own files are: "lua/leme/" of "lua/leme/context.lua:23". The engine passes
-- over them by itself.
local own = (host.where(1) or ""):match("^(.-)context%.lua:") or ""
local ours = own ~= "" and own or "lua/leme/"

-- The innermost place that is not one of our files, or nil. A tail call
-- (`return req:try(...)`) leaves no frame behind, so there may be none.
local function outside()
  for level = 3, 24 do
    local place = host.where(level)
    if place and place ~= "" then
      place = place:gsub(":%s*$", "")
      if own == "" or place:sub(1, #own) ~= own then return place end
    end
  end
end

-- file:line of the policy line that is being run, as well as it can be known.
function context.place()
  local place = outside()
  if place then return place end
  local policy = context.policy()
  if policy then return policy.where end
  return now.loading and now.loading.file or "?"
end

-- Raise a misuse: ${message} says what was expected and what came.
function context.blame(message)
  local policy = context.policy()
  local place = outside() or (policy and policy.where)
      or (now.loading and now.loading.file)
  error((place and place .. ": " or "") .. message, 0)
end

-- In front of what a message says: a policy gave nonsense, which counts apart from
-- its failing. The engine takes it out again.
context.NONSENSE = "policy_bad_result: "

-- What code of a policy raised, as its author should read it: ${message} begins with
-- the line of the policy that led there, found from ${thread} (what died) on, or the
-- policy's own place. Functions of the engine know only the line of ours that
-- called them, and a suspension that cannot be has no line at all.
function context.placed(message, thread)
  local said = message
  if message:sub(1, #ours) == ours then
    said = message:match("^[^:]+:%d+: (.*)$") or message
  elseif message:find("^[^:\n]+:%d+:") then
    return message
  end
  said = said:gsub("^attempt to yield across a C%-call boundary$",
    "a suspending call (req:try, leme.sleep, ...) was made where nothing can wait: inside"
    .. " table.sort, string.gsub, a metamethod or the like")
  local place = thread and host.where(thread) or ""
  if place == "" then place = context.place() end
  return place .. ": " .. said
end

-- A name for the state of something built here: place, and a count when one
-- line builds several.
function context.name_place()
  local place = outside() or (now.loading and now.loading.file) or "?"
  local loading = now.loading
  if not loading then return place end
  local seen = (loading.places[place] or 0) + 1
  loading.places[place] = seen
  return seen == 1 and place or place .. "#" .. seen
end

-- Routes that combinators made while a policy was loaded, ready to be run: where.
context.routes = {}

-- ${route}, made by a combinator of those in ${list}. It is blind when no code of a
-- policy sees its answers: all of them are targets or blind. Without a list it is
-- not.
function context.made(route, list)
  local blind = now.loading and now.loading.blind
  if not blind then return route end
  context.routes[route] = outside() or now.loading.file
  if not list then return route end
  for i = 1, #list do
    if type(list[i]) == "function" and not blind[list[i]] then return route end
  end
  blind[route] = true
  return route
end

-- A misuse when ${options}, given to ${what}, is no table or has a key that the array
-- ${allowed} lacks.
function context.check_options(options, allowed, what)
  if type(options) ~= "table" then
    context.blame(("%s: expected options { %s }, got %s"):format(what,
      table.concat(allowed, " =, ") .. " =", context.describe(options)))
  end
  for key in next, options do
    local i = 1
    while i <= #allowed and allowed[i] ~= key do i = i + 1 end
    if i > #allowed then
      context.blame(("%s: unknown option %q (expected %s)%s"):format(what, tostring(key),
        table.concat(allowed, " "), context.hint(key, allowed)))
    end
  end
end

-- options[${name}], a number of at least ${low} and at most ${high}, or nil.
-- ${expected}: the same in words.
function context.number_of(options, name, what, expected, low, high)
  local value = options[name]
  if value == nil or type(value) == "number" and value >= low
      and value <= (high or math.maxinteger) then
    return value
  end
  context.blame(("%s: %s must be %s, got %s"):format(what, name, expected,
    context.describe(value)))
end

-- "a number 3", "a table", "nil": for messages.
function context.describe(value)
  local kind = type(value)
  if getmetatable(value) == "leme.answer" then
    return value.kind == "fetch" and "the answer of a service" or "an answer"
  end
  if kind == "nil" then return "nil" end
  if kind == "string" then return ("the string %q"):format(value:sub(1, 60)) end
  if kind == "number" or kind == "boolean" then
    return "the " .. kind .. " " .. tostring(value)
  end
  return "a " .. kind
end

-- The name in ${names} (an array) closest to ${wrong}, or nil when none is close.
function context.nearest(wrong, names)
  local best, best_distance = nil, math.max(2, #wrong // 3) + 1
  for i = 1, math.min(#names, 500) do
    local name = names[i]
    if math.abs(#name - #wrong) < best_distance then
      local row = {}
      for k = 0, #name do row[k] = k end
      for r = 1, #wrong do
        local diagonal, byte = row[0], wrong:byte(r)
        row[0] = r
        for k = 1, #name do
          local cost = name:byte(k) == byte and diagonal or diagonal + 1
          diagonal = row[k]
          row[k] = math.min(cost, row[k] + 1, row[k - 1] + 1)
        end
      end
      if row[#name] < best_distance then best, best_distance = name, row[#name] end
    end
  end
  return best
end

-- "; did you mean "x"?" or "".
function context.hint(wrong, names)
  local near = context.nearest(tostring(wrong), names)
  return near and ("; did you mean %q?"):format(near) or ""
end

return context
