// The pickle of a PyTorch checkpoint, read by a machine that can do no harm.
//
// A pickle is a program for a small stack machine, and Python's own machine calls any function it is told to.
// The one below knows the instructions and the globals that a state dict needs, and refuses every other by
// name. Objects live in one array and refer to each other by index: nothing recurses, whatever the nesting,
// and no cycle can leak.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/core/error.hpp"
#include "nlcl/io/bytes.hpp"
#include "nlcl/io/dtype.hpp"

namespace nlcl::detail {

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

}  // namespace nlcl::detail
