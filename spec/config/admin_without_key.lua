admin { "unix:/run/leme/admin.sock" }
admin { "127.0.0.1:9090" }
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
