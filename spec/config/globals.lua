listen = { "127.0.0.1:80" }
workers = 4
local key = os.getenv("OPENAI_API_KEY")
local text = io.open("/etc/passwd"):read("a")
print("hello")
dofile("other.lua")
require("x")
provider "openai" { key = key }
model "fast" { "openai/gpt-4o", max_attempts = ATTEMPTS }
settings { workers = WORKERS * 2 }
