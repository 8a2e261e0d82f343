-- leme.dialect.openai_history: the messages of a conversation as one vendor of
-- OpenAI's format takes them. Messages that need nothing stay as they are. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local history = {}

-- Members of a message that OpenAI's format knows.
local KNOWN = { role = true, content = true, name = true, tool_calls = true, tool_call_id = true,
  function_call = true, refusal = true, audio = true, prefix = true, annotations = true,
  reasoning_content = true, cache_control = true }
local STRICT = { role = true, content = true, tool_calls = true, tool_call_id = true, name = true,
  prefix = true }

-- The index of the last message of the user's: what follows is one tool loop.
local function loop_start(messages)
  for i = #messages, 1, -1 do
    if messages[i].role == "user" then return i end
  end
  return 0
end

-- JSON text of an object, whatever it was; nil when it is that already.
local function sound_arguments(value)
  if type(value) == "string" then
    local held = host.decode(value)
    if type(held) == "table" and not common.is_list(held) then return nil end
  end
  local object = common.arguments(value)
  return host.encode(object or { text = value })
end

-- A call of a tool that the vendor has no word for, as one of a function.
local function as_function(call)
  local custom = common.table(call.custom)
  return { id = call.id, type = "function", ["function"] = { name = common.text(custom.name) or "",
    arguments = host.encode { input = common.text(custom.input) or "" } } }
end

local function sound_calls(message, self)
  local calls, changed = host.array {}, false
  for i, call in ipairs(message.tool_calls) do
    if type(call) ~= "table" then
      self.ledger:bad "tool_calls: expected objects"
      call = {}
    end
    if type(call.custom) == "table" and not self.vendor.custom and not self.vendor.keep then
      call, changed = as_function(call), true
    end
    local fn = common.table(call["function"])
    local arguments = fn.name and sound_arguments(fn.arguments)
    local id = call.id
    if self.pairing and fn.name then id = self.pairing:call(call.id, fn.name) end
    local extra = not self.vendor.keep and call.extra_content ~= nil
    if arguments or id ~= call.id or extra then
      changed = true
      call = common.with(call, { id = id })
      if arguments then call["function"] = common.with(fn, { arguments = arguments }) end
      if extra then call.extra_content = nil end
    end
    calls[i] = call
  end
  return calls, changed
end

local function own_members(message, self)
  local known = (self.vendor.allow or self.vendor.strict) and STRICT or KNOWN
  if self.vendor.keep then
    local files = common.given(message.file_annotations)
    if type(files) ~= "table" then return message end
    local copy = common.with(message, { annotations = files })
    copy.file_annotations = nil
    return copy
  end
  for key, value in pairs(message) do
    if not known[key] or value == nil then
      local copy = {}
      for name, inner in pairs(message) do
        if known[name] or (name == "reasoning_content" and self.vendor.thoughts) then
          copy[name] = inner
        end
      end
      return copy
    end
  end
  return message
end

local function thoughts(message, i, self)
  local rule = self.vendor.thoughts
  if message.role ~= "assistant" then return message end
  if rule == "loop" and self.thinking and i > self.loop then
    if common.text(message.reasoning_content) then return message end
    return common.with(message, { reasoning_content = "" })
  end
  if message.reasoning_content == nil or rule == "keep" then return message end
  local copy = common.with(message, {})
  copy.reasoning_content = nil
  return copy
end

local function tools_of(message, self)
  local calls = message.tool_calls
  if type(calls) == "table" and #calls > 0 then
    local sound, changed = sound_calls(message, self)
    return changed and common.with(message, { tool_calls = sound }) or message
  end
  if calls ~= nil or message.function_call == host.null then
    message = common.with(message, {})
    message.tool_calls = nil
    if message.function_call == host.null then message.function_call = nil end
  end
  if message.role == "tool" and self.pairing then
    local call = self.pairing:result(message.tool_call_id, common.text(message.name))
    local id = call and call.own or self.pairing.make(common.text(message.tool_call_id) or "", 0)
    if id ~= message.tool_call_id then message = common.with(message, { tool_call_id = id }) end
  end
  return message
end

-- Mistral's word for a file.
local function document_of(file)
  local data = common.text(file.file_data) or common.text(file.file_url)
  if not data then return { type = "file", file_id = common.text(file.file_id) } end
  if data:sub(1, 5) ~= "data:" and data:sub(1, 4) ~= "http" then
    data = "data:" .. common.media_of(common.text(file.filename) or "", "application/pdf")
      .. ";base64," .. data
  end
  return { type = "document_url", document_url = data, document_name = common.text(file.filename) }
end

local function documents(message, self)
  if not self.vendor.documents or not common.is_list(message.content) then return message end
  local list, changed = host.array {}, false
  for i, part in ipairs(message.content) do
    local file = type(part) == "table" and part.type == "file" and common.given(part.file)
    if type(file) == "table" then part, changed = document_of(file), true end
    list[i] = part
  end
  return changed and common.with(message, { content = list }) or message
end

-- The messages as the vendor takes them, or nil when they are that already.
function history.read(messages, vendor, thinking, ledger)
  local self = { vendor = vendor, ledger = ledger, thinking = thinking, loop = loop_start(messages),
    pairing = vendor.ids == "nine" and common.pairing(
      function(id) return #id == 9 and not id:find "[^%w]" end,
      function(id, n) return common.letters(id == "" and tostring(n) or id, 9) end) or nil }
  local list, changed = host.array {}, false
  for i, message in ipairs(messages) do
    local made = thoughts(tools_of(message, self), i, self)
    made = documents(own_members(made, self), self)
    if made.role == "developer" and not vendor.developer then
      made = common.with(made, { role = "system" })
    end
    if made.name and (vendor.names == false or vendor.names == "tool" and made.role ~= "tool") then
      made = common.with(made, {})
      made.name = nil
    end
    local last = list[#list]
    if vendor.bridge and last and last.role == "tool" and made.role == "user" then
      ledger:note "an assistant turn was put between tool results and the user"
      list[#list + 1] = { role = "assistant", content = "." }
      changed = true
    end
    changed = changed or made ~= message
    list[#list + 1] = made
  end
  local last = list[#list]
  local mark = vendor.last == "prefix" and last and not last.tool_calls
    and (last.role == "assistant" and last.prefix ~= true and { prefix = true }
      or last.role == "system" and { role = "user" })
  if mark then
    ledger:note "the last message was marked: one of this role cannot be the last"
    list[#list] = common.with(last, mark)
    changed = true
  end
  return changed and list or nil
end

return history
