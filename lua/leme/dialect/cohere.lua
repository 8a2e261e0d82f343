-- leme.dialect.cohere: Cohere's own chat, version 2. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local chat = require "leme.dialect.chat"
local failure = require "leme.dialect.failure"

-- --- messages --------------------------------------------------------------------------

local NATIVE = { document = true, thinking = true }

local function content_of(content, ledger)
  content = common.given(content)
  if content == nil or type(content) == "string" then return common.filled(content) end
  local list = host.array {}
  for _, part in ipairs(common.parts(content)) do
    if part.kind == "text" then
      if part.text ~= "" then list[#list + 1] = { type = "text", text = part.text } end
    elseif part.kind == "image" or NATIVE[part.raw.type] then
      list[#list + 1] = part.raw
    else
      ledger:drop("content part " .. tostring(part.raw.type or part.kind))
    end
  end
  if #list > 0 then return list end
end

local function calls_of(message, pairing)
  local list = host.array {}
  for i, call in ipairs(common.calls(message)) do
    local arguments = common.arguments(call.arguments)
    list[i] = { id = pairing:call(call.id, call.name), type = "function", ["function"] = {
      name = call.name, arguments = host.encode(arguments or { text = call.arguments }) } }
  end
  if #list > 0 then return list end
end

local READ = {}

function READ.assistant(message, pairing, ledger)
  local made = { role = "assistant", content = content_of(message.content, ledger),
    tool_calls = calls_of(message, pairing) }
  if made.tool_calls then made.tool_plan = common.filled(message.reasoning_content) end
  if made.content or made.tool_calls then return made end
end

function READ.tool(message, pairing, ledger)
  local call = pairing:result(message.tool_call_id, common.text(message.name))
  local content = content_of(message.content, ledger)
  if not call then
    ledger:note "a tool result without its call became text of the user"
    return { role = "user", content = content or "..." }
  end
  return { role = "tool", tool_call_id = call.own, content = content or "" }
end
READ["function"] = READ.tool

function READ.system(message, _, ledger)
  return { role = "system", content = content_of(message.content, ledger) or "" }
end
READ.developer = READ.system

function READ.user(message, _, ledger)
  return { role = "user", content = content_of(message.content, ledger) or "" }
end

local function messages_of(body, ledger)
  local pairing = common.pairing(function() return true end,
    function(id, n) return "call_" .. common.letters(id .. n, 24) end)
  local list = host.array {}
  for _, message in ipairs(common.messages(body, ledger)) do
    local read = READ[message.role] or READ.user
    list[#list + 1] = read(message, pairing, ledger)
  end
  if #list == 0 then ledger:bad "messages: nothing is said in them" end
  return list
end

-- --- settings --------------------------------------------------------------------------

local RANGES = { temperature = { "temperature", 0, 1 }, top_p = { "p", 0.01, 0.99 },
  top_k = { "k", 0, 500 }, seed = { "seed" }, presence_penalty = { "presence_penalty", 0, 1 },
  frequency_penalty = { "frequency_penalty", 0, 1 } }

local function read_numbers(body, out, ledger)
  for key, range in pairs(RANGES) do
    local value = common.number(common.given(body[key]))
    local nearest = value
    if value and range[2] then nearest = math.max(range[2], math.min(range[3], value)) end
    if key == "top_p" and value == 1 then
      nearest = nil
    elseif nearest ~= value then
      ledger:clamp(key, value, nearest)
    end
    out[range[1]] = nearest
  end
  if body.logprobs == true then out.logprobs = true end
end

local function read_limit(body, out, facts, ledger)
  local asked, most = common.max_tokens(body), common.count(facts.max_output)
  if asked and most and asked > most then
    ledger:clamp("max_tokens", asked, most)
    asked = most
  end
  out.max_tokens = asked
end

local CHOICES = { required = "REQUIRED", none = "NONE", ["function"] = "REQUIRED" }

local function read_tools(body, out, ledger)
  local kind, name, allowed = common.tool_choice(body)
  local only = name and { [name] = true }
  for _, one in ipairs(allowed or {}) do
    only = only or {}
    only[one] = true
  end
  local list = host.array {}
  for _, tool in ipairs(common.tools(body)) do
    if tool.native then
      ledger:drop("tool of type " .. tostring(tool.native.type))
    elseif not only or only[tool.name] then
      list[#list + 1] = { type = "function", ["function"] = { name = tool.name,
        description = tool.description, parameters = tool.parameters
          or { type = "object", properties = {} } } }
    end
  end
  if #list == 0 then return end
  if name then ledger:note("only the tool " .. name .. " was sent: none can be chosen by name") end
  out.tools = list
  out.tool_choice = CHOICES[kind]
  if body.parallel_tool_calls == false then ledger:drop "parallel_tool_calls" end
end

local BUDGETS = { minimal = 512, low = 1024, medium = 4096, high = 16384 }

local function read_thinking(body, out)
  local effort, budget = common.effort(body)
  out.thinking = common.given(body.thinking)
  if effort == "none" then
    out.thinking = { type = "disabled" }
  elseif effort or budget then
    out.thinking = { type = "enabled", token_budget = budget or BUDGETS[effort] }
  end
end

local function read_format(body, out)
  local kind, named = common.response_format(body)
  if kind == "json_schema" then
    out.response_format = { type = "json_object",
      json_schema = next(named.schema) and named.schema or nil }
  elseif kind then
    out.response_format = { type = "json_object" }
  end
end

local OWN = { "documents", "citation_options", "safety_mode", "strict_tools", "priority" }
local TAKEN = { model = true, messages = true, max_tokens = true, max_completion_tokens = true,
  stream = true, stream_options = true, tools = true, tool_choice = true, functions = true,
  function_call = true, parallel_tool_calls = true, stop = true, reasoning_effort = true,
  reasoning = true, thinking = true, response_format = true, logprobs = true }

local function read_others(body, out, ledger)
  for _, key in ipairs(OWN) do out[key] = common.given(body[key]) end
  for key, value in pairs(body) do
    if not TAKEN[key] and not RANGES[key] and out[key] == nil and not common.idle(key, value) then
      ledger:drop(key)
    end
  end
end

local cohere = { name = "cohere", wire = "cohere", answers = "clean",
  base = "https://api.cohere.com/v2", auth = { header = "authorization", prefix = "Bearer " } }

function cohere:request(body, facts)
  local ledger = common.ledger(self.name, facts)
  local out = { model = facts.model or common.text(body.model) or "" }
  out.messages = messages_of(body, ledger)
  local stream = facts.stream
  if stream == nil then stream = body.stream == true end
  out.stream = stream
  common.note_functions(body, facts)
  read_numbers(body, out, ledger)
  read_limit(body, out, facts, ledger)
  read_tools(body, out, ledger)
  read_thinking(body, out)
  read_format(body, out)
  local stops = common.stops(body)
  if #stops > 0 then out.stop_sequences = host.array(stops) end
  read_others(body, out, ledger)
  return ledger:result("/chat", out)
end

-- --- answers ---------------------------------------------------------------------------

local FINISH = { COMPLETE = "stop", STOP_SEQUENCE = "stop", MAX_TOKENS = "length",
  TOOL_CALL = "tool_calls", ERROR_TOXIC = "content_filter", ERROR_LIMIT = "length" }
local FAILED = { ERROR = "provider_server_error", TIMEOUT = "provider_timeout_total" }

local function finish_of(reason, calls)
  local finish = FINISH[reason] or "stop"
  if finish == "stop" and calls > 0 then return "tool_calls" end
  if finish == "tool_calls" and calls == 0 then return "stop" end
  return finish
end

local function usage_of(usage)
  usage = common.table(common.given(usage))
  local tokens = common.table(common.given(usage.tokens) or common.given(usage.billed_units))
  if not common.count(tokens.input_tokens) and not common.count(tokens.output_tokens) then
    return nil
  end
  return chat.usage { prompt = common.count(tokens.input_tokens),
    completion = common.count(tokens.output_tokens), cached = common.count(usage.cached_tokens) }
end

local function arguments_text(value)
  local object = common.arguments(value)
  if type(value) == "string" and value:sub(1, 64):find "^%s*{" then return value end
  return host.encode(object or { text = value })
end

-- One entry a token, or one of several at once, whose numbers are then apart.
local function logprobs_of(list)
  list = common.given(list)
  if common.is_object(list) then list = { list } end
  if not common.is_list(list) then return nil end
  local content = host.array {}
  for _, said in ipairs(list) do
    said = common.table(said)
    for i, number in ipairs(common.table(said.logprobs)) do
      content[#content + 1] = { token = i == 1 and common.text(said.text) or "", bytes = host.null,
        logprob = common.number(number) or -9999, top_logprobs = host.array {} }
    end
  end
  if #content > 0 then return { content = content, refusal = host.null } end
end

function cohere:answer(text, facts) -- luacheck: ignore 212/self
  local body = host.decode(text)
  local message = common.table(body).message
  if type(body) ~= "table" then
    return nil, "provider_bad_response", "the answer is no JSON object"
  end
  if type(message) ~= "table" then
    if message or body.error then return nil, failure.read(200, text) end
    return nil, "provider_bad_response", "the answer has no message"
  end
  local reason = common.text(body.finish_reason)
  if FAILED[reason] then return nil, FAILED[reason], "the provider gave up" end
  local said = { text = {}, reasoning = { common.text(message.tool_plan) }, calls = {},
    citations = common.given(message.citations) }
  local content = common.given(message.content)
  if type(content) == "string" then said.text[1] = content end
  for _, block in ipairs(common.table(type(content) == "table" and content)) do
    block = common.table(block)
    said.text[#said.text + 1] = common.text(block.text)
    said.reasoning[#said.reasoning + 1] = common.text(block.thinking)
  end
  for i, call in ipairs(common.table(common.given(message.tool_calls))) do
    call = common.table(call)
    local fn = common.table(call["function"])
    said.calls[i] = { id = common.filled(call.id) or "call_" .. common.letters(tostring(i), 24),
      name = common.text(fn.name) or "", arguments = arguments_text(fn.arguments) }
  end
  if FINISH[reason] == "content_filter" and #said.text == 0 and #said.calls == 0 then
    return nil, "provider_content_filtered", "the answer was filtered"
  end
  return chat.completion(
    { functions = facts.functions, id = common.filled(body.id), model = facts.model },
    { { message = chat.message(said), finish = finish_of(reason, #said.calls), native = reason,
      logprobs = logprobs_of(body.logprobs) } },
    usage_of(body.usage))
end

local Stream = {}
Stream.__index = Stream

function cohere:stream(facts) -- luacheck: ignore 212/self
  return setmetatable({ out = chat.writer(facts), calls = 0 }, Stream)
end

function Stream:text(content, logged)
  content = common.table(content)
  if common.filled(content.text) then
    self.spoke = true
    self.out:delta({ content = content.text }, 0, logprobs_of(logged))
  end
  if common.filled(content.thinking) then
    self.out:delta { reasoning_content = content.thinking }
  end
end

-- Arguments that are no object's are kept back until the call is whole.
function Stream:arguments(piece)
  piece = common.text(piece) or ""
  if piece == "" then return end
  if self.held == nil then self.held = not piece:find "^%s*{" end
  if self.held then
    self.kept = (self.kept or "") .. piece
  else
    self.out:arguments(self.calls - 1, piece)
  end
end

function Stream:close_call()
  if not self.calling then return end
  self.calling = false
  if self.held ~= false then
    self.out:arguments(self.calls - 1, arguments_text(self.kept or ""))
  end
end

local function message_in(event)
  return common.table(common.table(event.delta).message)
end

local EVENTS = {
  ["message-start"] = function(self, event)
    self.out:head(event.id)
    self.out:begin(0)
  end,
  ["content-start"] = function(self, event) self:text(message_in(event).content) end,
  ["content-delta"] = function(self, event)
    self:text(message_in(event).content, event.logprobs)
  end,
  ["tool-plan-delta"] = function(self, event)
    local plan = common.filled(message_in(event).tool_plan)
    if plan then self.out:delta { reasoning_content = plan } end
  end,
  ["tool-call-start"] = function(self, event)
    self:close_call()
    local call = common.table(message_in(event).tool_calls)
    local fn = common.table(call["function"])
    self.calling, self.held, self.kept = true, nil, nil
    self.calls = self.calls + 1
    self.out:call(self.calls - 1, common.filled(call.id)
      or "call_" .. common.letters(tostring(self.calls), 24), common.text(fn.name) or "", "")
    self:arguments(fn.arguments)
  end,
  ["tool-call-delta"] = function(self, event)
    local call = common.table(message_in(event).tool_calls)
    if self.calling then self:arguments(common.table(call["function"]).arguments) end
  end,
  ["tool-call-end"] = Stream.close_call,
  ["citation-start"] = function(self, event)
    local cited = common.given(message_in(event).citations)
    if type(cited) == "table" then
      self.out:delta { citations = common.is_list(cited) and cited or host.array { cited } }
    end
  end,
  ["message-end"] = function(self, event)
    self:close_call()
    local delta = common.table(event.delta)
    local reason = common.text(delta.finish_reason)
    if FAILED[reason] then
      return FAILED[reason], common.filled(delta.error) or "the provider gave up"
    end
    if FINISH[reason] == "content_filter" and not self.spoke and self.calls == 0 then
      return "provider_content_filtered", "the answer was filtered"
    end
    self.out:finish(finish_of(reason, self.calls), reason)
    self.out:usage(usage_of(delta.usage))
    self.done = true
  end,
}

function Stream:event(name, data)
  if self.done or common.blank(data) or data:sub(1, 6) == "[DONE]" then return host.array {} end
  local event = host.decode(data)
  if type(event) ~= "table" then
    return nil, "provider_bad_response", "an event is no JSON object"
  end
  local read = EVENTS[common.text(event.type) or name]
  if read then
    local word, message = read(self, event)
    if word then return nil, word, message end
  elseif event.type == nil and (event.message or event.error) then
    return nil, failure.read(200, data)
  end
  return host.array(self.out:take())
end

function Stream:finish()
  if not self.done then
    return nil, "provider_cut_stream", "the stream ended before the message did"
  end
  return host.array(self.out:take())
end

function cohere:error(status, text) -- luacheck: ignore 212/self
  return failure.read(status, text)
end

-- --- embeddings ------------------------------------------------------------------------

function cohere:embeddings(body, facts)
  local ledger = common.ledger(self.name, facts)
  local texts = host.array {}
  local input = common.given(body.input)
  for _, text in ipairs(type(input) == "table" and input or { input }) do
    if type(text) ~= "string" then
      ledger:bad "input: expected text or an array of texts; token ids are not taken by cohere"
      break
    end
    texts[#texts + 1] = text
  end
  if #texts == 0 then ledger:bad "input: nothing to embed" end
  return ledger:result("/embed", { model = facts.model or common.text(body.model) or "",
    texts = texts, input_type = common.text(body.input_type) or "search_document",
    embedding_types = host.array { "float" },
    output_dimension = common.count(common.given(body.dimensions)) })
end

function cohere:embedded(text, facts) -- luacheck: ignore 212/self
  local body = common.table(host.decode(text))
  local held = common.table(body.embeddings)
  local rows = held.float or held
  if not common.is_list(rows) then
    if body.message then return nil, failure.read(200, text) end
    return nil, "provider_bad_response", "the answer has no embeddings"
  end
  local data = host.array {}
  for i, values in ipairs(rows) do
    data[i] = { object = "embedding", index = i - 1, embedding = values }
  end
  local units = common.table(common.table(body.meta).billed_units)
  local tokens = common.count(units.input_tokens)
  return { object = "list", model = facts.model or "", data = data,
    usage = tokens and { prompt_tokens = tokens, total_tokens = tokens } or nil }
end

return cohere
