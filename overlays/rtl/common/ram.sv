// Memory with one write port and one read port, whose word comes two cycles after its address: the
// memory's own output is slow, so a register follows it.
`default_nettype none

module ram #(
    parameter int WIDTH = 64,  // bits of a word, a multiple of SLICE
    parameter int DEPTH = 512, // words, >= 2
    parameter int SLICE = 8,   // bits that are written together, >= 1
    // The rest follows from the above: leave it alone.
    parameter int ADDRESS_BITS = $clog2(DEPTH)
) (
    input wire aclk,

    input wire [WIDTH/SLICE-1:0] write_slices,  // which parts of the word are written
    input wire [ADDRESS_BITS-1:0] write_address,
    input wire [WIDTH-1:0] write_data,

    input wire read_enable,  // else both words on their way out stay
    input wire [ADDRESS_BITS-1:0] read_address,
    output logic [WIDTH-1:0] read_data
);

  generate
    if (WIDTH % SLICE != 0 || DEPTH < 2) begin : bad_size
      $error("ram: WIDTH must be a multiple of SLICE, DEPTH at least 2");
    end
  endgenerate

  logic [WIDTH-1:0] words[DEPTH];
  logic [WIDTH-1:0] fetched;

  always_ff @(posedge aclk) begin
    for (int i = 0; i < WIDTH / SLICE; i++) begin
      if (write_slices[i]) words[write_address][i*SLICE+:SLICE] <= write_data[i*SLICE+:SLICE];
    end
  end

  always_ff @(posedge aclk) begin
    if (read_enable) fetched <= words[read_address];
    if (read_enable) read_data <= fetched;
  end

endmodule

`default_nettype wire
