// ROWS x LANES one-bit products a cycle: a step multiplies one word of an input plane with one word
// of a weight plane of every row. Sums of any encodings are made of steps.
//
// A product is AND, whatever the encodings: a bipolar factor counts 2 * bit - 1, and what that adds
// is a constant of the row or `input_sum`, which is what a row of ones would have and is the same
// for all rows. Latency: REGISTERS + 3 cycles from an input word of the last step to the sums.
`default_nettype none

module bit_serial_array #(
    parameter int ROWS = 8,      // 1 or more
    parameter int LANES = 64,    // 1 or more
    parameter int REGISTERS = 1  // in the count of a row, 0 or more
) (
    input wire aclk,

    input wire [LANES-1:0] tail_mask,  // the lanes of a plane's last word that are no padding

    input wire step,           // else nothing is added
    input wire step_tail,      // the last word of a plane
    input wire step_first,     // of a sum
    input wire step_double,    // the weight of planes halves from here on
    input wire step_negative,
    input wire [LANES-1:0] input_word,
    input wire [ROWS*LANES-1:0] weight_words,  // a cycle later than the input's

    output wire [ROWS*32-1:0] sums,
    output wire [31:0]        input_sum
);

  logic [LANES-1:0] inputs;
  always_ff @(posedge aclk) begin
    inputs <= !step ? '0 : step_tail ? input_word & tail_mask : input_word;
  end

  wire negative, negative_q, first, double;
  delay #(
      .WIDTH (1),
      .CYCLES(REGISTERS + 1)
  ) to_count (
      .aclk,
      .advance(1'b1),
      .x(step && step_negative),
      .y(negative)
  );
  delay #(
      .WIDTH (3),
      .CYCLES(REGISTERS + 2)
  ) to_sum (
      .aclk,
      .advance(1'b1),
      .x({step && step_negative, step && step_first, step && step_double}),
      .y({negative_q, first, double})
  );

  genvar r;
  generate
    for (r = 0; r <= ROWS; r = r + 1) begin : g_row
      wire [LANES-1:0] weights;
      wire [31:0] row_sum;
      if (r < ROWS) begin : g_weights
        assign weights = weight_words[r*LANES+:LANES];
        assign sums[r*32+:32] = row_sum;
      end else begin : g_ones
        assign weights = '1;
        assign input_sum = row_sum;
      end
      bit_serial_row #(
          .LANES    (LANES),
          .REGISTERS(REGISTERS)
      ) row (
          .aclk,
          .inputs,
          .weights,
          .negative,
          .negative_q,
          .first,
          .double,
          .sum(row_sum)
      );
    end
  endgenerate

endmodule

`default_nettype wire
