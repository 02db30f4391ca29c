// What windows see of a map: put together for a product, or the largest of it.

#pragma once

#include <vector>

#include "functional_stages.h"

namespace {

// Sees to what a stage needs of its windows; `source` is how its input is stored.
void see(Stage& s, const Layer& layer, Code source, size_t pixel_bytes) {
  const Windows& w = s.windows;
  size_t tap_bytes = s.kernel == PLANES  ? size_t(s.source_bits) * s.tap_words() * 8
                     : s.kernel == CODES ? size_t(s.tap_groups()) * 4
                                         : size_t(s.channels) * 4;
  s.window_bytes = (w.taps() * tap_bytes + BYTES - 1) / BYTES * BYTES;
  s.beyond.assign(pixel_bytes, 0);
  int64_t code = (layer.fill - source.base) / source.step;
  for (int c = 0; c < s.channels; ++c) {
    if (s.kernel == PLANES) {
      for (int q = 0; q < s.source_bits; ++q) {
        reinterpret_cast<uint64_t*>(s.beyond.data())[q * s.tap_words() + c / 64] |=
            uint64_t(code >> q & 1) << c % 64;
      }
    } else if (s.kernel == CODES) {
      reinterpret_cast<code_t*>(s.beyond.data())[c] = code_t(code);
    } else {
      reinterpret_cast<int32_t*>(s.beyond.data())[c] = int32_t(code);
    }
  }
}

// The pixel that a window sees at (ky, kx), or null beyond the edges.
const uint8_t* pixel_at(const Windows& w, int window, int ky, int kx, size_t bytes,
                        const uint8_t* map) {
  int y = window / w.out_x * w.stride_y - w.pad_y + ky * w.dilation_y;
  int x = window % w.out_x * w.stride_x - w.pad_x + kx * w.dilation_x;
  bool inside = y >= 0 && y < w.height && x >= 0 && x < w.width;
  return inside ? map + (size_t(y) * w.width + x) * bytes : nullptr;
}

// Puts together what a window of `map` sees, whose pixels have so many bytes.
void gather_window(const Stage& s, int window, const uint8_t* map, size_t bytes, uint8_t* out) {
  const Windows& w = s.windows;
  int tap = 0, words = s.tap_words(), all = s.count_words();
  size_t whole = s.kernel == CODES ? size_t(s.tap_groups()) * 4 : size_t(s.channels) * 4;
  for (int ky = 0; ky < w.kernel_y; ++ky) {
    for (int kx = 0; kx < w.kernel_x; ++kx, ++tap) {
      const uint8_t* pixel = pixel_at(w, window, ky, kx, bytes, map);
      if (!pixel) pixel = s.beyond.data();
      if (s.kernel != PLANES) {
        std::memcpy(out + tap * whole, pixel, whole);
        continue;
      }
      const uint64_t* from = reinterpret_cast<const uint64_t*>(pixel);
      uint64_t* to = reinterpret_cast<uint64_t*>(out) + tap * words;
      for (int q = 0; q < s.source_bits; ++q, from += words, to += all) {
        for (int j = 0; j < words; ++j) to[j] = from[j];
      }
    }
  }
}

template <typename T>
void larger(const uint8_t* pixel, uint8_t* out, size_t bytes) {
  const T* x = reinterpret_cast<const T*>(pixel);
  T* y = reinterpret_cast<T*>(out);
  for (size_t i = 0; i < bytes / sizeof(T); ++i) y[i] = x[i] > y[i] ? x[i] : y[i];
}

// The larger codes of two pixels of bit planes, from the highest plane on.
void larger_planes(const Stage& s, const uint8_t* pixel, uint8_t* out) {
  const uint64_t* x = reinterpret_cast<const uint64_t*>(pixel);
  uint64_t* y = reinterpret_cast<uint64_t*>(out);
  int words = s.tap_words();
  for (int j = 0; j < words; ++j) {
    uint64_t more = 0, less = 0;
    for (int q = s.source_bits - 1; q >= 0; --q) {
      uint64_t a = x[q * words + j], b = y[q * words + j];
      more |= a & ~b & ~less;
      less |= b & ~a & ~more;
    }
    for (int q = 0; q < s.source_bits; ++q) {
      uint64_t a = x[q * words + j], b = y[q * words + j];
      y[q * words + j] = (more & a) | (~more & b);
    }
  }
}

// The largest code of each channel that a window of `map` sees.
void pool_window(const Stage& s, int window, const uint8_t* map, size_t bytes, uint8_t* out) {
  const Windows& w = s.windows;
  bool first = true;
  for (int ky = 0; ky < w.kernel_y; ++ky) {
    for (int kx = 0; kx < w.kernel_x; ++kx) {
      const uint8_t* pixel = pixel_at(w, window, ky, kx, bytes, map);
      if (!pixel) continue;
      if (first) {
        std::memcpy(out, pixel, bytes);
      } else if (s.kernel == PLANES) {
        larger_planes(s, pixel, out);
      } else if (s.kernel == CODES) {
        larger<code_t>(pixel, out, bytes);
      } else {
        larger<int32_t>(pixel, out, bytes);
      }
      first = false;
    }
  }
}

}  // namespace
