// Test only: a primitive of the 7 series, as UG953 describes it.
`default_nettype none

module CARRY4 (
  output logic [3:0] CO,
  output logic [3:0] O,
  input  logic       CI,
  input  logic       CYINIT,
  input  logic [3:0] DI,
  input  logic [3:0] S
);
  logic first, second, third, fourth;
  assign first = CI | CYINIT;
  assign second = S[0] ? first : DI[0];
  assign third = S[1] ? second : DI[1];
  assign fourth = S[2] ? third : DI[2];
  assign CO = {S[3] ? fourth : DI[3], fourth, third, second};
  assign O = S ^ {fourth, third, second, first};
endmodule

`default_nettype wire
