-- leme.mock.vendors: what is particular about the answers of those who speak OpenAI's
-- chat completions, as their own clients see them. Without a row: as OpenAI.
--
--   thoughts   where they go: a field of the message and of the deltas, or "parts"
--              (content becomes a list)
--   details    OpenRouter's reasoning_details as well
--   ids        form of tool ids: a function of (name, index, seed)
--   none       what stands for no tool calls in a whole answer: "null" or "empty"
--   at_once    a tool call comes in one chunk
--   bare       without its type
--   repeats    pieces of a call repeat an empty id, and a role of null
--   signs      calls carry Google's signature
--   padding    a member of random letters in every chunk
--   noise      every delta has a role and a content
--   native     choices tell the native reason as well
--   usage      "finish": in the chunk that finishes, asked for or not; "behind": in one
--              more chunk with a choice; "each": in all chunks. Else as asked
--   counts     adds to the usage: (usage)
--   apart      thoughts count in the total only
--   before     text before the events of a stream
--   blank      white space before a whole answer
--   first      a chunk before all others
--   done       false: no [DONE] at the end
--   crlf       lines end in CRLF
--   extra      members of every answer and chunk
--   choice     members of every choice
--   finish     its word for the end of a text
--   allow      fields it takes; others are refused
--   drops      fields it refuses
--   last       false: an assistant may not speak last
--   schema     false: no json_schema
--   objects    arguments in the history must be an object's
--   loop       thoughts must come back inside a tool loop
--   stream_only  patterns of models that answer in streams only
--   most       { pattern of the model, most output tokens }, refused above
--   think      reads from the body whether to think: (body, model)
--   errors     how it fails, in leme.mock.openai_errors

local host = require "leme.host"
local words = require "leme.mock.words"

local NULL = host.null
local HEX = "0123456789abcdef"

local function set(text)
  local known = {}
  for word in text:gmatch "%S+" do known[word] = true end
  return known
end

local function letters(prefix, n, alphabet)
  return function(name, index, seed)
    return prefix .. words.name(name .. index .. seed, n, alphabet)
  end
end

local function enabled(body)
  local thinking = words.given(body.thinking)
  return type(thinking) == "table" and thinking.type == "enabled"
end

local function effort(body)
  local said = words.given(body.reasoning_effort)
  return said ~= nil and said ~= "none"
end

local function asked_or(pattern)
  return function(body, model)
    local thinking = words.given(body.thinking)
    if type(thinking) == "table" then return enabled(body) end
    return effort(body) or model:find(pattern) ~= nil
  end
end

local function switched(body, model)
  if words.given(body.enable_thinking) ~= nil then return body.enable_thinking end
  return model:find "^qwq" ~= nil or model:find "thinking" ~= nil
end

local function open_reasoning(body)
  local said = words.given(body.reasoning)
  if type(said) == "table" then
    return said.enabled == true or said.max_tokens ~= nil
      or (said.effort ~= nil and said.effort ~= "none")
  end
  return effort(body)
end

local MISTRAL = set [[model messages temperature top_p max_tokens stream stop random_seed
  response_format tools tool_choice presence_penalty frequency_penalty n prediction
  parallel_tool_calls prompt_mode reasoning_effort safe_prompt metadata prompt_cache_key]]

local vendors = {}

vendors.list = {
  openai = { errors = "openai" },
  azure = { errors = "azure", choice = { content_filter_results = { hate = { filtered = false,
      severity = "safe" } } },
    first = { id = "", object = "", model = "", created = 0, choices = host.array {},
      prompt_filter_results = host.array { { prompt_index = 0,
        content_filter_results = { hate = { filtered = false, severity = "safe" } } } } } },
  mistral = { thoughts = "parts", ids = letters("", 9), none = "null", at_once = true,
    bare = true, usage = "finish", allow = MISTRAL, last = false, errors = "mistral",
    padding = "p", think = asked_or "magistral",
    counts = function(usage) usage.num_cached_tokens = 0 end },
  deepseek = { thoughts = "reasoning_content", ids = letters("call_00_", 24),
    before = ": keep-alive\n\n", blank = "\n\n\n", errors = "deepseek", loop = true,
    think = asked_or "reasoner", drops = set "n seed logit_bias", schema = false,
    extra = { system_fingerprint = "fp_mock" },
    counts = function(usage)
      usage.prompt_cache_hit_tokens, usage.prompt_cache_miss_tokens = 0, usage.prompt_tokens
    end },
  qwen = { thoughts = "reasoning_content", ids = letters("call_", 22, HEX), repeats = true,
    none = "empty", errors = "qwen", think = switched, objects = true,
    most = { { "^qwen%-max", 8192 }, { "^qwen%-turbo", 16384 }, { "^qwen%-plus", 32768 } },
    stream_only = { "^qwq", "^qvq" }, drops = set "frequency_penalty" },
  openrouter = { thoughts = "reasoning", details = true, ids = letters("toolu_bdrk_", 24),
    before = ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
    blank = "\n         \n\n         \n", usage = "behind", errors = "openrouter",
    extra = { provider = "Mock" }, noise = true, think = open_reasoning, native = true,
    counts = function(usage) usage.cost, usage.is_byok = 0.000125, false end },
  vllm = { thoughts = "reasoning_content", ids = letters("chatcmpl-tool-", 32, HEX),
    none = "empty", errors = "vllm", choice = { stop_reason = NULL }, think = asked_or "qwq" },
  ollama = { thoughts = "reasoning", ids = letters("call_", 8, HEX), at_once = true,
    extra = { system_fingerprint = "fp_ollama" }, errors = "plain", noise = true,
    think = asked_or "deepseek%-r1" },
  llamacpp = { thoughts = "reasoning_content", ids = letters("", 32), errors = "llamacpp",
    think = asked_or "qwq" },
  lmstudio = { ids = letters("", 9, "0123456789"), errors = "plain", none = "empty" },
  gpustack = { thoughts = "reasoning_content", ids = letters("call_", 32, HEX) },
  groq = { thoughts = "reasoning", ids = letters("", 9), at_once = true,
    extra = { x_groq = { id = "req_mock" } }, errors = "groq", think = effort },
  xai = { thoughts = "reasoning_content", ids = letters("call_", 8, "0123456789"),
    at_once = true, errors = "xai", think = effort, apart = true,
    counts = function(usage) usage.num_sources_used = 0 end },
  together = { finish = "eos", none = "empty", errors = "plain" },
  perplexity = { done = false, crlf = true, usage = "each", errors = "numbered",
    extra = { citations = host.array { "https://example.com/" } } },
  moonshot = { thoughts = "reasoning_content", errors = "plain", think = enabled,
    ids = function(name, index) return ("functions.%s:%d"):format(name, index) end },
  zai = { thoughts = "reasoning_content", errors = "zai", think = enabled, at_once = true,
    ids = letters("call_", 19, "0123456789") },
  litellm = { none = "null", errors = "litellm", usage = "behind" },
  ["gemini-openai"] = { ids = function() return "" end, at_once = true, errors = "google",
    signs = true },
  ["cohere-openai"] = { errors = "plain", at_once = true },
  snowflake = { none = "null", errors = "flat" },
}

return vendors
