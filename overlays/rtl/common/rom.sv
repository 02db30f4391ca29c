// Read-only memory whose words come from an image file, read without a clock.
//
// A simulation looks for the file in the folder that +images=FOLDER names, so that one compiled
// model serves every set of weights of the same shape; synthesis finds it on its search path.
// Register the output outside to get a block RAM.
`default_nettype none

module rom #(
  parameter WIDTH = 8,          // bits of a word, >= 1
  parameter DEPTH = 16,         // words, >= 1
  parameter READS = 1,          // read ports, >= 1
  parameter IMAGE = "rom.hex",  // one hexadecimal word a line
  // The rest follows from the above: leave it alone.
  parameter ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire [READS*ADDRESS_BITS-1:0] address,
  output wire [READS*WIDTH-1:0]        data
);
  reg [WIDTH-1:0] words[0:DEPTH-1];

`ifdef VERILATOR
  string folder;
  initial begin
    if ($value$plusargs("images=%s", folder) == 0) folder = ".";
    $readmemh({folder, "/", IMAGE}, words, 0, DEPTH - 1);
  end
`else
  initial $readmemh(IMAGE, words);
`endif

  genvar i;
  generate
    for (i = 0; i < READS; i = i + 1) begin : g_read
      assign data[i*WIDTH+:WIDTH] = words[address[i*ADDRESS_BITS+:ADDRESS_BITS]];
    end
  endgenerate
endmodule

`default_nettype wire
