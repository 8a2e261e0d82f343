-- leme.filter: the events of a filtered answer on their way to the client. The
-- only Lua that runs per token, and only for attempts that asked for it.

local host = require "leme.host"
local context = require "leme.context"
local task = require "leme.task"

local filter = {}

-- The table that holds the text of a chunk or of a complete answer, and its key.
local function text_of(event)
  local choice = type(event) == "table" and type(event.choices) == "table" and event.choices[1]
  if type(choice) ~= "table" then return nil end
  local part = choice.delta or choice.message
  if type(part) == "table" then return part, "content" end
  if type(choice.text) == "string" then return choice, "text" end
end

-- What ${fn}(text, event, answer) made of one event: nil keeps it, false drops
-- it, a string takes the place of its text, a table that of the whole event.
local function apply(fn, event, a)
  local holder, key = text_of(event)
  local text = holder and holder[key]
  if type(text) ~= "string" then text = "" end
  local said = fn(text, event, a)
  if said == nil or said == true then return event, false end
  if said == false then return nil, true end
  if type(said) == "table" then return said, true end
  if type(said) ~= "string" then
    context.blame(context.NONSENSE .. "a filter returned " .. context.describe(said)
      .. ", expected nil (keep), false (drop), a string (new text) or a table (new event)")
  end
  if said == text then return event, false end
  if holder then holder[key] = said end
  return event, holder ~= nil
end

-- One event of attempt ${a}: decide, and say so to the engine.
function filter.item(a, data)
  local chain = a.filter
  local event = chain and host.decode(data)
  if type(event) ~= "table" then
    return task.push("pass", a.id, false, false, false, false)
  end
  local changed = false
  for i = 1, #chain do
    local touched
    event, touched = apply(chain[i], event, a)
    if event == nil then return task.push("drop", a.id, false, false, false, false) end
    changed = changed or touched
  end
  if not changed then return task.push("pass", a.id, false, false, false, false) end
  task.push("replace", a.id, host.encode(event), false, false, false)
end

return filter
