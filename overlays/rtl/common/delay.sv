// A value some cycles later.
`default_nettype none

module delay #(
  parameter int WIDTH  = 8,  // bits, >= 1
  parameter int CYCLES = 1   // >= 0; 0 is a wire
) (
  input  logic             aclk,
  input  logic             advance,  // the registers move
  input  logic [WIDTH-1:0] x,
  output logic [WIDTH-1:0] y
);
  if (CYCLES < 0) begin : g_bad_cycles
    $error("CYCLES must be at least 0");
  end else if (CYCLES == 0) begin : g_wire
    assign y = x;
    logic unused;
    assign unused = &{1'b0, aclk, advance};
  end else begin : g_registers
    logic [CYCLES*WIDTH-1:0] held;
    always_ff @(posedge aclk) if (advance) held <= (CYCLES * WIDTH)'({held, x});
    assign y = held[CYCLES*WIDTH-1-:WIDTH];
  end
endmodule

`default_nettype wire
