#include "nlcl/io/image.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/image_files.hpp"
#include "support/images.hpp"
#include "support/paths.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

// Every value differs from its neighbours.
Image pattern(Index height, Index width, Index channels) {
  Image image{height, width, channels, {}};
  for (Index i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  return image;
}

bool equal(const Image& a, const Image& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels && a.pixels == b.pixels;
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i)
    largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

std::vector<std::byte> sample(const std::string& name) {
  return read_file(source_path("tests/fuzz/corpus/image/" + name));
}

std::string error_of(ByteSpan file, DecodeOptions options = {}) {
  return message_of<FormatError>([&] { decode_image(file, options); });
}

// The file with EXIF data, big- or little-endian, whose orientation is `value`.
std::vector<std::byte> with_orientation(const std::vector<std::byte>& jpeg, int value, bool is_little) {
  return with_segments(jpeg, jpeg_segment('\xe1', std::string("Exif\0\0", 6) + exif_of(value, is_little)));
}

}  // namespace

TEST_CASE("png: what is written is read", "[io]") {
  for (Index channels = 1; channels <= 4; ++channels)
    for (const auto& [height, width] : {std::pair(1, 1), std::pair(7, 5), std::pair(64, 33)}) {
      const Image image = pattern(height, width, channels);
      CHECK(equal(decode_image(encode_png(image)), image));
    }
  CHECK(encode_png(pattern(9, 9, 3)) == encode_png(pattern(9, 9, 3)));
}

TEST_CASE("png: kinds", "[io]") {
  const Image interlaced = decode_image(sample("interlaced.png"));
  CHECK(equal(interlaced, {3, 3, 1, {0, 10, 20, 30, 40, 50, 60, 70, 80}}));
  CHECK(decode_image(sample("palette.png")).channels == 4);  // it has a transparent colour
  CHECK(decode_image(sample("grey16.png")).channels == 1);
  // 16 bits: to the nearest of 8.
  CHECK(equal(decode_image(png({{"IHDR", png_header(2, 1, 16, 0)},
                                {"IDAT", stored(std::string("\0\x12\x34\xff\x01", 5))},
                                {"IEND", ""}})),
              {1, 2, 1, {0x12, 0xfe}}));
  // 1 bit, and an ancillary chunk with a wrong checksum, which is nobody's business.
  auto file = png({{"IHDR", png_header(3, 1, 1, 0)},
                   {"teXt", "abc"},
                   {"IDAT", stored(std::string("\0\xa0", 2))},
                   {"IEND", ""}});
  file[8 + 25 + 8 + 3] ^= std::byte{1};
  CHECK(equal(decode_image(file), {1, 3, 1, {255, 0, 255}}));
}

TEST_CASE("png: a colour that the palette does not have is black", "[io]") {
  const Image image = decode_image(png({{"IHDR", png_header(3, 1, 8, 3)},
                                        {"PLTE", "abc"},
                                        {"IDAT", stored(std::string("\0\0\1\xff", 4))},
                                        {"IEND", ""}}));
  CHECK(equal(image, {1, 3, 3, {'a', 'b', 'c', 0, 0, 0, 0, 0, 0}}));
}

