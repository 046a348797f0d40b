// What nlcl-derain makes of what a file carries beside its pixels, and of files that end too early. exiftool, where it is, has
// to find the same as our own reader.
#include "nlcl/io/image_format.hpp"
#include "programs.hpp"
#include "support/image_files.hpp"

using namespace nlcl;
using namespace nlcl::test;

namespace {

const std::string camera_profile(100'000, 'p');  // takes more than one segment

std::string packet(int orientation) { return text("<x:xmpmeta tiff:Orientation=\"", orientation, "\"/>"); }

// photo.jpg: a camera held it on its side, and put a picture of the rain into its EXIF data.
class Camera : public Workplace {
 public:
  Camera() {
    write("photo.jpg", with_segments(encode_jpeg(picture),
                                     exif_segment(exif_of(6, true, "a small rain")) + xmp_segment(packet(6)) +
                                         icc_segment(1, 2, camera_profile.substr(0, 60'000)) +
                                         icc_segment(2, 2, camera_profile.substr(60'000))));
  }

  const Image picture = random_image(16, 24, 3);
};

void check_carried(const Workplace& place, const std::string& name) {
  INFO(name);
  const Photo photo = decode_photo(read_file(place / name));
  CHECK(photo.height() == 24);
  CHECK(photo.metadata.icc == bytes(camera_profile));
  const std::string_view exif = text_of(photo.metadata.exif);
  CHECK(exif.starts_with(exif_of(1, true)));
  CHECK(exif.find("rain") == exif.npos);
  CHECK(photo.metadata.xmp == bytes(packet(1)));
  if (place("command -v exiftool").code != 0) {
    WARN("skipped: exiftool is not here to read the same");
    return;
  }
  const auto found = [&](const std::string& tag) { return place("exiftool -n -b -" + tag + " " + name).out; };
  CHECK(found("ICC_Profile") == camera_profile);
  CHECK(found("XMP") == packet(1));
  CHECK(found("IFD0:Orientation") == "1");
  CHECK(found("IFD0:ImageWidth") == "77");
  CHECK(found("ThumbnailImage") == "");
  CHECK(found("File:ImageHeight") + found("PNG:ImageHeight") == "24");
}

}  // namespace

TEST_CASE("nlcl-derain: nothing that a photograph carries is lost, save what shows the rain", "[tools]") {
  const Camera place;
  check_silent(place("nlcl-derain photo.jpg"));
  check_silent(place("nlcl-derain photo.jpg -o in.png"));
  check_silent(place("nlcl-derain in.png -o back.jpg"));
  for (const char* name : {"photo-derained.jpg", "in.png", "back.jpg"}) check_carried(place, name);

  // Pictures that are made of it have its colours, and nothing that speaks of its pixels.
  check_silent(place("nlcl-derain photo.jpg -o out.jpg --rain rain.png --compare both.jpg"));
  for (const char* name : {"rain.png", "both.jpg"}) {
    const ImageMetadata metadata = decode_photo(read_file(place / name)).metadata;
    CHECK(metadata.icc == bytes(camera_profile));
    CHECK(metadata.exif.empty());
    CHECK(metadata.xmp.empty());
  }
}

TEST_CASE("nlcl-derain: what has no room in a JPEG is said to be left out", "[tools]") {
  const Workplace place;
  Photo photo{random_image(9, 11, 3)};
  photo.metadata.exif = bytes(exif_of(1) + std::string(70'000, 'n'));
  place.write("a.png", encode_photo(photo, *image_format_of("a.png")));
  const Run run = place("nlcl-derain a.png -o a.jpg --rain rain.jpg");
  CHECK(run.code == 0);
  CHECK(run.err == "nlcl-derain: a.png: warning: jpeg: has no room for EXIF data of 70038 bytes, left out\n");
  check_silent(place("nlcl-derain a.png -o a.jpg --quiet"));
  check_silent(place("nlcl-derain a.png -o b.png"));
  CHECK(decode_photo(read_file(place / "b.png")).metadata.exif == photo.metadata.exif);
}

TEST_CASE("nlcl-derain: files that are cut short are refused, or taken as they are if asked to", "[tools]") {
  const Workplace place;
  const Image picture = random_image(40, 60, 3);
  for (const char* name : {"a.jpg", "a.png", "a.ppm"}) {
    INFO(name);
    const auto file = encode_photo({picture}, *image_format_of(name));
    place.write(name, text_of(file).substr(0, file.size() / 2));
    check_error(place(text("nlcl-derain -o out.png ", name)), 1, "truncated");
    CHECK_FALSE(std::filesystem::exists(place / "out.png"));
    const Run run = place(text("nlcl-derain --tolerant -o out.png ", name));
    CHECK(run.code == 0);
    CHECK_THAT(run.err, Catch::StartsWith(text("nlcl-derain: ", name, ": warning: ")) &&
                            Catch::Contains("truncated") && Catch::EndsWith("\n"));
    CHECK(std::ranges::count(run.err, '\n') == 1);
    CHECK(place.image("out.png").height == 40);
    CHECK(place.image("out.png").width == 60);
    check_silent(place(text("nlcl-derain --tolerant --quiet -o out.png ", name)));
    std::filesystem::remove(place / "out.png");
  }
  // What only lacks the mark of its end has all of its pixels.
  const auto whole = encode_jpeg(picture);
  place.write("whole.jpg", whole);
  place.write("almost.jpg", text_of(whole).substr(0, whole.size() - 2));
  check_silent(place("nlcl-derain whole.jpg -o whole.png"));
  const Run run = place("nlcl-derain almost.jpg -o almost.png");
  CHECK(run.code == 0);
  CHECK_THAT(run.err, Catch::Contains("no end of image, though all of its pixels are there"));
  CHECK(place.content("almost.png") == place.content("whole.png"));
}
