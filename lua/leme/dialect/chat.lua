-- leme.dialect.chat: OpenAI's chat.completion and chat.completion.chunk, built from
-- what a provider said. Pure, but for the clock.

local host = require "leme.host"
local common = require "leme.dialect.common"
local ipairs, next, setmetatable, type = ipairs, next, setmetatable, type

local chat = {}

local NULL = host.null

local function now()
  return math.floor(host.wall())
end

-- --- usage -----------------------------------------------------------------------------

-- known: prompt, completion (both whole), total, cached, written, written_1h,
-- reasoning, audio_in, audio_out, searches; all but the first two may be nil.
function chat.usage(known)
  local prompt, completion = known.prompt or 0, known.completion or 0
  local usage = { prompt_tokens = prompt, completion_tokens = completion,
    total_tokens = known.total or prompt + completion,
    prompt_tokens_details = { cached_tokens = known.cached or 0, audio_tokens = known.audio_in,
      cache_write_tokens = known.written, cache_write_1h_tokens = known.written_1h },
    completion_tokens_details = { reasoning_tokens = known.reasoning or 0,
      audio_tokens = known.audio_out } }
  if known.searches and known.searches > 0 then
    usage.server_tool_use = { web_search_requests = known.searches }
  end
  return usage
end

-- --- a whole answer --------------------------------------------------------------------

