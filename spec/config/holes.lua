provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/a", [5] = "openai/b", [true] = 1 }
