// Turns the sums of a block of rows into output bits, and writes them plane by plane.
//
// Thresholds: a binary search over each row's ascending constants, a plane in four cycles from the
// highest down. Raw: sum - constant 1, four planes in four cycles from the lowest up. Argmax: the
// index of the largest of those over one block, found row by row. Softmax: the shares of those over
// one block, which go through softmax_unit row by row.
//
// Rows i, i + ROWS/4 ... share a comparator. A result is announced RESULT_CYCLES before its sums
// are there, where there is room; how long one keeps the drain busy depends on its layer only.
`default_nettype none

module result_drain #(
    parameter int ROWS = 8,             // 8, 16, 32 or 64, divides LANES
    parameter int LANES = 64,           // a power of two
    parameter int OUTPUT_ADDRESS = 12,  // bits of a word's address on chip
    parameter int RESULT_CYCLES = 7,    // 2 or more
    parameter int SOFTMAX = 1,          // 0 leaves the softmax out
    // The rest follows from the above: leave it alone.
    parameter int GROUPS = ROWS / drain_slot_pkg::TURNS
) (
    input wire aclk,
    input wire aresetn,

    input wire start,  // one cycle: a layer begins
    input wire offload_program_pkg::descriptor_t layer,

    input  wire               result,  // only where there is room
    input  wire               result_ends_block,
    input  wire               result_ends_layer,
    output wire               room,
    input  wire [ROWS*32-1:0] sums,    // RESULT_CYCLES after `result`
    input  wire [31:0]        input_sum,

    // A constant of each comparator: the word comes two cycles after its address.
    output wire [GROUPS*10-1:0] constant_address,  // turn, then place
    input  wire [GROUPS*32-1:0] constants,

    output wire                       write,
    output wire [OUTPUT_ADDRESS-1:0]  write_address,
    output wire [LANES/ROWS-1:0]      write_slices,  // one of them: a block's place in a word
    output wire [ROWS-1:0]            write_bits,
    output wire                       overrun,       // a write is beyond the memory

    output wire block_done,  // one cycle: the last bits of a block,
    output wire layer_done   // of a layer are written
);

  wire searches = layer.head == offload_program_pkg::HEAD_THRESHOLD;
  wire finds = layer.head == offload_program_pkg::HEAD_ARGMAX
      || layer.head == offload_program_pkg::HEAD_SOFTMAX;
  wire wide = searches && layer.output_planes[3];  // constants take both buffers

  wire found;
  wire slot_valid;
  drain_slot_pkg::slot_t slot;

  drain_control #(
      .ROWS(ROWS)
  ) control (
      .aclk,
      .aresetn,
      .layer,
      .result,
      .result_ends_block,
      .result_ends_layer,
      .room,
      .found,
      .slot_valid,
      .slot
  );

  // A slot waits for its sums, and then goes along with its values: where it is when the values are
  // chosen, a cycle ahead, and one, four and five cycles later. Whether it is one is
  // kept apart, and reset.
  logic [RESULT_CYCLES+4:0] valid;
  logic [RESULT_CYCLES-1:0] results;
  drain_slot_pkg::slot_t ahead, now, at_memory, at_difference;
  // A slot says more than its end needs.
  /* verilator lint_off UNUSEDSIGNAL */
  drain_slot_pkg::slot_t at_end;
  /* verilator lint_on UNUSEDSIGNAL */

  delay #(
      .WIDTH ($bits(slot)),
      .CYCLES(RESULT_CYCLES - 1)
  ) to_sums (
      .aclk,
      .advance(1'b1),
      .x(slot),
      .y(ahead)
  );
  delay #(
      .WIDTH ($bits(slot)),
      .CYCLES(3)
  ) to_difference (
      .aclk,
      .advance(1'b1),
      .x(at_memory),
      .y(at_difference)
  );

  wire scanned = valid[RESULT_CYCLES+4] && at_end.scan;
  wire pass_ends = valid[RESULT_CYCLES+4] && !at_end.scan && at_end.turn == 2'd3;
  wire capture = results[RESULT_CYCLES-1];

  logic first;
  logic [7:0] trial, tried;
  logic [31:0] input_sum_q, less;
  logic [1:0] doubled;

  always_ff @(posedge aclk) begin
    now <= ahead;
    at_memory <= now;
    at_end <= at_difference;

    first <= ahead.first || !searches;
    trial <= searches ? 8'(9'd1 << ahead.index) : 8'd1;
    tried <= 8'(9'd2 << ahead.index);
    if (!wide) trial[7] <= ahead.buffer;

    // A bipolar factor counts 2 * bit - 1: what it takes off goes along with the values.
    if (capture) input_sum_q <= input_sum;
    less <= !layer.weight_bipolar ? '0 : layer.input_bipolar ? input_sum_q << 1 : input_sum_q;
    doubled <= {layer.weight_bipolar && layer.input_bipolar,
                layer.weight_bipolar != layer.input_bipolar};

    if (!aresetn) begin
      valid <= '0;
      results <= '0;
    end else begin
      valid <= {valid[RESULT_CYCLES+3:0], slot_valid};
      results <= RESULT_CYCLES'({results, result});
    end
  end

  // The rows, by turn and group.
  wire [drain_slot_pkg::TURNS-1:0][GROUPS-1:0][31:0] rows = sums;
  wire [GROUPS-1:0][31:0] differences;
  wire [drain_slot_pkg::TURNS-1:0][GROUPS-1:0] bits;
  wire [GROUPS-1:0][3:0] choices;
  wire [1:0] plane;

  genvar g;
  generate
    if (ROWS < 8 || ROWS > 64 || LANES % ROWS != 0 || RESULT_CYCLES < 2) begin : g_bad_size
      $error("result_drain: ROWS must be 8 to 64 and divide LANES, RESULT_CYCLES at least 2");
    end
    for (g = 0; g < GROUPS; g = g + 1) begin : g_group
      wire [7:0] level;
      wire [3:0] group_bits;
      drain_group group (
          .aclk,
          .capture,
          .sums({rows[3][g], rows[2][g], rows[1][g], rows[0][g]}),
          .less,
          .doubled,
          .turn(now.turn),
          .first,
          .trial,
          .tried,
          .level,
          .constant(constants[g*32+:32]),
          .difference(differences[g]),
          .searches,
          .finds,
          .planes(at_difference.index[2:0]),
          .found(choices[g]),
          .pass_ends,
          .plane,
          .bits(group_bits)
      );
      assign constant_address[g*10+:10] = {at_memory.turn, level};
      assign {bits[3][g], bits[2][g], bits[1][g], bits[0][g]} = group_bits;
    end
  endgenerate

  logic [31:0] scanned_value;
  always_ff @(posedge aclk) scanned_value <= differences[at_difference.index];

  drain_choice #(
      .ROWS(ROWS),
      .SOFTMAX(SOFTMAX)
  ) choice (
      .aclk,
      .aresetn,
      .layer,
      .valid(scanned),
      .first(at_end.first),
      .last(at_end.last),
      .value(scanned_value),
      .found,
      .turn(at_difference.turn),
      .planes(at_difference.index[2:0]),
      .results(choices)
  );

  drain_writer #(
      .ROWS(ROWS),
      .LANES(LANES),
      .OUTPUT_ADDRESS(OUTPUT_ADDRESS)
  ) writer (
      .aclk,
      .aresetn,
      .start,
      .layer,
      .pass_ends,
      .last_pass(at_end.last),
      .ends_block(at_end.ends_block),
      .ends_layer(at_end.ends_layer),
      .plane,
      .bits,
      .write,
      .write_address,
      .write_slices,
      .write_bits,
      .overrun,
      .block_done,
      .layer_done
  );

endmodule

`default_nettype wire
