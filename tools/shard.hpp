// --shard I/N: the part of many images that one of N jobs takes, so that any scheduler can split a folder.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "nlcl/core/hash.hpp"
#include "nlcl/io/bytes.hpp"
#include "values.hpp"

namespace tools {

// Part `index`, 0 .. count-1, of `count`. An image is in one of them by its name in the folder and by nothing else: not by the
// order in which a folder is listed, nor by the other images that are there, so that parts that are begun again are the same.
class Shard {
 public:
  void add_to(CLI::App& app) {
    app.add_option_function<std::string>(
           "--shard",
           [this](const std::string& given) {
             const auto numbers = numbers_in<std::uint64_t, 2>(given, '/');
             if (!numbers || (*numbers)[0] >= (*numbers)[1])
               throw CLI::ValidationError("--shard", "expected I/N with I from 0 to N-1, is " + given);
             index_ = (*numbers)[0], count_ = (*numbers)[1];
           },
           "part I of N of the images, from 0 on: the same images each time, by their names")
        ->option_text("I/N");
  }

  // Of an image's name in its folder.
  bool has(const std::filesystem::path& name) const {
    const std::string text = name.generic_string();
    const std::uint64_t hash = nlcl::fnv1a(nlcl::bytes_of(text));
    return (hash ^ hash >> 32) % count_ == index_;  // its low bits come of the letters' low bits alone
  }

 private:
  std::uint64_t index_ = 0, count_ = 1;
};

}  // namespace tools
