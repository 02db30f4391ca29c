// Writes a layer's output frames, as they lie on chip, to the memory behind DESTINATION.
`default_nettype none

module result_store #(
    parameter int LANES = 64,          // a multiple of 64
    parameter int OUTPUT_ADDRESS = 12  // bits of a word's address on chip
) (
    input wire aclk,
    input wire aresetn,

    input wire start,  // one cycle
    // A layer says more than one module needs.
    /* verilator lint_off UNUSEDSIGNAL */
    input wire offload_program_pkg::descriptor_t layer,
    /* verilator lint_on UNUSEDSIGNAL */
    input wire [31:0] frames,
    input wire [31:0] destination,
    input wire [31:0] destination_beats,  // nothing is written beyond

    output wire                      read,
    output wire [OUTPUT_ADDRESS-1:0] read_address,
    input  wire [LANES-1:0]          read_data,  // in the cycle after `read`

    output wire         command_valid,
    input  wire         command_ready,
    output wire  [32:0] command_address,
    output wire  [28:0] command_beats,
    input  wire         command_refused,  // one cycle: the memory has no room for the last one
    output wire  [63:0] m_axis_tdata,
    output wire         m_axis_tvalid,
    input  wire         m_axis_tready,

    output wire  frame_stored,   // one cycle: the last beat of a frame leaves
    output logic idle,
    output wire  failed,         // the output can't go there
    output wire  [7:0] failure   // error code, with `failed`
);

  localparam int SLICES = LANES / 64;
  localparam int SLICE_BITS = SLICES > 1 ? $clog2(SLICES) : 1;

  localparam logic [1:0] MULTIPLY = 2'd0, COMMAND = 2'd1, STREAM = 2'd2;

  wire [15:0] plane_beats = 16'((17'(layer.rows) + 17'd63) >> 6);

  logic [1:0] state;
  logic [31:0] word;
  logic held;  // read_data is a word that is not all sent
  logic [15:0] beat, frame_beat;
  logic [SLICE_BITS-1:0] slice;
  logic [28:0] beats_left;

  logic product_done, product_too_large;
  logic [28:0] product;
  serial_multiplier multiplier (
      .aclk,
      .start,
      .a(frames),
      .b(layer.output_beats),
      .done(product_done),
      .product,
      .too_large(product_too_large)
  );

  wire [32:0] address = {1'b0, destination} + {1'b0, layer.output_offset};
  wire [32:0] end_beat = {4'd0, layer.output_offset[31:3]} + {4'd0, product};
  wire too_large = product_too_large || product == '0 || end_beat > {1'b0, destination_beats};
  wire beat_taken = m_axis_tvalid && m_axis_tready;
  wire last_beat = beat + 16'd1 >= plane_beats;
  wire word_ends = last_beat || slice == SLICE_BITS'(SLICES - 1);

  assign command_valid = !idle && state == COMMAND && !too_large;
  assign command_address = address;
  assign command_beats = product;
  assign failed = !idle && (state == COMMAND ? too_large : command_refused);
  assign failure = state == COMMAND ? bitfold_registers_pkg::ERROR_BAD_SIZE
                             : bitfold_registers_pkg::ERROR_BAD_ADDRESS;

  assign read = !idle && state == STREAM && (!held || (beat_taken && word_ends));
  assign read_address = OUTPUT_ADDRESS'(word);
  assign m_axis_tvalid = !idle && held;
  assign m_axis_tdata = read_data[slice*64+:64];
  assign frame_stored = beat_taken && frame_beat + 16'd1 >= layer.output_beats;

  always_ff @(posedge aclk) begin
    case (state)
      MULTIPLY: if (product_done) state <= COMMAND;
      COMMAND: if (command_valid && command_ready) state <= STREAM;
      default: ;
    endcase
    if (read) begin
      word <= word + 32'd1;
      held <= 1'b1;
    end
    if (state == COMMAND) beats_left <= product;
    if (beat_taken) begin
      beat <= last_beat ? '0 : beat + 16'd1;
      slice <= word_ends ? '0 : slice + 1'b1;
      frame_beat <= frame_stored ? '0 : frame_beat + 16'd1;
      beats_left <= beats_left - 29'd1;
    end
    if (start) begin
      state <= MULTIPLY;
      word <= {16'd0, layer.output_base};
      held <= 1'b0;
      beat <= '0;
      slice <= '0;
      frame_beat <= '0;
    end
    if (!aresetn) idle <= 1'b1;
    else if (start) idle <= 1'b0;
    else if (beat_taken && beats_left == 29'd1) idle <= 1'b1;
  end

endmodule

`default_nettype wire
