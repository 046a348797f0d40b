#include "nlcl/io/webp.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "nlcl/io/image.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/images.hpp"

#ifdef NLCL_WEBP

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

Photo lossless(const Image& image, const ImageMetadata& metadata = {}) {
  Photo photo{image, metadata};
  photo.metadata.is_lossless_webp = true;
  return photo;
}

}  // namespace

TEST_CASE("webp: what is written is read", "[image]") {
  for (const Index channels : {1, 2, 3, 4}) {
    const Image image = random_image(9, 7, channels);
    const Photo read = decode_photo(detail::encode_webp(lossless(image), {}));
    CHECK(read.metadata.is_lossless_webp);
    CHECK(read.channels() == (channels % 2 == 0 ? 4 : 3));
    const Image expected = with_alpha_of(to_rgb(image), image);
    for (std::size_t i = 0; i < expected.pixels.size();
         ++i)  // colours under full transparency are nobody's business
      if (channels % 2 != 0 || expected.pixels[i / 4 * 4 + 3] > 0)
        CHECK(to_8_bits(read).pixels[i] == expected.pixels[i]);
  }
  const Photo photo{random_image(40, 32, 3)};
  CHECK(!decode_photo(detail::encode_webp(photo, {})).metadata.is_lossless_webp);
  CHECK(detail::encode_webp(photo, {20}).size() < detail::encode_webp(photo, {}).size());
  CHECK(detail::encode_webp(photo, {95}) == detail::encode_webp(photo, {}));
}

TEST_CASE("webp: metadata are carried, also from and to a JPEG", "[image]") {
  ImageMetadata metadata;
  metadata.icc = bytes("a profile");
  metadata.exif = bytes("II*");
  metadata.xmp = bytes("<xmp/>");
  for (const bool has_alpha : {true, false}) {
    const Photo photo = lossless(random_image(5, 6, has_alpha ? 4 : 3), metadata);
    const Photo read = decode_photo(detail::encode_webp(photo, {}));
    CHECK(read.warnings.empty());
    for (const Photo& found : {read, decode_photo(encode_photo(read, *image_format_of("a.jpg")))}) {
      CHECK(found.metadata.icc == metadata.icc);
      CHECK(found.metadata.exif == metadata.exif);
      CHECK(found.metadata.xmp == metadata.xmp);
    }
  }
}

TEST_CASE("webp: files that are refused", "[image]") {
  const auto file = detail::encode_webp(lossless(random_image(6, 5, 3)), {});
  check_damage(
      file, [](ByteSpan damaged) { return decode_image(damaged, {.max_pixels = 1 << 16}); }, 1);
  CHECK_THAT(message_of<FormatError>([&] { decode_photo(file, {.max_pixels = 29}); }),
             Contains("webp: 6 x 5 pixels, at most 29"));
  CHECK_THAT(message_of<FormatError>([&] {
               detail::encode_webp({Image{1, 16384, 1, std::vector<std::uint8_t>(16384)}}, {});
             }),
             Contains("webp: 1 x 16384 pixels, at most 16383"));
}

#endif
