#pragma once

namespace nlcl {

inline constexpr const char* version = "0.1.0";

}  // namespace nlcl
