// Finds, of rows that come one by one, the index of the largest, or each one's share of 255.
`default_nettype none

module drain_choice #(
    parameter int ROWS = 8,    // 8, 16, 32 or 64
    parameter int SOFTMAX = 1  // 0 leaves shares out
) (
    input wire aclk,
    input wire aresetn,

    // A layer says more than one module needs.
    /* verilator lint_off UNUSEDSIGNAL */
    input wire offload_program_pkg::descriptor_t layer,
    /* verilator lint_on UNUSEDSIGNAL */

    input wire               valid,
    input wire               first,  // the row is number 0
    input wire               last,
    input wire signed [31:0] value,
    output logic             found,  // one cycle: all rows' results are there

    // Four bits of what was found of each group's row, or of the one index for all.
    input wire  [1:0]        turn,
    input wire  [2:0]        planes,
    output wire [ROWS-1:0]   results
);

  localparam int ROW_BITS = $clog2(ROWS);
  localparam int GROUPS = ROWS / drain_slot_pkg::TURNS;

  logic signed [31:0] best;
  logic [ROW_BITS-1:0] row, best_row;
  logic index_found;

  always_ff @(posedge aclk) begin
    if (valid) row <= first ? ROW_BITS'(1) : row + 1'b1;
    if (valid && (first || value > best)) begin
      best <= value;
      best_row <= first ? '0 : row;
    end
    index_found <= valid && last;
  end

  wire [31:0] index = 32'(best_row);
  wire [GROUPS-1:0][3:0] index_results = {GROUPS{index[4*planes+:4]}};

  generate
    if (SOFTMAX != 0) begin : g_shares
      wire shares_asked = layer.head == offload_program_pkg::HEAD_SOFTMAX;
      wire share_valid;
      wire [7:0] share;
      logic [ROWS-1:0] place;  // the row whose share is next
      logic [ROWS*8-1:0] shares;
      logic [ROW_BITS-1:0] taken;
      logic shares_found;
      wire last_share = 16'(taken) + 16'd1 >= layer.rows;

      // It always takes what comes.
      wire unused_ready;
      softmax_unit #(
          .MAX_CLASSES(ROWS),
          .SCORE_BITS (32)
      ) softmax (
          .aclk(aclk),
          .aresetn(aresetn),
          .classes(layer.rows[6:0]),
          .multiplier(layer.softmax_multiplier),
          .shift(layer.softmax_shift),
          .s_axis_tdata(value),
          .s_axis_tvalid(valid && shares_asked),
          .s_axis_tready(unused_ready),
          .m_axis_tdata(share),
          .m_axis_tvalid(share_valid),
          .m_axis_tready(1'b1)
      );

      always_ff @(posedge aclk) begin
        for (int i = 0; i < ROWS; i++) if (share_valid && place[i]) shares[i*8+:8] <= share;
        if (valid && last) begin
          place <= ROWS'(1);
          taken <= '0;
        end else if (share_valid) begin
          place <= place << 1;
          taken <= taken + 1'b1;
        end
        shares_found <= aresetn && share_valid && last_share;
      end

      wire [ROWS-1:0] share_results;
      genvar g;
      for (g = 0; g < GROUPS; g = g + 1) begin : g_group
        wire [31:0] of_turns = {
          shares[(3*GROUPS+g)*8+:8], shares[(2*GROUPS+g)*8+:8], shares[(GROUPS+g)*8+:8], shares[g*8+:8]
        };
        assign share_results[g*4+:4] = of_turns[{turn, planes[0], 2'd0}+:4];
      end
      assign results = shares_asked ? share_results : index_results;
      assign found = shares_asked ? shares_found : index_found;
    end else begin : g_index
      assign results = index_results;
      assign found = index_found;
      wire unused = &{1'b0, aresetn, turn, layer};
    end
  endgenerate

endmodule

`default_nettype wire
