-- A policy never sees a secret.
provider "openai" { key = env "OPENAI_API_KEY" }
model "a" {
  policy = "p.lua",
  knobs = { token = env "WEB_KEY", deep = { { file "/x" } }, f = function() end,
            mixed = { 1, 2, a = 3 }, big = 1/0 },
  default_route = { "openai/gpt-4o" },
}
model "b" { policy = "p.lua", knobs = { 1, 2 }, default_route = { "openai/gpt-4o" } }
