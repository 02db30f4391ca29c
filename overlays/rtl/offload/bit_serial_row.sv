// One row of the array: a count of LANES one-bit products a cycle, weighed and summed.
//
// Planes come in descending weight: where the weight halves, the sum so far is doubled, so that no
// shifter is needed. Latency: REGISTERS + 2 cycles. A step a cycle; one whose products are all 0
// changes nothing.
`default_nettype none

module bit_serial_row #(
    parameter int LANES = 64,     // 1 or more
    parameter int REGISTERS = 1   // in the count, 0 or more
) (
    input wire aclk,

    input wire [LANES-1:0] inputs,
    input wire [LANES-1:0] weights,
    // REGISTERS cycles later, and one more.
    input wire             negative,    // less the count
    input wire             negative_q,
    input wire             first,       // the first step of a sum
    input wire             double,      // twice the sum so far
    output logic [31:0]    sum
);

  localparam int COUNT_BITS = $clog2(LANES + 1);

  wire [COUNT_BITS-1:0] count;

  product_count #(
      .PRODUCTS (LANES),
      .XNOR     (0),
      .REGISTERS(REGISTERS)
  ) products (
      .aclk,
      .advance(1'b1),
      .x(inputs),
      .w(weights),
      .count
  );

  // A number is taken away as its complement and a carry.
  logic [COUNT_BITS-1:0] term;
  wire [31:0] so_far = first ? '0 : double ? sum << 1 : sum;

  always_ff @(posedge aclk) begin
    term <= count ^ {COUNT_BITS{negative}};
    sum <= so_far + {{32 - COUNT_BITS{negative_q}}, term} + 32'(negative_q);
  end

endmodule

`default_nettype wire
