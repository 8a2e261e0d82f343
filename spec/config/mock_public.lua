listen { "10.0.0.1:8080" }
client { name = "web", key = env "WEB_KEY" }
provider "openai" {
  key = env "OPENAI_API_KEY",
  mock = "without_key",
}
model "fast" { "openai/gpt-4o" }
