-- leme.dialect.openai: vendors that speak OpenAI's chat completions. request()
-- names only the top-level members that must change, so that the rest of a body
-- stays as its client wrote it; vendors holds what differs. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local history = require "leme.dialect.openai_history"
local think = require "leme.dialect.openai_think"
local answer = require "leme.dialect.openai_answer"
local failure = require "leme.dialect.failure"
local vendors = require "leme.dialect.vendors"

local NULL = host.null

local function fits_any(model, patterns)
  for _, pattern in ipairs(patterns or {}) do
    if model:find(pattern) then return true end
  end
  return false
end

local UNREASONING = { "chat", "non%-reasoning" }

-- One request on its way: the body, the edits so far.
local Turn = {}
Turn.__index = Turn

function Turn:now(key)
  local value = self.edits[key]
  if value == nil then value = self.body[key] end
  return common.given(value)
end

function Turn:set(key, value)
  if self.body[key] == nil and value == NULL then
    self.edits[key] = nil
  else
    self.edits[key] = value
  end
end

-- --- limits and ranges -----------------------------------------------------------------

function Turn:most_output()
  local most = common.count(self.facts.max_output)
  for _, row in ipairs(self.vendor.outputs or {}) do
    if most then break end
    if self.model:find(row[1]) then most = row[2] end
  end
  return most
end

function Turn:limit()
  local asked = common.max_tokens(self.body)
  if not asked then return end
  local name, newer = self.vendor.limit, self.body.max_completion_tokens ~= nil
  if not name or (name == "max_completion_tokens" and not self.reasons) then
    name = newer and "max_completion_tokens" or "max_tokens"
  end
  local most = self:most_output()
  local kept = most and math.min(asked, most) or asked
  if kept ~= asked then self.ledger:clamp("max_tokens", asked, kept) end
  if common.given(self.body[name]) ~= kept then self:set(name, kept) end
  local other = name == "max_tokens" and "max_completion_tokens" or "max_tokens"
  if self.body[other] ~= nil then self:set(other, NULL) end
end

function Turn:ranges()
  for key, range in pairs(self.vendor.ranges or {}) do
    local value = common.number(self:now(key))
    local nearest = value and math.max(range[1], math.min(range[2], value))
    if nearest ~= value then
      self.ledger:clamp(key, value, nearest)
      self:set(key, nearest)
    end
  end
end

-- --- fields ----------------------------------------------------------------------------

function Turn:remove(key, why)
  local value = self:now(key)
  if value == nil then return end
  if not common.idle(key, value) then self.ledger:drop(key, why) end
  self:set(key, NULL)
end

function Turn:fields()
  local vendor = self.vendor
  for key, name in pairs(vendor.rename or {}) do
    local value = self:now(key)
    if value ~= nil then
      self:set(name, value)
      self:set(key, NULL)
    end
  end
  for key in pairs(vendor.drop or {}) do self:remove(key) end
  if self.reasons and vendor.unsampled and common.effort(self.body) ~= "none" then
    for key in pairs(vendor.unsampled) do
      local value = self:now(key)
      if value == 1 and (key == "temperature" or key == "top_p") then
        self:set(key, NULL)
      else
        self:remove(key, "this model takes none")
      end
    end
  end
  if self.reasons and fits_any(self.model, vendor.unstopped) then
    self:remove("stop", "this model takes none")
  end
  if common.table(self.facts.caps).temperature == false then
    self:remove("temperature", "this model takes none")
  end
  if not vendor.allow then return end
  for key in pairs(self.body) do
    if not vendor.allow[key] and self.edits[key] == nil then
      if key == "user" or key == "stream_options" or key == "safety_identifier" then
        self:set(key, NULL)
      else
        self:remove(key)
        if self.body[key] == NULL then self:set(key, NULL) end
      end
    end
  end
end

-- --- tools -----------------------------------------------------------------------------

