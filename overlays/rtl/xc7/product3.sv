// How many of three one-bit products are 1, for COUNTERS threes at once, without a clock:
// common/product3.sv for the 7 series, a counter in two LUTs.
//
// Left to itself a mapper that sees many of them takes them apart, and needs half as many again.
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
  // The table of a bit of the count, by the bits of x and, above them, those of w.
  function automatic logic [63:0] table_of(input int bit_of_count);
    int hits;
    logic product;
    table_of = '0;
    for (int i = 0; i < 64; i = i + 1) begin
      hits = 0;
      for (int j = 0; j < 3; j = j + 1) begin
        product = (PRODUCT % 2 == 0) ? 1'((i >> j) & (i >> (j + 3)) & 1)
          : 1'((((i >> j) ^ (i >> (j + 3))) & 1) == 0);
        if (product != (PRODUCT >= 2)) hits = hits + 1;
      end
      if (((hits >> bit_of_count) & 1) == 1) table_of = table_of | 64'd1 << i;
    end
  endfunction

  for (genvar i = 0; i < COUNTERS; i = i + 1) begin : g_counter
    for (genvar b = 0; b < 2; b = b + 1) begin : g_bit
      logic counted, unused;
      LUT6_2 #(
        .INIT(table_of(b))
      ) lut (
        .O6(counted),
        .O5(unused),
        .I0(x[0][i]),
        .I1(x[1][i]),
        .I2(x[2][i]),
        .I3(w[0][i]),
        .I4(w[1][i]),
        .I5(w[2][i])
      );
    end
    assign ones[i] = g_bit[0].counted;
    assign twos[i] = g_bit[1].counted;
  end
endmodule

`default_nettype wire
