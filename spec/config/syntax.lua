provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o"
model "smart" { "openai/gpt-4o" }
