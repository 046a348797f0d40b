#include "nlcl/io/foreign_image.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "nlcl/io/image.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

// TIFF with one directory of fields without values.
std::string tiff(std::initializer_list<int> tags, bool is_little = true) {
  std::vector<std::byte> file = bytes(is_little ? "II" : "MM");
  const auto u16 = [&](int v) {
    const auto value = static_cast<std::uint16_t>(v);
    is_little ? append_little(file, value) : append_big(file, value);
  };
  u16(42), u16(is_little ? 8 : 0), u16(is_little ? 0 : 8), u16(static_cast<int>(tags.size()));
  for (const int tag : tags) {
    u16(tag);
    file.resize(file.size() + 10);
  }
  file.resize(file.size() + 4);
  return std::string(text_of(file));
}

}  // namespace

TEST_CASE("foreign images: are named, with the command that converts them", "[image]") {
  const std::string rest(40, ' '), box("\0\0\0\x18", 4);
  for (const auto& [name, content] : std::initializer_list<std::pair<std::string, std::string>>{
           {"HEIC", box + "ftypheic" + std::string(4, '\0') + "mif1heic" + rest},
           {"HEIC", box + "ftypmif1" + std::string(4, '\0') + "mif1heic" + rest},
           {"AVIF", box + "ftypavif" + std::string(4, '\0') + "mif1avif" + rest},
           {"AVIF", box + "ftypmif1" + std::string(4, '\0') + "mif1avif" + rest},
           {"JPEG XL", "\xff\x0a" + rest},
           {"JPEG XL", std::string("\0\0\0\x0cJXL \r\n\x87\n", 12) + rest},
           {"JPEG 2000", std::string("\0\0\0\x0cjP  \r\n\x87\n", 12) + rest},
           {"GIF", "GIF89a" + rest},
           {"GIF", "GIF87a" + rest},
           {"TIFF", tiff({0x0100, 0x010f})},
           {"TIFF", tiff({0x0100}, false)},
           {"TIFF", std::string("II+\0", 4) + rest},
           {"TIFF", std::string("II*\0\xff\xff\xff\xff", 8) + rest},
           {"camera RAW", tiff({0x010f, 0x014a})},  // as Nikon and Sony
           {"camera RAW", tiff({0xc612}, false)},   // DNG
           {"camera RAW", std::string("II*\0\x10\0\0\0CR\2\0", 12) + rest},
           {"camera RAW", box + "ftypcrx " + rest},
           {"camera RAW", "FUJIFILMCCD-RAW " + rest},
           {"video", box + "ftypmp42" + rest},
           {"video", "\x1a\x45\xdf\xa3" + rest},
           {"video", "RIFFxxxxAVI " + rest},
           {"video", "YUV4MPEG2 W1 H1\n" + rest},
           {"PNM in text or in bits", "P3\n1 1\n255\n1 2 3\n" + rest},
           {"PNM in text or in bits", "P4\n8 1\n \n" + rest},
       }) {
    CAPTURE(name, content.substr(0, 16));
    CHECK_THAT(message_of<FormatError>([&, &file = content] { decode_image(bytes(file)); }),
               Contains("image: " + name + ", which is not read; this converts it: ") && Contains(" OUT"));
  }
  CHECK(foreign_image_format_of_extension(".heif")->name == "HEIC");
  CHECK(foreign_image_format_of_extension(".png") == nullptr);
  const std::string webp = "RIFF" + std::string(4, '\0') + "WEBPVP8 " + rest;
  CHECK(foreign_image_format_of(bytes(webp))->name == "WebP");
  for (const std::string& content :
       {std::string(), std::string("RIFF"), "RIFFxxxxWAVE" + rest, "P8\n" + rest})
    CHECK(!foreign_image_format_of(bytes(content)));
}
