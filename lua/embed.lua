-- Writes the C source that embeds lua/leme: `lua5.4 lua/embed.lua FILE... > OUT`.
-- A file lua/leme/NAME.lua is the module leme.NAME, lua/leme/init.lua is leme.

local function literal(text)
  local lines = {}
  for i = 1, #text, 20 do
    local bytes = { text:byte(i, i + 19) }
    lines[#lines + 1] = table.concat(bytes, ",")
  end
  return table.concat(lines, ",\n")
end

io.write("/* Made by lua/embed.lua. */\n#include \"modules.h\"\n")
local entries = {}
for i, path in ipairs(arg) do
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  local name = path:match("lua/leme/(.*)%.lua$"):gsub("/", ".")
  name = name == "init" and "leme" or "leme." .. name
  io.write(("static const unsigned char m%d[] = {\n%s,0};\n"):format(i, literal(text)))
  entries[i] = ('    {"%s", "%s", (const char *)m%d, %d},\n'):format(name, path, i, #text)
end
io.write("const struct module modules_embedded[] = {\n", table.concat(entries),
  "    {NULL, NULL, NULL, 0},\n};\n",
  ("struct vm_code *_Atomic modules_code[%d];\n"):format(#arg))
