// Steps through a layer: for each block of rows, for each frame, for each pair of planes in the
// order of descending weight, for each word of a plane. A step a cycle, unless weights are missing
// or the drain has no room for the sum that a step completes.
`default_nettype none

module layer_sequencer #(
    parameter int LANES = 64,          // a power of two
    parameter int ROWS = 8,            // 1 or more
    parameter int INPUT_ADDRESS = 12,  // bits of a word's address on chip
    parameter int WEIGHT_ADDRESS = 8   // bits of a word's address in a row's weights
) (
    input wire aclk,
    input wire aresetn,

    input wire start,    // one cycle: steps begin three cycles later
    // A layer says more than one module needs.
    /* verilator lint_off UNUSEDSIGNAL */
    input wire offload_program_pkg::descriptor_t layer,
    /* verilator lint_on UNUSEDSIGNAL */
    input wire [31:0] frames,
    input wire [1:0] loaded,      // the buffers that hold a block's weights
    output logic [1:0] computed,  // one cycle: the last step that uses the buffer is issued

    // The last step of a sum: issued only where there is room, at most every third cycle.
    input  wire  result_room,
    output logic result,
    output logic result_ends_block,
    output logic result_ends_layer,

    // A step is issued; in the next cycle, what it does, and the address of its input word.
    output wire  issue,
    output logic step,
    output logic step_tail,
    output logic step_first,
    output logic step_double,
    output logic step_negative,
    output logic [INPUT_ADDRESS-1:0] input_address,
    output logic overrun,        // that address is beyond the memory
    // A cycle later, as the array wants it.
    output logic [WEIGHT_ADDRESS:0] weight_address  // the highest bit is the buffer
);

  localparam int LANE_BITS = $clog2(LANES);
  // Bits of a place on chip, and of one that is too high.
  localparam int PLACE = 20;

  // What follows from the layer: steady from the cycle after the start, `stride` from the second.
  logic [15:0] words, stride;
  logic [3:0] w_top, x_top;
  logic [PLACE-1:0] first_top;  // where the highest plane of the first frame begins
  logic one_word, one_frame;

  logic load, settle, active;
  logic buffer;
  logic [16:0] rows_left;
  logic last_block;
  // The frame: those left, and where its highest plane begins, and that of the next one's.
  logic [31:0] frames_left;
  logic last_frame;
  logic [PLACE-1:0] top, next_top;
  // The word: those left in the plane.
  logic [15:0] word, words_left;
  logic last_word;
  // The pair of planes: the first of its weight, and the present one; and where the planes begin.
  logic [3:0] w_first, x_first, w, x;
  logic [15:0] w_first_base, w_base;
  logic [PLACE-1:0] x_first_base, x_base;
  logic first, halves;  // the step is the first of a sum, of a weight

  logic last_pair, last_weight;  // of its weight; of the sum
  wire sum_ends = last_word && last_pair && last_weight;

  assign issue = active && loaded[buffer] && (!sum_ends || result_room);
  assign result = issue && sum_ends;
  assign result_ends_block = last_frame;
  assign result_ends_layer = last_frame && last_block;
  wire block_ends = result && last_frame;
  assign computed = {block_ends && buffer, block_ends && !buffer};

  logic [PLACE-1:0] address;
  logic [WEIGHT_ADDRESS:0] next_weight_address;
  assign input_address = address[INPUT_ADDRESS-1:0];
  assign overrun = step && address[PLACE-1:INPUT_ADDRESS] != '0;

  always_ff @(posedge aclk) begin
    words <= 16'((17'(layer.columns) + 17'(LANES - 1)) >> LANE_BITS);
    stride <= layer.input_top + words;
    w_top <= layer.weight_planes - 4'd1;
    x_top <= layer.input_planes - 4'd1;
    first_top <= PLACE'(layer.input_base) + PLACE'(layer.input_top);
    one_word <= layer.columns <= 16'(LANES);
    one_frame <= frames == 32'd1;

    step_tail <= last_word;
    step_first <= first;
    step_double <= halves;
    step_negative <= (layer.weight_signed && w == w_top) != (layer.input_signed && x == x_top);
    address <= x_base + PLACE'(word);
    next_weight_address <= {buffer, WEIGHT_ADDRESS'(w_base + word)};
    weight_address <= next_weight_address;

    if (load) rows_left <= {1'b0, layer.rows};
    else if (block_ends) rows_left <= rows_left - 17'(ROWS);
    last_block <= rows_left <= 17'(ROWS);

    next_top <= last_frame ? first_top : top + PLACE'(stride);
    if (load || block_ends) begin
      frames_left <= frames - 32'd1;
      last_frame <= one_frame;
    end else if (result) begin
      frames_left <= frames_left - 32'd1;
      last_frame <= frames_left == 32'd1;
    end

    if (load || result) begin
      top <= load ? first_top : next_top;
      w_first <= w_top;
      x_first <= x_top;
      last_pair <= 1'b1;
      last_weight <= w_top == 4'd0 && x_top == 4'd0;
      w <= w_top;
      x <= x_top;
      w_first_base <= layer.weight_top;
      w_base <= layer.weight_top;
      x_first_base <= load ? first_top : next_top;
      x_base <= load ? first_top : next_top;
    end else if (issue && last_word) begin
      if (!last_pair) begin
        w <= w + 4'd1;
        x <= x - 4'd1;
        last_pair <= w + 4'd1 == w_top || x == 4'd1;
        w_base <= w_base + words;
        x_base <= x_base - PLACE'(words);
      end else if (w_first != 4'd0) begin
        w_first <= w_first - 4'd1;
        w_first_base <= w_first_base - words;
        w <= w_first - 4'd1;
        last_pair <= x_first == 4'd0;
        last_weight <= w_first == 4'd1 && x_first == 4'd0;
        w_base <= w_first_base - words;
        x <= x_first;
        x_base <= x_first_base;
      end else begin
        x_first <= x_first - 4'd1;
        x_first_base <= x_first_base - PLACE'(words);
        w <= w_first;
        last_pair <= w_top == 4'd0 || x_first == 4'd1;
        last_weight <= x_first == 4'd1;
        w_base <= w_first_base;
        x <= x_first - 4'd1;
        x_base <= x_first_base - PLACE'(words);
      end
    end

    if (load || (issue && last_word)) begin
      word <= '0;
      words_left <= words - 16'd1;
      last_word <= one_word;
    end else if (issue) begin
      word <= word + 16'd1;
      words_left <= words_left - 16'd1;
      last_word <= words_left == 16'd1;
    end

    if (load || result) {first, halves} <= '1;
    else if (issue) {first, halves} <= {1'b0, last_word && last_pair};

    if (!aresetn) begin
      load <= 1'b0;
      settle <= 1'b0;
      active <= 1'b0;
      buffer <= 1'b0;
      step <= 1'b0;
    end else begin
      load <= start;
      settle <= load;
      if (settle) active <= 1'b1;
      else if (block_ends && last_block) active <= 1'b0;
      if (block_ends) buffer <= !buffer;
      step <= issue;
    end
  end

endmodule

`default_nettype wire
