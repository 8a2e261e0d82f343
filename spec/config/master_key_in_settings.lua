-- A key under the wrong section, and the proxy ran unauthenticated.
listen { "0.0.0.0:4000" }
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
settings {
  workers = 2,
  master_key = "sk-1234567890abcdef",
}
