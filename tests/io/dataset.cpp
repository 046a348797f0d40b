#include "nlcl/io/dataset.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/paths.hpp"
#include "support/threads.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

// Every `shade` is another picture.
Image picture(int shade, Index height = 2, Index width = 3, Index channels = 3) {
  Image image{height, width, channels, {}};
  for (Index i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(i * 37 + shade));
  return image;
}

void save(const fs::path& path, const Image& image) {
  fs::create_directories(path.parent_path());
  write_image(path, image);
}

void copy_sample(const std::string& name, const fs::path& path) {
  fs::copy_file(source_path("tests/fuzz/corpus/image/" + name), path, fs::copy_options::overwrite_existing);
}

std::vector<std::string> names(const ImageFolder& folder) {
  std::vector<std::string> result;
  for (const auto& file : folder.files()) result.push_back(file.name);
  return result;
}

template <class E>
std::string error_of(const fs::path& path) {
  return message_of<E>([&] { ImageFolder folder(path); });
}

}  // namespace

TEST_CASE("an image folder holds all images below it, by name", "[dataset]") {
  const TemporaryFolder folder;
  save(folder / "b.png", picture(1));
  save(folder / "a/z.PNG", picture(2, 5, 4));
  save(folder / "a/deeper/with space.jpg", picture(3));
  save(folder / "a/дождь 雨.png", picture(4));
  save(folder / "c.JPeG", picture(5));
  copy_sample("rgb.bmp", folder / "d.bmp");
  copy_sample("runs.tga", folder / "e.TGA");
  write_file_atomically(folder / "notes.txt", bytes("no image"));
  write_file_atomically(folder / "png", bytes("no extension"));
  fs::create_directory(folder / "folder.png");

  for (const int count : {1, 3})
    for (const char* root : {"", "a/.."}) {
      const WithThreads threads(count);
      const ImageFolder images(folder / root);
      CHECK(names(images) == std::vector<std::string>{"a/deeper/with space.jpg", "a/z.PNG", "a/дождь 雨.png",
                                                      "b.png", "c.JPeG", "d.bmp", "e.TGA"});
      CHECK(images.size() == 7);
      CHECK(images.unreadable().empty());
      CHECK(images.files()[1].height == 5);
      CHECK(images.files()[1].width == 4);
      CHECK(images.files()[1].hash == fnv1a(read_file(folder / "a/z.PNG")));
      CHECK(images.image(1)->pixels == picture(2, 5, 4).pixels);
      CHECK(images.image(3)->pixels == picture(1).pixels);
    }
}

TEST_CASE("alpha is left out, grey stays grey", "[dataset]") {
  const TemporaryFolder folder;
  for (const Index channels : {1, 2, 3, 4}) save(folder / text(channels, ".png"), picture(0, 4, 4, channels));
  const ImageFolder images(folder / "");
  for (const Index i : {0, 1, 2, 3}) {
    CAPTURE(i);
    CHECK(images.image(i)->channels == (i < 2 ? 1 : 3));
    CHECK(images.image(i)->pixels == without_alpha(picture(0, 4, 4, i + 1)).pixels);
  }
}

TEST_CASE("files that cannot be read are listed with the reason", "[dataset]") {
  const TemporaryFolder folder;
  save(folder / "good.png", picture(1));
  write_file_atomically(folder / "empty.png", {});
  auto truncated = encode_png(picture(2, 20, 20));
  truncated.resize(truncated.size() / 2);
  write_file_atomically(folder / "truncated.png", truncated);
  fs::create_symlink("nowhere", folder / "link.png");

  const ImageFolder images(folder / "");
  CHECK(names(images) == std::vector<std::string>{"good.png"});
  REQUIRE(images.unreadable().size() == 3);
  CHECK_THAT(images.unreadable()[0], Contains((folder / "empty.png").string() + ": "));
  CHECK(images.unreadable()[1] ==
        "cannot read " + (folder / "link.png").string() + ": No such file or directory");
  CHECK_THAT(images.unreadable()[2], Contains((folder / "truncated.png").string() + ": "));
}

