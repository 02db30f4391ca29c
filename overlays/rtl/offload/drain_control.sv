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
    output logic room,
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
  // The first index of a result and the last one: steady while a layer is at work.
  logic [3:0] top_index, last_index;

  logic [1:0] state, turn;
  logic [3:0] index;
  logic [ROW_BITS-1:0] row;
  logic first, ends_block, ends_layer, buffer;

  wire last_row = 16'(row) + 16'd1 >= layer.rows;
  wire last_pass = index == last_index;


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
    top_index <= searches ? top_plane[3:0] : 4'd0;
    last_index <= searches ? 4'd0 : {1'b0, top_plane[4:2]};

    // In the last cycle of a result, and then until the next one.
    room <= !result && (state == IDLE || (state == PASS && last_pass && turn[1]));
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
      room <= 1'b1;
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
