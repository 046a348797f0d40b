// Programs run as a user runs them: through the shell, in a folder of their own, with all they say captured.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "support/files.hpp"
#include "support/images.hpp"

namespace nlcl::test {

struct Run {
  int code = -1;  // -1: ended by a signal
  std::string out, err;
};

class Workplace {
 public:
  Workplace() { std::filesystem::create_directory(folder_ / "work"); }

  std::filesystem::path operator/(const std::string& name) const { return folder_ / "work" / name; }

  // A shell command, with the programs under test on the path.
  Run operator()(const std::string& command) const { return wait(start(command)); }

  pid_t start(const std::string& command) const {
    const std::string whole =
        text("NLCL_DEVICE=cpu; export NLCL_DEVICE; PATH=", NLCL_BIN_DIR, ":$PATH; cd '",
             (folder_ / "work").string(), "' || exit 99; { ", command, "\n} </dev/null >../out 2>../err");
    const pid_t child = fork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", whole.c_str(), static_cast<char*>(nullptr));
      _exit(99);
    }
    REQUIRE(child > 0);
    return child;
  }

  Run wait(pid_t child) const {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content("../out"), content("../err")};
  }

  void write(const std::string& name, std::string_view content) const {
    const std::filesystem::path path = *this / name;
    std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, bytes_of(content));
  }
  void write(const std::string& name, const std::vector<std::byte>& bytes) const {
    write(name, text_of(bytes));
  }

  void write(const std::string& name, const Image& image) const { write(name, encode_png(image)); }

  Image image(const std::string& name) const { return read_image(*this / name); }
  std::string content(const std::string& name) const { return std::string(text_of(read_file(*this / name))); }

  // The names in one of its folders: nothing is left behind that is not among them.
  std::set<std::string> names(const std::string& folder) const {
    std::set<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(*this / folder))
      result.insert(entry.path().filename().string());
    return result;
  }

 private:
  TemporaryFolder folder_;
};

using Names = std::set<std::string>;

// Polls for what another process does; fails when a minute was not enough.
inline void wait_until(const std::function<bool()>& is_done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!is_done()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

inline void check_silent(const Run& run) {
  CHECK(run.code == 0);
  CHECK(run.out == "");
  CHECK(run.err == "");
}

// One line on standard error, which begins with the name of the program and says `expected`.
inline void check_error(const Run& run, int code, const std::string& expected) {
  INFO(run.err);
  CHECK(run.code == code);
  CHECK(run.out == "");
  CHECK(std::ranges::count(run.err, '\n') == 1);
  CHECK_THAT(run.err, Catch::StartsWith("nlcl-") && Catch::Contains(expected) && Catch::EndsWith("\n"));
}

struct Mistake {
  std::string command;
  int code;
  std::string expected;
};

// Mistakes that are told before anything is written.
inline void check_mistakes(const Workplace& place, const std::vector<Mistake>& mistakes) {
  const Names before = place.names(".");
  for (const auto& [command, code, expected] : mistakes) {
    INFO(command);
    check_error(place(command), code, expected);
  }
  CHECK(place.names(".") == before);
}

}  // namespace nlcl::test
