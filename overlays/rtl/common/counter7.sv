// How many of seven bits are set, for COUNTERS sevens at once, without a clock.
//
// Counter i takes bits i, COUNTERS + i, 2 * COUNTERS + i ... of x, and gives bit i of each output.
`default_nettype none

module counter7 #(
  parameter int COUNTERS = 1  // >= 1
) (
  input  logic [6:0][COUNTERS-1:0] x,
  output logic [COUNTERS-1:0]      ones,
  output logic [COUNTERS-1:0]      twos,
  output logic [COUNTERS-1:0]      fours
);
  // Full adders: three ones to a one and a two, thrice, and three twos to a two and a four.
  logic [COUNTERS-1:0] low, high, low_two, high_two, last_two;
  assign low = x[0] ^ x[1] ^ x[2];
  assign low_two = (x[0] & x[1]) | (x[2] & (x[0] | x[1]));
  assign high = x[3] ^ x[4] ^ x[5];
  assign high_two = (x[3] & x[4]) | (x[5] & (x[3] | x[4]));
  assign ones = low ^ high ^ x[6];
  assign last_two = (low & high) | (x[6] & (low | high));
  assign twos = low_two ^ high_two ^ last_two;
  assign fours = (low_two & high_two) | (last_two & (low_two | high_two));
endmodule

`default_nettype wire
