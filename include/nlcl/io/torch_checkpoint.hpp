// PyTorch checkpoints: a zip archive with a pickle, `data.pkl`, which pickle.hpp reads, and one entry per storage,
// `data/<key>`.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/core/printable.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/dtype.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/pickle.hpp"
#include "nlcl/io/state_file.hpp"
#include "nlcl/io/zip.hpp"

namespace nlcl {

namespace detail {

// The names under which training scripts keep a state dict, and what it is to be told from, as an optimiser's.
inline constexpr std::string_view state_dict_keys[] = {
    "state_dict", "model_state_dict", "params", "params_ema", "netG", "generator", "model", "net", "weights"};

// The state dicts of one archive, their strided views copied into contiguous tensors.
class TorchArchive {
 public:
  explicit TorchArchive(ByteSpan archive) : archive_(read_zip(archive)) {
    for (const ZipEntry& entry : archive_) entries_[entry.name] = entry.bytes;
    constexpr std::string_view pickle_name = "/data.pkl";
    for (const auto& [name, bytes] : entries_) {
      if (!name.ends_with(pickle_name)) continue;
      require<FormatError>(root_.empty(), "torch: two pickles in one archive, ", name, " and ", root_,
                           "data.pkl");
      root_ = name.substr(0, name.size() - pickle_name.size() + 1);
    }
    require<FormatError>(!root_.empty(), "torch: no data.pkl in the archive, it is no PyTorch checkpoint");
    if (const auto order = entries_.find(root_ + "byteorder"); order != entries_.end())
      require<FormatError>(text_of(order->second) == "little", "torch: byte order '", text_of(order->second),
                           "', expected little");
    // Tensors may share a storage; that they do so more often than this is no state dict but a memory bomb.
    allowed_bytes_ = 16 * archive.size();
  }

  StateFile read(std::string_view key) {
    Unpickler pickle(entries_[root_ + "data.pkl"]);
    const std::size_t whole = pickle.run();
    pickle.expect(whole, Kind::dict);
    const std::vector<StateDict> dicts = state_dicts(pickle, whole);
    const auto named = std::ranges::find(dicts, key, &StateDict::key);
    if (!key.empty() && named != dicts.end()) return read(pickle, named->object);
    return part_of(read(pickle, chosen(dicts, whole)), key);
  }

 private:
  using Kind = PickleObject::Kind;

  struct StateDict {
    std::string key;  // those of all the dicts that it lies in, joined by dots
    bool is_usual;    // they are all among the usual ones
    std::size_t object;
  };

  // The dicts of nothing but tensors, in their order. Each is looked at once: there may be circles.
  static std::vector<StateDict> state_dicts(const Unpickler& pickle, std::size_t whole) {
    std::vector<StateDict> found, open{{"", true, whole}};
    std::set<std::size_t> seen{whole};
    while (!open.empty()) {
      const StateDict dict = std::move(open.back());
      open.pop_back();
      const std::vector<std::size_t>& items = pickle[dict.object].items;
      const std::size_t before = open.size();
      bool is_state_dict = !items.empty();
      for (std::size_t i = 0; i < items.size(); i += 2) {
        const PickleObject &key = pickle[items[i]], &value = pickle[items[i + 1]];
        is_state_dict &= value.kind == Kind::tensor;
        if (key.kind != Kind::string || value.kind != Kind::dict || !seen.insert(items[i + 1]).second)
          continue;
        const bool is_usual = std::ranges::find(state_dict_keys, key.text) != std::end(state_dict_keys);
        open.push_back(
            {text(dict.key, dict.key.empty() ? "" : ".", key.text), dict.is_usual && is_usual, items[i + 1]});
      }
      std::reverse(open.begin() + static_cast<std::ptrdiff_t>(before), open.end());
      if (is_state_dict) found.push_back(dict);
    }
    return found;
  }

  // The one state dict under usual names, or the only one there is, or the whole, of which read() says what is wrong.
  static std::size_t chosen(const std::vector<StateDict>& dicts, std::size_t whole) {
    std::vector<const StateDict*> choice;
    for (const StateDict& dict : dicts)
      if (dict.is_usual) choice.push_back(&dict);
    if (choice.empty())
      for (const StateDict& dict : dicts) choice.push_back(&dict);
    if (choice.empty()) return whole;
    std::vector<std::string> keys;
    keys.reserve(choice.size());
    for (const StateDict* dict : choice) keys.push_back(dict->key);
    require<FormatError>(keys.size() == 1, "torch: ", keys.size(),
                         " state dicts, expected the key of one: ", listed(keys));
    return choice.front()->object;
  }

