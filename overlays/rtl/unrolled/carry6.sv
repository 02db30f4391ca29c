// Half of how many of six bits are set, rounded down: two 6-input LUTs, written as their tables.
//
// What a column of six hands on when nobody asks for its own bit. Kept as it is, like counter6.
`default_nettype none

(* keep_hierarchy = "yes" *)
module carry6 (
  input  wire [5:0] x,
  output wire [1:0] carry
);
  localparam [63:0] TWOS  = 64'h8117_177e_177e_7ee8;
  localparam [63:0] FOURS = 64'hfee8_e880_e880_8000;

  assign carry = {FOURS[x], TWOS[x]};
endmodule

`default_nettype wire
