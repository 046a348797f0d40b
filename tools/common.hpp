// What all programs share: exit codes, common options, errors as one line and a code, progress, stops in good order.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iomanip>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/core/cuda.hpp"
#include "nlcl/core/device.hpp"
#include "nlcl/core/error.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/io/path.hpp"
#include "nlcl/version.hpp"
#include "system.hpp"
#include "values.hpp"

// How the parser reads the value of an option that is a path. It would leave what bytes mean to std::filesystem.
template <>
inline bool CLI::detail::lexical_cast<std::filesystem::path>(const std::string& name,
                                                             std::filesystem::path& path) {
  path = nlcl::path_of(name);
  return true;
}

namespace tools {

// And 128 + the signal of a program that a signal stopped before all was done: exit_code_of_stop().
enum ExitCode {
  all_done = 0,
  some_failed = 1,
  wrong_usage = 2,
  no_resources = 3,  // out of memory, or no such device
};

// A line on standard error, and one on standard output. Everything that programs say to people goes through these: whatever
// the bytes of a name in it are, it is one line, and the terminal shows it.
inline bool is_heard = true;  // not of a process that works for another one, which speaks for all
inline void say(const std::string& line) {
  if (is_heard) std::cerr << nlcl::printable(line) + '\n';
}
inline void print(const std::string& line) { std::cout << nlcl::printable(line) + '\n'; }

// Those of a text in which no name breaks a line: a table of numbers, JSON.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Arguments that cannot be right, found after the command line itself was understood.
struct UsageError : nlcl::Error {
  using Error::Error;
};

// What the standard library throws has words of its own, which say nothing to people.
inline std::string message_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "out of memory";
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error))
    return (file->path1().empty() ? "the current folder" : file->path1().string()) + ": " +
           file->code().message();
  return error.what();
}

// The message with the file that it is about in front, unless it names it already.
inline std::string message_of(const std::exception& error, const std::string& file) {
  const std::string message = message_of(error);
  return message.find(file) == std::string::npos ? file + ": " + message : message;
}

inline ExitCode code_of(const std::exception& error) {
  const auto is = [&]<class... E>() { return (... || (dynamic_cast<const E*>(&error) != nullptr)); };
  if (is.template operator()<UsageError>()) return wrong_usage;
  return is.template operator()<nlcl::MemoryError, std::bad_alloc, nlcl::DeviceError>() ? no_resources
                                                                                        : some_failed;
}

