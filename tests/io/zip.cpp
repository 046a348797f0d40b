#include "nlcl/io/zip.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "nlcl/io/file.hpp"
#include "support/errors.hpp"
#include "support/files.hpp"
#include "support/paths.hpp"

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

namespace {

// Where the fields of an archive with `entries` of one-letter names lie.
constexpr std::size_t end_size = 22, line_size = 46 + 1;

template <std::unsigned_integral T>
void patch(std::vector<std::byte>& archive, std::size_t at, T value) {
  std::memcpy(archive.data() + at, &value, sizeof(T));
}

// Two entries, "a" and "b". The directory lines begin at `line(0)`, `line(1)`.
struct Archive {
  std::vector<std::byte> a = bytes("first"), b = bytes("second entry");
  std::vector<std::byte> file = to_zip_bytes(std::vector<ZipEntry>{{"a", a}, {"b", b}});

  std::size_t end() const { return file.size() - end_size; }
  std::size_t line(std::size_t i) const { return end() - (2 - i) * line_size; }
  std::size_t offset(std::size_t i) const {
    ByteReader reader(file, "");
    reader.seek(line(i) + 42);
    return reader.little<std::uint32_t>();
  }
  std::string error() const {
    return message_of<FormatError>([&] { read_zip(file); });
  }
};

}  // namespace

TEST_CASE("crc32", "[io]") {
  CHECK(crc32(bytes("123456789")) == 0xcbf43926u);
  CHECK(crc32({}) == 0);
}

TEST_CASE("zip: what is written is read", "[io]") {
  const Archive archive;
  const auto entries = read_zip(archive.file);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == "a");
  CHECK(text_of(entries[0].bytes) == "first");
  CHECK(text_of(entries[1].bytes) == "second entry");
  for (const ZipEntry& entry : entries) CHECK((entry.bytes.data() - archive.file.data()) % 64 == 0);
  CHECK(read_zip(to_zip_bytes({})).empty());
  CHECK_THAT(message_of<FormatError>([] {
               to_zip_bytes(std::vector<ZipEntry>{{"a", {}}, {"a", {}}});
             }),
             Contains("two entries are named a"));
}

TEST_CASE("zip: a comment, and zip64 records of PyTorch", "[io]") {
  Archive archive;
  patch<std::uint16_t>(archive.file, archive.end() + 20, 7);
  append(archive.file, "comment");
  CHECK(read_zip(archive.file).size() == 2);

  auto torch = read_file(source_path("tests/golden/tiny_state_dict.pth"));
  const std::size_t count = read_zip(torch).size();
  const std::size_t end = torch.size() - end_size;
  auto saturated = torch;  // all ones: only the zip64 record knows
  patch<std::uint16_t>(saturated, end + 8, 0xffff);
  patch<std::uint16_t>(saturated, end + 10, 0xffff);
  patch<std::uint32_t>(saturated, end + 12, 0xffffffff);
  patch<std::uint32_t>(saturated, end + 16, 0xffffffff);
  CHECK(read_zip(saturated).size() == count);
  patch<std::uint16_t>(torch, end + 8, 1);
  patch<std::uint16_t>(torch, end + 10, 1);
  CHECK_THAT(message_of<FormatError>([&] { read_zip(torch); }), Contains("zip64 record contradicts"));
  patch<std::uint64_t>(saturated, end - 20 + 8, ~std::uint64_t{0});
  CHECK_THAT(message_of<FormatError>([&] { read_zip(saturated); }), Contains("beyond its locator"));
  patch<std::uint64_t>(saturated, end - 20 + 8, 0);
  CHECK_THAT(message_of<FormatError>([&] { read_zip(saturated); }), Contains("no zip64 record at offset 0"));
}

TEST_CASE("zip: sizes in a zip64 extra field", "[io]") {
  // The line of "b" again, with saturated sizes and offset, and the true ones in its extra field.
  Archive archive;
  const std::size_t size = archive.b.size(), offset = archive.offset(1), directory = archive.line(0);
  std::vector<std::byte> file(archive.file.begin(),
                              archive.file.begin() + static_cast<std::ptrdiff_t>(archive.end()));
  patch<std::uint32_t>(file, archive.line(1) + 20, 0xffffffff);
  patch<std::uint32_t>(file, archive.line(1) + 24, 0xffffffff);
  patch<std::uint16_t>(file, archive.line(1) + 30, 28);
  patch<std::uint32_t>(file, archive.line(1) + 42, 0xffffffff);
  append_little<std::uint16_t>(file, 1);
  append_little<std::uint16_t>(file, 24);
  for (const std::size_t value : {size, size, offset}) append_little(file, std::uint64_t{value});
  const std::size_t directory_size = file.size() - directory;
  const std::size_t end = file.size();
  append(file, ByteSpan(archive.file).last(end_size));
  patch(file, end + 12, static_cast<std::uint32_t>(directory_size));
  CHECK(text_of(read_zip(file)[1].bytes) == "second entry");

  patch(file, end - 24, ~std::uint64_t{0});  // a size beyond everything
  patch(file, end - 16, ~std::uint64_t{0});
  CHECK_THAT(message_of<FormatError>([&] { read_zip(file); }),
             Contains("entry b has 18446744073709551615 bytes"));
  patch(file, end - 8, ~std::uint64_t{0});
  CHECK_THAT(message_of<FormatError>([&] { read_zip(file); }),
             Contains("entry b begins at 18446744073709551615"));
}

