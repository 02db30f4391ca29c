// The index of the largest of ROWS scores, the first of equals; scores come PE a beat.
//
// Latency: 2 cycles from a frame's last beat. One beat a cycle.
`default_nettype none

module argmax #(
  parameter ROWS           = 2,  // scores a frame, >= 2
  parameter PE             = 1,  // scores a beat, divides ROWS
  parameter INPUT_BITS     = 8,  // 1 to 32
  parameter INPUT_ENCODING = 1,  // 0 unsigned, 1 two's complement, 2 bipolar
  parameter OUTPUT_BITS    = 1   // must hold ROWS - 1
) (
  input  wire                     aclk,
  input  wire                     aresetn,
  input  wire [PE*INPUT_BITS-1:0] s_axis_tdata,
  input  wire                     s_axis_tvalid,
  output wire                     s_axis_tready,
  output wire [OUTPUT_BITS-1:0]   m_axis_tdata,
  output wire                     m_axis_tvalid,
  input  wire                     m_axis_tready,
  output wire                     busy,    // a beat is taken in this cycle
  output wire                     stalled  // a class waits to be taken
);
  localparam BEATS = ROWS / PE;
  localparam BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam VALUE_BITS = INPUT_BITS + 1;

  generate
    if (ROWS % PE != 0) begin : g_bad_folding
      $error("PE must divide ROWS");
    end
    if (OUTPUT_BITS < $clog2(ROWS)) begin : g_bad_index
      $error("OUTPUT_BITS must hold ROWS - 1");
    end
  endgenerate

  wire advance = !m_axis_tvalid || m_axis_tready;
  assign s_axis_tready = advance;
  assign busy = s_axis_tvalid && s_axis_tready;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  // Stage 1: the best of the beat. Bipolar bits compare like unsigned ones.
  logic signed [VALUE_BITS-1:0] score, beat_best;
  logic [OUTPUT_BITS-1:0] beat_index;
  integer i;
  always_comb begin
    beat_best = {INPUT_ENCODING == 1 && s_axis_tdata[INPUT_BITS-1],
           s_axis_tdata[INPUT_BITS-1:0]};
    beat_index = 0;
    score = beat_best;
    for (i = 1; i < PE; i = i + 1) begin
      score = {INPUT_ENCODING == 1 && s_axis_tdata[i*INPUT_BITS+INPUT_BITS-1],
           s_axis_tdata[i*INPUT_BITS+:INPUT_BITS]};
      if (score > beat_best) begin
        beat_best = score;
        beat_index = OUTPUT_BITS'(i);
      end
    end
  end

  reg [BEAT_BITS-1:0] beat;
  wire last_beat = beat == BEAT_BITS'(BEATS - 1);
  reg valid1, first1, last1;
  reg signed [VALUE_BITS-1:0] best1;
  reg [OUTPUT_BITS-1:0] index1, offset;
  // Stage 2: the best so far.
  reg valid2;
  reg signed [VALUE_BITS-1:0] best2;
  reg [OUTPUT_BITS-1:0] index2;

  assign m_axis_tvalid = valid2;
  assign m_axis_tdata = index2;

  always @(posedge aclk) begin
    if (!aresetn) begin
      beat <= 0;
      offset <= 0;
      valid1 <= 0;
      valid2 <= 0;
    end else if (advance) begin
      if (s_axis_tvalid) begin
        beat <= last_beat ? 0 : beat + 1'b1;
        offset <= last_beat ? 0 : offset + OUTPUT_BITS'(PE);
      end
      valid1 <= s_axis_tvalid;
      valid2 <= valid1 && last1;
    end
    if (advance) begin
      best1 <= beat_best;
      index1 <= offset + beat_index;
      first1 <= beat == 0;
      last1 <= last_beat;
      if (valid1 && (first1 || best1 > best2)) begin
        best2 <= best1;
        index2 <= index1;
      end
    end
  end
endmodule

`default_nettype wire
