// First-in first-out buffer between two streams, whose ends are registers: a beat can leave two
// cycles after it came.
`default_nettype none

module stream_fifo #(
  parameter int WIDTH = 8,  // bits of a beat, >= 1
  parameter int DEPTH = 2   // beats beside the one at the end, >= 1; 1 takes one every other cycle
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
  localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int COUNT_BITS = $clog2(DEPTH + 1);

  if (DEPTH < 1) begin : g_bad_depth
    $error("DEPTH must be at least 1");
  end

  logic [WIDTH-1:0] beats[DEPTH];
  logic [ADDRESS_BITS-1:0] written, read;
  logic [COUNT_BITS-1:0] count;  // of beats that are not at the end
  logic some;                    // it is not 0

  function automatic logic [ADDRESS_BITS-1:0] next(input logic [ADDRESS_BITS-1:0] address);
    next = address == ADDRESS_BITS'(DEPTH - 1) ? '0 : address + 1'b1;
  endfunction

  logic push, pop;
  assign push = s_axis_tvalid && s_axis_tready;
  assign pop = some && (!m_axis_tvalid || m_axis_tready);

  always_ff @(posedge aclk) begin
    if (push) beats[written] <= s_axis_tdata;
    if (pop) m_axis_tdata <= beats[read];
    if (!aresetn) begin
      written <= '0;
      read <= '0;
      count <= '0;
      some <= 1'b0;
      s_axis_tready <= 1'b1;
      m_axis_tvalid <= 1'b0;
    end else begin
      if (push) written <= next(written);
      if (pop) read <= next(read);
      if (push && !pop) begin
        count <= count + 1'b1;
        some <= 1'b1;
        s_axis_tready <= count != COUNT_BITS'(DEPTH - 1);
      end
      if (pop && !push) begin
        count <= count - 1'b1;
        some <= count != COUNT_BITS'(1);
        s_axis_tready <= 1'b1;
      end
      m_axis_tvalid <= some || (m_axis_tvalid && !m_axis_tready);
    end
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
