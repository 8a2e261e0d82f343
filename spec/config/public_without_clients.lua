listen { "127.0.0.1:8080", "0.0.0.0:8081" }
listen { "[::]:8082" }
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
