// PyTorch checkpoints: a zip archive with a pickle, `data.pkl`, and one entry per storage, `data/<key>`.
//
// A pickle is a program for a small stack machine, and Python's own machine calls any function it is told to.
// The one below knows the instructions and the globals that a state dict needs, and refuses every other by
// name. Objects live in one array and refer to each other by index: nothing recurses, whatever the nesting,
// and no cycle can leak.
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
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/dtype.hpp"
#include "nlcl/io/file.hpp"
#include "nlcl/io/state_file.hpp"
#include "nlcl/io/zip.hpp"

namespace nlcl {

namespace detail {

struct TorchStorageType {
  std::string_view name;  // in the module torch
  DType dtype;
};

inline constexpr TorchStorageType torch_storage_types[] = {
    {"DoubleStorage", DType::f64},  {"FloatStorage", DType::f32},     {"HalfStorage", DType::f16},
    {"LongStorage", DType::i64},    {"BFloat16Storage", DType::bf16}, {"IntStorage", DType::i32},
    {"ShortStorage", DType::i16},   {"CharStorage", DType::i8},       {"ByteStorage", DType::u8},
    {"BoolStorage", DType::boolean}};

// An object of a pickle.
struct PickleObject {
  enum class Kind { none, boolean, integer, real, string, global, tuple, list, dict, storage, tensor };

  Kind kind = Kind::none;
  std::int64_t integer = 0;          // boolean, integer; number of elements of a storage
  std::string_view text{};           // string; "module name" of a global; key of a storage
  std::vector<std::size_t> items{};  // tuple, list; keys and values in turn of a dict; arguments of a tensor
  DType dtype = DType::f32;          // storage

  std::string_view kind_name() const {
    constexpr std::string_view names[] = {"None",     "a boolean", "an integer", "a float",
                                          "a string", "a global",  "a tuple",    "a list",
                                          "a dict",   "a storage", "a tensor"};
    return names[static_cast<std::size_t>(kind)];
  }
};

class Unpickler {
 public:
  using Kind = PickleObject::Kind;
  using Ref = std::size_t;  // an index of an object

  explicit Unpickler(ByteSpan pickle) : reader_(pickle, "pickle") {
    // Every byte may make an object; a real state dict takes about 250 bytes per tensor.
    require<FormatError>(pickle.size() <= max_size, "pickle: ", pickle.size(), " bytes, at most ", max_size,
                         " are read");
  }

  // Runs the program; the object that it leaves.
  Ref run() {
    for (;;) {
      const std::size_t at = reader_.position();
      const int opcode = reader_.byte();
      if (opcode == '.') return pop();
      execute(opcode, at);
    }
  }

  const PickleObject& operator[](Ref ref) const { return objects_[ref]; }

  // The object, which must be of that kind.
  const PickleObject& expect(Ref ref, Kind kind) const {
    const PickleObject& object = objects_[ref];
    require<FormatError>(object.kind == kind, "pickle: ", object.kind_name(), " where ",
                         PickleObject{.kind = kind}.kind_name(), " is expected");
    return object;
  }

 private:
  static constexpr std::size_t max_size = std::size_t{1} << 22;  // 4 MiB

  void execute(int opcode, std::size_t at) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const int protocol = reader_.byte();
        require<FormatError>(protocol >= 2 && protocol <= 5, "pickle: protocol ", protocol,
                             ", expected 2 to 5");
        return;
      }
      case 0x95:
        return reader_.skip(8);  // FRAME: a length that only buffering needs

      case '(':
        return marks_.push_back(stack_.size());  // MARK
      case 'N':
        return push({});  // NONE
      case 0x88:
        return push({.kind = Kind::boolean, .integer = 1});  // NEWTRUE
      case 0x89:
        return push({.kind = Kind::boolean, .integer = 0});  // NEWFALSE
      case 'K':
        return push_integer(u8());  // BININT1
      case 'M':
        return push_integer(reader_.little<std::uint16_t>());  // BININT2
      case 'J':
        return push_integer(static_cast<std::int32_t>(u32()));  // BININT
      case 0x8a:
        return push_integer(long_integer());  // LONG1
      case 'G':
        reader_.skip(8);
        return push({.kind = Kind::real});  // BINFLOAT
      case 'X':
        return push_string(u32());  // BINUNICODE
      case 0x8c:
        return push_string(u8());  // SHORT_BINUNICODE

