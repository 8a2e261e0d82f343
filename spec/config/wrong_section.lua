settings {
  listen = { "127.0.0.1:80" },
  key = "abc",
  weight = 3,
  policy = "x.lua",
  clients = {},
}
provider "openai" { key = env "OPENAI_API_KEY", weight = 2, workers = 4 }
model "fast" { "openai/gpt-4o", key = "abc", log_level = "info" }
client { name = "web", base = "x" }
