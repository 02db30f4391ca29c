// Fetches the program, a descriptor at a time, checks it, and loads what its layer needs: the input
// if that lies in memory, then constants and weights, block by block, into the buffer that is free.
//
// It runs ahead of the layer that is computed by up to one layer, and there by up to two blocks.
`default_nettype none

module program_loader #(
    parameter int ROWS = 8,           // even
    parameter int LANES = 64,         // a multiple of 64
    parameter int LAYERS = 16,        // the longest program
    parameter int INPUT_ADDRESS = 12, // bits of a word's address on chip
    parameter int WEIGHT_ADDRESS = 8  // bits of a word's address in a row's weights
) (
    input wire aclk,
    input wire aresetn,
    input wire running,  // a call runs

    input wire [31:0] frames,
    input wire [31:0] source,
    input wire [31:0] destination,
    input wire [31:0] program_address,
    input wire [31:0] program_length,

    output logic        command_valid,
    input  wire         command_ready,
    output logic [32:0] command_address,
    output logic [28:0] command_beats,
    input  wire         command_refused,  // one cycle: the memory has no room for the last one
    input  wire  [63:0] s_axis_tdata,
    input  wire         s_axis_tvalid,
    output logic        s_axis_tready,

    // The layer that is next: taken when the one before is done.
    output logic offered,
    output offload_program_pkg::descriptor_t layer,
    input  wire  taken,        // one cycle
    input  wire  quiet,        // nothing that was taken is still at work, or on its way to memory
    output logic all_offered,  // the last layer of the program was taken

    // A buffer is loaded, used up by the array, and some cycles later by the drain.
    output logic [1:0] loaded,
    input  wire  [1:0] computed,  // one cycle: the array has used the buffer
    input  wire  [1:0] released,  // one cycle: the drain has, too: it may be loaded again

    output wire                       input_write,
    output wire [INPUT_ADDRESS-1:0]   input_address,
    output wire [LANES/64-1:0]        beat_slices,     // the beat's place in a word
    output wire                       input_frame,     // one cycle: a frame is whole
    output wire [ROWS-1:0]            constant_write,
    output wire [8:0]                 constant_address,
    output wire [ROWS-1:0]            weight_write,
    output wire [WEIGHT_ADDRESS:0]    weight_address,

    output logic       failed,
    output logic [7:0] failure
);

  localparam int SLICES = LANES / 64;
  localparam int LANE_BITS = $clog2(LANES);
  localparam int SLICE_BITS = SLICES > 1 ? $clog2(SLICES) : 1;
  localparam int ROW_BITS = $clog2(ROWS) + 1;

  localparam logic [3:0] FETCH = 4'd0, DESCRIPTOR = 4'd1, CHECK = 4'd2, WAIT = 4'd3, MULTIPLY = 4'd4,
      INPUT_COMMAND = 4'd5, INPUT = 4'd6, OFFER = 4'd7, CONSTANTS = 4'd8, WEIGHTS = 4'd9,
      NEXT = 4'd10, DONE = 4'd11;

  logic [3:0] state;
  logic [511:0] bits;
  logic [31:0] index;
  logic [3:0] part;
  assign layer = bits;

  // Sizes that follow from the descriptor.
  wire [15:0] words = 16'((17'(layer.columns) + 17'(LANES - 1)) >> LANE_BITS);
  wire [15:0] plane_beats = 16'((17'(layer.columns) + 17'd63) >> 6);
  wire searches = layer.head == offload_program_pkg::HEAD_THRESHOLD;
  wire [8:0] last_constant = searches ? (9'd1 << layer.output_planes) - 9'd1 : 9'd1;

  // Where the stream stands: beat in plane, slice in word, plane, word; then row or frame or block.
  logic [15:0] beat;
  logic [SLICE_BITS-1:0] slice;
  logic [3:0] plane;
  logic [31:0] word;
  logic [ROW_BITS-1:0] row;
  logic [31:0] frame;
  logic [8:0] constant;
  logic [16:0] rows_left;
  logic [28:0] beats_left;
  logic buffer;

  wire take = s_axis_tvalid && s_axis_tready;
  wire last_beat = beat + 16'd1 >= plane_beats;
  wire word_ends = last_beat || slice == SLICE_BITS'(SLICES - 1);
  wire last_plane = plane + 4'd1 >= (state == INPUT ? layer.input_planes : layer.weight_planes);
  wire [ROW_BITS-1:0] block_rows = rows_left > 17'(ROWS) ? ROW_BITS'(ROWS) : ROW_BITS'(rows_left);
  wire last_row = row + 1'b1 >= block_rows;
  wire last_pair = row + ROW_BITS'(2) >= block_rows;
  wire last_block = rows_left <= 17'(ROWS);
  wire last_frame = frame + 32'd1 >= frames;
  logic [1:0] held;  // loaded and not released
  wire buffer_free = !held[buffer];
  wire block_loaded = state == WEIGHTS && take && last_beat && last_plane && last_row;

  logic multiply, product_done, product_too_large;
  logic [28:0] product;
  serial_multiplier multiplier (
      .aclk,
      .start(multiply),
      .a(frames),
      .b(layer.input_beats),
      .done(product_done),
      .product,
      .too_large(product_too_large)
  );
  assign multiply = state == WAIT;

  // What a layer asks for must fit the engine; what it says of its sizes need only be safe.
  wire bad_opcode = layer.opcode != offload_program_pkg::OPCODE_LAYER
      || (bits & offload_program_pkg::RESERVED) != '0
      || layer.origin > offload_program_pkg::ORIGIN_DESTINATION
      || (layer.weight_bipolar && (layer.weight_signed || layer.weight_planes != 4'd1))
      || (layer.input_bipolar && (layer.input_signed || layer.input_planes != 4'd1));
  wire bad_planes = layer.weight_planes == 4'd0 || layer.input_planes == 4'd0
      || layer.weight_planes > 4'(offload_program_pkg::MAX_PLANES)
      || layer.input_planes > 4'(offload_program_pkg::MAX_PLANES)
      || layer.output_planes == 6'd0
      || layer.output_planes > (searches ? 6'(offload_program_pkg::MAX_PLANES)
                                         : 6'(offload_program_pkg::MAX_OUTPUT_PLANES));
  wire one_block = layer.head == offload_program_pkg::HEAD_ARGMAX
      || layer.head == offload_program_pkg::HEAD_SOFTMAX;
  wire bad_size = layer.columns == '0 || layer.rows == '0 || bad_planes
      || 17'(layer.weight_top) + 17'(words) > 17'd1 << WEIGHT_ADDRESS
      || 17'(layer.input_top) + 17'(words) > 17'd1 << INPUT_ADDRESS
      || (one_block && layer.rows > 16'(ROWS))
      || layer.load_beats == '0
      || (layer.origin != offload_program_pkg::ORIGIN_CHIP && layer.input_beats == '0)
      || (layer.to_memory && layer.output_beats == '0);
  wire bad_address = layer.load_offset[2:0] != '0 || layer.input_offset[2:0] != '0
      || layer.output_offset[2:0] != '0;

  // A sum over 32 bits would come around to a low address.
  wire [32:0] load_address = {1'b0, program_address} + {1'b0, layer.load_offset};
  wire [32:0] input_start = {1'b0, layer.input_offset}
      + {1'b0, layer.origin == offload_program_pkg::ORIGIN_SOURCE ? source : destination};
  wire [31:0] descriptor_address = program_address + index * 32'd64;

  logic [32:0] address;
  always_comb begin
    command_beats = layer.load_beats;
    address = load_address;
    if (state == FETCH) begin
      command_beats = 29'(offload_program_pkg::DESCRIPTOR_BEATS);
      address = {1'b0, descriptor_address};
    end else if (state == INPUT_COMMAND) begin
      command_beats = product;
      address = input_start;
    end
  end
  wire commands = state == FETCH || state == INPUT_COMMAND || state == OFFER;
  wire bad_length = program_length == '0 || program_length > 32'(LAYERS) || frames == '0;
  wire too_many_frames = state == INPUT_COMMAND && (product_too_large || product == '0);
  assign command_address = address;
  assign command_valid = running && commands && !too_many_frames
      && !(state == FETCH && bad_length);
  wire command_given = command_valid && command_ready;

  assign s_axis_tready = state == DESCRIPTOR || state == INPUT
      || ((state == CONSTANTS || state == WEIGHTS) && buffer_free);

  // Beats that the layer has not announced, or announced and not used.
  wire loading = state == CONSTANTS || state == WEIGHTS || state == INPUT;
  wire load_ends = last_beat && last_plane
      && (state == INPUT ? last_frame : state == WEIGHTS && last_row && last_block);
  wire bad_beats = loading && take && (beats_left == 29'd1) != load_ends;
  wire input_overrun = state == INPUT && word[31:INPUT_ADDRESS] != '0;

  assign input_write = state == INPUT && take;
  assign input_address = INPUT_ADDRESS'(word);
  assign beat_slices = SLICES'(1) << slice;
  assign input_frame = input_write && last_beat && last_plane;
  assign constant_write = state == CONSTANTS && take ? ROWS'(3) << row : '0;
  assign constant_address = {buffer, 8'(constant)};
  assign weight_write = state == WEIGHTS && take ? ROWS'(1) << row : '0;
  assign weight_address = {buffer, WEIGHT_ADDRESS'(word)};

  always_comb begin
    failed = 1'b0;
    failure = bitfold_registers_pkg::ERROR_BAD_SIZE;
    if (running && state == FETCH && bad_length) begin
      failed = 1'b1;
      if (frames == '0) failure = bitfold_registers_pkg::ERROR_BAD_FRAMES;
    end else if (running && too_many_frames) begin
      failed = 1'b1;
      failure = bitfold_registers_pkg::ERROR_BAD_FRAMES;
    end else if (running && command_refused) begin
      failed = 1'b1;
      failure = state == INPUT ? bitfold_registers_pkg::ERROR_BAD_ADDRESS
                                       : bitfold_registers_pkg::ERROR_BAD_PROGRAM_ADDRESS;
    end else if (state == CHECK && (bad_opcode || bad_size || bad_address)) begin
      failed = 1'b1;
      if (bad_opcode) failure = bitfold_registers_pkg::ERROR_BAD_OPCODE;
      else if (bad_address) failure = bitfold_registers_pkg::ERROR_BAD_PROGRAM_ADDRESS;
    end else if (bad_beats || (input_overrun && take)) begin
      failed = 1'b1;
    end
  end

  always_ff @(posedge aclk) begin
    if (state == DESCRIPTOR && take) bits <= {s_axis_tdata, bits[511:64]};

    // The place in the stream.
    if (state == CHECK || state == MULTIPLY) begin
      beat <= '0;
      slice <= '0;
      plane <= '0;
      frame <= '0;
      word <= {16'd0, layer.input_base};
    end else if (take && (state == INPUT || state == WEIGHTS)) begin
      beat <= last_beat ? '0 : beat + 16'd1;
      slice <= word_ends ? '0 : slice + 1'b1;
      if (last_beat) plane <= last_plane ? '0 : plane + 4'd1;
      if (last_beat && last_plane) frame <= frame + 32'd1;
      if (word_ends) word <= word + 32'd1;
      if (state == WEIGHTS && last_beat && last_plane) word <= '0;
    end
    if (state == OFFER) word <= '0;

    case (state)
      FETCH: begin
        part <= '0;
        if (command_given) state <= DESCRIPTOR;
      end
      DESCRIPTOR:
      if (take) begin
        part <= part + 4'd1;
        if (part == 4'(offload_program_pkg::DESCRIPTOR_BEATS - 1)) state <= CHECK;
      end
      CHECK: state <= layer.origin == offload_program_pkg::ORIGIN_CHIP ? OFFER : WAIT;
      WAIT: if (quiet) state <= MULTIPLY;
      MULTIPLY: if (product_done) state <= INPUT_COMMAND;
      INPUT_COMMAND: if (command_given) state <= INPUT;
      INPUT: if (input_frame && last_frame) state <= OFFER;
      OFFER: if (command_given) state <= CONSTANTS;
      CONSTANTS:
      if (take && last_pair && constant == last_constant) state <= WEIGHTS;
      WEIGHTS:
      if (take && last_beat && last_plane && last_row) state <= last_block ? NEXT : CONSTANTS;
      NEXT: if (!offered) state <= index == program_length ? DONE : FETCH;
      default: ;
    endcase

    if (state == CHECK) index <= index + 32'd1;
    if (state == OFFER) begin
      rows_left <= {1'b0, layer.rows};
      beats_left <= layer.load_beats;
      constant <= 9'd1;
      row <= '0;
    end
    if (state == INPUT_COMMAND) beats_left <= product;
    if (loading && take) beats_left <= beats_left - 29'd1;
    if (state == CONSTANTS && take) begin
      row <= last_pair ? '0 : row + ROW_BITS'(2);
      if (last_pair) constant <= constant == last_constant ? 9'd1 : constant + 9'd1;
    end
    if (state == WEIGHTS && take && last_beat && last_plane) begin
      row <= last_row ? '0 : row + 1'b1;
      if (last_row) begin
        rows_left <= rows_left - 17'(ROWS);
        buffer <= !buffer;
      end
    end

    for (int i = 0; i < 2; i++) begin
      if (block_loaded && buffer == i[0]) loaded[i] <= 1'b1;
      else if (computed[i]) loaded[i] <= 1'b0;
      if (block_loaded && buffer == i[0]) held[i] <= 1'b1;
      else if (released[i]) held[i] <= 1'b0;
    end

    if (command_given && state == OFFER) offered <= 1'b1;
    else if (taken) offered <= 1'b0;

    if (!aresetn || !running) begin
      state <= FETCH;
      index <= '0;
      buffer <= 1'b0;
      loaded <= '0;
      held <= '0;
      offered <= 1'b0;
    end
  end

  assign all_offered = state == DONE;

endmodule

`default_nettype wire
