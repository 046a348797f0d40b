// What differs between POSIX systems and Windows: no other file of the programs asks which of them it is compiled for.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOGDI
#include <fcntl.h>
#include <io.h>
// clang-format off
#include <windows.h>
#include <shellapi.h>  // which needs the types of the former
// clang-format on
#undef near  // ordinary words again
#undef far
#else
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#endif

namespace tools {

#ifdef _WIN32

inline bool is_terminal(std::FILE* stream) { return _isatty(_fileno(stream)); }

// Of a folder Windows only tells when something is written to it.
inline std::error_code check_writable(const std::filesystem::path& folder) {
  return _waccess(folder.c_str(), 2) == 0 ? std::error_code()
                                          : std::error_code(errno, std::generic_category());
}

// Bytes that a process may have.
inline std::size_t memory_limit() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  GlobalMemoryStatusEx(&status);
  return status.ullTotalPhys;
}

// A byte is a byte, text is UTF-8, and a terminal understands what moves its cursor.
inline void prepare_streams() {
  for (const int stream : {0, 1, 2}) _setmode(stream, _O_BINARY);
  SetConsoleOutputCP(CP_UTF8);
  const HANDLE terminal = GetStdHandle(STD_ERROR_HANDLE);
  if (DWORD mode = 0; GetConsoleMode(terminal, &mode))
    SetConsoleMode(terminal, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

inline void survive_closed_pipes() {}  // here no signal says so

// The command line without the name of the program, in UTF-8: main()'s is in the code page of the system.
inline std::vector<std::string> arguments(int, char**) {
  int count = 0;
  LPWSTR* const wide = CommandLineToArgvW(GetCommandLineW(), &count);
  std::vector<std::string> utf8;
  for (int i = 1; i < count; ++i) utf8.push_back(std::filesystem::path(wide[i]).string());
  LocalFree(wide);
  return utf8;
}

#else

inline bool is_terminal(std::FILE* stream) { return isatty(fileno(stream)); }

inline std::error_code check_writable(const std::filesystem::path& folder) {
  return access(folder.c_str(), W_OK) == 0 ? std::error_code()
                                           : std::error_code(errno, std::generic_category());
}

// Bytes that a process may have: a system that promises more memory than it has kills the program that takes it at its word.
inline std::size_t memory_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  const long installed = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  return std::min<std::size_t>(static_cast<std::size_t>(installed), limit.rlim_cur);
}

// Nothing stands between a program and its bytes. A file that may not grow is an error of writing, not the end of the program.
inline void prepare_streams() { std::signal(SIGXFSZ, SIG_IGN); }

// A pipe that nobody reads any more is an error of writing, not the end of the program.
inline void survive_closed_pipes() { std::signal(SIGPIPE, SIG_IGN); }

// The command line without the name of the program.
inline std::vector<std::string> arguments(int argc, char** argv) { return {argv + (argc > 0), argv + argc}; }

#endif

}  // namespace tools
