// A number that tells contents apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace nlcl {

// FNV-1a of 64 bits (Fowler, Noll and Vo); `hash` continues an earlier one. Tells files apart, is no guard
// against forgery.
constexpr std::uint64_t fnv1a(std::span<const std::byte> bytes, std::uint64_t hash = 0xcbf29ce484222325) {
  for (const std::byte b : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  return hash;
}

}  // namespace nlcl
