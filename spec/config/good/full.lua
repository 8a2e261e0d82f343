-- Everything a configuration can say; full.json says the same.
listen { "127.0.0.1:8080", "[::1]:0" }
listen { "unix:/run/leme/leme.sock", half_close = "answer" }
admin { "127.0.0.1:9090", key = env "ADMIN_KEY" }

client { name = "web", key = env "WEB_KEY", tags = { team = "search", tier = "gold" },
         max_in_flight = 20 }
client { name = "open" }

provider "anthropic" { key = env "OPENAI_API_KEY", api = "anthropic" }
provider "mine" {
  base = "https://gateway.example.org:8443/llm/v1//",
  key = env("NOT_SET", { optional = true }),
  dialect = "azure", auth = "api-key", usage = "none", mock = "without_key",
  path = "/chat", query = "api-version=2026-01-01",
  proxy = "http://127.0.0.1:3128", ca_file = "full.lua",
  headers = { ["X-Team"] = "search", Authorization = "Bearer literal-secret-0123456789" },
}
provider "ollama" {}
provider "openai" { key = env "OPENAI_API_KEY" }
service "facts" { base = "http://127.0.0.1:9000", key = env "WEB_KEY", timeout = 0.25,
                  query = env "WEB_KEY" }

target "mine/meta/llama-3" { price = { input = 0 } }
target "openai/gpt-4o" {
  weight = 2.5, price = { input = 2.5, output = 10, cached = 1.25 },
  context = 128000, max_output = 16384, priority = 2, max_in_flight = 8, rpm = 500,
  tags = { "good", "dear" }, caps = { "tools", "vision" }, region = "eu",
}

local cheap = { "openai/gpt-4o-mini", "ollama/llama" }
model "chat" {
  policy = "policies/chat.lua",
  knobs = { budget = 20, ratio = 0.5, names = { "a", "b" }, deep = { on = true } },
  default_route = { "mine/meta/llama-3", "openai/gpt-4o" },
  resume = true,
  on_failure = "refuse",
}
model "fast" { cheap[1], cheap[2], max_attempts = 2, total = 30, early_headers = 5 }

settings {
  workers = 2, memory_max = 256 * 1024 * 1024, body_max = 1048576,
  answer_max = 2097152, head_max = 16384, max_in_flight = 100,
  max_connections = 200, header_timeout = 5, body_timeout = 6,
  keepalive_timeout = 7, write_timeout = 8, drain_timeout = 9,
  keepalive_comment = 0, connect_timeout = 1.5, first_token_timeout = 10,
  idle_timeout = 11, total_timeout = 12, step_limit = 0.02,
  lua_state_max = 67108864, lua_request_max = 1048576,
  list_targets = true, watch = true, log = "/var/log/leme.log", log_level = "warn",
}
