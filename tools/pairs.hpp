// Which images of several folders belong together, by their names.
#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "images.hpp"

namespace tools {

// A name without the words that tell layers and results apart: `norain-001`, `rain_001` and `001.derained` all become
// "001". A name of nothing else stays as it is.
inline std::string scene_of(const std::string& stem) {
  static const std::set<std::string> words_for_layers{"rain",   "rainy",    "norain", "clean",
                                                      "derain", "derained", "input",  "target",
                                                      "result", "output",   "truth",  "gt"};
  const auto kind_of = [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return std::isdigit(u) ? 'd' : std::isalpha(u) || u >= 128 ? 'a' : ' ';
  };
  std::string scene, word;
  for (std::size_t i = 0; i <= stem.size(); ++i) {
    const char kind = i < stem.size() ? kind_of(stem[i]) : ' ';
    if (!word.empty() && kind != kind_of(word.back())) {
      if (!words_for_layers.contains(word)) scene += (scene.empty() ? "" : "-") + word;
      word.clear();
    }
    if (kind != ' ') word += static_cast<char>(std::tolower(static_cast<unsigned char>(stem[i])));
  }
  return scene.empty() ? stem : scene;
}

struct Unpaired {
  std::string name, reason;
};

// Images that belong together, one of each folder and in the order of the folders, by name.
struct Pairs {
  struct Row {
    std::string name;
    std::vector<fs::path> files;
  };
  std::vector<Row> rows;
  std::vector<Unpaired> failures;
};

// Images of the same name without the extension belong together; those that are then left, if they show the same scene by
// their names and no folder has two of that scene. What has no partner, or could have several, is among the failures. Throws
// UsageError if a folder has two images of one name, and if no images belong together.
inline Pairs pairs_in(const std::vector<fs::path>& folders) {
  using Images = std::map<std::string, fs::path>;  // by name
  std::vector<Images> images(folders.size());
  for (std::size_t f = 0; f < folders.size(); ++f)
    for (const fs::path& image : images_in(folders[f])) {
      const auto [other, is_new] = images[f].emplace(image.stem().string(), image);
      nlcl::require<UsageError>(is_new, other->second.string(), " and ", image.string(),
                                " have the same name");
    }

  Pairs pairs;
  for (const auto& [name, image] : Images(images.front())) {
    const auto has_it = [&, &key = name](const Images& folder) { return folder.contains(key); };
    if (!std::ranges::all_of(images, has_it)) continue;
    Pairs::Row& row = pairs.rows.emplace_back(Pairs::Row{name, {}});
    for (Images& folder : images) row.files.push_back(folder.extract(name).mapped());
  }

  std::map<std::string, std::vector<std::vector<fs::path>>> scenes;  // and the images in each folder
  for (std::size_t f = 0; f < folders.size(); ++f)
    for (const auto& [name, image] : images[f]) {
      auto& scene = scenes[scene_of(name)];
      scene.resize(folders.size());
      scene[f].push_back(image);
    }
  const auto fail = [&](const fs::path& image, const std::string& reason) {
    pairs.failures.push_back({image.stem().string(), image.string() + ": " + reason});
  };
  for (const auto& [scene, files] : scenes) {
    std::string lacking;
    const std::vector<fs::path>*several = nullptr, *one = nullptr;
    for (std::size_t f = 0; f < folders.size(); ++f) {
      if (files[f].empty()) lacking += (lacking.empty() ? "" : " and ") + folders[f].string();
      if (files[f].size() > 1 && !several)
        several = &files[f];
      else if (!files[f].empty() && !one)
        one = &files[f];
    }
    if (several && one)
      fail(one->front(),
           several->at(0).string() + " and " + several->at(1).string() + " could both belong to it");
    else if (several)
      for (const fs::path& image : *several) fail(image, "no image of this name in " + lacking);
    else if (!lacking.empty())
      fail(one->front(), "no image of this name in " + lacking);
    else {
      Pairs::Row& row = pairs.rows.emplace_back(Pairs::Row{files[0].front().stem().string(), {}});
      for (const std::vector<fs::path>& folder : files) row.files.push_back(folder.front());
    }
  }
  std::ranges::sort(pairs.rows, {}, &Pairs::Row::name);
  std::ranges::sort(pairs.failures, {}, &Unpaired::name);

  std::string places;
  for (const fs::path& folder : folders) places += (places.empty() ? "" : " and ") + folder.string();
  nlcl::require<UsageError>(!pairs.rows.empty(), "no image has the same name in ", places);
  return pairs;
}

}  // namespace tools
