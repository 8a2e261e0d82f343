provider "a" { base = "ftp://example.org/v1" }
provider "b" { base = "https://user:hunter2hunter2@example.org/v1" }
provider "c" { base = "https://example.org/v1?key=abc" }
provider "d" { base = "https://example.org/v1#x" }
provider "e" { base = "https://" }
provider "f" { base = "https://example.org:99999/v1" }
provider "g" { base = "https://exa mple.org/v1" }
provider "h" { base = "example.org/v1" }
provider "i" { base = "https://[::1/v1" }
provider "j" { base = "https://example.org/a/../b" }
provider "k" { base = "https://example.org/v1", proxy = "socks5://127.0.0.1:1" }
provider "l" { base = "https://example.org/v1", path = "chat", query = "?a=b" }
provider "m" {}
model "x" { "a/b" }
