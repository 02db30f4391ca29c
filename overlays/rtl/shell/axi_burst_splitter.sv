// Checks a command (byte address, beats) and cuts it into AXI bursts of at most 16 beats of 8 bytes.
//
// A command is legal when it has beats, its address is a multiple of 8 and address + 8 * beats is
// below 2^32. One that is not is refused, and nothing comes of it; the first burst of a legal one stands on the
// output three cycles after the command was taken. A burst ends at a multiple of 128 bytes or with its command, so that none crosses a 4 KB border.
// `issue` is high in the cycle before a burst stands on the output; the burst is then committed and
// stays until it is taken. `stop` drops what is left of the command, but never a committed burst.
`default_nettype none

module axi_burst_splitter (
    input wire aclk,
    input wire aresetn,

    input  wire         command_valid,
    output logic        command_ready,
    input  wire  [32:0] command_address,  // a bit more than memory has, for a sum of addresses
    input  wire  [28:0] command_beats,
    output logic        refused,          // one cycle, the second after such a command was taken

    input  wire         room,             // one more burst may be committed
    input  wire         stop,
    output logic        issue,
    output logic [ 3:0] issue_len,        // beats of the burst being issued, less 1
    output logic        active,           // a command is not yet checked or not cut to its end

    output logic        burst_valid,
    input  wire         burst_ready,
    output logic [31:0] burst_address,
    output logic [ 3:0] burst_len         // beats, less 1
);

  // In beats: the next one to ask for, and the one after the command's last; the number of them
  // while the command is checked.
  logic [28:0] cursor, stop_at;
  logic checking, aligned, cutting;
  // Blocks are 128 bytes: the one behind the cursor's, and whether the cursor's is the last. It is
  // found out while the block before is issued.
  logic [24:0] next_block;
  logic in_last_block;

  wire [29:0] command_end = {1'b0, cursor} + {1'b0, stop_at};
  wire legal = aligned && stop_at != '0 && !command_end[29];
  wire [4:0] first_end = {1'b0, cursor[3:0]} + {1'b0, stop_at[3:0]};
  wire unused_end = &{1'b0, first_end[3:0]};
  wire finished = in_last_block && cursor[3:0] == stop_at[3:0];
  wire [3:0] last_offset = in_last_block ? stop_at[3:0] - 4'd1 : 4'd15;

  assign command_ready = !active && !stop;
  assign active = checking || cutting;
  assign issue = cutting && !finished && !stop && room && (!burst_valid || burst_ready);
  assign issue_len = last_offset - cursor[3:0];

  always_ff @(posedge aclk) begin
    checking <= command_valid && command_ready;
    if (command_valid && command_ready) begin
      cursor <= command_address[31:3];
      stop_at <= command_beats;
      aligned <= command_address[32] == 1'b0 && command_address[2:0] == 3'd0;
    end

    refused <= checking && !stop && !legal;
    if (checking) begin
      cutting <= !stop && legal;
      stop_at <= command_end[28:0];
      next_block <= cursor[28:4] + 25'd1;
      in_last_block <= stop_at[28:4] == '0 && !first_end[4];
    end else if (stop || finished) begin
      cutting <= 1'b0;
    end

    if (issue) begin
      if (!in_last_block) cursor[28:4] <= next_block;
      next_block <= next_block + 25'd1;
      in_last_block <= in_last_block || next_block == stop_at[28:4];
      cursor[3:0] <= in_last_block ? stop_at[3:0] : 4'd0;
      burst_valid <= 1'b1;
      burst_address <= {cursor, 3'd0};
      burst_len <= issue_len;
    end else if (burst_ready) begin
      burst_valid <= 1'b0;
    end

    if (!aresetn) begin
      checking <= 1'b0;
      cutting <= 1'b0;
      refused <= 1'b0;
      burst_valid <= 1'b0;
    end
  end

endmodule

`default_nettype wire
