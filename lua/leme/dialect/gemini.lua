-- leme.dialect.gemini: Google's generateContent, at Gemini's own address and at
-- Vertex. request() is here, what comes back is read by gemini_answer. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local turns = require "leme.dialect.gemini_turns"
local schema = require "leme.dialect.gemini_schema"
local words = require "leme.dialect.gemini_words"
local answer = require "leme.dialect.gemini_answer"
local failure = require "leme.dialect.failure"

-- --- what a model can do ---------------------------------------------------------------

-- "gemini-2.5-flash-lite" -> 2.5, "lite". A model of a form nobody knows yet counts
-- as the newest.
local function abilities(model, facts)
  local name = model:lower()
  local version = tonumber(name:match "gemini%-(%d%.%d)") or tonumber(name:match "gemini%-(%d)")
    or (name:find("gemma", 1, true) and 0) or 99
  return { levels = version >= 2.95, budgets = version >= 2.45 and version < 2.95,
    signs = version >= 2.95, pro = name:find("pro", 1, true) ~= nil,
    lite = name:find("lite", 1, true) ~= nil,
    max_tokens = common.count(facts.max_output) }
end

-- --- tools -----------------------------------------------------------------------------

local function declaration(tool, facts, ledger)
  local made = { name = schema.name(tool.name), description = tool.description }
  if made.name ~= tool.name then
    facts.renamed = facts.renamed or {}
    facts.renamed[made.name] = tool.name
    ledger:note("the function " .. tool.name .. " is called " .. made.name .. " there")
  end
  if schema.takes_nothing(tool.parameters) then return made end
  if schema.fits(tool.parameters) then
    made.parameters = tool.parameters
  else
    made.parametersJsonSchema = tool.parameters
  end
  return made
end

