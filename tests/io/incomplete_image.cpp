// Files that end too early: what is still a picture, and what is made of the rest when asked to.
#include <catch2/catch.hpp>
#include <string>

#include "nlcl/io/image.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/image_files.hpp"
#include "support/paths.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

constexpr DecodeOptions tolerant{.is_tolerant = true};

std::vector<std::byte> corpus(const std::string& name) {
  return read_file(source_path("tests/fuzz/corpus/image/" + name));
}
std::vector<std::byte> without_end(std::vector<std::byte> file, std::size_t count) {
  file.resize(file.size() - count);
  return file;
}

// Brighter from the top left to the bottom right, so that every row tells where it is.
Image slope(Index height, Index width) {
  Image image{height, width, 3, {}};
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(20 + 2 * y + x));
  return image;
}

// The rows from the first one in which the images differ.
Index first_difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  const auto at = std::mismatch(a.pixels.begin(), a.pixels.end(), b.pixels.begin()).first - a.pixels.begin();
  return at / (a.width * a.channels);
}

void check_one_warning(const Photo& photo, const std::string& words) {
  REQUIRE(photo.warnings.size() == 1);
  CHECK_THAT(photo.warnings[0], Contains(words));
}

}  // namespace

TEST_CASE("incomplete images: without the mark of the end all pixels are there", "[image]") {
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "grey_turned.jpg"})
    for (const std::size_t count : {1u, 2u}) {
      CAPTURE(name, count);
      const Photo photo = decode_photo(without_end(corpus(name), count));
      CHECK(to_8_bits(photo).pixels == decode_image(corpus(name)).pixels);
      check_one_warning(photo, "jpeg: no end of image, though all of its pixels are there");
    }
  for (const std::string name : {"rgba.png", "palette.png", "grey16.png", "interlaced.png"})
    for (std::size_t count = 1; count <= 12; ++count) {
      CAPTURE(name, count);
      const Photo photo = decode_photo(without_end(corpus(name), count));
      CHECK(to_8_bits(photo).pixels == decode_image(corpus(name)).pixels);
      check_one_warning(photo, "png: no chunk IEND, though all of its pixels are there");
    }
}

TEST_CASE("incomplete images: bytes between the segments of a JPEG are passed over", "[image]") {
  const auto file = corpus("baseline.jpg");
  const std::size_t at = find_marker(file, 0xc0) - 2;
  for (const std::string& stuffing :
       {std::string(1, '\0'), std::string(1000, '\0'), std::string("ab\xff\0c", 5)}) {
    auto stuffed = std::vector<std::byte>(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(at));
    append(stuffed, stuffing);
    append(stuffed, ByteSpan(file).subspan(at));
    const Photo photo = decode_photo(stuffed);
    CHECK(to_8_bits(photo).pixels == decode_image(file).pixels);
    check_one_warning(photo, text("jpeg: ", stuffing.size(), " bytes between its segments"));
  }
  // Any number of FF in front of a marker is what the standard allows.
  auto filled = std::vector<std::byte>(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(at));
  append(filled, "\xff\xff\xff");
  append(filled, ByteSpan(file).subspan(at));
  CHECK(decode_photo(filled).warnings.empty());
}

TEST_CASE("incomplete images: a truncated JPEG is refused, or its rest is of one colour", "[image]") {
  const Image whole = decode_image(encode_jpeg(slope(64, 48), 90));
  const auto file = encode_jpeg(slope(64, 48), 90);
  const std::size_t begin = find_marker(file, 0xda) + 12;
  Index least = 64, most = 0;
  for (std::size_t size = begin; size + 6 < file.size(); ++size) {
    const auto cut = without_end(file, file.size() - size);
    CHECK_THROWS_AS(decode_photo(cut), FormatError);
    const Photo photo = decode_photo(cut, tolerant);
    check_one_warning(photo, "jpeg: truncated, ");
    const Index rows = first_difference(to_8_bits(photo), whole);
    least = std::min(least, rows), most = std::max(most, rows);
  }
  CHECK(least == 0);
  CHECK(most == 48);  // all but the last row of blocks, which are 16 pixels high
  CHECK_THROWS_AS(decode_photo(without_end(file, file.size() - begin + 20), tolerant), FormatError);
  CHECK(decode_photo(file, tolerant).warnings.empty());
}

TEST_CASE("incomplete images: every cut of every JPEG is a picture or an error of ours", "[image]") {
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "grey_turned.jpg", "cmyk.jpg"}) {
    const auto file = corpus(name);
    const Image whole = decode_image(file);
    std::size_t pictures = 0;
    for (std::size_t size = 0; size < file.size(); ++size) {
      CAPTURE(name, size);
      try {
        const Image picture = decode_image(without_end(file, file.size() - size), tolerant);
        CHECK(picture.pixels.size() == whole.pixels.size());
        ++pictures;
      } catch (const FormatError&) {
      }
    }
    CHECK(pictures > (file.size() - find_marker(file, 0xda)) / 2);
    check_damage(
        file,
        [](ByteSpan damaged) {
          return decode_image(damaged, {1 << 16, true});
        },
        file.size());
  }
}

TEST_CASE("incomplete images: restart markers are made up too", "[image]") {
  auto file = corpus("progressive.jpg");  // it has restart markers
  REQUIRE_NOTHROW(find_marker(file, 0xdd));
  const std::size_t scan = find_marker(file, 0xda);
  std::size_t warned = 0;
  for (std::size_t size = scan + 20; size < file.size(); size += 7) try {
      warned += decode_photo(without_end(file, file.size() - size), tolerant).warnings.size();
    } catch (const FormatError&) {
    }
  CHECK(warned > 0);
}

TEST_CASE("incomplete images: the rest of a truncated PNG is black", "[image]") {
  const Image whole = slope(40, 30);
  const auto file = encode_png(whole);
  for (std::size_t size = 50; size + 16 < file.size(); ++size) {
    const auto cut = without_end(file, file.size() - size);
    CHECK_THROWS_AS(decode_photo(cut), FormatError);
    const Photo photo = decode_photo(cut, tolerant);
    check_one_warning(photo, "png: truncated, ");
    CHECK(first_difference(to_8_bits(photo), whole) <= 40);
  }
  const Photo most = decode_photo(without_end(file, 40), tolerant);
  CHECK(first_difference(to_8_bits(most), whole) >= 20);
  CHECK(to_8_bits(most).pixels.back() == 0);
  // Of an interlaced one all that came is there too.
  CHECK(decode_photo(without_end(corpus("interlaced.png"), 20), tolerant).height() == 3);
  CHECK_THROWS_AS(decode_photo(without_end(file, file.size() - 40), tolerant), FormatError);
}