      case ')':
        return push({.kind = Kind::tuple});  // EMPTY_TUPLE
      case ']':
        return push({.kind = Kind::list});  // EMPTY_LIST
      case '}':
        return push({.kind = Kind::dict});  // EMPTY_DICT
      case 't':
        return push({.kind = Kind::tuple, .items = pop_to_mark()});  // TUPLE
      case 0x85:
        return push({.kind = Kind::tuple, .items = pop(1)});  // TUPLE1
      case 0x86:
        return push({.kind = Kind::tuple, .items = pop(2)});  // TUPLE2
      case 0x87:
        return push({.kind = Kind::tuple, .items = pop(3)});  // TUPLE3
      case 'a':
        return extend(Kind::list, pop(1));  // APPEND
      case 'e':
        return extend(Kind::list, pop_to_mark());  // APPENDS
      case 's':
        return extend(Kind::dict, pop(2));  // SETITEM
      case 'u':
        return extend(Kind::dict, pop_to_mark());  // SETITEMS

      case 'q':
        return memoize(u8());  // BINPUT
      case 'r':
        return memoize(u32());  // LONG_BINPUT
      case 0x94:
        return memoize(static_cast<std::uint32_t>(memo_.size()));  // MEMOIZE
      case 'h':
        return recall(u8());  // BINGET
      case 'j':
        return recall(u32());  // LONG_BINGET

      case 'c': {  // GLOBAL
        const std::string_view module = line();
        return push_global(module, line());
      }
      case 0x93: {  // STACK_GLOBAL
        const auto names = pop(2);
        return push_global(expect(names[0], Kind::string).text, expect(names[1], Kind::string).text);
      }
      case 'Q':
        return push_storage(pop());  // BINPERSID
      case 'R': {                    // REDUCE
        const auto call = pop(2);
        return reduce(expect(call[0], Kind::global), expect(call[1], Kind::tuple).items);
      }
      case 'b': {  // BUILD: attributes of a dict, of which a state dict has `_metadata`, needless here
        pop();
        const Ref object = pop();
        expect(object, Kind::dict);
        return stack_.push_back(object);
      }
      default:
        throw FormatError(text("pickle: refuses the opcode ", opcode, " at offset ", at));
    }
  }

  std::uint32_t u8() { return reader_.little<std::uint8_t>(); }
  std::uint32_t u32() { return reader_.little<std::uint32_t>(); }

  void push(PickleObject object) {
    stack_.push_back(objects_.size());
    objects_.push_back(std::move(object));
  }
  void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  void push_string(std::size_t size) { push({.kind = Kind::string, .text = text_of(reader_.take(size))}); }

  // The last `count` objects of the stack, above the last mark.
  std::vector<Ref> pop(std::size_t count) {
    const std::size_t bottom = marks_.empty() ? 0 : marks_.back();
    require<FormatError>(stack_.size() >= bottom + count, "pickle: the stack holds ", stack_.size() - bottom,
                         " objects, ", count, " are expected");
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Ref> objects(first, stack_.end());
    stack_.erase(first, stack_.end());
    return objects;
  }
  Ref pop() { return pop(1)[0]; }
  std::vector<Ref> pop_to_mark() {
    require<FormatError>(!marks_.empty(), "pickle: no mark on the stack");
    std::vector<Ref> objects = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return objects;
  }

  // Adds to the list or dict on top of the stack.
  void extend(Kind kind, const std::vector<Ref>& items) {
    const Ref target = pop();
    expect(target, kind);
    require<FormatError>(kind == Kind::list || items.size() % 2 == 0, "pickle: a key without a value");
    auto& to = objects_[target].items;
    to.insert(to.end(), items.begin(), items.end());
    stack_.push_back(target);
  }

  void memoize(std::uint32_t key) {
    const Ref top = pop();
    memo_[key] = top;
    stack_.push_back(top);
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    require<FormatError>(found != memo_.end(), "pickle: nothing is remembered as ", key);
    stack_.push_back(found->second);
  }

  std::int64_t long_integer() {
    const auto bytes = reader_.take(u8());
    require<FormatError>(bytes.size() <= 8, "pickle: an integer of ", bytes.size(), " bytes");
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    const int unused = 64 - 8 * static_cast<int>(bytes.size());
    return unused == 64 ? 0 : static_cast<std::int64_t>(value << unused) >> unused;  // extends the sign
  }

  std::string_view line() {
    const std::size_t begin = reader_.position();
    std::size_t size = 0;
    while (reader_.byte() != '\n') ++size;
    reader_.seek(begin);
    const std::string_view result = text_of(reader_.take(size));
    reader_.skip(1);
    return result;
  }

  void push_global(std::string_view module, std::string_view name) {
    static constexpr std::string_view known[] = {ordered_dict, rebuild_tensor, rebuild_parameter};
    const std::string full = text(module, ' ', name);
    const auto is_known = std::ranges::find(known, full);
    if (is_known != std::end(known)) return push({.kind = Kind::global, .text = *is_known});
    for (const TorchStorageType& type : torch_storage_types)
      if (module == "torch" && name == type.name) return push({.kind = Kind::global, .text = type.name});
    throw FormatError(text("pickle: refuses the global ", module, '.', name));
  }

  // ('storage', type, key, device, number of elements)
  void push_storage(Ref id) {
    const auto& items = expect(id, Kind::tuple).items;
    require<FormatError>(items.size() == 5 && expect(items[0], Kind::string).text == "storage",
                         "pickle: a persistent object that is no storage");
    const std::string_view type = expect(items[1], Kind::global).text;
    const auto found = std::ranges::find(torch_storage_types, type, &TorchStorageType::name);
    require<FormatError>(found != std::end(torch_storage_types), "pickle: a storage of type ", type);
    push({.kind = Kind::storage,
          .integer = expect(items[4], Kind::integer).integer,
          .text = expect(items[2], Kind::string).text,
          .dtype = found->dtype});
  }

  // The only three calls there are.
  void reduce(const PickleObject& function, const std::vector<Ref>& arguments) {
    if (function.text == ordered_dict && arguments.empty()) return push({.kind = Kind::dict});
    if (function.text == rebuild_tensor && arguments.size() >= 4)
      return push({.kind = Kind::tensor, .items = {arguments.begin(), arguments.begin() + 4}});
    if (function.text == rebuild_parameter && !arguments.empty()) {
      expect(arguments[0], Kind::tensor);
      return stack_.push_back(arguments[0]);
    }
    throw FormatError(
        text("pickle: refuses to call ", function.text, " with ", arguments.size(), " arguments"));
  }

  static constexpr std::string_view ordered_dict = "collections OrderedDict";
  static constexpr std::string_view rebuild_tensor = "torch._utils _rebuild_tensor_v2";
  static constexpr std::string_view rebuild_parameter = "torch._utils _rebuild_parameter";

  ByteReader reader_;
  std::vector<PickleObject> objects_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::map<std::uint32_t, Ref> memo_;
};

