#include "nlcl/io/file.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "support/errors.hpp"
#include "support/files.hpp"

#if __has_include(<sys/resource.h>)
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

TEST_CASE("a name may be as long as the file system allows", "[io]") {
  const TemporaryFolder folder;
  for (const std::size_t length : {230u, 255u}) {
    const std::string name(length, 'n');
    write_file_atomically(folder / name, bytes("old"));
    write_file_atomically(folder / name, bytes("new"));
    CHECK(read_file(folder / name) == bytes("new"));
  }
  CHECK_THAT(message_of<IoError>([&] { write_file_atomically(folder / std::string(256, 'n'), {}); }),
             Contains("File name too long"));
  CHECK(folder.count() == 2);
}

TEST_CASE("temporaries are known by their names", "[io]") {
  const auto name = detail::temporary_for("/folder/file");
  CHECK(name.parent_path() == "/folder");
  CHECK(is_temporary(name));
  CHECK(detail::temporary_for("file").parent_path().empty());
  for (const char* other : {"mine.tmp", "step-00000001.safetensors.tmp", ".nlcl-notes", ".tmp", "nlcl-1.tmp"})
    CHECK_FALSE(is_temporary(other));
}

TEST_CASE("entries of a folder come by name", "[io]") {
  const TemporaryFolder folder;
  for (const char* name : {"b", "a", "C"}) write_file_atomically(folder / name, {});
  CHECK(entries_of(folder / "") ==
        std::vector<std::filesystem::path>{folder / "C", folder / "a", folder / "b"});
  CHECK(entries_of(folder / "absent").empty());
  CHECK_THAT(message_of<IoError>([&] { entries_of(folder / "a"); }),
             Contains("cannot read") && Contains("Not a directory"));
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

  std::filesystem::create_symlink("later", folder / "early");
  write_file_atomically(folder / "early", bytes("new"));
  CHECK(std::filesystem::is_symlink(folder / "early"));
  CHECK(read_file(folder / "later") == bytes("new"));
  std::filesystem::create_symlink("circle", folder / "circle");
  CHECK_THAT(message_of<IoError>([&] { write_file_atomically(folder / "circle", {}); }),
             Contains("cannot write") && Contains("circle: a circle of links"));

  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const std::string content(200'000, 'p');
  std::thread writer([&] { write_file_atomically(folder / "pipe", bytes(content)); });
  CHECK(read_file(folder / "pipe") == bytes(content));
  writer.join();
}

TEST_CASE("what a process has open is written to behind what is there", "[io]") {
  if (!std::filesystem::exists("/proc/self/fd")) {
    WARN("skipped: no /proc here");
    return;
  }
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", bytes("old "));
  const int file = open((folder / "file").c_str(), O_WRONLY | O_APPEND);
  for (const char* content : {"new ", "newer"}) write_file_atomically(text("/dev/fd/", file), bytes(content));
  close(file);
  CHECK(read_file(folder / "file") == bytes("old new newer"));
  CHECK(folder.count() == 1);
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

TEST_CASE("permissions of a file that is replaced stay", "[io]") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", bytes("old"));
  for (const mode_t mode : {0600u, 0664u, 0755u}) {
    REQUIRE(chmod((folder / "file").c_str(), mode) == 0);
    write_file_atomically(folder / "file", bytes("new"));
    struct stat status {};
    REQUIRE(stat((folder / "file").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == mode);
    CHECK(read_file(folder / "file") == bytes("new"));
  }
}

#endif