TEST_CASE("png: files that are refused", "[io]") {
  const std::string ihdr = png_header(1, 1, 8, 0), idat = stored(std::string("\0\1", 2));
  CHECK(error_of(png({{"IHDR", ihdr}, {"IDAT", idat}, {"IEND", ""}})) == "no error");
  CHECK_THAT(error_of(png({{"IHDR", ihdr}})), Contains("png: truncated"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"IEND", ""}})),
             Contains("1 x 1 pixels cannot come from 0 bytes"));
  CHECK_THAT(error_of(png({{"IDAT", idat}, {"IEND", ""}})), Contains("chunk IDAT where IHDR is expected"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"IHDR", ihdr}})),
             Contains("chunk IHDR where no IHDR is expected"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"CgBI", ""}})), Contains("chunk CgBI is not supported"));
  CHECK_THAT(error_of(png({{"IHDR", "x"}})), Contains("png: truncated"));
  CHECK_THAT(error_of(png({{"IHDR", png_header(0, 1, 8, 0)}})), Contains("1 x 0 pixels"));
  CHECK_THAT(error_of(png({{"IHDR", png_header(1 << 15, 1 << 14, 8, 0)}})),
             Contains("at most 268435456 are allowed"));
  CHECK_THAT(error_of(png({{"IHDR", png_header(~0u, ~0u, 16, 6)}})), Contains("at most"));
  CHECK_THAT(error_of(png({{"IHDR", png_header(30000, 4000, 8, 0)}, {"IDAT", idat}, {"IEND", ""}})),
             Contains("4000 x 30000 pixels cannot come from 13 bytes"));
  for (const auto& [depth, colour] : {std::pair(3, 0), std::pair(4, 2), std::pair(16, 3), std::pair(2, 4),
                                      std::pair(8, 5), std::pair(8, 7), std::pair(0, 0), std::pair(1, 6)})
    CHECK_THAT(error_of(png({{"IHDR", png_header(1, 1, depth, colour)}})),
               Contains(text("colour type ", colour)));
  CHECK_THAT(error_of(png({{"IHDR", png_header(1, 1, 8, 3)}, {"IDAT", idat}, {"IEND", ""}})),
             Contains("no PLTE"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"PLTE", "ab"}})), Contains("a palette of 2 bytes"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"PLTE", std::string(771, 'a')}})),
             Contains("a palette of 771 bytes"));
  CHECK_THAT(error_of(png({{"IHDR", png_header(1, 1, 8, 3)}, {"PLTE", "abc"}, {"tRNS", "ab"}})),
             Contains("transparency of 2 bytes"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"IDAT", stored("")}, {"IEND", ""}})),
             Contains("not enough pixels"));
  CHECK_THAT(error_of(png({{"IHDR", ihdr}, {"IDAT", "nonsense"}, {"IEND", ""}})),
             Contains("cannot be decoded"));
  auto damaged = png({{"IHDR", ihdr}, {"IDAT", idat}, {"IEND", ""}});
  damaged[8 + 25 + 8 + 8] ^= std::byte{1};
  CHECK_THAT(error_of(damaged), Contains("chunk IDAT has a wrong checksum"));
}

TEST_CASE("jpeg: what is written is close to what is read", "[io]") {
  Image smooth{40, 37, 3, {}};
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 37; ++x)
      for (const int value : {4 * y, 5 * x, 2 * (x + y)})
        smooth.pixels.push_back(static_cast<std::uint8_t>(value));
  CHECK(largest_difference(decode_image(encode_jpeg(smooth, 100)), smooth) <= 4);
  CHECK(largest_difference(decode_image(encode_jpeg(smooth)), smooth) <= 8);
  CHECK(largest_difference(decode_image(encode_jpeg(smooth, 50)), smooth) <= 60);
  const Image grey = decode_image(encode_jpeg(to_grey(smooth), 100));
  CHECK(grey.channels == 1);
  CHECK(largest_difference(grey, to_grey(smooth)) <= 4);
}

TEST_CASE("jpeg: grey is written as one component, with the levels that it has as RGB", "[io]") {
  for (const Index height : {1, 7, 8, 9, 17, 40})
    for (const Index width : {1, 8, 15, 16, 33})
      for (const int quality : {1, 50, 90, 91, 100}) {
        CAPTURE(height, width, quality);
        const Image grey = random_image(height, width, 1);
        const auto file = encode_jpeg(grey, quality), colour = encode_jpeg(to_rgb(grey), quality);
        CHECK(decode_image(file).channels == 1);
        CHECK(decode_image(file).pixels == to_grey(decode_image(colour)).pixels);
        CHECK(file.size() < colour.size() - 200);
      }
}

TEST_CASE("jpeg: kinds", "[io]") {
  CHECK(decode_image(sample("baseline.jpg")).channels == 3);
  CHECK(decode_image(sample("cmyk.jpg")).channels == 3);
  CHECK(decode_image(sample("grey_turned.jpg")).channels == 1);
  // The same picture with less loss, in several scans and with restart markers.
  CHECK(decode_image(sample("progressive.jpg")).height == decode_image(sample("baseline.jpg")).height);
  CHECK(decode_image(sample("grey_turned.jpg")).height == decode_image(sample("baseline.jpg")).width);
}