function Turn:old_functions()
  if common.given(self.body.functions) == nil or self.vendor.custom then return end
  local tools = host.array {}
  for _, fn in ipairs(common.table(self.body.functions)) do
    tools[#tools + 1] = { type = "function", ["function"] = fn }
  end
  self.facts.functions = true
  self:set("functions", NULL)
  self:set("tools", tools)
  local choice = common.given(self.body.function_call)
  if choice ~= nil then
    self:set("function_call", NULL)
    self:set("tool_choice", type(choice) == "table"
      and { type = "function", ["function"] = { name = choice.name } } or choice)
  end
end

-- Only OpenAI has the choice among some of the tools: elsewhere only those are sent.
function Turn:allowed(tools)
  local kind, _, names = common.tool_choice { tool_choice = self:now "tool_choice" }
  if not names or self.vendor.custom or self.vendor.keep then return end
  local wanted, kept = {}, host.array {}
  for _, name in ipairs(names) do wanted[name] = true end
  for _, tool in ipairs(tools) do
    local name = common.table(common.table(tool)["function"]).name
    if name == nil or wanted[name] then kept[#kept + 1] = tool end
  end
  if not self.ledger:map("tool_choice allowed_tools", "only these tools are sent") then
    self:set("tool_choice", NULL)
    return
  end
  if #kept > 0 then
    self:set("tools", kept)
    self:set("tool_choice", kind)
    return
  end
  for _, key in ipairs { "tools", "tool_choice", "parallel_tool_calls" } do
    if self.body[key] ~= nil then self:set(key, NULL) end
  end
end

-- What is left of ${tools} where there are none but functions.
function Turn:only_functions(tools)
  if self.vendor.custom or self.vendor.keep or type(tools) ~= "table" then return tools end
  local kept = host.array {}
  for _, tool in ipairs(tools) do
    if common.table(tool).type ~= "custom" then kept[#kept + 1] = tool end
  end
  if #kept == #tools then return tools end
  self.ledger:drop "custom tools"
  self:set("tools", kept)
  if common.table(self:now "tool_choice").type == "custom" then self:set("tool_choice", NULL) end
  return kept
end

function Turn:tools()
  self:old_functions()
  local tools = self:only_functions(self:now "tools")
  if type(tools) ~= "table" or #tools == 0 then
    for _, key in ipairs { "tools", "tool_choice", "parallel_tool_calls" } do
      if self.body[key] ~= nil or self.edits[key] ~= nil then self:set(key, NULL) end
    end
    return
  end
  self:allowed(tools)
  local required = self.vendor.required
  if required ~= nil and self:now "tool_choice" == "required" then
    if required == "auto" then
      self.ledger:map("tool_choice required", "auto")
    end
    self:set("tool_choice", required)
  end
end

-- --- structured output -----------------------------------------------------------------

function Turn:format()
  local kind, named = common.response_format(self.body)
  if self.vendor.schema ~= false or kind ~= "json_schema" then return end
  if not self.ledger:map("response_format json_schema", "json_object and an instruction") then
    self:set("response_format", NULL)
    return
  end
  self:set("response_format", { type = "json_object" })
  local list = host.array { { role = "system", content =
    "Answer with one JSON object that fits this JSON Schema, and nothing else: "
    .. host.encode(named.schema) } }
  for _, message in ipairs(self:now "messages") do list[#list + 1] = message end
  self:set("messages", list)
end

function Turn:streaming()
  local stream = self.facts.stream
  if stream == nil then stream = self.body.stream == true end
  if not stream and self:now "stream_options" ~= nil then self:set("stream_options", NULL) end
  return stream
end

local openai = {}
openai.__index = openai

-- The dialect of a vendor in leme.dialect.vendors.
function openai.new(name)
  local vendor = vendors.list[name]
  return setmetatable({ name = name, vendor = vendor, wire = "openai", base = vendor.base,
    answers = vendor.answers or "clean", usage = vendor.usage or "ask",
    auth = vendor.auth or { header = "authorization", prefix = "Bearer " } }, openai)
end

function openai:request(body, facts)
  local vendor, ledger = self.vendor, common.ledger(self.name, facts)
  local turn = setmetatable({ body = body, vendor = vendor, facts = facts, ledger = ledger,
    edits = {}, model = (facts.model or common.text(body.model) or ""):lower() }, Turn)
  turn.reasons = fits_any(turn.model, vendor.reasons) and not fits_any(turn.model, UNREASONING)
  local stream = turn:streaming()
  turn:limit()
  local thinking
  if vendor.think then thinking = think[vendor.think](turn.edits, body, facts, ledger) end
  turn:tools()
  turn:fields()
  turn:ranges()
  local messages = common.messages(body, ledger)
  if not ledger.broken then
    local made = history.read(messages, vendor, thinking, ledger)
    if made then turn:set("messages", made) end
    turn:format()
  end
  for key, value in pairs(turn.edits) do
    if value == NULL and body[key] == nil then turn.edits[key] = nil end
  end
  local result, why = ledger:result("/chat/completions", nil)
  if not result then return nil, why end
  result.edits = turn.edits
  result.stream_only = not stream and fits_any(turn.model, vendor.stream_only) or nil
  return result
end

function openai:answer(text, facts) -- luacheck: ignore 212/self
  return answer.read(text, facts)
end

function openai:stream(facts) -- luacheck: ignore 212/self
  return answer.stream(facts)
end

function openai:error(status, text) -- luacheck: ignore 212/self
  return failure.read(status, text)
end

-- --- embeddings ------------------------------------------------------------------------

local EMBEDDING = { mistral = { model = true, input = true, encoding_format = true,
  output_dimension = true, output_dtype = true } }

function openai:embeddings(body, facts)
  local ledger, edits = common.ledger(self.name, facts), {}
  local allowed = EMBEDDING[self.name]
  if allowed then
    if common.given(body.dimensions) ~= nil then edits.output_dimension = body.dimensions end
    for key in pairs(body) do
      if not allowed[key] then
        edits[key] = NULL
        if key ~= "dimensions" and key ~= "user" then ledger:drop(key) end
      end
    end
    if body.encoding_format == "base64" then edits.encoding_format = NULL end
  end
  if common.given(body.input) == nil then ledger:bad "input: nothing to embed" end
  local result, why = ledger:result("/embeddings", nil)
  if not result then return nil, why end
  result.edits = edits
  return result
end

function openai:embedded(text, facts) -- luacheck: ignore 212/self
  return answer.embedded(text, facts)
end

return openai
