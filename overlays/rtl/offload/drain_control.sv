// Says what the drain does, cycle by cycle: a pass over all rows is four cycles, in which each group
// has its rows' turns.
//
// Thresholds take a pass a plane. All else leaves four planes a pass; where the rows' largest is
// asked for, they are scanned before, and the passes wait for what is found.
`default_nettype none

module drain_control #(
    parameter int ROWS = 8  // 8, 16, 32 or 64
) (
    input wire aclk,
    input wire aresetn,

    // A layer says more than one module needs.
    /* verilator lint_off UNUSEDSIGNAL */
    input wire offload_program_pkg::descriptor_t layer,
    /* verilator lint_on UNUSEDSIGNAL */

    // A result begins: only where there is room.
    input  wire  result,
    input  wire  result_ends_block,
    input  wire  result_ends_layer,
    output wire  room,
    input  wire  found,  // one cycle: what the scan was for is known

    output wire slot_valid,
    output drain_slot_pkg::slot_t slot
);

  localparam int ROW_BITS = $clog2(ROWS);
  localparam int GROUP_BITS = ROW_BITS - 2;

  localparam logic [1:0] IDLE = 2'd0, SCAN = 2'd1, WAIT = 2'd2, PASS = 2'd3;

  wire searches = layer.head == offload_program_pkg::HEAD_THRESHOLD;
  wire scans = layer.head == offload_program_pkg::HEAD_ARGMAX
      || layer.head == offload_program_pkg::HEAD_SOFTMAX;
  wire [4:0] top_plane = 5'(layer.output_planes - 6'd1);
  // By itself: Yosys takes a cast inside ?: at the width of what is cast.
  wire [3:0] top_index = searches ? top_plane[3:0] : 4'd0;
  wire [3:0] last_index = searches ? 4'd0 : {1'b0, top_plane[4:2]};

  logic [1:0] state, turn;
  logic [3:0] index;
  logic [ROW_BITS-1:0] row;
  logic first, ends_block, ends_layer, buffer;

  wire last_row = 16'(row) + 16'd1 >= layer.rows;
  wire last_pass = index == last_index;

  assign room = state == IDLE || (state == PASS && turn == 2'd3 && last_pass);

  assign slot_valid = state == SCAN || state == PASS;

  always_comb begin
    slot.scan = state == SCAN;
    slot.first = first;
    slot.last = state == SCAN ? last_row : last_pass;
    slot.ends_block = ends_block;
    slot.ends_layer = ends_layer;
    slot.buffer = buffer;
    slot.turn = state == SCAN ? row[ROW_BITS-1-:2] : turn;
    slot.index = state == SCAN ? 4'(row[GROUP_BITS-1:0]) : index;
  end

  always_ff @(posedge aclk) begin
    case (state)
      SCAN: begin
        row <= row + 1'b1;
        first <= 1'b0;
        if (last_row) state <= WAIT;
      end
      WAIT: if (found) state <= PASS;
      PASS: begin
        turn <= turn + 2'd1;
        if (turn == 2'd3) begin
          first <= 1'b0;
          index <= searches ? index - 4'd1 : index + 4'd1;
          if (last_pass) state <= IDLE;
          if (last_pass && ends_block) buffer <= !buffer;
        end
      end
      default: ;
    endcase
    if (result) begin
      state <= scans ? SCAN : PASS;
      turn <= '0;
      row <= '0;
      index <= top_index;
      first <= 1'b1;
      ends_block <= result_ends_block;
      ends_layer <= result_ends_layer;
    end
    if (!aresetn) begin
      state <= IDLE;
      buffer <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge aclk) begin
    if (aresetn && result) assert (room) else $error("%m: a result comes before there is room");
  end
`endif

endmodule

`default_nettype wire
