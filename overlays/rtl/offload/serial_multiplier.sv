// Multiplies in 16 cycles, a bit of the second factor a cycle; says where 29 bits are not enough.
`default_nettype none

module serial_multiplier (
    input wire aclk,

    input  wire         start,    // one cycle: takes b
    input  wire  [31:0] a,        // stays until `done`
    input  wire  [15:0] b,
    output logic        done,     // from 17 cycles after the start until the next
    output logic [28:0] product,
    output logic        too_large
);

  logic [15:0] left;
  logic [ 4:0] step;

  wire [32:0] sum = {3'd0, product, 1'b0} + (left[15] ? {1'b0, a} : 33'd0);

  assign done = step == 5'd16;

  always_ff @(posedge aclk) begin
    if (start) begin
      left <= b;
      step <= '0;
      product <= '0;
      too_large <= 1'b0;
    end else if (!done) begin
      left <= left << 1;
      step <= step + 5'd1;
      product <= sum[28:0];
      too_large <= too_large || sum[32:29] != '0;
    end
  end

endmodule

`default_nettype wire
