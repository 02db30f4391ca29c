// Writes what a pass of the drain left, plane by plane, to the words of its layer's output.
`default_nettype none

module drain_writer #(
    parameter int ROWS = 8,             // a power of two, divides LANES
    parameter int LANES = 64,           // a power of two
    parameter int OUTPUT_ADDRESS = 12   // bits of a word's address on chip
) (
    input wire aclk,
    input wire aresetn,

    input wire start,  // one cycle: a layer begins
    // A layer says more than one module needs.
    /* verilator lint_off UNUSEDSIGNAL */
    input wire offload_program_pkg::descriptor_t layer,
    /* verilator lint_on UNUSEDSIGNAL */

    // One cycle: from the next one on, as many cycles as there are planes, `plane` is asked for.
    input wire pass_ends,
    input wire last_pass,   // of a result
    input wire ends_block,
    input wire ends_layer,
    output logic [1:0] plane,
    input wire [ROWS-1:0] bits,

    output logic write,
    output logic [OUTPUT_ADDRESS-1:0] write_address,
    output logic [LANES/ROWS-1:0] write_slices,  // one of them: a block's place in a word
    output logic [ROWS-1:0] write_bits,
    output logic overrun,    // a write is beyond the memory

    output logic block_done,  // one cycle: the last bits of a block,
    output logic layer_done   // of a layer are written
);

  localparam int BLOCKS = LANES / ROWS;  // in a word
  localparam int LANE_BITS = $clog2(LANES);
  // Bits of a place on chip, and of one that is too high.
  localparam int PLACE = 20;

  wire searches = layer.head == offload_program_pkg::HEAD_THRESHOLD;

  logic [15:0] words, stride;
  // Of the first plane written, of this frame and block and the next ones; and of this plane.
  logic [PLACE-1:0] frame_first, block_first, next_frame, next_block, place;
  logic [BLOCKS-1:0] slice;
  logic writing, last, last_in_block, last_in_layer;
  logic [1:0] last_plane;
  wire frame_ends = writing && last && plane == last_plane;
  wire word_ends = slice[BLOCKS-1];
  wire [PLACE-1:0] layer_first =
      PLACE'(layer.output_base) + (searches ? PLACE'(layer.output_top) : '0);

  always_ff @(posedge aclk) begin
    words <= 16'((17'(layer.rows) + 17'(LANES - 1)) >> LANE_BITS);
    stride <= layer.output_top + words;
    next_frame <= frame_first + PLACE'(stride);
    next_block <= block_first + PLACE'(word_ends);

    plane <= plane + 2'd1;
    if (pass_ends) begin
      plane <= '0;
      last_plane <= searches ? 2'd0 : last_pass ? 2'(layer.output_planes - 6'd1) : 2'd3;
      last <= last_pass;
      last_in_block <= ends_block;
      last_in_layer <= ends_layer;
    end

    write_address <= place[OUTPUT_ADDRESS-1:0];
    write_slices <= slice;
    write_bits <= bits;
    if (start) begin
      place <= layer_first;
      frame_first <= layer_first;
      block_first <= layer_first;
      slice <= BLOCKS'(1);
    end else if (frame_ends) begin
      place <= last_in_block ? next_block : next_frame;
      frame_first <= last_in_block ? next_block : next_frame;
      if (last_in_block) begin
        block_first <= next_block;
        slice <= word_ends ? BLOCKS'(1) : slice << 1;
      end
    end else if (writing) begin
      place <= searches ? place - PLACE'(words) : place + PLACE'(words);
    end

    if (!aresetn) begin
      writing <= 1'b0;
      write <= 1'b0;
      overrun <= 1'b0;
      block_done <= 1'b0;
      layer_done <= 1'b0;
    end else begin
      if (pass_ends) writing <= 1'b1;
      else if (plane == last_plane) writing <= 1'b0;
      write <= writing;
      overrun <= writing && place[PLACE-1:OUTPUT_ADDRESS] != '0;
      block_done <= frame_ends && last_in_block;
      layer_done <= frame_ends && last_in_layer;
    end
  end

endmodule

`default_nettype wire
