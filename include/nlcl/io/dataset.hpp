// The data of a training run: two folders of images that need not match each other, one with rain and one
// without.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <memory>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/hash.hpp"
#include "nlcl/core/parallel.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/image.hpp"
#include "nlcl/io/image_format.hpp"
#include "nlcl/io/path.hpp"

namespace nlcl {

namespace detail {

// Below a folder, relative to it with '/', in order of their bytes, and a line for each folder in it that cannot be
// listed. Links are followed, and one that leads nowhere is listed: whoever put it there wants to know.
struct ImageNames {
  std::vector<std::string> names, unreadable;
};

inline ImageNames image_names(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  std::error_code error, ignored;
  require<IoError>(fs::exists(root, ignored), "cannot read ", root.string(), ": no such folder");
  require<IoError>(fs::is_directory(root, ignored), "cannot read ", root.string(), ": is not a folder");
  ImageNames found;
  std::vector<std::pair<fs::path, int>> folders{{root, 0}};  // and how deep they lie
  while (!folders.empty()) {
    const auto [folder, depth] = std::move(folders.back());
    folders.pop_back();
    require<IoError>(depth < 32, "cannot read ", folder.string(), ": ", depth,
                     " folders deep, which looks like a circle of links");
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      if (entry->is_directory(ignored))
        folders.emplace_back(entry->path(), depth + 1);
      else if (image_format_of(entry->path()) &&
               (entry->is_regular_file(ignored) || entry->is_symlink(ignored)))
        found.names.push_back(entry->path().lexically_relative(root).generic_string());
    }
    if (!error) continue;
    found.unreadable.push_back(text("cannot read ", folder.string(), ": ", error.message()));
    require<IoError>(depth > 0, found.unreadable.back());
  }
  std::ranges::sort(found.names);
  return found;
}

}  // namespace detail

struct ImageFolderOptions {
  std::size_t memory = std::size_t{2} << 30;  // bytes that decoded pixels may take; 0 keeps none
};

// The readable images of a folder and of those in it, by the extensions of image_format.hpp, sorted by name.
//
// Every file is decoded once, so that a bad one is known before the training begins. The pixels are kept if
// those of the whole folder fit the memory; otherwise they are decoded again whenever they are asked for.
class ImageFolder {
 public:
  struct File {
    std::string name;  // relative to the folder, with '/'
    Index height = 0, width = 0;
    std::uint64_t hash = 0;  // fnv1a of the file's bytes
  };

  // Throws IoError for a folder that cannot be listed, FormatError if no image in it can be read.
  explicit ImageFolder(std::filesystem::path root, ImageFolderOptions options = {}) : root_(std::move(root)) {
    const detail::ImageNames found = detail::image_names(root_);
    unreadable_ = found.unreadable;
    struct Entry {
      Decoded decoded;
      std::string error;
    };
    std::vector<Entry> entries(found.names.size());
    std::atomic<std::size_t> total = 0;
    parallel_for(std::ssize(entries), [&](Index i) {
      auto& [decoded, error] = entries[static_cast<std::size_t>(i)];
      try {
        decoded = decode(found.names[static_cast<std::size_t>(i)]);
        if ((total += decoded.image->pixels.size()) > options.memory) decoded.image.reset();
      } catch (const MemoryError&) {
        throw;  // says nothing about the file
      } catch (const Error& reason) {
        error = reason.what();
      }
    });
    for (auto& [decoded, error] : entries) {
      if (!error.empty()) {
        unreadable_.push_back(std::move(error));
        continue;
      }
      files_.push_back(std::move(decoded.file));
      if (total <= options.memory) images_.push_back(std::move(decoded.image));
    }
    const std::string reason =
        unreadable_.empty() ? "expected " + image_extensions(" or ") + " files" : unreadable_.front();
    require<FormatError>(!files_.empty(), root_.string(), ": no image can be read, ", reason);
  }

  const std::filesystem::path& root() const { return root_; }
  Index size() const { return std::ssize(files_); }
  const std::vector<File>& files() const { return files_; }

  // A line for each file or folder that was left out: its path and the reason.
  const std::vector<std::string>& unreadable() const { return unreadable_; }

  bool is_in_memory() const { return !images_.empty(); }

  // The colours of one image: 1 or 3 channels. May be called by several threads. Throws ShapeError for an
  // index beyond the last and, where the file is decoded again, IoError if it is gone and FormatError if it
  // has changed, with its path.
  std::shared_ptr<const Image> image(Index index) const {
    require<ShapeError>(index >= 0 && index < size(), root_.string(), ": image ", index, " of ", size());
    const auto i = static_cast<std::size_t>(index);
    if (is_in_memory()) return images_[i];
    Decoded decoded = decode(files_[i].name);
    require<FormatError>(decoded.file.hash == files_[i].hash, (root_ / path_of(files_[i].name)).string(),
                         ": has changed since the folder was read");
    return decoded.image;
  }

  // 16 hexadecimal digits of all names and contents, wherever the folder lies: another value is other data.
  std::string hash() const {
    std::uint64_t hash = fnv1a({});
    for (const File& file : files_) hash = fnv1a(bytes_of(text(file.name, '\0', file.hash, '\n')), hash);
    return text(std::hex, std::setfill('0'), std::setw(16), hash);
  }

 private:
  struct Decoded {
    File file;
    std::shared_ptr<const Image> image;
  };

  Decoded decode(const std::string& name) const {
    return parse_file(root_ / path_of(name), [&](ByteSpan bytes) {
      Image image = decode_image(bytes);
      if (image.has_alpha()) image = without_alpha(image);
      const File file{name, image.height, image.width, fnv1a(bytes)};
      return Decoded{file, std::make_shared<const Image>(std::move(image))};
    });
  }

