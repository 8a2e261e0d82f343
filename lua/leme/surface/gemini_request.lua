-- leme.surface.gemini_request: a body of Gemini's generateContent as an OpenAI chat
-- request. What only Google understands goes along under extra_body.google, where
-- Google's dialect finds it. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local schema = require "leme.dialect.gemini_schema"
local words = require "leme.dialect.gemini_words"
local ledger = require "leme.surface.ledger"
local turns = require "leme.surface.gemini_turns"

local member = words.member

local Reader = {}
Reader.__index = Reader
Reader.bad, Reader.note = ledger.bad, ledger.note

-- The list at ${where}; Google takes an object for a list of one. Anything else is
-- the client's mistake.
function Reader:list(value, where)
  value = common.given(value)
  if value == nil then return {} end
  if common.is_object(value) then return { value } end
  if type(value) == "table" and (value[1] ~= nil or next(value) == nil) then return value end
  self:bad(where, "expected a list")
  return {}
end

-- --- tools -----------------------------------------------------------------------------------

local function declared(reader, said, where)
  said = common.table(said)
  local name = common.filled(member(said, "name"))
  if not name then return reader:bad(where, "expected a name") end
  local given = member(said, "parametersJsonSchema")
  if given == nil then given = schema.plain(member(said, "parameters")) end
  return { type = "function", ["function"] = { name = name, parameters = given,
    description = common.text(member(said, "description")) } }
end

