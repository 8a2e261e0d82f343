provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/a", "openai/b", "openai/a", targets = { "openai/c" } }
model "long" { "openai/1", "openai/2", "openai/3", "openai/4", "openai/5" }
model "route" { policy = "x.lua", default_route = { "openai/a", max_attempts = 2 } }
