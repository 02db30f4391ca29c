// Shares of 255 of ROWS scores, one a beat, as softmax_unit.sv makes them.
//
// Latency: 2 * ROWS + 20 cycles from a frame's last score to its first share. One beat a cycle.
`default_nettype none

module softmax #(
  parameter ROWS           = 3,    // scores a frame, 2 to 64
  parameter INPUT_BITS     = 8,    // 1 to 32
  parameter INPUT_ENCODING = 1,    // 0 unsigned, 1 two's complement, 2 bipolar
  parameter MULTIPLIER     = 369,  // 256 to 511
  parameter SHIFT          = 7,    // 0 to 63
  parameter PLAIN          = 0     // 0 the reduced form, 1 the plain one
) (
  input  wire                  aclk,
  input  wire                  aresetn,
  input  wire [INPUT_BITS-1:0] s_axis_tdata,
  input  wire                  s_axis_tvalid,
  output wire                  s_axis_tready,
  output wire [7:0]            m_axis_tdata,
  output wire                  m_axis_tvalid,
  input  wire                  m_axis_tready,
  output wire                  busy,    // a beat is taken in this cycle
  output wire                  stalled  // a share waits to be taken
);
  localparam SCORE_BITS = INPUT_BITS + 1;

  generate
    if (MULTIPLIER < 256 || MULTIPLIER > 511 || SHIFT < 0 || SHIFT > 63) begin : g_bad_scale
      $error("MULTIPLIER must be 256 to 511, SHIFT 0 to 63");
    end
    if (INPUT_ENCODING == 2 && INPUT_BITS != 1) begin : g_bad_encoding
      $error("a bipolar value has one bit");
    end
  endgenerate

  assign busy = s_axis_tvalid && s_axis_tready;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  wire signed [SCORE_BITS-1:0] score;
  generate
    if (INPUT_ENCODING == 2) begin : g_bipolar
      assign score = {!s_axis_tdata[0], 1'b1};
    end else begin : g_integer
      assign score = {INPUT_ENCODING == 1 && s_axis_tdata[INPUT_BITS-1], s_axis_tdata};
    end
  endgenerate

  softmax_unit #(
    .MAX_CLASSES(ROWS),
    .SCORE_BITS(SCORE_BITS),
    .PLAIN(PLAIN)
  ) unit (
    .aclk(aclk),
    .aresetn(aresetn),
    .classes(7'(ROWS)),
    .multiplier(9'(MULTIPLIER)),
    .shift(6'(SHIFT)),
    .s_axis_tdata(score),
    .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata(m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready)
  );
endmodule

`default_nettype wire
