// Convolution: a matrix-vector unit over what windows see of a feature map.
//
// A map comes pixel by pixel, SIMD channels a beat (PE where DEPTHWISE), and leaves pixel by pixel,
// PE channels a beat. Latency: 5 cycles from the beat that a window waits for to the unit, and then
// that of mvau.sv. A map takes OUT_HEIGHT * OUT_WIDTH * GROUPS vectors of the unit.
//
// Weight image: as mvau.sv has it, a group behind the other; columns are row, column and channel of
// a window.
`default_nettype none

module convolution #(
  parameter int                    MAP_HEIGHT       = 3,  // as of sliding_window, to FILL
  parameter int                    MAP_WIDTH        = 3,
  parameter int                    KERNEL_HEIGHT    = 3,
  parameter int                    KERNEL_WIDTH     = 3,
  parameter int                    STRIDE_Y         = 1,
  parameter int                    STRIDE_X         = 1,
  parameter int                    DILATION_Y       = 1,
  parameter int                    DILATION_X       = 1,
  parameter int                    PAD_TOP          = 0,
  parameter int                    PAD_LEFT         = 0,
  parameter int                    OUT_HEIGHT       = 1,
  parameter int                    OUT_WIDTH        = 1,
  parameter int                    RING_DEPTH       = 9,
  parameter logic [INPUT_BITS-1:0] FILL             = '0,  // an element beyond the edges
  parameter int                    GROUPS           = 1,   // as of mvau, to WEIGHTS
  parameter int                    DEPTHWISE        = 0,
  parameter int                    ROWS             = 1,
  parameter int                    COLUMNS          = 9,   // of all pixels of a window
  parameter int                    PE               = 1,
  parameter int                    SIMD             = 1,
  parameter int                    INPUT_BITS       = 1,
  parameter int                    INPUT_ENCODING   = 2,
  parameter int                    WEIGHT_BITS      = 1,
  parameter int                    WEIGHT_ENCODING  = 2,
  parameter int                    ACCUMULATOR_BITS = 8,
  parameter int                    MULTIPLIERS      = 0,
  parameter int                    BLOCK_RAM        = 0,
  parameter int                    READ_CYCLES      = 1,
  parameter int                    REGISTERS        = 0,
  parameter                        WEIGHTS          = "weights.hex",
  // The rest follows from the above: leave it alone.
  parameter int                    LANES            = DEPTHWISE != 0 ? PE : SIMD,
  parameter int                    WORDS            = COLUMNS / (KERNEL_HEIGHT * KERNEL_WIDTH * SIMD)
) (
  input  logic                           aclk,
  input  logic                           aresetn,
  input  logic [LANES*INPUT_BITS-1:0]    s_axis_tdata,
  input  logic                           s_axis_tvalid,
  output logic                           s_axis_tready,
  output logic [PE*ACCUMULATOR_BITS-1:0] m_axis_tdata,
  output logic                           m_axis_tvalid,
  input  logic                           m_axis_tready,
  output logic                           busy,    // a product is computed in this cycle
  output logic                           stalled  // accumulators wait to be taken
);
  logic [LANES*INPUT_BITS-1:0] seen;
  logic seen_valid, seen_ready;

  sliding_window #(
    .WIDTH        (LANES * INPUT_BITS),
    .FILL         ({LANES{FILL}}),
    .MAP_HEIGHT   (MAP_HEIGHT),
    .MAP_WIDTH    (MAP_WIDTH),
    .GROUPS       (GROUPS),
    .WORDS        (WORDS),
    .KERNEL_HEIGHT(KERNEL_HEIGHT),
    .KERNEL_WIDTH (KERNEL_WIDTH),
    .STRIDE_Y     (STRIDE_Y),
    .STRIDE_X     (STRIDE_X),
    .DILATION_Y   (DILATION_Y),
    .DILATION_X   (DILATION_X),
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

  mvau #(
    .GROUPS          (GROUPS),
    .DEPTHWISE       (DEPTHWISE),
    .ROWS            (ROWS),
    .COLUMNS         (COLUMNS),
    .PE              (PE),
    .SIMD            (SIMD),
    .INPUT_BITS      (INPUT_BITS),
    .INPUT_ENCODING  (INPUT_ENCODING),
    .WEIGHT_BITS     (WEIGHT_BITS),
    .WEIGHT_ENCODING (WEIGHT_ENCODING),
    .ACCUMULATOR_BITS(ACCUMULATOR_BITS),
    .MULTIPLIERS     (MULTIPLIERS),
    .BLOCK_RAM       (BLOCK_RAM),
    .READ_CYCLES     (READ_CYCLES),
    .REGISTERS       (REGISTERS),
    .WEIGHTS         (WEIGHTS)
  ) products (
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
