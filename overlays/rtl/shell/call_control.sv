// The life of a call: starts it, counts its cycles, watches it, ends it and keeps what went wrong.
//
// A call that fails, is reset or expires is aborted: the core is held in reset while the bus drains,
// for as long as the bus moves at least once in a watchdog period. Else the bus is stuck: the call
// ends all the same, and no other is let on the bus until a soft reset finds it drained.
//
// What core and bus say is known late in a cycle: it is kept first, and counts in the next one.
`default_nettype none

module call_control #(
    parameter logic [31:0] WATCHDOG_DEFAULT = 32'd1 << 24,  // cycles: 1 or more
    parameter int PORTS = 11                                // bits of STALLED_PORTS: 1 to 32
) (
    input wire aclk,
    input wire aresetn,

    input wire        start,           // one cycle
    input wire        soft_reset,      // one cycle
    input wire [31:0] watchdog_limit,  // cycles; 0 stands for WATCHDOG_DEFAULT

    input wire             finished,   // all of the call is done; `failed` outranks it
    input wire             failed,
    input wire [      7:0] failure,    // error code, with `failed`
    input wire             drained,    // the bus owes nothing
    input wire             progress,   // something moved on the bus or at the core
    input wire [PORTS-1:0] waiting,    // what STALLED_PORTS keeps at an expiry

    output logic begins,        // one cycle: a call begins in the next, its counters are cleared
    output logic running,       // a call runs and is not aborted
    output logic abort,         // the bus drains
    output logic core_aresetn,  // low while `abort` is high
    output logic ends,          // one cycle: STATUS.done is set in the next

    output logic             idle,
    output logic             done,
    output logic             bus_stuck,
    output logic [      7:0] error,
    output logic [     63:0] cycles,
    output logic [PORTS-1:0] stalled_ports
);

  generate
    if (WATCHDOG_DEFAULT == 0) begin : bad_watchdog_default
      $error("call_control: WATCHDOG_DEFAULT must be 1 or more");
    end
    if (PORTS < 1 || PORTS > 32) begin : bad_ports
      $error("call_control: PORTS must be 1 to 32");
    end
  endgenerate

  localparam logic [1:0] IDLE = 2'd0, RUN = 2'd1, DRAIN = 2'd2, STUCK = 2'd3;

  logic [1:0] state, next;
  logic [31:0] silence;  // cycles in a row without progress
  logic [31:0] limit;
  logic expired;

  // Of the cycle before. A call that has ended leaves nothing to the next.
  logic was_finished, was_failed, was_drained, was_progress;
  logic [7:0] was_failure;
  logic [PORTS-1:0] was_waiting;

  always_ff @(posedge aclk) begin
    was_finished <= running && finished;
    was_failed <= running && failed;
    was_failure <= failure;
    was_drained <= drained;
    was_progress <= progress;
    was_waiting <= waiting;
    limit <= watchdog_limit == '0 ? WATCHDOG_DEFAULT : watchdog_limit;
  end

  always_comb begin
    next = state;
    case (state)
      IDLE:
      if (soft_reset) next = DRAIN;
      else if (start) next = RUN;
      RUN:
      if (soft_reset || was_failed) next = DRAIN;
      else if (was_finished) next = IDLE;
      else if (expired) next = DRAIN;
      DRAIN:
      if (was_drained) next = IDLE;
      else if (expired) next = STUCK;
      STUCK: if (soft_reset) next = DRAIN;
    endcase
  end

  assign idle = state == IDLE || state == STUCK;
  assign running = state == RUN;
  assign abort = state == DRAIN || state == STUCK;
  assign bus_stuck = state == STUCK;
  assign begins = state == IDLE && next == RUN;
  wire silent = !was_progress && !idle && next == state;
  // A soft reset ends without a word, unless a start was written while it drained.
  assign ends = (state == RUN && next == IDLE) ||
      (state == DRAIN && next != DRAIN && (start || error != bitfold_registers_pkg::ERROR_NONE)) ||
      (state == STUCK && next == STUCK && start);

  always_ff @(posedge aclk) begin
    state <= next;
    core_aresetn <= next == IDLE || next == RUN;

    if (begins) cycles <= '0;
    else if (!idle) cycles <= cycles + 64'd1;

    silence <= silent ? silence + 32'd1 : '0;
    expired <= silent && silence == limit;

    if (begins) stalled_ports <= '0;
    else if (running && silent && silence == limit) stalled_ports <= was_waiting;

    if (soft_reset || begins) done <= 1'b0;
    else if (ends) done <= 1'b1;

    // What ends a call outranks a start that came too early.
    if (soft_reset || begins) error <= bitfold_registers_pkg::ERROR_NONE;
    else if (running && next == DRAIN)
      error <= was_failed ? was_failure : bitfold_registers_pkg::ERROR_WATCHDOG;
    else if (start && bus_stuck) error <= bitfold_registers_pkg::ERROR_BUS_STUCK;
    else if (start && error == bitfold_registers_pkg::ERROR_NONE)
      error <= bitfold_registers_pkg::ERROR_BUSY;

    if (!aresetn) begin
      state <= IDLE;
      core_aresetn <= 1'b0;
      cycles <= '0;
      stalled_ports <= '0;
      done <= 1'b0;
      error <= bitfold_registers_pkg::ERROR_NONE;
    end
  end

endmodule

`default_nettype wire
