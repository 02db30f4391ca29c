// Drives a Verilated overlay from Python: the clock, the register port, and a memory on the master
// port. The same for every overlay, since all have the same ports.
//
// The memory takes an address a cycle, answers a read burst LATENCY cycles after its address with a
// beat a cycle, takes a beat of write data a cycle and answers a write LATENCY cycles after its last
// beat. Each of its five channels can be made to hesitate at random, or never to move at all.
// Outside of its bytes it answers with a decode error, as an interconnect does.
//
// What Verilator's runtime warns of, such as a memory image that is missing or too short, and what it
// would end the process for, such as an image that is none, ends the overlay: it has failed, and does
// not go on.

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>

#include "Vbitfold_top.h"
#include "verilated.h"
#ifdef BITFOLD_OBSERVED
#include "observer.h"
#endif

namespace {

struct Ended {};

// What the runtime said last, on this thread.
thread_local std::string said;

}  // namespace

void vl_warn(const char* file, int, const char*, const char* message) {
  said = std::string(file) + ": " + message;
}

void vl_fatal(const char* file, int line, const char* hierarchy, const char* message) {
  vl_warn(file, line, hierarchy, message);
  throw Ended();
}

namespace {

#ifndef BITFOLD_OBSERVED
struct Observer {
  explicit Observer(VerilatedContext&) {}
  void before_edge(uint64_t) {}
  void after_edge(uint64_t) {}
};
#endif

enum Channel { AR, R, AW, W, B, CHANNELS };

constexpr uint8_t OKAY = 0, DECERR = 3;

struct Burst {
  uint64_t ready;    // cycle from which its answer may begin
  uint32_t address;  // of the next beat
  uint32_t beats;    // still to move
};

class Overlay {
 public:
  Overlay(uint8_t* memory, uint32_t base, uint32_t size, const char* images)
      : memory_(memory),
        base_(base),
        size_(size),
        context_(new VerilatedContext),
        observer_(*context_) {
    std::string argument = std::string("+images=") + images;
    const char* arguments[] = {"bitfold", argument.c_str()};
    context_->commandArgs(2, arguments);
    context_->fatalOnError(false);
    context_->quiet(true);
    top_.reset(new Vbitfold_top(context_.get()));
    top_->aresetn = 0;
    for (int i = 0; i < 4; ++i) cycle();
    top_->aresetn = 1;
    cycle();
  }

  ~Overlay() {
    if (problem_.empty()) top_->final();
  }

  void configure(uint32_t latency, uint32_t hesitation, uint64_t seed, uint32_t mute) {
    latency_ = latency;
    hesitation_ = hesitation;
    random_ = seed * 2 + 1;
    mute_ = mute;
  }

  // Both give the AXI response, or -1 if the overlay does not answer within 1000 cycles.
  int write(uint32_t offset, uint32_t value) {
    top_->s_axi_ctrl_awaddr = offset;
    top_->s_axi_ctrl_wdata = value;
    top_->s_axi_ctrl_wstrb = 0xF;
    top_->s_axi_ctrl_awvalid = top_->s_axi_ctrl_wvalid = 1;
    top_->s_axi_ctrl_bready = 1;
    for (int i = 0; i < 1000; ++i) {
      settle();
      bool address = top_->s_axi_ctrl_awvalid && top_->s_axi_ctrl_awready;
      bool data = top_->s_axi_ctrl_wvalid && top_->s_axi_ctrl_wready;
      bool answered = top_->s_axi_ctrl_bvalid;
      int answer = top_->s_axi_ctrl_bresp;
      edge();
      if (address) top_->s_axi_ctrl_awvalid = 0;
      if (data) top_->s_axi_ctrl_wvalid = 0;
      if (answered) {
        top_->s_axi_ctrl_bready = 0;
        return answer;
      }
    }
    return -1;
  }

  int read(uint32_t offset, uint32_t* value) {
    top_->s_axi_ctrl_araddr = offset;
    top_->s_axi_ctrl_arvalid = 1;
    top_->s_axi_ctrl_rready = 1;
    for (int i = 0; i < 1000; ++i) {
      settle();
      bool address = top_->s_axi_ctrl_arvalid && top_->s_axi_ctrl_arready;
      bool answered = top_->s_axi_ctrl_rvalid;
      int answer = top_->s_axi_ctrl_rresp;
      *value = top_->s_axi_ctrl_rdata;
      edge();
      if (address) top_->s_axi_ctrl_arvalid = 0;
      if (answered) {
        top_->s_axi_ctrl_rready = 0;
        return answer;
      }
    }
    return -1;
  }

  // Until the interrupt, but at most `cycles`; gives how many went by.
  uint64_t run(uint64_t cycles) {
    uint64_t from = now_;
    while (now_ - from < cycles && !top_->irq && !failed()) cycle();
    return now_ - from;
  }

  bool failed() const { return !problem_.empty() || context_->gotError(); }
  const std::string& problem() const { return problem_; }
  bool interrupted() const { return top_->irq; }

  Observer& observer() { return observer_; }
  Vbitfold_top& top() { return *top_; }

 private:
  void cycle() {
    settle();
    edge();
  }

