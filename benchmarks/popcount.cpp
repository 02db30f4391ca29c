// How fast this machine's popcount is, whatever it is used for: 1024 x 1024 XNOR-popcounts on data
// in the cache, with the vectors of the functional device and nothing else around them.

#include <algorithm>
#include <chrono>
#include <vector>

#include "functional_vectors.h"

constexpr int ROWS = 1024, WORDS = 1024 / 64, BATCH = 16;

// Binary operations a second, a product and an addition counted as two; runs for `seconds`.
extern "C" __attribute__((visibility("default"))) double popcount_bound(double seconds) {
  std::vector<words> weights(ROWS / (LANES / 2) * WORDS);
  std::vector<uint64_t> x(BATCH * WORDS);
  uint64_t random = 1;
  for (uint64_t& v : x) v = random = random * 6364136223846793005u + 1442695040888963407u;
  for (words& v : weights) v = words{} + (random *= 6364136223846793005u);
  words sums[BATCH] = {};
  double operations = 0, took = 0;
  auto start = std::chrono::steady_clock::now();
  while (took < seconds) {
    for (int repeat = 0; repeat < 100; ++repeat) {
      for (size_t block = 0; block < weights.size(); block += WORDS) {
        words held[WORDS];  // in registers
        std::copy_n(weights.data() + block, WORDS, held);
        for (int f = 0; f < BATCH; ++f) {
          words even = {}, odd = {};
          for (int j = 0; j < WORDS; j += 2) {
            even += popcount(held[j] ^ x[f * WORDS + j]);
            odd += popcount(held[j + 1] ^ x[f * WORDS + j + 1]);
          }
          sums[f] += even + odd;
        }
      }
      asm volatile("" : "+m"(sums), "+m"(*x.data()));  // each time anew
    }
    operations += 100. * 2 * ROWS * 1024 * BATCH;
    took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return operations / took;
}
