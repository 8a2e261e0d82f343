-- The variable of a key at a place that is shown.
listen { env "ADMIN_KEY" }
provider "openai" {
  key = env "OPENAI_API_KEY",
  base = env "OPENAI_API_KEY",
  dialect = env "OPENAI_API_KEY",
}
client { name = env "WEB_KEY", tags = { env "WEB_KEY" } }
model "fast" { policy = env "WEB_KEY", default_route = { env "WEB_KEY" } }
model(env "WEB_KEY") { "openai/gpt-4o" }
