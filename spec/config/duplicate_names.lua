-- A second one shadowed the first elsewhere.
provider "openai" { key = env "OPENAI_API_KEY" }
provider "openai" { base = "http://127.0.0.1:1/v1" }
service "openai" { base = "http://127.0.0.1:2" }
target "openai/gpt-4o" { weight = 1 }
target "openai/gpt-4o" { weight = 2 }
model "fast" { "openai/gpt-4o" }
model "fast" { "openai/gpt-4o-mini" }
client { name = "web", key = "0123456789abcdef-1" }
client { name = "web", key = "0123456789abcdef-2" }
settings { workers = 1 }
settings { workers = 2 }
