// Integer networks on a CPU, exactly: what the functional device runs frames through.
//
// A network is a chain of layers, each a matrix, or thresholds, or both. Between layers stand codes:
// the code of a value is the number of thresholds that it reached, so that an activation of any
// encoding is an unsigned number of 1 to 8 bits. What its least value and its step add to a sum is
// known beforehand and moved into the thresholds.
//
// Rows stand side by side in a vector and each column is broadcast to them, so that no sum
// is ever taken across a vector.

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include "functional_windows.h"

namespace {

constexpr int TILE = 32;  // pixels that pass a layer together: their codes stay in the cache

class Network {
 public:
  Network(const Layer* layers, int count, Code input, int32_t least, int32_t most, bool argmax)
      : input_(input),
        least_(least),
        most_(most),
        signs_(input.step == 2),
        argmax_(argmax),
        pixels_in_(layers[0].windows.taken()),
        features_(layers[0].columns / layers[0].windows.taps()) {
    Code source = input;
    for (int i = 0; i < count; ++i) {
      Stage s;
      s.windows = layers[i].windows;
      s.rows = layers[i].rows;
      s.columns = layers[i].columns;
      s.channels = s.columns / s.windows.taps();
      s.blocks = blocks_of(s.rows);
      s.pool = layers[i].pool;
      if (s.pool) {
        s.code = source;
      } else if (layers[i].weights) {
        multiply(s, layers[i], source);
      } else {
        s.step = source.step;
        s.offset.assign(s.blocks, all<ints>(int32_t(source.base)));
      }
      if (layers[i].thresholds) {
        compare(s, layers[i]);
        s.code = {layers[i].base, layers[i].step, s.levels};
      }
      macs_ += (layers[i].weights ? int64_t(s.rows) * s.columns : s.rows) * s.windows.made();
      maps_ = maps_ || s.windows.made() > 1 || s.windows.taken() > 1;
      source = s.code;
      stages_.push_back(std::move(s));
    }
    // A pool's input is stored as what follows wants its output.
    for (int i = count - 2; i >= 0; --i) {
      if (stages_[i].pool) {
        stages_[i].kernel = stages_[i + 1].kernel;
        stages_[i].source_bits = stages_[i + 1].source_bits;
      }
    }
    // What the first layer takes is made by a stage of no layer's.
    entry_.blocks = blocks_of(features_);
    store_for(entry_, stages_[0], features_);
    for (int i = 0; i < count; ++i) {
      Stage end;  // whose input is plain 32-bit integers
      store_for(stages_[i], i + 1 < count ? stages_[i + 1] : end, stages_[i].rows);
    }
    source = input;
    for (int i = 0; i < count; ++i) {
      see(stages_[i], layers[i], source, i ? stages_[i - 1].target_bytes : entry_.target_bytes);
      source = stages_[i].code;
    }
    const Stage& first = stages_[0];
    pixels_ = input.base == 0 && input.largest == 255 && first.kernel == NONE && !first.pool &&
              !first.search && first.target != WIDE;
    if (pixels_) take_pixels(stages_[0]);
  }

  // The index of the first frame with an integer outside the input's encoding, or -1.
  template <typename T>
  int64_t run(const T* x, int64_t frames, int64_t* out, int threads) const {
    // A thread is worth its start from a few hundred microseconds of work on.
    int64_t worth = std::max<int64_t>(1, frames * macs_ / (1 << 27));
    const int64_t tile = this->tile();
    int64_t tiles = (frames + tile - 1) / tile;
    threads = int(std::min<int64_t>({threads, worth, tiles}));
    if (threads <= 1) return part(x, 0, frames, out);
    std::vector<int64_t> bad(threads, -1);
    std::vector<std::thread> others;
    auto work = [&](int i) {
      bad[i] = part(x, tiles * i / threads * tile,
                    std::min(tiles * (i + 1) / threads * tile, frames), out);
    };
    for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (std::thread& other : others) other.join();
    for (int64_t frame : bad) {
      if (frame >= 0) return frame;
    }
    return -1;
  }

 private:
  // Frames that pass together: one where they are maps, whose pixels are many already.
  int tile() const { return maps_ ? 1 : TILE; }

  // How `next` wants what `s` writes: `size` codes a frame.
  static void store_for(Stage& s, const Stage& next, int size) {
    s.target = next.kernel == NONE ? WIDE : next.kernel;
    s.target_words = words_of(size);
    s.target_bits = next.source_bits;
    size_t lanes = size_t(s.target_words) * 64;  // whole vectors of any kind
    if (s.target == PLANES) s.target_bytes = size_t(s.target_bits) * s.target_words * 8;
    if (s.target == CODES) s.target_bytes = lanes * sizeof(code_t);
    if (s.target == WIDE) s.target_bytes = lanes * 4;
    s.target_bytes = (s.target_bytes + BYTES - 1) / BYTES * BYTES;  // frames are aligned
  }

