provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o", max_attempts = 0 }
settings {
  workers = 1000,
  body_max = 10,
  header_timeout = 30000,
  total_timeout = 0,
  max_connections = 2.5,
  step_limit = 0/0,
  log_level = "verbose",
}
