// The sum of three numbers, or of the first two, modulo 2^WIDTH, without a clock.
`default_nettype none

module sum3 #(
  parameter int WIDTH = 8  // bits, >= 1
) (
  input  logic [2:0][WIDTH-1:0] terms,
  input  logic                  all,   // or only the first two
  output logic [WIDTH-1:0]      sum
);
  logic [WIDTH-1:0] last, carries;
  assign last = terms[2] & {WIDTH{all}};
  assign carries = (terms[0] & terms[1]) | (last & (terms[0] | terms[1]));
  assign sum = (terms[0] ^ terms[1] ^ last) + (carries << 1);
endmodule

`default_nettype wire
