// ROWS x LANES one-bit products a cycle: a step multiplies one word of an input plane with one word
// of a weight plane of every row. Sums of any encodings are made of steps.
//
// XNOR counts equal bits (both bipolar), AND counts common ones (all else). `input_sum` is what a
// row of ones would have: a bipolar weight counts 2*AND - input, and the input's sum is the same for
// all rows. Latency: 3 cycles from the words of the last step to `result_valid`.
`default_nettype none

module bit_serial_array #(
    parameter int ROWS  = 8,  // 1 or more
    parameter int LANES = 64  // 1 or more
) (
    input wire aclk,
    input wire aresetn,
    input wire advance,  // the pipeline moves

    input wire bipolar,  // both sides are: XNOR
    input wire [LANES-1:0] tail_mask,  // the lanes of a plane's last word that are no padding

    input wire step,
    input wire step_tail,      // the last word of a plane
    input wire step_first,     // of a sum
    input wire step_double,    // the weight of planes halves from here on
    input wire step_negative,
    input wire step_last,      // of a sum
    input wire [LANES-1:0] input_word,
    input wire [ROWS*LANES-1:0] weight_words,

    output logic               result_valid,
    output wire [ROWS*32-1:0]  sums,
    output wire [31:0]         input_sum
);

  wire [LANES-1:0] mask = step_tail ? tail_mask : '1;

  // Stage 1: what a weight bit of 1 and of 0 count for.
  logic [LANES-1:0] when_one, when_zero;
  logic [ROWS*LANES-1:0] weights;
  logic step1, first1, double1, negative1, last1;
  // Stage 2: counts; stage 3: sums.
  logic step2, first2, double2, negative2, last2;

  always_ff @(posedge aclk) begin
    if (advance) begin
      when_one <= input_word & mask;
      when_zero <= bipolar ? ~input_word & mask : '0;
      weights <= weight_words;
      {first1, double1, negative1, last1} <= {step_first, step_double, step_negative, step_last};
      {first2, double2, negative2, last2} <= {first1, double1, negative1, last1};
    end
    if (!aresetn) begin
      step1 <= 1'b0;
      step2 <= 1'b0;
      result_valid <= 1'b0;
    end else if (advance) begin
      step1 <= step;
      step2 <= step1;
      result_valid <= step2 && last2;
    end
  end

  genvar r;
  generate
    for (r = 0; r <= ROWS; r = r + 1) begin : g_row
      wire [LANES-1:0] row_weights;
      wire [31:0] row_sum;
      if (r < ROWS) begin : g_weights
        assign row_weights = weights[r*LANES+:LANES];
        assign sums[r*32+:32] = row_sum;
      end else begin : g_ones
        assign row_weights = '1;
        assign input_sum = row_sum;
      end
      bit_serial_row #(
          .LANES(LANES)
      ) row (
          .aclk,
          .advance,
          .weights(row_weights),
          .when_one,
          .when_zero,
          .add(step2),
          .first(first2),
          .double(double2),
          .negative(negative2),
          .sum(row_sum)
      );
    end
  endgenerate

endmodule

`default_nettype wire
