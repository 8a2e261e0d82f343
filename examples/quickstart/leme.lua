-- The quickstart: `make run` serves this, `leme check` explains what is wrong with it.
-- No key is needed: a provider whose key is not set is played by a mock on this
-- machine. Set OPENAI_API_KEY (or another one below) and that provider is real.
-- Every key of this language stands in the manual, core/leme.1.

listen { "127.0.0.1:8080" }
-- Relative to where the server is started. LEME_ADMIN=unix:build/leme.sock leme status
admin { "unix:build/leme.sock" }

-- Policies and this file are watched: save one, and the next request follows it.
settings { watch = true }

-- Well-known names bring their address along; any other takes base = "https://...".
local function key(name) return env(name, { optional = true }) end

provider "qwen"     { key = key "DASHSCOPE_API_KEY", mock = "without_key" }
provider "openai"   { key = key "OPENAI_API_KEY",    mock = "without_key" }
provider "deepseek" { key = key "DEEPSEEK_API_KEY",  mock = "without_key" }
provider "mistral"  { key = key "MISTRAL_API_KEY",   mock = "without_key" }
provider "google"   { key = key "GEMINI_API_KEY",    mock = "without_key" }
-- Claude has a format of its own; requests and answers are translated.
provider "anthropic" { key = key "ANTHROPIC_API_KEY", mock = "without_key" }

-- A small store of facts that policies may ask: leme.fetch("facts", ...).
service "facts" { base = "http://127.0.0.1:9000", mock = "always" }

-- Prices, limits and capabilities come from built-in lists; `leme check` says of which
-- days they are and what is not in them. A block says otherwise: target
-- "openai/gpt-4o" { price = { input = 2.5, output = 10, cached = 1.25 } }.

-- What clients name in `model`. A list is tried in its order; a policy decides
-- itself, and default_route serves should the policy ever fail.
model "chat" {
  policy = "../../policies/fallback.lua",
  knobs = { first_token = 8 },
  default_route = { "qwen/qwen-plus", "deepseek/deepseek-chat", "openai/gpt-4o-mini" },
}
model "fast" {
  policy = "../../policies/fastest.lua",
  default_route = { "qwen/qwen-turbo", "openai/gpt-4o-mini", "mistral/mistral-small-latest" },
}
model "cheap" { "qwen/qwen-turbo", "deepseek/deepseek-chat", "mistral/mistral-small-latest" }
model "smart" { "openai/gpt-4o", "anthropic/claude-sonnet-4-5" }
model "embed" { "openai/text-embedding-3-small" }

-- The policy names its own targets: two in turn, a third when both are busy, and
-- others by what is asked. What no model lists needs a block.
target "anthropic/claude-sonnet-4-5" {}
model "support" {
  policy = "../../policies/support.lua",
  default_route = { "qwen/qwen-plus", "google/gemini-flash-latest", "deepseek/deepseek-chat",
                    "mistral/mistral-large-latest" },
}