TEST_CASE("jpeg: orientation", "[io]") {
  // Black, but for a white first pixel block and a grey last one in the first row; 16 rows, 24 columns.
  Image image{16, 24, 1, std::vector<std::uint8_t>(16 * 24)};
  for (std::size_t y = 0; y < 8; ++y)
    for (std::size_t x = 0; x < 8; ++x) {
      image.pixels[y * 24 + x] = 255;
      image.pixels[y * 24 + 16 + x] = 128;
    }
  const auto jpeg = encode_jpeg(image, 100);
  constexpr const char* corners[] = {"TL", "TR", "BR", "BL"};
  constexpr int white_at[] = {0, 1, 2, 3, 0, 1, 2, 3}, grey_at[] = {1, 0, 3, 2, 3, 2, 1, 0};
  for (const bool little : {true, false})
    for (int orientation = 1; orientation <= 8; ++orientation) {
      CAPTURE(orientation, little);
      const Image turned = to_grey(decode_image(with_orientation(jpeg, orientation, little)));
      REQUIRE(turned.height == (orientation < 5 ? 16 : 24));
      const std::size_t right = static_cast<std::size_t>(turned.width) - 1;
      const std::size_t bottom = turned.pixels.size() - right - 1;
      const std::size_t at[] = {0, right, bottom + right, bottom};
      for (int corner = 0; corner < 4; ++corner) {
        CAPTURE(corners[corner]);
        const int expected = corner == white_at[orientation - 1]  ? 255
                             : corner == grey_at[orientation - 1] ? 128
                                                                  : 0;
        CHECK(std::abs(turned.pixels[at[corner]] - expected) <= 4);
      }
    }
  for (const int nonsense : {0, 9, 65535})
    CHECK(decode_image(with_orientation(jpeg, nonsense, true)).height == 16);

  // EXIF data that end or point beyond their end are ignored.
  const auto turned = with_orientation(jpeg, 6, false);
  for (std::size_t at = 6; at < 6 + 36; ++at)
    for (const int value : {0, 255}) {
      auto damaged = turned;
      damaged[at] = static_cast<std::byte>(value);
      CHECK(decode_image(damaged).pixels.size() == 16 * 24);
    }
}

