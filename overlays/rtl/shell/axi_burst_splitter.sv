// Cuts a command (byte address, beats) into AXI bursts of at most 16 beats of 8 bytes.
//
// A burst ends at a multiple of 128 bytes or with its command, so that none crosses a 4 KB border.
// `issue` is high in the cycle before a burst stands on the output; the burst is then committed and
// stays until it is taken. `stop` drops what is left of the command, but never a committed burst.
`default_nettype none

module axi_burst_splitter (
    input wire aclk,
    input wire aresetn,

    input  wire         command_valid,
    output logic        command_ready,
    input  wire  [31:0] command_address,
    input  wire  [28:0] command_beats,    // 1 or more
    // Combinational: the address is a multiple of 8 and address + 8 * beats is below 2^32.
    // A command that is not legal must not be given.
    output logic        command_legal,

    input  wire         room,             // one more burst may be committed
    input  wire         stop,
    output logic        issue,
    output logic [ 3:0] issue_len,        // beats of the burst being issued, less 1
    output logic        active,           // a command is not yet cut to its end

    output logic        burst_valid,
    input  wire         burst_ready,
    output logic [31:0] burst_address,
    output logic [ 3:0] burst_len         // beats, less 1
);

  // In beats: the next one to ask for, and the one after the command's last.
  logic [28:0] cursor, stop_at;

  wire [29:0] command_end = {1'b0, command_address[31:3]} + {1'b0, command_beats};
  wire in_last_block = cursor[28:4] == stop_at[28:4];
  wire finished = in_last_block && cursor[3:0] == stop_at[3:0];
  wire [3:0] last_offset = in_last_block ? stop_at[3:0] - 4'd1 : 4'd15;

  assign command_ready = !active && !stop;
  assign command_legal = command_address[2:0] == 3'd0 && !command_end[29];
  assign issue = active && !finished && !stop && room && (!burst_valid || burst_ready);
  assign issue_len = last_offset - cursor[3:0];

  always_ff @(posedge aclk) begin
    if (command_valid && command_ready) begin
      active <= 1'b1;
      cursor <= command_address[31:3];
      stop_at <= command_end[28:0];
    end else if (stop || finished) begin
      active <= 1'b0;
    end

    if (issue) begin
      cursor[28:4] <= cursor[28:4] + 25'(!in_last_block);
      cursor[3:0] <= in_last_block ? stop_at[3:0] : 4'd0;
      burst_valid <= 1'b1;
      burst_address <= {cursor, 3'd0};
      burst_len <= issue_len;
    end else if (burst_ready) begin
      burst_valid <= 1'b0;
    end

    if (!aresetn) begin
      active <= 1'b0;
      burst_valid <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge aclk) begin
    if (aresetn && command_valid && command_ready) begin
      assert (command_legal && command_beats != 29'd0)
      else $error("%m: a command that is not legal was given");
    end
  end
`endif

endmodule

`default_nettype wire
