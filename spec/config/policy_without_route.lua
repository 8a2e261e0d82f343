provider "openai" { key = env "OPENAI_API_KEY" }
model "a" { policy = "p.lua" }
model "b" { policy = "p.lua", default_route = {} }
model "c" { policy = "p.lua", default_route = "openai/gpt-4o" }
model "d" { policy = "p.lua", "openai/gpt-4o" }
model "e" { "openai/gpt-4o", knobs = { x = 1 } }
model "f" { "openai/gpt-4o", resume = true }
model "g" { "openai/gpt-4o", on_failure = "refuse" }
