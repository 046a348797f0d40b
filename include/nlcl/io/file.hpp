// Whole files: read into memory, or written so that a reader sees the old content or the new one, never half
// of it.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"

namespace nlcl {

// 4 GiB, or what can be addressed: the largest checkpoint is far below.
inline constexpr std::size_t max_file_size =
    static_cast<std::size_t>(std::min<std::uint64_t>(std::uint64_t{1} << 32, SIZE_MAX));

namespace detail {

// The system's words for errno, which the standard streams leave as the system call set it.
inline std::string os_reason() { return errno ? std::generic_category().message(errno) : "unknown reason"; }

// Messages name `target`, of which `path` may be the temporary.
inline void write_bytes(const std::filesystem::path& path, ByteSpan bytes,
                        const std::filesystem::path& target, std::ios::openmode mode = std::ios::trunc) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | mode);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();  // the last bytes are written here, and a full disk may only show here
  require<IoError>(!out.fail(), "cannot write ", target.string(), ": ", os_reason());
}

// Where a chain of links leads, whether or not anything is there yet; nowhere if it is a circle.
struct LinkTarget {
  std::filesystem::path path;
  bool is_open = false;  // by way of the files that a process has open, as /dev/stdout and /dev/fd/3 on Linux
};

inline LinkTarget target_of(std::filesystem::path path) {
  namespace fs = std::filesystem;
  std::error_code error;
  bool is_open = false;
  for (int links = 0; links < 40; ++links) {
    if (!fs::is_symlink(path, error)) return {path, is_open};
    const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : ".", error);
    is_open |= folder.filename() == "fd" && folder.generic_string().starts_with("/proc/");
    path = folder / fs::read_symlink(path, error);
  }
  return {};
}

inline constexpr std::string_view temporary_begin = ".nlcl-", temporary_end = ".tmp";

// Beside the target, and short whatever the target's name: that may fill all of a file system's 255 bytes.
inline std::filesystem::path temporary_for(const std::filesystem::path& target) {
  std::random_device random;
  return target.parent_path() / text(temporary_begin, std::hex, random(), random(), temporary_end);
}

}  // namespace detail

// Whether a file of this name is what a program that was killed has left of write_file_atomically().
inline bool is_temporary(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(detail::temporary_begin) && name.ends_with(detail::temporary_end);
}

// All bytes of a file or pipe. Throws IoError when it cannot be read, is a directory, or holds more than
// `limit` bytes.
inline std::vector<std::byte> read_file(const std::filesystem::path& path,
                                        std::size_t limit = max_file_size) {
  std::error_code ignored;
  require<IoError>(!std::filesystem::is_directory(path, ignored), "cannot read ", path.string(),
                   ": is a directory");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  require<IoError>(in.is_open(), "cannot read ", path.string(), ": ", detail::os_reason());

  const std::uintmax_t known_size = std::filesystem::file_size(path, ignored);  // a pipe has none
  std::vector<std::byte> bytes;
  if (!ignored && known_size < limit) bytes.reserve(static_cast<std::size_t>(known_size) + 1);
  std::size_t size = 0;
  while (in) {
    require<IoError>(size <= limit, "cannot read ", path.string(), ": more than ", limit, " bytes");
    bytes.resize(std::max(bytes.capacity(), size + 65536));
    in.read(reinterpret_cast<char*>(bytes.data() + size), static_cast<std::streamsize>(bytes.size() - size));
    size += static_cast<std::size_t>(in.gcount());
  }
  require<IoError>(!in.bad(), "cannot read ", path.string(), ": ", detail::os_reason());
  require<IoError>(size <= limit, "cannot read ", path.string(), ": more than ", limit, " bytes");
  bytes.resize(size);
  return bytes;
}

// Replaces the content of `path`: written to a temporary beside it, then renamed over it. Throws IoError on
// any failure; the temporary is then removed and the old file is untouched. Permissions are those of the file that is
// replaced, which may not be write-protected. A link is followed; what is not a
// regular file (a device, a pipe) is written in place, since a rename would replace it, and what is open already
// (/dev/stdout) is written to behind what is there, since others do so too.
inline void write_file_atomically(const std::filesystem::path& path, ByteSpan bytes) {
  namespace fs = std::filesystem;
  std::error_code error;
  require<IoError>(!fs::is_directory(path, error), "cannot write ", path.string(), ": is a directory");
  if (fs::exists(path, error) && !fs::is_regular_file(path, error))
    return detail::write_bytes(path, bytes, path);
  const auto [target, is_open] = detail::target_of(path);
  require<IoError>(!target.empty(), "cannot write ", path.string(),
                   path.empty() ? "a file without a name" : ": a circle of links");
  if (is_open) return detail::write_bytes(path, bytes, path, std::ios::app);

  const fs::file_status replaced = fs::status(target, error);
  if (fs::exists(replaced)) {
    errno = 0;
    const bool is_writable = std::ofstream(target, std::ios::binary | std::ios::app).is_open();
    require<IoError>(is_writable, "cannot write ", path.string(), ": ", detail::os_reason());
  }
  const fs::path temporary = detail::temporary_for(target);
  try {
    if (fs::exists(replaced)) {  // who may read it is settled before there is anything to read
      detail::write_bytes(temporary, {}, path);
      fs::permissions(temporary, (replaced.permissions() & fs::perms::all) | fs::perms::owner_write, error);
    }
    detail::write_bytes(temporary, bytes, path);
    fs::rename(temporary, target, error);
    require<IoError>(!error, "cannot write ", path.string(), ": ", error.message());
  } catch (...) {
    fs::remove(temporary, error);
    throw;
  }
}

// What lies in a folder, by name; nothing if the folder is not there. Throws IoError for one that cannot be listed.
inline std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::vector<fs::path> entries;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    entries.push_back(entry->path());
  require<IoError>(!error || error == std::errc::no_such_file_or_directory, "cannot read ", folder.string(),
                   ": ", error.message());
  std::ranges::sort(entries);
  return entries;
}

// parse(bytes of the file). A FormatError that it throws gets the path in front of its message.
template <class Parse>
auto parse_file(const std::filesystem::path& path, Parse parse) {
  const std::vector<std::byte> bytes = read_file(path);
  try {
    return parse(ByteSpan(bytes));
  } catch (const FormatError& error) {
    throw FormatError(text(path.string(), ": ", error.what()));
  }
}

}  // namespace nlcl
