// A register between two streams: what comes in leaves a cycle later, a beat a cycle.
`default_nettype none

module stream_register #(
  parameter WIDTH = 8  // bits of a beat, >= 1
) (
  input  wire             aclk,
  input  wire             aresetn,
  input  wire [WIDTH-1:0] s_axis_tdata,
  input  wire             s_axis_tvalid,
  output wire             s_axis_tready,
  output reg  [WIDTH-1:0] m_axis_tdata,
  output reg              m_axis_tvalid,
  input  wire             m_axis_tready
);
  assign s_axis_tready = !m_axis_tvalid || m_axis_tready;

  always @(posedge aclk) begin
    if (!aresetn) m_axis_tvalid <= 0;
    else if (s_axis_tready) m_axis_tvalid <= s_axis_tvalid;
    if (s_axis_tready) m_axis_tdata <= s_axis_tdata;
  end
endmodule

`default_nettype wire
