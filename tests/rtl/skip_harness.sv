// Test only: a stream forks, one branch is delayed, the other waits for it in a fifo, and both are
// added.
//
// The delayed branch is DELAY fifos of 2 beats, two cycles each, and a stream_link that gives a frame
// of FRAME beats on only when it has come whole: 2 * DELAY + FRAME + 1 cycles.
`default_nettype none

module skip_harness #(
  parameter int BITS  = 8,  // bits of an element, a beat
  parameter int DELAY = 1,  // >= 0
  parameter int FRAME = 1,  // >= 1
  parameter int DEPTH = 3   // of the waiting branch
) (
  input  logic            aclk,
  input  logic            aresetn,
  input  logic [BITS-1:0] s_axis_tdata,
  input  logic            s_axis_tvalid,
  output logic            s_axis_tready,
  output logic [BITS:0]   m_axis_tdata,
  output logic            m_axis_tvalid,
  input  logic            m_axis_tready,
  output logic            busy,
  output logic            stalled
);
  logic [BITS-1:0] forked;
  logic [1:0] forked_valid, forked_ready;
  logic [2*BITS-1:0] joined;
  logic [1:0] joined_valid, joined_ready;

  stream_fork #(
    .WIDTH  (BITS),
    .OUTPUTS(2)
  ) split (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata (forked),
    .m_axis_tvalid(forked_valid),
    .m_axis_tready(forked_ready)
  );

  stream_fifo #(
    .WIDTH(BITS),
    .DEPTH(DEPTH)
  ) skip (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (forked),
    .s_axis_tvalid(forked_valid[0]),
    .s_axis_tready(forked_ready[0]),
    .m_axis_tdata (joined[BITS-1:0]),
    .m_axis_tvalid(joined_valid[0]),
    .m_axis_tready(joined_ready[0])
  );

  logic [BITS-1:0] delayed[0:DELAY];
  logic [DELAY:0] delayed_valid, delayed_ready;
  assign delayed[0] = forked;
  assign delayed_valid[0] = forked_valid[1];
  assign forked_ready[1] = delayed_ready[0];

  for (genvar i = 0; i < DELAY; i = i + 1) begin : g_delay
    stream_fifo #(
      .WIDTH(BITS),
      .DEPTH(2)
    ) step (
      .aclk         (aclk),
      .aresetn      (aresetn),
      .s_axis_tdata (delayed[i]),
      .s_axis_tvalid(delayed_valid[i]),
      .s_axis_tready(delayed_ready[i]),
      .m_axis_tdata (delayed[i+1]),
      .m_axis_tvalid(delayed_valid[i+1]),
      .m_axis_tready(delayed_ready[i+1])
    );
  end

  stream_link #(
    .BITS  (BITS),
    .WIDE  (FRAME),
    .KEPT  (FRAME),
    .PADDED(FRAME),
    .DEPTH (2)
  ) frame (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (delayed[DELAY]),
    .s_axis_tvalid(delayed_valid[DELAY]),
    .s_axis_tready(delayed_ready[DELAY]),
    .m_axis_tdata (joined[2*BITS-1:BITS]),
    .m_axis_tvalid(joined_valid[1]),
    .m_axis_tready(joined_ready[1])
  );

  add #(
    .INPUT_BITS    ({2{32'(BITS)}}),
    .INPUT_ENCODING('0),
    .OUTPUT_BITS   (BITS + 1)
  ) add (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (joined),
    .s_axis_tvalid(joined_valid),
    .s_axis_tready(joined_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready),
    .busy         (busy),
    .stalled      (stalled)
  );
endmodule

`default_nettype wire
