listen { "8080", "example.org:80", "127.0.0.1", "127.0.0.1:70000", "unix:" }
listen { 8080 }
listen {}
listen "127.0.0.1:x"
listen { "127.0.0.1:80", half_close = "anwser" }
provider "openai" { key = env "OPENAI_API_KEY" }
model "fast" { "openai/gpt-4o" }
