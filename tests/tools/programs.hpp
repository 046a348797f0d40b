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
#include "support/paths.hpp"

namespace nlcl::test {

struct Run {
  int code = -1;  // -1: ended by a signal
  std::string out, err;
};

class Workplace {
 public:
  Workplace();

  std::filesystem::path operator/(const std::string& name) const;

  // A shell command, with the programs under test on the path.
  Run operator()(const std::string& command) const;

  // The same for somebody who may not write or look everywhere, whoever runs the tests.
  Run as_ordinary_user(const std::string& command) const;

  // `prepare` changes the process before the command begins, and returns whether it could.
  pid_t start(const std::string& command, bool (*prepare)() = nullptr) const;
  Run wait(pid_t child) const;

  void write(const std::string& name, std::string_view content) const;
  void write(const std::string& name, const std::vector<std::byte>& bytes) const;
  void write(const std::string& name, const Image& image) const;

  Image image(const std::string& name) const;
  std::string content(const std::string& name) const;

  // The names in one of its folders: nothing is left behind that is not among them.
  std::set<std::string> names(const std::string& folder) const;

 private:
  TemporaryFolder folder_;
};

// A terminal for programs to write to; not open where there are none.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool is_open() const { return other_end_ >= 0; }
  const std::string& name() const { return name_; }

  // What has been written to it since.
  std::string read() const;

 private:
  int terminal_ = -1, other_end_ = -1;
  std::string name_;
};

using Names = std::set<std::string>;

// Polls for what another process does; fails when a minute was not enough.
void wait_until(const std::function<bool()>& is_done);

void check_silent(const Run& run);

// One line on standard error, which begins with the name of the program and says `expected`.
void check_error(const Run& run, int code, const std::string& expected);

struct Mistake {
  std::string command;
  int code;
  std::string expected;
};

// Mistakes that are told before anything is written.
void check_mistakes(const Workplace& place, const std::vector<Mistake>& mistakes);

}  // namespace nlcl::test
