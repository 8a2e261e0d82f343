provider "openai" { key = env "OPENAI_API_KEY", keys = { main = env "OPENAI_API_KEY" } }
provider "mistral" { keys = {} }
provider "groq" { keys = env "OPENAI_API_KEY" }
provider "xai" { keys = {
  ["two words"] = env "OPENAI_API_KEY",
  spare = env "NOT_SET",
  spent = env("NOT_SET_EITHER", { optional = true }),
} }
provider "together" { keys = { a = env "OPENAI_API_KEY", b = env "OPENAI_API_KEY" } }
provider "azure" {
  base = "https://azure.example.org", auth = "api-key",
  headers = { ["api-key"] = env "WEB_KEY" }, keys = { a = env "OPENAI_API_KEY" },
}
provider "fireworks" { api_keys = { env "OPENAI_API_KEY" } }
service "facts" { base = "http://127.0.0.1:9000", keys = { env "WEB_KEY" } }
model "fast" { "together/gpt-oss#a", "together/gpt-oss#c" }
