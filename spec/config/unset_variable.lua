-- Unset variables showed as 500 on the first request elsewhere.
client { name = "web", key = env "WEB_KEY_THAT_IS_UNSET" }
provider "openai" {
  key = env "OPENAI_KEY",
}
provider "mistral" { key = env "EMPTY_KEY" }
model "fast" { "openai/gpt-4o", "mistral/small" }
