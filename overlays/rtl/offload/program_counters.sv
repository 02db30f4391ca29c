// Counts, for each layer of a program, the cycles in which it was busy and those in which it waited.
//
// Layers are at work one after another: two counters do, and a memory for what they came to.
`default_nettype none

module program_counters #(
    parameter int LAYERS = 1  // 1 to 480, what the register map has room for
) (
    input wire aclk,

    input wire clear,
    input wire running,
    input wire layer_begins,   // one cycle: what is counted from the next one on is the next layer's
    input wire layer_busy,
    input wire layer_stalled,

    // Register `index` of the layers' part of the map: busy and stalled of layer 0, of layer 1, ...
    input  wire  [ 9:0] index,
    output wire  [31:0] count   // 0 for a layer that has not begun
);

  generate
    if (LAYERS < 1 || LAYERS > 480) begin : bad_layers
      $error("program_counters: LAYERS must be 1 to 480");
    end
  endgenerate

  localparam int INDEX_BITS = LAYERS > 1 ? $clog2(LAYERS) : 1;

  logic [63:0] counts[1 << INDEX_BITS];
  logic [31:0] busy, stalled;
  logic [8:0] begun;
  wire [INDEX_BITS-1:0] layer = INDEX_BITS'(begun - 9'd1);
  wire [63:0] chosen = counts[index[INDEX_BITS:1]];

  assign count = index[9:1] >= begun ? '0 : index[0] ? chosen[63:32] : chosen[31:0];

  always_ff @(posedge aclk) begin
    counts[layer] <= {stalled, busy};
    if (layer_begins) begin
      busy <= '0;
      stalled <= '0;
      begun <= begun + 9'd1;
    end else if (running) begin
      busy <= busy + 32'(layer_busy);
      stalled <= stalled + 32'(layer_stalled);
    end
    if (clear) begun <= '0;
  end

endmodule

`default_nettype wire
