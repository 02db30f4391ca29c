// Elements of one encoding as the same values in another, without a clock.
//
// Encodings: 0 unsigned, 1 two's complement, 2 bipolar (bit 0 is -1, bit 1 is +1). An integer is
// extended or cut to OUTPUT_BITS: the lowest bits of unsigned and two's complement are the same, so
// whoever sets OUTPUT_ENCODING and OUTPUT_BITS sees to it that they hold the values.
`default_nettype none

module convert_lanes #(
  parameter int LANES           = 1,  // elements, >= 1
  parameter int INPUT_BITS      = 8,  // 1 to 32; 1 where bipolar
  parameter int INPUT_ENCODING  = 1,  // 0, 1 or 2
  parameter int OUTPUT_BITS     = 8,  // >= 1; 1 where bipolar
  parameter int OUTPUT_ENCODING = 1   // 0, 1 or 2; 2 only from 2
) (
  input  logic [LANES*INPUT_BITS-1:0]  x,
  output logic [LANES*OUTPUT_BITS-1:0] y
);
  localparam int BIPOLAR = 2;

  if (INPUT_ENCODING < 0 || INPUT_ENCODING > BIPOLAR) begin : g_bad_encoding
    $error("INPUT_ENCODING must be 0, 1 or 2");
  end
  if ((INPUT_ENCODING == BIPOLAR && INPUT_BITS != 1)
    || (OUTPUT_ENCODING == BIPOLAR && OUTPUT_BITS != 1)) begin : g_bad_bits
    $error("a bipolar value has one bit");
  end
  if (OUTPUT_ENCODING == BIPOLAR && INPUT_ENCODING != BIPOLAR) begin : g_bad_output
    $error("only a bipolar value can become a bipolar one");
  end

  for (genvar i = 0; i < LANES; i = i + 1) begin : g_lane
    logic [INPUT_BITS-1:0] stored;
    assign stored = x[i*INPUT_BITS+:INPUT_BITS];
    if (OUTPUT_ENCODING == BIPOLAR) begin : g_bit
      assign y[i] = stored[0];
    end else begin : g_integer
      // One bit more than is stored, so that unsigned and bipolar values have a sign too.
      logic signed [INPUT_BITS:0] value;
      if (INPUT_ENCODING == BIPOLAR) begin : g_bipolar
        assign value = {!stored[0], 1'b1};
      end else begin : g_extend
        assign value = {INPUT_ENCODING == 1 && stored[INPUT_BITS-1], stored};
      end
      assign y[i*OUTPUT_BITS+:OUTPUT_BITS] = OUTPUT_BITS'(value);
      logic unused;
      assign unused = &{1'b0, value};  // what is cut off
    end
  end
endmodule

`default_nettype wire