// A value that is missing, or one too many, is nothing that people count arguments of a type for, as the parser does.
inline std::string message_of(const CLI::ParseError& error) {
  const std::string message = error.what();
  if (!dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return message;
  const std::string option = message.substr(0, message.find(':'));
  return option +
         (message.ends_with(" missing") ? ": expected a value" : ": expected one value, is given more");
}

// Parses the command line and runs the program. Every error ends as one line on standard error and a documented code.
inline int run(CLI::App& app, int argc, char** argv, const std::function<int()>& program) {
  prepare_streams();
  const std::string name = app.get_name();
  app.set_version_flag("--version", name + " " + nlcl::version, "print the version and exit");
  app.set_help_flag("-h,--help", "print this help and exit");
  app.get_formatter()->column_width(28);
  const auto parse_and_run = [&] {
    try {
      std::vector<std::string> words = arguments(argc, argv);
      std::ranges::reverse(words);  // which is how it wants them
      app.parse(words);
    } catch (const CLI::Success& request) {  // --help, --version
      return app.exit(request);
    }
    return program();
  };
  try {
    const int code = parse_and_run();
    if (code == all_done && (!std::cout.flush() || std::ferror(stdout)))
      throw nlcl::IoError("cannot write to standard output");
    return code;
  } catch (const CLI::ParseError& error) {
    say(name + ": " + message_of(error) + " (see " + name + " --help)");
    return wrong_usage;
  } catch (const std::exception& error) {
    say(name + ": " + message_of(error));
    return code_of(error);
  }
}

// -j, --device and --precision, as every program that computes has them.
//
// tf32 is the default because it is that of PyTorch's convolutions, and what it changes in an image is less than one of
// 256 levels nearly everywhere.
struct Compute {
  int threads = 0;  // 0: one for each core
  std::string device = "auto", precision = "tf32";

  void add_to(CLI::App& app) {
    app.add_option("-j,--threads", threads, "number of threads (default: all cores)")
        ->check(within(1, 1024))
        ->configurable(false)  // a matter of the machine, not of the run
        ->option_text("N");
    app.add_option("--device", device, "cpu, cuda:N, or auto: cuda:0 if it is there (default: auto)")
        ->envname("NLCL_DEVICE")
        ->option_text("NAME");
    app.add_option("--precision", precision,
                   "in which a GPU multiplies: float32, tf32 or bf16 (default: tf32)")
        ->check(one_of({"float32", "tf32", "bf16"}))
        ->option_text("NAME");
  }

  // The device. Says which one was found, where there was a choice, unless it is to be quiet. Throws nlcl::DeviceError
  // for a device that is not there.
  nlcl::Device apply(const CLI::App& app, bool quiet) const {
    if (threads > 0) nlcl::set_threads(threads);
    nlcl::set_precision(nlcl::parse_precision(precision));
    if (device == "auto") return found(app.get_name(), quiet);
    const nlcl::Device named = nlcl::Device::parse(device);
    nlcl::require_available(named);
    return named;
  }

 private:
  static nlcl::Device found(const std::string& program, bool quiet) {
    if constexpr (nlcl::has_cuda) {
      const nlcl::Device device = nlcl::cuda::device_count() > 0 ? nlcl::Device::cuda() : nlcl::Device::cpu();
      if (!quiet) say(nlcl::text(program, ": computing on ", device));
      return device;
    }
    return nlcl::Device::cpu();
  }
};

// 2.4 MB, 24 MB, 2.34 GB
inline std::string bytes_text(std::size_t bytes) {
  const double mega = static_cast<double>(bytes) / 1e6;
  if (mega >= 999.5) return nlcl::text(std::fixed, std::setprecision(2), mega / 1000, " GB");
  return nlcl::text(std::fixed, std::setprecision(mega < 9.95 ? 1 : 0), mega, " MB");
}

// 45 s, 12 min, 3 h
inline std::string time_text(double seconds) {
  if (seconds < 99) return nlcl::text(std::lrint(seconds), " s");
  if (seconds < 99 * 60) return nlcl::text(std::lrint(seconds / 60), " min");
  return nlcl::text(std::lrint(seconds / 3600), " h");
}

// The last line of a terminal: how many of the items are done, how fast, and the time that is left. Of one that takes longer,
// how far it is.
class Progress {
 public:
  // A total of 0: nobody knows it.
  Progress(std::string items, std::size_t total, bool is_wanted)
      : items_(std::move(items)), total_(total), is_shown_(is_wanted && is_heard && is_terminal(stderr)) {}
  ~Progress() { close(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `computed` of the items that are done took time; `note` comes last.
  void show(std::size_t done, std::size_t computed, const std::string& note = "") const {
    if (!is_shown_) return;
    item_start_ = std::chrono::steady_clock::now();
    if (total_ == 1) {  // of a single one only parts are of interest
      if (std::exchange(is_open_, false)) std::cerr << erase_line;
      return;
    }
    line_ = total_ > 0 ? nlcl::text(done, " of ", total_, ' ', items_) : nlcl::text(done, ' ', items_);
    if (computed > 0) {
      const std::chrono::duration<double> elapsed = item_start_ - start_;
      const double each = elapsed.count() / static_cast<double>(computed);
      line_ += nlcl::text(std::fixed, std::setprecision(2), ", ", each, " s each");
      if (done < total_) line_ += ", " + time_text(each * static_cast<double>(total_ - done)) + " left";
    }
    if (!note.empty()) line_ += ", " + note;
    draw(line_);
  }

  // Part of the item that was begun with the last show(), 0 to 1. Only said of one that takes longer than two seconds.
  void show_part(double part) const {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - item_start_;
    if (is_shown_ && elapsed.count() > 2)
      draw(nlcl::text(line_, line_.empty() ? "" : ", ", std::lrint(100 * part),
                      total_ == 1 ? " %, " : " % of this one, ",
                      time_text(elapsed.count() * (1 - part) / part), " left"));
  }

  // A line that stays, above the last one.
  void say(const std::string& line) const {
    if (std::exchange(is_open_, false)) std::cerr << erase_line;
    tools::say(line);
  }

  // The last line stays too, and what is said next stands under it.
  void close() const {
    if (std::exchange(is_open_, false)) std::cerr << '\n';
  }

 private:
  static constexpr const char* erase_line = "\r\033[K";

  void draw(const std::string& line) const {
    is_open_ = true;
    std::cerr << erase_line << line << std::flush;
  }

  std::string items_;
  std::size_t total_;
  bool is_shown_;
  mutable bool is_open_ = false;  // the cursor stands in the line
  mutable std::string line_;      // without what was said of a part
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::chrono::steady_clock::time_point item_start_ = start_;
};

inline volatile std::sig_atomic_t stop_signal = 0;  // 0: nobody wants a stop

// From here on the first Ctrl-C (or SIGTERM) only sets stop_signal; the second ends the program at once.
inline void defer_stops() {
  const auto remember = [](int signal) {
    stop_signal = signal;
    std::signal(signal, SIG_DFL);
  };
  for (const int signal : {SIGINT, SIGTERM})
    if (std::signal(signal, remember) == SIG_IGN) std::signal(signal, SIG_IGN);  // as for a background job
}

// Thrown to leave an item that nobody wants to wait for: the stop is not an error.
struct Stopped {};

// Of a program that leaves something undone because of stop_signal: what a shell says of one that the signal ended, 130 for
// Ctrl-C and 143 for SIGTERM.
inline int exit_code_of_stop() { return 128 + stop_signal; }

}  // namespace tools
