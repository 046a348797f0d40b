// safetensors: the length of a JSON header (8 bytes), the header, the tensors one after the other.
// The reader is strict: what it accepts has one meaning only, and every byte of the file belongs to it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/dtype.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/state_file.hpp"

namespace nlcl {

namespace detail {

inline constexpr std::size_t max_safetensors_header =
    100'000'000;  // bytes, the limit of the format's own library

// nlohmann::json keeps the last of two equal keys without a word, and takes a zero byte for the end: both are
// refused.
inline nlohmann::json parse_safetensors_header(std::string_view header) {
  require<FormatError>(header.starts_with('{'), "safetensors: the header does not start with '{'");
  require<FormatError>(header.find('\0') == std::string_view::npos,
                       "safetensors: the header has a zero byte");
  std::vector<std::set<std::string>> open;  // the keys so far of the objects around the current place
  const auto check = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    require<FormatError>(depth <= 3, "safetensors: the header nests deeper than a list in an entry");
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::object_end) open.pop_back();
    if (event == Event::key)
      require<FormatError>(open.back().insert(value.get<std::string>()).second, "safetensors: the key ",
                           value, " occurs twice");
    return true;
  };
  try {
    return nlohmann::json::parse(header, check);
  } catch (const nlohmann::json::parse_error& error) {
    throw FormatError(text("safetensors: the header is not JSON, at byte ", error.byte));
  } catch (const nlohmann::json::exception&) {
    throw FormatError("safetensors: the header has a number that is too large");
  }
}

// A JSON list of non-negative integers.
inline std::vector<std::uint64_t> integers_of(const nlohmann::json& list, const std::string& name,
                                              const char* what) {
  require<FormatError>(list.is_array(), "safetensors: ", what, " of '", name, "' is ", list.type_name(),
                       ", expected a list");
  std::vector<std::uint64_t> result;
  for (const nlohmann::json& item : list) {
    require<FormatError>(item.is_number_unsigned(), "safetensors: ", what, " of '", name, "' holds ",
                         item.dump(), ", expected integers of 0 or more");
    result.push_back(item.get<std::uint64_t>());
  }
  return result;
}

}  // namespace detail