  // Thresholds as bytes, so that pixels need not become 32-bit integers first. Thresholds ascend:
  // those above 255 are cut off by how many of a row's can be reached at all.
  static void take_pixels(Stage& s) {
    size_t padded = size_t(words_of(s.rows)) * 64;
    s.byte_thresholds.assign(s.levels * padded, 0);
    s.byte_reachable.assign(padded, 0);
    for (int r = 0; r < s.rows; ++r) {
      for (int level = 0; level < s.levels; ++level) {
        int32_t t = s.thresholds[size_t(level) * s.blocks + r / LANES][r % LANES];
        s.byte_thresholds[level * padded + r] = uint8_t(std::min(std::max(t, 0), 255));
        s.byte_reachable[r] += t <= 255;
      }
    }
  }

  template <typename T>
  int64_t part(const T* x, int64_t from, int64_t to, int64_t* out) const {
    size_t largest = entry_.target_bytes * pixels_in_, window = 0;
    for (const Stage& s : stages_) {
      largest = std::max(largest, s.target_bytes * s.windows.made());
      window = std::max(window, s.window_bytes);
    }
    size_t vectors = largest / sizeof(words) * std::min<int64_t>(tile(), to - from);
    // Kept from call to call: a single frame takes less time than this memory.
    static thread_local std::vector<words> buffers[2], seen;
    for (auto& buffer : buffers) {
      if (buffer.size() < vectors) buffer.resize(vectors);
    }
    if (maps_ && seen.size() < window / sizeof(words) * TILE) {
      seen.resize(window / sizeof(words) * TILE);
    }
    const int pixels_out = stages_.back().windows.made();
    uint8_t* ends[2];
    for (int64_t at = from; at < to; at += tile()) {
      int frames = int(std::min<int64_t>(tile(), to - at));
      const T* here = x + at * pixels_in_ * features_;
      for (int i = 0; i < 2; ++i) ends[i] = reinterpret_cast<uint8_t*>(buffers[i].data());
      size_t first = 0;
      if (pixels_ && std::is_same_v<T, uint8_t>) {
        threshold_pixels(reinterpret_cast<const uint8_t*>(here), frames * pixels_in_, ends[0]);
        first = 1;
      } else {
        int64_t bad = enter(here, frames * pixels_in_, ends[0]);
        if (bad >= 0) return at + bad / pixels_in_;
      }
      for (size_t i = first; i < stages_.size(); ++i) {
        const Stage& s = stages_[i];
        size_t stride = i ? stages_[i - 1].target_bytes : entry_.target_bytes;
        if (s.windows.plain() && !s.pool) {
          pass(s, stride, ends[0], ends[1], frames * s.windows.made());
        } else {
          slide(s, stride, ends[0], ends[1], frames, reinterpret_cast<uint8_t*>(seen.data()));
        }
        std::swap(ends[0], ends[1]);
      }
      leave(ends[0], frames * pixels_out, out + at * (argmax_ ? 1 : pixels_out * stages_.back().rows));
    }
    return -1;
  }

  // A layer whose windows see more than the pixel below them, some windows at a time.
  void slide(const Stage& s, size_t stride, const uint8_t* in, uint8_t* out, int frames,
             uint8_t* seen) const {
    int windows = s.windows.made();
    for (int f = 0; f < frames; ++f, in += stride * s.windows.taken()) {
      for (int from = 0; from < windows; from += TILE) {
        int count = std::min(TILE, windows - from);
        for (int i = 0; i < count; ++i) {
          if (s.pool) {
            pool_window(s, from + i, in, stride, out + i * s.target_bytes);
          } else {
            gather_window(s, from + i, in, stride, seen + i * s.window_bytes);
          }
        }
        if (!s.pool) pass(s, s.window_bytes, seen, out, count);
        out += count * s.target_bytes;
      }
    }
  }

  void threshold_pixels(const uint8_t* x, int frames, uint8_t* out) const {
    const Stage& s = stages_[0];
    size_t padded = s.byte_reachable.size();
    for (int f = 0; f < frames; ++f, x += features_, out += s.target_bytes) {
      for (size_t at = 0; at < padded; at += BYTES) {
        bytes pixels = {}, codes = {}, threshold, reachable;
        __builtin_prefetch(x + at + size_t(TILE) * features_);  // the next tile's
        if (at + BYTES <= size_t(features_)) {  // a copy of known size is one instruction
          std::memcpy(&pixels, x + at, BYTES);
        } else if (at < size_t(features_)) {
          std::memcpy(&pixels, x + at, features_ - at);
        }
        for (int level = 0; level < s.levels; ++level) {
          std::memcpy(&threshold, s.byte_thresholds.data() + level * padded + at, BYTES);
          codes -= (bytes)(pixels >= threshold);
        }
        std::memcpy(&reachable, s.byte_reachable.data() + at, BYTES);
        codes = codes < reachable ? codes : reachable;
        emit(s, at, codes, out);
      }
    }
  }

