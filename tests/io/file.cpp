#include "nlcl/io/file.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "support/errors.hpp"
#include "support/files.hpp"

#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#define NLCL_TEST_POSIX 1
#endif

using namespace nlcl;
using namespace nlcl::test;
using Catch::Contains;

TEST_CASE("a file comes back as it was written", "[io]") {
  const TemporaryFolder folder;
  std::string large(300'000, 'x');
  large[65536] = '\0';
  for (const std::string& content : {std::string(), std::string("a\r\n\0b", 5), large}) {
    write_file_atomically(folder / "file", bytes(content));
    CHECK(read_file(folder / "file") == bytes(content));
    CHECK(folder.count() == 1);  // no temporary is left
  }
}

TEST_CASE("files that cannot be read", "[io]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<IoError>([&] { read_file(folder / "absent"); }),
             Contains("cannot read") && Contains("absent") && Contains("No such file or directory"));
  CHECK_THAT(message_of<IoError>([&] { read_file(folder / ""); }), Contains("is a directory"));
  write_file_atomically(folder / "file", bytes("12345"));
  CHECK(read_file(folder / "file", 5).size() == 5);
  CHECK_THAT(message_of<IoError>([&] { read_file(folder / "file", 4); }), Contains("more than 4 bytes"));
}

TEST_CASE("files that cannot be written", "[io]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<IoError>([&] { write_file_atomically(folder / "absent/file", {}); }),
             Contains("cannot write") && Contains("absent/file") && Contains("No such file or directory"));
  CHECK_THAT(message_of<IoError>([&] { write_file_atomically(folder / "", {}); }),
             Contains("is a directory"));
  CHECK(folder.count() == 0);
}

TEST_CASE("an error of a parser gets the path of the file", "[io]") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", bytes("12345"));
  const auto parse = [](ByteSpan file) -> int {
    throw FormatError(text("bad content of ", file.size(), " bytes"));
  };
  CHECK(message_of<FormatError>([&] { parse_file(folder / "file", parse); }) ==
        (folder / "file").string() + ": bad content of 5 bytes");
}

TEST_CASE("writers of the same file do not mix", "[io]") {
  const TemporaryFolder folder;
  const std::string a(100'000, 'a'), b(100'000, 'b');
  const auto write = [&](const std::string& content) {
    for (int i = 0; i < 20; ++i) write_file_atomically(folder / "file", bytes(content));
  };
  std::thread other(write, a);
  write(b);
  other.join();
  const auto content = read_file(folder / "file");
  CHECK((content == bytes(a) || content == bytes(b)));
  CHECK(folder.count() == 1);
}

#ifdef NLCL_TEST_POSIX

TEST_CASE("what is not a regular file is written in place", "[io]") {
  if (!std::filesystem::exists("/dev/full")) {
    WARN("skipped: no /dev/full here");
    return;
  }
  CHECK_THAT(message_of<IoError>([] { write_file_atomically("/dev/full", bytes("content")); }),
             Contains("/dev/full") && Contains("No space left on device"));
  CHECK(std::filesystem::is_character_file("/dev/full"));
  write_file_atomically("/dev/null", bytes("content"));
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("a write that fails half-way leaves the old file", "[io]") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", bytes("old"));
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  rlimit limit = old_limit;
  limit.rlim_cur = 10'000;
  setrlimit(RLIMIT_FSIZE, &limit);
  const std::string message =
      message_of<IoError>([&] { write_file_atomically(folder / "file", std::vector<std::byte>(100'000)); });
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  CHECK_THAT(message, Contains("File too large"));
  CHECK(read_file(folder / "file") == bytes("old"));
  CHECK(folder.count() == 1);
}

TEST_CASE("links are followed, pipes are read", "[io]") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", bytes("old"));
  std::filesystem::create_symlink("file", folder / "link");
  write_file_atomically(folder / "link", bytes("new"));
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_file(folder / "file") == bytes("new"));

  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const std::string content(200'000, 'p');
  std::thread writer([&] { write_file_atomically(folder / "pipe", bytes(content)); });
  CHECK(read_file(folder / "pipe") == bytes(content));
  writer.join();
}

TEST_CASE("permissions are those of any new file", "[io]") {
  const TemporaryFolder folder;
  const mode_t old_mask = umask(027);
  write_file_atomically(folder / "file", {});
  umask(old_mask);
  struct stat status {};
  REQUIRE(stat((folder / "file").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
}

#endif