// The state dict of one archive, its strided views copied into contiguous tensors.
class TorchArchive {
 public:
  explicit TorchArchive(ByteSpan archive) {
    for (const ZipEntry& entry : read_zip(archive)) entries_[entry.name] = entry.bytes;
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

  StateFile read() {
    Unpickler pickle(entries_[root_ + "data.pkl"]);
    const auto* items = &pickle.expect(pickle.run(), Kind::dict).items;
    for (std::size_t i = 0; i < items->size(); i += 2) {
      const PickleObject& value = pickle[(*items)[i + 1]];
      if (pickle[(*items)[i]].text != "state_dict" || value.kind != Kind::dict) continue;
      items = &value.items;  // {"state_dict": {...}, what a training script keeps besides}
      break;
    }
    StateFile result;
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < items->size(); i += 2) {
      const std::string_view name = pickle.expect((*items)[i], Kind::string).text;
      const PickleObject& value = pickle[(*items)[i + 1]];
      require<FormatError>(value.kind == Kind::tensor, "torch: '", name, "' is ", value.kind_name(),
                           ", expected a tensor");
      require<FormatError>(names.insert(name).second, "torch: '", name, "' occurs twice");
      result.tensors.push_back(tensor(std::string(name), pickle, value));
    }
    return result;
  }

 private:
  using Kind = PickleObject::Kind;

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

  std::map<std::string, ByteSpan, std::less<>> entries_;
  std::string root_;  // the folder that all entries lie in, with its slash
  std::size_t allowed_bytes_ = 0;
};

// How a file of before PyTorch 1.6 begins: protocol 2, and a number of ten bytes.
inline bool is_legacy_torch_checkpoint(ByteSpan file) {
  return text_of(file).starts_with("\x80\x02\x8a\x0a");
}
inline bool is_zip(ByteSpan file) { return text_of(file).starts_with("PK\3\4"); }

}  // namespace detail

// The tensors of a state dict, or of the entry "state_dict" of a dict, in their order. Throws FormatError for
// anything else: entries that are no tensors, other Python objects, damaged or compressed archives, files of
// before PyTorch 1.6.
inline StateFile parse_torch_checkpoint(ByteSpan file) {
  require<FormatError>(
      !detail::is_legacy_torch_checkpoint(file),
      "torch: a checkpoint of the format before PyTorch 1.6; load it with PyTorch and save it again "
      "with torch.save(torch.load(path), path)");
  require<FormatError>(detail::is_zip(file), "torch: no zip archive, so no PyTorch checkpoint");
  return detail::TorchArchive(file).read();
}

// Throws IoError, or FormatError with the path.
inline StateFile read_torch_checkpoint(const std::filesystem::path& path) {
  return parse_file(path, parse_torch_checkpoint);
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
