// How many of six bits are set: three 6-input LUTs, written as their tables.
//
// Kept as it is: a mapper that sees many counters at once takes them apart, and loses a fifth.
`default_nettype none

(* keep_hierarchy = "yes" *)
module counter6 (
  input  wire [5:0] x,
  output wire [2:0] count
);
  localparam [63:0] ONES  = 64'h6996_9669_9669_6996;
  localparam [63:0] TWOS  = 64'h8117_177e_177e_7ee8;
  localparam [63:0] FOURS = 64'hfee8_e880_e880_8000;

  assign count = {FOURS[x], TWOS[x], ONES[x]};
endmodule

`default_nettype wire
