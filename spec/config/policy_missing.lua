provider "openai" { key = env "OPENAI_API_KEY" }
model "a" {
  policy = "policies/not_there.lua",
  default_route = { "openai/gpt-4o" },
}
