// Read-only memory whose words come from an image file, some cycles after their address.
//
// A simulation looks for the file in the folder that +images=FOLDER names, so that one compiled
// model serves every set of weights of the same shape; synthesis finds it on its search path.
// The first register stands beside the words, so that these may lie in a block RAM.
`default_nettype none

module rom #(
  parameter WIDTH = 8,          // bits of a word, >= 1
  parameter DEPTH = 16,         // words, >= 1
  parameter READS = 1,          // read ports, >= 1
  parameter CYCLES = 0,         // from an address to its word, >= 0; 0 is without a clock
  parameter IMAGE = "rom.hex",  // one hexadecimal word a line
  // The rest follows from the above: leave it alone.
  parameter ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire                          aclk,
  input  wire                          advance,  // the registers move
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

  logic [READS*WIDTH-1:0] found;
  genvar i;
  generate
    for (i = 0; i < READS; i = i + 1) begin : g_read
      wire [WIDTH-1:0] word = words[address[i*ADDRESS_BITS+:ADDRESS_BITS]];
      if (CYCLES > 0) begin : g_register
        always @(posedge aclk) if (advance) found[i*WIDTH+:WIDTH] <= word;
      end else begin : g_wire
        assign found[i*WIDTH+:WIDTH] = word;
      end
    end
  endgenerate

  delay #(
    .WIDTH (READS * WIDTH),
    .CYCLES(CYCLES > 0 ? CYCLES - 1 : 0)
  ) later (
    .aclk   (aclk),
    .advance(advance),
    .x      (found),
    .y      (data)
  );
endmodule

`default_nettype wire
