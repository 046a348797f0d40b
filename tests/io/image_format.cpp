#include "nlcl/io/image_format.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "nlcl/io/image.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/images.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("image formats: what is written is recognised as what it is, and by its name", "[image]") {
  const Image image = random_image(5, 7, 3);
  for (const ImageFormat& format : image_formats()) {
    INFO(format.name);
    for (const std::string& extension : format.extensions) {
      CHECK(image_format_of("folder/name" + extension) == &format);
      CHECK(image_format_of_extension(extension) == &format);
    }
    if (!format.encode) continue;
    const std::vector<std::byte> file = format.encode({image}, {});
    for (const ImageFormat& other : image_formats()) CHECK(other.is_format_of(file) == (&other == &format));
    const Photo read = format.decode(file, {.max_pixels = 35});
    CHECK(read.height() == 5);
    CHECK(read.width() == 7);
    CHECK(read.channels() == 3);
    CHECK(read.warnings.empty());
    CHECK_THROWS_AS(format.decode(file, {.max_pixels = 34}), FormatError);
    const Photo transparent{random_image(5, 7, 4)};
    CHECK(decode_photo(encode_photo(transparent, format)).channels() == (format.has_alpha ? 4 : 3));
    if (!format.has_alpha) CHECK_THROWS_AS(format.encode(transparent, {}), FormatError);
  }
}

TEST_CASE("image formats: names in any case, and those of no image", "[image]") {
  CHECK(extension_of("a/b.c.PnG") == ".png");
  CHECK(image_format_of("photo.JPEG")->name == "JPEG");
  for (const char* name : {"", "png", ".png", "a.png.txt", "a.gif", "folder.png/a"})
    CHECK(!image_format_of(name));
}

TEST_CASE("image formats: lists in messages", "[image]") {
  const std::string webp = image_format_of("a.webp") ? "WebP, " : "", webps = webp.empty() ? "" : ".webp, ";
  CHECK(image_format_names(" and ") == "PNG, JPEG, " + webp + "PPM, PAM, BMP and TGA");
  CHECK(image_extensions() == ".png, .jpg, .jpeg, " + webps + ".ppm, .pgm, .pnm, .pam, .bmp, .tga");
  CHECK(written_image_extensions() == ".png, .jpg, .jpeg, " + webps + ".ppm, .pgm, .pnm or .pam");
}

TEST_CASE("image formats: a file of none", "[image]") {
  CHECK(message_of<FormatError>([] { decode_image(bytes_of("no image, but more than 18 bytes")); }) ==
        "image: neither " + image_format_names(" nor "));
  CHECK(message_of<FormatError>([] { decode_image({}); }) == "image: the file is empty");
  const TemporaryFolder folder;
  const auto path = folder / "a.bmp";
  CHECK(message_of<FormatError>([&] { write_image(path, random_image(2, 2, 3)); }) ==
        "cannot write " + path.string() + ": the extension is '.bmp', expected " +
            written_image_extensions());
}
