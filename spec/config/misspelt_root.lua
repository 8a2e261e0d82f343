-- A misspelt word at the outermost level was silently ignored elsewhere.
providers "openai" { key = env "OPENAI_API_KEY" }
provider "openai" { key = env "OPENAI_API_KEY" }
modle "fast" { "openai/gpt-4o-mini" }
model "smart" { "openai/gpt-4o" }
listn { "127.0.0.1:8080" }
