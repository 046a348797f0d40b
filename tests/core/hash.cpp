#include "nlcl/core/hash.hpp"

#include <catch2/catch.hpp>
#include <span>
#include <string_view>

using namespace nlcl;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

TEST_CASE("FNV-1a has its published values", "[hash]") {
  CHECK(fnv1a(bytes_of("")) == 0xcbf29ce484222325);
  CHECK(fnv1a(bytes_of("a")) == 0xaf63dc4c8601ec8c);
  CHECK(fnv1a(bytes_of("foobar")) == 0x85944171f73967e8);
  CHECK(fnv1a(bytes_of("bar"), fnv1a(bytes_of("foo"))) == 0x85944171f73967e8);
}
