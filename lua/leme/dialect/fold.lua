-- leme.dialect.fold: chunks into one completion, and a completion into chunks: for
-- models that only stream and clients that do not, and the other way round. Takes
-- sound chunks, as the dialects make them. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local fold = {}

local NULL = host.null

local Fold = {}
Fold.__index = Fold

-- add(chunk) as they come; answer() -> the chat.completion, once all did.
function fold.new()
  return setmetatable({ top = {}, choices = {}, last = -1 }, Fold)
end

-- Lists of a delta that grow; other tables replace what was there.
local LISTS = { annotations = true, citations = true, images = true, thinking_blocks = true,
  reasoning_details = true, file_annotations = true }
local TEXTS = { content = true, reasoning_content = true, refusal = true }

local function add_call(choice, piece)
  local at = piece.index + 1
  local call = choice.calls[at]
  local said = piece["function"] or piece.custom or {}
  if not call then
    call = { id = piece.id, type = piece.type, name = said.name, pieces = {} }
    choice.calls[at] = call
  end
  call.extra_content = piece.extra_content or call.extra_content
  call.pieces[#call.pieces + 1] = said.arguments or said.input
end

local function call_of(call)
  local made = { id = call.id, type = call.type, extra_content = call.extra_content }
  local text = common.join(call.pieces)
  if call.type == "custom" then
    made.custom = { name = call.name, input = text }
  else
    made["function"] = { name = call.name, arguments = text }
  end
  return made
end

local function add_function(choice, piece)
  choice.old = choice.old or { pieces = {} }
  choice.old.name = choice.old.name or piece.name
  choice.old.pieces[#choice.old.pieces + 1] = piece.arguments
end

local function add_delta(choice, delta)
  for key, value in pairs(delta) do
    if TEXTS[key] and value ~= NULL then
      choice.texts[key] = choice.texts[key] or {}
      table.insert(choice.texts[key], value)
    elseif LISTS[key] then
      choice.rest[key] = choice.rest[key] or host.array {}
      for _, item in ipairs(value) do table.insert(choice.rest[key], item) end
    elseif key == "tool_calls" then
      for _, piece in ipairs(value) do add_call(choice, piece) end
    elseif key == "function_call" then
      add_function(choice, value)
    elseif key ~= "role" and not TEXTS[key] then
      choice.rest[key] = value
    end
  end
end

local function add_logprobs(choice, logprobs)
  choice.logprobs = choice.logprobs or { content = NULL, refusal = NULL }
  for _, key in ipairs { "content", "refusal" } do
    local list = common.given(logprobs[key])
    if list then
      if choice.logprobs[key] == NULL then choice.logprobs[key] = host.array {} end
      for _, token in ipairs(list) do table.insert(choice.logprobs[key], token) end
    end
  end
end

function Fold:add(chunk)
  for key, value in pairs(chunk) do
    if key ~= "choices" then self.top[key] = value end
  end
  for _, said in ipairs(chunk.choices) do
    local choice = self.choices[said.index]
    if not choice then
      choice = { texts = {}, calls = {}, rest = {} }
      self.choices[said.index] = choice
      self.last = math.max(self.last, said.index)
    end
    add_delta(choice, said.delta)
    if common.given(said.logprobs) then add_logprobs(choice, said.logprobs) end
    choice.finish = common.given(said.finish_reason) or choice.finish
    choice.native = said.native_finish_reason or choice.native
  end
end

local function message_of(choice)
  local message = common.with(choice.rest, { role = "assistant", refusal = NULL })
  for key, pieces in pairs(choice.texts) do message[key] = common.join(pieces) end
  for i, call in ipairs(choice.calls) do
    message.tool_calls = message.tool_calls or host.array {}
    message.tool_calls[i] = call_of(call)
  end
  if choice.old then
    message.function_call = { name = choice.old.name or "",
      arguments = common.join(choice.old.pieces) }
  end
  local silent = message.tool_calls or message.function_call or message.refusal ~= NULL
  if (message.content or "") == "" then message.content = silent and NULL or "" end
  return message
end

function Fold:answer()
  local list = host.array {}
  for index = 0, self.last do
    local choice = self.choices[index]
    if choice then
      list[#list + 1] = { index = index, message = message_of(choice),
        finish_reason = choice.finish or "stop", native_finish_reason = choice.native,
        logprobs = choice.logprobs or NULL }
    end
  end
  return common.with(self.top, { object = "chat.completion", choices = list })
end

-- --- the same of text completions ------------------------------------------------------------

local Texts = {}
Texts.__index = Texts

function fold.texts()
  return setmetatable({ top = {}, choices = {}, last = -1 }, Texts)
end

function Texts:add(chunk)
  for key, value in pairs(chunk) do
    if key ~= "choices" and common.given(value) ~= nil then self.top[key] = value end
  end
  for _, said in ipairs(common.table(common.given(chunk.choices))) do
    local index = common.count(said.index) or 0
    local choice = self.choices[index] or { pieces = {} }
    self.choices[index], self.last = choice, math.max(self.last, index)
    choice.pieces[#choice.pieces + 1] = common.text(said.text)
    choice.finish = common.given(said.finish_reason) or choice.finish
  end
end

function Texts:answer()
  local list = host.array {}
  for index = 0, self.last do
    local choice = self.choices[index]
    if choice then
      list[#list + 1] = { index = index, text = common.join(choice.pieces), logprobs = NULL,
        finish_reason = choice.finish or "stop" }
    end
  end
  return common.with(self.top, { object = "text_completion", choices = list })
end

-- --- a completion as chunks ----------------------------------------------------------------

local function first_delta(message)
  local delta = common.with(message, { role = "assistant", content = "" })
  if message.content ~= NULL then delta.content = message.content end
  if delta.refusal == NULL then delta.refusal = nil end
  if message.tool_calls then
    delta.tool_calls = host.array {}
    for i, call in ipairs(message.tool_calls) do
      delta.tool_calls[i] = common.with(call, { index = i - 1 })
    end
  end
  return delta
end

-- -> list of chunks: one with all that was said, one with the finish reason a
-- choice, one with the usage.
function fold.chunks(answer)
  local head = common.with(answer, { object = "chat.completion.chunk" })
  head.usage, head.choices = nil, nil
  local list = host.array {}
  local function put(choices, usage)
    list[#list + 1] = common.with(head, { choices = host.array(choices), usage = usage })
  end
  for _, choice in ipairs(answer.choices) do
    put { { index = choice.index, delta = first_delta(choice.message), finish_reason = NULL,
      logprobs = common.given(choice.logprobs) } }
    put { { index = choice.index, delta = {}, finish_reason = choice.finish_reason,
      native_finish_reason = choice.native_finish_reason } }
  end
  if answer.usage then put({}, answer.usage) end
  return list
end

-- A text completion is its own only chunk, but for the usage.
function fold.text_chunks(answer)
  local only = common.with(answer, {})
  only.usage = nil
  local list = host.array { only }
  if answer.usage then list[2] = common.with(answer, { choices = host.array {} }) end
  return list
end

return fold
