// e of a score, as models/softmax.py has it, without a clock: a table of 256.
//
// Reduced: 2^-(i/256), 256 standing for 1, less 1 so that 8 bits hold it. Plain: 1 + z + z^2/2, at
// z in 16ths as it is stored.
`default_nettype none

module softmax_curve_rom #(
  parameter PLAIN = 0,  // 0 the reduced form, 1 the plain one
  // The rest follows from the above: leave it alone.
  parameter BITS = PLAIN ? 14 : 8
) (
  input  wire [7:0]      address,
  output wire [BITS-1:0] data
);
  function automatic [BITS-1:0] point(input integer i);
    integer u;
    begin
      if (PLAIN != 0) begin
        u = i;
        if (i >= 128) u = i - 256;
        point = BITS'(256 + 16 * u + ((u * u + 1) >> 1));
      end else begin
        u = (i * 177) >> 8;
        point = BITS'(255 - u + ((u * u) >> 9));
      end
    end
  endfunction

  reg [BITS-1:0] words[0:255];
  integer i;
  initial begin
    for (i = 0; i < 256; i = i + 1) words[i] = point(i);
  end

  assign data = words[address];
endmodule

`default_nettype wire
