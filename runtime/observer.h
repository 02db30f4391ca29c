// What the observed builds of a model add to harness.cpp: the beats that leave its modules as
// streams, and waveforms. An everyday build has nothing of it.

#include <cstdint>
#include <string>
#include <vector>

#include "verilated_sym_props.h"
#include "verilated_syms.h"
#ifdef BITFOLD_TRACED
#include "verilated_fst_c.h"
#endif

namespace {

// A stream that leaves a module by its m_axis ports, and the beats that it has moved.
struct Stream {
  const VerilatedVar* data;
  const uint8_t* valid;
  const uint8_t* ready;
  uint32_t bytes;               // of a beat
  std::vector<uint8_t> beats;
};

class Observer {
 public:
  explicit Observer(VerilatedContext& context) : context_(context) { context.traceEverOn(true); }

  // The stream of the instance at this path; gives the bits of a beat, or 0 if there is none.
  uint32_t watch(const char* instance) {
    // Verilator calls the model itself TOP.
    const VerilatedScope* scope = context_.scopeFind((std::string("TOP.") + instance).c_str());
    if (!scope) return 0;
    const VerilatedVar* data = scope->varFind("m_axis_tdata");
    const VerilatedVar* valid = scope->varFind("m_axis_tvalid");
    const VerilatedVar* ready = scope->varFind("m_axis_tready");
    if (!data || !valid || !ready) return 0;
    const auto bit = [](const VerilatedVar* var) { return static_cast<uint8_t*>(var->datap()); };
    streams_.push_back({data, bit(valid), bit(ready), (data->entBits() + 7) / 8, {}});
    return data->entBits();
  }

  const std::vector<uint8_t>& beats(uint32_t stream) const { return streams_[stream].beats; }

  // Right before the clock's rising edge: what is valid and ready moves.
  void before_edge(uint64_t cycle) {
    for (Stream& stream : streams_) {
      if (!*stream.valid || !*stream.ready) continue;
      const auto* data = static_cast<const uint8_t*>(stream.data->datap());
      stream.beats.insert(stream.beats.end(), data, data + stream.bytes);
    }
    dump(cycle * period_);
  }

  void after_edge(uint64_t cycle) { dump(cycle * period_ + period_ / 2); }

#ifdef BITFOLD_TRACED
  ~Observer() {
    if (waves_.isOpen()) waves_.close();
  }

  template <class Model>
  void trace(Model& model, const char* file, uint64_t period) {
    period_ = period;
    model.trace(&waves_, 99);
    waves_.open(file);
  }

 private:
  void dump(uint64_t time) {
    if (waves_.isOpen()) waves_.dump(time);
  }

  VerilatedFstC waves_;
#else
 private:
  void dump(uint64_t) {}
#endif

  VerilatedContext& context_;
  std::vector<Stream> streams_;
  uint64_t period_ = 0;  // of the clock, in ps
};

}  // namespace
