// Fetches the program, a descriptor at a time, checks it, and loads what its layer needs: the input
// if that lies in memory, then constants and weights, block by block, into the buffer that is free.
//
// It runs ahead of the layer that is computed by up to one layer, and there by up to two blocks.
`default_nettype none

module program_loader #(
    parameter int ROWS = 8,           // a power of two, 8 or more
    parameter int LANES = 64,         // a multiple of 64
    parameter int LAYERS = 16,        // the longest program
    parameter int INPUT_ADDRESS = 12, // bits of a word's address on chip
    parameter int WEIGHT_ADDRESS = 8, // bits of a word's address in a row's weights
    parameter int SOFTMAX = 1         // 0: a layer with a softmax is refused
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
    input  wire        released,  // one cycle: the drain has, too: it may be loaded again

    // A beat is written in the cycle after it was taken.
    output logic [63:0]               write_data,
    output logic [LANES/64-1:0]       beat_slices,     // its place in a word
    output logic                      input_write,
    output logic [INPUT_ADDRESS-1:0]  input_address,
    output logic [ROWS-1:0]           constant_write,  // two rows, the first from the low half
    output logic [7:0]                constant_address,
    output logic [ROWS-1:0]           weight_write,
    output logic [WEIGHT_ADDRESS:0]   weight_address,  // the highest bit is the buffer
    output wire                       input_frame,     // one cycle: a frame is whole

    output logic       failed,
    output logic [7:0] failure
);

  localparam int SLICES = LANES / 64;
  localparam int LANE_BITS = $clog2(LANES);
  localparam int SLICE_BITS = SLICES > 1 ? $clog2(SLICES) : 1;
  localparam int ROW_BITS = $clog2(ROWS) + 1;
  localparam int INDEX_BITS = $clog2(LAYERS + 1);
  // Bits of a place on chip, and of one that is too high.
  localparam int PLACE = 20;

  localparam logic [3:0] FETCH = 4'd0, DESCRIPTOR = 4'd1, SIZES = 4'd2, LIMITS = 4'd3, CHECK = 4'd4,
      WAIT = 4'd5, MULTIPLY = 4'd6, INPUT_COMMAND = 4'd7, INPUT = 4'd8, OFFER = 4'd9, BLOCK = 4'd10,
      CONSTANTS = 4'd11, WEIGHTS = 4'd12, NEXT = 4'd13, DONE = 4'd14, HALT = 4'd15;

  logic [3:0] state;
  logic [511:0] bits;
  logic [INDEX_BITS-1:0] index;
  logic [2:0] part;
  assign layer = bits;

  // What follows from the descriptor: in LIMITS; `bad_size` and all else that takes one more cycle
  // from CHECK on.
  wire searches = layer.head == offload_program_pkg::HEAD_THRESHOLD;
  wire one_block = layer.head == offload_program_pkg::HEAD_ARGMAX
      || layer.head == offload_program_pkg::HEAD_SOFTMAX;
  logic [15:0] words, plane_beats;
  logic [7:0] last_constant;
  logic wide;  // the constants of a block take both buffers
  logic bad_opcode, bad_planes, bad_size, bad_address, bad_length, bad_frames;
  logic one_beat, one_frame;
  // A sum over 32 bits would come around to a low address.
  logic [32:0] load_address, input_start;
  logic [31:0] descriptor_address;

  always_ff @(posedge aclk) begin
    words <= 16'((17'(layer.columns) + 17'(LANES - 1)) >> LANE_BITS);
    plane_beats <= 16'((17'(layer.columns) + 17'd63) >> 6);
    last_constant <= searches ? 8'((9'd1 << layer.output_planes) - 9'd1) : 8'd1;
    wide <= searches && layer.output_planes[3];
    one_beat <= layer.columns <= 16'd64;
    one_frame <= frames == 32'd1;
    load_address <= {1'b0, program_address} + {1'b0, layer.load_offset};
    input_start <= {1'b0, layer.input_offset}
        + {1'b0, layer.origin == offload_program_pkg::ORIGIN_SOURCE ? source : destination};

    // What a layer asks for must fit the engine; what it says of its sizes need only be safe.
    bad_opcode <= layer.opcode != offload_program_pkg::OPCODE_LAYER
        || (bits & offload_program_pkg::RESERVED) != '0
        || layer.origin > offload_program_pkg::ORIGIN_DESTINATION
        || (SOFTMAX == 0 && layer.head == offload_program_pkg::HEAD_SOFTMAX)
        || (layer.weight_bipolar && (layer.weight_signed || layer.weight_planes != 4'd1))
        || (layer.input_bipolar && (layer.input_signed || layer.input_planes != 4'd1));
    bad_planes <= layer.weight_planes == 4'd0 || layer.input_planes == 4'd0
        || layer.weight_planes > 4'(offload_program_pkg::MAX_PLANES)
        || layer.input_planes > 4'(offload_program_pkg::MAX_PLANES)
        || layer.output_planes == 6'd0
        || layer.output_planes > (searches ? 6'(offload_program_pkg::MAX_PLANES)
                                           : 6'(offload_program_pkg::MAX_OUTPUT_PLANES));
    bad_size <= layer.columns == '0 || layer.rows == '0 || bad_planes
        || 17'(layer.weight_top) + 17'(words) > 17'd1 << WEIGHT_ADDRESS
        || 17'(layer.input_top) + 17'(words) > 17'd1 << INPUT_ADDRESS
        || (one_block && layer.rows > 16'(ROWS))
        || layer.load_beats == '0
        || (layer.origin != offload_program_pkg::ORIGIN_CHIP && layer.input_beats == '0)
        || (layer.to_memory && layer.output_beats == '0);
    bad_address <= layer.load_offset[2:0] != '0 || layer.input_offset[2:0] != '0
        || layer.output_offset[2:0] != '0;
    bad_frames <= frames == '0;
    bad_length <= program_length == '0 || program_length > 32'(LAYERS) || frames == '0;
  end

  // Where the stream stands: beat in plane, slice in word, plane, word; then row or frame or block.
  logic [15:0] plane_left;  // beats of the plane after this one
  logic [SLICE_BITS-1:0] slice;
  logic [3:0] plane;
  logic [PLACE-1:0] word;
  logic [ROW_BITS-1:0] row, block_rows;
  logic [31:0] frames_left;  // after this one
  logic [7:0] constant;
  logic [16:0] rows_left;
  logic [28:0] beats_left;
  logic last_beat, last_frame, last_block, last_announced;
  logic buffer;

  wire take = s_axis_tvalid && s_axis_tready;
  wire word_ends = last_beat || slice == SLICE_BITS'(SLICES - 1);
  wire last_plane = plane + 4'd1 >= (state == INPUT ? layer.input_planes : layer.weight_planes);
  wire unit_ends = take && last_beat && last_plane;  // a frame, or a row of weights
  wire last_row = row + 1'b1 >= block_rows;
  wire last_pair = row + ROW_BITS'(2) >= block_rows;
  wire block_loaded = state == WEIGHTS && unit_ends && last_row;

  // Buffers that are loaded and not released, which they are in turn. Constants of 8 planes take the
  // room of both.
  logic [1:0] held;
  logic released_buffer, wide_held;
  wire room = wide || wide_held ? held == '0 : !held[buffer];

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
  wire too_many_frames = state == INPUT_COMMAND && (product_too_large || product == '0);
  assign command_address = address;
  assign command_valid = running && commands && !too_many_frames
      && !(state == FETCH && bad_length);
  wire command_given = command_valid && command_ready;

  assign s_axis_tready = state == DESCRIPTOR || state == INPUT || state == CONSTANTS
      || state == WEIGHTS;

  // Beats that the layer has not announced, or announced and not used.
  wire loading = state == CONSTANTS || state == WEIGHTS || state == INPUT;
  wire load_ends = last_beat && last_plane
      && (state == INPUT ? last_frame : state == WEIGHTS && last_row && last_block);
  wire bad_beats = loading && take && last_announced != load_ends;
  wire input_overrun = state == INPUT && take && word[PLACE-1:INPUT_ADDRESS] != '0;

  assign input_frame = state == INPUT && unit_ends;

  always_ff @(posedge aclk) begin
    write_data <= s_axis_tdata;
    beat_slices <= SLICES'(1) << slice;
    input_address <= INPUT_ADDRESS'(word);
    constant_address <= wide ? constant : {buffer, constant[6:0]};
    weight_address <= {buffer, WEIGHT_ADDRESS'(word)};
    input_write <= state == INPUT && take;
    constant_write <= state == CONSTANTS && take ? ROWS'(3) << row : '0;
    weight_write <= state == WEIGHTS && take ? ROWS'(1) << row : '0;

    failed <= 1'b0;
    failure <= bitfold_registers_pkg::ERROR_BAD_SIZE;
    if (running && state == FETCH && bad_length) begin
      failed <= 1'b1;
      if (bad_frames) failure <= bitfold_registers_pkg::ERROR_BAD_FRAMES;
    end else if (running && too_many_frames) begin
      failed <= 1'b1;
      failure <= bitfold_registers_pkg::ERROR_BAD_FRAMES;
    end else if (running && command_refused) begin
      failed <= 1'b1;
      failure <= state == INPUT ? bitfold_registers_pkg::ERROR_BAD_ADDRESS
                                : bitfold_registers_pkg::ERROR_BAD_PROGRAM_ADDRESS;
    end else if (state == CHECK && (bad_opcode || bad_size || bad_address)) begin
      failed <= 1'b1;
      if (bad_opcode) failure <= bitfold_registers_pkg::ERROR_BAD_OPCODE;
      else if (bad_address) failure <= bitfold_registers_pkg::ERROR_BAD_PROGRAM_ADDRESS;
    end else if (bad_beats || input_overrun) begin
      failed <= 1'b1;
    end
    if (!aresetn || !running) failed <= 1'b0;
  end

  always_ff @(posedge aclk) begin
    if (state == DESCRIPTOR && take) bits <= {s_axis_tdata, bits[511:64]};

    // The place in the stream.
    if (state == CHECK || state == MULTIPLY || state == BLOCK) begin
      plane_left <= plane_beats - 16'd1;
      last_beat <= one_beat;
      slice <= '0;
      plane <= '0;
      word <= state == BLOCK ? '0 : PLACE'(layer.input_base);
      frames_left <= frames - 32'd1;
      last_frame <= one_frame;
    end else if (take && (state == INPUT || state == WEIGHTS)) begin
      plane_left <= last_beat ? plane_beats - 16'd1 : plane_left - 16'd1;
      last_beat <= last_beat ? one_beat : plane_left == 16'd1;
      slice <= word_ends ? '0 : slice + 1'b1;
      if (last_beat) plane <= last_plane ? '0 : plane + 4'd1;
      if (unit_ends) frames_left <= frames_left - 32'd1;
      if (unit_ends) last_frame <= frames_left == 32'd1;
      if (word_ends) word <= word + 1'b1;
      if (state == WEIGHTS && unit_ends) word <= '0;
    end

    case (state)
      FETCH: begin
        part <= '0;
        if (command_given) state <= DESCRIPTOR;
      end
      DESCRIPTOR:
      if (take) begin
        part <= part + 3'd1;
        if (part == 3'(offload_program_pkg::DESCRIPTOR_BEATS - 1)) state <= SIZES;
      end
      SIZES: state <= LIMITS;
      LIMITS: state <= CHECK;
      CHECK:
      if (bad_opcode || bad_size || bad_address) state <= HALT;
      else state <= layer.origin == offload_program_pkg::ORIGIN_CHIP ? OFFER : WAIT;
      WAIT: if (quiet) state <= MULTIPLY;
      MULTIPLY: if (product_done) state <= INPUT_COMMAND;
      INPUT_COMMAND: if (command_given) state <= INPUT;
      INPUT: if (input_frame && last_frame) state <= OFFER;
      OFFER: if (command_given) state <= BLOCK;
      BLOCK: if (room) state <= CONSTANTS;
      CONSTANTS: if (take && last_pair && constant == last_constant) state <= WEIGHTS;
      WEIGHTS: if (block_loaded) state <= last_block ? NEXT : BLOCK;
      NEXT: if (!offered) state <= 32'(index) == program_length ? DONE : FETCH;
      default: ;
    endcase

    if (state == CHECK) begin
      index <= index + 1'b1;
      descriptor_address <= descriptor_address + 32'(offload_program_pkg::DESCRIPTOR_BYTES);
    end

    if (state == OFFER) rows_left <= {1'b0, layer.rows};
    else if (block_loaded) rows_left <= rows_left - 17'(ROWS);
    block_rows <= rows_left > 17'(ROWS) ? ROW_BITS'(ROWS) : ROW_BITS'(rows_left);
    last_block <= rows_left <= 17'(ROWS);

    if (state == OFFER) beats_left <= layer.load_beats;
    else if (state == INPUT_COMMAND) beats_left <= product;
    else if (loading && take) beats_left <= beats_left - 29'd1;
    last_announced <= beats_left == (loading && take ? 29'd2 : 29'd1);

    if (state == BLOCK) begin
      constant <= 8'd1;
      row <= '0;
    end
    if (state == CONSTANTS && take) begin
      row <= last_pair ? '0 : row + ROW_BITS'(2);
      if (last_pair) constant <= constant + 8'd1;
    end
    if (state == WEIGHTS && unit_ends) row <= row + 1'b1;
    if (block_loaded) buffer <= !buffer;
    if (block_loaded) wide_held <= wide;
    if (released) released_buffer <= !released_buffer;

    for (int i = 0; i < 2; i++) begin
      if (block_loaded && buffer == i[0]) loaded[i] <= 1'b1;
      else if (computed[i]) loaded[i] <= 1'b0;
      if (block_loaded && buffer == i[0]) held[i] <= 1'b1;
      else if (released && released_buffer == i[0]) held[i] <= 1'b0;
    end

    if (command_given && state == OFFER) offered <= 1'b1;
    else if (taken) offered <= 1'b0;

    if (!aresetn || !running) begin
      state <= FETCH;
      index <= '0;
      descriptor_address <= program_address;
      buffer <= 1'b0;
      released_buffer <= 1'b0;
      wide_held <= 1'b0;
      loaded <= '0;
      held <= '0;
      offered <= 1'b0;
    end
  end

  assign all_offered = state == DONE;

endmodule

`default_nettype wire
