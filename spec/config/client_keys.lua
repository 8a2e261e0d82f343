listen { "0.0.0.0:8080" }
client { name = "a", key = env "WEB_KEY" }
client {
  name = "b",
  key = env "WEB_KEY",
}
client { name = "c" }
client { name = "d" }
client { key = "0123456789abcdef" }
client { name = "e", key = env("NOT_SET", { optional = true }) }
client { name = "f", key = "has a blank in it" }
client { name = "g", key = env "ADMIN_KEY" }
admin { "unix:/run/a.sock", key = env "ADMIN_KEY" }
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