TEST_CASE("folders without images", "[dataset]") {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  CHECK(error_of<IoError>(folder / "absent") == "cannot read " + path("absent") + ": no such folder");
  write_file_atomically(folder / "file", {});
  CHECK(error_of<IoError>(folder / "file") == "cannot read " + path("file") + ": is not a folder");
  fs::create_directory(folder / "empty");
  CHECK(error_of<FormatError>(folder / "empty") ==
        path("empty") + ": no image can be read, expected " + image_extensions(" or ") + " files");
  write_file_atomically(folder / "empty/bad.png", bytes("bad"));
  CHECK_THAT(error_of<FormatError>(folder / "empty"),
             Contains("no image can be read, ") && Contains("empty/bad.png: "));
}

TEST_CASE("links to folders are followed, a circle of them is an error", "[dataset]") {
  const TemporaryFolder folder;
  save(folder / "elsewhere/image.png", picture(1));
  fs::create_directory(folder / "root");
  fs::create_directory_symlink("../elsewhere", folder / "root/link");
  CHECK(names(ImageFolder(folder / "root")) == std::vector<std::string>{"link/image.png"});
  fs::create_directory_symlink(".", folder / "root/circle");
  CHECK_THAT(error_of<IoError>(folder / "root"),
             Contains("root/circle/circle/") && Contains(": 32 folders deep, which looks like a circle"));
}

