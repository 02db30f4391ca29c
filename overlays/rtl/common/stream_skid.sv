// Cuts the path of ready between two streams: `s_axis_tready` is a register, and what comes in the
// cycle in which the consumer stops is kept. Latency: 0 cycles. A beat a cycle.
`default_nettype none

module stream_skid #(
  parameter int WIDTH = 8  // bits of a beat, >= 1
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
  logic [WIDTH-1:0] kept;

  assign m_axis_tvalid = s_axis_tvalid || !s_axis_tready;
  assign m_axis_tdata = s_axis_tready ? s_axis_tdata : kept;

  always_ff @(posedge aclk) begin
    if (!aresetn) s_axis_tready <= 1'b1;
    else s_axis_tready <= m_axis_tready || !m_axis_tvalid;
    if (s_axis_tready) kept <= s_axis_tdata;
  end
endmodule

`default_nettype wire