// Throws FormatError for anything but a complete and consistent file. Tensors come in the order of their
// data.
inline StateFile parse_safetensors(ByteSpan file) {
  ByteReader reader(file, "safetensors");
  const auto length = reader.little<std::uint64_t>();
  require<FormatError>(length <= detail::max_safetensors_header, "safetensors: a header of ", length,
                       " bytes, at most ", detail::max_safetensors_header, " are allowed");
  const nlohmann::json header =
      detail::parse_safetensors_header(text_of(reader.take(static_cast<std::size_t>(length))));
  const ByteSpan data = reader.take(reader.remaining());

  StateFile result;
  std::vector<std::tuple<std::uint64_t, std::uint64_t, RawTensor>> entries;  // begin, end
  for (const auto& [name, entry] : header.items()) {
    require<FormatError>(entry.is_object(), "safetensors: '", name, "' is ", entry.type_name(),
                         ", expected an object");
    if (name == "__metadata__") {
      for (const auto& [key, value] : entry.items()) {
        require<FormatError>(value.is_string(), "safetensors: metadata '", key, "' is ", value.type_name(),
                             ", expected a string");
        result.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    require<FormatError>(entry.size() == 3 && entry.contains("dtype") && entry.contains("shape") &&
                             entry.contains("data_offsets") && entry["dtype"].is_string(),
                         "safetensors: '", name, "' is ", entry.dump(),
                         ", expected dtype, shape and data_offsets");
    const auto dtype_name = entry["dtype"].get<std::string>();
    const auto dtype = dtype_named(dtype_name);
    require<FormatError>(dtype.has_value(), "safetensors: '", name, "' has dtype ", dtype_name,
                         ", which is not supported");
    const Shape shape = detail::shape_of_file(name, detail::integers_of(entry["shape"], name, "shape"));
    const auto offsets = detail::integers_of(entry["data_offsets"], name, "data_offsets");
    require<FormatError>(offsets.size() == 2 && offsets[0] <= offsets[1] && offsets[1] <= data.size(),
                         "safetensors: data_offsets of '", name, "' are ", entry["data_offsets"].dump(),
                         ", expected begin <= end <= ", data.size());
    const std::uint64_t size = offsets[1] - offsets[0];
    require<FormatError>(
        size % size_of(*dtype) == 0 && size / size_of(*dtype) == static_cast<std::uint64_t>(shape.size()),
        "safetensors: '", name, "' has ", size, " bytes for ", *dtype, ' ', shape);
    entries.push_back({offsets[0], offsets[1], RawTensor{name, *dtype, shape, {}}});
  }

  std::ranges::stable_sort(entries, {},
                           [](const auto& entry) { return std::pair(get<0>(entry), get<1>(entry)); });
  std::uint64_t end_of_last = 0;
  for (auto& [begin, end, tensor] : entries) {
    require<FormatError>(begin == end_of_last, "safetensors: the data of '", tensor.name, "' begin at ",
                         begin, ", expected ", end_of_last, ", the end of the tensor before");
    const ByteSpan bytes =
        data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    tensor.bytes.assign(bytes.begin(), bytes.end());
    end_of_last = end;
    result.tensors.push_back(std::move(tensor));
  }
  require<FormatError>(end_of_last == data.size(), "safetensors: the tensors end at ", end_of_last,
                       ", the data at ", data.size());
  return result;
}

// Throws IoError, or FormatError with the path.
inline StateFile read_safetensors(const std::filesystem::path& path) {
  return parse_file(path, parse_safetensors);
}

// The same bytes for the same content. Tensors of wide numbers come first, so that all data are aligned,
// otherwise the order is kept. Throws FormatError for names that occur twice or are not UTF-8, and for bytes
// that do not fit a shape.
inline std::vector<std::byte> to_safetensors_bytes(const StateFile& file) {
  detail::check_for_writing(file);
  std::vector<const RawTensor*> tensors;
  for (const RawTensor& tensor : file.tensors) tensors.push_back(&tensor);
  std::ranges::stable_sort(tensors, std::ranges::greater{},
                           [](const RawTensor* t) { return size_of(t->dtype); });

  auto header = nlohmann::ordered_json::object();
  const auto require_utf8 = [](const char* what, const std::string& text) {
    require<FormatError>(is_utf8(text), "safetensors: ", what, " '", text, "' is not UTF-8");
  };
  for (const auto& [key, value] : file.metadata) {
    require_utf8("the key of metadata", key);
    require_utf8("the metadata", value);
  }
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::size_t end = 0;
  for (const RawTensor* tensor : tensors) {
    require<FormatError>(tensor->name != "__metadata__",
                         "safetensors: a tensor cannot be named __metadata__");
    require_utf8("the name of a tensor", tensor->name);
    const std::size_t begin = std::exchange(end, end + tensor->bytes.size());
    header[tensor->name] = {{"dtype", info_of(tensor->dtype).name},
                            {"shape", std::vector<Index>(tensor->shape.begin(), tensor->shape.end())},
                            {"data_offsets", {begin, end}}};
  }
  std::string json = header.dump();
  json.resize((json.size() + 7) / 8 * 8, ' ');  // the data start at a multiple of 8
  require<FormatError>(json.size() <= detail::max_safetensors_header, "safetensors: a header of ",
                       json.size(), " bytes, at most ", detail::max_safetensors_header, " are allowed");

  std::vector<std::byte> out;
  out.reserve(8 + json.size() + end);
  append_little(out, std::uint64_t{json.size()});
  append(out, json);
  for (const RawTensor* tensor : tensors) append(out, tensor->bytes);
  return out;
}

// Throws as to_safetensors_bytes, and IoError.
inline void write_safetensors(const std::filesystem::path& path, const StateFile& file) {
  write_file_atomically(path, to_safetensors_bytes(file));
}

}  // namespace nlcl
