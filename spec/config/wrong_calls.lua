provider { name = "openai" }
provider "openai" "https://api.openai.com/v1"
client "web" { key = "abc" }
settings "workers"
model(5)
env(7)
file ""
env("A", { optional = 1 })
env("A", { optinal = true })
local p = provider "mistral"
p { key = env "OPENAI_API_KEY" }
p { key = env "OPENAI_API_KEY" }
model "fast" { "mistral/x" }
