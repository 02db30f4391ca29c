// The engine: a loader that runs ahead, an array that computes layer after layer, and what both
// keep on chip. One memory holds the inputs and outputs of layers, where the program says.
`default_nettype none

module offload_engine #(
    parameter int ROWS = 16,         // 8, 16, 32 or 64, at most LANES
    parameter int LANES = 64,        // 64, 128 or 256
    parameter int INPUT_WORDS = 4096,  // words of LANES bits for inputs and outputs; a power of two
    parameter int WEIGHT_WORDS = 256,  // words a row and block; a power of two
    parameter int LAYERS = 16,       // the longest program, 1 to 480
    parameter int SOFTMAX = 0        // 0: layers with a softmax are refused; 1: they are not
) (
    input wire aclk,
    input wire aresetn,  // also low while a call is aborted
    input wire begins,   // one cycle before a call runs
    input wire running,

    input wire [31:0] frames,
    input wire [31:0] source,
    input wire [31:0] destination,
    input wire [31:0] destination_beats,
    input wire [31:0] program_address,
    input wire [31:0] program_length,

    output wire        read_valid,
    input  wire        read_ready,
    output wire [32:0] read_address,
    output wire [28:0] read_beats,
    input  wire        read_refused,
    input  wire [63:0] s_axis_tdata,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,

    output wire        write_valid,
    input  wire        write_ready,
    output wire [32:0] write_address,
    output wire [28:0] write_beats,
    input  wire        write_refused,
    input  wire        written,        // the memory has answered every write
    output wire [63:0] m_axis_tdata,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,

    output wire              input_frame,   // one cycle: a frame is loaded
    output wire              output_frame,  // one cycle: a frame is stored
    output wire              layer_begins,  // one cycle: a layer follows the one before
    output wire              layer_busy,    // its products are computed in this cycle
    output wire              layer_stalled, // it is under way, but waits

    output wire       finished,
    output wire       failed,
    output wire [7:0] failure
);

  localparam int INPUT_ADDRESS = $clog2(INPUT_WORDS);
  localparam int WEIGHT_ADDRESS = $clog2(WEIGHT_WORDS);
  localparam int GROUPS = ROWS / drain_slot_pkg::TURNS;
  localparam int COUNT_REGISTERS = 1;  // in a row's count

  generate
    if (LANES % 64 != 0 || LANES % ROWS != 0 || ROWS % 8 != 0) begin : bad_size
      $error("offload_engine: LANES must be a multiple of 64 and of ROWS, ROWS one of 8");
    end
    if (INPUT_WORDS != 1 << INPUT_ADDRESS || WEIGHT_WORDS != 1 << WEIGHT_ADDRESS
        || INPUT_ADDRESS > 16 || WEIGHT_ADDRESS > 16) begin : bad_words
      $error("offload_engine: INPUT_WORDS and WEIGHT_WORDS must be powers of two up to 65536");
    end
    if (LAYERS < 1 || LAYERS > 480) begin : bad_layers
      $error("offload_engine: LAYERS must be 1 to 480");
    end
  endgenerate

  // What an ended call left behind goes with the next.
  wire clean = aresetn && !begins;

  // The layer that is computed, and the one that the loader offers.
  offload_program_pkg::descriptor_t layer, next_layer;
  logic at_work, computed, storing;
  wire offered, all_offered;

  wire [1:0] loaded, block_computed;
  wire block_done, layer_done, issue;
  wire store_idle, store_failed, input_overrun, output_overrun, loader_failed;
  wire [7:0] loader_failure, store_failure;

  // A layer may read what an earlier one wrote.
  wire quiet = !at_work && !offered && written;
  wire take = offered && !at_work;
  logic start;  // the cycle after a layer is taken
  wire store_start = computed && layer.to_memory && !storing;
  wire ends = computed && !store_start && (!storing || store_idle);

  assign finished = all_offered && !at_work && !offered;
  assign failed = loader_failed || store_failed || input_overrun || output_overrun;
  assign failure = loader_failed ? loader_failure : store_failed ? store_failure
                                 : bitfold_registers_pkg::ERROR_BAD_SIZE;

  assign layer_begins = take;
  assign layer_busy = issue;
  assign layer_stalled = at_work && !issue;

  always_ff @(posedge aclk) begin
    start <= clean && take;
    if (take) layer <= next_layer;
    if (!clean) begin
      at_work <= 1'b0;
      computed <= 1'b0;
      storing <= 1'b0;
    end else begin
      if (take) at_work <= 1'b1;
      else if (ends) at_work <= 1'b0;
      computed <= layer_done || (computed && !ends);
      storing <= store_start || (storing && !ends);
    end
  end

  // Loading.

  wire loader_write;
  wire [63:0] write_data;
  wire [INPUT_ADDRESS-1:0] loader_address;
  wire [LANES/64-1:0] beat_slices;
  wire [ROWS-1:0] constant_write, weight_write;
  wire [7:0] constant_write_address;
  wire [WEIGHT_ADDRESS:0] weight_write_address;

  program_loader #(
      .ROWS(ROWS),
      .LANES(LANES),
      .LAYERS(LAYERS),
      .INPUT_ADDRESS(INPUT_ADDRESS),
      .WEIGHT_ADDRESS(WEIGHT_ADDRESS),
      .SOFTMAX(SOFTMAX)
  ) loader (
      .aresetn(clean),
      .command_valid(read_valid),
      .command_ready(read_ready),
      .command_address(read_address),
      .command_beats(read_beats),
      .command_refused(read_refused),
      .layer(next_layer),
      .taken(take),
      .computed(block_computed),
      .released(block_done),
      .input_write(loader_write),
      .input_address(loader_address),
      .constant_address(constant_write_address),
      .weight_address(weight_write_address),
      .failed(loader_failed),
      .failure(loader_failure),
      .*
  );

  // Computing.

  wire [INPUT_ADDRESS-1:0] input_read_address;
  wire [WEIGHT_ADDRESS:0] weight_read_address;
  wire step, step_tail, step_first, step_double, step_negative;
  wire result, result_ends_block, result_ends_layer, result_room;

  layer_sequencer #(
      .LANES(LANES),
      .ROWS(ROWS),
      .INPUT_ADDRESS(INPUT_ADDRESS),
      .WEIGHT_ADDRESS(WEIGHT_ADDRESS)
  ) sequencer (
      .aresetn(clean),
      .computed(block_computed),
      .input_address(input_read_address),
      .weight_address(weight_read_address),
      .overrun(input_overrun),
      .*
  );

  logic [LANES-1:0] tail_mask;
  wire [15:0] tail = layer.columns & 16'(LANES - 1);
  always_ff @(posedge aclk) begin
    for (int i = 0; i < LANES; i++) tail_mask[i] <= tail == '0 || 16'(i) < tail;
  end

  wire [LANES-1:0] input_word;
  wire [ROWS*LANES-1:0] weight_words;
  wire [ROWS*32-1:0] sums;
  wire [31:0] input_sum;
  wire [4:0] work;  // what a step does, with its input word

  delay #(
      .WIDTH (5),
      .CYCLES(2)
  ) to_words (
      .aclk,
      .advance(1'b1),
      .x({step, step_tail, step_first, step_double, step_negative}),
      .y(work)
  );

  bit_serial_array #(
      .ROWS(ROWS),
      .LANES(LANES),
      .REGISTERS(COUNT_REGISTERS)
  ) array (
      .step(work[4]),
      .step_tail(work[3]),
      .step_first(work[2]),
      .step_double(work[1]),
      .step_negative(work[0]),
      .*
  );

  // Results.

  wire drain_write;
  wire [GROUPS*10-1:0] constant_read_address;
  wire [GROUPS*32-1:0] constants;
  wire [INPUT_ADDRESS-1:0] drain_address;
  wire [LANES/ROWS-1:0] drain_slices;
  wire [ROWS-1:0] drain_bits;

  result_drain #(
      .ROWS(ROWS),
      .LANES(LANES),
      .OUTPUT_ADDRESS(INPUT_ADDRESS),
      .RESULT_CYCLES(COUNT_REGISTERS + 6),
      .SOFTMAX(SOFTMAX)
  ) drain (
      .aresetn(clean),
      .room(result_room),
      .constant_address(constant_read_address),
      .write(drain_write),
      .write_address(drain_address),
      .write_slices(drain_slices),
      .write_bits(drain_bits),
      .overrun(output_overrun),
      .*
  );

  wire store_read;
  wire [INPUT_ADDRESS-1:0] store_address;

  result_store #(
      .LANES(LANES),
      .OUTPUT_ADDRESS(INPUT_ADDRESS)
  ) store (
      .aresetn(clean),
      .start(store_start),
      .read(store_read),
      .read_address(store_address),
      .read_data(input_word),
      .command_valid(write_valid),
      .command_ready(write_ready),
      .command_address(write_address),
      .command_beats(write_beats),
      .command_refused(write_refused),
      .frame_stored(output_frame),
      .idle(store_idle),
      .failed(store_failed),
      .failure(store_failure),
      .*
  );

  // Memories. The loader writes inputs only while no layer is at work.

  logic [LANES/8-1:0] input_slices;
  always_comb begin
    for (int i = 0; i < LANES / 8; i++) begin
      input_slices[i] = loader_write ? beat_slices[i/8] : drain_write && drain_slices[i*8/ROWS];
    end
  end

  ram #(
      .WIDTH(LANES),
      .DEPTH(INPUT_WORDS),
      .SLICE(8)
  ) inputs (
      .aclk,
      .write_slices(input_slices),
      .write_address(loader_write ? loader_address : drain_address),
      .write_data(loader_write ? {LANES / 64{write_data}} : {LANES / ROWS{drain_bits}}),
      .read_enable(!storing || store_read),
      .read_address(storing ? store_address : input_read_address),
      .read_data(input_word)
  );

  // Where the rows of a group keep their constants: the turn, then the constant.
  logic [1:0] constant_turn;
  always_comb begin
    constant_turn = '0;
    for (int i = 0; i < ROWS; i++) if (constant_write[i]) constant_turn = 2'(i / GROUPS);
  end

  genvar r, g;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : g_row
      ram #(
          .WIDTH(LANES),
          .DEPTH(2 * WEIGHT_WORDS),
          .SLICE(64)
      ) weights (
          .aclk,
          .write_slices(weight_write[r] ? beat_slices : '0),
          .write_address(weight_write_address),
          .write_data({LANES / 64{write_data}}),
          .read_enable(1'b1),
          .read_address(weight_read_address),
          .read_data(weight_words[r*LANES+:LANES])
      );
    end
    for (g = 0; g < GROUPS; g = g + 1) begin : g_group
      wire [drain_slot_pkg::TURNS-1:0] of_group;
      for (r = 0; r < drain_slot_pkg::TURNS; r = r + 1) begin : g_turn
        assign of_group[r] = constant_write[r*GROUPS+g];
      end
      ram #(
          .WIDTH(32),
          .DEPTH(drain_slot_pkg::TURNS * offload_program_pkg::CONSTANTS),
          .SLICE(32)
      ) thresholds (
          .aclk,
          .write_slices(of_group != '0),
          .write_address({constant_turn, constant_write_address}),
          .write_data(write_data[(g%2)*32+:32]),
          .read_enable(1'b1),
          .read_address(constant_read_address[g*10+:10]),
          .read_data(constants[g*32+:32])
      );
    end
  endgenerate

endmodule

`default_nettype wire
