#include "tools/programs.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace nlcl::test {

namespace {

// From here on the permissions of files and folders hold for this process and those that it starts, even if they are root's:
// without the capabilities to write and to enter everywhere, and without a way to get them back. Returns whether that is so.
bool give_up_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  for (auto* set : {&sets[0].effective, &sets[0].permitted, &sets[0].inheritable})
    *set &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
  return syscall(SYS_capset, &header, sets) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

}  // namespace

Workplace::Workplace() { std::filesystem::create_directory(folder_ / "work"); }

std::filesystem::path Workplace::operator/(const std::string& name) const { return folder_ / "work" / name; }

Run Workplace::operator()(const std::string& command) const { return wait(start(command)); }

Run Workplace::as_ordinary_user(const std::string& command) const {
  return wait(start(command, give_up_privileges));
}

pid_t Workplace::start(const std::string& command, bool (*prepare)()) const {
  const std::string whole =
      text("NLCL_DEVICE=cpu; export NLCL_DEVICE; PATH=", program_path().string(), ":$PATH; cd '",
           (folder_ / "work").string(), "' || exit 99; { ", command, "\n} </dev/null >../out 2>../err");
  const pid_t child = fork();
  if (child == 0) {
    if (prepare && !prepare()) _exit(98);
    execl("/bin/sh", "sh", "-c", whole.c_str(), static_cast<char*>(nullptr));
    _exit(99);
  }
  REQUIRE(child > 0);
  return child;
}

Run Workplace::wait(pid_t child) const {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content("../out"), content("../err")};
}

void Workplace::write(const std::string& name, std::string_view content) const {
  const std::filesystem::path path = *this / name;
  std::filesystem::create_directories(path.parent_path());
  write_file_atomically(path, bytes_of(content));
}

void Workplace::write(const std::string& name, const std::vector<std::byte>& bytes) const {
  write(name, text_of(bytes));
}

void Workplace::write(const std::string& name, const Image& image) const { write(name, encode_png(image)); }

Image Workplace::image(const std::string& name) const { return read_image(*this / name); }

std::string Workplace::content(const std::string& name) const {
  return std::string(text_of(read_file(*this / name)));
}

std::set<std::string> Workplace::names(const std::string& folder) const {
  std::set<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(*this / folder))
    result.insert(entry.path().filename().string());
  return result;
}

Terminal::Terminal() : terminal_(posix_openpt(O_RDWR | O_NOCTTY)) {
  if (terminal_ < 0 || grantpt(terminal_) != 0 || unlockpt(terminal_) != 0) return;
  name_ = ptsname(terminal_);
  other_end_ = open(name_.c_str(), O_RDWR | O_NOCTTY);  // else all is lost when the program closes it
  fcntl(terminal_, F_SETFL, O_NONBLOCK);
}

Terminal::~Terminal() {
  for (const int end : {other_end_, terminal_})
    if (end >= 0) close(end);
}

std::string Terminal::read() const {
  std::string text(10'000, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(terminal_, text.data(), text.size()), 0)));
  return text;
}

void wait_until(const std::function<bool()>& is_done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!is_done()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void check_silent(const Run& run) {
  CHECK(run.code == 0);
  CHECK(run.out == "");
  CHECK(run.err == "");
}

void check_error(const Run& run, int code, const std::string& expected) {
  INFO(run.err);
  CHECK(run.code == code);
  CHECK(run.out == "");
  CHECK(std::ranges::count(run.err, '\n') == 1);
  CHECK_THAT(run.err, Catch::StartsWith("nlcl-") && Catch::Contains(expected) && Catch::EndsWith("\n"));
}

void check_mistakes(const Workplace& place, const std::vector<Mistake>& mistakes) {
  const Names before = place.names(".");
  for (const auto& [command, code, expected] : mistakes) {
    INFO(command);
    check_error(place(command), code, expected);
  }
  CHECK(place.names(".") == before);
}

}  // namespace nlcl::test
