// Pooling: the largest, or the sum, of what windows see of each channel of a feature map.
//
// A map comes and leaves pixel by pixel, PE channels a beat. Latency: 6 cycles from the beat that a
// window waits for. A map takes OUT_HEIGHT * OUT_WIDTH * FOLDS windows, a pixel of one a cycle.
`default_nettype none

module pooling #(
  parameter int                    MAP_HEIGHT     = 2,  // as of sliding_window, to FILL
  parameter int                    MAP_WIDTH      = 2,
  parameter int                    FOLDS          = 1,  // beats of a pixel: its GROUPS
  parameter int                    KERNEL_HEIGHT  = 2,
  parameter int                    KERNEL_WIDTH   = 2,
  parameter int                    STRIDE_Y       = 2,
  parameter int                    STRIDE_X       = 2,
  parameter int                    PAD_TOP        = 0,
  parameter int                    PAD_LEFT       = 0,
  parameter int                    OUT_HEIGHT     = 1,
  parameter int                    OUT_WIDTH      = 1,
  parameter int                    RING_DEPTH     = 4,
  parameter logic [INPUT_BITS-1:0] FILL           = '0,  // an element beyond the edges
  parameter int                    PE             = 1,   // channels a beat, >= 1
  parameter int                    SUM            = 0,   // as of pool_unit, from here on
  parameter int                    INPUT_BITS     = 1,
  parameter int                    INPUT_ENCODING = 2,
  parameter int                    OUTPUT_BITS    = 1
) (
  input  logic                      aclk,
  input  logic                      aresetn,
  input  logic [PE*INPUT_BITS-1:0]  s_axis_tdata,
  input  logic                      s_axis_tvalid,
  output logic                      s_axis_tready,
  output logic [PE*OUTPUT_BITS-1:0] m_axis_tdata,
  output logic                      m_axis_tvalid,
  input  logic                      m_axis_tready,
  output logic                      busy,    // a pixel of a window is taken in this cycle
  output logic                      stalled  // a result waits to be taken
);
  logic [PE*INPUT_BITS-1:0] seen;
  logic seen_valid, seen_ready;

  sliding_window #(
    .WIDTH        (PE * INPUT_BITS),
    .FILL         ({PE{FILL}}),
    .MAP_HEIGHT   (MAP_HEIGHT),
    .MAP_WIDTH    (MAP_WIDTH),
    .GROUPS       (FOLDS),
    .WORDS        (1),
    .KERNEL_HEIGHT(KERNEL_HEIGHT),
    .KERNEL_WIDTH (KERNEL_WIDTH),
    .STRIDE_Y     (STRIDE_Y),
    .STRIDE_X     (STRIDE_X),
    .PAD_TOP      (PAD_TOP),
    .PAD_LEFT     (PAD_LEFT),
    .OUT_HEIGHT   (OUT_HEIGHT),
    .OUT_WIDTH    (OUT_WIDTH),
    .DEPTH        (RING_DEPTH)
  ) windows (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata (seen),
    .m_axis_tvalid(seen_valid),
    .m_axis_tready(seen_ready)
  );

  pool_unit #(
    .LANES         (PE),
    .TAPS          (KERNEL_HEIGHT * KERNEL_WIDTH),
    .SUM           (SUM),
    .INPUT_BITS    (INPUT_BITS),
    .INPUT_ENCODING(INPUT_ENCODING),
    .OUTPUT_BITS   (OUTPUT_BITS)
  ) unit (
    .aclk         (aclk),
    .aresetn      (aresetn),
    .s_axis_tdata (seen),
    .s_axis_tvalid(seen_valid),
    .s_axis_tready(seen_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready),
    .busy         (busy),
    .stalled      (stalled)
  );
endmodule

`default_nettype wire