  std::filesystem::path root_;
  std::vector<File> files_;
  std::vector<std::shared_ptr<const Image>> images_;  // of each file, or none at all
  std::vector<std::string> unreadable_;
};

struct DataFolders {
  std::filesystem::path rainy, clean;
};

// The two folders under one root: trainA (rainy) and trainB (clean), as CycleGAN and CUT call them, or rainy
// and clean. Throws IoError unless both are there.
inline DataFolders data_folders(const std::filesystem::path& root) {
  const auto has = [&](const std::filesystem::path& folder) {
    std::error_code ignored;
    return std::filesystem::is_directory(root / folder, ignored);
  };
  for (const auto& [rainy, clean] : {DataFolders{"trainA", "trainB"}, DataFolders{"rainy", "clean"}})
    if (has(rainy) && has(clean)) return {root / rainy, root / clean};
  throw IoError(text("cannot read ", root.string(),
                     ": expected two folders in it, trainA (rainy) and trainB (clean), or rainy and clean"));
}

namespace detail {

// What a path says of its images: 1 rain, -1 no rain, 0 nothing. The deepest folder that says any counts.
inline int rain_in_name(const std::filesystem::path& path) {
  int result = 0;
  for (const std::filesystem::path& folder : path) {
    std::string words = " " + lowercase(folder.string());  // "No-Rain" as " no rain"
    std::ranges::replace_if(
        words, [](unsigned char c) { return !std::isalpha(c); }, ' ');
    const auto has = [&](auto... part) { return (... || (words.find(part) != std::string::npos)); };
    if (has("clean", "norain", "no rain", "derain") || words == " trainb")
      result = -1;
    else if (has(" rain", "rainy") || words == " traina")
      result = 1;  // and not "train"
  }
  return result;
}

// "what: the first case, and 2 more"
inline void add_line(std::vector<std::string>& lines, const std::string& what,
                     const std::vector<std::string>& cases) {
  if (cases.empty()) return;
  lines.push_back(what + ": " + cases.front());
  if (cases.size() > 1) lines.back() += text(", and ", cases.size() - 1, " more");
}

using FilesByHash = std::unordered_map<std::uint64_t, const ImageFolder::File*>;

inline FilesByHash files_by_hash(const ImageFolder& folder) {
  FilesByHash result;
  for (const ImageFolder::File& file : folder.files()) result.emplace(file.hash, &file);  // the first of each
  return result;
}

}  // namespace detail

// What looks wrong with two folders for crops of crop x crop pixels, one line each; none if nothing does.
//
// That the folders are swapped is guessed from their names alone. The pixels do not tell in a simple way, for
// what a photograph shows outweighs its rain: measured on two folders of real rain and two of unrelated clean
// images, the mean absolute Laplacian is 20 and 16 with rain, 24 and 23 without, and the horizontal
// gradients, which streaks should raise, are 0.9 and 1.2 times the vertical ones with rain, 0.9 and 1.2 times
// without.
inline std::vector<std::string> data_warnings(const ImageFolder& rainy, const ImageFolder& clean,
                                              Index crop) {
  std::vector<std::string> lines, cases;
  if (detail::rain_in_name(rainy.root()) < detail::rain_in_name(clean.root()))
    lines.push_back(text("by their names the folders look swapped: ", rainy.root().string(),
                         " is taken as rainy, ", clean.root().string(), " as clean"));
  const detail::FilesByHash in_clean = detail::files_by_hash(clean);
  for (const auto& file : rainy.files())
    if (const auto other = in_clean.find(file.hash); other != in_clean.end())
      cases.push_back(text(file.name, " and ", other->second->name));
  detail::add_line(lines, "the same file is rainy and clean", cases);

  for (const auto& [name, folder] : {std::pair("rainy", &rainy), std::pair("clean", &clean)}) {
    detail::add_line(lines, text(name, ": left out"), folder->unreadable());
    const detail::FilesByHash first = detail::files_by_hash(*folder);
    std::vector<std::string> copies, small;
    for (const auto& file : folder->files()) {
      const ImageFolder::File* const original = first.at(file.hash);
      if (original != &file) copies.push_back(text(original->name, " and ", file.name));
      if (file.height < crop || file.width < crop)
        small.push_back(text(file.name, " (", file.height, " x ", file.width, ")"));
    }
    detail::add_line(lines, text(name, ": the same file twice"), copies);
    detail::add_line(lines, text(name, ": smaller than the crop, mirrored up to ", crop, " x ", crop), small);
  }
  return lines;
}

// A table of both folders for people: how many images, the sizes with the fewest and the most pixels as
// height x width, and all their pixels in millions.
inline std::string size_table(const ImageFolder& rainy, const ImageFolder& clean) {
  const auto line = [](const auto& name, const auto& images, const auto& smallest, const auto& largest,
                       const auto& megapixels) {
    return text(std::left, std::setw(7), name, std::right, std::setw(7), images, std::setw(15), smallest,
                std::setw(15), largest, std::setw(12), std::fixed, std::setprecision(1), megapixels, '\n');
  };
  std::string table = line("", "images", "smallest", "largest", "megapixels");
  for (const auto& [name, folder] : {std::pair("rainy", &rainy), std::pair("clean", &clean)}) {
    const auto area = [](const ImageFolder::File& file) { return file.height * file.width; };
    const auto [smallest, largest] = std::ranges::minmax_element(folder->files(), {}, area);
    const auto size = [](const ImageFolder::File& file) { return text(file.height, " x ", file.width); };
    Index pixels = 0;
    for (const auto& file : folder->files()) pixels += area(file);
    table += line(name, folder->size(), size(*smallest), size(*largest), static_cast<double>(pixels) / 1e6);
  }
  return table;
}

}  // namespace nlcl
