key "sk-very-secret-value-1234567890"
workers(4)
weight = 3
clients { { name = "web" } }
Provider "openai" {}
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
