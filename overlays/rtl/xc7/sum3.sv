// The sum of three numbers, or of the first two, modulo 2^WIDTH, without a clock: common/sum3.sv for
// the 7 series, a bit in one LUT6_2.
//
// O5 is the carry of a full adder into the next bit, which the chain adds to the sum of that bit's.
// Kept as it is: a mapper would not find it again.
`default_nettype none

(* keep_hierarchy = "yes" *)
module sum3 #(
  parameter int WIDTH = 8  // bits, >= 1
) (
  input  logic [2:0][WIDTH-1:0] terms,
  input  logic                  all,   // or only the first two
  output logic [WIDTH-1:0]      sum
);
  localparam int CHAINS = (WIDTH + 3) / 4;
  // O6 is whether the three bits and the carry are odd, O5 whether two of three bits are set.
  localparam logic [63:0] FULL_ADDER = 64'h6999_9666_e888_e888;

  logic [4*CHAINS-1:0] select, data, total;
  for (genvar i = 0; i < 4 * CHAINS; i = i + 1) begin : g_bit
    if (i < WIDTH) begin : g_used
      logic carried, saved;  // of the bit below, and of this
      if (i == 0) begin : g_first
        assign carried = 1'b0;
      end else begin : g_later
        assign carried = g_bit[i-1].g_used.saved;
      end
      LUT6_2 #(
        .INIT(FULL_ADDER)
      ) adder (
        .O6(select[i]),
        .O5(saved),
        .I0(terms[0][i]),
        .I1(terms[1][i]),
        .I2(terms[2][i]),
        .I3(all),
        .I4(carried),
        .I5(1'b1)
      );
      assign data[i] = carried;
      assign sum[i] = total[i];
    end else begin : g_free
      assign select[i] = 1'b0;
      assign data[i] = 1'b0;
    end
  end
  for (genvar i = 0; i < CHAINS; i = i + 1) begin : g_chain
    logic carry_in;
    logic [3:0] carry;
    if (i == 0) begin : g_first
      assign carry_in = 1'b0;
    end else begin : g_later
      assign carry_in = g_chain[i-1].carry[3];
    end
    CARRY4 chain (
      .CI    (carry_in),
      .CYINIT(1'b0),
      .DI    (data[4*i+:4]),
      .S     (select[4*i+:4]),
      .O     (total[4*i+:4]),
      .CO    (carry)
    );
    logic unused;
    assign unused = &{1'b0, carry};
  end
  logic unused;
  assign unused = &{1'b0, g_bit[WIDTH-1].g_used.saved, total};
endmodule

`default_nettype wire
