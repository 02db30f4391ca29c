// Dot product of SIMD weights with SIMD inputs, without a clock.
//
// Encodings: 0 unsigned, 1 two's complement, 2 bipolar (bit 0 is -1, bit 1 is +1). Two bipolar
// vectors meet in an XNOR and a popcount; one bipolar vector adds or subtracts the other; all else
// multiplies.
`default_nettype none

module dot_product #(
  parameter SIMD            = 8,   // products, >= 1
  parameter INPUT_BITS      = 1,   // 1 to 32; 1 where bipolar
  parameter INPUT_ENCODING  = 2,   // 0, 1 or 2
  parameter WEIGHT_BITS     = 1,   // 1 to 8; 1 where bipolar
  parameter WEIGHT_ENCODING = 2,   // 0, 1 or 2
  parameter SUM_BITS        = 5    // two's complement; must hold every sum
) (
  input  wire        [SIMD*INPUT_BITS-1:0]  x,
  input  wire        [SIMD*WEIGHT_BITS-1:0] w,
  output wire signed  [SUM_BITS-1:0]        sum
);
  localparam BIPOLAR = 2;

  generate
    if ((INPUT_ENCODING == BIPOLAR && INPUT_BITS != 1)
      || (WEIGHT_ENCODING == BIPOLAR && WEIGHT_BITS != 1)) begin : g_bad_encoding
      $error("a bipolar value has one bit");
    end
  endgenerate

  generate
    if (INPUT_ENCODING == BIPOLAR && WEIGHT_ENCODING == BIPOLAR) begin : g_xnor
      localparam COUNT_BITS = $clog2(SIMD + 1);
      // Counted in parts: Yosys adds the bits up one inside the other, and has no stack for all.
      localparam PARTS = (SIMD + 127) / 128;
      wire [SIMD-1:0] same = ~(x ^ w);
      wire [128*PARTS-1:0] padded = (128*PARTS)'(same);
      logic [COUNT_BITS-1:0] equal;
      integer i;
      always_comb begin
        equal = 0;
        for (i = 0; i < PARTS; i = i + 1)
          equal = equal + COUNT_BITS'($countones(padded[128*i+:128]));
      end
      assign sum = (SUM_BITS'(equal) << 1) - SUM_BITS'(SIMD);
    end else begin : g_products
      // One bit more than the operand, so that an unsigned one has a sign too.
      logic signed [INPUT_BITS:0]  xi;
      logic signed [WEIGHT_BITS:0] wi;
      logic signed [SUM_BITS-1:0]  total;
      integer i;
      always_comb begin
        total = 0;
        xi = 0;
        wi = 0;
        for (i = 0; i < SIMD; i = i + 1) begin
          xi = {INPUT_ENCODING == 1 && x[i*INPUT_BITS+INPUT_BITS-1],
             x[i*INPUT_BITS+:INPUT_BITS]};
          wi = {WEIGHT_ENCODING == 1 && w[i*WEIGHT_BITS+WEIGHT_BITS-1],
             w[i*WEIGHT_BITS+:WEIGHT_BITS]};
          if (WEIGHT_ENCODING == BIPOLAR)
            total = wi[0] ? total + SUM_BITS'(xi) : total - SUM_BITS'(xi);
          else if (INPUT_ENCODING == BIPOLAR)
            total = xi[0] ? total + SUM_BITS'(wi) : total - SUM_BITS'(wi);
          else
            total = total + SUM_BITS'(xi) * SUM_BITS'(wi);
        end
      end
      assign sum = total;
    end
  endgenerate
endmodule

`default_nettype wire
