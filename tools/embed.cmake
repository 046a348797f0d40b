# Files as a table in a C++ source, for tools/weights.hpp: any compiler for any machine takes it.
#   cmake -DOUTPUT=FILE.cpp "-DENTRIES=NAME|PURPOSE|FILE;..." -P embed.cmake
set(arrays)
set(rows)
foreach(entry IN LISTS ENTRIES)
  string(REPLACE "|" ";" entry "${entry}")
  list(GET entry 0 name)
  list(GET entry 1 purpose)
  list(GET entry 2 path)
  file(READ ${path} digits HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${digits}")
  string(MAKE_C_IDENTIFIER "${name}" identifier)
  string(APPEND arrays "alignas(64) const unsigned char of_${identifier}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", \"${purpose}\", std::as_bytes(std::span(of_${identifier}))},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"weights.hpp\"

namespace {
${arrays}
const tools::BuiltInWeights table[] = {
${rows}};
}  // namespace

std::span<const tools::BuiltInWeights> tools::built_in_weights() { return table; }
")
