// Joins RATIO beats into one wide beat, the first in the lowest bits.
//
// The wide beat leaves in the same cycle as its last part arrives: only the earlier parts are kept.
`default_nettype none

module stream_widen #(
  parameter WIDTH = 8,  // bits of a narrow beat, >= 1
  parameter RATIO = 2   // narrow beats in a wide one, >= 1
) (
  input  wire                   aclk,
  input  wire                   aresetn,
  input  wire [WIDTH-1:0]       s_axis_tdata,
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  output wire [WIDTH*RATIO-1:0] m_axis_tdata,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready
);
  generate
    if (RATIO < 1) begin : g_bad_ratio
      $error("RATIO must be at least 1");
    end else if (RATIO == 1) begin : g_wire
      assign m_axis_tdata = s_axis_tdata;
      assign m_axis_tvalid = s_axis_tvalid;
      assign s_axis_tready = m_axis_tready;
      wire unused = &{1'b0, aclk, aresetn};
    end else begin : g_widen
      localparam COUNT_BITS = $clog2(RATIO);
      localparam [COUNT_BITS-1:0] LAST = COUNT_BITS'(RATIO - 1);

      reg [WIDTH*(RATIO-1)-1:0] parts;
      reg [COUNT_BITS-1:0]      count;
      wire                      last = count == LAST;

      assign m_axis_tdata = {s_axis_tdata, parts};
      assign m_axis_tvalid = s_axis_tvalid && last;
      assign s_axis_tready = !last || m_axis_tready;

      always @(posedge aclk) begin
        if (!aresetn) begin
          count <= 0;
        end else if (s_axis_tvalid && s_axis_tready) begin
          count <= last ? 0 : count + 1'b1;
        end
        // Shifting down leaves the first part lowest after RATIO - 1 parts.
        if (s_axis_tvalid && !last)
          parts <= (WIDTH*(RATIO-1))'({s_axis_tdata, parts} >> WIDTH);
      end
    end
  endgenerate
endmodule

`default_nettype wire