  // Before the clock edge: the memory's side of each channel, and what the overlay makes of it.
  void settle() {
    top_->m_axi_mem_arready = willing(AR);
    if (!reading_) reading_ = !reads_.empty() && reads_.front().ready <= now_ && willing(R);
    top_->m_axi_mem_rvalid = reading_;
    if (reading_) {
      const Burst& burst = reads_.front();
      bool ours = contains(burst.address);
      uint64_t beat = 0;
      if (ours) std::memcpy(&beat, memory_ + (burst.address - base_), 8);
      top_->m_axi_mem_rdata = beat;
      top_->m_axi_mem_rresp = ours ? OKAY : DECERR;
      top_->m_axi_mem_rlast = burst.beats == 1;
    }
    top_->m_axi_mem_awready = willing(AW);
    top_->m_axi_mem_wready = !writes_.empty() && willing(W);
    if (!answering_) {
      answering_ = !answers_.empty() && answers_.front().ready <= now_ && willing(B);
    }
    top_->m_axi_mem_bvalid = answering_;
    if (answering_) top_->m_axi_mem_bresp = answers_.front().address ? OKAY : DECERR;
    top_->aclk = 0;
    evaluate();
  }

  // The clock edge: what was valid and ready has moved.
  void edge() {
    bool ar = top_->m_axi_mem_arvalid && top_->m_axi_mem_arready;
    bool r = top_->m_axi_mem_rvalid && top_->m_axi_mem_rready;
    bool aw = top_->m_axi_mem_awvalid && top_->m_axi_mem_awready;
    bool w = top_->m_axi_mem_wvalid && top_->m_axi_mem_wready;
    bool b = top_->m_axi_mem_bvalid && top_->m_axi_mem_bready;
    if (r) {
      Burst& burst = reads_.front();
      burst.address += 8;
      if (--burst.beats == 0) reads_.pop_front();
      reading_ = false;
    }
    if (ar) {
      reads_.push_back({now_ + latency_, top_->m_axi_mem_araddr, top_->m_axi_mem_arlen + 1u});
    }
    if (b) {
      answers_.pop_front();
      answering_ = false;
    }
    if (w) {
      Burst& burst = writes_.front();
      bool ours = contains(burst.address);
      if (ours) store(burst.address, top_->m_axi_mem_wdata, top_->m_axi_mem_wstrb);
      burst_ok_ = burst_ok_ && ours;
      burst.address += 8;
      if (--burst.beats == 0) {
        // `address` tells whether the burst went well.
        answers_.push_back({now_ + latency_, burst_ok_, 0});
        burst_ok_ = true;
        writes_.pop_front();
      }
    }
    if (aw) writes_.push_back({0, top_->m_axi_mem_awaddr, top_->m_axi_mem_awlen + 1u});
    observer_.before_edge(now_);
    top_->aclk = 1;
    evaluate();
    observer_.after_edge(now_);
    ++now_;
  }

  void evaluate() {
    if (!problem_.empty()) return;
    try {
      top_->eval();
    } catch (const Ended&) {
    }
    if (!said.empty()) problem_.swap(said);
  }

  bool willing(Channel channel) {
    if (mute_ >> channel & 1) return false;
    if (hesitation_ == 0) return true;
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return (random_ >> 33) % 100 >= hesitation_;
  }

  bool contains(uint32_t address) const {
    return address >= base_ && address - base_ <= size_ - 8;
  }

  void store(uint32_t address, uint64_t data, uint32_t strobe) {
    for (int i = 0; i < 8; ++i) {
      if (strobe >> i & 1) memory_[address - base_ + i] = uint8_t(data >> (8 * i));
    }
  }

  uint8_t* memory_;
  uint32_t base_, size_;
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vbitfold_top> top_;
  std::string problem_;  // that ended it
  Observer observer_;
  std::deque<Burst> reads_, writes_, answers_;
  bool reading_ = false, answering_ = false, burst_ok_ = true;
  uint64_t now_ = 0, random_ = 1;
  uint32_t latency_ = 1, hesitation_ = 0, mute_ = 0;
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Overlay* bitfold_open(uint8_t* memory, uint32_t base, uint32_t size, const char* images) {
  return new Overlay(memory, base, size, images);
}
EXPORT void bitfold_close(Overlay* overlay) { delete overlay; }
EXPORT void bitfold_configure(Overlay* overlay, uint32_t latency, uint32_t hesitation,
                              uint64_t seed, uint32_t mute) {
  overlay->configure(latency, hesitation, seed, mute);
}
EXPORT int bitfold_write(Overlay* overlay, uint32_t offset, uint32_t value) {
  return overlay->write(offset, value);
}
EXPORT int bitfold_read(Overlay* overlay, uint32_t offset, uint32_t* value) {
  return overlay->read(offset, value);
}
EXPORT uint64_t bitfold_run(Overlay* overlay, uint64_t cycles) { return overlay->run(cycles); }
EXPORT int bitfold_failed(Overlay* overlay) { return overlay->failed(); }
// What ended it, where it is not an assertion of its own.
EXPORT const char* bitfold_problem(Overlay* overlay) { return overlay->problem().c_str(); }
EXPORT int bitfold_interrupted(Overlay* overlay) { return overlay->interrupted(); }

#ifdef BITFOLD_OBSERVED
EXPORT uint32_t bitfold_watch(Overlay* overlay, const char* instance) {
  return overlay->observer().watch(instance);
}
// The beats of the stream that was watched as number `stream`, and how many bytes they are.
EXPORT const uint8_t* bitfold_beats(Overlay* overlay, uint32_t stream, uint64_t* bytes) {
  const std::vector<uint8_t>& beats = overlay->observer().beats(stream);
  *bytes = beats.size();
  return beats.data();
}
#endif
#ifdef BITFOLD_TRACED
EXPORT void bitfold_trace(Overlay* overlay, const char* file, uint64_t period) {
  overlay->observer().trace(overlay->top(), file, period);
}
#endif
