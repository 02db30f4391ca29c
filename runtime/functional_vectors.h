// Vectors of rows side by side, and the few operations on them that have instructions of their own.
//
// All else is written with the compiler's vector types, which become what the CPU has.

#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace {

#ifdef __AVX512F__
constexpr int BYTES = 64;  // of a vector
#else
constexpr int BYTES = 32;
#endif
constexpr int LANES = BYTES / 4;  // rows in a vector
constexpr int FRAMES = 4;         // frames that share one load of weights

typedef int32_t ints __attribute__((vector_size(BYTES)));
typedef uint32_t unsigned_ints __attribute__((vector_size(BYTES)));
typedef int32_t half_ints __attribute__((vector_size(BYTES / 2)));
typedef uint64_t words __attribute__((vector_size(BYTES)));  // of half the rows
typedef int64_t signed_words __attribute__((vector_size(BYTES)));
typedef uint8_t bytes __attribute__((vector_size(BYTES)));
typedef int16_t shorts __attribute__((vector_size(BYTES)));
typedef std::conditional_t<LANES == 16, uint16_t, uint8_t> mask_t;  // a bit a row
typedef std::conditional_t<BYTES == 64, uint64_t, uint32_t> byte_mask_t;

#ifdef __AVX512VNNI__
typedef uint8_t code_t;
#else
typedef uint16_t code_t;
#endif
constexpr int GROUP = 4 / sizeof(code_t);  // columns that one dot product takes
typedef code_t narrow_codes __attribute__((vector_size(LANES * sizeof(code_t))));

// A vector of this value in each lane.
template <typename V, typename T>
V all(T value) {
  return V{} + value;
}

words popcount(words v) {
#if defined(__AVX512VPOPCNTDQ__)
  return (words)_mm512_popcnt_epi64((__m512i)v);
#elif defined(__AVX512BW__)
  const __m512i table = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m512i low = _mm512_set1_epi8(15);
  __m512i lows = _mm512_shuffle_epi8(table, (__m512i)v & low);
  __m512i highs = _mm512_shuffle_epi8(table, _mm512_srli_epi16((__m512i)v, 4) & low);
  return (words)_mm512_sad_epu8(_mm512_add_epi8(lows, highs), _mm512_setzero_si512());
#elif defined(__AVX2__)
  const __m256i table = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i low = _mm256_set1_epi8(15);
  __m256i lows = _mm256_shuffle_epi8(table, (__m256i)v & low);
  __m256i highs = _mm256_shuffle_epi8(table, _mm256_srli_epi16((__m256i)v, 4) & low);
  return (words)_mm256_sad_epu8(_mm256_add_epi8(lows, highs), _mm256_setzero_si256());
#else
  for (int i = 0; i < LANES / 2; ++i) v[i] = __builtin_popcountll(v[i]);
  return v;
#endif
}

// sum[row] += the GROUP codes in `group` times the row's weights.
ints dot(ints sum, int32_t group, ints weights) {
#if defined(__AVX512VNNI__)
  return (ints)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(group), (__m512i)weights);
#elif defined(__AVX512BW__)
  return sum + (ints)_mm512_madd_epi16(_mm512_set1_epi32(group), (__m512i)weights);
#elif defined(__AVX2__)
  return sum + (ints)_mm256_madd_epi16(_mm256_set1_epi32(group), (__m256i)weights);
#else
  shorts pairs = (shorts)weights;
  int32_t first = group & 0xFFFF, second = group >> 16;
  for (int i = 0; i < LANES; ++i) sum[i] += first * pairs[2 * i] + second * pairs[2 * i + 1];
  return sum;
#endif
}

ints gather(const int32_t* from, ints index) {
#if defined(__AVX512F__)
  return (ints)_mm512_i32gather_epi32((__m512i)index, from, 4);
#elif defined(__AVX2__)
  return (ints)_mm256_i32gather_epi32(from, (__m256i)index, 4);
#else
  ints found;
  for (int i = 0; i < LANES; ++i) found[i] = from[index[i]];
  return found;
#endif
}

// Bit i says whether a[i] >= b[i].
mask_t at_least(ints a, ints b) {
#if defined(__AVX512F__)
  return _mm512_cmpge_epi32_mask((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)(a >= b));
#else
  mask_t bits = 0;
  for (int i = 0; i < LANES; ++i) bits |= (a[i] >= b[i]) << i;
  return bits;
#endif
}

// The same for bytes.
byte_mask_t at_least(bytes a, bytes b) {
#if defined(__AVX512BW__)
  return _mm512_cmpge_epu8_mask((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && !defined(__AVX512F__)
  return _mm256_movemask_epi8((__m256i)(a >= b));
#else
  byte_mask_t bits = 0;
  for (int i = 0; i < BYTES; ++i) bits |= byte_mask_t(a[i] >= b[i]) << i;
  return bits;
#endif
}

}  // namespace
