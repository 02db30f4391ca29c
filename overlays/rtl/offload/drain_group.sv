// Four rows of a result that share one comparator: their values turn by turn, less a constant, to
// the bits that leave.
//
// A row's turn comes every fourth cycle, and four cycles are what a search needs from the address of
// a constant to the next: address, memory, its register, comparison. So no cycle is lost, and no
// two of these steps share one. Everything is timed from the cycle in which `turn` is given.
`default_nettype none

module drain_group (
    input wire aclk,

    input wire                  capture,  // one cycle: the rows' sums are here
    input wire [3:0][31:0]      sums,
    input wire [31:0]           less,     // what is taken off a value, the same for all rows
    input wire [ 1:0]           doubled,  // how often a sum is doubled before, 0 to 2

    input wire [ 1:0]           turn,
    // The constant to compare with: `trial`, and the level so far where there is one, without the
    // bit that was on trial, `tried`, unless it was reached.
    input wire                  first,
    input wire [ 7:0]           trial,
    input wire [ 7:0]           tried,
    output logic [ 7:0]         level,     // one cycle after `turn`
    input wire [31:0]           constant,  // three cycles after

    output wire [31:0]          difference,  // four cycles after
    // Four cycles after: the planes that leave. Of a search it is one, whether the constant is
    // reached; else four of the difference, or of what was found.
    input wire                  searches,
    input wire                  finds,
    input wire [ 2:0]           planes,
    input wire [ 3:0]           found,
    input wire                  pass_ends,   // five cycles after: all rows had their turn
    // From the cycle after that: a plane of the four rows.
    input wire [ 1:0]           plane,
    output wire [ 3:0]          bits
);

  // Values are kept as complements: two sums in a row need no carry in.
  logic [3:0][31:0] values;
  logic [31:0] value, complement, complement_q;
  logic [32:0] less_value;
  wire [31:0] scaled = doubled[1] ? value << 2 : doubled[0] ? value << 1 : value;

  logic [7:0] level1, level2, level3;
  wire reached = less_value[32];

  logic [3:0] leaving;
  logic [3:0][2:0] gathered;
  logic [3:0][3:0] gone;

  assign difference = ~less_value[31:0];
  assign bits = gone[plane];

  always_ff @(posedge aclk) begin
    if (capture) values <= sums;
    value <= values[turn];
    complement <= less + ~scaled;
    complement_q <= complement;
    less_value <= {complement_q[31], complement_q} + {constant[31], constant};

    level <= trial | (first ? '0 : level3 & (reached ? '1 : ~tried));
    level1 <= level;
    level2 <= level1;
    level3 <= level2;

    if (finds) leaving <= found;
    else leaving <= difference[4*planes+:4];
    if (searches) leaving[0] <= reached;

    for (int i = 0; i < 4; i++) begin
      gathered[i] <= {leaving[i], gathered[i][2:1]};
      if (pass_ends) gone[i] <= {leaving[i], gathered[i]};
    end
  end

endmodule

`default_nettype wire
