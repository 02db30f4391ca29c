// 255 / (1 + i/64), in 256ths and rounded down to one that is smaller, without a clock.
`default_nettype none

module softmax_reciprocal_rom (
  input  wire [5:0]  address,
  output wire [15:0] data
);
  reg [15:0] words[0:63];
  integer i;
  initial begin
    for (i = 0; i < 64; i = i + 1) words[i] = 16'(255 * 16384 / (65 + i));
  end

  assign data = words[address];
endmodule

`default_nettype wire
