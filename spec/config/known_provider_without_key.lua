provider "openai" {}
provider "ollama" {}
provider "qwen" { key = env("NOT_SET", { optional = true }) }
provider "mistral" { mock = "without_key" }
model "fast" { "openai/gpt-4o", "ollama/llama", "qwen/x", "mistral/y" }
