// First-in first-out buffer between two streams; a beat can leave in the cycle after it came.
`default_nettype none

module stream_fifo #(
  parameter WIDTH = 8,  // bits of a beat, >= 1
  parameter DEPTH = 2   // beats, >= 1; a single one can only come every other cycle
) (
  input  wire             aclk,
  input  wire             aresetn,
  input  wire [WIDTH-1:0] s_axis_tdata,
  input  wire             s_axis_tvalid,
  output wire             s_axis_tready,
  output wire [WIDTH-1:0] m_axis_tdata,
  output wire             m_axis_tvalid,
  input  wire             m_axis_tready
);
  localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam POINTER_BITS = ADDRESS_BITS + 1;
  localparam LAP = 1 << ADDRESS_BITS;
  localparam SKIPPED = LAP - DEPTH;  // addresses that hold nothing: none if a power of two

  generate
    if (DEPTH < 1) begin : g_bad_depth
      $error("DEPTH must be at least 1");
    end
  endgenerate

  reg [WIDTH-1:0]    beats[0:DEPTH-1];
  // One bit more than an address, which changes with each lap, so that full and empty differ.
  reg [ADDRESS_BITS:0] written, taken;

  function automatic [ADDRESS_BITS:0] next(input [ADDRESS_BITS:0] pointer);
    next = pointer + 1'b1;
    if (SKIPPED != 0 && pointer[ADDRESS_BITS-1:0] == ADDRESS_BITS'(DEPTH - 1))
      next = next + POINTER_BITS'(SKIPPED);
  endfunction

  wire push = s_axis_tvalid && s_axis_tready;
  wire pop = m_axis_tvalid && m_axis_tready;

  assign s_axis_tready = (written - taken) != POINTER_BITS'(LAP);
  assign m_axis_tvalid = written != taken;
  assign m_axis_tdata = beats[taken[ADDRESS_BITS-1:0]];

  always @(posedge aclk) begin
    if (push) beats[written[ADDRESS_BITS-1:0]] <= s_axis_tdata;
    if (!aresetn) begin
      written <= 0;
      taken <= 0;
    end else begin
      if (push) written <= next(written);
      if (pop) taken <= next(taken);
    end
  end

`ifdef VERILATOR
  // AXI4-Stream: a valid beat stays as it is until it is taken.
  reg waiting;
  reg [WIDTH-1:0] waiting_data;
  always @(posedge aclk) begin
    waiting <= aresetn && s_axis_tvalid && !s_axis_tready;
    waiting_data <= s_axis_tdata;
    if (aresetn && waiting) begin
      assert (s_axis_tvalid && s_axis_tdata == waiting_data)
      else $error("a waiting beat changed or went away");
    end
  end
`endif
endmodule

`default_nettype wire
