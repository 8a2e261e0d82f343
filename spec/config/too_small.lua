provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
settings {
  memory_max = 1024 * 1024,
  body_max = 2 * 1024 * 1024,
  lua_state_max = 1024 * 1024,
  lua_request_max = 2 * 1024 * 1024,
}
