// Turns the sums of a block of rows into output bits, and writes them plane by plane.
//
// Thresholds: a binary search over each row's ascending constants, all rows at once, a plane a
// cycle from the highest down; results may come every output_planes cycles. Raw: sum - constant 1,
// all planes from the lowest up. Argmax: the index of the largest of those over one block, found row
// by row. Softmax: the shares of those over one block, which go through softmax_unit row by row.
`default_nettype none

module result_drain #(
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
    input wire [31:0] frames,

    input  wire               result_valid,
    output wire               result_ready,
    input  wire [ROWS*32-1:0] sums,
    input  wire [31:0]        input_sum,

    // Each row's constants: the word comes in the next cycle.
    output wire                 constant_read,
    output logic [ROWS*9-1:0]   constant_address,  // the highest bit is the buffer
    input  wire [ROWS*32-1:0]   constants,

    output wire                       write,
    output wire [OUTPUT_ADDRESS-1:0]  write_address,
    output wire [LANES/ROWS-1:0]      write_slices,  // one of them: a block's place in a word
    output wire [ROWS-1:0]            write_bits,
    output wire                       overrun,       // a write is beyond the memory

    output wire  block_done,  // one cycle: the last frame of a block is written
    output logic idle
);

  localparam int BLOCKS = LANES / ROWS;  // in a word
  localparam int LANE_BITS = $clog2(LANES);
  localparam int ROW_BITS = $clog2(ROWS);
  localparam int SLOT_BITS = BLOCKS > 1 ? $clog2(BLOCKS) : 1;

  localparam logic [2:0] SEARCH = 3'd0, SUBTRACT = 3'd1, SCAN = 3'd2, WRITE = 3'd3, COLLECT = 3'd4;

  wire [15:0] words = 16'((17'(layer.rows) + 17'(LANES - 1)) >> LANE_BITS);
  wire [15:0] stride = layer.output_top + words;
  wire searches = layer.head == offload_program_pkg::HEAD_THRESHOLD;
  wire shares = layer.head == offload_program_pkg::HEAD_SOFTMAX;
  wire scans = layer.head == offload_program_pkg::HEAD_ARGMAX || shares;
  wire either_bipolar = layer.weight_bipolar || layer.input_bipolar;
  wire less_input = layer.weight_bipolar && !layer.input_bipolar;

  logic [2:0] state;
  logic [5:0] plane;               // planes left after this one
  logic [7:0] bit_value;           // 2^plane while searching
  logic [15:0] plane_base;
  logic [31:0] frame, frame_base;
  logic [15:0] block_word;
  logic [SLOT_BITS-1:0] slot;
  logic buffer;

  logic [ROWS*32-1:0] values;
  logic [ROWS*8-1:0] levels;       // found so far
  logic [ROWS*8-1:0] next_levels;
  logic [ROWS-1:0] reached;
  logic [ROW_BITS:0] scanned;
  logic signed [31:0] best;
  logic [31:0] best_row;

  wire last_scanned = 16'(scanned) + 16'd1 >= layer.rows
      || scanned == (ROW_BITS + 1)'(ROWS - 1);
  wire share_valid;
  wire [7:0] share;

  wire writes = !idle && (state == SEARCH || state == WRITE);
  wire last_plane = plane == 6'd0;
  wire result_done = writes && last_plane;
  wire last_frame = frame + 32'd1 >= frames;
  wire capture = result_valid && result_ready;

  wire next_buffer = block_done ? !buffer : buffer;
  // By itself: Yosys takes a cast inside ?: at the width of what is cast.
  wire [7:0] first_level = 8'(9'd1 << (layer.output_planes - 6'd1));

  assign result_ready = idle || result_done;
  assign constant_read = capture || (!idle && state == SEARCH);
  assign block_done = result_done && last_frame;

  genvar r;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : g_row
      wire signed [31:0] value = values[r*32+:32];
      wire signed [31:0] limit = constants[r*32+:32];
      assign reached[r] = value >= limit;
      assign next_levels[r*8+:8] = reached[r] ? levels[r*8+:8] | bit_value : levels[r*8+:8];
      // Level n is reached at constant n, so the search begins in the middle.
      assign constant_address[r*9+:9] = capture
          ? {next_buffer, searches ? first_level : 8'd1}
          : {buffer, next_levels[r*8+:8] | bit_value >> 1};
      assign write_bits[r] = state == SEARCH ? reached[r] : values[r*32];
    end
  endgenerate

  // It always takes what comes.
  wire unused_ready;
  softmax_unit #(
      .MAX_CLASSES(ROWS),
      .SCORE_BITS(32)
  ) softmax (
      .aclk(aclk),
      .aresetn(aresetn),
      .classes(layer.rows[6:0]),
      .multiplier(layer.softmax_multiplier),
      .shift(layer.softmax_shift),
      .s_axis_tdata(values[31:0]),
      .s_axis_tvalid(!idle && state == SCAN && shares),
      .s_axis_tready(unused_ready),
      .m_axis_tdata(share),
      .m_axis_tvalid(share_valid),
      .m_axis_tready(1'b1)
  );

  wire [31:0] address = frame_base + 32'(plane_base) + 32'(block_word);
  assign write = writes;
  assign write_address = OUTPUT_ADDRESS'(address);
  assign write_slices = BLOCKS'(1) << slot;
  assign overrun = writes && address[31:OUTPUT_ADDRESS] != '0;

  always_ff @(posedge aclk) begin
    case (state)
      SEARCH: begin
        levels <= next_levels;
        bit_value <= bit_value >> 1;
        plane <= plane - 6'd1;
        plane_base <= plane_base - words;
      end
      SUBTRACT: begin
        for (int i = 0; i < ROWS; i++) begin
          values[i*32+:32] <= values[i*32+:32] - constants[i*32+:32];
        end
        state <= scans ? SCAN : WRITE;
        scanned <= '0;
      end
      SCAN: begin
        values <= values >> 32;
        scanned <= scanned + 1'b1;
        if (scanned == '0 || $signed(values[31:0]) > best) begin
          best <= values[31:0];
          best_row <= 32'(scanned);
        end
        if (last_scanned && shares) begin
          state <= COLLECT;
          scanned <= '0;
        end else if (last_scanned) begin
          state <= WRITE;
          values <= (ROWS * 32)'(scanned == '0 || $signed(values[31:0]) > best
                                 ? 32'(scanned) : best_row);
        end
      end
      COLLECT:
      if (share_valid) begin
        for (int i = 0; i < ROWS; i++) begin
          if (scanned == (ROW_BITS + 1)'(i)) values[i*32+:8] <= share;
        end
        scanned <= scanned + 1'b1;
        if (last_scanned) state <= WRITE;
      end
      WRITE: begin
        for (int i = 0; i < ROWS; i++) values[i*32+:32] <= values[i*32+:32] >> 1;
        plane <= plane - 6'd1;
        plane_base <= plane_base + words;
      end
      default: ;
    endcase

    if (capture) begin
      for (int i = 0; i < ROWS; i++) begin
        values[i*32+:32] <= (either_bipolar ? sums[i*32+:32] << 1 : sums[i*32+:32])
            - (less_input ? input_sum : 32'd0);
      end
      levels <= '0;
      bit_value <= first_level;
      plane <= layer.output_planes - 6'd1;
      plane_base <= searches ? layer.output_top : 16'd0;
      state <= searches ? SEARCH : SUBTRACT;
    end

    if (start) begin
      frame <= '0;
      frame_base <= {16'd0, layer.output_base};
      block_word <= '0;
      slot <= '0;
    end else if (result_done) begin
      frame <= last_frame ? '0 : frame + 32'd1;
      frame_base <= last_frame ? {16'd0, layer.output_base} : frame_base + 32'(stride);
      if (last_frame) begin
        slot <= slot == SLOT_BITS'(BLOCKS - 1) ? '0 : slot + 1'b1;
        if (slot == SLOT_BITS'(BLOCKS - 1)) block_word <= block_word + 16'd1;
      end
    end

    if (!aresetn) begin
      idle <= 1'b1;
      buffer <= 1'b0;
    end else begin
      if (capture) idle <= 1'b0;
      else if (result_done) idle <= 1'b1;
      buffer <= next_buffer;
    end
  end

endmodule

`default_nettype wire
