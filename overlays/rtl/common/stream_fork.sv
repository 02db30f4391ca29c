// One stream to several consumers, each of which takes every beat once, when it is ready to.
//
// A consumer need not wait for the others: it is offered a beat until it has taken it. The beat
// leaves the producer in the cycle in which the last consumer takes it: the slowest sets the pace.
// Latency: 0 cycles. A beat a cycle.
`default_nettype none

module stream_fork #(
  parameter int WIDTH   = 8,  // bits of a beat, >= 1
  parameter int OUTPUTS = 2   // consumers, >= 2
) (
  input  logic               aclk,
  input  logic               aresetn,
  input  logic [WIDTH-1:0]   s_axis_tdata,
  input  logic               s_axis_tvalid,
  output logic               s_axis_tready,
  output logic [WIDTH-1:0]   m_axis_tdata,   // the same for all
  output logic [OUTPUTS-1:0] m_axis_tvalid,
  input  logic [OUTPUTS-1:0] m_axis_tready
);
  if (OUTPUTS < 2) begin : g_bad_outputs
    $error("OUTPUTS must be at least 2");
  end

  // Bit i: consumer i has this beat already.
  logic [OUTPUTS-1:0] has;

  assign m_axis_tdata = s_axis_tdata;
  assign m_axis_tvalid = {OUTPUTS{s_axis_tvalid}} & ~has;
  assign s_axis_tready = &(has | m_axis_tready);

  always_ff @(posedge aclk) begin
    if (!aresetn || (s_axis_tvalid && s_axis_tready)) has <= '0;
    else has <= has | (m_axis_tvalid & m_axis_tready);
  end

  stable_beat #(
    .WIDTH(WIDTH)
  ) input_is_stable (
    .aclk   (aclk),
    .aresetn(aresetn),
    .valid  (s_axis_tvalid),
    .ready  (s_axis_tready),
    .payload(s_axis_tdata)
  );
endmodule

`default_nettype wire