  StateFile read(const Unpickler& pickle, std::size_t dict) {
    const std::vector<std::size_t>& items = pickle[dict].items;
    StateFile result;
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < items.size(); i += 2) {
      const std::string_view name = pickle.expect(items[i], Kind::string).text;
      const PickleObject& value = pickle[items[i + 1]];
      require<FormatError>(value.kind == Kind::tensor, "torch: '", name, "' is ", value.kind_name(),
                           ", expected a tensor");
      require<FormatError>(names.insert(name).second, "torch: '", name, "' occurs twice");
      result.tensors.push_back(tensor(std::string(name), pickle, value));
    }
    return without_prefix(std::move(result), data_parallel_prefix);
  }

  static std::vector<std::uint64_t> integers(const Unpickler& pickle, std::size_t tuple) {
    std::vector<std::uint64_t> result;
    for (const std::size_t item : pickle.expect(tuple, Kind::tuple).items)
      result.push_back(non_negative(pickle, item));
    return result;
  }
  static std::uint64_t non_negative(const Unpickler& pickle, std::size_t integer) {
    const std::int64_t value = pickle.expect(integer, Kind::integer).integer;
    require<FormatError>(value >= 0, "torch: ", value, " where an integer of 0 or more is expected");
    return static_cast<std::uint64_t>(value);
  }

  // `view`: storage, offset, size, stride, all in elements.
  RawTensor tensor(std::string name, const Unpickler& pickle, const PickleObject& view) {
    const PickleObject& storage = pickle.expect(view.items[0], Kind::storage);
    const std::uint64_t offset = non_negative(pickle, view.items[1]);
    const Shape shape = shape_of_file(name, integers(pickle, view.items[2]));
    const std::vector<std::uint64_t> strides = integers(pickle, view.items[3]);
    const std::size_t width = size_of(storage.dtype);

    const auto entry = entries_.find(text(root_, "data/", storage.text));
    require<FormatError>(entry != entries_.end(), "torch: the storage ", storage.text, " of '", name,
                         "' is not in the archive");
    const ByteSpan data = entry->second;
    const std::uint64_t count = data.size() / width;
    require<FormatError>(data.size() % width == 0 && storage.integer >= 0 &&
                             count == static_cast<std::uint64_t>(storage.integer),
                         "torch: the storage ", storage.text, " of '", name, "' has ", data.size(),
                         " bytes, expected ", storage.integer, " of ", storage.dtype);
    require<FormatError>(strides.size() == static_cast<std::size_t>(shape.rank()), "torch: '", name, "' has ",
                         strides.size(), " strides for shape ", shape);
    const auto size = static_cast<std::uint64_t>(shape.size());
    require<FormatError>(size <= count, "torch: '", name, "' has ", size, " elements, its storage ", count);

    RawTensor result{std::move(name), storage.dtype, shape, {}};
    if (size == 0) return result;
    check_bounds(result.name, offset, shape, strides, count);
    require<FormatError>(size * width <= allowed_bytes_, "torch: at '", result.name,
                         "' the tensors outgrow the file 16 times");
    allowed_bytes_ -= static_cast<std::size_t>(size * width);
    result.bytes.resize(static_cast<std::size_t>(size) * width);
    copy(data.subspan(static_cast<std::size_t>(offset) * width), shape, strides, width, result.bytes.data());
    return result;
  }

  // The largest index, offset + sum of (dim - 1) * stride, must be an element of the storage.
  static void check_bounds(const std::string& name, std::uint64_t offset, const Shape& shape,
                           const std::vector<std::uint64_t>& strides, std::uint64_t count) {
    bool inside = offset < count;
    std::uint64_t left = inside ? count - 1 - offset : 0;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const auto steps = static_cast<std::uint64_t>(shape[axis] - 1);
      const std::uint64_t stride = strides[static_cast<std::size_t>(axis)];
      if (steps == 0) continue;
      inside = inside && stride <= left / steps;
      if (inside) left -= stride * steps;
    }
    require<FormatError>(inside, "torch: '", name, "' ", shape, " leaves its storage of ", count,
                         " elements");
  }

  // Row-major copy of a strided view, one element at a time like the digits of a counter.
  static void copy(ByteSpan data, const Shape& shape, const std::vector<std::uint64_t>& strides,
                   std::size_t width, std::byte* out) {
    std::array<Index, Shape::max_rank> at{};
    std::size_t from = 0;
    for (Index i = 0; i < shape.size(); ++i) {
      std::memcpy(out, data.data() + from * width, width);
      out += width;
      for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        const auto a = static_cast<std::size_t>(axis);
        from += static_cast<std::size_t>(strides[a]);
        if (++at[a] < shape[axis]) break;
        from -= static_cast<std::size_t>(strides[a]) * static_cast<std::size_t>(shape[axis]);
        at[a] = 0;
      }
    }
  }

  std::vector<ZipEntry> archive_;
  std::map<std::string, ByteSpan, std::less<>> entries_;  // of archive_, by name
  std::string root_;  // the folder that all entries lie in, with its slash
  std::size_t allowed_bytes_ = 0;
};

