// One layer: how its weights and thresholds are packed, and how it makes codes of codes.
//
// A value is base + step * code. Three ways to multiply:
//   PLANES  popcounts of bit planes: the fewest instructions where weights and codes are narrow
//   CODES   dot products of bytes (or of 16-bit integers, where the CPU has none of bytes)
//   WIDE    32-bit multiplication, for all else
// Sums are taken modulo 2**32; the caller has seen to it that the true ones fit.
//
// A layer takes a feature map and makes one, whose pixels lie one behind the other, each stored as
// if it were a frame; where there is no map it has one pixel. What a window sees is put together
// (gather), pixel behind pixel, and multiplied as one long column.

#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "functional_vectors.h"

namespace {

int blocks_of(int64_t rows) { return int((rows + LANES - 1) / LANES); }
int words_of(int64_t bits) { return int((bits + 63) / 64); }
int bits_of(int64_t largest) { return largest ? 64 - __builtin_clzll(largest) : 1; }

int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

int32_t clamp(int64_t v) {
  return int32_t(std::min<int64_t>(std::max<int64_t>(v, INT32_MIN), INT32_MAX));
}

enum Kernel { NONE, PLANES, CODES, WIDE };

// Windows over a map, all in pixels.
struct Windows {
  int32_t height, width, kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, pad_y,
      pad_x, out_y, out_x;

  int taken() const { return height * width; }
  int made() const { return out_y * out_x; }
  int taps() const { return kernel_y * kernel_x; }
  // Whether each window is the pixel below it.
  bool plain() const {
    return taps() == 1 && stride_y == 1 && stride_x == 1 && out_y == height && out_x == width;
  }
};

// How a tensor is stored: value = base + step * code. `largest` is -1 for codes of 32 bits.
struct Code {
  int64_t base, step, largest;
};

struct Stage {
  Kernel kernel = NONE;      // how it multiplies, and so how its input is stored
  bool pool = false;         // the largest of what a window sees, stored like its input
  Windows windows = {};
  int channels = 0;          // of a pixel of its input
  int rows = 0, columns = 0, blocks = 0;
  int planes = 0;            // bit planes of its weights
  bool bipolar = false;      // one plane of -1 and +1
  bool negative_top = false;  // the highest plane counts negative
  int source_bits = 0;       // bit planes of its input
  std::vector<words> bits;   // PLANES: [block][plane][word][2]
  std::vector<ints> weights;  // CODES: [block][group]; WIDE: [block][column]
  int64_t step = 1;          // a row's sum is offset[row] + step * total[row]
  std::vector<ints> offset;
  int levels = 0, search = 0;
  std::vector<ints> thresholds;  // of totals, [level][block]
  std::vector<int32_t> ladder;     // where there are many: [row][2**search - 1], for a binary search
  std::vector<uint8_t> byte_thresholds, byte_reachable;  // of a first stage that takes pixels
  Code code = {0, 1, -1};    // of its output
  // As the next stage wants them:
  Kernel target = WIDE;
  int target_bits = 0, target_words = 0;
  size_t target_bytes = 0;   // a pixel
  std::vector<uint8_t> beyond;  // a pixel beyond the edges of its input
  size_t window_bytes = 0;      // what a window sees

