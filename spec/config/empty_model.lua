provider "openai" { key = env "OPENAI_API_KEY" }
model "none" {}
model "only_keys" { max_attempts = 3 }
model "route_only" { default_route = { "openai/gpt-4o" } }
