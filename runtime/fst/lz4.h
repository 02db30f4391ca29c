// What Verilator's FST writer wants of LZ4, where a machine need not have LZ4's headers: blocks
// that are whole, and hold all as literals.
//
// An LZ4 block is a token with the number of literals in its upper half, where 15 says that bytes
// follow which are added, up to one that is not 255; then come the literals.

#pragma once

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 2; }

inline int LZ4_compress_default(const char* source, char* target, int size, int) {
  char* end = target;
  if (size < 15) {
    *end++ = static_cast<char>(size << 4);
  } else {
    *end++ = static_cast<char>(0xF0);
    int more = size - 15;
    for (; more >= 255; more -= 255) *end++ = static_cast<char>(0xFF);
    *end++ = static_cast<char>(more);
  }
  std::memcpy(end, source, size);
  return static_cast<int>(end - target) + size;
}
