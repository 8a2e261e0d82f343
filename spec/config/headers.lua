provider "openai" {
  key = env "OPENAI_API_KEY",
  headers = {
    Authorization = "Bearer abc",
    connection = "close",
    ["content-length"] = "3",
    ["two words"] = "x",
    ["x-a"] = "line\nbreak",
    ["X-B"] = "1",
    ["x-b"] = "2",
    ["x-c"] = 5,
    "x-d",
  },
}
provider "anthropic" { key = env "OPENAI_API_KEY", headers = { ["X-Api-Key"] = "abcdefgh" } }
provider "local" { base = "http://127.0.0.1:1/v1", headers = "x: y" }
provider "vertex" { base = "http://127.0.0.1:1/v1", key = env "OPENAI_API_KEY",
  auth = "x-goog-api-key", headers = { ["X-Goog-Api-Key"] = "abcdefgh" } }
model "fast" { "openai/gpt-4o" }
