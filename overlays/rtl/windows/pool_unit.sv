// The largest, or the sum, of each TAPS beats, lane by lane.
//
// Latency: 1 cycle from the last of them. A beat a cycle.
`default_nettype none

module pool_unit #(
  parameter int LANES          = 1,  // elements a beat, >= 1
  parameter int TAPS           = 4,  // beats to one, >= 1
  parameter int SUM            = 0,  // 0 the largest, 1 the sum
  parameter int INPUT_BITS     = 1,  // 1 to 32
  parameter int INPUT_ENCODING = 2,  // 0 unsigned, 1 two's complement, 2 bipolar
  parameter int OUTPUT_BITS    = 1   // must hold every result; INPUT_BITS for the largest
) (
  input  logic                         aclk,
  input  logic                         aresetn,
  input  logic [LANES*INPUT_BITS-1:0]  s_axis_tdata,
  input  logic                         s_axis_tvalid,
  output logic                         s_axis_tready,
  output logic [LANES*OUTPUT_BITS-1:0] m_axis_tdata,
  output logic                         m_axis_tvalid,
  input  logic                         m_axis_tready,
  output logic                         busy,    // a beat is taken in this cycle
  output logic                         stalled  // a result waits to be taken
);
  localparam int TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;

  if (TAPS < 1 || (SUM == 0 && OUTPUT_BITS != INPUT_BITS)) begin : g_bad_taps
    $error("TAPS must be at least 1, and the largest has the bits of its input");
  end

  logic [TAP_BITS-1:0] tap;
  logic last;
  assign last = tap == TAP_BITS'(TAPS - 1);
  assign s_axis_tready = !m_axis_tvalid || m_axis_tready;
  assign busy = s_axis_tvalid && s_axis_tready;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      tap <= '0;
      m_axis_tvalid <= 1'b0;
    end else begin
      if (busy) tap <= last ? '0 : tap + 1'b1;
      if (s_axis_tready) m_axis_tvalid <= busy && last;
    end
  end

  for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
    logic [INPUT_BITS-1:0] x;
    logic [OUTPUT_BITS-1:0] so_far, next;
    assign x = s_axis_tdata[i*INPUT_BITS+:INPUT_BITS];
    assign m_axis_tdata[i*OUTPUT_BITS+:OUTPUT_BITS] = so_far;
    if (SUM != 0) begin : g_sum
      logic [OUTPUT_BITS-1:0] value;
      if (INPUT_ENCODING == 2) begin : g_bipolar
        assign value = x[0] ? OUTPUT_BITS'(1) : '1;
      end else if (INPUT_ENCODING == 1) begin : g_signed
        assign value = OUTPUT_BITS'($signed(x));
      end else begin : g_unsigned
        assign value = OUTPUT_BITS'(x);
      end
      assign next = (tap == '0 ? '0 : so_far) + value;
    end else begin : g_largest
      logic larger;
      if (INPUT_ENCODING == 1) begin : g_signed
        assign larger = $signed(x) > $signed(so_far);
      end else begin : g_unsigned
        assign larger = x > so_far;
      end
      assign next = tap == '0 || larger ? x : so_far;
    end
    always_ff @(posedge aclk) if (busy) so_far <= next;
  end

  stable_beat #(
    .WIDTH(LANES * OUTPUT_BITS)
  ) output_is_stable (
    .aclk   (aclk),
    .aresetn(aresetn),
    .valid  (m_axis_tvalid),
    .ready  (m_axis_tready),
    .payload(m_axis_tdata)
  );
endmodule

`default_nettype wire
