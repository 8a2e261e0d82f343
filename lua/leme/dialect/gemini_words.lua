-- leme.dialect.gemini_words: OpenAI's words and Google's for the same things. The
-- dialect reads these tables one way, the surface the other. Pure.

local common = require "leme.dialect.common"

local words = {}

-- Settings that are numbers: Google's name in generationConfig, and its range.
words.numbers = { temperature = { "temperature", 0, 2 }, top_p = { "topP", 0, 1 },
  top_k = { "topK", 1, 1000000 }, n = { "candidateCount", 1, 8 },
  seed = { "seed", -2147483648, 2147483647 },
  presence_penalty = { "presencePenalty", -2, 1.9999 },
  frequency_penalty = { "frequencyPenalty", -2, 1.9999 },
  top_logprobs = { "logprobs", 0, 20 } }

-- What tool_choice is called.
words.modes = { auto = "AUTO", none = "NONE", required = "ANY", ["function"] = "ANY" }

-- Tokens of thinking that an effort stands for.
words.budgets = { minimal = 512, low = 1024, medium = 8192, high = 24576 }

-- Reasons to finish; those that are not here are OpenAI's "stop".
words.finish = { STOP = "stop", MAX_TOKENS = "length", UNEXPECTED_TOOL_CALL = "stop",
  SAFETY = "content_filter", RECITATION = "content_filter", BLOCKLIST = "content_filter",
  PROHIBITED_CONTENT = "content_filter", SPII = "content_filter",
  IMAGE_SAFETY = "content_filter", LANGUAGE = "content_filter", MODEL_ARMOR = "content_filter",
  IMAGE_PROHIBITED_CONTENT = "content_filter", IMAGE_RECITATION = "content_filter" }

-- Reasons that say too little to be anything but "stop" elsewhere.
words.vague = { OTHER = true, MALFORMED_FUNCTION_CALL = true, TOO_MANY_TOOL_CALLS = true,
  MISSING_THOUGHT_SIGNATURE = true, IMAGE_OTHER = true, NO_IMAGE = true }

-- Google's JSON takes names in two spellings: inlineData and inline_data.
local snakes = {}

local function snake(name)
  local other = snakes[name]
  if not other then
    other = name:gsub("%u", function(letter) return "_" .. letter:lower() end)
    snakes[name] = other
  end
  return other
end

-- "generation_config" -> "generationConfig".
function words.camel(name)
  return (name:gsub("_(%l)", string.upper))
end

-- The member ${name} of an object in either spelling, or nil.
function words.member(object, name)
  local value = common.given(object[name])
  if value == nil then value = common.given(object[snake(name)]) end
  return value
end

return words
