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

    output wire                      read,       // the memory moves: a word out, an address in
    output wire [OUTPUT_ADDRESS-1:0] read_address,
    input  wire [LANES-1:0]          read_data,  // of the address before the last one

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

  localparam logic [1:0] MULTIPLY = 2'd0, CHECK = 2'd1, COMMAND = 2'd2, STREAM = 2'd3;

  logic [1:0] state;
  logic [OUTPUT_ADDRESS-1:0] word;
  logic fetched, held;  // a word is on its way; read_data is a word that is not all sent
  // Beats of the plane, and of the frame, after this one.
  logic [15:0] plane_left, frame_left;
  logic last_beat, last_in_frame, last_left;
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

  // From COMMAND on.
  logic [15:0] plane_beats;
  logic [32:0] address;
  logic [29:0] end_beat;
  logic one_beat, too_large;
  always_ff @(posedge aclk) begin
    plane_beats <= 16'((17'(layer.rows) + 17'd63) >> 6);
    one_beat <= layer.rows <= 16'd64;
    address <= {1'b0, destination} + {1'b0, layer.output_offset};
    end_beat <= {1'b0, layer.output_offset[31:3]} + {1'b0, product};
    too_large <= product_too_large || product == '0 || 32'(end_beat) > destination_beats;
  end

  wire beat_taken = m_axis_tvalid && m_axis_tready;
  wire word_ends = last_beat || slice == SLICE_BITS'(SLICES - 1);

  assign command_valid = !idle && state == COMMAND && !too_large;
  assign command_address = address;
  assign command_beats = product;
  assign failed = !idle && (state == COMMAND ? too_large : command_refused);
  assign failure = state == COMMAND ? bitfold_registers_pkg::ERROR_BAD_SIZE
                             : bitfold_registers_pkg::ERROR_BAD_ADDRESS;

  // Words that nobody asked for are read behind the last one.
  assign read = !held || (beat_taken && word_ends);
  assign read_address = word;
  assign m_axis_tvalid = !idle && state == STREAM && held;
  assign m_axis_tdata = read_data[slice*64+:64];
  assign frame_stored = beat_taken && last_in_frame;

  always_ff @(posedge aclk) begin
    case (state)
      MULTIPLY: if (product_done) state <= CHECK;
      CHECK: state <= COMMAND;
      COMMAND: if (command_valid && command_ready) state <= STREAM;
      default: ;
    endcase
    if (state == COMMAND) begin
      word <= layer.output_base[OUTPUT_ADDRESS-1:0];
      fetched <= 1'b0;
      held <= 1'b0;
      slice <= '0;
      plane_left <= plane_beats - 16'd1;
      last_beat <= one_beat;
      frame_left <= layer.output_beats - 16'd1;
      last_in_frame <= layer.output_beats == 16'd1;
      beats_left <= product - 29'd1;
      last_left <= product == 29'd1;
    end else if (state == STREAM) begin
      if (read) begin
        word <= word + 1'b1;
        fetched <= 1'b1;
        held <= fetched;
      end
      if (beat_taken) begin
        plane_left <= last_beat ? plane_beats - 16'd1 : plane_left - 16'd1;
        last_beat <= last_beat ? one_beat : plane_left == 16'd1;
        slice <= word_ends ? '0 : slice + 1'b1;
        frame_left <= last_in_frame ? layer.output_beats - 16'd1 : frame_left - 16'd1;
        last_in_frame <= last_in_frame ? layer.output_beats == 16'd1 : frame_left == 16'd1;
        beats_left <= beats_left - 29'd1;
        last_left <= beats_left == 29'd1;
      end
    end
    if (start) state <= MULTIPLY;
    if (!aresetn) idle <= 1'b1;
    else if (start) idle <= 1'b0;
    else if (beat_taken && last_left) idle <= 1'b1;
  end

endmodule

`default_nettype wire
