// Dot products of PE rows of SIMD weights with the same SIMD inputs, pipelined.
//
// Row p is sums[p] + shared, modulo 2^SUM_BITS: what all rows have in common is computed once.
// Latency: REGISTERS cycles. PE dot products a cycle.
//
// Encodings: 0 unsigned, 1 two's complement, 2 bipolar (bit 0 is -1, bit 1 is +1). With bits as 0
// and 1, and integers as planes of bits, a row is
//
//   both bipolar       2 * sum(x xnor w) - SIMD
//   bipolar weights    2 * sum(x and w) - sum(x)
//   bipolar inputs     sum(x xnor w), by planes of w, + most * (sum(x) - SIMD), most being w of ones
//   else               sum(x and w), by planes of both
//
// A plane that counts less than nothing, that of a sign, is complemented, which is a constant more.
// So each plane of bits, of one row or shared, is a part of a heap of counters.
`default_nettype none

module dot_product #(
  parameter int PE              = 1,  // rows, >= 1
  parameter int SIMD            = 8,  // products of a row, 1 to 32767
  parameter int INPUT_BITS      = 1,  // 1 to 32; 1 where bipolar
  parameter int INPUT_ENCODING  = 2,  // 0, 1 or 2
  parameter int WEIGHT_BITS     = 1,  // 1 to 8; 1 where bipolar
  parameter int WEIGHT_ENCODING = 2,  // 0, 1 or 2
  parameter int SUM_BITS        = 5,  // 2 to 64, two's complement; must hold every sum
  parameter int MULTIPLIERS     = 0,  // 1: one for each product, which may become a DSP
  parameter int REGISTERS       = 0,  // >= 0
  // 1 as counters, which synthesise well; 0 as one expression, which a simulator takes at once.
`ifdef VERILATOR
  parameter int STRUCTURE       = 0
`else
  parameter int STRUCTURE       = 1
`endif
) (
  input  logic                           aclk,
  input  logic                           advance,  // the registers move
  input  logic [SIMD*INPUT_BITS-1:0]     x,
  input  logic [PE*SIMD*WEIGHT_BITS-1:0] w,
  output logic [PE*SUM_BITS-1:0]         sums,
  output logic [SUM_BITS-1:0]            shared
);
  localparam int BIPOLAR = 2;
  localparam bit X_BIPOLAR = INPUT_ENCODING == BIPOLAR;
  localparam bit W_BIPOLAR = WEIGHT_ENCODING == BIPOLAR;

  if ((X_BIPOLAR && INPUT_BITS != 1) || (W_BIPOLAR && WEIGHT_BITS != 1)) begin : g_bad_encoding
    $error("a bipolar value has one bit");
  end
  if (MULTIPLIERS != 0 && (X_BIPOLAR || W_BIPOLAR)) begin : g_bad_multipliers
    $error("MULTIPLIERS are for two integers");
  end

  if (STRUCTURE != 0) begin : g_structure
    for (genvar p = 0; p < PE; p = p + 1) begin : g_row
      dot_product_row #(
        .SIMD           (SIMD),
        .INPUT_BITS     (INPUT_BITS),
        .INPUT_ENCODING (INPUT_ENCODING),
        .WEIGHT_BITS    (WEIGHT_BITS),
        .WEIGHT_ENCODING(WEIGHT_ENCODING),
        .SUM_BITS       (SUM_BITS),
        .MULTIPLIERS    (MULTIPLIERS),
        .REGISTERS      (REGISTERS)
      ) row (
        .aclk,
        .advance,
        .x,
        .w  (w[p*SIMD*WEIGHT_BITS+:SIMD*WEIGHT_BITS]),
        .sum(sums[p*SUM_BITS+:SUM_BITS])
      );
    end
    dot_product_shared #(
      .SIMD           (SIMD),
      .INPUT_BITS     (INPUT_BITS),
      .INPUT_ENCODING (INPUT_ENCODING),
      .WEIGHT_BITS    (WEIGHT_BITS),
      .WEIGHT_ENCODING(WEIGHT_ENCODING),
      .SUM_BITS       (SUM_BITS),
      .MULTIPLIERS    (MULTIPLIERS),
      .REGISTERS      (REGISTERS)
    ) common (
      .aclk,
      .advance,
      .x,
      .sum(shared)
    );
  end else begin : g_expression
    for (genvar p = 0; p < PE; p = p + 1) begin : g_row
      logic signed [SUM_BITS-1:0] total;
      if (X_BIPOLAR && W_BIPOLAR) begin : g_xnor
        logic [SIMD-1:0] same;
        assign same = ~(x ^ w[p*SIMD+:SIMD]);
        assign total = (SUM_BITS'($countones(same)) << 1) - SUM_BITS'(SIMD);
      end else begin : g_products
        // One bit more than the operand, so that an unsigned one has a sign too.
        logic signed [INPUT_BITS:0]  xi;
        logic signed [WEIGHT_BITS:0] wi;
        always_comb begin
          total = '0;
          xi = '0;
          wi = '0;
          for (int i = 0; i < SIMD; i = i + 1) begin
            xi = {INPUT_ENCODING == 1 && x[i*INPUT_BITS+INPUT_BITS-1],
               x[i*INPUT_BITS+:INPUT_BITS]};
            wi = {WEIGHT_ENCODING == 1 && w[(p*SIMD+i)*WEIGHT_BITS+WEIGHT_BITS-1],
               w[(p*SIMD+i)*WEIGHT_BITS+:WEIGHT_BITS]};
            if (W_BIPOLAR) total = wi[0] ? total + SUM_BITS'(xi) : total - SUM_BITS'(xi);
            else if (X_BIPOLAR) total = xi[0] ? total + SUM_BITS'(wi) : total - SUM_BITS'(wi);
            else total = total + SUM_BITS'(xi) * SUM_BITS'(wi);
          end
        end
      end
      delay #(
        .WIDTH (SUM_BITS),
        .CYCLES(REGISTERS)
      ) hold (
        .aclk,
        .advance,
        .x(total),
        .y(sums[p*SUM_BITS+:SUM_BITS])
      );
    end
    assign shared = '0;
  end
endmodule

`default_nettype wire
