-- Typesets the chapters' formulas. In Markdown they are plain text, `y[i] = sum over j of w[i,j] x[j]^2`; they become TeX, of
-- which pandoc makes MathML. Nothing is rearranged: a fraction stays on its line, as it was written.

local function set(words)
  local members = {}
  for word in words:gmatch('%S+') do members[word] = true end
  return members
end

local spoken = { sum = '\\sum', product = '\\prod', mean = '\\operatorname{mean}' }
local functions = set('exp log ln sqrt max min clamp round conv relu layers camera hp local grey offset')
local words = set('over of where for else in the to as')
local greek = { delta = '\\delta ', beta = '\\beta ', eps = '\\varepsilon ' }
local signs = {
  ['*'] = '\\times ', ['.'] = '\\cdot ', ['!='] = '\\neq ', ['...'] = '\\dots ', ['..'] = '\\,\\ldots\\,',
  ['+'] = '+', ['-'] = '-', ['/'] = '/', ['='] = '=', ['<'] = '<', ['>'] = '>', ['('] = '(', [')'] = ')', ['['] = '[',
  [']'] = ']', [','] = ',', ['|'] = '|', ["'"] = "'", ['{'] = '\\{', ['}'] = '\\}',
}

-- One letter is a variable, `dx` its gradient, digits at the end are an index; a longer name is upright.
local function name_of(name)
  if name == 'log10' then return '\\log_{10}' end
  local base, digits = name:match('^(%a+)(%d*)$')
  local tex = greek[base] or '\\text{' .. base .. '}'
  if #base == 1 or base:match('^d%a$') then tex = base end
  return digits == '' and tex or '{' .. tex .. '_{' .. digits .. '}}'
end

local tex_of

-- What stands in the bracket that begins at `at`, and where it ends.
local function bracket(text, at)
  local depth = 0
  for i = at, #text do
    local c = text:sub(i, i)
    if c:match('[%[({]') then depth = depth + 1 end
    if c:match('[%])}]') then depth = depth - 1 end
    if depth == 0 then return text:sub(at + 1, i - 1), i + 1 end
  end
  error('formula: a bracket is not closed in "' .. text .. '"')
end

-- What follows without a space: indices, a prime, a power. And where they end.
local function scripts(text, at, indexed)
  local below, above = {}, ''
  while true do
    local c, inner = text:sub(at, at), nil
    if c == '[' and indexed then
      inner, at = bracket(text, at)
      below[#below + 1] = tex_of((inner:gsub('%s', '')))
    elseif c == '_' and text:sub(at + 1, at + 1) == '{' then
      inner, at = bracket(text, at + 1)
      below[#below + 1] = tex_of(inner)
    elseif c == '_' then
      inner = text:match('^%w+', at + 1)
      below[#below + 1] = #inner > 2 and '\\text{' .. inner .. '}' or inner
      at = at + 1 + #inner
    elseif c == '^' and text:sub(at + 1, at + 1) == '(' then
      inner, at = bracket(text, at + 1)
      above = '^{' .. tex_of(inner) .. '}'
    elseif c == '^' then
      inner = text:match('^-?%w+', at + 1)
      above = '^{' .. inner .. '}'
      at = at + 1 + #inner
    else
      return (#below > 0 and '_{' .. table.concat(below, ',') .. '}' or '') .. above, at
    end
  end
end

-- A stretch without wide gaps.
function tex_of(text)
  local out, at = {}, 1
  while at <= #text do
    local space = text:match('^ +', at)
    local number = text:match('^%d+,%d%d%d%f[%D]', at) or text:match('^%d+%.%d+', at) or text:match('^%d+', at)
    local name = text:match('^rain_left', at) or text:match('^high_pass', at) or text:match('^%a+%d*', at)
    local range = name and spoken[name] and text:match('^ over (.-) of%f[%W]', at + #name)
    local tex, below
    if space then
      local is_operator = '[-+*/=<>]' -- which has its own space
      local is_near = text:match('^' .. is_operator, at + #space) or text:sub(1, at - 1):match(is_operator .. '$')
      tex, at = is_near and ' ' or '\\;', at + #space
    elseif number then
      below, at = scripts(text, at + #number, true)
      tex = number:gsub(',', '{,}') .. below
    elseif range then
      tex, at = spoken[name] .. '_{' .. tex_of(range) .. '}', at + #name + #' over ' + #range + #' of'
    elseif name and spoken[name] and text:match('^ of%f[%W]', at + #name) then
      tex, at = spoken[name], at + #name + #' of'
    elseif name == 'x' and text:match('^[%d%]] x [%d%[]', at - 2) then
      tex, at = '\\times ', at + 1
    elseif name and words[name] then
      tex, at = '\\text{' .. name .. '}', at + #name
    elseif name then
      below, at = scripts(text, at + #name, true)
      if functions[name] or name:find('_') then
        tex = '\\operatorname{' .. name:gsub('_', ' ') .. '}' .. below
      else
        tex = (name ~= 'mean' and spoken[name] or name_of(name)) .. below
      end
    else
      local sign = text:match('^%.%.%.', at) or text:match('^%.%.', at) or text:match('^!=', at) or text:sub(at, at)
      if not signs[sign] then error('formula: "' .. sign .. '" is not known, in "' .. text .. '"') end
      tex, at = signs[sign], at + #sign
      if sign:match('[%])|]') then
        below, at = scripts(text, at, false)
        tex = tex .. below
      end
    end
    out[#out + 1] = tex
  end
  return table.concat(out)
end

local function is_prose(text)
  return text:find(': ') or not text:find('[=<>+*/%[]') and text:find('%a%a%a%a')
end

-- A block: its lines under each other, the first signs of equality aligned. Three spaces and more are a gap.
return function(block)
  local rows = {}
  for line in block:gmatch('[^\n]+') do
    local left, sign, right = line:match('^([^=!]-)%s*([-+]?=)%s+(.*)$')
    if not left then left, sign, right = '', '', line end
    local row = {}
    for part in (right:gsub(' +=', ' =') .. '   '):gmatch('(%S.-)%s%s%s+') do
      part = part:gsub('  ', ' ')
      row[#row + 1] = #row > 0 and is_prose(part) and '\\text{' .. part .. '}' or tex_of(part)
    end
    left = left:gsub('^ +', ''):gsub('  +', ' ')
    local ends = sign .. '\\;' .. table.concat(row, ' \\qquad ')
    rows[#rows + 1] = tex_of(left) .. ' & ' .. ends
  end
  return '\\begin{aligned}' .. table.concat(rows, ' \\\\ ') .. '\\end{aligned}'
end
