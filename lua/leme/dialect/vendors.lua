-- leme.dialect.vendors: providers that speak OpenAI's chat completions, and how
-- each differs. A new one is a table of a few lines here:
--
--   base       its usual address
--   auth       { header =, prefix = }, when not Authorization: Bearer
--   answers    "pass": its answers are sound; else "clean"
--   usage      "ask" (stream_options.include_usage, the usual), "comes" or "none"
--   allow      the only fields it takes; drop: fields it refuses
--   rename     field -> its name there
--   limit      its name for the limit of output tokens
--   ranges     field -> { least, most }
--   outputs    { pattern of the model, most output tokens }, first fit
--   required   its word for tool_choice "required"; false: not taken
--   schema     false: no json_schema, only json_object
--   ids        "nine": tool ids of nine letters and digits
--   names      who may have a name: "tool" a tool's result alone, false nobody, else all
--   developer  true: knows the role developer
--   custom     true: knows custom tools, old functions, and the choice among some tools
--   strict     true: refuses what OpenAI's answers have beside content and calls
--   keep       true: takes unknown members of messages
--   thoughts   what becomes of reasoning_content in the history: "keep", "loop"
--              (only inside a tool loop, where it must be), else it is dropped
--   think      name of the function of leme.dialect.openai_think that turns the
--              effort asked for into its fields
--   reasons    does this model reason, and so refuse sampling? A list of patterns;
--              models that are called "chat" or "non-reasoning" never do
--   unsampled  fields such models refuse
--   unstopped  patterns of models that refuse stop (o3-mini takes it)
--   documents  true: files are parts of type document_url
--   last       "prefix": a final assistant message must be marked
--   stream_only  patterns of models that answer in streams only

local vendors = {}

local function set(words)
  local known = {}
  for word in words:gmatch "%S+" do known[word] = true end
  return known
end

local SAMPLING = [[temperature top_p presence_penalty frequency_penalty logit_bias logprobs
  top_logprobs]]
local UNSTOPPED = { "^o3$", "^o3%-%d", "^o3%-pro", "^o4%-mini", "^gpt%-5$", "^gpt%-5%-" }
local OPENAI_REASONS = { "^o%d", "^gpt%-[5-9]", "^gpt%-%d%d" }

