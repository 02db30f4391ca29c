// Carries frames of elements between two stages that take different numbers of lanes a beat:
// widen, cut or pad to the frame's true size, buffer, narrow.
//
// LANES_IN -> WIDE lanes, of which the lowest KEPT are buffered, padded with zeros to PADDED lanes,
// and leave LANES_OUT at a time. Between stages WIDE = KEPT = PADDED is the least common multiple
// of both sides; at the edges of a core, where a frame fills whole 64-bit beats only with padding,
// it is the frame. The buffer is as deep as the compiler finds that it has to be.
`default_nettype none

module stream_link #(
  parameter BITS      = 8,  // bits of an element, >= 1
  parameter LANES_IN  = 1,  // elements a beat in, divides WIDE
  parameter WIDE      = 1,  // elements a widened beat, >= KEPT
  parameter KEPT      = 1,  // elements of it that are not padding
  parameter PADDED    = 1,  // elements a beat before narrowing, >= KEPT
  parameter LANES_OUT = 1,  // elements a beat out, divides PADDED
  parameter DEPTH     = 2   // buffered beats, >= 1
) (
  input  wire                      aclk,
  input  wire                      aresetn,
  input  wire [LANES_IN*BITS-1:0]  s_axis_tdata,
  input  wire                      s_axis_tvalid,
  output wire                      s_axis_tready,
  output wire [LANES_OUT*BITS-1:0] m_axis_tdata,
  output wire                      m_axis_tvalid,
  input  wire                      m_axis_tready
);
  generate
    if (WIDE % LANES_IN != 0 || PADDED % LANES_OUT != 0 || KEPT > WIDE || KEPT > PADDED)
    begin : g_bad_lanes
      $error("LANES_IN must divide WIDE, LANES_OUT must divide PADDED, KEPT must fit both");
    end
  endgenerate

  wire [WIDE*BITS-1:0] wide_data;
  wire wide_valid, wide_ready;
  wire [KEPT*BITS-1:0] kept_data;
  wire kept_valid, kept_ready;
  wire [PADDED*BITS-1:0] padded_data = {{(PADDED - KEPT) * BITS{1'b0}}, kept_data};

  stream_widen #(
    .WIDTH(LANES_IN * BITS),
    .RATIO(WIDE / LANES_IN)
  ) widen (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata (wide_data),
    .m_axis_tvalid(wide_valid),
    .m_axis_tready(wide_ready)
  );

  stream_fifo #(
    .WIDTH(KEPT * BITS),
    .DEPTH(DEPTH)
  ) fifo (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (wide_data[KEPT*BITS-1:0]),
    .s_axis_tvalid(wide_valid),
    .s_axis_tready(wide_ready),
    .m_axis_tdata (kept_data),
    .m_axis_tvalid(kept_valid),
    .m_axis_tready(kept_ready)
  );

  generate
    if (WIDE > KEPT) begin : g_cut
      wire unused = &{1'b0, wide_data[WIDE*BITS-1:KEPT*BITS]};
    end
  endgenerate

  stream_narrow #(
    .WIDTH(LANES_OUT * BITS),
    .RATIO(PADDED / LANES_OUT)
  ) narrow (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (padded_data),
    .s_axis_tvalid(kept_valid),
    .s_axis_tready(kept_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready)
  );
endmodule

`default_nettype wire