  int tap_words() const { return words_of(channels); }
  int tap_groups() const { return (channels + GROUP - 1) / GROUP; }
  // Where a column's word, or group of codes, stands among those of a window.
  int word_of(int c) const { return c / channels * tap_words() + c % channels / 64; }
  int group_of(int c) const { return c / channels * tap_groups() + c % channels / GROUP; }
  int count_words() const { return windows.taps() * tap_words(); }
  int count_groups() const { return windows.taps() * tap_groups(); }
};

// A layer as arithmetic.py describes it. `weights` (rows, columns) and `thresholds` (rows, levels)
// may be null; an output is base + step * how many thresholds are reached. `fill` stands beyond the
// edges of its map, but for those of a pool.
struct Layer {
  const int32_t *weights, *thresholds;
  int32_t rows, columns, levels, base, step, fill, pool;
  Windows windows;
};

constexpr int MAX_PLANE_PAIRS = 4;  // up to here popcounts are fewer than dot products
constexpr int MAX_COMPARED = 32;    // up to here comparing with all thresholds beats a search

void pack_planes(Stage& s, const int32_t* w) {
  int count = s.count_words();
  s.bits.assign(size_t(s.blocks) * s.planes * count * 2, words{});
  for (int r = 0; r < s.rows; ++r) {
    for (int p = 0; p < s.planes; ++p) {
      size_t at = (size_t(r / LANES) * s.planes + p) * count * LANES + r % LANES;
      uint64_t* target = reinterpret_cast<uint64_t*>(s.bits.data()) + at;
      for (int c = 0; c < s.columns; ++c) {
        int32_t v = w[size_t(r) * s.columns + c];
        // Of bipolar weights the complement, so that the bits that differ are the ones that agree.
        uint64_t bit = s.bipolar ? v < 0 : v >> p & 1;
        target[size_t(s.word_of(c)) * LANES] |= bit << c % s.channels % 64;
      }
    }
  }
}

void pack_codes(Stage& s, const int32_t* w) {
  int groups = s.count_groups();
  s.weights.assign(size_t(s.blocks) * groups, ints{});
  for (int r = 0; r < s.rows; ++r) {
    for (int c = 0; c < s.columns; ++c) {
      ints& target = s.weights[size_t(r / LANES) * groups + s.group_of(c)];
      typedef std::conditional_t<GROUP == 4, int8_t, int16_t> weight_t;
      reinterpret_cast<weight_t*>(&target)[r % LANES * GROUP + c % s.channels % GROUP] =
          weight_t(w[size_t(r) * s.columns + c]);
    }
  }
}

void pack_wide(Stage& s, const int32_t* w) {
  s.weights.assign(size_t(s.blocks) * s.columns, ints{});
  for (int r = 0; r < s.rows; ++r) {
    for (int c = 0; c < s.columns; ++c) {
      s.weights[size_t(r / LANES) * s.columns + c][r % LANES] = w[size_t(r) * s.columns + c];
    }
  }
}

// Chooses how to multiply and packs the weights; `source` is how the input is stored.
void multiply(Stage& s, const Layer& layer, Code source) {
  size_t size = size_t(s.rows) * s.columns;
  const int32_t* w = layer.weights;
  int32_t low = *std::min_element(w, w + size), high = *std::max_element(w, w + size);
  s.bipolar = low >= -1 && high <= 1 && std::find(w, w + size, 0) == w + size;
  s.negative_top = low < 0 && !s.bipolar;
  s.planes = 1;
  if (!s.bipolar) s.planes = bits_of(std::max(high, -(low + 1))) + s.negative_top;
  s.source_bits = source.largest < 0 ? 32 : bits_of(source.largest);
  bool narrow = source.largest >= 0 && source.largest <= 255;
  bool fit = GROUP == 4 ? low >= -128 && high <= 127 : low >= -32768 && high <= 32767;
  if (narrow && s.planes * s.source_bits <= MAX_PLANE_PAIRS) {
    s.kernel = PLANES;
    pack_planes(s, w);
  } else if (narrow && fit) {
    s.kernel = CODES;
    pack_codes(s, w);
  } else {
    s.kernel = WIDE;
    pack_wide(s, w);
  }
  s.step = source.step;
  s.offset.assign(s.blocks, ints{});
  for (int r = 0; r < s.rows; ++r) {
    int64_t sum = 0;
    for (int c = 0; c < s.columns; ++c) sum += w[size_t(r) * s.columns + c];
    int64_t offset = source.base * sum;
    // A plane's sum of -1 and +1 is: bits that agree - columns + weights of +1.
    if (s.kernel == PLANES && s.bipolar) {
      offset += s.step * ((sum - s.columns) / 2) * ((int64_t(1) << s.source_bits) - 1);
    }
    s.offset[r / LANES][r % LANES] = int32_t(offset);
  }
}

// Thresholds of values to thresholds of totals: offset + step * total >= t.
void compare(Stage& s, const Layer& layer) {
  s.levels = layer.levels;
  auto folded = [&](int r, int level) {
    int64_t t = layer.thresholds[size_t(r) * layer.levels + level];
    return clamp(ceil_div(t - s.offset[r / LANES][r % LANES], s.step));
  };
  ints never = all<ints>(INT32_MAX);  // what the rows that only fill a vector compare with
  if (s.levels <= MAX_COMPARED) {
    s.thresholds.assign(size_t(s.levels) * s.blocks, never);
    for (int level = 0; level < s.levels; ++level) {
      for (int r = 0; r < s.rows; ++r) {
        s.thresholds[size_t(level) * s.blocks + r / LANES][r % LANES] = folded(r, level);
      }
    }
    return;
  }
  s.search = bits_of(s.levels);
  size_t rungs = (size_t(1) << s.search) - 1;
  s.ladder.assign(rungs * s.blocks * LANES, INT32_MAX);
  for (int r = 0; r < s.rows; ++r) {
    for (int level = 0; level < s.levels; ++level) s.ladder[r * rungs + level] = folded(r, level);
  }
}

// Writes the codes of a block of rows as the next stage wants them.
void emit(const Stage& s, int block, ints codes, uint8_t* out) {
  if (s.target == PLANES) {
    for (int bit = 0; bit < s.target_bits; ++bit) {
      ints mask = all<ints>(1 << bit);
      reinterpret_cast<mask_t*>(out)[bit * s.target_words * (64 / LANES) + block] =
          at_least(codes & mask, mask);
    }
  } else if (s.target == CODES) {
    narrow_codes narrow = __builtin_convertvector(codes, narrow_codes);
    std::memcpy(out + sizeof narrow * block, &narrow, sizeof narrow);
  } else {
    std::memcpy(out + sizeof codes * block, &codes, sizeof codes);
  }
}

// The same for a vector of byte codes, the first of them `at`.
void emit(const Stage& s, size_t at, bytes codes, uint8_t* out) {
  if (s.target == PLANES) {
    for (int bit = 0; bit < s.target_bits; ++bit) {
      bytes mask = all<bytes>(uint8_t(1 << bit));
      reinterpret_cast<byte_mask_t*>(out)[bit * s.target_words * (64 / BYTES) + at / BYTES] =
          at_least(codes & mask, mask);
    }
  } else {
    code_t narrow[BYTES];
    std::copy_n(reinterpret_cast<const uint8_t*>(&codes), BYTES, narrow);
    std::memcpy(out + at * sizeof(code_t), narrow, sizeof narrow);
  }
}

// Of a block of rows: totals to codes, or to sums where there are no thresholds.
void finish(const Stage& s, int block, ints totals, uint8_t* out) {
  if (s.levels == 0) {
    ints sums = (ints)((unsigned_ints)totals * uint32_t(s.step) + (unsigned_ints)s.offset[block]);
    emit(s, block, sums, out);
  } else if (s.levels == 1 && s.target == PLANES) {
    reinterpret_cast<mask_t*>(out)[block] = at_least(totals, s.thresholds[block]);
  } else if (s.search == 0) {
    ints codes = {};
    for (int level = 0; level < s.levels; ++level) {
      codes -= totals >= s.thresholds[size_t(level) * s.blocks + block];
    }
    emit(s, block, codes, out);
  } else {
    ints lane;
    for (int i = 0; i < LANES; ++i) lane[i] = i;
    int32_t rungs = (1 << s.search) - 1;
    const int32_t* ladder = s.ladder.data() + size_t(block) * LANES * rungs;
    ints codes = {};
    for (int half = 1 << (s.search - 1); half; half >>= 1) {
      ints reached = totals >= gather(ladder, lane * rungs + codes + (half - 1));
      codes += reached & half;
    }
    emit(s, block, codes, out);
  }
}

template <int N, bool BIPOLAR>
void sum_planes(const Stage& s, int block, const uint8_t* in, size_t stride, ints* totals) {
  int count = s.count_words();
  const words* weights = s.bits.data() + size_t(block) * s.planes * count * 2;
  words sums[N][2] = {};
  for (int p = 0; p < s.planes; ++p, weights += count * 2) {
    for (int q = 0; q < s.source_bits; ++q) {
      words counts[N][2] = {};
      for (int j = 0; j < count; ++j) {
        for (int f = 0; f < N; ++f) {
          uint64_t x = reinterpret_cast<const uint64_t*>(in + f * stride)[q * count + j];
          for (int half = 0; half < 2; ++half) {
            words w = weights[2 * j + half];
            counts[f][half] += popcount(BIPOLAR ? w ^ x : w & x);
          }
        }
      }
      bool negative = s.negative_top && p == s.planes - 1;
      for (int f = 0; f < N; ++f) {
        for (int half = 0; half < 2; ++half) {
          words weighed = counts[f][half] << (p + q);
          sums[f][half] += negative ? -weighed : weighed;
        }
      }
    }
  }
  for (int f = 0; f < N; ++f) {
    half_ints low = __builtin_convertvector((signed_words)sums[f][0], half_ints);
    half_ints high = __builtin_convertvector((signed_words)sums[f][1], half_ints);
    std::memcpy(&totals[f], &low, sizeof low);
    std::memcpy(reinterpret_cast<char*>(&totals[f]) + sizeof low, &high, sizeof high);
  }
}

template <int N>
void sum_codes(const Stage& s, int block, const uint8_t* in, size_t stride, ints* totals) {
  int groups = s.count_groups();
  const ints* weights = s.weights.data() + size_t(block) * groups;
  ints sums[N] = {};
  for (int j = 0; j < groups; ++j) {
    for (int f = 0; f < N; ++f) {
      int32_t group;
      std::memcpy(&group, in + f * stride + 4 * j, 4);
      sums[f] = dot(sums[f], group, weights[j]);
    }
  }
  std::copy(sums, sums + N, totals);
}

template <int N>
void sum_wide(const Stage& s, int block, const uint8_t* in, size_t stride, ints* totals) {
  const ints* weights = s.weights.data() + size_t(block) * s.columns;
  unsigned_ints sums[N] = {};
  for (int j = 0; j < s.columns; ++j) {
    for (int f = 0; f < N; ++f) {
      sums[f] += (unsigned_ints)weights[j] * reinterpret_cast<const uint32_t*>(in + f * stride)[j];
    }
  }
  for (int f = 0; f < N; ++f) totals[f] = (ints)sums[f];
}

template <int N>
void sum(const Stage& s, int block, const uint8_t* in, size_t stride, ints* totals) {
  if (s.kernel == PLANES && s.bipolar) {
    sum_planes<N, true>(s, block, in, stride, totals);
  } else if (s.kernel == PLANES) {
    sum_planes<N, false>(s, block, in, stride, totals);
  } else if (s.kernel == CODES) {
    sum_codes<N>(s, block, in, stride, totals);
  } else if (s.kernel == WIDE) {
    sum_wide<N>(s, block, in, stride, totals);
  } else {
    for (int f = 0; f < N; ++f) {
      std::memcpy(&totals[f], in + f * stride + sizeof(ints) * block, sizeof(ints));
    }
  }
}

}  // namespace
