provider "openai" { key = env "OPENAI_API_KEY", haeders = {}, zzz = 1 }
target "openai/gpt-4o" { wieght = 1, price = { inptu = 1, ouput = 2 } }
model "fast" { "openai/gpt-4o", max_atempts = 2, verify_ssl = false }
listen { "127.0.0.1:0", halfclose = "answer" }
client { nmae = "web" }
settings { memory_mx = 1, stepp_limit = 1, port = 80 }
