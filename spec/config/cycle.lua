local t = {}
t.again = t
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { policy = "x.lua", default_route = { "openai/gpt-4o" }, knobs = t }
