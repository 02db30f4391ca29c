// How many of seven bits are set, for COUNTERS sevens at once, without a clock: common/counter7.sv
// for the 7 series, a counter in two LUT6_2 and half a CARRY4.
//
// Five bits make a number from 0 to 5, of which the carry chain adds the lower two bits to the
// sixth and the seventh bit. Kept as it is: a mapper would not find it again.
`default_nettype none

(* keep_hierarchy = "yes" *)
module counter7 #(
  parameter int COUNTERS = 1  // >= 1
) (
  input  logic [6:0][COUNTERS-1:0] x,
  output logic [COUNTERS-1:0]      ones,
  output logic [COUNTERS-1:0]      twos,
  output logic [COUNTERS-1:0]      fours
);
  // O6 is whether six bits are odd, O5 whether five are.
  localparam logic [63:0] ODD = 64'h6996_9669_9669_6996;
  // Of five bits, O6 is whether they count 2 or 3, O5 whether 4 or more.
  localparam logic [63:0] TWOS = 64'h177e_7ee8_e880_8000;

  for (genvar i = 0; i < COUNTERS; i = i + 1) begin : g_counter
    logic [6:0] bits;
    logic [3:0] select, data, sum, carry;
    for (genvar j = 0; j < 7; j = j + 1) begin : g_bit
      assign bits[j] = x[j][i];
    end
    LUT6_2 #(
      .INIT(ODD)
    ) odd (
      .O6(select[0]),
      .O5(data[0]),
      .I0(bits[0]),
      .I1(bits[1]),
      .I2(bits[2]),
      .I3(bits[3]),
      .I4(bits[4]),
      .I5(bits[5])
    );
    LUT6_2 #(
      .INIT(TWOS)
    ) half (
      .O6(select[1]),
      .O5(data[1]),
      .I0(bits[0]),
      .I1(bits[1]),
      .I2(bits[2]),
      .I3(bits[3]),
      .I4(bits[4]),
      .I5(1'b1)
    );
    assign select[3:2] = '0;
    assign data[3:2] = '0;
    CARRY4 chain (
      .CI    (1'b0),
      .CYINIT(bits[6]),
      .DI    (data),
      .S     (select),
      .O     (sum),
      .CO    (carry)
    );
    assign ones[i] = sum[0];
    assign twos[i] = sum[1];
    assign fours[i] = carry[1];
    logic unused;
    assign unused = &{1'b0, sum, carry};
  end
endmodule

`default_nettype wire