function Reader:tools(body, out)
  local tools = host.array {}
  for i, tool in ipairs(self:list(member(body, "tools"), "tools")) do
    local where = ("tools[%d]"):format(i - 1)
    tool = common.table(tool)
    local functions = member(tool, "functionDeclarations")
    for k, said in ipairs(self:list(functions, where .. ".functionDeclarations")) do
      tools[#tools + 1] = declared(self, said, ("%s.functionDeclarations[%d]"):format(where, k - 1))
    end
    for key, value in pairs(tool) do
      local name = words.camel(tostring(key))
      if name ~= "functionDeclarations" and common.given(value) ~= nil then
        tools[#tools + 1] = { [name] = value }
      end
    end
  end
  if #tools > 0 then out.tools = tools end
end

-- Clients that ask for "enum-encoding=int" write words as their numbers.
local NUMBERED = { [0] = "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED" }
local MODES = { ANY = "required", AUTO = "auto", NONE = "none", VALIDATED = "auto" }

-- OpenAI's form of one choice among the functions that are allowed.
local function allowed_of(mode, names)
  if mode == "required" and #names == 1 then
    return { type = "function", ["function"] = { name = names[1] } }
  end
  local tools = host.array {}
  for i, name in ipairs(names) do
    tools[i] = { type = "function", ["function"] = { name = name } }
  end
  return { type = "allowed_tools", allowed_tools = { mode = mode, tools = tools } }
end

function Reader:choice(body, out)
  local config = common.table(member(body, "toolConfig"))
  local calling = common.table(member(config, "functionCallingConfig"))
  local rest = {}
  for key, value in pairs(config) do
    local name = words.camel(tostring(key))
    if name ~= "functionCallingConfig" then rest[name] = value end
  end
  local mode = member(calling, "mode")
  if math.type(mode) == "integer" then mode = NUMBERED[mode] or mode end
  local names = self:list(member(calling, "allowedFunctionNames"),
    "toolConfig.functionCallingConfig.allowedFunctionNames")
  local kind = MODES[common.text(mode) and mode:upper()]
  if mode ~= nil and mode ~= "MODE_UNSPECIFIED" and not kind then
    self:bad("toolConfig.functionCallingConfig.mode", "expected AUTO, ANY, NONE or VALIDATED")
  elseif kind and out.tools then
    out.tool_choice = #names > 0 and kind ~= "none" and allowed_of(kind, names) or kind
    if mode == "VALIDATED" and #names == 0 then rest.functionCallingConfig = calling end
  end
  if next(rest) ~= nil then self.google.toolConfig = rest end
end

-- --- generationConfig ------------------------------------------------------------------------

local JSON = "application/json"
local MODALITIES = { "TEXT", "IMAGE", "AUDIO" }

function Reader:format(config, out)
  local mime = common.filled(member(config, "responseMimeType"))
  local given = member(config, "responseJsonSchema")
  if given == nil then given = member(config, "_responseJsonSchema") end
  if given == nil then given = schema.plain(member(config, "responseSchema")) end
  if mime == nil or mime == "text/plain" then return end
  if mime ~= JSON then
    self.native.responseMimeType = mime
    self.native.responseSchema = member(config, "responseSchema")
  elseif type(given) == "table" and next(given) ~= nil then
    out.response_format = { type = "json_schema", json_schema = { name = "answer",
      schema = given } }
  else
    out.response_format = { type = "json_object" }
  end
end

-- The effort that comes nearest to a budget of tokens.
local function effort_for(budget)
  local limits = words.budgets
  return budget <= limits.minimal and "minimal" or budget <= limits.low and "low"
    or budget <= limits.medium and "medium" or "high"
end

-- Others know efforts; Google is told in its own words.
function Reader:thinking(config, out)
  local thinking = member(config, "thinkingConfig")
  if type(thinking) ~= "table" then return end
  self.google.thinkingConfig = thinking
  local level = common.text(member(thinking, "thinkingLevel"))
  local budget = common.number(member(thinking, "thinkingBudget"))
  if level and words.budgets[level:lower()] then
    out.reasoning_effort = level:lower()
  elseif budget and budget >= 0 then
    out.reasoning_effort = budget == 0 and "none" or effort_for(budget)
  end
end

local CONFIG = { maxOutputTokens = true, stopSequences = true, responseMimeType = true,
  responseSchema = true, responseJsonSchema = true, _responseJsonSchema = true,
  thinkingConfig = true, responseLogprobs = true, responseModalities = true }
for _, range in pairs(words.numbers) do CONFIG[range[1]] = true end

function Reader:numbers(config, out)
  for key, range in pairs(words.numbers) do
    local value = member(config, range[1])
    if value ~= nil and not common.number(value) then
      self:bad("generationConfig." .. range[1], "expected a number")
    end
    out[key] = value
  end
  local limit = member(config, "maxOutputTokens")
  out.max_completion_tokens = common.count(limit)
  if limit ~= nil and not out.max_completion_tokens then
    self:bad("generationConfig.maxOutputTokens", "expected a whole number")
  end
  if member(config, "responseLogprobs") == true then
    out.logprobs = true
  else
    out.top_logprobs = nil
  end
end

function Reader:config(body, out)
  local config = member(body, "generationConfig")
  if config == nil then return end
  if type(config) ~= "table" then return self:bad("generationConfig", "expected an object") end
  self:numbers(config, out)
  local stops = self:list(member(config, "stopSequences"), "generationConfig.stopSequences")
  if #stops > 0 then out.stop = stops end
  local modalities = host.array {}
  for i, name in ipairs(self:list(member(config, "responseModalities"),
    "generationConfig.responseModalities")) do
    modalities[i] = (MODALITIES[name] or tostring(name)):lower()
  end
  if #modalities > 1 or modalities[1] and modalities[1] ~= "text" then
    out.modalities = modalities
  end
  self:format(config, out)
  self:thinking(config, out)
  for key, value in pairs(config) do
    local name = words.camel(tostring(key))
    if not CONFIG[name] and common.given(value) ~= nil then self.native[name] = value end
  end
end

-- --- the whole -------------------------------------------------------------------------------

local READ = { model = true, contents = true, systemInstruction = true, tools = true,
  toolConfig = true, generationConfig = true }

function Reader:others(body, out)
  for key, value in pairs(body) do
    local name = words.camel(tostring(key))
    if not READ[name] and common.given(value) ~= nil then self.google[name] = value end
  end
  if next(self.native) ~= nil then self.google.generationConfig = self.native end
  if next(self.google) ~= nil then out.extra_body = { google = self.google } end
end

-- A reader of a body of Gemini's, for what it is told to read.
local function new_reader()
  return setmetatable({ messages = host.array {}, notes = host.array {}, google = {},
    native = {} }, Reader)
end

-- ctx = { model = as the path names it, verb = }. -> { body, stream, notes } or nil,
-- error type, message
return function(body, ctx)
  if type(body) ~= "table" or body[1] ~= nil then
    return nil, "caller_invalid_request", "the body: expected a JSON object"
  end
  local reader = new_reader()
  local stream = ctx.verb:sub(1, 6) == "stream"
  local out = { model = ctx.model, messages = reader.messages }
  if stream then out.stream, out.stream_options = true, { include_usage = true } end
  turns.read(body, reader, reader.messages)
  reader:tools(body, out)
  reader:choice(body, out)
  reader:config(body, out)
  reader:others(body, out)
  if reader.broken then return nil, "caller_invalid_request", reader.broken end
  return { body = out, stream = stream, notes = reader.notes, ours = reader.ours }
end
