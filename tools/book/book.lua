-- The filter of tools/book.sh: what a page of docs/ needs to become a page of the book.
--
--   BOOK_PAGE     the page, from the root of the repository: docs/03-tape.md
--   BOOK_WORK     a folder; to its `sources` go the files that pages link to, to its `images` the pictures, and to its `index`
--                 what can be found
package.path = pandoc.path.directory(PANDOC_SCRIPT_FILE) .. '/?.lua;' .. package.path
local formula = require 'formula'

local page, work = os.getenv 'BOOK_PAGE', os.getenv 'BOOK_WORK'
local folder = pandoc.path.directory(page)

local function note(list, line)
  local file = assert(io.open(work .. '/' .. list, 'a'))
  file:write(line, '\n')
  file:close()
end

-- `path`, relative to the page, from the root of the repository.
local function from_root(path)
  local parts = {}
  for part in (folder .. '/' .. path):gmatch('[^/]+') do
    if part == '..' then
      table.remove(parts)
    elseif part ~= '.' then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, '/')
end

-- Where the book has a file of the repository, from its own root. docs/ is the root of the book.
local function in_book(path)
  local chapter = path:match('^docs/(.+)%.md$')
  if chapter then return chapter:gsub('^README$', 'index') .. '.html' end
  note('sources', path)
  return 'source/' .. path .. '.html'
end

local up = folder:gsub('^docs/?', ''):gsub('[^/]+', '..'):gsub('(.)$', '%1/')

local function target_of(link)
  local path, anchor = link:match('^([^#]*)(.*)$')
  if path == '' or link:match('^%a+:') then return link end
  return up .. in_book(from_root(path)) .. anchor
end

local function Link(link)
  link.target = target_of(link.target)
  return link
end

local function Image(image)
  local path = from_root(image.src)
  note('images', path)
  image.src = up .. path:gsub('^docs/', '')
  return image
end

-- A block under a comment: a formula, a live figure, or a quotation, which gets a link to what it is quoted from.
local function Blocks(blocks)
  local result, comment = pandoc.List(), nil
  for _, block in ipairs(blocks) do
    local text = block.t == 'RawBlock' and block.text:match('^<!%-%- (.-) %-%->%s*$')
    if text then
      comment = text
      local figure = text:match('^figure (%S+)$')
      if figure then
        local without = '<noscript>Here is a figure that is computed while you look, with JavaScript and WebAssembly.</noscript>'
        result:insert(pandoc.RawBlock('html', '<figure class="live" data-figure="' .. figure .. '">' .. without .. '</figure>'))
      end
    else
      if block.t == 'CodeBlock' and comment == 'formula' then
        block = pandoc.Div({ pandoc.Para { pandoc.Math('DisplayMath', formula(block.text)) } }, { class = 'formula' })
      elseif block.t == 'CodeBlock' and comment and comment:match('^%S+$') then
        local source = comment:gsub('%.out$', '.cpp')
        local words = (comment:match('%.out$') and 'printed by ' or '') .. from_root(source)
        local origin = pandoc.Plain { pandoc.Link({ pandoc.Str(words) }, source) }
        block = pandoc.Div({ pandoc.Div({ origin }, { class = 'origin' }), block }, { class = 'quote' })
      elseif block.t == 'Table' then
        for _, column in ipairs(block.colspecs) do column[2] = nil end -- as wide as it needs
        block = pandoc.Div({ block }, { class = 'table' })
      end
      comment = nil
      result:insert(block)
    end
  end
  return result
end

local function quoted(text) return '"' .. text:gsub('[\\"]', '\\%0'):gsub('%s+', ' '):gsub('<', '\\u003c') .. '"' end

-- One line for each section: [page, anchor, title, words].
local function index(doc, title)
  local anchor, heading, words = '', title, pandoc.List()
  local function finish()
    local file = in_book(page)
    note('index', '[' .. table.concat({ quoted(file), quoted(anchor), quoted(heading), quoted(table.concat(words, ' ')) }, ',') .. '],')
    words = pandoc.List()
  end
  for _, block in ipairs(doc.blocks) do
    if block.t == 'Header' then
      finish()
      anchor, heading = block.identifier, title .. ': ' .. pandoc.utils.stringify(block)
    else
      words:insert(pandoc.write(pandoc.Pandoc { block }, 'plain'))
    end
  end
  finish()
end

-- The first heading is the title.
local function Pandoc(doc)
  local heading = table.remove(doc.blocks, 1)
  assert(heading.t == 'Header' and heading.level == 1, page .. ': the first line is no heading')
  doc.meta.title = pandoc.MetaInlines(heading.content)
  doc.meta.pagetitle = pandoc.utils.stringify(heading)
  index(doc, doc.meta.pagetitle)
  return doc
end

return { { Pandoc = Pandoc }, { Blocks = Blocks }, { Link = Link, Image = Image } }
