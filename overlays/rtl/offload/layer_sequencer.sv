// Steps through a layer: for each block of rows, for each frame, for each pair of planes in the
// order of descending weight, for each word of a plane. A step a cycle, unless weights are missing.
`default_nettype none

module layer_sequencer #(
    parameter int LANES = 64,          // a power of two
    parameter int ROWS = 8,            // 1 or more
    parameter int INPUT_ADDRESS = 12,  // bits of a word's address on chip
    parameter int WEIGHT_ADDRESS = 8   // bits of a word's address in a row's weights
) (
    input wire aclk,
    input wire aresetn,
    input wire advance,  // the array moves

    input wire start,    // one cycle: the layer begins in the next
    // A layer says more than one module needs.
    /* verilator lint_off UNUSEDSIGNAL */
    input wire offload_program_pkg::descriptor_t layer,
    /* verilator lint_on UNUSEDSIGNAL */
    input wire [31:0] frames,
    input wire [1:0] loaded,    // the buffers that hold a block's weights
    output logic [1:0] computed,  // one cycle: the last step that uses the buffer is issued

    output logic active,        // steps of the layer are left
    output logic [INPUT_ADDRESS-1:0] input_address,
    output logic [WEIGHT_ADDRESS:0] weight_address,  // the highest bit is the buffer
    output logic overrun,       // an input address is beyond the memory

    // The step whose words come in the next cycle.
    output wire  issue,
    output logic step,
    output logic step_tail,
    output logic step_first,
    output logic step_double,
    output logic step_negative,
    output logic step_last
);

  localparam int LANE_BITS = $clog2(LANES);

  wire [15:0] words = 16'((17'(layer.columns) + 17'(LANES - 1)) >> LANE_BITS);
  wire [15:0] input_stride = layer.input_top + words;

  logic buffer;
  logic [16:0] rows_left;
  logic [31:0] frame;
  logic [31:0] frame_base;
  logic [15:0] word;
  // The pair of planes: the first of its weight, and the present one; and where the planes begin.
  logic [3:0] w_first, x_first, w, x;
  logic [15:0] w_first_base, x_first_base, w_base, x_base;

  wire last_word = word + 16'd1 >= words;
  wire last_pair = w + 4'd1 >= layer.weight_planes || x == 4'd0;  // of its weight
  wire last_weight = w_first == 4'd0 && x_first == 4'd0;
  wire sum_ends = last_word && last_pair && last_weight;
  wire last_frame = frame + 32'd1 >= frames;
  wire last_block = rows_left <= 17'(ROWS);

  wire heaviest = w_first + 4'd1 == layer.weight_planes && x_first + 4'd1 == layer.input_planes;
  wire pair_begins = word == 16'd0 && w == w_first;

  assign issue = active && loaded[buffer] && advance;
  wire block_ends = issue && sum_ends && last_frame;
  assign computed = {block_ends && buffer, block_ends && !buffer};

  wire [31:0] address = frame_base + 32'(x_base) + 32'(word);
  assign input_address = INPUT_ADDRESS'(address);
  assign weight_address = {buffer, WEIGHT_ADDRESS'(w_base + word)};
  assign overrun = active && address[31:INPUT_ADDRESS] != '0;

  always_ff @(posedge aclk) begin
    if (advance) begin
      step_tail <= last_word;
      step_first <= heaviest && word == 16'd0;
      step_double <= pair_begins;
      step_negative <= (layer.weight_signed && w + 4'd1 == layer.weight_planes)
          != (layer.input_signed && x + 4'd1 == layer.input_planes);
      step_last <= sum_ends;
    end

    if (start) begin
      rows_left <= {1'b0, layer.rows};
      frame <= '0;
      frame_base <= {16'd0, layer.input_base};
    end else if (issue && sum_ends) begin
      frame <= last_frame ? '0 : frame + 32'd1;
      frame_base <= last_frame ? {16'd0, layer.input_base} : frame_base + 32'(input_stride);
      if (last_frame) rows_left <= rows_left - 17'(ROWS);
    end

    if (start || (issue && sum_ends)) begin
      w_first <= layer.weight_planes - 4'd1;
      x_first <= layer.input_planes - 4'd1;
      w <= layer.weight_planes - 4'd1;
      x <= layer.input_planes - 4'd1;
      w_first_base <= layer.weight_top;
      x_first_base <= layer.input_top;
      w_base <= layer.weight_top;
      x_base <= layer.input_top;
      word <= '0;
    end else if (issue) begin
      word <= last_word ? '0 : word + 16'd1;
      if (last_word && !last_pair) begin
        w <= w + 4'd1;
        x <= x - 4'd1;
        w_base <= w_base + words;
        x_base <= x_base - words;
      end else if (last_word && w_first != 4'd0) begin
        w_first <= w_first - 4'd1;
        w_first_base <= w_first_base - words;
        w <= w_first - 4'd1;
        w_base <= w_first_base - words;
        x <= x_first;
        x_base <= x_first_base;
      end else if (last_word) begin
        x_first <= x_first - 4'd1;
        x_first_base <= x_first_base - words;
        w <= w_first;
        w_base <= w_first_base;
        x <= x_first - 4'd1;
        x_base <= x_first_base - words;
      end
    end

    if (!aresetn) begin
      active <= 1'b0;
      buffer <= 1'b0;
      step <= 1'b0;
    end else begin
      if (start) active <= 1'b1;
      else if (block_ends && last_block) active <= 1'b0;
      if (block_ends) buffer <= !buffer;
      if (advance) step <= issue;
    end
  end

endmodule

`default_nettype wire