vendors.list = {
  openai = { base = "https://api.openai.com/v1", answers = "pass", limit = "max_completion_tokens",
    developer = true, reasons = OPENAI_REASONS, unsampled = set(SAMPLING), unstopped = UNSTOPPED,
    custom = true },
  azure = { answers = "clean", auth = { header = "api-key", prefix = "" }, developer = true,
    limit = "max_completion_tokens", reasons = OPENAI_REASONS, unsampled = set(SAMPLING),
    unstopped = UNSTOPPED, custom = true },
  mistral = { base = "https://api.mistral.ai/v1", usage = "comes", limit = "max_tokens",
    allow = set [[model messages temperature top_p max_tokens stream stop random_seed
      response_format tools tool_choice presence_penalty frequency_penalty n prediction
      parallel_tool_calls prompt_mode reasoning_effort safe_prompt prompt_cache_key]],
    rename = { seed = "random_seed" }, ranges = { temperature = { 0, 1.5 } }, required = "any",
    ids = "nine", last = "prefix", think = "mistral", bridge = true, names = "tool",
    documents = true },
  deepseek = { base = "https://api.deepseek.com", limit = "max_tokens", schema = false,
    drop = set "n logit_bias store metadata", thoughts = "loop", think = "deepseek",
    answers = "pass" },
  qwen = { base = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", limit = "max_tokens",
    drop = set "frequency_penalty logit_bias store metadata service_tier verbosity",
    ranges = { temperature = { 0, 1.99 }, top_p = { 0.01, 1 } }, required = "auto",
    think = "qwen", stream_only = { "^qwq", "^qvq", "omni" },
    outputs = { { "^qwen%-max", 8192 }, { "^qwq", 8192 }, { "^qvq", 8192 },
      { "^qwen%-turbo", 16384 },
      { "^qwen%-plus", 32768 }, { "^qwen%-flash", 32768 }, { "^qwen%-vl", 8192 },
      { "^qwen3%-vl", 32768 }, { "^qwen2", 8192 }, { "^qwen1", 2000 }, { "^qwen3%.8", 131072 },
      { "^qwen3", 65536 } } },
  openrouter = { base = "https://openrouter.ai/api/v1", keep = true, thoughts = "keep",
    developer = true },
  xai = { base = "https://api.x.ai/v1", developer = true, reasons = { "^grok%-[4-9]", "mini" },
    unsampled = set "presence_penalty frequency_penalty stop logit_bias" },
  groq = { base = "https://api.groq.com/openai/v1",
    drop = set [[logprobs top_logprobs logit_bias store metadata prediction verbosity
      prompt_cache_key prompt_cache_retention prompt_cache_options safety_identifier]],
    names = false, strict = true },
  together = { base = "https://api.together.xyz/v1", limit = "max_tokens" },
  perplexity = { base = "https://api.perplexity.ai", limit = "max_tokens", usage = "comes",
    drop = set "tools tool_choice parallel_tool_calls logprobs top_logprobs n seed stop" },
  cerebras = { base = "https://api.cerebras.ai/v1",
    drop = set "presence_penalty frequency_penalty logit_bias" },
  huggingface = { base = "https://router.huggingface.co/v1", limit = "max_tokens" },
  moonshot = { base = "https://api.moonshot.ai/v1", limit = "max_tokens", thoughts = "keep",
    ranges = { temperature = { 0, 1 } }, required = "auto", drop = set "logit_bias" },
  zai = { base = "https://api.z.ai/api/paas/v4", limit = "max_tokens", schema = false,
    think = "switch", required = "auto", ranges = { temperature = { 0, 1 } },
    drop = set "presence_penalty frequency_penalty logit_bias n seed logprobs top_logprobs" },
  ollama = { base = "http://127.0.0.1:11434/v1", limit = "max_tokens",
    drop = set "logit_bias n logprobs top_logprobs" },
  vllm = { base = "http://127.0.0.1:8000/v1", limit = "max_tokens", thoughts = "keep" },
  llamacpp = { base = "http://127.0.0.1:8080/v1", limit = "max_tokens", thoughts = "keep" },
  lmstudio = { base = "http://127.0.0.1:1234/v1", limit = "max_tokens" },
  gpustack = { limit = "max_tokens" },
  snowflake = {}, databricks = { limit = "max_tokens" }, crusoe = { limit = "max_tokens" },
  avian = { limit = "max_tokens" },
  litellm = { base = "http://127.0.0.1:4000/v1", keep = true, thoughts = "keep",
    developer = true },
  portkey = { base = "https://api.portkey.ai/v1", keep = true, thoughts = "keep",
    developer = true, auth = { header = "x-portkey-api-key", prefix = "" } },
  tokenmix = { base = "https://api.tokenmix.ai/v1",
    allow = set [[model messages temperature top_p max_tokens max_completion_tokens stream
      stream_options stop seed response_format tools tool_choice parallel_tool_calls
      presence_penalty frequency_penalty n user reasoning_effort]] },
  ["vercel-gateway"] = { base = "https://ai-gateway.vercel.sh/v1", keep = true, thoughts = "keep",
    developer = true },
  ["gemini-openai"] = { base = "https://generativelanguage.googleapis.com/v1beta/openai",
    keep = true, drop = set "logit_bias seed presence_penalty frequency_penalty store metadata" },
  ["anthropic-compat"] = { base = "https://api.anthropic.com/v1", limit = "max_tokens",
    ranges = { temperature = { 0, 1 } },
    drop = set "seed n logit_bias logprobs top_logprobs presence_penalty frequency_penalty" },
  ["cohere-openai"] = { base = "https://api.cohere.ai/compatibility/v1", limit = "max_tokens",
    drop = set "n logit_bias parallel_tool_calls store metadata" },
  compatible = {},
}

vendors.aliases = { dashscope = "qwen", alibaba = "qwen", grok = "xai", ["azure-openai"] = "azure",
  ["openai-compatible"] = "compatible", generic = "compatible", ["llama.cpp"] = "llamacpp",
  kimi = "moonshot", zhipu = "zai", hf = "huggingface", ["lm-studio"] = "lmstudio" }

return vendors
