provider "openai" { key = credential "openai" }
provider "mistral" { key = credential "../mistral" }
provider "groq" { keys = { main = credential "groq", other = credential() } }
model "fast" { "openai/gpt-4o" }
