// Pages of HTML that need nothing but themselves: no script, no file beside them, no network.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nlcl/core/error.hpp"
#include "nlcl/core/shape.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl {

// Text as HTML, and as the value of an attribute.
inline std::string escaped(std::string_view plain) {
  static constexpr std::string_view special = "&<>\"'";
  static constexpr std::array entities{"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  std::string html;
  for (const char c : plain)
    if (const auto at = special.find(c); at != special.npos)
      html += entities[at];
    else
      html += c;
  return html;
}

// RFC 4648, with padding.
inline std::string base64(ByteSpan bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string code;
  code.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) code += i <= count ? digits[group >> (18 - 6 * i) & 63] : '=';
  }
  return code;
}

// An <img> whose file is part of the page. `type` as in image/jpeg; `alt` says what one sees.
inline std::string picture_element(Index height, Index width, const std::string& type, ByteSpan file,
                                   const std::string& alt) {
  return text(R"(<img alt=")", escaped(alt), R"(" width=")", width, R"(" height=")", height,
              R"(" src="data:)", type, ";base64,", base64(file), R"(">)");
}

// The whole page. `title` is text; `style` and `body` are CSS and HTML.
inline std::string html_page(const std::string& title, const std::string& style, const std::string& body) {
  return text(R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>)",
              escaped(title), R"(</title>
<style>)",
              style, R"(</style>
</head>
<body>
)",
              body, "</body>\n</html>\n");
}

}  // namespace nlcl
