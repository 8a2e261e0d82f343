-- leme.mock.gemini_rules: what generateContent refuses. Each rule gives a fault or
-- nothing. Pure.

local words = require "leme.mock.words"
local faults = require "leme.mock.faults"

local rules = {}

local given, is_list, invalid = words.given, words.is_list, faults.invalid

local function set(text)
  local known = {}
  for name in text:gmatch "%S+" do known[name] = true end
  return known
end

local TOP = set [[contents systemInstruction tools toolConfig generationConfig safetySettings
  cachedContent labels model serviceTier store]]
local CONFIG = set [[temperature topP topK candidateCount maxOutputTokens stopSequences seed
  presencePenalty frequencyPenalty responseMimeType responseSchema responseJsonSchema
  responseLogprobs logprobs thinkingConfig responseModalities mediaResolution speechConfig
  routingConfig audioTimestamp enableEnhancedCivicAnswers imageConfig]]
-- The subset of OpenAPI that `parameters` and `responseSchema` take.
local SCHEMA = set [[type format title description nullable enum maxItems minItems properties
  required minProperties maxProperties minLength maxLength pattern example anyOf
  propertyOrdering default items minimum maximum]]
-- What Google documents for calls that another model has made.
local EXCUSES = set [[skip_thought_signature_validator context_engineering_is_the_way_to_go]]

function rules.signature(name) return "bW9jay" .. words.name(name, 26) end

-- Do calls of this model carry signatures that must come back?
function rules.signs(model)
  return tonumber(model:match "gemini%-(%d+)" or 0) >= 3
end

local function unknown_field(object, known, where)
  for key in pairs(object) do
    if not known[key] then
      return invalid(('Invalid JSON payload received. Unknown name "%s"%s: Cannot find field.')
        :format(tostring(key), where))
    end
  end
end

local function schema_fault(schema, where)
  if type(schema) ~= "table" then return nil end
  local fault = unknown_field(schema, SCHEMA, " at '" .. where .. "'")
  if fault then return fault end
  if schema.type ~= nil and type(schema.type) ~= "string" then
    return invalid(("Proto field is not repeating, cannot start list at '%s.type'"):format(where))
  end
  for name, inner in pairs(given(schema.properties) or {}) do
    fault = schema_fault(inner, where .. ".properties." .. name)
    if fault then return fault end
  end
  for _, inner in ipairs(given(schema.anyOf) or {}) do
    fault = schema_fault(inner, where .. ".any_of")
    if fault then return fault end
  end
  return schema_fault(given(schema.items), where .. ".items")
end

local function tools_fault(body)
  for i, tool in ipairs(given(body.tools) or {}) do
    for _, fn in ipairs(given(tool.functionDeclarations) or {}) do
      if not tostring(fn.name):find "^[%a_][%w_.:-]*$" or #fn.name > 64 then
        return invalid(("tools[%d]: Invalid function name."):format(i - 1))
      end
      if given(fn.parameters) and given(fn.parametersJsonSchema) then
        return invalid "only one of parameters and parameters_json_schema may be set"
      end
      local fault = schema_fault(given(fn.parameters), "tools.function_declarations.parameters")
      if fault then return fault end
    end
  end
end

local function config_fault(config)
  local fault = unknown_field(config, CONFIG, " at 'generation_config'")
    or schema_fault(given(config.responseSchema), "generation_config.response_schema")
  if fault then return fault end
  if (config.responseSchema or config.responseJsonSchema)
      and config.responseMimeType ~= "application/json"
      and config.responseMimeType ~= "text/x.enum" then
    return invalid "a response schema needs response_mime_type application/json"
  end
  local thinking = given(config.thinkingConfig)
  if thinking and thinking.thinkingBudget and thinking.thinkingLevel then
    return invalid "You can only set only one of thinking budget and thinking level."
  end
  if is_list(config.stopSequences) and #config.stopSequences > 5 then
    return invalid "stop_sequences: at most 5"
  end
end

-- The calls and the results of a turn; a fault when a part is not sound.
local function read_parts(turn, i, signs)
  local calls, results, signed = 0, {}, false
  for _, part in ipairs(turn.parts) do
    local call, result = given(part.functionCall), given(part.functionResponse)
    if call then
      calls = calls + 1
      signed = signed or given(part.thoughtSignature) ~= nil
      local mark = part.thoughtSignature
      if mark and not EXCUSES[mark] and mark ~= rules.signature(call.name) then
        return nil, invalid "Thought signature is not valid."
      end
    end
    if result then
      if type(result.name) ~= "string" or result.name == "" then
        return nil, invalid(("contents[%d]: function_response.name: Name cannot be empty.")
          :format(i))
      end
      if type(result.response) ~= "table" or is_list(result.response) then
        return nil, invalid(("contents[%d]: function_response.response: expected an object")
          :format(i))
      end
      results[#results + 1] = result.name
    end
  end
  if calls > 0 and signs and not signed then
    return nil, invalid("Function call is missing a thought_signature in functionCall parts."
      .. " This is required for tools to work correctly.")
  end
  return { calls = calls, results = #results }
end

local function contents_fault(contents, signs)
  if not is_list(contents) then return invalid "GenerateContentRequest.contents: not specified" end
  local open = 0
  for i, turn in ipairs(contents) do
    if turn.role ~= nil and turn.role ~= "user" and turn.role ~= "model" then
      return invalid "Please use a valid role: user, model."
    end
    if not is_list(turn.parts) then
      return invalid(("GenerateContentRequest.contents[%d].parts: must not be empty"):format(i - 1))
    end
    local seen, fault = read_parts(turn, i - 1, signs)
    if fault then return fault end
    if seen.results ~= open then
      return invalid("Please ensure that the number of function response parts is equal to the"
        .. " number of function call parts of the function call turn.")
    end
    open = seen.calls
  end
  if open > 0 then return invalid "the last function calls have no responses" end
end

-- The first thing that is wrong with a request, or nil.
function rules.check(body, model)
  return unknown_field(body, TOP, "") or contents_fault(body.contents, rules.signs(model))
    or tools_fault(body) or config_fault(given(body.generationConfig) or {})
end

return rules
