#include "nlcl/pages/html.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/pages/style.hpp"

using namespace nlcl;
using Catch::Contains;

TEST_CASE("html: text that is safe in markup", "[pages]") {
  CHECK(escaped("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
}

TEST_CASE("html: base64", "[pages]") {
  // The test vectors of RFC 4648.
  for (const auto& [plain, code] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                    {"f", "Zg=="},
                                                                                    {"fo", "Zm8="},
                                                                                    {"foo", "Zm9v"},
                                                                                    {"foob", "Zm9vYg=="},
                                                                                    {"foobar", "Zm9vYmFy"}})
    CHECK(base64(bytes_of(plain)) == code);
}

TEST_CASE("html: a picture is part of the page", "[pages]") {
  CHECK(picture_element(2, 3, "image/png", bytes_of("foob"), "1 < 2") ==
        "<img alt=\"1 &lt; 2\" width=\"3\" height=\"2\" src=\"data:image/png;base64,Zm9vYg==\">");
}

TEST_CASE("html: a page has its title, its style and its body", "[pages]") {
  const std::string page = html_page("a & b", page_style(), "<p>c</p>\n");
  CHECK_THAT(page, Catch::StartsWith("<!doctype html>\n<html lang=\"en\">") && Catch::EndsWith("</html>\n"));
  CHECK_THAT(page, Contains("<title>a &amp; b</title>") && Contains("<body>\n<p>c</p>\n</body>"));
  // One palette for light and one for dark, of the same names.
  CHECK_THAT(page, Contains("--ink: #1d1f21") && Contains("--ink: #e6e8ea") &&
                       Contains("prefers-color-scheme: dark"));
}
