// Matrix-vector unit: ROWS x COLUMNS weights, PE rows and SIMD columns a cycle.
//
// A frame comes as COLUMNS/SIMD beats and leaves as ROWS/PE beats of PE accumulators. The first
// block of rows is computed while the frame arrives; the other blocks read it back from a buffer.
// Latency: 3 cycles from the beat that completes a block to its accumulators, 2 where SIMD = COLUMNS.
// A frame takes (ROWS/PE)*(COLUMNS/SIMD) cycles.
//
// Weight image: word nf*(COLUMNS/SIMD)+sf holds, lowest bits first, row nf*PE+p for each p, and in
// it the columns sf*SIMD+s for each s.
`default_nettype none

module mvau #(
  parameter ROWS             = 8,             // out_features, >= 1
  parameter COLUMNS          = 8,             // in_features, >= 1
  parameter PE               = 1,             // divides ROWS
  parameter SIMD             = 1,             // divides COLUMNS
  parameter INPUT_BITS       = 1,             // 1 to 32
  parameter INPUT_ENCODING   = 2,             // 0 unsigned, 1 two's complement, 2 bipolar
  parameter WEIGHT_BITS      = 1,             // 1 to 8
  parameter WEIGHT_ENCODING  = 2,             // 0 unsigned, 1 two's complement, 2 bipolar
  parameter ACCUMULATOR_BITS = 8,             // two's complement; must hold every sum
  parameter WEIGHTS          = "weights.hex"  // memory image, see above
) (
  input  wire                           aclk,
  input  wire                           aresetn,
  input  wire [SIMD*INPUT_BITS-1:0]     s_axis_tdata,
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
  localparam DEPTH = NF * SF;
  localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam INPUT_WIDTH = SIMD * INPUT_BITS;
  localparam WEIGHT_WIDTH = PE * SIMD * WEIGHT_BITS;

  generate
    if (ROWS % PE != 0 || COLUMNS % SIMD != 0) begin : g_bad_folding
      $error("PE must divide ROWS and SIMD must divide COLUMNS");
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
      address <= last_column && last_block ? 0 : address + 1'b1;
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

  wire [WEIGHT_WIDTH-1:0] w;
  rom #(
    .WIDTH(WEIGHT_WIDTH),
    .DEPTH(DEPTH),
    .IMAGE(WEIGHTS)
  ) weights (
    .address(address),
    .data   (w)
  );

  // Stage 1: operands.
  reg [INPUT_WIDTH-1:0]  x1;
  reg [WEIGHT_WIDTH-1:0] w1;
  reg valid1, first1, last1;
  // Stage 2: dot products.
  reg [PE*ACCUMULATOR_BITS-1:0] dot2;
  reg valid2, first2, last2;

  wire [PE*ACCUMULATOR_BITS-1:0] dot1;
  genvar p;
  generate
    for (p = 0; p < PE; p = p + 1) begin : g_pe
      dot_product #(
        .SIMD           (SIMD),
        .INPUT_BITS     (INPUT_BITS),
        .INPUT_ENCODING (INPUT_ENCODING),
        .WEIGHT_BITS    (WEIGHT_BITS),
        .WEIGHT_ENCODING(WEIGHT_ENCODING),
        .SUM_BITS       (ACCUMULATOR_BITS)
      ) dot_product (
        .x  (x1),
        .w  (w1[p*SIMD*WEIGHT_BITS+:SIMD*WEIGHT_BITS]),
        .sum(dot1[p*ACCUMULATOR_BITS+:ACCUMULATOR_BITS])
      );
    end
  endgenerate

  always @(posedge aclk) begin
    if (!aresetn) begin
      valid1 <= 0;
      valid2 <= 0;
    end else if (advance) begin
      valid1 <= fetch;
      valid2 <= valid1;
    end
    if (advance) begin
      x1 <= x;
      w1 <= w;
      first1 <= first_column;
      last1 <= last_column;
      dot2 <= dot1;
      first2 <= first1;
      last2 <= last1;
    end
  end

  // Stage 3: accumulators, where a row takes more than one cycle.
  generate
    if (SF > 1) begin : g_accumulate
      reg [PE*ACCUMULATOR_BITS-1:0] sum3;
      reg done3;
      for (p = 0; p < PE; p = p + 1) begin : g_pe
        localparam LOW = p * ACCUMULATOR_BITS;
        always @(posedge aclk)
          if (advance && valid2)
            sum3[LOW+:ACCUMULATOR_BITS] <= dot2[LOW+:ACCUMULATOR_BITS]
              + (first2 ? {ACCUMULATOR_BITS{1'b0}} : sum3[LOW+:ACCUMULATOR_BITS]);
      end
      always @(posedge aclk) begin
        if (!aresetn) done3 <= 0;
        else if (advance) done3 <= valid2 && last2;
      end
      assign m_axis_tdata = sum3;
      assign m_axis_tvalid = done3;
    end else begin : g_single
      assign m_axis_tdata = dot2;
      assign m_axis_tvalid = valid2;
      wire unused = &{1'b0, first2, last2};
    end
  endgenerate
endmodule

`default_nettype wire