  // Integers to codes; the first frame that the encoding does not hold, or -1.
  template <typename T>
  int64_t enter(const T* x, int frames, uint8_t* out) const {
    typedef T vector_t __attribute__((vector_size(LANES * sizeof(T))));
    const vector_t least = all<vector_t>(within<T>(least_)), most = all<vector_t>(within<T>(most_));
    for (int f = 0; f < frames; ++f, x += features_, out += entry_.target_bytes) {
      if (entry_.target == PLANES) clear_last_words(entry_, out);
      auto bad = least < least;
      for (int block = 0; block < entry_.blocks; ++block) {
        vector_t values = all<vector_t>(T(input_.base));
        size_t size = std::min(LANES, features_ - block * LANES) * sizeof(T);
        if (size == sizeof values) {  // a copy of known size is one instruction
          std::memcpy(&values, x + block * LANES, sizeof values);
        } else {
          std::memcpy(&values, x + block * LANES, size);
        }
        bad |= (values < least) | (values > most);
        if (signs_) bad |= values == 0;
        ints codes = __builtin_convertvector(values, ints) - int32_t(input_.base);
        emit(entry_, block, codes >> int(signs_), out);
      }
      for (int i = 0; i < LANES; ++i) {
        if (bad[i]) return f;
      }
    }
    return -1;
  }

  template <typename T>
  static T within(int64_t limit) {
    if (sizeof(T) == 8) return std::is_signed_v<T> || limit > 0 ? limit : 0;
    return T(std::min<int64_t>(std::max<int64_t>(limit, std::numeric_limits<T>::min()),
                               std::numeric_limits<T>::max()));
  }

  static void clear_last_words(const Stage& s, uint8_t* out) {
    for (int bit = 0; bit < s.target_bits; ++bit) {
      reinterpret_cast<uint64_t*>(out)[bit * s.target_words + s.target_words - 1] = 0;
    }
  }

  void pass(const Stage& s, size_t stride, const uint8_t* in, uint8_t* out, int frames) const {
    if (s.target == PLANES) {
      for (int f = 0; f < frames; ++f) clear_last_words(s, out + f * s.target_bytes);
    }
    for (int block = 0; block < s.blocks; ++block) {
      ints totals[FRAMES];
      int f = 0;
      for (; f + FRAMES <= frames; f += FRAMES) {
        sum<FRAMES>(s, block, in + f * stride, stride, totals);
        for (int k = 0; k < FRAMES; ++k) finish(s, block, totals[k], out + (f + k) * s.target_bytes);
      }
      for (; f < frames; ++f) {
        sum<1>(s, block, in + f * stride, stride, totals);
        finish(s, block, totals[0], out + f * s.target_bytes);
      }
    }
  }

  void leave(const uint8_t* in, int frames, int64_t* out) const {
    const Stage& s = stages_.back();
    for (int f = 0; f < frames; ++f, in += s.target_bytes) {
      const int32_t* codes = reinterpret_cast<const int32_t*>(in);
      if (argmax_) {
        *out++ = std::max_element(codes, codes + s.rows) - codes;
      } else {
        for (int r = 0; r < s.rows; ++r) *out++ = s.code.base + s.code.step * codes[r];
      }
    }
  }

  Code input_;
  int64_t least_, most_;  // what the input's encoding holds
  bool signs_;            // the input is -1 and +1
  bool pixels_ = false;   // the first layer compares bytes
  bool argmax_;           // the output is the index of the first largest
  bool maps_ = false;     // some value has more than one pixel
  int pixels_in_;
  int features_;          // of a pixel
  int64_t macs_ = 0;
  Stage entry_;
  std::vector<Stage> stages_;
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// The input's values are base + step * code, codes up to `largest`, or -1 where a code is the 32-bit
// value itself; `least` to `most` are allowed.
EXPORT Network* bitfold_network(const Layer* layers, int32_t count, int32_t base, int32_t step,
                                int32_t largest, int32_t least, int32_t most, int32_t argmax) {
  return new Network(layers, count, {base, step, largest}, least, most, argmax);
}
EXPORT void bitfold_free(Network* network) { delete network; }

// `x`: frames of integers of `type` ('b', 'B', 'h', 'H', 'i', 'I', 'l' or 'L', 64 bits the last two).
// Gives the first frame outside the input's encoding, or -1, or -2 for another type.
EXPORT int64_t bitfold_run(const Network* network, const void* x, char type, int64_t frames,
                           int64_t* out, int32_t threads) {
  auto run = [&](auto* typed) { return network->run(typed, frames, out, threads); };
  switch (type) {
    case 'b': return run(static_cast<const int8_t*>(x));
    case 'B': return run(static_cast<const uint8_t*>(x));
    case 'h': return run(static_cast<const int16_t*>(x));
    case 'H': return run(static_cast<const uint16_t*>(x));
    case 'i': return run(static_cast<const int32_t*>(x));
    case 'I': return run(static_cast<const uint32_t*>(x));
    case 'l': return run(static_cast<const int64_t*>(x));
    case 'L': return run(static_cast<const uint64_t*>(x));
  }
  return -2;
}