local function read_tools(body, out, facts, ledger)
  common.note_functions(body, facts)
  local functions, tools = host.array {}, host.array {}
  for _, tool in ipairs(common.tools(body)) do
    if not tool.native then
      functions[#functions + 1] = declaration(tool, facts, ledger)
    elseif tool.native.type == nil then
      tools[#tools + 1] = tool.native
    else
      ledger:drop("tool of type " .. tostring(tool.native.type))
    end
  end
  if type(common.given(body.web_search_options)) == "table"
      and ledger:map("web_search_options", "the googleSearch tool") then
    tools[#tools + 1] = { googleSearch = {} }
  end
  if #functions > 0 then table.insert(tools, 1, { functionDeclarations = functions }) end
  if #tools > 0 then out.tools = tools end
  return #functions > 0
end

local function read_choice(body, out, ledger)
  local kind, name, allowed = common.tool_choice(body)
  if body.parallel_tool_calls == false then ledger:drop "parallel_tool_calls" end
  if not words.modes[kind] then return end
  local calling = { mode = words.modes[kind] }
  if name then calling.allowedFunctionNames = host.array { schema.name(name) } end
  if allowed and #allowed > 0 then
    calling.allowedFunctionNames = host.array {}
    for i, one in ipairs(allowed) do calling.allowedFunctionNames[i] = schema.name(one) end
    if kind == "auto" then calling.mode = "VALIDATED" end
  end
  out.toolConfig = { functionCallingConfig = calling }
end

-- --- settings --------------------------------------------------------------------------

local function read_numbers(body, config, ledger)
  for key, range in pairs(words.numbers) do
    local value = common.number(common.given(body[key]))
    local nearest = value
    if value and range[2] then nearest = math.max(range[2], math.min(range[3], value)) end
    if nearest ~= value then ledger:clamp(key, value, nearest) end
    if not (key == "top_logprobs" and value == 0) then config[range[1]] = nearest end
  end
  if config.candidateCount == 1 then config.candidateCount = nil end
  if body.logprobs == true then config.responseLogprobs = true else config.logprobs = nil end
end

local function read_limit(body, can, config, ledger)
  local asked = common.max_tokens(body)
  if asked and can.max_tokens and asked > can.max_tokens then
    ledger:clamp("max_tokens", asked, can.max_tokens)
    asked = can.max_tokens
  end
  config.maxOutputTokens = asked
end

local function read_stops(body, config, ledger)
  local stops = common.stops(body)
  if #stops > 5 then
    ledger:clamp("stop", #stops .. " stops", "5")
    for i = #stops, 6, -1 do stops[i] = nil end
  end
  if #stops > 0 then config.stopSequences = host.array(stops) end
end

-- Before version 3 a model either calls functions or writes JSON.
local function read_format(body, can, called, config, ledger)
  local kind, named = common.response_format(body)
  if not kind then return end
  if called and not can.levels then
    return ledger:drop("response_format " .. kind, "not beside functions with this model")
  end
  config.responseMimeType = "application/json"
  if kind ~= "json_schema" or next(named.schema) == nil then return end
  if schema.fits(named.schema) then
    config.responseSchema = named.schema
  else
    config.responseJsonSchema = named.schema
  end
end

local LEVELS = { minimal = "minimal", low = "low", medium = "medium", high = "high" }

local function level_of(effort, can, ledger)
  local level = LEVELS[effort]
  if effort == "none" then level = "minimal" end
  if level == "minimal" and can.pro then level = "low" end
  level = level or "high"
  if level ~= effort and not ledger:map("reasoning_effort " .. effort, level) then return nil end
  return level
end

local function budget_of(effort, can, ledger)
  if effort == "none" then
    if not can.pro then return 0 end
    return ledger:map("reasoning_effort none", "a budget of 128 tokens") and 128 or nil
  end
  if words.budgets[effort] then return words.budgets[effort] end
  return ledger:map("reasoning_effort " .. effort, "a budget of 24576 tokens") and 24576 or nil
end

local function read_thinking(body, can, config, ledger)
  local effort, budget = common.effort(body)
  if not effort and not budget then return end
  local thinking = { includeThoughts = effort ~= "none" or nil }
  if can.levels and effort then
    local level = level_of(effort, can, ledger)
    thinking.thinkingLevel = level and level:upper()
  elseif can.levels or can.budgets then
    thinking.thinkingBudget = budget or budget_of(effort, can, ledger)
  elseif effort ~= "none" then
    return ledger:drop "reasoning_effort"
  end
  if next(thinking) then config.thinkingConfig = thinking end
end

local function read_modalities(body, config)
  local list = host.array {}
  for _, name in ipairs(common.table(common.given(body.modalities))) do
    if common.text(name) then list[#list + 1] = name:upper() end
  end
  if #list > 0 and not (#list == 1 and list[1] == "TEXT") then config.responseModalities = list end
end

-- --- the rest --------------------------------------------------------------------------

local READ = { model = true, messages = true, max_tokens = true, max_completion_tokens = true,
  stream = true, stream_options = true, tools = true, tool_choice = true, functions = true,
  function_call = true, parallel_tool_calls = true, stop = true, reasoning_effort = true,
  reasoning = true, response_format = true, web_search_options = true, modalities = true,
  logprobs = true, extra_body = true, audio = true }

-- Fields of Google's own, given as extra_body.google, over what was made. One level
-- of the sections is merged.
local function add_native(body, out)
  local google = common.table(common.table(common.given(body.extra_body)).google)
  for key, value in pairs(google) do
    local name = words.camel(tostring(key))
    if name == "thinkingConfig" or name == "mediaResolution" then
      out.generationConfig = common.with(out.generationConfig, { [name] = value })
    elseif type(value) == "table" and type(out[name]) == "table" and not common.is_list(value) then
      out[name] = common.with(out[name], value)
    else
      out[name] = value
    end
  end
end

local function read_others(body, ledger)
  for key, value in pairs(body) do
    if not READ[key] and not words.numbers[key] and not common.idle(key, value) then
      ledger:drop(key)
    end
  end
  if type(common.given(body.audio)) == "table" then ledger:drop "audio" end
end

local function escaped(model)
  return (model:gsub("^models/", ""):gsub("[^%w%-._~@:/]", function(c)
    return ("%%%02X"):format(c:byte())
  end))
end

local gemini = { name = "gemini", wire = "gemini", answers = "clean",
  auth = { header = "x-goog-api-key", prefix = "" } }
gemini.__index = gemini

function gemini:request(body, facts)
  local ledger = common.ledger(self.name, facts)
  local model = facts.model or common.text(body.model) or ""
  local can = abilities(model, facts)
  local out = { generationConfig = {} }
  out.contents, out.systemInstruction = turns.read(body, ledger, can.signs)
  local config = out.generationConfig
  local called = read_tools(body, out, facts, ledger)
  if called then read_choice(body, out, ledger) end
  read_numbers(body, config, ledger)
  read_limit(body, can, config, ledger)
  read_stops(body, config, ledger)
  read_format(body, can, called, config, ledger)
  read_thinking(body, can, config, ledger)
  read_modalities(body, config)
  read_others(body, ledger)
  add_native(body, out)
  if next(out.generationConfig) == nil then out.generationConfig = nil end
  local stream = facts.stream
  if stream == nil then stream = body.stream == true end
  return ledger:result("/models/" .. escaped(model)
    .. (stream and ":streamGenerateContent?alt=sse" or ":generateContent"), out)
end

function gemini:answer(text, facts) -- luacheck: ignore 212/self
  return answer.read(text, facts)
end

function gemini:stream(facts) -- luacheck: ignore 212/self
  return answer.stream(facts)
end

function gemini:error(status, text) -- luacheck: ignore 212/self
  return failure.read(status, text)
end

-- --- embeddings ------------------------------------------------------------------------

-- How texts are asked for in one call: path and body.
function gemini.asked(path, list)
  return path .. ":batchEmbedContents", { requests = list }
end

function gemini:embeddings(body, facts)
  local ledger = common.ledger(self.name, facts)
  local model = (facts.model or common.text(body.model) or ""):gsub("^models/", "")
  local input = common.given(body.input)
  local google = common.table(common.table(common.given(body.extra_body)).google)
  local list = host.array {}
  for _, text in ipairs(type(input) == "table" and input or { input }) do
    if type(text) ~= "string" then
      ledger:bad "input: expected text or an array of texts; token ids are not taken by gemini"
      break
    end
    list[#list + 1] = common.with(google, { model = "models/" .. model,
      content = { parts = host.array { { text = text } } },
      outputDimensionality = common.count(common.given(body.dimensions)) })
  end
  if #list == 0 then ledger:bad "input: nothing to embed" end
  return ledger:result(self.asked("/models/" .. escaped(model), list))
end

function gemini:embedded(text, facts) -- luacheck: ignore 212/self
  return answer.embedded(text, facts)
end

return gemini