TEST_CASE("zip: deflated entries", "[io]") {
  const auto stored = read_file(source_path("tests/golden/tiny_state_dict.pth"));
  const auto deflated = read_file(source_path("tests/golden/tiny_deflated.pth"));
  const auto expected = read_zip(stored), found = read_zip(deflated);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(found[i].name);
    CHECK(found[i].name == expected[i].name);
    CHECK(text_of(found[i].bytes) == text_of(expected[i].bytes));
    CHECK(found[i].inflated);
    CHECK_FALSE(expected[i].inflated);
  }
  check_damage(deflated, [](ByteSpan file) { read_zip(file); });

  // "a" deflated by hand: one stored block of zlib, of which the directory may say more or less than is in it.
  const auto archive_of = [](std::uint32_t size, std::string content) {
    std::vector<std::byte> packed = bytes("\1" + std::string("\5\0\xfa\xff", 4) + content),
                           plain = bytes("first");
    Archive archive;
    archive.file = to_zip_bytes(std::vector<ZipEntry>{{"a", packed}, {"b", archive.b}});
    for (const std::size_t method : {archive.offset(0) + 8, archive.line(0) + 10})
      patch<std::uint16_t>(archive.file, method, 8);
    patch<std::uint32_t>(archive.file, archive.line(0) + 16, crc32(plain));
    patch<std::uint32_t>(archive.file, archive.line(0) + 24, size);
    return archive;
  };
  CHECK(text_of(read_zip(archive_of(5, "first").file)[0].bytes) == "first");
  CHECK_THAT(archive_of(4, "first").error(), Contains("deflate: 10 bytes are damaged, or do not hold 4"));
  CHECK_THAT(archive_of(0, "first").error(), Contains("do not hold 0"));
  CHECK_THAT(archive_of(6, "first").error(), Contains("do not hold 6"));
  CHECK_THAT(archive_of(5, "worst").error(), Contains("entry a has a wrong checksum"));
  CHECK_THAT(archive_of(1'000'000, "first").error(),
             Contains("at entry a the deflated ones outgrow the archive"));
}

TEST_CASE("zip: entries that are refused", "[io]") {
  {
    Archive archive;
    patch<std::uint16_t>(archive.file, archive.line(1) + 10, 9);
    CHECK_THAT(archive.error(),
               Contains("entry b is compressed by method 9, expected 0 (stored) or 8 (deflated)"));
  }
  for (const int flag : {0, 6, 13}) {
    Archive archive;
    patch<std::uint16_t>(archive.file, archive.line(0) + 8, static_cast<std::uint16_t>(1 << flag));
    CHECK_THAT(archive.error(), Contains("entry a is encrypted"));
  }
  {
    Archive archive;
    archive.file[63] ^= std::byte{1};  // padding: nobody looks
    CHECK(read_zip(archive.file).size() == 2);
    archive.file[64] ^= std::byte{1};
    CHECK_THAT(archive.error(), Contains("entry a has a wrong checksum"));
  }
  {
    Archive archive;
    archive.file[archive.line(1) + 46] = std::byte{'a'};
    CHECK_THAT(archive.error(), Contains("two entries are named a"));
  }
  {
    Archive archive;
    archive.file[archive.line(1) + 46] = std::byte{'c'};
    CHECK_THAT(archive.error(), Contains("header of entry c contradicts the directory"));
  }
  {
    Archive archive;
    patch<std::uint32_t>(archive.file, archive.line(1) + 20, 11);
    CHECK_THAT(archive.error(), Contains("entry b has 12 bytes but 11 are stored"));
  }
  {
    Archive archive;
    patch<std::uint32_t>(archive.file, archive.line(1) + 20, 1000);
    patch<std::uint32_t>(archive.file, archive.line(1) + 24, 1000);
    CHECK_THAT(archive.error(), Contains("entry b has 1000 bytes, which do not fit"));
  }
  {
    Archive archive;
    patch<std::uint32_t>(archive.file, archive.line(1) + 42, 100'000);
    CHECK_THAT(archive.error(), Contains("entry b begins at 100000, beyond the directory"));
  }
}

TEST_CASE("zip: entries that overlap", "[io]") {
  // The bytes of "a" are an archive with a "b" in it; the directory is made to point there.
  const std::vector<std::byte> content = bytes("second entry");
  Archive archive;
  archive.a = to_zip_bytes(std::vector<ZipEntry>{{"b", content}});
  archive.file = to_zip_bytes(std::vector<ZipEntry>{{"a", archive.a}, {"b", content}});
  patch(archive.file, archive.line(1) + 42, static_cast<std::uint32_t>(archive.offset(0) + 64));
  CHECK_THAT(archive.error(), Contains("entries overlap at offset"));
}

TEST_CASE("zip: directories that are refused", "[io]") {
  const auto error_after = [](std::size_t at, auto value) {
    Archive archive;
    patch(archive.file, archive.end() + at, value);
    return archive.error();
  };
  CHECK_THAT(error_after(0, std::uint32_t{0}), Contains("no directory at the end"));
  CHECK_THAT(error_after(4, std::uint16_t{1}), Contains("split over several files"));
  CHECK_THAT(error_after(8, std::uint16_t{1}), Contains("split over several files"));
  CHECK_THAT(error_after(8, std::uint32_t{0x00010001}), Contains("47 bytes after the last directory entry"));
  CHECK_THAT(error_after(8, std::uint32_t{0x00030003}), Contains("truncated"));
  CHECK_THAT(error_after(8, std::uint32_t{0xffffffff}), Contains("truncated"));
  CHECK_THAT(error_after(12, std::uint32_t{1}), Contains("does not end at"));
  CHECK_THAT(error_after(16, ~std::uint32_t{0}), Contains("does not end at"));
  Archive archive;
  patch<std::uint32_t>(archive.file, archive.line(1), 0);
  CHECK_THAT(archive.error(), Contains("no directory entry where one is expected"));
}

TEST_CASE("zip: damage", "[io]") { check_damage(Archive().file, read_zip); }
