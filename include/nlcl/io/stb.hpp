// stb_image and stb_image_write, compiled here and nowhere else. A translation unit that includes this header must not
// include them itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace nlcl::detail {

// The decoder's memory: bounded, so that a small file cannot ask for all there is, and zero, so that a pixel
// which a file leaves out is black and not what lay there before.
inline thread_local std::size_t decoder_limit = 0;  // bytes per allocation

inline void* decoder_allocate(std::size_t size) {
  return size <= decoder_limit ? std::calloc(std::max<std::size_t>(size, 1), 1) : nullptr;
}
inline void* decoder_reallocate(void* block, std::size_t old_size, std::size_t size) {
  void* larger = decoder_allocate(size);
  if (larger && block) std::memcpy(larger, block, std::min(old_size, size));
  if (larger) std::free(block);
  return larger;
}

}  // namespace nlcl::detail

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ASSERT(x) ((void)0)  // a damaged file is an error, not the end of the program
#define STBI_MALLOC(size) nlcl::detail::decoder_allocate(size)
#define STBI_REALLOC_SIZED(block, old_size, size) nlcl::detail::decoder_reallocate(block, old_size, size)
#define STBI_FREE(block) std::free(block)
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
