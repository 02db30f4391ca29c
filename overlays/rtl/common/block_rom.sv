// Read-only memory in block RAM whose words come from an image file, some cycles after their
// address. rom.sv says where the file lies.
`default_nettype none

module block_rom #(
  parameter WIDTH = 8,          // bits of a word, >= 1
  parameter DEPTH = 16,         // words, >= 1
  parameter CYCLES = 2,         // from an address to its word, >= 1
  parameter IMAGE = "rom.hex",  // one hexadecimal word a line
  // The rest follows from the above: leave it alone.
  parameter ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  wire                    aclk,
  input  wire                    advance,  // the registers move
  input  wire [ADDRESS_BITS-1:0] address,
  output wire [WIDTH-1:0]        data
);
  (* rom_style = "block", ram_style = "block" *)
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

  reg [WIDTH-1:0] found;
  always @(posedge aclk) if (advance) found <= words[address];

  delay #(
    .WIDTH (WIDTH),
    .CYCLES(CYCLES - 1)
  ) later (
    .aclk   (aclk),
    .advance(advance),
    .x      (found),
    .y      (data)
  );
endmodule

`default_nettype wire
