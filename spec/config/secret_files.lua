provider "openai" { key = file "not_there" }
provider "mistral" { key = file "." }
provider "groq" { key = file "files/empty" }
provider "xai" { key = env "BLANK_KEY" }
provider "deepseek" { key = file "files/binary" }
model "fast" { "openai/gpt-4o" }
