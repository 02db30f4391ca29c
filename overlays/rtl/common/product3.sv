// How many of three one-bit products are 1, for COUNTERS threes at once, without a clock.
//
// Counter i takes bits i, COUNTERS + i and 2 * COUNTERS + i of both sides: six bits, so that each of
// its outputs is a 6-input LUT.
`default_nettype none

module product3 #(
  parameter int COUNTERS = 1,  // >= 1
  parameter int PRODUCT  = 0   // 0 AND, 1 XNOR, 2 NAND, 3 XOR
) (
  input  logic [2:0][COUNTERS-1:0] x,
  input  logic [2:0][COUNTERS-1:0] w,
  output logic [COUNTERS-1:0]      ones,
  output logic [COUNTERS-1:0]      twos
);
  if (PRODUCT < 0 || PRODUCT > 3) begin : g_bad_product
    $error("PRODUCT must be 0 to 3");
  end

  logic [2:0][COUNTERS-1:0] product;
  assign product = (PRODUCT % 2 == 0 ? x & w : ~(x ^ w)) ^ {3 * COUNTERS{PRODUCT >= 2}};
  assign ones = product[0] ^ product[1] ^ product[2];
  assign twos = (product[0] & product[1]) | (product[2] & (product[0] | product[1]));
endmodule

`default_nettype wire
