listen { "127.0.0.1:8080", "127.0.0.1:8080" }
listen { "127.0.0.1:0", "127.0.0.1:0" }
admin { "127.0.0.1:8080", key = env "ADMIN_KEY" }
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