TEST_CASE("jpeg: files that end too early", "[io]") {
  for (const std::string name : {"baseline.jpg", "progressive.jpg", "cmyk.jpg"}) {
    const auto file = sample(name);
    int complete = 0;
    for (std::size_t size = find_marker(file, 0xda) + 12; size + 2 < file.size(); ++size) {
      auto cut = std::vector<std::byte>(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      append(cut, "\xff\xd9");  // as if nothing were missing
      complete += error_of(cut) == "no error";
    }
    CAPTURE(name);
    // A progressive file may end after any scan, or after the tables for the next.
    CHECK((complete > 0) == (name == "progressive.jpg"));
  }
  auto file = sample("baseline.jpg");
  append(file, "and what a camera appends");
  CHECK(error_of(file) == "no error");
  file = sample("baseline.jpg");
  file.resize(file.size() - 20);
  append(file, "\xff\xd9");
  CHECK_THAT(error_of(file), Contains("the data of a scan end too early"));
  CHECK_THAT(error_of(bytes("\xff\xd8\xff\xd9")), Contains("jpeg: no frame"));
}

TEST_CASE("jpeg: files that are refused", "[io]") {
  const auto baseline = sample("baseline.jpg");
  const auto error_after = [&](int marker, std::size_t at, std::initializer_list<int> values) {
    auto file = baseline;
    std::size_t position = find_marker(file, marker) + at;
    for (const int value : values) file[position++] = static_cast<std::byte>(value);
    return error_of(file);
  };
  // Frame: length 2, precision 1, height 2, width 2, components 1, then id, sampling, table of each.
  CHECK_THAT(error_after(0xc0, 2, {12}), Contains("12 bits per sample"));
  CHECK_THAT(error_after(0xc0, 3, {0, 0}), Contains("0 x 20 pixels"));
  CHECK_THAT(error_after(0xc0, 3, {255, 255, 255, 255}), Contains("65535 x 65535 pixels, at most"));
  CHECK_THAT(error_after(0xc0, 3, {40, 0, 40, 0}),
             Contains("10240 x 10240 pixels cannot come from 709 bytes"));
  CHECK_THAT(error_after(0xc0, 7, {2}), Contains("2 components"));
  CHECK_THAT(error_after(0xc0, 7, {1}), Contains("6 bytes too many in the frame header"));
  CHECK_THAT(error_after(0xc0, 9, {0x05}), Contains("sampling 0 x 5"));
  CHECK_THAT(error_after(0xc0, 9, {0x31}), Contains("jpeg:"));
  CHECK_THAT(error_after(0xc0, 9, {0x21, 0, 2, 0x31}), Contains("sampling 2 x 1 is no whole part of 3 x 1"));
  CHECK_THAT(error_after(0xc0, 10, {4}), Contains("quantisation table 4"));
  CHECK_THAT(error_after(0xc0, 11, {1}), Contains("a scan of component 2, which is unknown"));
  CHECK_THAT(error_of(bytes("\xff\xd8\xff\xc9")), Contains("marker 201 is not supported"));
  CHECK_THAT(error_of(bytes(std::string("\xff\xd8\xff\xda\0\2", 6))), Contains("a scan before the frame"));
  // Scan: length 2, components 1, then id and tables of each, then first, last, bits.
  CHECK_THAT(error_after(0xda, 2, {0}), Contains("a scan of 0 components"));
  CHECK_THAT(error_after(0xda, 5, {1}), Contains("component 1, which is unknown or occurs twice"));
  CHECK_THAT(error_after(0xda, 4, {0x20}), Contains("Huffman tables 2 and 0, which are not defined"));
  CHECK_THAT(error_after(0xda, 4, {0x04}), Contains("Huffman tables 0 and 4, which are not defined"));
  CHECK_THAT(error_after(0xda, 9, {1}), Contains("a progressive scan in a baseline file"));
  // Tables.
  CHECK_THAT(error_after(0xdb, 2, {0x20}), Contains("quantisation table 32"));
  CHECK_THAT(error_after(0xc4, 2, {0x04}), Contains("Huffman table 4"));
  CHECK_THAT(error_after(0xc4, 0, {0, 1}), Contains("a segment of 1 bytes"));
}

TEST_CASE("jpeg: tables that overflow those of the decoder", "[io]") {
  const auto table = [](std::initializer_list<int> counts) {
    std::vector<std::byte> file = bytes("\xff\xd8\xff\xc4");
    std::string body(1, '\0');
    std::size_t total = 0;
    for (const int count : counts) {
      body += static_cast<char>(count);
      total += static_cast<std::size_t>(count);
    }
    body += std::string(total, 'x');
    append_big(file, static_cast<std::uint16_t>(body.size() + 2));
    append(file, body);
    append(file, "\xff\xd9");
    return error_of(file);
  };
  CHECK_THAT(table({0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0}), Contains("no frame"));  // sound
  CHECK_THAT(table({0, 0, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 0, 0, 0, 0}),
             Contains("a Huffman table of 256 symbols"));
  CHECK_THAT(table({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255}), Contains("of 1020 symbols"));
  CHECK_THAT(table({3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
             Contains("more codes than there can be"));
  CHECK_THAT(table({1, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
             Contains("more codes than there can be"));
}

TEST_CASE("jpeg: a file of very many scans", "[io]") {
  const auto file = sample("progressive.jpg");
  const std::size_t scan = find_marker(file, 0xda) - 2;
  const auto rest = ByteSpan(file).subspan(scan + 2);
  const std::size_t end = scan + 2 + find_marker(rest, 0xc4) - 2;
  std::vector<std::byte> many(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(scan));
  for (int i = 0; i < 101; ++i) append(many, ByteSpan(file).subspan(scan, end - scan));
  append(many, "\xff\xd9");
  CHECK_THAT(error_of(many), Contains("more than 100 scans"));
}

TEST_CASE("bmp: kinds", "[io]") {
  const Image rgb = decode_image(sample("rgb.bmp"));
  CHECK(rgb.channels == 3);
  CHECK(rgb.height == 3);
  CHECK(equal(decode_image(sample("palette.bmp")), without_alpha(decode_image(sample("palette.bmp")))));

  const auto error_after = [](const char* name, std::size_t at, std::initializer_list<int> values) {
    auto file = sample(name);
    for (const int value : values) file[at++] = static_cast<std::byte>(value);
    return error_of(file);
  };
  CHECK_THAT(error_after("rgb.bmp", 14, {12}), Contains("a header of 12 bytes, expected 40, 108 or 124"));
  CHECK_THAT(error_after("rgb.bmp", 18, {0, 0, 0, 0}), Contains("3 x 0 pixels"));
  CHECK_THAT(error_after("rgb.bmp", 18, {0, 0, 0, 0x80}), Contains("3 x -2147483648 pixels"));
  CHECK_THAT(error_after("rgb.bmp", 22, {0, 0, 0, 0x80}), Contains("2147483648 x 5 pixels, at most"));
  CHECK_THAT(error_after("rgb.bmp", 22, {4}), Contains("bmp: truncated"));
  CHECK_THAT(error_after("rgb.bmp", 28, {20}), Contains("20 bits per pixel"));
  CHECK_THAT(error_after("rgb.bmp", 30, {1}), Contains("compression 1 with 24 bits"));
  CHECK_THAT(error_after("rgb.bmp", 30, {3}), Contains("compression 3 with 24 bits"));
  CHECK_THAT(error_after("rgb.bmp", 10, {0}), Contains("pixels at offset 0, expected from 54"));
  CHECK_THAT(error_after("rgb.bmp", 10, {0, 0, 1}), Contains("pixels at offset 65536"));

  // A negative height: the top row comes first. Pixels further behind the header than needed.
  auto file = sample("rgb.bmp");
  for (std::size_t i = 22; i < 26; ++i) file[i] = std::byte{0xff};
  file[22] = std::byte{0xfd};  // -3
  const Image flipped = decode_image(file);
  CHECK(std::equal(flipped.pixels.begin(), flipped.pixels.begin() + 15, rgb.pixels.end() - 15));
  file = sample("rgb.bmp");
  file.insert(file.begin() + 54, 8, std::byte{7});
  file[10] = std::byte{62};
  CHECK(equal(decode_image(file), rgb));

  // A palette of one colour, and pixels that ask for others.
  file = bytes(std::string("BM\0\0\0\0\0\0\0\0\x3a\0\0\0\x28\0\0\0\3\0\0\0\1\0\0\0\1\0\x08\0", 30) +
               std::string(24, '\0') + "abcd" + std::string("\0\1\xff\0", 4));
  CHECK(equal(decode_image(file), {1, 3, 3, {'c', 'b', 'a', 0, 0, 0, 0, 0, 0}}));
}

TEST_CASE("tga: kinds", "[io]") {
  CHECK(equal(decode_image(sample("runs.tga")), decode_image(sample("runs.tga"))));
  CHECK(decode_image(sample("palette.tga")).channels == 3);
  // One row of two RGB pixels; runs; runs that end too early.
  const std::string head("\0\0\2\0\0\0\0\0\0\0\0\0\2\0\1\0\x18\x20", 18);
  CHECK(equal(decode_image(bytes(head + "bgrBGR")), {1, 2, 3, {'r', 'g', 'b', 'R', 'G', 'B'}}));
  CHECK_THAT(error_of(bytes(head + "bgrBG")), Contains("tga: truncated"));
  std::string runs = head;
  runs[2] = 10;
  CHECK(equal(decode_image(bytes(runs + "\x81"
                                        "bgr")),
              {1, 2, 3, {'r', 'g', 'b', 'r', 'g', 'b'}}));
  CHECK(equal(decode_image(bytes(runs + "\x01"
                                        "bgrBGR")),
              {1, 2, 3, {'r', 'g', 'b', 'R', 'G', 'B'}}));
  CHECK_THAT(error_of(bytes(runs + "\x80"
                                   "bgr")),
             Contains("tga: truncated"));
  CHECK_THAT(error_of(bytes(runs + std::string("\0bgr\x81"
                                               "bg",
                                               7))),
             Contains("tga: truncated"));

  const auto error_after = [&](std::size_t at, int value) {
    std::string changed = head;
    changed[at] = static_cast<char>(value);
    return error_of(bytes(changed + std::string(300, '\0')));
  };
  CHECK(error_after(0, 255) == "no error");  // a name of 255 bytes
  for (const auto& [at, value] :
       {std::pair(1, 2), std::pair(1, 1), std::pair(2, 0), std::pair(2, 4), std::pair(2, 1), std::pair(2, 32),
        std::pair(12, 0), std::pair(14, 0), std::pair(16, 8), std::pair(16, 23), std::pair(17, 0x60),
        std::pair(17, 0x29)}) {
    CAPTURE(at, value);
    CHECK_THAT(error_after(static_cast<std::size_t>(at), value), Contains("neither PNG, JPEG,"));
  }
  CHECK_THAT(error_after(17, 0x30), Contains("right to left"));
  CHECK_THAT(error_after(3, 1), Contains("partial palettes"));
}

TEST_CASE("images of no known kind", "[io]") {
  for (const std::string content : {"\x89", "no image, but more than 18 bytes"})
    CHECK(error_of(bytes(content)) == "image: neither " + image_format_names(" nor "));
  CHECK(error_of({}) == "image: the file is empty");
}

TEST_CASE("the limit of pixels", "[io]") {
  const auto png_file = encode_png(pattern(10, 10, 3));
  CHECK(decode_image(png_file, {.max_pixels = 100}).height == 10);
  CHECK_THAT(error_of(png_file, {.max_pixels = 99}), Contains("png: 10 x 10 pixels, at most 99 are allowed"));
  CHECK_THAT(error_of(encode_jpeg(pattern(10, 10, 3)), {.max_pixels = 99}),
             Contains("jpeg: 10 x 10 pixels, at most"));
  CHECK_THAT(error_of(sample("rgb.bmp"), {.max_pixels = 14}), Contains("bmp: 3 x 5 pixels, at most"));
  CHECK_THAT(error_of(sample("runs.tga"), {.max_pixels = 14}), Contains("tga: 12 x 20 pixels, at most"));
}

TEST_CASE("images: damage", "[io][large]") {
  for (const std::string name :
       {"baseline.jpg", "progressive.jpg", "grey_turned.jpg", "cmyk.jpg", "rgba.png", "palette.png",
        "grey16.png", "interlaced.png", "palette.bmp", "rgb.bmp", "runs.tga", "palette.tga"}) {
    CAPTURE(name);
    const std::size_t needless = name.ends_with(".jpg")   ? 2
                                 : name.ends_with(".png") ? 12
                                                          : 0;  // the mark of the end
    check_damage(
        sample(name), [](ByteSpan file) { return decode_image(file, {.max_pixels = 1 << 16}); }, needless);
  }
}

TEST_CASE("image files", "[io]") {
  const TemporaryFolder folder;
  const Image image = pattern(5, 6, 3);
  write_image(folder / "a.png", image);
  CHECK(equal(read_image(folder / "a.png"), image));
  write_image(folder / "a.PNG", pattern(5, 6, 4));
  CHECK(read_image(folder / "a.PNG").has_alpha());
  write_image(folder / "a.jpg", image, 50);
  write_image(folder / "a.JPEG", image, 100);
  CHECK(read_file(folder / "a.jpg").size() < read_file(folder / "a.JPEG").size());
  CHECK_THAT(message_of<FormatError>([&] { write_image(folder / "a.bmp", image); }),
             Contains("extension is '.bmp'"));
  CHECK_THAT(message_of<FormatError>([&] { write_image(folder / "a.jpg", pattern(2, 2, 4)); }),
             Contains("has no alpha channel"));
  CHECK_THAT(message_of<FormatError>([&] { write_image(folder / "a.jpg", image, 0); }),
             Contains("quality 0"));
  CHECK_THAT(message_of<FormatError>([&] { encode_jpeg(pattern(1, 65536, 1)); }),
             Contains("1 x 65536 pixels"));
  CHECK_THAT(message_of<ShapeError>([] {
               encode_png({2, 2, 3, {0}});
             }),
             Contains("1 values for 2 x 2 pixels"));
  CHECK_THAT(message_of<ShapeError>([] { encode_jpeg({0, 2, 3, {}}); }), Contains("0 x 2 pixels"));
  write_file_atomically(folder / "b.png", bytes("nonsense"));
  CHECK_THAT(message_of<FormatError>([&] { read_image(folder / "b.png"); }),
             Contains("b.png: image: neither"));
  CHECK_THAT(message_of<IoError>([&] { read_image(folder / "absent.png"); }), Contains("absent.png"));
}

TEST_CASE("images and tensors", "[io]") {
  Image all{16, 16, 3, {}};
  for (int i = 0; i < 256; ++i) all.pixels.insert(all.pixels.end(), 3, static_cast<std::uint8_t>(i));
  const Tensor<float> tensor = to_tensor(all);
  CHECK(tensor.shape() == Shape{1, 16, 16, 3});
  CHECK(tensor(0, 0, 0, 0) == -1);
  CHECK(tensor(0, 15, 15, 2) == 1);
  CHECK(equal(to_image(tensor), all));  // every level comes back

  CHECK(to_tensor({1, 1, 1, {255}}).shape() == Shape{1, 1, 1, 3});
  CHECK(to_tensor({1, 2, 2, {0, 9, 255, 9}})(0, 0, 1, 2) == 1);  // grey and alpha
  CHECK(to_tensor({1, 1, 4, {0, 0, 255, 9}})(0, 0, 0, 2) == 1);  // RGB and alpha

  const float inf = std::numeric_limits<float>::infinity();
  CHECK(equal(to_image(Tensor<>({1, 1, 2, 3}, {-7, 7, -inf, inf, 0.0001f, 1 - 1.01f / 255})),
              {1, 2, 3, {0, 255, 0, 255, 128, 254}}));
  CHECK_THAT(message_of<FormatError>([] {
               to_image(Tensor<>({1, 1, 1, 3}, {0, std::nanf(""), 0}));
             }),
             Contains("value 1 of row 0 is not a number"));
  for (const Shape& shape : {Shape{2, 1, 1, 3}, Shape{1, 1, 1, 1}, Shape{1, 1, 3}, Shape{1, 0, 1, 3}})
    CHECK_THAT(message_of<ShapeError>([&] { to_image(Tensor<>(shape)); }), Contains("expects [1,H,W,3]"));
  CHECK_THROWS_AS(to_image(Tensor<>()), ShapeError);
}

TEST_CASE("alpha and grey", "[io]") {
  const Image rgb{1, 2, 3, {10, 20, 30, 40, 50, 60}}, grey{1, 2, 1, {10, 20}};
  const Image rgba{1, 2, 4, {1, 2, 3, 100, 4, 5, 6, 200}}, grey_alpha{1, 2, 2, {7, 100, 8, 200}};
  CHECK(equal(without_alpha(rgb), rgb));
  CHECK(equal(without_alpha(rgba), {1, 2, 3, {1, 2, 3, 4, 5, 6}}));
  CHECK(equal(without_alpha(grey_alpha), {1, 2, 1, {7, 8}}));
  CHECK(equal(with_alpha_of(rgb, rgba), {1, 2, 4, {10, 20, 30, 100, 40, 50, 60, 200}}));
  CHECK(equal(with_alpha_of(rgb, grey_alpha), {1, 2, 4, {10, 20, 30, 100, 40, 50, 60, 200}}));
  CHECK(equal(with_alpha_of(grey, rgba), {1, 2, 2, {10, 100, 20, 200}}));
  CHECK(equal(with_alpha_of(rgba, rgb), {1, 2, 3, {1, 2, 3, 4, 5, 6}}));
  CHECK(equal(with_alpha_of(rgb, grey), rgb));
  CHECK_THAT(message_of<ShapeError>([&] {
               with_alpha_of(rgb, {2, 1, 4, std::vector<std::uint8_t>(8)});
             }),
             Contains("1 x 2 pixels, the source has 2 x 1"));

  CHECK(equal(to_grey(grey), grey));
  CHECK(equal(to_grey(grey_alpha), grey_alpha));
  CHECK(equal(to_grey({1, 2, 3, {255, 255, 255, 255, 0, 0}}), {1, 2, 1, {255, 76}}));
  CHECK(equal(to_grey(rgba), {1, 2, 2, {2, 100, 5, 200}}));
}