-- A message from what was said: text (list of pieces), reasoning (list), calls
-- (list of { id, name, arguments, extra }), refusal, and extensions.
function chat.message(said)
  local text = common.join(said.text)
  local message = { role = "assistant", refusal = said.refusal or NULL,
    content = (text ~= "" or #said.calls == 0 and not said.refusal) and text or NULL }
  local reasoning = common.join(said.reasoning)
  if reasoning ~= "" then message.reasoning_content = reasoning end
  for i, call in ipairs(said.calls) do
    message.tool_calls = message.tool_calls or host.array {}
    message.tool_calls[i] = { id = call.id, type = "function", extra_content = call.extra,
      ["function"] = { name = call.name, arguments = call.arguments } }
  end
  for _, key in ipairs { "annotations", "citations", "thinking_blocks", "images" } do
    local list = said[key]
    if list and #list > 0 then message[key] = host.array(list) end
  end
  message.extra_content = said.extra
  return message
end

-- Old clients asked for functions, and look for function_call.
function chat.as_functions(choices)
  for _, choice in ipairs(choices) do
    local call = common.table(choice.message.tool_calls)[1]
    if call then
      choice.message.function_call = call["function"]
      choice.message.tool_calls = nil
      choice.finish_reason = "function_call"
    end
  end
end

-- head: { id, model, created, functions = did the client ask for functions };
-- choices: list of { message, finish, native,
-- logprobs }.
function chat.completion(head, choices, usage)
  local list = host.array {}
  for i, choice in ipairs(choices) do
    list[i] = { index = i - 1, message = choice.message, finish_reason = choice.finish,
      native_finish_reason = choice.native, stop_reason = choice.stopped_by,
      logprobs = choice.logprobs or NULL }
  end
  if head.functions then chat.as_functions(list) end
  return { id = head.id or "chatcmpl-" .. common.letters(tostring(host.wall()), 24),
    object = "chat.completion", created = head.created or now(), model = head.model or "",
    choices = list, usage = usage }
end

-- --- a stream --------------------------------------------------------------------------

local Writer = {}
Writer.__index = Writer

local NONE = host.array {}

-- Makes the chunks of one answer. head() must come before the first delta; roles
-- are sent once a choice. extras: members every chunk has at the top. With
-- facts.texts chunks are lines of an event stream at once, where they have no
-- extras: what all of them share is then written once, not with each.
function chat.writer(facts)
  return setmetatable({ id = "", model = facts.model or "", created = now(), out = nil,
    begun = {}, finished = {}, functions = facts.functions, texts = facts.texts, shared = nil,
    counted = nil }, Writer)
end

function Writer:head(id, model, created)
  self.id = common.filled(id) or self.id
  self.model = common.filled(model) or self.model
  self.created = created or self.created
  self.shared = nil
end

-- Chunks go to a new list until taken.
function Writer:take()
  local out = self.out
  self.out = nil
  return out or NONE
end

local function name_answer(self)
  if self.id == "" then self.id = "chatcmpl-" .. common.letters(tostring(host.wall()), 24) end
end

local function add(self, chunk)
  local out = self.out
  if out then
    out[#out + 1] = chunk
  else
    self.out = host.array { chunk }
  end
end

local function as_text(self)
  return self.texts and not (self.extras and next(self.extras) ~= nil)
end

-- Members stand in the order of their names, as in all JSON that is written here.
local function shared_text(self)
  name_answer(self)
  return '],"created":' .. host.encode(self.created) .. ',"id":' .. host.encode(self.id)
    .. ',"model":' .. host.encode(self.model) .. ',"object":"chat.completion.chunk"'
end

local function add_line(self, choice, usage)
  self.shared = self.shared or shared_text(self)
  add(self, 'data: {"choices":[' .. choice .. self.shared
    .. (usage and ',"usage":' .. host.encode(usage) or "") .. "}\n\n")
end

local function add_chunk(self, choices, usage)
  name_answer(self)
  local chunk = { id = self.id, object = "chat.completion.chunk", created = self.created,
    model = self.model, choices = host.array(choices), usage = usage }
  for key, value in pairs(self.extras or {}) do chunk[key] = value end
  add(self, chunk)
end

local function choice_text(index, delta, finish, native, logprobs, stop)
  local text = '{"delta":' .. delta .. ',"finish_reason":'
    .. (finish and host.encode(finish) or "null") .. ',"index":' .. index
  if logprobs then text = text .. ',"logprobs":' .. host.encode(logprobs) end
  if native then text = text .. ',"native_finish_reason":' .. host.encode(native) end
  if stop then text = text .. ',"stop_reason":' .. host.encode(stop) end
  return text .. "}"
end

-- The delta is a table, or its text when that is always the same.
local function put(self, index, delta, finish, native, logprobs, stop)
  if as_text(self) then
    if type(delta) == "table" then delta = host.encode(delta) end
    return add_line(self, choice_text(index, delta, finish, native, logprobs, stop))
  end
  if type(delta) == "string" then delta = host.decode(delta) end
  add_chunk(self, { { index = index, delta = delta, finish_reason = finish or NULL,
    native_finish_reason = native, logprobs = logprobs, stop_reason = stop } })
end

function Writer:begin(index)
  if self.begun[index] then return end
  self.begun[index] = true
  put(self, index, '{"content":"","role":"assistant"}')
end

-- The first call's pieces as the old function_call.
local function function_delta(delta)
  local call = delta.tool_calls[1]
  if #delta.tool_calls > 0 and call.index ~= 0 then call = nil end
  delta = common.with(delta, { function_call = call and call["function"] })
  delta.tool_calls = nil
  return delta
end

function Writer:delta(delta, index, logprobs)
  index = index or 0
  if self.functions and delta.tool_calls then
    delta = function_delta(delta)
    if next(delta) == nil then return end
  end
  self:begin(index)
  put(self, index, delta, nil, nil, logprobs)
end

-- The first piece of a call, or its only one.
function Writer:call(k, id, name, arguments, index, extra)
  self:delta({ tool_calls = host.array { { index = k, id = id, type = "function",
    ["function"] = { name = name, arguments = arguments }, extra_content = extra } } }, index)
end

function Writer:arguments(k, piece, index)
  self:delta({ tool_calls = host.array { { index = k,
    ["function"] = { arguments = piece } } } }, index)
end

-- Only the first reason of a choice counts.
function Writer:finish(reason, native, index, stop)
  index = index or 0
  if self.finished[index] then return end
  if self.functions and reason == "tool_calls" then reason = "function_call" end
  self:begin(index)
  self.finished[index] = reason
  put(self, index, "{}", reason, native, nil, stop)
end

function Writer:usage(usage)
  if self.counted or not usage then return end
  self.counted = true
  if as_text(self) then return add_line(self, "", usage) end
  add_chunk(self, {}, usage)
end

return chat