// How a file of before PyTorch 1.6 begins: protocol 2, and a number of ten bytes.
inline bool is_legacy_torch_checkpoint(ByteSpan file) {
  return text_of(file).starts_with("\x80\x02\x8a\x0a");
}
inline bool is_zip(ByteSpan file) { return text_of(file).starts_with("PK\3\4"); }

}  // namespace detail

// The tensors of a state dict, in their order and without the `module.` that DataParallel puts before all names. In a dict of
// dicts, the one of the key (`params_ema`, `model.netG`), or, without a key, the only one: of those under usual names, if there
// are any. A key that is none of a dict is the beginning of names, as part_of() takes it. Throws FormatError for anything
// else: several dicts without a key, entries that are no tensors, other Python objects, damaged archives, files of before
// PyTorch 1.6.
inline StateFile parse_torch_checkpoint(ByteSpan file, std::string_view key = {}) {
  require<FormatError>(
      !detail::is_legacy_torch_checkpoint(file),
      "torch: a checkpoint of the format before PyTorch 1.6; load it with PyTorch and save it again "
      "with torch.save(torch.load(path), path)");
  require<FormatError>(detail::is_zip(file), "torch: no zip archive, so no PyTorch checkpoint");
  return detail::TorchArchive(file).read(key);
}

// Throws IoError, or FormatError with the path.
inline StateFile read_torch_checkpoint(const std::filesystem::path& path) {
  return parse_file(path, [](ByteSpan file) { return parse_torch_checkpoint(file); });
}

// A file that torch.load(path, weights_only=True) reads as an OrderedDict of CPU tensors, the same bytes for
// the same content. Metadata have no place in it and are left out. Throws FormatError for unsigned numbers of
// more than 8 bits and for names that occur twice.
inline std::vector<std::byte> to_torch_checkpoint_bytes(const StateFile& file) {
  detail::check_for_writing(file);
  std::vector<std::byte> pickle;
  const auto op = [&](int opcode) { pickle.push_back(static_cast<std::byte>(opcode)); };
  const auto string = [&](std::string_view value) {
    op('X');
    append_little(pickle, static_cast<std::uint32_t>(value.size()));
    append(pickle, value);
  };
  const auto integer = [&](Index value) {
    if (value <= std::numeric_limits<std::int32_t>::max()) {
      op('J');
      append_little(pickle, static_cast<std::uint32_t>(value));
    } else {
      op(0x8a);
      op(8);
      append_little(pickle, static_cast<std::uint64_t>(value));
    }
  };
  const auto tuple = [&](std::span<const Index> values) {
    op('(');
    for (const Index value : values) integer(value);
    op('t');
  };

  std::vector<ZipEntry> storages;
  constexpr std::string_view empty_dict = "ccollections\nOrderedDict\n)R";
  append(pickle, "\x80\x02");
  append(pickle, empty_dict);
  op('(');
  for (const RawTensor& tensor : file.tensors) {
    const auto type =
        std::ranges::find(detail::torch_storage_types, tensor.dtype, &detail::TorchStorageType::dtype);
    require<FormatError>(type != std::end(detail::torch_storage_types), "torch: '", tensor.name,
                         "' has dtype ", tensor.dtype, ", for which PyTorch has no storage");
    const std::string key = std::to_string(storages.size());
    std::vector<Index> strides(static_cast<std::size_t>(tensor.shape.rank()));
    Index stride = 1;
    for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) {
      strides[static_cast<std::size_t>(axis)] = stride;
      stride *= std::max<Index>(tensor.shape[axis], 1);
    }
    string(tensor.name);
    append(pickle, "ctorch._utils\n_rebuild_tensor_v2\n((");
    string("storage");
    append(pickle, text("ctorch\n", type->name, '\n'));
    string(key);
    string("cpu");
    integer(tensor.shape.size());
    append(pickle, "tQ");
    integer(0);
    tuple({tensor.shape.begin(), tensor.shape.end()});
    tuple(strides);
    op(0x89);                    // no gradient
    append(pickle, empty_dict);  // no hooks
    append(pickle, "tR");
    storages.push_back({text("archive/data/", key), tensor.bytes});
  }
  append(pickle, "u.");

  std::vector<ZipEntry> entries{{"archive/data.pkl", pickle}, {"archive/byteorder", bytes_of("little")}};
  entries.insert(entries.end(), storages.begin(), storages.end());
  entries.push_back({"archive/version", bytes_of("3\n")});
  return to_zip_bytes(entries);
}

// Throws as to_torch_checkpoint_bytes, and IoError.
inline void write_torch_checkpoint(const std::filesystem::path& path, const StateFile& file) {
  write_file_atomically(path, to_torch_checkpoint_bytes(file));
}

}  // namespace nlcl
