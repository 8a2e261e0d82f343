-- source: what the lint programs share: lists of files, their text, and findings.
-- Each program is run at the root of the project, prints file:line: message for
-- every finding and then how many there were, and fails if there was one.

local source = {}

local count = 0

-- Files of the project (tracked, or new and not ignored) that match ${pattern}.
function source.files(pattern)
  local list = {}
  local pipe = assert(io.popen("git ls-files --cached --others --exclude-standard"))
  for name in pipe:lines() do
    if name:find(pattern) then
      local file = io.open(name)
      if file then
        file:close()
        list[#list + 1] = name
      end
    end
  end
  pipe:close()
  table.sort(list)
  return list
end

function source.read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function source.lines(name)
  local list = {}
  for line in (source.read(name) .. "\n"):gmatch("(.-)\n") do list[#list + 1] = line end
  if list[#list] == "" then list[#list] = nil end
  return list
end

function source.report(name, line, message, ...)
  count = count + 1
  print(("%s:%d: %s"):format(name, line, message:format(...)))
end

-- C without comments and without what stands in quotes; lines stay where they are.
function source.bare(text)
  local out, i, n = {}, 1, #text
  local function keep_lines(from, to)
    out[#out + 1] = text:sub(from, to):gsub("[^\n]", " ")
  end
  while i <= n do
    local from, _, what = text:find("(['\"/])", i)
    if not from then break end
    out[#out + 1] = text:sub(i, from - 1)
    local to
    if what == "/" then
      local two = text:sub(from, from + 1)
      if two == "/*" then
        to = select(2, text:find("*/", from + 2, true)) or n
      elseif two == "//" then
        to = (text:find("\n", from, true) or n + 1) - 1
      end
      if to then keep_lines(from, to) else out[#out + 1] = "/" end
      i = (to or from) + 1
    else
      to = from + 1
      while to <= n and text:sub(to, to) ~= what do
        to = to + (text:sub(to, to) == "\\" and 2 or 1)
      end
      out[#out + 1] = what
      keep_lines(from + 1, to - 1)
      out[#out + 1] = what
      i = to + 1
    end
  end
  out[#out + 1] = text:sub(i)
  return table.concat(out)
end

function source.finish(what)
  print(("%s: %d finding%s"):format(what, count, count == 1 and "" or "s"))
  os.exit(count == 0)
end

return source
