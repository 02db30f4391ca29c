// Counts, for each layer, the cycles in which it was busy and those in which its output waited.
`default_nettype none

module layer_counters #(
    parameter int LAYERS = 1  // 1 to 480, what the register map has room for
) (
    input wire aclk,

    input wire              clear,
    input wire              running,
    input wire [LAYERS-1:0] layer_busy,
    input wire [LAYERS-1:0] layer_stalled,

    // Register `index` of the layers' part of the map: busy and stalled of layer 0, of layer 1, ...
    input  wire  [ 9:0] index,
    output logic [31:0] count   // in the next cycle; 0 beyond the last layer
);

  generate
    if (LAYERS < 1 || LAYERS > 480) begin : bad_layers
      $error("layer_counters: LAYERS must be 1 to 480");
    end
  endgenerate

  // What a layer does is known late in a cycle, and counted in the next.
  logic [2*LAYERS-1:0] seen;
  logic [2*LAYERS-1:0][31:0] counts;

  always_ff @(posedge aclk) begin
    for (int layer = 0; layer < LAYERS; layer++) begin
      seen[2*layer] <= running && layer_busy[layer];
      seen[2*layer+1] <= running && layer_stalled[layer];
    end
    for (int i = 0; i < 2 * LAYERS; i++) begin
      if (clear) counts[i] <= '0;
      else if (seen[i]) counts[i] <= counts[i] + 32'd1;
    end
  end

  localparam int INDEX_BITS = $clog2(2 * LAYERS);

  always_ff @(posedge aclk) begin
    count <= index < 10'(2 * LAYERS) ? counts[index[INDEX_BITS-1:0]] : '0;
  end

endmodule

`default_nettype wire
