// Lets a frame through each INTERVAL cycles at most, and a beat of it each PACE cycles.
//
// So a core gets its frames no sooner than it can take them, and what its buffers hold is known:
// overlays/dataflow/schedule.py. Latency: none.
`default_nettype none

module frame_pacer #(
  parameter int WIDTH    = 64,  // bits of a beat
  parameter int BEATS    = 1,   // a frame, >= 1
  parameter int PACE     = 1,   // cycles from a beat to the next, >= 1
  parameter int INTERVAL = 2    // cycles from a frame's first beat to the next's, >= BEATS * PACE
) (
  input  logic             aclk,
  input  logic             aresetn,
  input  logic [WIDTH-1:0] s_axis_tdata,
  input  logic             s_axis_tvalid,
  output logic             s_axis_tready,
  output logic [WIDTH-1:0] m_axis_tdata,
  output logic             m_axis_tvalid,
  input  logic             m_axis_tready
);
  localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int PACE_BITS = PACE > 1 ? $clog2(PACE) : 1;
  localparam int INTERVAL_BITS = INTERVAL > 1 ? $clog2(INTERVAL) : 1;

  if (BEATS < 1 || PACE < 1 || INTERVAL < BEATS * PACE) begin : g_bad_pace
    $error("BEATS and PACE must be at least 1, INTERVAL at least BEATS * PACE");
  end

  logic [BEAT_BITS-1:0] beat;
  logic [PACE_BITS-1:0] pause;          // cycles until the next beat may pass
  logic [INTERVAL_BITS-1:0] remaining;  // of the interval that the frame's first beat began
  logic open, first, last, passes;
  assign first = beat == '0;
  assign last = beat == BEAT_BITS'(BEATS - 1);
  assign passes = s_axis_tvalid && s_axis_tready;

  assign m_axis_tdata = s_axis_tdata;
  assign m_axis_tvalid = s_axis_tvalid && open;
  assign s_axis_tready = m_axis_tready && open;

  logic [PACE_BITS-1:0] next_pause;
  logic [INTERVAL_BITS-1:0] next_remaining;
  logic next_first;
  always_comb begin
    next_first = passes ? last : first;
    next_pause = passes ? PACE_BITS'(PACE - 1) : pause - PACE_BITS'(pause != '0);
    next_remaining = passes && first ? INTERVAL_BITS'(INTERVAL - 1)
      : remaining - INTERVAL_BITS'(remaining != '0);
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      beat <= '0;
      pause <= '0;
      remaining <= '0;
      open <= 1'b1;
    end else begin
      if (passes) beat <= last ? '0 : beat + 1'b1;
      pause <= next_pause;
      remaining <= next_remaining;
      open <= next_pause == '0 && (!next_first || next_remaining == '0);
    end
  end
endmodule

`default_nettype wire
