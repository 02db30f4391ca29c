// Splits a wide beat into RATIO narrow ones, the lowest bits first. Stores nothing: the wide beat
// stays on the bus until its last part is taken.
`default_nettype none

module stream_narrow #(
  parameter WIDTH = 8,  // bits of a narrow beat, >= 1
  parameter RATIO = 2   // narrow beats in a wide one, >= 1
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [WIDTH*RATIO-1:0] s_axis_tdata,
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  output wire [WIDTH-1:0]       m_axis_tdata,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready
);
  assign m_axis_tvalid = s_axis_tvalid;

  generate
    if (RATIO < 1) begin : g_bad_ratio
      $error("RATIO must be at least 1");
    end else if (RATIO == 1) begin : g_wire
      assign m_axis_tdata = s_axis_tdata;
      assign s_axis_tready = m_axis_tready;
      wire unused = &{1'b0, aclk, aresetn};
    end else begin : g_narrow
      localparam COUNT_BITS = $clog2(RATIO);
      localparam [COUNT_BITS-1:0] LAST = COUNT_BITS'(RATIO - 1);

      reg [COUNT_BITS-1:0] count;

      assign m_axis_tdata = s_axis_tdata[count*WIDTH+:WIDTH];
      assign s_axis_tready = m_axis_tready && count == LAST;

      always @(posedge aclk) begin
        if (!aresetn) begin
          count <= 0;
        end else if (m_axis_tvalid && m_axis_tready) begin
          count <= count == LAST ? 0 : count + 1'b1;
        end
      end
    end
  endgenerate
endmodule

`default_nettype wire
