#include "nlcl/io/pnm.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "nlcl/io/image.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/images.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

Photo pnm(const std::string& content, DecodeOptions options = {}) {
  return decode_photo(bytes(content), options);
}
std::string pnm_error(const std::string& content) {
  return message_of<FormatError>([&] { pnm(content); });
}
std::string pam(const std::string& lines, const std::string& levels) {
  return "P7\n" + lines + "ENDHDR\n" + levels;
}

}  // namespace

TEST_CASE("pnm: golden bytes", "[image]") {
  CHECK(text_of(detail::encode_ppm({Image{1, 2, 3, {65, 66, 67, 97, 98, 99}}}, {})) ==
        "P6\n2 1\n255\nABCabc");
  CHECK(text_of(detail::encode_ppm({DeepImage{2, 1, 1, {0x4142, 0x6162}}}, {})) == "P5\n1 2\n65535\nABab");
  CHECK(text_of(detail::encode_pam({Image{1, 1, 4, {65, 66, 67, 68}}}, {})) ==
        "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\nABCD");
  CHECK(text_of(detail::encode_pam({DeepImage{1, 1, 2, {0x4142, 0x4344}}}, {})) ==
        "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 65535\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\nABCD");
  CHECK_THAT(message_of<FormatError>([] { detail::encode_ppm({random_image(1, 1, 4)}, {}); }),
             Contains("has no alpha channel"));
}

TEST_CASE("pnm: what is written is read", "[image]") {
  for (const Index channels : {1, 2, 3, 4}) {
    const Image image = random_image(5, 7, channels);
    DeepImage deep{5, 7, channels, {}};
    for (const int level : image.pixels) deep.pixels.push_back(static_cast<std::uint16_t>(level * 251));
    for (const char* extension : {".pam", ".ppm"}) {
      if (extension == std::string(".ppm") && channels % 2 == 0) continue;
      const ImageFormat& format = *image_format_of_extension(extension);
      CHECK(std::get<Image>(decode_photo(format.encode({image}, {})).image).pixels == image.pixels);
      CHECK(std::get<DeepImage>(decode_photo(format.encode({deep}, {})).image).pixels == deep.pixels);
    }
  }
}

TEST_CASE("pnm: headers", "[image]") {
  CHECK(to_8_bits(pnm("P6 1 1 255 abc")).pixels == std::vector<std::uint8_t>{'a', 'b', 'c'});
  CHECK(to_8_bits(pnm("P5\n# a comment\n2 #another\n 1\r\n255\nab")).pixels ==
        std::vector<std::uint8_t>{'a', 'b'});
  CHECK(to_8_bits(pnm(pam("# one\nDEPTH 1\nMAXVAL 255\nHEIGHT 1\nWIDTH 1\n", "a"))).pixels[0] == 'a');
  // Another largest level is scaled: in 8 bits up to 255, in 16 above.
  CHECK(to_8_bits(pnm(std::string("P5 4 1 3 \0\1\2\3", 13))).pixels ==
        std::vector<std::uint8_t>{0, 85, 170, 255});
  CHECK(to_8_bits(pnm("P5 1 1 9 z")).pixels[0] == 255);  // more than the largest
  const Photo deep = pnm(std::string("P5 2 1 1023 \3\xff\0\1", 16));
  CHECK(std::get<DeepImage>(deep.image).pixels == std::vector<std::uint16_t>{65535, 64});
  CHECK(pnm(pam("WIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\n", "\1")).channels() == 1);

  const Photo two = pnm("P5 1 1 255 aP5 1 1 255 b");
  REQUIRE(two.warnings.size() == 1);
  CHECK(two.warnings[0] == "pnm: 12 bytes behind the image are not read");
}

TEST_CASE("pnm: files that are refused", "[image]") {
  CHECK_THAT(pnm_error("P6 1 1 255 ab"), Contains("pnm: truncated, 3 bytes expected"));
  CHECK_THAT(pnm_error("P6 1 1 255"), Contains("pnm: truncated"));
  CHECK_THAT(pnm_error("P6 x 1 255 abc"), Contains("the width is 'x', expected a number"));
  CHECK_THAT(pnm_error("P6 1 99999999999999999999 255 abc"),
             Contains("the height is '99999999999999999999'"));
  CHECK_THAT(pnm_error("P6 0 1 255 abc"), Contains("1 x 0 pixels"));
  CHECK_THAT(pnm_error("P6 -1 1 255 abc"), Contains("1 x -1 pixels"));
  CHECK_THAT(pnm_error("P6 1000000 1000000 255 abc"), Contains("at most 268435456 are allowed"));
  CHECK_THAT(pnm_error("P5 1 1 0 a"), Contains("a largest level of 0, expected 1 to 65535"));
  CHECK_THAT(pnm_error("P5 1 1 65536 aa"), Contains("a largest level of 65536"));
  CHECK_THAT(pnm_error("P5 " + std::string(100, '1')), Contains("a word of more than 64 bytes"));
  CHECK_THAT(pnm_error(pam("WIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE CMYK\n", "abcd")),
             Contains("pam: 4 channels of 'CMYK', expected grey or RGB"));
  CHECK_THAT(pnm_error(pam("WIDTH 1\nHEIGHT 1\nDEPTH 5\nMAXVAL 255\n", "abcde")),
             Contains("pam: 5 channels of ''"));
  CHECK_THAT(pnm_error(pam("COLOUR 1\n", "")), Contains("pam: 'COLOUR' in the header"));
  CHECK_THAT(pnm_error(pam("HEIGHT 1\nDEPTH 1\nMAXVAL 255\n", "a")), Contains("1 x 0 pixels"));
  check_damage(bytes("P6 2 1 255 abcdef"), [](ByteSpan file) { return decode_image(file); });
  check_damage(bytes(pam("WIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\n", "a")),
               [](ByteSpan file) { return decode_image(file); });

  const Photo half = pnm("P5 2 2 255 ab", {.is_tolerant = true});
  CHECK(to_8_bits(half).pixels == std::vector<std::uint8_t>{'a', 'b', 0, 0});
  CHECK(half.warnings == std::vector<std::string>{"pnm: truncated, 50 % of it is lost"});
}
