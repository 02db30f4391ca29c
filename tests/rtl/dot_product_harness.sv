// The dot products of dot_product.sv as numbers, of counters and of the expression beside them.
`default_nettype none

module dot_product_harness #(
  parameter int PE              = 1,
  parameter int SIMD            = 8,
  parameter int INPUT_BITS      = 1,
  parameter int INPUT_ENCODING  = 2,
  parameter int WEIGHT_BITS     = 1,
  parameter int WEIGHT_ENCODING = 2,
  parameter int SUM_BITS        = 5,
  parameter int MULTIPLIERS     = 0,
  parameter int REGISTERS       = 0
) (
  input  logic                           aclk,
  input  logic                           advance,
  input  logic [SIMD*INPUT_BITS-1:0]     x,
  input  logic [PE*SIMD*WEIGHT_BITS-1:0] w,
  output logic [PE*SUM_BITS-1:0]         counted,
  output logic [PE*SUM_BITS-1:0]         expressed
);
  for (genvar structure = 0; structure < 2; structure = structure + 1) begin : g_way
    logic [PE*SUM_BITS-1:0] sums, whole;
    logic [SUM_BITS-1:0] shared;
    dot_product #(
      .PE             (PE),
      .SIMD           (SIMD),
      .INPUT_BITS     (INPUT_BITS),
      .INPUT_ENCODING (INPUT_ENCODING),
      .WEIGHT_BITS    (WEIGHT_BITS),
      .WEIGHT_ENCODING(WEIGHT_ENCODING),
      .SUM_BITS       (SUM_BITS),
      .MULTIPLIERS    (MULTIPLIERS),
      .REGISTERS      (REGISTERS),
      .STRUCTURE      (structure)
    ) products (
      .*
    );
    for (genvar p = 0; p < PE; p = p + 1) begin : g_row
      assign whole[p*SUM_BITS+:SUM_BITS] = sums[p*SUM_BITS+:SUM_BITS] + shared;
    end
  end
  assign counted = g_way[1].whole;
  assign expressed = g_way[0].whole;
endmodule

`default_nettype wire
