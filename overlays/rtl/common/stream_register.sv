// Registers between two streams, so that no path leads through: neither data nor valid nor ready.
//
// A beat leaves a cycle after it came, a beat a cycle. The beat that comes in the cycle in which
// the consumer stops waits aside, so that ready need not be known before.
`default_nettype none

module stream_register #(
    parameter int WIDTH = 8  // bits of a beat, 1 or more
) (
    input  wire              aclk,
    input  wire              aresetn,
    input  wire  [WIDTH-1:0] s_axis_tdata,
    input  wire              s_axis_tvalid,
    output logic             s_axis_tready,
    output logic [WIDTH-1:0] m_axis_tdata,
    output logic             m_axis_tvalid,
    input  wire              m_axis_tready
);

  logic [WIDTH-1:0] aside;
  logic aside_valid;
  wire room = !m_axis_tvalid || m_axis_tready;

  assign s_axis_tready = !aside_valid;

  always_ff @(posedge aclk) begin
    if (s_axis_tready) aside <= s_axis_tdata;
    if (room) m_axis_tdata <= aside_valid ? aside : s_axis_tdata;

    if (room) begin
      m_axis_tvalid <= aside_valid || s_axis_tvalid;
      aside_valid <= 1'b0;
    end else if (s_axis_tvalid) begin
      aside_valid <= 1'b1;
    end

    if (!aresetn) begin
      m_axis_tvalid <= 1'b0;
      aside_valid <= 1'b0;
    end
  end

endmodule

`default_nettype wire
