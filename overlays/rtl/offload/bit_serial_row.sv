// One row of the array: a popcount of LANES one-bit products a cycle, weighed and summed.
//
// A product is `when_one` where the weight's bit is 1 and `when_zero` where it is 0, so that the row
// itself knows neither encodings nor padding. Planes come in descending weight: where the weight
// halves, the sum so far is doubled, so that no shifter is needed.
`default_nettype none

module bit_serial_row #(
    parameter int LANES = 64  // 1 or more
) (
    input wire aclk,
    input wire advance,

    // Products, and in the next cycle what their count does to the sum.
    input  wire        [LANES-1:0] weights,
    input  wire        [LANES-1:0] when_one,
    input  wire        [LANES-1:0] when_zero,
    input  wire                    add,        // the count is that of a step
    input  wire                    first,      // the first step of a sum
    input  wire                    double,     // twice the sum so far
    input  wire                    negative,   // less the count
    output logic signed [31:0]     sum
);

  localparam int COUNT_BITS = $clog2(LANES + 1);

  logic [COUNT_BITS-1:0] count;
  wire signed [31:0] term = negative ? -(32'(count)) : 32'(count);
  wire signed [31:0] so_far = first ? 32'sd0 : double ? sum <<< 1 : sum;

  always_ff @(posedge aclk) begin
    if (advance) begin
      count <= COUNT_BITS'($countones((weights & when_one) | (~weights & when_zero)));
      if (add) sum <= so_far + term;
    end
  end

endmodule

`default_nettype wire
