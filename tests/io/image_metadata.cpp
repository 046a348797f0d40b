#include "nlcl/io/image_metadata.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "nlcl/io/image.hpp"
#include "support/files.hpp"
#include "support/image_files.hpp"
#include "support/images.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

const ImageFormat& format(const std::string& extension) { return *image_format_of_extension(extension); }

std::vector<std::byte> jpeg_with(const std::string& segments) {
  return with_segments(encode_jpeg(random_image(16, 24, 3)), segments);
}
ImageMetadata metadata_of(const std::vector<std::byte>& file) { return decode_photo(file).metadata; }

// Through a file of the format and back.
ImageMetadata carried(const ImageMetadata& metadata, const std::string& extension) {
  return metadata_of(encode_photo({random_image(5, 7, 3), metadata}, format(extension)));
}

bool holds(const std::vector<std::byte>& found, const std::string& expected) {
  return found == bytes(expected);
}

const std::string profile(100'000, 'p'), xmp = "<x:xmpmeta tiff:Orientation=\"6\"/>";

}  // namespace

TEST_CASE("metadata: taken from a JPEG, and carried into JPEG and PNG byte for byte", "[image]") {
  const std::string exif = exif_of(1);
  const auto file = jpeg_with(jpeg_segment('\xfe', "a comment") + exif_segment(exif) + xmp_segment(xmp) +
                              icc_segment(2, 2, profile.substr(60'000)) +
                              icc_segment(1, 2, profile.substr(0, 60'000)) + jpeg_segment('\xed', "IPTC"));
  const Photo photo = decode_photo(file);
  CHECK(photo.warnings.empty());
  for (const ImageMetadata& found :
       {photo.metadata, carried(photo.metadata, ".jpg"), carried(photo.metadata, ".png"),
        carried(carried(photo.metadata, ".png"), ".jpg")}) {
    CHECK(holds(found.exif, exif));
    CHECK(holds(found.xmp, xmp));
    CHECK(holds(found.icc, profile));
  }
  const ImageMetadata again = carried(photo.metadata, ".jpg");
  REQUIRE(again.jpeg_segments.size() == 2);
  CHECK(again.jpeg_segments[0].kind == "\xfe");
  CHECK(holds(again.jpeg_segments[0].data, "a comment"));
  CHECK(holds(again.jpeg_segments[1].data, "IPTC"));
  CHECK(carried(photo.metadata, ".png").jpeg_segments.empty());
}

TEST_CASE("metadata: a photograph without any gains none", "[image]") {
  const Image image = random_image(5, 7, 3);
  CHECK(encode_photo({image}, format(".png")) == encode_png(image));
  CHECK(encode_photo({image}, format(".jpg"), {80}) == encode_jpeg(image, 80));
}

TEST_CASE("metadata: chunks of a PNG that say what its colours are stay", "[image]") {
  const std::string gamma("\0\0\xb1\x8f", 4), xmp_text(std::string("XML:com.adobe.xmp\0\0\0\0\0", 22) + xmp);
  const std::string compressed_xmp(text_of(detail::deflated(bytes(xmp))));
  const auto with = [](std::vector<std::pair<std::string, std::string>> chunks) {
    chunks.insert(chunks.begin(), {"IHDR", png_header(1, 1, 8, 2)});
    chunks.push_back({"IDAT", stored(std::string("\0\1\2\3", 4))});
    chunks.push_back({"IEND", ""});
    return decode_photo(png(chunks));
  };
  const Photo photo = with({{"gAMA", gamma},
                            {"tEXt", std::string("Title\0Rain", 10)},
                            {"iTXt", xmp_text},
                            {"tIME", "1234567"},
                            {"pHYs", std::string("\0\0\x0b\x13\0\0\x0b\x13\1", 9)}});
  CHECK(photo.warnings.empty());
  const ImageMetadata png_again = carried(photo.metadata, ".png");
  REQUIRE(png_again.png_chunks.size() == 2);
  CHECK(png_again.png_chunks[0].kind == "gAMA");
  CHECK(holds(png_again.png_chunks[0].data, gamma));
  CHECK(png_again.png_chunks[1].kind == "tEXt");
  CHECK(holds(png_again.xmp, xmp));
  CHECK(photo.metadata.colour_space().png_chunks.size() == 1);
  CHECK(photo.metadata.colour_space().xmp.empty());
  // 2835 pixels per metre are 72 per inch, or 28 per centimetre.
  CHECK(png_again.density->x == 2835);
  CHECK(png_again.density->unit == Density::metre);
  const ImageMetadata in_jpeg = carried(photo.metadata, ".jpg");
  CHECK(in_jpeg.density->x == 28);
  CHECK(in_jpeg.density->unit == Density::centimetre);
  CHECK(holds(in_jpeg.xmp, xmp));

  CHECK(holds(with({{"iTXt", std::string("XML:com.adobe.xmp\0\1\0\0\0", 22) + compressed_xmp}}).metadata.xmp,
              xmp));
  for (const auto& [kind, data] : {std::pair<std::string, std::string>{"iCCP", "name"},
                                   {"iCCP", std::string("name\0\0nonsense", 14)},
                                   {"iCCP", std::string("name\0\1", 6)},
                                   {"iTXt", std::string("XML:com.adobe.xmp\0\1\0\0\0?", 23)},
                                   {"pHYs", "123"}}) {
    CAPTURE(kind);
    const Photo odd = with({{kind, data}});
    REQUIRE(odd.warnings.size() == 1);
    CHECK(odd.warnings[0] == "png: chunk " + kind + " makes no sense and is left out");
    CHECK(odd.metadata.icc.empty());
    CHECK(odd.metadata.xmp.empty());
  }
}

TEST_CASE("metadata: density of a JPEG", "[image]") {
  for (const auto& [unit, expected] : {std::pair('\0', Density::none), std::pair('\1', Density::inch),
                                       std::pair('\2', Density::centimetre)}) {
    auto file = encode_jpeg(random_image(8, 8, 3));
    file[13] = static_cast<std::byte>(unit);
    file[14] = std::byte{1}, file[15] = std::byte{44}, file[17] = std::byte{72};
    for (const ImageMetadata& found : {metadata_of(file), carried(metadata_of(file), ".jpg")}) {
      CHECK(found.density->unit == expected);
      CHECK(found.density->x == 300);
      CHECK(found.density->y == 72);
    }
  }
  CHECK(carried({.density = Density{300, 72, Density::inch}}, ".png").density->x == 11811);
  CHECK(carried({.density = Density{3, 2, Density::none}}, ".png").density->unit == Density::none);
  CHECK(carried({.density = Density{~0u, 0, Density::metre}}, ".jpg").density->x == 65535);
}

TEST_CASE("metadata: of a photograph that was turned the orientation is 1", "[image]") {
  for (const bool is_little : {true, false}) {
    const Photo photo = decode_photo(jpeg_with(exif_segment(exif_of(6, is_little)) + xmp_segment(xmp)));
    CHECK(photo.height() == 24);
    CHECK(holds(photo.metadata.exif, exif_of(1, is_little)));
    CHECK(holds(photo.metadata.xmp, "<x:xmpmeta tiff:Orientation=\"1\"/>"));
  }
  // As an element of XML too; what is no orientation stays.
  for (const auto& [before, after] :
       {std::pair("<tiff:Orientation>6</tiff:Orientation>", "<tiff:Orientation>1</tiff:Orientation>"),
        std::pair("tiff:Orientation", "tiff:Orientation"),
        std::pair("tiff:Orientation='a'", "tiff:Orientation='a'")})
    CHECK(holds(metadata_of(jpeg_with(exif_segment(exif_of(3)) + xmp_segment(before))).xmp, after));
  // Pixels of a PNG stay as they are, and so does what is said of them.
  CHECK(holds(carried({.exif = bytes(exif_of(6))}, ".png").exif, exif_of(6)));
}

TEST_CASE("metadata: the embedded thumbnail is dropped, and nothing else moves", "[image]") {
  for (const bool is_little : {true, false}) {
    std::string with_thumbnail = exif_of(1, is_little, "a thumbnail with rain");
    CHECK_THAT(std::string(text_of(metadata_of(jpeg_with(exif_segment(with_thumbnail))).exif)),
               !Contains("rain"));
    CHECK(text_of(metadata_of(jpeg_with(exif_segment(with_thumbnail))).exif).substr(0, 38) ==
          exif_of(1, is_little));
    // Something behind it stays where it is.
    const auto found = metadata_of(jpeg_with(exif_segment(with_thumbnail + "notes"))).exif;
    CHECK(found.size() == with_thumbnail.size() + 5);
    CHECK_THAT(std::string(text_of(found)), !Contains("rain") && Catch::EndsWith("notes"));
  }
}

TEST_CASE("metadata: EXIF data of any damage do no harm", "[image]") {
  const std::string exif = exif_of(6, true, "thumbnail");
  for (std::size_t size = 0; size <= exif.size(); ++size)
    CHECK(decode_photo(jpeg_with(exif_segment(exif.substr(0, size)))).warnings.empty());
  for (std::size_t at = 0; at < exif.size(); ++at)
    for (const int value : {0, 1, 38, 127, 255}) {
      std::string damaged = exif;
      damaged[at] = static_cast<char>(value);
      CHECK(decode_photo(jpeg_with(exif_segment(damaged))).channels() == 3);
    }
}

TEST_CASE("metadata: a colour profile with a piece missing is left out, with a warning", "[image]") {
  for (const std::string& pieces : {icc_segment(1, 2, "half"), icc_segment(3, 2, "what"),
                                    icc_segment(0, 1, "?"), icc_segment(2, 2, "half")}) {
    const Photo photo = decode_photo(jpeg_with(pieces));
    CHECK(photo.metadata.icc.empty());
    REQUIRE(photo.warnings.size() == 1);
    CHECK(photo.warnings[0] == "jpeg: the colour profile is incomplete and left out");
  }
  CHECK(decode_photo(jpeg_with(jpeg_segment('\xe2', std::string("ICC_PROFILE\0", 12)))).warnings.empty());
}

TEST_CASE("metadata: the quality of a JPEG is that of the next", "[image]") {
  const auto written = [](const std::vector<std::byte>& file) { return metadata_of(file).jpeg.value(); };
  for (const int quality : {1, 10, 50, 75, 90, 91, 95, 100}) {
    CAPTURE(quality);
    const auto file = encode_jpeg(random_image(16, 16, 3), quality);
    CHECK(written(file).quality == quality);
    CHECK(written(file).has_fine_chroma == (quality > 90));
    CHECK(written(encode_photo(decode_photo(file), format(".jpg"))).quality == quality);
    CHECK(written(encode_photo(decode_photo(file), format(".jpg"), {20})).quality == 20);
  }
  // Chroma that is not halved in both directions is not halved by us.
  Photo photo{random_image(16, 16, 3)};
  photo.metadata.jpeg = JpegQuality{60, true};
  CHECK(written(encode_photo(photo, format(".jpg"))).quality == 91);
  photo.metadata.jpeg->has_fine_chroma = false;
  CHECK(written(encode_photo(photo, format(".jpg"))).quality == 60);
}
