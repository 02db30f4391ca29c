// Matrix-vector unit: GROUPS times ROWS x COLUMNS weights, PE rows and SIMD columns a cycle.
//
// A vector comes as COLUMNS/SIMD beats and leaves as ROWS/PE beats of PE accumulators. The first
// block of rows is computed while the vector arrives; the other blocks read it back from a buffer.
// Vectors take the weights of one group after the other, and of the first again. Where DEPTHWISE,
// each row has an input of its own: a beat is PE columns of SIMD 1.
// Latency: READ_CYCLES + REGISTERS + 2 cycles from the beat that completes a block to its
// accumulators. A vector takes (ROWS/PE)*(COLUMNS/SIMD) cycles.
//
// Weight image: word (g*(ROWS/PE)+nf)*(COLUMNS/SIMD)+sf holds, lowest bits first, row nf*PE+p of
// group g for each p, and in it the columns sf*SIMD+s for each s.
`default_nettype none

module mvau #(
  parameter GROUPS           = 1,             // vectors until the weights repeat, >= 1
  parameter DEPTHWISE        = 0,             // 1: each row has its own inputs
  parameter ROWS             = 8,             // >= 1; PE where DEPTHWISE
  parameter COLUMNS          = 8,             // >= 1
  parameter PE               = 1,             // divides ROWS
  parameter SIMD             = 1,             // divides COLUMNS; 1 where DEPTHWISE
  parameter INPUT_BITS       = 1,             // 1 to 32
  parameter INPUT_ENCODING   = 2,             // 0 unsigned, 1 two's complement, 2 bipolar
  parameter WEIGHT_BITS      = 1,             // 1 to 8
  parameter WEIGHT_ENCODING  = 2,             // 0 unsigned, 1 two's complement, 2 bipolar
  parameter ACCUMULATOR_BITS = 8,             // two's complement; must hold every sum
  parameter MULTIPLIERS      = 0,             // 1: one for each product, which may become a DSP
  parameter BLOCK_RAM        = 0,             // 1: the weights lie there
  parameter READ_CYCLES      = 1,             // of the weights, 1 or 2: a block RAM is slow
  parameter REGISTERS        = 0,             // in the dot products, >= 0
  parameter WEIGHTS          = "weights.hex", // memory image, see above
  // The rest follows from the above: leave it alone.
  parameter UNITS            = DEPTHWISE ? PE : 1  // that have inputs of their own
) (
  input  wire                           aclk,
  input  wire                           aresetn,
  input  wire [UNITS*SIMD*INPUT_BITS-1:0] s_axis_tdata,
  input  wire                           s_axis_tvalid,
  output wire                           s_axis_tready,
  output wire [PE*ACCUMULATOR_BITS-1:0] m_axis_tdata,
  output wire                           m_axis_tvalid,
  input  wire                           m_axis_tready,
  output wire                           busy,    // a product is computed in this cycle
  output wire                           stalled  // accumulators wait to be taken
);
  localparam SF = COLUMNS / SIMD;  // synapse fold
  localparam NF = ROWS / PE;       // neuron fold
  localparam SF_BITS = SF > 1 ? $clog2(SF) : 1;
  localparam NF_BITS = NF > 1 ? $clog2(NF) : 1;
  localparam DEPTH = GROUPS * NF * SF;
  localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam INPUT_WIDTH = UNITS * SIMD * INPUT_BITS;
  localparam WEIGHT_WIDTH = PE * SIMD * WEIGHT_BITS;

  generate
    if (ROWS % PE != 0 || COLUMNS % SIMD != 0) begin : g_bad_folding
      $error("PE must divide ROWS and SIMD must divide COLUMNS");
    end
    if (GROUPS < 1 || (DEPTHWISE && (ROWS != PE || SIMD != 1))) begin : g_bad_groups
      $error("GROUPS must be at least 1; where DEPTHWISE, ROWS is PE and SIMD is 1");
    end
  endgenerate

  // The whole unit moves unless finished accumulators wait.
  wire advance = !m_axis_tvalid || m_axis_tready;
  assign stalled = m_axis_tvalid && !m_axis_tready;

  // Where in the frame the next product stands.
  reg [SF_BITS-1:0]      sf;
  reg [NF_BITS-1:0]      nf;
  reg [ADDRESS_BITS-1:0] address;
  wire first_block = nf == 0;
  wire first_column = sf == 0;
  wire last_column = sf == SF_BITS'(SF - 1);
  wire last_block = nf == NF_BITS'(NF - 1);
  wire fetch = advance && (!first_block || s_axis_tvalid);
  assign s_axis_tready = advance && first_block;
  assign busy = fetch;

  always @(posedge aclk) begin
    if (!aresetn) begin
      sf <= 0;
      nf <= 0;
      address <= 0;
    end else if (fetch) begin
      sf <= last_column ? 0 : sf + 1'b1;
      if (last_column) nf <= last_block ? 0 : nf + 1'b1;
      address <= address == ADDRESS_BITS'(DEPTH - 1) ? 0 : address + 1'b1;
    end
  end

  // The input of this cycle: from the stream in the first block of rows, then from the buffer.
  wire [INPUT_WIDTH-1:0] x;
  generate
    if (NF > 1) begin : g_buffer
      reg [INPUT_WIDTH-1:0] frame[0:SF-1];
      always @(posedge aclk) if (fetch && first_block) frame[sf] <= s_axis_tdata;
      assign x = first_block ? s_axis_tdata : frame[sf];
    end else begin : g_no_buffer
      assign x = s_axis_tdata;
    end
  endgenerate

  // Read: operands.
  wire [INPUT_WIDTH-1:0]  x1;
  wire [WEIGHT_WIDTH-1:0] w1;
  generate
    if (BLOCK_RAM) begin : g_block
      block_rom #(
        .WIDTH (WEIGHT_WIDTH),
        .DEPTH (DEPTH),
        .CYCLES(READ_CYCLES),
        .IMAGE (WEIGHTS)
      ) weights (
        .aclk   (aclk),
        .advance(advance),
        .address(address),
        .data   (w1)
      );
    end else begin : g_logic
      rom #(
        .WIDTH (WEIGHT_WIDTH),
        .DEPTH (DEPTH),
        .CYCLES(READ_CYCLES),
        .IMAGE (WEIGHTS)
      ) weights (
        .aclk   (aclk),
        .advance(advance),
        .address(address),
        .data   (w1)
      );
    end
  endgenerate
  delay #(
    .WIDTH (INPUT_WIDTH),
    .CYCLES(READ_CYCLES)
  ) input_read (
    .aclk   (aclk),
    .advance(advance),
    .x      (x),
    .y      (x1)
  );

  // Multiply: dot products, of which a row is its own part and what the rows of a unit share.
  wire [PE*ACCUMULATOR_BITS-1:0]    parts1;
  wire [UNITS*ACCUMULATOR_BITS-1:0] shared1;
  reg  [PE*ACCUMULATOR_BITS-1:0]    parts2;
  reg  [UNITS*ACCUMULATOR_BITS-1:0] shared2;
  localparam UNIT_PE = PE / UNITS;
  genvar u;
  generate
    for (u = 0; u < UNITS; u = u + 1) begin : g_unit
      dot_product #(
        .PE             (UNIT_PE),
        .SIMD           (SIMD),
        .INPUT_BITS     (INPUT_BITS),
        .INPUT_ENCODING (INPUT_ENCODING),
        .WEIGHT_BITS    (WEIGHT_BITS),
        .WEIGHT_ENCODING(WEIGHT_ENCODING),
        .SUM_BITS       (ACCUMULATOR_BITS),
        .MULTIPLIERS    (MULTIPLIERS),
        .REGISTERS      (REGISTERS)
      ) products (
        .aclk   (aclk),
        .advance(advance),
        .x      (x1[u*SIMD*INPUT_BITS+:SIMD*INPUT_BITS]),
        .w      (w1[u*UNIT_PE*SIMD*WEIGHT_BITS+:UNIT_PE*SIMD*WEIGHT_BITS]),
        .sums   (parts1[u*UNIT_PE*ACCUMULATOR_BITS+:UNIT_PE*ACCUMULATOR_BITS]),
        .shared (shared1[u*ACCUMULATOR_BITS+:ACCUMULATOR_BITS])
      );
    end
  endgenerate
  always @(posedge aclk) begin
    if (advance) begin
      parts2 <= parts1;
      shared2 <= shared1;
    end
  end

  // Where in its row a product stands, beside it, the youngest lowest.
  localparam STEPS = READ_CYCLES + REGISTERS + 1;
  reg [STEPS-1:0] valid, first, last;
  wire valid2 = valid[STEPS-1];
  wire first2 = first[STEPS-1];
  wire last2 = last[STEPS-1];
  always @(posedge aclk) begin
    if (!aresetn) valid <= 0;
    else if (advance) valid <= STEPS'({valid, fetch});
    if (advance) begin
      first <= STEPS'({first, first_column});
      last <= STEPS'({last, last_column});
    end
  end

  // Accumulate. What is the same each time is added once.
  localparam SHARED_IS_CONSTANT = (INPUT_ENCODING == 2) == (WEIGHT_ENCODING == 2);
  reg [PE*ACCUMULATOR_BITS-1:0] sum3;
  reg done3;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : g_pe
      wire [ACCUMULATOR_BITS-1:0] part = parts2[p*ACCUMULATOR_BITS+:ACCUMULATOR_BITS];
      wire [ACCUMULATOR_BITS-1:0] common = shared2[p/UNIT_PE*ACCUMULATOR_BITS+:ACCUMULATOR_BITS];
      wire [ACCUMULATOR_BITS-1:0] so_far = sum3[p*ACCUMULATOR_BITS+:ACCUMULATOR_BITS];
      wire [ACCUMULATOR_BITS-1:0] next;
      if (SHARED_IS_CONSTANT) begin : g_start
        wire [ACCUMULATOR_BITS-1:0] start = ACCUMULATOR_BITS'(SF) * common;
        assign next = part + (SF == 1 || first2 ? start : so_far);
      end else begin : g_shared
        sum3 #(
          .WIDTH(ACCUMULATOR_BITS)
        ) accumulate (
          .terms({so_far, common, part}),
          .all  (SF > 1 && !first2),
          .sum  (next)
        );
      end
      always @(posedge aclk)
        if (advance && valid2) sum3[p*ACCUMULATOR_BITS+:ACCUMULATOR_BITS] <= next;
    end
  endgenerate
  always @(posedge aclk) begin
    if (!aresetn) done3 <= 0;
    else if (advance) done3 <= valid2 && last2;
  end
  assign m_axis_tdata = sum3;
  assign m_axis_tvalid = done3;
endmodule

`default_nettype wire
