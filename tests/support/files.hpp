// Files under test: a folder that goes away, bytes, and what every parser has to survive.
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device random;
    path_ = std::filesystem::temp_directory_path() / text("nlcl_test_", random(), random());
    std::filesystem::create_directory(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  std::size_t count() const {
    const std::filesystem::directory_iterator files(path_);
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::byte> bytes(std::string_view content) {
  const ByteSpan span = bytes_of(content);
  return {span.begin(), span.end()};
}

// Every shorter file is refused, unless it lacks no more than `needless` bytes of its end; a file with one changed byte is
// refused or read, and nothing worse (the sanitizers watch). Each file lies in memory of exactly its size.
template <class Parse>
void check_damage(ByteSpan file, Parse parse, std::size_t needless = 0) {
  for (std::size_t size = 0; size < file.size() - needless; ++size) {
    const std::vector<std::byte> truncated(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    CAPTURE(size);
    CHECK_THROWS_AS(parse(truncated), FormatError);
  }
  std::size_t read = 0;
  for (std::size_t at = 0; at < file.size(); ++at)
    for (const int mask : {0x01, 0x02, 0x10, 0x80, 0xff}) {
      std::vector<std::byte> flipped(file.begin(), file.end());
      flipped[at] ^= static_cast<std::byte>(mask);
      CAPTURE(at, mask);
      try {
        parse(flipped);
        ++read;
      } catch (const Error&) {
      } catch (...) {
        FAIL("an error that is not of this library");
      }
    }
  CHECK(read < 5 * file.size());
}

}  // namespace nlcl::test