TEST_CASE("the hash of a folder tells that its data changed", "[dataset]") {
  const TemporaryFolder folder;
  save(folder / "data/a.png", picture(1));
  save(folder / "data/b.png", picture(2));
  const auto hash = [&](const char* name) { return ImageFolder(folder / name).hash(); };
  const std::string before = hash("data");
  CHECK(before.size() == 16);
  CHECK(before.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(hash("data") == before);
  CHECK(hash("data/") == before);

  SECTION("not where it lies") {
    fs::rename(folder / "data", folder / "moved");
    CHECK(hash("moved") == before);
  }
  SECTION("nor files that are not read") {
    write_file_atomically(folder / "data/bad.png", bytes("bad"));
    CHECK(hash("data") == before);
  }
  SECTION("another content") {
    save(folder / "data/b.png", picture(3));
    CHECK(hash("data") != before);
  }
  SECTION("another name") {
    fs::rename(folder / "data/b.png", folder / "data/c.png");
    CHECK(hash("data") != before);
  }
  SECTION("contents exchanged") {
    save(folder / "data/a.png", picture(2));
    save(folder / "data/b.png", picture(1));
    CHECK(hash("data") != before);
  }
  SECTION("one file more, one less") {
    save(folder / "data/c.png", picture(1));
    CHECK(hash("data") != before);
    fs::remove(folder / "data/c.png");
    CHECK(hash("data") == before);
    fs::remove(folder / "data/a.png");
    CHECK(hash("data") != before);
  }
}

TEST_CASE("pixels are kept within the memory, and decoded again beyond it", "[dataset]") {
  const TemporaryFolder folder;
  for (const int i : {0, 1, 2}) save(folder / text(i, ".png"), picture(i, 10, 10));
  const ImageFolder kept(folder / "", {.memory = 900}), decoded(folder / "", {.memory = 899});
  CHECK(kept.is_in_memory());
  CHECK(kept.image(1) == kept.image(1));
  CHECK(!decoded.is_in_memory());
  CHECK(decoded.hash() == kept.hash());
  for (const Index i : {2, 0, 1}) CHECK(decoded.image(i)->pixels == kept.image(i)->pixels);

  CHECK(message_of<ShapeError>([&] { kept.image(3); }) == (folder / "").string() + ": image 3 of 3");
  CHECK_THROWS_AS(decoded.image(-1), ShapeError);

  save(folder / "0.png", picture(7, 10, 10));
  CHECK(message_of<FormatError>([&] { decoded.image(0); }) ==
        (folder / "0.png").string() + ": has changed since the folder was read");
  fs::remove(folder / "1.png");
  CHECK(message_of<IoError>([&] { decoded.image(1); }) ==
        "cannot read " + (folder / "1.png").string() + ": No such file or directory");
  for (const Index i : {0, 1}) CHECK(kept.image(i)->pixels == picture(static_cast<int>(i), 10, 10).pixels);
}

TEST_CASE("the two folders below one root", "[dataset]") {
  const TemporaryFolder folder;
  const std::string error = text("cannot read ", (folder / "").string(), ": expected two folders in it, ",
                                 "trainA (rainy) and trainB (clean), or rainy and clean");
  const auto find = [&] { return data_folders(folder / ""); };
  CHECK(message_of<IoError>(find) == error);
  fs::create_directory(folder / "trainA");
  fs::create_directory(folder / "clean");
  write_file_atomically(folder / "trainB", {});
  CHECK(message_of<IoError>(find) == error);
  fs::create_directory(folder / "rainy");
  CHECK(find().rainy == folder / "rainy");
  CHECK(find().clean == folder / "clean");
  fs::remove(folder / "trainB");
  fs::create_directory(folder / "trainB");
  CHECK(find().rainy == folder / "trainA");
  CHECK(find().clean == folder / "trainB");
}

TEST_CASE("what is wrong with two folders is said", "[dataset]") {
  const TemporaryFolder folder;
  for (const int i : {1, 2, 3}) {
    save(folder / text("rainy/", i, ".png"), picture(i, 8, 8));
    save(folder / text("clean/", i, ".png"), picture(i + 10, 8, 8));
  }
  const auto warnings = [&](Index crop = 8) {
    return data_warnings(ImageFolder(folder / "rainy"), ImageFolder(folder / "clean"), crop);
  };
  using Lines = std::vector<std::string>;
  CHECK(warnings().empty());

  SECTION("files in both") {
    save(folder / "clean/9.png", picture(2, 8, 8));
    CHECK(warnings() == Lines{"the same file is rainy and clean: 2.png and 9.png"});
    save(folder / "clean/8.png", picture(3, 8, 8));
    CHECK(warnings() == Lines{"the same file is rainy and clean: 2.png and 9.png, and 1 more"});
  }
  SECTION("files twice") {
    save(folder / "clean/copy 1.png", picture(12, 8, 8));
    save(folder / "clean/copy 2.png", picture(12, 8, 8));
    save(folder / "clean/copy 3.png", picture(11, 8, 8));
    CHECK(warnings() == Lines{"clean: the same file twice: 2.png and copy 1.png, and 2 more"});
  }
  SECTION("small images") {
    save(folder / "rainy/low.png", picture(4, 7, 20));
    save(folder / "rainy/narrow.png", picture(4, 20, 7));
    CHECK(warnings() ==
          Lines{"rainy: smaller than the crop, mirrored up to 8 x 8: low.png (7 x 20), and 1 more"});
    CHECK(warnings(7).empty());
  }
  SECTION("unreadable files") {
    write_file_atomically(folder / "clean/bad.png", bytes("bad"));
    REQUIRE(warnings().size() == 1);
    CHECK_THAT(warnings()[0], Contains("clean: left out: " + (folder / "clean/bad.png").string() + ": "));
  }
  SECTION("swapped folders") {
    CHECK(data_warnings(ImageFolder(folder / "clean"), ImageFolder(folder / "rainy"), 8) ==
          Lines{text("by their names the folders look swapped: ", (folder / "clean").string(),
                     " is taken as rainy, ", (folder / "rainy").string(), " as clean")});
  }
}

TEST_CASE("what the name of a folder says of rain", "[dataset]") {
  for (const char* name : {"rain", "Rain100L/train", "/data/clean/rainy", "real-rain", "mix_rain",
                           "realrainy/", "x/trainA", "norain/rain_2"})
    CHECK(std::pair(name, detail::rain_in_name(name)) == std::pair(name, 1));
  for (const char* name :
       {"clean", "Rain100L/norain", "rainy/No-Rain", "no_rain", "derained", "rain/Clean 2", "trainB/images"})
    CHECK(std::pair(name, detail::rain_in_name(name)) == std::pair(name, -1));
  for (const char* name : {"", ".", "/", "train", "data/training", "terrain", "images/a", "trainABC"})
    CHECK(std::pair(name, detail::rain_in_name(name)) == std::pair(name, 0));
}

TEST_CASE("the table of sizes", "[dataset]") {
  const TemporaryFolder folder;
  save(folder / "rainy/a.png", picture(1, 100, 200));
  save(folder / "rainy/b.png", picture(1, 300, 400));
  save(folder / "rainy/c.png", picture(1, 90, 300));
  save(folder / "clean/a.png", picture(1, 1000, 50));
  CHECK(size_table(ImageFolder(folder / "rainy"), ImageFolder(folder / "clean")) ==
        "        images       smallest        largest  megapixels\n"
        "rainy        3      100 x 200      300 x 400         0.2\n"
        "clean        1      1000 x 50      1000 x 50         0.1\n");
}
